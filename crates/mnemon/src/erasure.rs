//! Erasure: memories go from the disk, and a receipt stays.

use std::sync::PoisonError;

use mnemon_core::{MemoryId, ReceiptId};
use mnemon_long_term::Erasure;
use mnemon_store::{ErasureRow, Scrubbed, Selection, Verified};

use crate::{ContextManager, Error};

impl ContextManager {
    /// Deletes memories of this scope for good: no byte of them is left in the files of the database when the receipt is
    /// finished. [`ContextManager::delete`] is faster and leaves traces on the disk until they are overwritten.
    ///
    /// ```
    /// use mnemon::{ContextManager, Selection};
    ///
    /// let memory = ContextManager::builder().without_model().open_in_memory()?;
    /// let id = memory.add_memory("The code of the safe is 4711", Default::default())?;
    /// let erasure = memory.erase(&Selection::Ids(vec![id]))?;
    /// assert!(memory.verify(erasure.receipt.id, &erasure.ids)?.is_some_and(|verified| verified.holds()));
    /// # Ok::<(), mnemon::Error>(())
    /// ```
    ///
    /// Takes about 1 s for each 100 MB of the file, however little is erased, so erase many at once. A session whose
    /// turns are all erased is gone too. What can and what cannot be promised stands in docs/ERASURE.md.
    ///
    /// # Errors
    /// When a memory or session is not in this scope, and then nothing was deleted; and when the file cannot be written.
    pub fn erase(&self, selection: &Selection) -> Result<Erasure, Error> {
        let engine = &self.engine;
        engine.windows.forget();
        engine.guard.forget(&self.scope);
        let done = engine.long_term.erase(&self.scope, selection, engine.now());
        engine.windows.forget();
        // What was shown while it was deleted.
        engine.guard.forget(&self.scope);
        let erasure = done?;
        let mut accessed = engine.accessed.lock().unwrap_or_else(PoisonError::into_inner);
        erasure.rows.iter().for_each(|row| {
            accessed.remove(row);
        });
        drop(accessed);
        engine.forget_tokens(&erasure.rows);
        Ok(erasure)
    }

    /// The receipts of all erasures in the file, of every scope, the oldest first.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn receipts(&self) -> Result<Vec<ErasureRow>, Error> {
        Ok(self.engine.long_term.store().receipts()?)
    }

    /// Holds a receipt against the ids of what was erased. `None` when there is no such receipt.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn verify(&self, receipt: ReceiptId, ids: &[MemoryId]) -> Result<Option<Verified>, Error> {
        Ok(self.engine.long_term.store().verify(receipt, ids)?)
    }

    /// Makes the bytes of what was erased go from the file, where that could not be done before.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn scrub(&self) -> Result<Scrubbed, Error> {
        Ok(self.engine.long_term.store().scrub()?)
    }
}
