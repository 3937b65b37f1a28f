//! Erasing: out of the file, out of what was saved and out of memory.

use mnemon_core::{MemoryId, Scope, Timestamp, with_causes};
use mnemon_store::{ErasureRow, RowId, Scrubbed, Selection, StoreError};

use crate::{LongTerm, LongTermError};

/// What [`LongTerm::erase`] came to.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Erasure {
    /// The receipt, which the file keeps.
    pub receipt: ErasureRow,
    /// The ids of what was erased, ascending. The file does not keep them: who wants to verify the receipt does.
    pub ids: Vec<MemoryId>,
    /// The rows that it had.
    pub rows: Vec<RowId>,
    /// Why bytes of it may still be in the file; `None` when none are. `maintain` goes on with it, and so does whoever opens
    /// the file for writing next.
    pub pending: Option<String>,
}

impl LongTerm {
    /// Deletes memories for good, with all that tells of them, and makes their bytes go from the file. They are deleted,
    /// for every process, when this returns; that their bytes are still there, because somebody reads an older state of
    /// the file or the disk is full, is no error and is told in [`Erasure::pending`].
    ///
    /// Where the disk is full the room that is kept for deleting is used
    /// ([`Store::write_making_room`](mnemon_store::Store::write_making_room)).
    ///
    /// The file is written anew, so erase many at once: see [`Store::scrub`](mnemon_store::Store::scrub) for what it takes.
    /// Other processes drop what they hold in memory of the scope at their next question there, or when they maintain.
    ///
    /// # Errors
    /// When a memory or session is not in the scope, and then nothing was deleted; and when the store cannot be written.
    pub fn erase(&self, scope: &Scope, selection: &Selection, now: Timestamp) -> Result<Erasure, LongTermError> {
        let (row, erased) = self.store().write_making_room(|tx| -> Result<_, StoreError> {
            let row = tx.scope_id(scope)?;
            Ok((row, tx.erase(scope, selection, now)?))
        })?;
        if let Some(row) = row {
            self.resident().forget(row);
        }
        let pending = match self.store().scrub() {
            Ok(Scrubbed::Blocked) => Some("somebody reads an older state of the file, or writes to it".to_owned()),
            Ok(_) => None,
            Err(error) => {
                tracing::warn!(%error, "erased bytes are still in the file");
                Some(with_causes(&error))
            }
        };
        // It is in the file by now, finished or not; that it cannot be read again takes nothing back.
        let read = self.store().read(|snapshot| snapshot.receipt(erased.receipt.id));
        let receipt = read.ok().flatten().unwrap_or(erased.receipt);
        Ok(Erasure { receipt, ids: erased.ids, rows: erased.rows, pending })
    }

    /// Goes on with erasures whose bytes are still in the file, and drops from memory what other processes erased.
    pub(crate) fn finish_erasures(&self) -> Result<Scrubbed, LongTermError> {
        self.resident().drop_erased(self.store(), self.models())?;
        if self.store().is_read_only() {
            return Ok(Scrubbed::Nothing);
        }
        Ok(self.store().scrub()?)
    }
}
