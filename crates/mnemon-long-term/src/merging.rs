//! Merging: facts and notes that say the same as another one. Each stays as history, with where it came from.

use std::collections::HashSet;

use mnemon_core::{EndReason, Ended, Memory, MemoryId, Scope, Timestamp};
use mnemon_index::Search;
use mnemon_recall::same_said;
use mnemon_store::{RowId, ScopeRow, Snapshot};
use serde::Serialize;

use crate::resident::{AtSnapshot, MAX_STALE, Passage, Shelf};
use crate::{LongTerm, LongTermError};

/// So many of the nearest are compared with each memory: of more that say the same, those that are left are merged the
/// next time.
const NEAREST: usize = 16;

/// Memories that say the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Merged {
    /// The one that goes on.
    pub kept: MemoryId,
    /// Those that ended for it.
    pub merged: Vec<MemoryId>,
}

impl LongTerm {
    /// Merges facts, notes and summaries of a scope that say the same (summaries that the engine made aside): nearly the same direction, and each has four fifths
    /// of the words of the other, every number, and denies what the other denies. Of those the pinned one is kept, then the
    /// one that matters most, then the one that is used most, then the oldest. The others end, and keep their origins; turns
    /// and documents of several passages are never merged, and nothing that is pinned ends.
    ///
    /// Without an embedding model only memories with the same words are merged, and none is found that has no vector.
    ///
    /// # Errors
    /// When the store cannot be read or written.
    pub fn merge_duplicates(&self, scope: &Scope, now: Timestamp) -> Result<Vec<Merged>, LongTermError> {
        let mut merged = Vec::new();
        for group in self.same(scope, now)? {
            let [kept, rest @ ..] = &group[..] else { continue };
            let ended = Ended { at: now, why: EndReason::Merged, by: Some(kept.id) };
            let done = self.store().write(|tx| -> Result<Vec<MemoryId>, LongTermError> {
                let Some(scope) = tx.scope_id(scope)? else { return Ok(Vec::new()) };
                // Somebody may have deleted or changed one meanwhile.
                let is_as_seen = |memory: &Memory| -> Result<bool, LongTermError> {
                    Ok(tx.memory(scope, memory.id)?.is_some_and(|found| found.updated_at == memory.updated_at))
                };
                let mut done = Vec::new();
                if is_as_seen(kept)? {
                    for memory in rest.iter().filter(|memory| !memory.pinned) {
                        if is_as_seen(memory)? && tx.end(scope, memory.id, ended)? {
                            done.push(memory.id);
                        }
                    }
                }
                Ok(done)
            })?;
            if !done.is_empty() {
                merged.push(Merged { kept: kept.id, merged: done });
            }
        }
        Ok(merged)
    }

    /// Groups of memories that say the same, the one that is kept first.
    fn same(&self, scope: &Scope, now: Timestamp) -> Result<Vec<Vec<Memory>>, LongTermError> {
        for attempt in 0..=MAX_STALE {
            let found = self.store().read(|snapshot| -> Result<_, LongTermError> {
                let Some(scope) = snapshot.scope_id(scope)? else { return Ok(AtSnapshot::Done(Vec::new())) };
                let model = self.models().serving(snapshot)?.row;
                self.resident().at(snapshot, scope, attempt, model, |shelf| groups(snapshot, scope, shelf, now))
            })?;
            if let AtSnapshot::Done(groups) = found {
                return Ok(groups);
            }
        }
        // The last attempt is never stale.
        Ok(Vec::new())
    }
}

fn groups(
    snapshot: &Snapshot<'_>,
    scope: ScopeRow,
    shelf: &Shelf,
    now: Timestamp,
) -> Result<Vec<Vec<Memory>>, LongTermError> {
    let Some((_, index)) = shelf.vectors() else { return Ok(Vec::new()) };
    let single = single_passages(snapshot, scope)?;
    let can_merge = |passage: &Passage| {
        single.contains(&passage.memory) && !passage.is_made && passage.until.is_none_or(|until| now < until)
    };
    let may_come = |id| shelf.number(id).and_then(|number| shelf.passage(number)).is_some_and(can_merge);
    let mut taken: HashSet<RowId> = HashSet::new();
    let mut groups = Vec::new();
    for passage in shelf.passages().filter(|passage| can_merge(passage)) {
        let (Some(vector), false) = (shelf.vector(passage), taken.contains(&passage.memory)) else { continue };
        let own = shelf.member(passage, true);
        let vector: Vec<f32> = vector.values().take(index.dimension()).collect();
        let search = Search { allowed: Some(&may_come), ..Search::new(&vector, NEAREST) };
        let mut rows = vec![passage.memory];
        for candidate in index.search(&search)? {
            let other = shelf.number(candidate.id).and_then(|number| shelf.passage(number));
            let Some(other) = other.filter(|other| other.memory != passage.memory) else { continue };
            if !taken.contains(&other.memory) && same_said(&own, &shelf.member(other, true)) {
                rows.push(other.memory);
            }
        }
        if rows.len() > 1 {
            taken.extend(&rows);
            let mut group: Vec<(RowId, Memory)> = snapshot.memories(&rows)?;
            group.sort_by(|(a_row, a), (b_row, b)| {
                (b.pinned.cmp(&a.pinned))
                    .then(b.state.importance.total_cmp(&a.state.importance))
                    .then(b.state.uses.cmp(&a.state.uses))
                    .then((a.time(), a_row).cmp(&(b.time(), b_row)))
            });
            groups.push(group.into_iter().map(|(_, memory)| memory).collect());
        }
    }
    Ok(groups)
}

/// The memories of a scope that are no turns and have one passage each.
fn single_passages(snapshot: &Snapshot<'_>, scope: ScopeRow) -> Result<HashSet<RowId>, LongTermError> {
    let (mut single, mut several) = (HashSet::new(), HashSet::new());
    snapshot.each_passage(scope, |passage| {
        if passage.role.is_none() && !single.insert(passage.memory) {
            several.insert(passage.memory);
        }
    })?;
    single.retain(|row| !several.contains(row));
    Ok(single)
}
