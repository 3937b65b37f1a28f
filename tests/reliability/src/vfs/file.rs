//! The files of the layer: each holds the file of the VFS below it, in the same allocation of SQLite's.

use std::ffi::{c_int, c_void};

use rusqlite::ffi::{self, sqlite3_file, sqlite3_int64, sqlite3_io_methods};

use super::faults::Call;
use super::recorder::{Event, Recording};
use super::{Monitor, faults::Damage};
use super::{ask, with};

/// What stands at the beginning of the memory that SQLite gives for a file. The file of the VFS below follows.
#[repr(C)]
struct Outer {
    base: sqlite3_file,
    /// Of an open file; null before and after.
    known: *mut Known,
}

/// What the layer knows of an open file.
struct Known {
    path: String,
    /// Whether the next sync is one of the folder too.
    syncs_folder: bool,
}

const METHODS: sqlite3_io_methods = sqlite3_io_methods {
    // Version 3 has mappings, which the engine does not use.
    iVersion: 2,
    xClose: Some(close),
    xRead: Some(read),
    xWrite: Some(write),
    xTruncate: Some(truncate),
    xSync: Some(sync),
    xFileSize: Some(file_size),
    xLock: Some(lock),
    xUnlock: Some(unlock),
    xCheckReservedLock: Some(check_reserved_lock),
    xFileControl: Some(file_control),
    xSectorSize: Some(sector_size),
    xDeviceCharacteristics: Some(device_characteristics),
    xShmMap: Some(shm_map),
    xShmLock: Some(shm_lock),
    xShmBarrier: Some(shm_barrier),
    xShmUnmap: Some(shm_unmap),
    xFetch: None,
    xUnfetch: None,
};
static OUTER_METHODS: sqlite3_io_methods = METHODS;

/// The bytes that a file takes beside those of the VFS below.
pub(super) fn extra_bytes() -> c_int {
    c_int::try_from(size_of::<Outer>()).unwrap_or(c_int::MAX)
}

/// The file of the VFS below.
///
/// # Safety
/// `file` points to as many bytes as the layer's VFS asks for.
pub(super) unsafe fn inner(file: *mut sqlite3_file) -> *mut sqlite3_file {
    // SAFETY: they begin with an `Outer`, whose size is a multiple of its alignment, that of a pointer.
    unsafe { file.cast::<Outer>().add(1).cast() }
}

/// Makes a file of the layer out of one that the VFS below opened, or failed to.
///
/// # Safety
/// As [`inner`], and the file below was just opened.
pub(super) unsafe fn wrap(file: *mut sqlite3_file, path: String, syncs_folder: bool, is_open: bool) {
    // SAFETY: the first bytes are an `Outer`, and nobody else knows them yet.
    unsafe {
        let outer = file.cast::<Outer>();
        (*outer).known = std::ptr::null_mut();
        (*outer).base.pMethods = std::ptr::null();
        // SQLite closes a file whose methods are set, even if it could not be opened.
        if is_open || !(*inner(file)).pMethods.is_null() {
            (*outer).known = Box::into_raw(Box::new(Known { path, syncs_folder }));
            (*outer).base.pMethods = &raw const OUTER_METHODS;
        }
    }
}

/// # Safety
/// `file` is open.
unsafe fn path<'a>(file: *mut sqlite3_file) -> &'a str {
    // SAFETY: an open file is known until `close`.
    unsafe { (*file.cast::<Outer>()).known.as_ref() }.map_or("", |known| &known.path)
}

/// Calls a method of the file below.
macro_rules! below {
    ($file:ident, $method:ident, $or:expr $(, $argument:expr)*) => {{
        let inner = inner($file);
        match (*inner).pMethods.as_ref().and_then(|methods| methods.$method) {
            Some(method) => method(inner $(, $argument)*),
            None => $or,
        }
    }};
}

