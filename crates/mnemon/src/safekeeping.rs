//! Backups, and what is saved of a damaged file.

use std::path::Path;

use mnemon_store::{BackupReport, Dropped, Existing, Salvaged, Steps, Store};

use crate::{ContextManager, Error};

impl ContextManager {
    /// Copies the whole file as it is now, while others read and write on. The copy is checked, is durable when this
    /// returns, and is a memory file like any other, with an id of its own. `progress` is told pages.
    ///
    /// # Errors
    /// When `to` is there and [`Existing::Refuse`] was said, when the file is damaged, and when the copy cannot be written.
    pub fn backup(
        &self,
        to: impl AsRef<Path>,
        existing: Existing,
        progress: &mut dyn FnMut(Steps),
    ) -> Result<BackupReport, Error> {
        Ok(self.engine.long_term.store().backup(to, existing, progress)?)
    }

    /// Makes a memory file out of a backup, which is not changed: a checked copy with an id of its own. Nobody may have a
    /// file open that it replaces. `progress` is told pages.
    ///
    /// # Errors
    /// As [`ContextManager::backup`], and when `from` is no memory file, or one of a newer version.
    pub fn restore(
        from: impl AsRef<Path>,
        to: impl AsRef<Path>,
        existing: Existing,
        progress: &mut dyn FnMut(Steps),
    ) -> Result<BackupReport, Error> {
        Ok(Store::restore(from, to, existing, progress)?)
    }

    /// Writes everything that can be read in a damaged file, and that is sound, into a new file, and tells what was lost. The
    /// damaged file is only read. `progress` is told rows.
    ///
    /// # Errors
    /// When `to` is there or cannot be written, and when so much is destroyed that nothing can be read.
    pub fn salvage(
        damaged: impl AsRef<Path>,
        to: impl AsRef<Path>,
        progress: &mut dyn FnMut(Steps),
    ) -> Result<Salvaged, Error> {
        Ok(Store::salvage(damaged, to, progress)?)
    }

    /// Deletes vectors that are damaged, so that [`ContextManager::maintain`] makes them anew. Memories are never deleted.
    /// Reads every vector.
    ///
    /// # Errors
    /// When the file cannot be read or written.
    pub fn drop_damaged(&self) -> Result<Dropped, Error> {
        Ok(self.engine.long_term.store().drop_damaged()?)
    }
}
