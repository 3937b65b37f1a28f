//! A layer between SQLite and the files: every call of SQLite passes here on its way to the file system of the machine.
//!
//! It is SQLite's own default VFS with four of its functions replaced, registered as the default for the whole process,
//! so that the engine opens its files through it without knowing. What the calls do is said by the [`Monitor`]: nothing,
//! write down what is written ([`recorder`](Recording)), or fail ([`Faults`]). Only files below the folder that is
//! watched are concerned.
//!
//! All `unsafe` of the harness stands here and in `file.rs`.

mod faults;
mod file;
mod recorder;

use std::ffi::{CStr, c_char, c_int};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use rusqlite::ffi::{self, sqlite3_file, sqlite3_vfs};

use crate::Result;
pub(crate) use faults::{Call, Fault, Faults};
pub(crate) use recorder::{Event, Recording};

/// What happens to the calls.
#[derive(Debug, Default)]
pub(crate) enum Monitor {
    /// They go on to the file system.
    #[default]
    Nothing,
    /// They do, and are written down.
    Record(Recording),
    /// Some fail.
    Fail(Faults),
}

#[derive(Debug)]
struct Watch {
    folder: PathBuf,
    monitor: Monitor,
}

/// The layer of this process.
struct Layer {
    /// SQLite's own VFS, which lives as long as the process.
    below: *mut sqlite3_vfs,
    watch: Mutex<Watch>,
}

// SAFETY: `below` points to a static of SQLite that nobody writes to after registration; the unix and Windows VFS may be
// called from any thread.
unsafe impl Send for Layer {}
// SAFETY: as above.
unsafe impl Sync for Layer {}

static LAYER: OnceLock<Option<Layer>> = OnceLock::new();

/// Puts the layer in, once for the process, and watches a folder from now on. What was watched before is forgotten.
///
/// # Errors
/// When SQLite does not take it.
pub(crate) fn watch(folder: &Path, monitor: Monitor) -> Result<()> {
    let layer = LAYER.get_or_init(install).as_ref().ok_or("SQLite did not take the layer between it and the files")?;
    *lock(layer) = Watch { folder: folder.to_owned(), monitor };
    Ok(())
}

/// Ends watching and gives the monitor back.
pub(crate) fn unwatch() -> Monitor {
    match LAYER.get() {
        Some(Some(layer)) => {
            let mut watch = lock(layer);
            watch.folder = PathBuf::new();
            std::mem::take(&mut watch.monitor)
        }
        _ => Monitor::Nothing,
    }
}

/// Does something with the monitor while SQLite goes on.
pub(crate) fn with<T>(work: impl FnOnce(&mut Monitor) -> T) -> Option<T> {
    match LAYER.get() {
        Some(Some(layer)) => Some(work(&mut lock(layer).monitor)),
        _ => None,
    }
}

fn lock(layer: &Layer) -> MutexGuard<'_, Watch> {
    layer.watch.lock().unwrap_or_else(PoisonError::into_inner)
}

fn install() -> Option<Layer> {
    // SAFETY: SQLite initialises itself here; the VFS it returns is a static.
    let below = unsafe {
        if ffi::sqlite3_initialize() != ffi::SQLITE_OK {
            return None;
        }
        ffi::sqlite3_vfs_find(std::ptr::null())
    };
    if below.is_null() {
        return None;
    }
    // SAFETY: `below` is a valid VFS. The copy shares its functions and their data, which do not look at the pointer that
    // they are called with, except through what is replaced here. It is leaked, because SQLite keeps it for ever.
    let registered = unsafe {
        let mut layer = *below;
        layer.szOsFile += file::extra_bytes();
        layer.pNext = std::ptr::null_mut();
        layer.zName = c"mnemon-reliability".as_ptr();
        layer.xOpen = Some(open);
        layer.xDelete = Some(delete);
        layer.xAccess = Some(access);
        ffi::sqlite3_vfs_register(Box::leak(Box::new(layer)), 1)
    };
    let watch = Mutex::new(Watch { folder: PathBuf::new(), monitor: Monitor::Nothing });
    (registered == ffi::SQLITE_OK).then_some(Layer { below, watch })
}

fn below() -> Option<*mut sqlite3_vfs> {
    Some(LAYER.get()?.as_ref()?.below)
}

/// The name of a file below the folder that is watched, without the folder; `None` for any other.
fn watched(watch: &Watch, path: &str) -> Option<String> {
    if watch.folder.as_os_str().is_empty() {
        return None;
    }
    let name = Path::new(path).strip_prefix(&watch.folder).ok()?;
    Some(name.to_string_lossy().into_owned())
}

/// Asks the monitor about a call on a file: an error that it has to return instead, after it was noted.
fn ask(path: &str, call: Call, note: impl FnOnce(&mut Recording, String)) -> Option<c_int> {
    let layer = LAYER.get()?.as_ref()?;
    let mut watch = lock(layer);
    let name = watched(&watch, path)?;
    match &mut watch.monitor {
        Monitor::Nothing => None,
        Monitor::Record(recording) => {
            note(recording, name);
            None
        }
        Monitor::Fail(faults) => faults.error(call, &name),
    }
}