/// # Safety
/// As SQLite calls it.
unsafe extern "C" fn close(file: *mut sqlite3_file) -> c_int {
    // SAFETY: the file is open, and is not used after this.
    unsafe {
        let result = below!(file, xClose, ffi::SQLITE_OK);
        let outer = file.cast::<Outer>();
        if !(*outer).known.is_null() {
            drop(Box::from_raw((*outer).known));
            (*outer).known = std::ptr::null_mut();
        }
        (*outer).base.pMethods = std::ptr::null();
        result
    }
}

/// # Safety
/// As SQLite calls it.
unsafe extern "C" fn read(file: *mut sqlite3_file, to: *mut c_void, amount: c_int, offset: sqlite3_int64) -> c_int {
    // SAFETY: `to` has `amount` bytes.
    unsafe {
        match ask(path(file), Call::Read, |_, _| {}) {
            Some(ffi::SQLITE_IOERR_SHORT_READ) => {
                // As SQLite wants it: what is missing is zeros.
                std::ptr::write_bytes(to.cast::<u8>(), 0, usize::try_from(amount).unwrap_or(0));
                ffi::SQLITE_IOERR_SHORT_READ
            }
            Some(error) => error,
            None => below!(file, xRead, ffi::SQLITE_IOERR_READ, to, amount, offset),
        }
    }
}

/// # Safety
/// As SQLite calls it.
unsafe extern "C" fn write(
    file: *mut sqlite3_file,
    from: *const c_void,
    amount: c_int,
    offset: sqlite3_int64,
) -> c_int {
    // SAFETY: `from` has `amount` bytes.
    unsafe {
        let length = usize::try_from(amount).unwrap_or(0);
        let bytes = std::slice::from_raw_parts(from.cast::<u8>(), length);
        let note = |recording: &mut Recording, name| {
            recording.push(Event::Write { name, offset: u64::try_from(offset).unwrap_or(0), bytes: bytes.into() });
        };
        match ask(path(file), Call::Write, note) {
            Some(error) => {
                // A disk that fills up takes the first part of what it is given.
                let half = with(|monitor| matches!(monitor, Monitor::Fail(faults) if faults.damage == Damage::Half));
                if half == Some(true) && amount > 1 {
                    below!(file, xWrite, ffi::SQLITE_IOERR_WRITE, from, amount / 2, offset);
                }
                error
            }
            None => below!(file, xWrite, ffi::SQLITE_IOERR_WRITE, from, amount, offset),
        }
    }
}

/// # Safety
/// As SQLite calls it.
unsafe extern "C" fn truncate(file: *mut sqlite3_file, size: sqlite3_int64) -> c_int {
    // SAFETY: the file is open.
    unsafe {
        let note = |recording: &mut Recording, name| {
            recording.push(Event::Truncate { name, size: u64::try_from(size).unwrap_or(0) });
        };
        match ask(path(file), Call::Truncate, note) {
            Some(error) => error,
            None => below!(file, xTruncate, ffi::SQLITE_IOERR_TRUNCATE, size),
        }
    }
}

/// # Safety
/// As SQLite calls it.
unsafe extern "C" fn sync(file: *mut sqlite3_file, flags: c_int) -> c_int {
    // SAFETY: the file is open.
    unsafe {
        match ask(path(file), Call::Sync, |_, _| {}) {
            Some(error) => error,
            None => {
                let result = below!(file, xSync, ffi::SQLITE_IOERR_FSYNC, flags);
                // What it is about is on the disk when it returns, not before.
                if result == ffi::SQLITE_OK {
                    let known = (*file.cast::<Outer>()).known.as_mut();
                    let folder = known.is_some_and(|known| std::mem::take(&mut known.syncs_folder));
                    ask(path(file), Call::Synced, |recording, name| recording.push(Event::Sync { name, folder }));
                }
                result
            }
        }
    }
}

