//! Memories by hand: add, ask, read, change, delete.

use mnemon_core::{Kind, Memory, MemoryId, Metadata, NewMemory};
use mnemon_long_term::{Embed, Embedded, LongTerm, LongTermError, Maintenance};
use mnemon_store::{Damage, ListFilter, MemoryUpdate, StoreError};

use crate::guard::Stored;
use crate::{ContextManager, Error};

impl ContextManager {
    /// Remembers a note with its metadata. Returns its id.
    ///
    /// # Errors
    /// When the store refuses it or cannot be written.
    pub fn add_memory(&self, text: impl Into<String>, metadata: Metadata) -> Result<MemoryId, Error> {
        let ids = self.add(&[NewMemory::new(Kind::Note, text).with_metadata(metadata)])?;
        // One was given, so one was added, or the call failed above.
        let none = StoreError::BadRow { table: "memory", row: 0, expected: "one row", got: "none".into() };
        Ok(ids.into_iter().next().ok_or(none)?)
    }

    /// Remembers facts, notes and documents, all or none of them. Returns their ids in order; one whose origin is known
    /// already keeps the id that it has.
    ///
    /// # Errors
    /// As [`ContextManager::add_memory`].
    pub fn add(&self, memories: &[NewMemory]) -> Result<Vec<MemoryId>, Error> {
        let (memories, _) = self.engine.guard.redact(memories);
        let written = self.engine.long_term.add(&self.scope, &memories, Embed::Now, self.engine.now())?;
        Ok(written.added.into_iter().map(|added| added.id).collect())
    }

    /// The memory of this id, if it is in this scope.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn get(&self, id: MemoryId) -> Result<Option<Memory>, Error> {
        Ok(self.engine.long_term.get(&self.scope, id)?)
    }

    /// Changes a memory. Another text is embedded again.
    ///
    /// # Errors
    /// When it is not in this scope, and when the file cannot be written.
    pub fn update(&self, id: MemoryId, update: &MemoryUpdate) -> Result<(), Error> {
        let mut update = update.clone();
        update.redact(&self.engine.guard);
        self.change(|memory| memory.update(&self.scope, id, &update, self.engine.now()))?;
        if update.text.is_some() {
            self.engine.guard.forget_memory(&self.scope, id);
        }
        Ok(())
    }

    /// Deletes a memory, a turn too.
    ///
    /// # Errors
    /// As [`ContextManager::update`].
    pub fn delete(&self, id: MemoryId) -> Result<(), Error> {
        self.change(|memory| memory.delete(&self.scope, id))?;
        self.engine.guard.forget_memory(&self.scope, id);
        Ok(())
    }

    /// The memories of this scope that pass the filter, in the order in which they were stored.
    ///
    /// # Errors
    /// When the file cannot be read, and for a [`ListFilter::filter`] that cannot be run.
    pub fn list(&self, filter: &ListFilter) -> Result<Vec<Memory>, Error> {
        Ok(self.engine.long_term.list(&self.scope, filter)?)
    }

    /// How many memories of this scope pass the filter.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn count(&self, filter: &ListFilter) -> Result<u64, Error> {
        Ok(self.engine.long_term.count(&self.scope, filter)?)
    }

    /// Forgets everything in this scope, turns and sessions too. Returns how many memories there were.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn clear_memory(&self) -> Result<u64, Error> {
        let cleared = self.change(|memory| memory.clear(&self.scope));
        self.engine.guard.forget(&self.scope);
        cleared
    }

    /// Changes memories that may stand in a window.
    pub(crate) fn change<T>(&self, work: impl FnOnce(&LongTerm) -> Result<T, LongTermError>) -> Result<T, Error> {
        self.engine.windows.forget();
        let done = work(&self.engine.long_term);
        self.engine.windows.forget();
        Ok(done?)
    }

    /// Does what waits to be done in the background, for the whole file: summarises what left windows
    /// ([`ContextManager::summarise`]), embeds what has no vector (after an import, or
    /// after a model that failed), and builds the graph over the vectors when they are many. `progress` is told now and
    /// then; when it returns false the work ends, and goes on at the next call.
    ///
    /// # Errors
    /// When the file cannot be read or written.
    pub fn maintain(&self, progress: &mut dyn FnMut(Embedded) -> bool) -> Result<Maintenance, Error> {
        self.engine.store_uses()?;
        if !self.engine.long_term.store().is_read_only() && self.summarise()?.problem.is_some() {
            tracing::warn!("some turns that left a window wait for their summary");
        }
        Ok(self.engine.long_term.maintain(progress)?)
    }

    /// Looks for damage in the whole file. Reads every page.
    ///
    /// # Errors
    /// When the file cannot be read at all; damage that was found is not an error.
    pub fn check(&self) -> Result<Vec<Damage>, Error> {
        Ok(self.engine.long_term.store().check()?)
    }
}
