//! What can go wrong with a store.

use std::path::PathBuf;

use mnemon_core::{FilterError, MemoryId};
use rusqlite::{ErrorCode, ffi};

/// What can go wrong with a store.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The SQLite that was linked is too old to be safe.
    #[error("expected SQLite {expected} or later, which fixes a corruption of WAL databases, got {found}")]
    SqliteTooOld {
        /// The oldest version that is accepted.
        expected: &'static str,
        /// The version that was linked.
        found: &'static str,
    },
    /// The file cannot be opened at all.
    #[error("the memory file {path} cannot be opened")]
    CannotOpen {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: rusqlite::Error,
    },
    /// The folder of the file cannot be made.
    #[error("the folder of the memory file {path} cannot be made")]
    CannotMakeFolder {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A file is where another one was to be written.
    #[error("expected no file at {path}, where one is to be written")]
    Exists {
        /// The file that is there.
        path: PathBuf,
    },
    /// A file beside the memory file cannot be written.
    #[error("{path} cannot be written")]
    CannotWrite {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A copy of the memory file is not sound; it was thrown away.
    #[error("the copy for {path} is not sound and was thrown away: {detail}")]
    BadCopy {
        /// Where it was to be.
        path: PathBuf,
        /// What is wrong with it.
        detail: String,
    },
    /// The file is no SQLite database.
    #[error("expected a Mnemon memory file, got a file that is not a database: {path}")]
    NotADatabase {
        /// The file.
        path: PathBuf,
    },
    /// The file is the database of another program.
    #[error(
        "expected a Mnemon memory file, got a database of another program: {path} (application id {application_id:#010x})"
    )]
    NotMnemon {
        /// The file.
        path: PathBuf,
        /// The application id that it carries.
        application_id: i64,
    },
    /// The file was written by a newer Mnemon.
    #[error("the memory file {path} has schema {found}, this program knows up to {supported}: update the program")]
    Newer {
        /// The file.
        path: PathBuf,
        /// The schema version of the file.
        found: i64,
        /// The newest schema version that this program knows.
        supported: i64,
    },
    /// The file has an older schema and may not be written.
    #[error("the memory file {path} has schema {found}, expected {supported}: open it once for writing to migrate it")]
    Older {
        /// The file.
        path: PathBuf,
        /// The schema version of the file.
        found: i64,
        /// The schema version that is expected.
        supported: i64,
    },
    /// Another process held the lock for longer than the busy timeout.
    #[error("the memory file is locked by another process, gave up after {waited_ms} ms")]
    Busy {
        /// How long was waited.
        waited_ms: u128,
    },
    /// The disk, or the quota, is full. Nothing of the operation was stored.
    #[error("no space is left for the memory file, nothing was stored")]
    Full,
    /// SQLite was given no memory. Where there is enough, a length in the file is damaged.
    #[error("no memory is left, or a length in the memory file is damaged")]
    OutOfMemory(#[source] rusqlite::Error),
    /// A write to a store that was opened, or can only be opened, for reading.
    #[error("the memory file is open for reading only")]
    ReadOnly,
    /// The file is damaged.
    #[error("the memory file is damaged")]
    Corrupt(#[source] rusqlite::Error),
    /// Reading or writing the file failed.
    #[error("reading or writing the memory file failed")]
    Io(#[source] rusqlite::Error),
    /// A row says something that no version of Mnemon writes.
    #[error("row {row} of {table} is damaged: expected {expected}, got {got}")]
    BadRow {
        /// The table.
        table: &'static str,
        /// The row.
        row: i64,
        /// What was expected.
        expected: &'static str,
        /// What came.
        got: String,
    },
    /// A text that is too long to store.
    #[error("expected a text of at most {max} bytes, got {got} bytes")]
    TextTooLong {
        /// The most that is accepted.
        max: usize,
        /// The length of the text.
        got: usize,
    },
    /// A value that is not allowed in this field.
    #[error("expected {expected} as {field}, got {got}")]
    Invalid {
        /// The field.
        field: &'static str,
        /// What is allowed.
        expected: &'static str,
        /// What came.
        got: String,
    },
    /// A filter that cannot be run.
    #[error("the filter cannot be run")]
    Filter(#[from] FilterError),
    /// A model cannot serve, because some of what is searched has no vector of it.
    #[error("expected vectors of the new model for every passage, got {missing} passages without: embed these first")]
    ModelIncomplete {
        /// Passages that lack one.
        missing: u64,
    },
    /// A memory that is not there, or not in this scope.
    #[error("no memory {id} in this scope")]
    NoMemory {
        /// The id that was asked for.
        id: MemoryId,
    },
    /// A session that is not there, or not in this scope.
    #[error("no session {session} in this scope")]
    NoSession {
        /// The name or id that was asked for.
        session: String,
    },
    /// A migration failed; the file is as it was before.
    #[error("the memory file could not be migrated and is unchanged")]
    Migration(#[source] rusqlite_migration::Error),
    /// Any other failure of SQLite.
    #[error("the database failed")]
    Sqlite(#[source] rusqlite::Error),
    /// Writes of several threads share a commit, and the disk failed one of the others in such a way that SQLite gave up
    /// all of it. Nothing of it was stored.
    #[error("another write of the same commit failed, and nothing of that commit was stored")]
    Undone,
    /// A thread ended in the middle of a transaction, which was rolled back.
    #[error("another thread of this process panicked inside a transaction, which was rolled back")]
    Poisoned,
}

impl StoreError {
    /// Whether the same call may succeed if it is made again.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Busy { .. } | Self::Undone)
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::Error as E;
        match &error {
            // The statements are our own: a row that must be there and is not, a value of another type than its column, and
            // a table or column that the schema lost are damage.
            E::QueryReturnedNoRows
            | E::InvalidColumnType(..)
            | E::IntegralValueOutOfRange(..)
            | E::FromSqlConversionFailure(..)
            | E::Utf8Error(..) => return Self::Corrupt(error),
            E::SqlInputError { msg, .. } if is_of_schema(msg) => return Self::Corrupt(error),
            E::SqliteFailure(code, Some(text))
                if code.extended_code & 0xff == ffi::SQLITE_ERROR && is_of_schema(text) =>
            {
                return Self::Corrupt(error);
            }
            _ => {}
        }
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::Full,
            Some(ErrorCode::OutOfMemory) => Self::OutOfMemory(error),
            Some(ErrorCode::ReadOnly) => Self::ReadOnly,
            // What is written keeps the rules of the schema, so a row that is refused contradicts what was just read.
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase | ErrorCode::ConstraintViolation) => {
                Self::Corrupt(error)
            }
            Some(ErrorCode::SystemIoFailure) => Self::Io(error),
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Busy { waited_ms: 0 },
            _ => Self::Sqlite(error),
        }
    }
}

/// Whether what SQLite calls an error of a statement is one of the schema: the statements are our own, and so are the
/// triggers, so what they do not fit is not what it was made to be. A text index that could not be read says the same whatever
/// the reason, and what cannot be done now says nothing of the file.
fn is_of_schema(message: &str) -> bool {
    !message.contains("vtable constructor failed") && !message.starts_with("cannot ")
}
