//! The columns of a row, read so that damage says where it is.
//!
//! Every column of the schema has a type, so that one of another type was written by nobody: its page is damaged. SQLite
//! notices nothing of it.

use rusqlite::Row;
use rusqlite::types::FromSql;

use crate::{RowId, StoreError};

/// A row of a query with what it is a row of.
pub(crate) struct Cells<'a> {
    row: &'a Row<'a>,
    table: &'static str,
    id: RowId,
}

impl<'a> Cells<'a> {
    /// Of a row whose number stands in its first column.
    pub(crate) fn new(row: &'a Row<'a>, table: &'static str) -> Result<Self, StoreError> {
        let unknown = Self { row, table, id: 0 };
        let id = unknown.get(0)?;
        Ok(Self { id, ..unknown })
    }

    /// Of a row of another table that the query joins, or whose number is known from elsewhere.
    pub(crate) fn of(row: &'a Row<'a>, table: &'static str, id: RowId) -> Self {
        Self { row, table, id }
    }

    /// The number of the row.
    pub(crate) fn id(&self) -> RowId {
        self.id
    }

    /// The value of a column.
    pub(crate) fn get<T: Cell>(&self, column: usize) -> Result<T, StoreError> {
        self.row.get(column).map_err(|error| self.damaged(error, T::EXPECTED))
    }

    /// The bytes of a column, where they lie.
    pub(crate) fn blob(&self, column: usize) -> Result<&'a [u8], StoreError> {
        let value = self.row.get_ref(column)?;
        value.as_blob().map_err(|_| self.bad("bytes", self.found(column, value.data_type())))
    }

    /// A row that says what no version of Mnemon writes.
    pub(crate) fn bad(&self, expected: &'static str, got: String) -> StoreError {
        StoreError::BadRow { table: self.table, row: self.id, expected, got }
    }

    fn damaged(&self, error: rusqlite::Error, expected: &'static str) -> StoreError {
        match error {
            rusqlite::Error::InvalidColumnType(column, _, found) => self.bad(expected, self.found(column, found)),
            rusqlite::Error::IntegralValueOutOfRange(column, value) => {
                self.bad(expected, format!("{value} in {}", self.name(column)))
            }
            rusqlite::Error::FromSqlConversionFailure(column, found, error) => {
                self.bad(expected, format!("{} ({error})", self.found(column, found)))
            }
            other => other.into(),
        }
    }

    fn found(&self, column: usize, found: rusqlite::types::Type) -> String {
        format!("{} in {}", found.to_string().to_lowercase(), self.name(column))
    }

    fn name(&self, column: usize) -> String {
        self.row.as_ref().column_name(column).map_or_else(|_| format!("column {column}"), |name| format!("`{name}`"))
    }
}

/// What a column can hold.
pub(crate) trait Cell: FromSql {
    /// In words.
    const EXPECTED: &'static str;
}

macro_rules! cells {
    ($($type:ty: $expected:literal),* $(,)?) => {$(
        impl Cell for $type {
            const EXPECTED: &'static str = $expected;
        }
        impl Cell for Option<$type> {
            const EXPECTED: &'static str = concat!($expected, ", or nothing");
        }
    )*};
}

cells! {
    i64: "a whole number",
    u64: "a whole number from 0",
    u32: "a whole number of 32 bits from 0",
    usize: "a whole number from 0",
    bool: "0 or 1",
    f32: "a number",
    String: "a text in UTF-8",
    [u8; 16]: "16 bytes",
    [u8; 32]: "32 bytes",
}

