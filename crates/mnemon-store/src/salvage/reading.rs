//! Reading what is damaged: around what cannot be read, and without believing what can.

use rusqlite::types::Value;
use rusqlite::{Connection, ErrorCode, Row};

use crate::StoreError;

/// How far rows are looked for behind the last one that is known, where nothing says how many there were.
const REACH: i64 = 100_000;

/// Gives every row of a table that can be read to `each`, by a query for the rows from one id to another. Where a page
/// cannot be read it goes on behind the row that it came to, one id after another. False when something could not be read.
pub(super) fn each_row(
    conn: &Connection,
    sql: &str,
    ids: std::ops::RangeInclusive<i64>,
    mut each: impl FnMut(&Row<'_>) -> Result<(), StoreError>,
) -> Result<bool, StoreError> {
    let (mut next, last) = ids.into_inner();
    let mut is_whole = true;
    while next <= last {
        let mut statement = match readable(conn.prepare_cached(sql).map_err(StoreError::from))? {
            Some(statement) => statement,
            None => return Ok(false),
        };
        let mut rows = statement.query([next, last])?;
        loop {
            match readable(rows.next().map_err(StoreError::from))? {
                Some(Some(row)) => {
                    let id: i64 = row.get(0).unwrap_or(next);
                    each(row)?;
                    next = id.max(next) + 1;
                }
                Some(None) => return Ok(is_whole),
                None => break,
            }
        }
        is_whole = false;
        next += 1;
    }
    Ok(is_whole)
}

/// The last row of a table, as far as anything says it.
pub(super) fn last_id(from: &Connection, table: &str, known: Option<i64>) -> Result<i64, StoreError> {
    let sequence = from.query_row("SELECT seq FROM sqlite_sequence WHERE name = ?1", [table], |row| row.get(0));
    let last = from.query_row(&format!("SELECT coalesce(max(id), 0) FROM {table} NOT INDEXED"), [], |row| row.get(0));
    let sequence: Option<i64> = readable(sequence.map_err(StoreError::from))?;
    let last: Option<i64> = readable(last.map_err(StoreError::from))?;
    let sane = |id: &i64| (0..1 << 43).contains(id);
    let known = [last, known].into_iter().flatten().filter(sane).max();
    // A number that is damaged is not to keep this at work for years.
    let pages: i64 = from.pragma_query_value(None, "page_count", |row| row.get(0))?;
    let most = known.unwrap_or(0) + 64 * pages.max(0) + REACH;
    Ok(match sequence.filter(sane) {
        Some(sequence) => sequence.max(known.unwrap_or(0)).min(most),
        // Where the table could be read, its last row is the last one.
        None => last.filter(sane).or(known).unwrap_or(most),
    })
}

/// Whether to believe what a row says, when a passage and an index say it again, or something else. One that differs
/// is outvoted by one that agrees.
pub(super) fn is_believed(passage: Option<bool>, index: Option<bool>) -> bool {
    let agree = [passage, index].into_iter().flatten().filter(|agrees| *agrees).count();
    let differ = [passage, index].into_iter().flatten().filter(|agrees| !*agrees).count();
    differ <= agree
}

/// What fails in the new file is not taken for damage of the old one.
pub(super) fn in_new_file(error: rusqlite::Error) -> StoreError {
    match StoreError::from(error) {
        StoreError::Io(source) | StoreError::Corrupt(source) => StoreError::Sqlite(source),
        other => other,
    }
}

/// `None` for what cannot be read because the file is damaged.
pub(super) fn readable<T>(read: Result<T, StoreError>) -> Result<Option<T>, StoreError> {
    match read {
        Ok(value) => Ok(Some(value)),
        Err(StoreError::Corrupt(_) | StoreError::Io(_)) => Ok(None),
        // A schema that is damaged may have lost more than a table, an index or a column.
        Err(StoreError::Sqlite(rusqlite::Error::SqlInputError { .. })) => Ok(None),
        // A length that is damaged asks for more memory than there is.
        Err(StoreError::OutOfMemory(_)) => Ok(None),
        Err(StoreError::Sqlite(source)) if source.sqlite_error_code() == Some(ErrorCode::TooBig) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The columns of a row; `None` when a text of it is none.
pub(super) fn values(row: &Row<'_>) -> Option<Vec<Value>> {
    (0..row.as_ref().column_count()).map(|column| row.get(column).ok()).collect()
}

pub(super) fn integer(value: &Value) -> Option<i64> {
    match value {
        Value::Integer(value) => Some(*value),
        _ => None,
    }
}
