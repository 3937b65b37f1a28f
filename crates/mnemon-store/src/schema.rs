//! The schema and its versions. Migrations are only ever appended: a file of any version can be opened.

use std::path::Path;
use std::time::Duration;

use rusqlite::Connection;
use rusqlite_migration::{M, Migrations};

use crate::StoreError;
use crate::connection::retry_busy;

/// `Mnem` as the four bytes that SQLite keeps for the program that owns a file.
const APPLICATION_ID: i64 = 0x4d6e_656d;

/// The schema that this version writes.
pub const SCHEMA_VERSION: i64 = MIGRATIONS.len() as i64;

/// Older versions can corrupt a WAL database when several connections write and checkpoint.
pub const MIN_SQLITE_VERSION: &str = "3.51.3";
const MIN_SQLITE_NUMBER: i32 = 3_051_003;

const MIGRATIONS: &[M<'static>] = &[M::up(include_str!("migrations/0001_first.sql"))];

pub(crate) fn check_sqlite_version() -> Result<(), StoreError> {
    if rusqlite::version_number() < MIN_SQLITE_NUMBER {
        return Err(StoreError::SqliteTooOld { expected: MIN_SQLITE_VERSION, found: rusqlite::version() });
    }
    Ok(())
}

/// Another process may have migrated since the version was read; then it looks like a lock that was met.
fn migrate(conn: &mut Connection) -> Result<(), StoreError> {
    let before = user_version(conn)?;
    match Migrations::from_slice(MIGRATIONS).to_latest(conn) {
        Ok(()) => Ok(()),
        Err(_) if user_version(conn)? != before => Err(StoreError::Busy { waited_ms: 0 }),
        Err(rusqlite_migration::Error::RusqliteError { err, .. }) => Err(match StoreError::from(err) {
            StoreError::Sqlite(source) => StoreError::Migration(source.into()),
            known => known,
        }),
        Err(other) => Err(StoreError::Migration(other)),
    }
}

fn user_version(conn: &Connection) -> Result<i64, StoreError> {
    Ok(conn.pragma_query_value(None, "user_version", |row| row.get(0))?)
}

/// Makes sure that the file is ours, and brings it to the newest schema. The file is untouched if it is not ours.
///
/// Two processes may open a new file at the same moment. Each step can then find the lock taken, or the work done by
/// the other; so all of it is looked at again until it is this process's turn.
pub(crate) fn prepare(
    conn: &mut Connection,
    path: &Path,
    read_only: bool,
    busy_timeout: Duration,
) -> Result<(), StoreError> {
    retry_busy(busy_timeout, || try_prepare(conn, path, read_only))
}

fn try_prepare(conn: &mut Connection, path: &Path, read_only: bool) -> Result<(), StoreError> {
    let application_id: i64 = conn.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let found = user_version(conn)?;
    let tables: i64 = conn.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    let fresh = application_id == 0 && found == 0 && tables == 0;
    if application_id != APPLICATION_ID && !fresh {
        return Err(StoreError::NotMnemon { path: path.to_owned(), application_id });
    }
    if found > SCHEMA_VERSION {
        return Err(StoreError::Newer { path: path.to_owned(), found, supported: SCHEMA_VERSION });
    }
    if read_only {
        return match found {
            SCHEMA_VERSION => Ok(()),
            _ => Err(StoreError::Older { path: path.to_owned(), found, supported: SCHEMA_VERSION }),
        };
    }
    if fresh {
        conn.pragma_update(None, "application_id", APPLICATION_ID)?;
    }
    if found < SCHEMA_VERSION {
        tracing::info!(found, to = SCHEMA_VERSION, "migrating the memory file");
        migrate(conn)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_migrations_build_the_schema() {
        Migrations::from_slice(MIGRATIONS).validate().unwrap();
        let number = MIN_SQLITE_VERSION.split('.').fold(0, |n, part| n * 1000 + part.parse::<i32>().unwrap());
        assert_eq!(number, MIN_SQLITE_NUMBER);
        check_sqlite_version().unwrap();
    }

    #[test]
    fn every_table_is_strict_or_virtual() {
        let mut conn = Connection::open_in_memory().unwrap();
        prepare(&mut conn, Path::new(":memory:"), false, Duration::ZERO).unwrap();
        let loose: Vec<String> = conn
            .prepare(
                "SELECT name FROM pragma_table_list WHERE type = 'table' AND strict = 0 AND name NOT LIKE 'sqlite_%'",
            )
            .unwrap()
            .query_map([], |row| row.get(0))
            .unwrap()
            .collect::<Result<_, _>>()
            .unwrap();
        assert_eq!(loose, Vec::<String>::new());
    }
}