/// # Safety
/// As SQLite calls it.
unsafe extern "C" fn open(
    _: *mut sqlite3_vfs,
    name: *const c_char,
    file: *mut sqlite3_file,
    flags: c_int,
    out_flags: *mut c_int,
) -> c_int {
    // SAFETY: SQLite gives `szOsFile` bytes at `file`, of which the first are ours, and a name that lives as long.
    unsafe {
        let Some(below) = below() else { return ffi::SQLITE_CANTOPEN };
        let path = text(name);
        if let Some(error) = ask(&path, Call::Open, |_, _| {}) {
            (*file).pMethods = std::ptr::null();
            return error;
        }
        let Some(open) = (*below).xOpen else { return ffi::SQLITE_CANTOPEN };
        let inner = file::inner(file);
        (*inner).pMethods = std::ptr::null();
        let result = open(below, name, inner, flags, out_flags);
        // As SQLite's unix VFS does it: a log or journal that may be new makes its first sync one of the folder too.
        let is_log =
            flags & (ffi::SQLITE_OPEN_WAL | ffi::SQLITE_OPEN_MAIN_JOURNAL | ffi::SQLITE_OPEN_SUPER_JOURNAL) != 0;
        let syncs_folder = is_log && flags & ffi::SQLITE_OPEN_CREATE != 0;
        file::wrap(file, path, syncs_folder, result == ffi::SQLITE_OK);
        result
    }
}

/// # Safety
/// As SQLite calls it.
unsafe extern "C" fn delete(_: *mut sqlite3_vfs, name: *const c_char, sync_folder: c_int) -> c_int {
    // SAFETY: the name is a string of SQLite's.
    unsafe {
        let Some(below) = below() else { return ffi::SQLITE_IOERR_DELETE };
        let Some(delete) = (*below).xDelete else { return ffi::SQLITE_IOERR_DELETE };
        let note = |recording: &mut Recording, name| recording.push(Event::Delete { name, synced: sync_folder != 0 });
        match ask(&text(name), Call::Delete, note) {
            Some(error) => error,
            None => delete(below, name, sync_folder),
        }
    }
}

/// # Safety
/// As SQLite calls it.
unsafe extern "C" fn access(_: *mut sqlite3_vfs, name: *const c_char, flags: c_int, out: *mut c_int) -> c_int {
    // SAFETY: the name is a string of SQLite's, `out` a number of its own.
    unsafe {
        let Some(below) = below() else { return ffi::SQLITE_IOERR_ACCESS };
        let Some(access) = (*below).xAccess else { return ffi::SQLITE_IOERR_ACCESS };
        match ask(&text(name), Call::Access, |_, _| {}) {
            Some(error) => error,
            None => access(below, name, flags, out),
        }
    }
}

/// # Safety
/// `name` is null or a string that ends.
unsafe fn text(name: *const c_char) -> String {
    if name.is_null() {
        return String::new();
    }
    // SAFETY: as the caller promises.
    unsafe { CStr::from_ptr(name) }.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use rusqlite::{Connection, ErrorCode};

    use super::*;
    use crate::power::Disk;
    use crate::scratch;

    /// One test for all: what is watched is one thing for the process.
    #[test]
    fn what_is_written_is_recorded_and_what_is_to_fail_fails() {
        let folder = scratch::folder().unwrap();
        let file = folder.path().join("f.db");
        watch(folder.path(), Monitor::Record(Recording::default())).unwrap();
        let conn = Connection::open(&file).unwrap();
        conn.pragma_update(None, "journal_mode", "WAL").unwrap();
        conn.execute_batch("CREATE TABLE t (x); INSERT INTO t VALUES (randomblob(9000)), (1)").unwrap();
        let Monitor::Record(recording) = unwatch() else { panic!("nothing was recorded") };
        let mut disk = Disk::default();
        recording.events.iter().for_each(|event| disk.happen(event));
        let mut image = disk.now();
        image.sort();
        // Read while it is open: the test has no lock that another one waits for.
        let read = |suffix| std::fs::read(scratch::beside(&file, suffix)).unwrap();
        assert_eq!(image, [("f.db".to_owned(), read("")), ("f.db-wal".to_owned(), read("-wal"))]);

        for fault in Fault::ALL {
            let faults = Faults { fault: Some(fault), at: 1, for_ever: true, ..Faults::default() };
            watch(folder.path(), Monitor::Fail(faults)).unwrap();
            let result = Connection::open(&file).and_then(|other| {
                other.execute_batch("BEGIN IMMEDIATE; INSERT INTO t VALUES (randomblob(5000)); COMMIT")?;
                other.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
            });
            let Monitor::Fail(faults) = unwatch() else { panic!("the faults are gone") };
            // A file is deleted only when the last connection closes it.
            assert_eq!(faults.injected > 0, fault.call != Call::Delete, "{}: {result:?}", fault.name);
            let codes = [ErrorCode::SystemIoFailure, ErrorCode::DiskFull, ErrorCode::CannotOpen];
            // Zeros for a log that was not read are an empty log.
            if faults.injected > 0 && fault.name != "short read" {
                let code = result.as_ref().unwrap_err().sqlite_error_code();
                assert!(code.is_some_and(|code| codes.contains(&code)), "{}: {result:?}", fault.name);
            }
            let sound: String = conn.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
            assert_eq!(sound, "ok", "{}", fault.name);
        }
    }
}