/// What is read of a row that must be there: whatever is wrong with it is damage, and says of which row.
pub(crate) trait OfRow<T> {
    fn of_row(self, table: &'static str, row: RowId) -> Result<T, StoreError>;
}

impl<T> OfRow<T> for rusqlite::Result<T> {
    fn of_row(self, table: &'static str, row: RowId) -> Result<T, StoreError> {
        let bad = |expected, got| Err(StoreError::BadRow { table, row, expected, got });
        match self {
            Err(rusqlite::Error::QueryReturnedNoRows) => bad("a row", "none".to_owned()),
            Err(rusqlite::Error::InvalidColumnType(_, name, found)) => {
                bad("a value of the type of its column", format!("{} in `{name}`", found.to_string().to_lowercase()))
            }
            Err(rusqlite::Error::IntegralValueOutOfRange(column, value)) => {
                bad("a value in the range of its column", format!("{value} in column {column}"))
            }
            done => Ok(done?),
        }
    }
}

#[cfg(test)]
mod tests {
    use mnemon_core::{Ended, Kind, MemoryId, NewMemory, NewTurn, Placement, ReceiptId, Role, Scope, SessionId, Slot};
    use mnemon_core::{ModelId, Origin, Timestamp};
    use rusqlite::Connection;

    use super::*;
    use crate::{Counted, ListFilter, NewPassage, NewSession, Selection, Snapshot, Store, StoreOptions};

    /// A file with a row in every table that is read.
    fn fill(store: &Store) {
        let now = Timestamp::UNIX_EPOCH;
        let scope = Scope::user_scope("ann").unwrap();
        let work = |tx: &crate::WriteTx<'_>| -> Result<(), StoreError> {
            let row = tx.ensure_scope(&scope)?;
            let session =
                tx.start_session(row, &NewSession { name: Some("first"), started_at: now, imported: false }, now)?;
            let mut turn = NewTurn::new(Role::User, "the garden is wet");
            turn.speaker = Some("Ann".into());
            turn.occurred_at = Some(now);
            turn.metadata.insert("mood".into(), "calm".into());
            turn.origin = Some(Origin { source: "import".into(), id: "1".into() });
            turn.caption = Some("a garden".into());
            turn.state.about = Some(Slot { subject: "garden".into(), slot: "state".into() });
            turn.state.last_used = Some(now);
            turn.state.expires_at = Some(Timestamp::MAX);
            let added = tx.add_turn(row, session, &turn, Placement::Window, now)?;
            let whole = NewPassage { start: 0, end: 4, words: 4, cues: 0, terms: &[1, 2], is_longer: true, content: 7 };
            let passages = tx.put_first_passages(&added, 1, &[whole])?;
            let model = ModelId { name: "m".into(), revision: "1".into(), dtype: "f32".into() };
            let model = tx.ensure_model(&model, 1)?;
            tx.put_vector(model, passages[0], &[1.0])?;
            tx.put_token_vectors(model, passages[0], b"codes")?;
            let by = tx.add_memory(&scope, &NewMemory::new(Kind::Note, "it is dry"), now)?;
            let end = Ended { at: now, why: mnemon_core::EndReason::Superseded, by: Some(by.id) };
            tx.end(row, added.id, end)?;
            let gone = tx.add_memory(&scope, &NewMemory::new(Kind::Note, "gone"), now)?;
            tx.erase(&scope, &Selection::Ids(vec![gone.id]), now)?;
            tx.save(row, None, tx.head()?, [b"a part"])?;
            let said = [NewTurn::new(Role::User, "it rained"), NewTurn::new(Role::User, "all night")];
            let said = tx.append_turns(row, session, &said, Placement::LongTerm, now)?;
            tx.await_summary(row, session, &[said[0].row, said[1].row])?;
            let mut part = said[0].row;
            for depth in 1..=2 {
                let made = tx.add_memory(&scope, &NewMemory::new(Kind::Summary, "rain"), now)?;
                tx.enter_summary((row, session), made.row, depth, &[part])?;
                part = made.row;
            }
            Ok(())
        };
        store.write(work).unwrap();
    }

