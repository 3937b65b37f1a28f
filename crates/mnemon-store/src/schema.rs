//! The schema and its versions. Migrations are only ever appended: a file of any version can be opened.

use std::path::Path;
use std::sync::LazyLock;
use std::time::Duration;

use rusqlite::{Connection, Transaction};
use rusqlite_migration::{M, Migrations};

use crate::connection::retry_busy;
use crate::{StoreError, migrate};

/// `Mnem` as the four bytes that SQLite keeps for the program that owns a file.
pub(crate) const APPLICATION_ID: i64 = 0x4d6e_656d;

/// The schema that this version writes.
pub const SCHEMA_VERSION: i64 = 7;

/// Older versions can corrupt a WAL database when several connections write and checkpoint.
pub const MIN_SQLITE_VERSION: &str = "3.51.3";
const MIN_SQLITE_NUMBER: i32 = 3_051_003;

/// The migrations, the first from an empty file.
pub(crate) static MIGRATIONS: LazyLock<Vec<M<'static>>> = LazyLock::new(|| {
    vec![
        M::up(include_str!("migrations/0001_first.sql")),
        M::up(include_str!("migrations/0002_passages.sql")),
        M::up(include_str!("migrations/0003_lean.sql")),
        M::up(include_str!("migrations/0004_change_scopes.sql")),
        M::up_with_hook(include_str!("migrations/0005_state.sql"), |tx: &Transaction<'_>| {
            migrate::seal(tx)?;
            migrate::check_memories(tx)?;
            Ok(())
        }),
        M::up(include_str!("migrations/0006_serving_model.sql")),
        M::up(include_str!("migrations/0007_summaries.sql")),
    ]
});

pub(crate) fn check_sqlite_version() -> Result<(), StoreError> {
    if rusqlite::version_number() < MIN_SQLITE_NUMBER {
        return Err(StoreError::SqliteTooOld { expected: MIN_SQLITE_VERSION, found: rusqlite::version() });
    }
    Ok(())
}

