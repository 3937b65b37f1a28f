//! Connections: how each one is set up, and how it waits for others.

use std::path::Path;
use std::time::{Duration, Instant};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags};

use crate::backup::with_suffix;
use crate::{Durability, StoreError, StoreOptions, filter, schema};

/// A checkpoint that meets a long reader lets the log grow; it is cut back to this size afterwards.
const JOURNAL_SIZE_LIMIT: i64 = 64 << 20;
/// SQLite waits this long inside one attempt; the attempts themselves are spread by [`retry_busy`].
pub(crate) const ATTEMPT: Duration = Duration::from_millis(200);
/// Statements that a connection keeps prepared. The store has about seventy.
const STATEMENT_CACHE: usize = 96;

pub(crate) fn open(path: &Path, options: &StoreOptions) -> Result<Connection, StoreError> {
    let mut flags = OpenFlags::SQLITE_OPEN_NO_MUTEX;
    flags |= if options.read_only {
        OpenFlags::SQLITE_OPEN_READ_ONLY
    } else {
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE
    };
    let refused = |source: rusqlite::Error| match source.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => StoreError::NotADatabase { path: path.to_owned() },
        Some(ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
            StoreError::CannotOpen { path: path.to_owned(), source }
        }
        _ => source.into(),
    };
    let conn = Connection::open_with_flags(path, flags).map_err(refused)?;
    conn.busy_timeout(ATTEMPT)?;
    retry_busy(options.busy_timeout, || {
        defend(&conn).map_err(refused)?;
        // Before anything is changed: the file of another program, or of a newer version, is left as it is.
        schema::identify(&conn, path).map_err(|error| match error {
            StoreError::Corrupt(source) | StoreError::Sqlite(source) => refused(source),
            other => other,
        })?;
        set_up(&conn, options).map_err(refused)
    })?;
    Ok(conn)
}

pub(crate) fn open_in_memory() -> Result<Connection, StoreError> {
    let conn = Connection::open_in_memory()?;
    defend(&conn)?;
    set_up(&conn, &StoreOptions::default())?;
    Ok(conn)
}

/// Whether the last process that had a file open for writing ended without closing it: it crashed, was killed, or lost its
/// power. Who closes a file last takes its log away, so a log that is there while nobody has the file open was left behind.
///
/// Nobody has it open when it can be had alone: every connection holds a lock on the file from its first read to its end.
/// What was written is safe either way; a file whose disk was cut off may still be worth a look.
pub(crate) fn ended_uncleanly(path: &Path) -> bool {
    if !std::fs::metadata(with_suffix(path, "-wal")).is_ok_and(|log| log.len() > 0) {
        return false;
    }
    let have_alone = || -> rusqlite::Result<()> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let conn = Connection::open_with_flags(path, flags)?;
        conn.busy_timeout(Duration::ZERO)?;
        defend(&conn)?;
        // It only looks: the log is left to those who use the file.
        conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
        conn.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
        conn.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get::<_, i64>(0)).map(|_| ())
    };
    have_alone().is_ok()
}

/// The schema of a file is data that somebody may have tampered with, so it gets no power: no functions with effects
/// in it (`trusted_schema`), no writes to it behind SQLite's back (`defensive`), and no mapping of the file, because
/// an error of the disk would then be a signal instead of an error.
fn defend(conn: &Connection) -> rusqlite::Result<()> {
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DML, false)?;
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DDL, false)?;
    Ok(())
}

fn set_up(conn: &Connection, options: &StoreOptions) -> rusqlite::Result<()> {
    // A plan does not depend on the values of its parameters: a statement with another limit would be parsed again.
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    conn.set_prepared_statement_cache_capacity(STATEMENT_CACHE);
    filter::register(conn)?;
    if !options.read_only {
        conn.pragma_update(None, "journal_mode", "WAL")?;
        conn.pragma_update(
            None,
            "synchronous",
            match options.durability {
                Durability::Full => "FULL",
                Durability::Normal => "NORMAL",
            },
        )?;
        conn.pragma_update(None, "journal_size_limit", JOURNAL_SIZE_LIMIT)?;
        conn.pragma_update(None, "secure_delete", true)?;
    }
    conn.pragma_update(None, "foreign_keys", true)?;
    conn.pragma_update(None, "mmap_size", 0)?;
    conn.pragma_update(None, "temp_store", "MEMORY")?;
    // The first statement that reads the file finds out whether it is a database at all.
    conn.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get::<_, i64>(0))?;
    Ok(())
}

/// Runs `attempt` until it is not refused for a lock of somebody else, at most for `timeout`. The pauses are random,
/// so that two processes that met once do not meet again and again.
pub(crate) fn retry_busy<T>(
    timeout: Duration,
    mut attempt: impl FnMut() -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    let start = Instant::now();
    let mut longest = 2;
    loop {
        match attempt() {
            Err(StoreError::Busy { .. }) => {}
            done => return done,
        }
        let waited = start.elapsed();
        if waited >= timeout {
            return Err(StoreError::Busy { waited_ms: waited.as_millis() });
        }
        std::thread::sleep(Duration::from_millis(1 + jitter() % longest));
        longest = (longest * 2).min(64);
    }
}

/// A number that differs between threads, processes and calls: the standard library seeds its hashers at random.
fn jitter() -> u64 {
    use std::hash::{BuildHasher, Hasher, RandomState};
    RandomState::new().build_hasher().finish()
}