/// # Safety
/// As SQLite calls it.
unsafe extern "C" fn file_size(file: *mut sqlite3_file, size: *mut sqlite3_int64) -> c_int {
    // SAFETY: the file is open.
    unsafe {
        match ask(path(file), Call::FileSize, |_, _| {}) {
            Some(error) => error,
            None => below!(file, xFileSize, ffi::SQLITE_IOERR_FSTAT, size),
        }
    }
}

/// # Safety
/// As SQLite calls it.
unsafe extern "C" fn lock(file: *mut sqlite3_file, level: c_int) -> c_int {
    // SAFETY: the file is open.
    unsafe {
        match ask(path(file), Call::Lock, |_, _| {}) {
            Some(error) => error,
            None => below!(file, xLock, ffi::SQLITE_IOERR_LOCK, level),
        }
    }
}

/// # Safety
/// As SQLite calls it.
unsafe extern "C" fn unlock(file: *mut sqlite3_file, level: c_int) -> c_int {
    // SAFETY: the file is open.
    unsafe { below!(file, xUnlock, ffi::SQLITE_IOERR_UNLOCK, level) }
}

/// # Safety
/// As SQLite calls it.
unsafe extern "C" fn check_reserved_lock(file: *mut sqlite3_file, out: *mut c_int) -> c_int {
    // SAFETY: the file is open.
    unsafe { below!(file, xCheckReservedLock, ffi::SQLITE_IOERR_CHECKRESERVEDLOCK, out) }
}

/// # Safety
/// As SQLite calls it.
unsafe extern "C" fn file_control(file: *mut sqlite3_file, what: c_int, with: *mut c_void) -> c_int {
    // SAFETY: the file is open.
    unsafe { below!(file, xFileControl, ffi::SQLITE_NOTFOUND, what, with) }
}

/// # Safety
/// As SQLite calls it.
unsafe extern "C" fn sector_size(file: *mut sqlite3_file) -> c_int {
    // SAFETY: the file is open.
    unsafe { below!(file, xSectorSize, 4096) }
}

/// # Safety
/// As SQLite calls it.
unsafe extern "C" fn device_characteristics(file: *mut sqlite3_file) -> c_int {
    // SAFETY: the file is open.
    unsafe { below!(file, xDeviceCharacteristics, 0) }
}

/// # Safety
/// As SQLite calls it.
unsafe extern "C" fn shm_map(
    file: *mut sqlite3_file,
    page: c_int,
    size: c_int,
    extend: c_int,
    out: *mut *mut c_void,
) -> c_int {
    // SAFETY: the file is open.
    unsafe {
        match ask(path(file), Call::ShmMap, |_, _| {}) {
            Some(error) => {
                *out = std::ptr::null_mut();
                error
            }
            None => below!(file, xShmMap, ffi::SQLITE_IOERR_SHMMAP, page, size, extend, out),
        }
    }
}

/// # Safety
/// As SQLite calls it.
unsafe extern "C" fn shm_lock(file: *mut sqlite3_file, offset: c_int, count: c_int, flags: c_int) -> c_int {
    // SAFETY: the file is open.
    unsafe {
        // Giving a lock back does not fail on any system.
        let takes = flags & ffi::SQLITE_SHM_LOCK != 0;
        match takes.then(|| ask(path(file), Call::ShmLock, |_, _| {})).flatten() {
            Some(error) => error,
            None => below!(file, xShmLock, ffi::SQLITE_IOERR_SHMLOCK, offset, count, flags),
        }
    }
}

/// # Safety
/// As SQLite calls it.
unsafe extern "C" fn shm_barrier(file: *mut sqlite3_file) {
    // SAFETY: the file is open.
    unsafe { below!(file, xShmBarrier, ()) }
}

/// # Safety
/// As SQLite calls it.
unsafe extern "C" fn shm_unmap(file: *mut sqlite3_file, delete: c_int) -> c_int {
    // SAFETY: the file is open.
    unsafe { below!(file, xShmUnmap, ffi::SQLITE_OK, delete) }
}