/// Another process may have migrated since the version was read; then it looks like a lock that was met.
fn migrate(conn: &mut Connection) -> Result<(), StoreError> {
    let before = user_version(conn)?;
    match Migrations::from_slice(&MIGRATIONS).to_latest(conn) {
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

/// The schema version of a file of ours, 0 for an empty one; an error for any other.
pub(crate) fn identify(conn: &Connection, path: &Path) -> Result<i64, StoreError> {
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
    Ok(found)
}

fn try_prepare(conn: &mut Connection, path: &Path, read_only: bool) -> Result<(), StoreError> {
    let found = identify(conn, path)?;
    if read_only {
        return match found {
            SCHEMA_VERSION => Ok(()),
            _ => Err(StoreError::Older { path: path.to_owned(), found, supported: SCHEMA_VERSION }),
        };
    }
    if found == 0 {
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
    use mnemon_core::{ModelId, Scope, Timestamp};

    use super::*;
    use crate::{ChangeOp, Head, MemoryUpdate, NewPassage, Store, StoreOptions, TextQuery, WriteTx};

    #[test]
    fn the_migrations_build_the_schema() {
        assert_eq!(MIGRATIONS.len() as i64, SCHEMA_VERSION);
        Migrations::from_slice(&MIGRATIONS).validate().unwrap();
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

    /// A file of the first schema as its Mnemon left it: two scopes, a session, a vector, and what the log says of them.
    fn first_schema(path: &Path) {
        let mut conn = Connection::open(path).unwrap();
        conn.pragma_update(None, "application_id", APPLICATION_ID).unwrap();
        conn.pragma_update(None, "foreign_keys", true).unwrap();
        Migrations::from_slice(&MIGRATIONS[..1]).to_latest(&mut conn).unwrap();
        conn.execute_batch(
            "INSERT INTO scope (user, agent, project) VALUES ('ann', '', ''), ('bob', '', '');
             INSERT INTO session (uid, scope_id, started_at, imported) VALUES (randomblob(16), 1, 0, 0);
             INSERT INTO memory (uid, scope_id, kind, session_id, position, role, pinned, occurred_at, stored_at,
                                 updated_at, priority, speaker, text)
             VALUES (randomblob(16), 1, 1, 1, 0, 1, 0, 5000, 9000, 9000, 1.0, 'Ann', 'the garden is wet'),
                    (randomblob(16), 1, 3, NULL, NULL, NULL, 1, NULL, 8000, 8000, 1.0, NULL, 'a note on gardens'),
                    (randomblob(16), 2, 2, NULL, NULL, NULL, 0, NULL, 7000, 7000, 1.0, NULL, 'gardens of bob');
             INSERT INTO model (name, revision, dtype, dimension) VALUES ('m', '1', 'f32', 1);
             INSERT INTO vector (memory_id, model_id, data) VALUES (1, 1, x'0000803f'), (3, 1, x'0000803f');
             DELETE FROM vector WHERE memory_id = 3;",
        )
        .unwrap();
        assert_eq!(user_version(&conn).unwrap(), 1);
    }

    #[test]
    fn a_file_of_the_first_schema_keeps_its_memories_and_waits_for_its_passages() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.db");
        first_schema(&path);
        let read_only = StoreOptions { read_only: true, ..StoreOptions::default() };
        assert!(matches!(
            Store::open(&path, read_only),
            Err(StoreError::Older { found: 1, supported: SCHEMA_VERSION, .. })
        ));
        let store = Store::open(&path, StoreOptions::default()).unwrap();
        assert_eq!(store.check().unwrap(), []);
        let ann = Scope::user_scope("ann").unwrap();
        let model = ModelId { name: "m".into(), revision: "1".into(), dtype: "f32".into() };
        let work = |tx: &WriteTx<'_>| -> Result<(), StoreError> {
            let scope = tx.scope_id(&ann)?.unwrap();
            assert_eq!(tx.speakers(scope, 9)?, ["Ann"]);
            assert_eq!(tx.newest_time(scope)?.map(Timestamp::as_millisecond), Some(8000));
            // What was logged is forgotten: who stood somewhere in it begins anew, and the log goes on from here.
            let head = tx.head()?;
            assert!(head.seq >= 3);
            assert_eq!(tx.changes_since(scope, Head::default())?, None);
            assert_eq!(tx.changes_since(scope, Head { nonce: head.nonce ^ 1, ..head })?, None);
            assert_eq!(tx.changes_since(scope, head)?, Some(vec![]));

            assert_eq!((tx.without_passages(1, 0, 9)?, tx.count_without_passages(1)?), (vec![1, 2, 3], 3));
            // None of its vectors is left, so no model serves until one stores something.
            assert_eq!(tx.serving_model()?, None);
            let model = tx.ensure_model(&model, 1)?;
            assert!(tx.without_vector(Some(model), 0, 9)?.is_empty());
            let whole =
                NewPassage { start: 0, end: 4, words: 4, cues: 0, terms: &[1, 2], is_longer: false, content: 7 };
            let passages = tx.put_passages(1, 1, &[whole])?;
            tx.put_vector(model, passages[0], &[1.0])?;
            assert_eq!(tx.without_passages(1, 0, 9)?, [2, 3]);
            let changes = tx.changes_since(scope, head)?.unwrap();
            let changes: Vec<_> = changes.iter().map(|change| (change.op, change.passage)).collect();
            assert_eq!(changes, [ChangeOp::PassageStored, ChangeOp::VectorStored].map(|op| (op, passages[0])));
            let (_, old) = tx.update(
                scope,
                tx.memories(&[1])?[0].1.id,
                &MemoryUpdate { text: Some("dry".into()), ..Default::default() },
                Timestamp::now(),
            )?;
            assert!(old && tx.passages(&passages)?.is_empty());
            Ok(())
        };
        store.write(work).unwrap();
        assert_eq!(store.check().unwrap(), []);
    }

    /// A file of the second schema: a long turn in a window and a note with vectors of two models and of pieces, and a
    /// passage that is gone.
    fn second_schema(path: &Path, vector: &[u8], pieces: &[u8]) {
        let mut conn = Connection::open(path).unwrap();
        conn.pragma_update(None, "application_id", APPLICATION_ID).unwrap();
        conn.pragma_update(None, "foreign_keys", true).unwrap();
        Migrations::from_slice(&MIGRATIONS[..2]).to_latest(&mut conn).unwrap();
        conn.execute_batch(
            "INSERT INTO scope (user, agent, project) VALUES ('ann', '', '');
             INSERT INTO session (uid, scope_id, started_at, imported) VALUES (randomblob(16), 1, 0, 0);
             INSERT INTO memory (uid, scope_id, kind, session_id, position, role, pinned, stored_at, updated_at, priority,
                                 text)
             VALUES (randomblob(16), 1, 1, 1, 0, 1, 0, 9000, 9000, 1.0, 'a long answer about gardens'),
                    (randomblob(16), 1, 3, NULL, NULL, NULL, 0, 8000, 8000, 1.0, 'a note on gardens');
             INSERT INTO window (memory_id, session_id, last_access) VALUES (1, 1, 7000);
             INSERT INTO passage (memory_id, scope_id, ordinal, start_byte, end_byte, run, place, words, cues, analysis,
                                  terms)
             VALUES (1, 1, 0, 0, 27, 2, 0, 5, 3, 1, zeroblob(240)), (2, 1, 0, 0, 17, 5, 0, 4, 0, 1, zeroblob(240)),
                    (2, 1, 1, 0, 17, 5, 1, 4, 0, 1, x'');
             INSERT INTO passage_terms (rowid, terms) VALUES (1 << 10 | 60, 'a'), (2 << 10 | 60, 'a'), (3 << 10, '');
             DELETE FROM passage WHERE id = 3;
             INSERT INTO model (name, revision, dtype, dimension) VALUES ('m', '1', 'f32', 500), ('n', '1', 'f32', 1);",
        )
        .unwrap();
        let mut insert = conn.prepare("INSERT INTO vector (passage_id, model_id, data) VALUES (?1, ?2, ?3)").unwrap();
        for (passage, model, data) in [(2, 1, vector), (1, 1, vector), (1, 2, &[0, 0, 128, 63])] {
            insert.execute(rusqlite::params![passage, model, data]).unwrap();
        }
        conn.execute("INSERT INTO token_vector (passage_id, model_id, data) VALUES (1, 1, ?1)", [pieces]).unwrap();
    }

    /// The model of the most vectors serves after the migration, of two the newer; none where there are no vectors.
    #[test]
    fn a_file_that_has_vectors_of_several_models_serves_with_one() {
        let check = |vectors: &[(i64, i64)], serving: Option<i64>| {
            let mut conn = Connection::open_in_memory().unwrap();
            Migrations::from_slice(&MIGRATIONS[..5]).to_latest(&mut conn).unwrap();
            conn.execute_batch(
                "INSERT INTO model (name, revision, dtype, dimension)
                 VALUES ('a', '1', 'f32', 1), ('b', '1', 'f32', 1), ('c', '1', 'f32', 1)",
            )
            .unwrap();
            for (model, passage) in vectors {
                // The second part of a vector counts for nothing.
                let insert = "INSERT INTO vector (id, data) VALUES (?1, x''), (?1 + 1, x'')";
                conn.execute(insert, [crate::parts::key(*model, *passage)]).unwrap();
            }
            Migrations::from_slice(&MIGRATIONS).to_latest(&mut conn).unwrap();
            let found =
                conn.query_row("SELECT model_id, next_model_id FROM meta", [], |row| Ok((row.get(0)?, row.get(1)?)));
            assert_eq!(found, Ok((serving, None::<i64>)), "{vectors:?}");
        };
        check(&[], None);
        check(&[(3, 5)], Some(3));
        check(&[(1, 5), (1, 6), (3, 5)], Some(1));
        check(&[(1, 5), (1, 6), (2, 5), (2, 7), (3, 5)], Some(2));
    }

    #[test]
    fn a_file_of_the_second_schema_keeps_its_passages_and_vectors() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.db");
        let values: Vec<f32> = (0..500_u16).map(f32::from).collect();
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        let pieces: Vec<u8> = (0..1999_u16).map(|n| n as u8).collect();
        second_schema(&path, &bytes, &pieces);
        let store = Store::open(&path, StoreOptions::default()).unwrap();
        assert_eq!(store.check().unwrap(), []);
        let ann = Scope::user_scope("ann").unwrap();
        let model = |name: &str| ModelId { name: name.into(), revision: "1".into(), dtype: "f32".into() };
        let work = |tx: &WriteTx<'_>| -> Result<(), StoreError> {
            let scope = tx.scope_id(&ann)?.unwrap();
            let (m, n) = (tx.model(&model("m"), 500)?.unwrap(), tx.model(&model("n"), 1)?.unwrap());
            let mut seen = Vec::new();
            tx.each_vector_of(scope, m, |passage, vector| -> Result<(), StoreError> {
                seen.push((passage, vector.to_vec()));
                Ok(())
            })?;
            assert_eq!(seen, [(1, values.clone()), (2, values.clone())]);
            let (mut vector, mut read) = (Vec::new(), Vec::new());
            assert!(tx.read_vector(n, 1, &mut vector)? && vector == [1.0]);
            assert!(!tx.read_vector(n, 2, &mut vector)? && !tx.read_token_vectors(m, 2, &mut read)?);
            assert!(tx.read_token_vectors(m, 1, &mut read)? && read == pieces);
            assert_eq!((tx.without_vector(Some(n), 0, 9)?, tx.count_without_token_vectors(Some(m))?), (vec![2], 1));

            let session = tx.latest_session(scope)?.unwrap();
            let window = tx.window(scope, session)?;
            assert_eq!(window.iter().map(|w| (w.row, w.last_access.as_second())).collect::<Vec<_>>(), [(1, 7)]);
            // Of the two that had terms for sixty words, only a turn can have more words than that.
            let hits = tx.text_search(&TextQuery { text: "garden", scope, limit: 9 })?;
            assert_eq!(hits.iter().map(|hit| hit.row).collect::<Vec<_>>(), [1]);
            // The log goes on where it was, and numbers of passages that are gone are not used again.
            let head = tx.head()?;
            assert_eq!(tx.changes_since(scope, head)?, Some(vec![]));
            let passage = NewPassage { start: 0, end: 4, words: 4, cues: 0, terms: &[1], is_longer: false, content: 7 };
            assert_eq!(tx.put_passages(2, 1, &[passage])?, [4]);
            let changes = tx.changes_since(scope, head)?.unwrap();
            let changes: Vec<_> = changes.iter().map(|change| (change.op, change.passage)).collect();
            assert_eq!(changes, [(ChangeOp::PassageDropped, 2), (ChangeOp::PassageStored, 4)]);
            tx.delete(scope, tx.memories(&[1])?[0].1.id)?;
            assert!(tx.window(scope, session)?.is_empty() && !tx.read_vector(m, 1, &mut vector)?);
            Ok(())
        };
        store.write(work).unwrap();
        assert_eq!(store.check().unwrap(), []);
    }
}
