//! Room that is kept for the day on which the disk is full: deleting needs some, too.
//!
//! A file of real bytes lies beside the memory file. When a deletion finds the disk full, that file goes, and the deletion
//! is tried again.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::backup::with_suffix;
use crate::{Store, StoreError, WriteTx};

impl Store {
    /// Runs `work`, which takes more away than it adds, as [`Store::write`] does. When the disk is full the room that is
    /// kept for this is given up ([`StoreOptions::ballast`](crate::StoreOptions::ballast)), and `work` runs once more, from
    /// the beginning.
    ///
    /// # Errors
    /// As [`Store::write`]; [`StoreError::Full`] when that room was not enough, or was given up before.
    pub fn write_making_room<T>(
        &self,
        mut work: impl FnMut(&WriteTx<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        match self.write(&mut work) {
            Err(StoreError::Full) if self.give_room()? => {
                tracing::warn!("the disk is full; the room that was kept for deleting is used now");
                self.write(work)
            }
            done => done,
        }
    }

    /// Keeps room for deleting, if it is to be kept and is not: it was given up, or the file was too small for it before.
    /// False when there is none now. A disk that has no room for it is no error.
    pub fn keep_room(&self) -> bool {
        let Some(path) = self.ballast_path() else { return false };
        let size = self.options().ballast;
        match fs::metadata(&path) {
            Ok(found) if found.len() == size => return true,
            // Another process stopped while it wrote it, or it is to be of another size now.
            Ok(_) => drop(fs::remove_file(&path)),
            Err(_) => {}
        }
        let is_large = self.path().and_then(|path| fs::metadata(path).ok()).is_some_and(|file| file.len() >= size);
        if !is_large {
            return false;
        }
        let written = fill(&path, size);
        if let Err(error) = &written
            && error.kind() != io::ErrorKind::AlreadyExists
        {
            tracing::debug!(%error, "no room is kept for deleting");
            let _ = fs::remove_file(&path);
        }
        written.is_ok()
    }

    /// Gives the room up. False when there was none.
    fn give_room(&self) -> Result<bool, StoreError> {
        let Some(path) = self.ballast_path() else { return Ok(false) };
        match fs::remove_file(&path) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(source) => return Err(StoreError::CannotWrite { path, source }),
        }
        Ok(true)
    }

    fn ballast_path(&self) -> Option<PathBuf> {
        let is_kept = self.options().ballast > 0 && !self.is_read_only();
        self.path().filter(|_| is_kept).map(|path| with_suffix(path, "-ballast"))
    }
}

/// Bytes that no file system makes less of.
fn fill(path: &Path, size: u64) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut left = size;
    while left > 0 {
        let mut block = [0_u8; 8192];
        for bytes in block.chunks_exact_mut(8) {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            bytes.copy_from_slice(&state.to_le_bytes());
        }
        let length = left.min(block.len() as u64);
        file.write_all(block.get(..length as usize).unwrap_or_default())?;
        left -= length;
    }
    // Some file systems look for room only now.
    file.sync_all()
}
