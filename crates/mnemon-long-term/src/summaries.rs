//! Storing summaries that the engine made, with what they were made of.

use mnemon_core::{Memory, MemoryId, NewMemory, Scope, SessionId, Timestamp};
use mnemon_store::{RowId, Snapshot, StoreError};

use crate::passage::{self, Analysed, Owner};
use crate::{LongTerm, LongTermError};

/// A summary that is about to be stored.
#[derive(Debug, Clone, Copy)]
pub struct NewSummary<'a> {
    /// Whose it is.
    pub scope: &'a Scope,
    /// The conversation.
    pub session: SessionId,
    /// 1 for a summary of turns, 2 for one of summaries of turns, and so on.
    pub depth: u32,
    /// What it was made of, as it was read then.
    pub parts: &'a [(RowId, Memory)],
    /// The summary.
    pub memory: &'a NewMemory,
}

impl LongTerm {
    /// Stores a summary with links to what it was made of. `None`, and nothing is stored, when that is not what it was any
    /// more: something of it was changed or deleted meanwhile, or somebody else summarised it. It is found by its words, where
    /// summaries are asked for, and by its meaning when [`LongTerm::embed_pending`] has seen it.
    ///
    /// # Errors
    /// When the store refuses the memory or cannot be written.
    pub fn add_summary(&self, new: &NewSummary<'_>, now: Timestamp) -> Result<Option<MemoryId>, LongTermError> {
        let analysed = Analysed::new(std::iter::once(passage::of_new(new.memory)));
        let rows: Vec<RowId> = new.parts.iter().map(|(row, _)| *row).collect();
        self.store().write(|tx| {
            let Some(scope) = tx.scope_id(new.scope)? else { return Ok(None) };
            let place = (scope, new.session);
            if !tx.may_be_summarised(place, new.depth, &rows)? || !are_as_read(tx, new.parts)? {
                return Ok(None);
            }
            let added = tx.add_memory(new.scope, new.memory, now)?;
            analysed.put(tx, std::iter::once(Owner::Added(&added)), None)?;
            tx.enter_summary(place, added.row, new.depth, &rows)?;
            Ok(Some(added.id))
        })
    }
}

/// Whether memories say what they said when they were read, and hold as they did.
fn are_as_read(snapshot: &Snapshot<'_>, parts: &[(RowId, Memory)]) -> Result<bool, StoreError> {
    let rows: Vec<RowId> = parts.iter().map(|(row, _)| *row).collect();
    let now = snapshot.memories(&rows)?;
    let same = |((_, a), (_, b)): (&(RowId, Memory), &(RowId, Memory))| {
        a.id == b.id && a.updated_at == b.updated_at && a.state.ended == b.state.ended
    };
    Ok(now.len() == parts.len() && now.iter().zip(parts).all(same))
}