    /// Everything that can be read; the first error.
    fn read_all(store: &Store) -> Result<(), StoreError> {
        store.read(|snapshot: &Snapshot<'_>| -> Result<(), StoreError> {
            let scope = Scope::user_scope("ann").unwrap();
            snapshot.scopes()?;
            snapshot.uuid()?;
            snapshot.analysis()?;
            let Some(row) = snapshot.scope_id(&scope)? else { return Ok(()) };
            snapshot.sessions(&scope)?;
            snapshot.list(row, &ListFilter::default())?;
            snapshot.pinned(row, 9)?;
            snapshot.each_standing(row, drop)?;
            snapshot.each_passage(row, drop)?;
            snapshot.passages_of(&[1])?;
            snapshot.speakers(row, 9)?;
            snapshot.newest_time(row)?;
            if let Some(session) = snapshot.latest_session(row)? {
                snapshot.window(row, session)?;
                snapshot.last_turn(row, session)?;
                snapshot.next_position(session)?;
                snapshot.due_for_summary(row, session, 9)?;
                for summary in snapshot.top_summaries(row, session)? {
                    for (part, _) in snapshot.summary_parts(summary.row)? {
                        snapshot.summary_parts(part)?;
                    }
                }
                snapshot.summaries_to_join(row, session, 1)?;
            }
            for (memory, _) in snapshot.memories(&(1..9).collect::<Vec<_>>())? {
                snapshot.summaries_above(memory)?;
            }
            snapshot.sessions_due_for_summary(1)?;
            snapshot.session_row(row, SessionId::new(Timestamp::UNIX_EPOCH))?;
            let model = ModelId { name: "m".into(), revision: "1".into(), dtype: "f32".into() };
            if let Some(model) = snapshot.model(&model, 1)? {
                snapshot.each_vector_of(row, model, |_, _| Ok::<_, StoreError>(()))?;
            }
            snapshot.receipts()?;
            snapshot.receipt(ReceiptId::new(Timestamp::UNIX_EPOCH))?;
            let head = snapshot.head()?;
            snapshot.changes_since(row, head)?;
            snapshot.changes_since(row, crate::Head::default())?;
            snapshot.saved_head(row, None)?;
            snapshot.each_saved_part(row, None, |_| true)?;
            snapshot.stats(store, Counted::File)?;
            snapshot.memory(row, MemoryId::new(Timestamp::UNIX_EPOCH))?;
            Ok(())
        })?;
        store.scrub_pending()?;
        Ok(())
    }

    /// A copy of the file whose tables take what their columns do not allow, as a damaged page does.
    fn damage(from: &std::path::Path, to: &std::path::Path, statement: &str) -> usize {
        std::fs::copy(from, to).unwrap();
        let conn = Connection::open(to).unwrap();
        // Of one file without a log, which is gone a moment later.
        conn.pragma_update(None, "journal_mode", "MEMORY").unwrap();
        conn.pragma_update(None, "synchronous", "OFF").unwrap();
        let schema = |from: &str, to: &str| {
            conn.execute_batch(&format!(
                "PRAGMA foreign_keys = OFF; PRAGMA ignore_check_constraints = ON; PRAGMA writable_schema = ON;
                 UPDATE sqlite_schema SET sql = replace(sql, '{from}', '{to}') WHERE type = 'table';
                 PRAGMA writable_schema = RESET;"
            ))
            .unwrap();
        };
        conn.execute_batch(
            "CREATE TABLE kept AS SELECT name, sql FROM sqlite_schema WHERE type = 'table'
                 AND name NOT LIKE 'sqlite_%' AND name NOT LIKE 'memory_%s%';",
        )
        .unwrap();
        schema(" STRICT", " ");
        for of in ["INTEGER", "TEXT", "BLOB", "REAL"] {
            schema(&format!("{of} NOT NULL"), of);
        }
        let triggers: Vec<(String, String)> = conn
            .prepare("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'")
            .unwrap()
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
            .unwrap()
            .collect::<Result<_, _>>()
            .unwrap();
        triggers.iter().for_each(|(name, _)| conn.execute_batch(&format!("DROP TRIGGER {name}")).unwrap());
        let changed = conn.execute(statement, []).unwrap();
        triggers.iter().for_each(|(_, sql)| conn.execute_batch(sql).unwrap());
        conn.execute_batch(
            "PRAGMA writable_schema = ON;
             UPDATE sqlite_schema SET sql = (SELECT sql FROM kept WHERE kept.name = sqlite_schema.name)
                 WHERE type = 'table' AND name IN (SELECT name FROM kept);
             PRAGMA writable_schema = RESET; DROP TABLE kept;",
        )
        .unwrap();
        changed
    }

    fn open(file: &std::path::Path) -> Result<Store, StoreError> {
        Store::open(file, StoreOptions { read_only: true, ..StoreOptions::default() })
    }

    fn remove(file: &std::path::Path) {
        for suffix in ["", "-wal", "-shm", "-ballast"] {
            let _ = std::fs::remove_file(format!("{}{suffix}", file.display()));
        }
    }

    #[test]
    fn every_column_that_is_damaged_gives_an_error_that_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let (path, copy) = (folder.path().join("m.db"), folder.path().join("copy.db"));
        fill(&Store::open(&path, StoreOptions::default()).unwrap());
        let columns: Vec<(String, String)> = Connection::open(&path)
            .unwrap()
            .prepare(
                "SELECT t.name, c.name FROM pragma_table_list AS t JOIN pragma_table_info(t.name) AS c
                 WHERE t.type = 'table' AND t.strict = 1 AND c.pk = 0",
            )
            .unwrap()
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
            .unwrap()
            .collect::<Result<_, _>>()
            .unwrap();
        assert!(columns.len() > 50, "{columns:?}");
        let (mut typed, mut silent) = (0, Vec::new());
        for (table, column) in &columns {
            for value in ["'no number and no bytes'", "x'c328'", "-1", "NULL"] {
                let changed = damage(&path, &copy, &format!("UPDATE OR IGNORE {table} SET {column} = {value}"));
                assert!(changed > 0, "{table} has no row");
                let result = open(&copy).and_then(|store| read_all(&store));
                match result {
                    Err(StoreError::BadRow { .. } | StoreError::Corrupt(_)) => typed += 1,
                    Err(error) => panic!("{table}.{column} = {value}: {error:?}"),
                    Ok(()) => silent.push(format!("{table}.{column} = {value}")),
                }
                remove(&copy);
            }
        }
        // What is damaged in an index, or is a name that is not found, is not seen by reading.
        assert!(typed > silent.len(), "{typed} errors; not noticed: {silent:?}");
    }

    #[test]
    fn an_error_says_which_row_and_what_was_expected() {
        let folder = tempfile::tempdir().unwrap();
        let (path, copy) = (folder.path().join("m.db"), folder.path().join("copy.db"));
        fill(&Store::open(&path, StoreOptions::default()).unwrap());
        let check = |statement: &str, expected: &str| {
            assert!(damage(&path, &copy, statement) > 0);
            let result = open(&copy).and_then(|store| read_all(&store));
            assert_eq!(result.unwrap_err().to_string(), expected, "{statement}");
            remove(&copy);
        };
        check("UPDATE passage SET terms = 'x'", "row 1 of passage is damaged: expected bytes, got text in `terms`");
        check(
            "UPDATE memory SET pinned = x'00' WHERE id = 2",
            "row 2 of memory is damaged: expected 0 or 1, got blob in `pinned`",
        );
        check(
            "UPDATE memory_state SET uses = -1",
            "row 1 of memory_state is damaged: expected a whole number of 32 bits from 0, or nothing, got -1 in `uses`",
        );
        check("DELETE FROM meta", "row 1 of meta is damaged: expected a row, got none");
        check(
            "UPDATE meta SET uuid = 'x'",
            "row 1 of meta is damaged: expected a value of the type of its column, got text in `uuid`",
        );
    }
}
