//! Writes that share one commit.
//!
//! Waiting for the disk is most of what a small write costs. A writer that is done while others of its process wait leaves
//! its transaction open and hands the connection on; the next one works in the same transaction, behind a savepoint of its
//! own; the last one commits, and nobody returns before. Each thread runs its own work.

use std::ops::Deref;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rusqlite::Connection;

use crate::StoreError;
use crate::changes::read_head;
use crate::rollback::Notes;

/// Other processes wait as long as a transaction is open, so it is handed on for a short time only.
const LONGEST: Duration = Duration::from_millis(2);
const MOST: usize = 64;

/// The connection that writes, with the transaction that one writer left open for the next.
#[derive(Debug)]
pub(crate) struct Writer {
    conn: Connection,
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    since: Instant,
    members: usize,
    shared: Arc<Shared>,
}

/// How a transaction ended, for those who wait for that.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    ended: Mutex<Option<Result<(), Failure>>>,
    signal: Condvar,
}

/// An error of SQLite for everybody whom it concerns.
#[derive(Debug, Clone)]
enum Failure {
    Sqlite(rusqlite::ffi::Error, Option<String>),
    Undone,
}

impl Writer {
    pub(crate) fn new(conn: Connection) -> Self {
        Self { conn, open: None }
    }

    /// Whether a transaction is open that others have work in.
    pub(crate) fn is_shared(&self) -> bool {
        self.open.is_some()
    }

    /// Notes that the work of one more writer is in the open transaction. What to wait for when it is handed on; `None`
    /// when it has been open long enough.
    pub(crate) fn hand_on(&mut self) -> Option<Arc<Shared>> {
        let open = self.open.get_or_insert_with(|| Open { since: Instant::now(), members: 0, shared: Arc::default() });
        open.members += 1;
        let shared = Arc::clone(&open.shared);
        self.has_room().then_some(shared)
    }

    /// Whether the open transaction may be handed on once more.
    pub(crate) fn has_room(&self) -> bool {
        self.open.as_ref().is_some_and(|open| open.members < MOST && open.since.elapsed() < LONGEST)
    }

    /// Commits the open transaction and tells those who wait for it.
    pub(crate) fn commit(&mut self, notes: Option<&Notes>) -> Result<(), StoreError> {
        let done = self.try_commit(notes);
        if done.is_err() && !self.conn.is_autocommit() {
            let _ = self.conn.execute_batch("ROLLBACK");
        }
        let failure = done.err();
        if let Some(open) = self.open.take() {
            open.shared.end(failure.as_ref().map_or(Ok(()), |failure| Err(failure.clone())));
        }
        failure.map_or(Ok(()), |failure| Err(failure.into()))
    }

    fn try_commit(&self, notes: Option<&Notes>) -> Result<(), Failure> {
        // As of this transaction: when it is committed others may have gone on.
        let head = notes.map(|_| read_head(&self.conn)).transpose().map_err(Failure::of)?;
        self.conn.prepare_cached("COMMIT").and_then(|mut commit| commit.execute([])).map_err(Failure::of)?;
        if let Some((notes, head)) = notes.zip(head) {
            notes.note(head);
        }
        Ok(())
    }

    /// Commits what a writer left open, if one did: somebody else needs the connection.
    pub(crate) fn finish(&mut self, notes: Option<&Notes>) {
        if self.open.is_some() {
            // Those whom it concerns are told.
            let _ = self.commit(notes);
        }
    }

    /// Takes back what one writer did, and nothing of others. False when SQLite gave up all of the transaction, which it
    /// does for some failures of the disk: then the others are told.
    pub(crate) fn undo(&mut self) -> bool {
        if self.open.is_none() {
            let _ = self.conn.prepare_cached("ROLLBACK").and_then(|mut rollback| rollback.execute([]));
            return true;
        }
        let undone = !self.conn.is_autocommit() && self.conn.execute_batch("ROLLBACK TO one; RELEASE one").is_ok();
        if !undone {
            if !self.conn.is_autocommit() {
                let _ = self.conn.execute_batch("ROLLBACK");
            }
            if let Some(open) = self.open.take() {
                open.shared.end(Err(Failure::Undone));
            }
        }
        undone
    }
}

impl Deref for Writer {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.conn
    }
}

impl Shared {
    fn end(&self, how: Result<(), Failure>) {
        *self.ended.lock().unwrap_or_else(PoisonError::into_inner) = Some(how);
        self.signal.notify_all();
    }

    /// Waits until the transaction has ended.
    pub(crate) fn wait(&self) -> Result<(), StoreError> {
        let mut ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            match &*ended {
                Some(how) => return how.clone().map_err(StoreError::from),
                None => ended = self.signal.wait(ended).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }
}

impl Failure {
    fn of(error: rusqlite::Error) -> Self {
        match error {
            rusqlite::Error::SqliteFailure(code, message) => Self::Sqlite(code, message),
            other => Self::Sqlite(rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_ERROR), Some(other.to_string())),
        }
    }
}

impl From<Failure> for StoreError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Sqlite(code, message) => rusqlite::Error::SqliteFailure(code, message).into(),
            Failure::Undone => Self::Undone,
        }
    }
}
