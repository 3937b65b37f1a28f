//! Forgetting, merging, and facts that newer ones replace.

use std::sync::PoisonError;

use mnemon_core::{Memory, MemoryId, Slot, Timestamp};
use mnemon_long_term::{ForgetPolicy, Forgotten, Merged};
use mnemon_store::RowId;

use crate::engine::Engine;
use crate::{ContextManager, Error};

/// When the uses of so many memories wait to be stored, the next turn stores them.
const WAITING_USES: usize = 2_048;

impl ContextManager {
    /// Forgets what a policy says: what has expired is deleted; what has decayed, or has no room, ends and stays as history,
    /// or is deleted. Nothing that is pinned, and no turn that stands in the window, is forgotten.
    ///
    /// # Errors
    /// When the file cannot be written. What was forgotten before stays so.
    pub fn forget(&self, policy: &ForgetPolicy) -> Result<Forgotten, Error> {
        self.engine.store_uses()?;
        self.change(|memory| memory.forget(&self.scope, policy, self.engine.now()))
    }

    /// Merges facts and notes that say the same: one goes on, the others end and stay as history with their origins.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn merge_duplicates(&self) -> Result<Vec<Merged>, Error> {
        self.engine.store_uses()?;
        Ok(self.engine.long_term.merge_duplicates(&self.scope, self.engine.now())?)
    }

    /// Lets one memory take the place of another, which does not hold from now on. False when the old one had ended before.
    /// Facts about the same [`Slot`] do this by themselves: see [`NewMemory::about`](mnemon_core::NewMemory::about).
    ///
    /// # Errors
    /// When one of them is not in this scope, and when the file cannot be written.
    pub fn supersede(&self, old: MemoryId, new: MemoryId) -> Result<bool, Error> {
        Ok(self.engine.long_term.supersede(&self.scope, old, new, self.engine.now())?)
    }

    /// Everything that this scope ever knew about a slot of a subject, the first stored first. What holds has no end.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn history(&self, about: &Slot) -> Result<Vec<Memory>, Error> {
        let mut about = about.clone();
        self.engine.guard.replace_slot(&mut about);
        Ok(self.engine.long_term.history(&self.scope, &about)?)
    }
}

impl Engine {
    /// Notes that memories were shown.
    pub(crate) fn note_uses(&self, rows: impl IntoIterator<Item = RowId>, now: Timestamp) {
        let mut uses = self.uses.lock().unwrap_or_else(PoisonError::into_inner);
        for row in rows {
            let (count, last) = uses.entry(row).or_insert((0, now));
            *count += 1;
            *last = now.max(*last);
        }
    }

    /// Stores the uses that were noted. They are counts: those that a crash loses are not missed.
    pub(crate) fn store_uses(&self) -> Result<(), Error> {
        let store = self.long_term.store();
        let waiting = std::mem::take(&mut *self.uses.lock().unwrap_or_else(PoisonError::into_inner));
        if waiting.is_empty() || store.is_read_only() {
            return Ok(());
        }
        let mut uses: Vec<(RowId, u32, Timestamp)> =
            waiting.into_iter().map(|(row, (count, last))| (row, count, last)).collect();
        // In the order of the file.
        uses.sort_unstable_by_key(|(row, ..)| *row);
        self.windows.forget();
        let stored = store.write(|tx| tx.note_uses(&uses));
        self.windows.forget();
        Ok(stored?)
    }

    /// Whether so many wait that the next turn may pay for storing them.
    pub(crate) fn has_many_uses(&self) -> bool {
        self.uses.lock().unwrap_or_else(PoisonError::into_inner).len() >= WAITING_USES
    }
}
