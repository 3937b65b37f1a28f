//! Which calls fail, and how.

use std::collections::BTreeMap;
use std::ffi::c_int;

use rusqlite::ffi;

/// A kind of call on a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Call {
    /// A file is opened, or made.
    Open,
    /// Bytes are read.
    Read,
    /// Bytes are written.
    Write,
    /// A file is cut.
    Truncate,
    /// What was written is to be on the disk.
    Sync,
    /// It is: told to who records, and never fails.
    Synced,
    /// The size of a file is asked.
    FileSize,
    /// A lock on a file is taken.
    Lock,
    /// Memory that processes share is mapped.
    ShmMap,
    /// A lock in that memory is taken.
    ShmLock,
    /// A file is deleted.
    Delete,
    /// It is asked whether a file is there.
    Access,
}

/// What a call does that fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Damage {
    /// Nothing.
    #[default]
    None,
    /// A write writes its first half.
    Half,
}

/// One fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fault {
    /// The calls that fail.
    pub(crate) call: Call,
    /// What they return.
    pub(crate) error: c_int,
    /// What they do nevertheless.
    pub(crate) damage: Damage,
    /// Its name, for reports.
    pub(crate) name: &'static str,
}

impl Fault {
    const fn new(name: &'static str, call: Call, error: c_int) -> Self {
        Self { call, error, damage: Damage::None, name }
    }

    /// Every fault that there is.
    pub(crate) const ALL: [Self; 14] = [
        Self::new("read", Call::Read, ffi::SQLITE_IOERR_READ),
        Self::new("short read", Call::Read, ffi::SQLITE_IOERR_SHORT_READ),
        Self::new("write", Call::Write, ffi::SQLITE_IOERR_WRITE),
        Self { damage: Damage::Half, ..Self::new("half a write", Call::Write, ffi::SQLITE_IOERR_WRITE) },
        Self::new("full disk", Call::Write, ffi::SQLITE_FULL),
        Self { damage: Damage::Half, ..Self::new("disk that fills up", Call::Write, ffi::SQLITE_FULL) },
        Self::new("sync", Call::Sync, ffi::SQLITE_IOERR_FSYNC),
        Self::new("truncate", Call::Truncate, ffi::SQLITE_IOERR_TRUNCATE),
        Self::new("open", Call::Open, ffi::SQLITE_CANTOPEN),
        Self::new("lock", Call::Lock, ffi::SQLITE_IOERR_LOCK),
        Self::new("shared memory", Call::ShmMap, ffi::SQLITE_IOERR_SHMMAP),
        Self::new("lock in shared memory", Call::ShmLock, ffi::SQLITE_IOERR_SHMLOCK),
        Self::new("delete", Call::Delete, ffi::SQLITE_IOERR_DELETE),
        Self::new("size", Call::FileSize, ffi::SQLITE_IOERR_FSTAT),
    ];
}

/// A fault that is waiting, and what was called meanwhile.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    /// What fails; `None` counts calls only.
    pub(crate) fault: Option<Fault>,
    /// The first call of its kind that fails, from 1.
    pub(crate) at: u64,
    /// Whether all later ones fail too.
    pub(crate) for_ever: bool,
    /// How many calls there were of each kind.
    pub(crate) calls: BTreeMap<Call, u64>,
    /// How many failed.
    pub(crate) injected: u64,
    /// What the last one that failed did nevertheless.
    pub(crate) damage: Damage,
}

impl Faults {
    /// The error of a call, if it fails.
    pub(super) fn error(&mut self, call: Call, _: &str) -> Option<c_int> {
        let number = self.calls.entry(call).or_default();
        *number += 1;
        let fault = self.fault.filter(|fault| fault.call == call)?;
        let fails = if self.for_ever { *number >= self.at } else { *number == self.at };
        if !fails {
            return None;
        }
        self.injected += 1;
        self.damage = fault.damage;
        Some(fault.error)
    }
}
