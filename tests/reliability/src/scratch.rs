//! Folders for files that are written thousands of times and thrown away.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::Result;

/// Where files lie in memory on the usual systems: what is tested are the promises of the engine, not those of a disk.
const MEMORY: &str = "/dev/shm";

/// The folder of a process that is supervised, named in its environment: it goes even when the process is killed.
pub(crate) const OWN_FOLDER: &str = "MNEMON_RELIABILITY_FOLDER";

/// A folder that goes with the value.
///
/// # Errors
/// When it cannot be made.
pub(crate) fn folder() -> Result<TempDir> {
    let own = std::env::var_os(OWN_FOLDER);
    let memory = own.as_deref().map_or(Path::new(MEMORY), Path::new);
    let made = if memory.is_dir() { TempDir::with_prefix_in("mnemon-reliability-", memory) } else { TempDir::new() };
    Ok(made?)
}

/// The log that SQLite keeps beside a file.
#[must_use]
pub(crate) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Removes a database with all that SQLite keeps beside it.
///
/// # Errors
/// When a file is there and cannot be removed.
pub(crate) fn remove(path: &Path) -> Result<()> {
    for suffix in ["", "-wal", "-shm", "-journal", "-head"] {
        match std::fs::remove_file(beside(path, suffix)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
    }
    Ok(())
}
