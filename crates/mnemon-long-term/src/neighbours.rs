//! Neighbours: what stands beside a memory.

use mnemon_core::Memory;
use mnemon_store::RowId;

use crate::{LongTerm, LongTermError};

/// The memory before and the memory after, with their rows.
pub type Neighbours = (Option<(RowId, Memory)>, Option<(RowId, Memory)>);

impl LongTerm {
    /// The turns before and after a turn in its session. Nothing stands beside other memories.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn neighbours(&self, row: RowId) -> Result<Neighbours, LongTermError> {
        self.store().read(|snapshot| {
            let passages = snapshot.passages(&snapshot.passages_of(&[row])?)?;
            let [turn] = &passages[..] else { return Ok((None, None)) };
            let beside = snapshot.passages_of_run(turn.run, turn.place - 1, turn.place + 1)?;
            let at = |place| -> Result<_, LongTermError> {
                let Some(beside) = beside.iter().find(|passage| passage.place == place) else { return Ok(None) };
                Ok(snapshot.memories(&[beside.memory])?.pop())
            };
            Ok((at(turn.place - 1)?, at(turn.place + 1)?))
        })
    }
}
