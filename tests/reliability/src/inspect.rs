//! What a file really holds, read through the store alone.

use std::collections::{BTreeMap, BTreeSet};

use mnemon::{Embedder, ListFilter, Memory, Placement, Scope, SessionId};
use mnemon_store::{RowId, Snapshot, Store, StoreError};

use crate::actor::MARK;
use crate::embedder::HashEmbedder;
use crate::room::Record;

/// A unit vector may be so far from length 1.
const LENGTH_TOLERANCE: f32 = 1e-3;

/// The memories of a scope in the order in which they were stored, from one state of the file; and what is half done
/// among them: memories without a passage, vectors that are none.
///
/// # Errors
/// When the file cannot be read.
pub(crate) fn scope(store: &Store, scope: &Scope) -> Result<(Vec<Record>, Vec<String>), StoreError> {
    store.read(|snapshot| {
        let Some(row) = snapshot.scope_id(scope)? else { return Ok((Vec::new(), Vec::new())) };
        let memories = snapshot.list(row, &ListFilter { limit: usize::MAX, ..ListFilter::default() })?;
        let names: BTreeMap<SessionId, Option<String>> =
            snapshot.sessions(scope)?.into_iter().map(|session| (session.id, session.name)).collect();

        let mut problems = Vec::new();
        let (mut passages, mut without) = (BTreeMap::new(), BTreeSet::new());
        snapshot.each_passage(row, |passage| {
            passages.insert(passage.id, passage.memory);
        })?;
        let model = HashEmbedder::new();
        let mut vectors = BTreeSet::new();
        if let Some(model) = snapshot.model(model.model(), HashEmbedder::size())? {
            snapshot.each_vector_of(row, model, |passage, vector| -> Result<(), StoreError> {
                let length = vector.iter().map(|value| value * value).sum::<f32>().sqrt();
                if (length - 1.0).abs() > LENGTH_TOLERANCE || length.is_nan() {
                    problems.push(format!("the vector of passage {passage} has the length {length}"));
                }
                vectors.insert(passage);
                Ok(())
            })?;
        }
        without.extend(passages.iter().filter(|(id, _)| !vectors.contains(id)).map(|(_, memory)| *memory));
        let rows: BTreeSet<RowId> = passages.values().copied().collect();
        let mut records = Vec::with_capacity(memories.len());
        let mut last = BTreeMap::new();
        for memory in memories {
            problems.extend(misplaced(&memory, &mut last));
            let in_rows = row_of(snapshot, &memory, row)?;
            if !rows.contains(&in_rows) {
                problems.push(format!("memory {} has no passage", memory.id));
            }
            records.push(record(memory, &names, !without.contains(&in_rows)));
        }
        Ok((records, problems))
    })
}

fn row_of(snapshot: &Snapshot<'_>, memory: &Memory, scope: mnemon_store::ScopeRow) -> Result<RowId, StoreError> {
    // The same snapshot listed it.
    Ok(snapshot.memory_row(scope, memory.id)?.unwrap_or(0))
}

/// The turns of a session ascend.
fn misplaced(memory: &Memory, last: &mut BTreeMap<SessionId, u32>) -> Option<String> {
    let turn = memory.turn.as_ref()?;
    match last.insert(turn.session, turn.position) {
        Some(before) if before >= turn.position => {
            Some(format!("turn {} of its session stands behind turn {before}", turn.position))
        }
        _ => None,
    }
}

/// A memory as the model speaks of it.
fn record(memory: Memory, names: &BTreeMap<SessionId, Option<String>>, embedded: bool) -> Record {
    let turn = memory.turn.as_ref();
    Record {
        id: Some(memory.id),
        kind: memory.kind,
        role: turn.map(|turn| turn.role),
        session: turn.and_then(|turn| names.get(&turn.session).cloned().flatten()),
        mark: memory.metadata.get(MARK).and_then(serde_json::Value::as_u64),
        pinned: memory.pinned,
        in_window: turn.is_some_and(|turn| turn.placement == Placement::Window),
        embedded,
        text: memory.text,
    }
}
