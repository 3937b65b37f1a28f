//! Files of every schema version, as tests open them: each has lived through all versions up to its own, and holds
//! something that every one of them wrote.
//!
//! `cargo test -p mnemon-store -- --ignored make_the_fixtures` makes them again; the files are in tests/fixtures.

use std::path::{Path, PathBuf};

use rusqlite::Connection;
use rusqlite_migration::Migrations;

use crate::parts::{key, sealed};
use crate::schema::{APPLICATION_ID, MIGRATIONS, SCHEMA_VERSION};
use crate::vectors::to_bytes;
use crate::{Store, StoreError, StoreOptions, migrate, schema};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

fn path(version: i64) -> PathBuf {
    folder().join(format!("schema{version}.sqlite"))
}

/// What the Mnemon of a schema version wrote into a file: always a turn of Ann in the window of her one session.
fn write(conn: &Connection, version: i64) {
    let first = "
        INSERT INTO scope (user, agent, project) VALUES ('ann', '', ''), ('bob', 'coder', '');
        INSERT INTO source (name) VALUES ('notes');
        INSERT INTO session (uid, scope_id, name, started_at, imported) VALUES (x'00000000000070008000000000000001', 1, 'talk', 1000, 0);
        INSERT INTO memory (uid, scope_id, kind, pinned, occurred_at, stored_at, updated_at, priority, metadata, source_id,
                            external_id, origin_hash, text)
            VALUES (x'00000000000070008000000000000011', 1, 3, 1, NULL, 1000, 1000, 1.0, '{\"sure\":true}', 1, 'n1', 5,
                    'a pinned note on tomatoes'),
                   (x'00000000000070008000000000000012', 2, 2, 0, 500, 1000, 1000, 2.0, NULL, NULL, NULL, NULL,
                    'a fact of bob');
        INSERT INTO model (name, revision, dtype, dimension) VALUES ('m', '1', 'f32', 4);";
    let turn = |position: i64| {
        format!(
            "INSERT INTO memory (uid, scope_id, kind, session_id, position, role, pinned, occurred_at, stored_at, updated_at,
                                 priority, speaker, text)
             VALUES (x'0000000000007000800000000000002{position}', 1, 1, 1, {position}, 1, 0, {position}000, 9000, 9000, 1.0,
                     'Ann', 'version {} says 我喜欢北京');
             INSERT INTO memory_grams (rowid, grams) VALUES (last_insert_rowid(), '我喜 喜欢 欢北 北京 京 ');
             INSERT INTO window (memory_id, session_id, last_access)
                 SELECT id, 1, 7000 FROM memory WHERE session_id = 1 AND position = {position};",
            position + 1
        )
    };
    let passage = |columns: &str, values: &str| {
        format!(
            "INSERT INTO passage (memory_id, scope_id, ordinal, start_byte, end_byte, run, place, words, cues, analysis,
                                  terms{columns})
             SELECT id, 1, 0, 0, 10, 2, position, 3, 1, 1, x'0700000009000000'{values}
             FROM memory ORDER BY id DESC LIMIT 1;"
        )
    };
    let ones = "x'0000803f0000803f0000803f0000803f'";
    let keyed = "(SELECT (1 << 51) | (max(id) << 8) FROM passage)";
    let logged = "INSERT INTO change (op, passage_id, scope_id, nonce) SELECT 6, max(id), 1, 42 FROM passage;";
    let added = match version {
        1 => format!("{first} {} INSERT INTO vector (memory_id, model_id, data) VALUES (1, 1, {ones});", turn(0)),
        2 => format!(
            "{} {} INSERT INTO passage_terms (rowid, terms) SELECT max(id) << 10 | 2, '1z7 1z9' FROM passage;
             INSERT INTO vector (passage_id, model_id, data) SELECT max(id), 1, {ones} FROM passage;
             INSERT INTO token_vector (passage_id, model_id, data) SELECT max(id), 1, x'0102030405' FROM passage;",
            turn(1),
            passage("", "")
        ),
        3 => format!(
            "{} {} INSERT INTO vector (id, data) VALUES ({keyed}, {ones});",
            turn(2),
            passage(", content", ", 77")
        ),
        4 => format!(
            "{} {} {logged} INSERT INTO vector (id, data) VALUES ({keyed}, {ones});
             INSERT INTO saved (scope_id, model_id, seq, nonce) SELECT 1, 1, max(seq), 42 FROM change;
             INSERT INTO saved_part (saved_id, number, data) VALUES (1, 0, x'00');",
            turn(3),
            passage(", content", ", 78")
        ),
        5 => format!(
            "{} {} {logged} INSERT INTO memory_state (memory_id, trust, importance, subject, slot)
             SELECT max(id), 2, 0.75, 'ann', 'city' FROM memory;",
            turn(4),
            passage(", content", ", 79")
        ),
        // A change of the model is under way.
        6 => format!(
            "{} {} {logged} INSERT INTO model (name, revision, dtype, dimension) VALUES ('n', '1', 'f32', 4);
             UPDATE meta SET next_model_id = 2;",
            turn(5),
            passage(", content", ", 80")
        ),
        // The first turn has left the window and is summarised, the second waits.
        _ => format!(
            "INSERT INTO memory (uid, scope_id, kind, pinned, occurred_at, stored_at, updated_at, priority, metadata, text)
                 VALUES (x'00000000000070008000000000000031', 1, 5, 0, 1000, 9500, 9500, 1.0,
                         '{{\"summary_of\":{{\"depth\":1}}}}', 'Ann: version 1 says');
             INSERT INTO summary (memory_id, session_id, depth, first_turn)
                 SELECT last_insert_rowid(), 1, 1, id FROM memory WHERE session_id = 1 AND position = 0;
             INSERT INTO summary_turn (turn_id, summary_id)
                 SELECT id, (SELECT memory_id FROM summary) FROM memory WHERE session_id = 1 AND position = 0;
             INSERT INTO summary_due (session_id, turn_id) SELECT 1, id FROM memory WHERE session_id = 1 AND position = 1;
             DELETE FROM window WHERE memory_id IN (SELECT id FROM memory WHERE session_id = 1 AND position < 2);
             {} {} {logged}",
            turn(6),
            passage(", content", ", 81")
        ),
    };
    conn.execute_batch(&added).unwrap();
    if version >= 5 {
        let passage: i64 = conn.query_row("SELECT max(id) FROM passage", [], |row| row.get(0)).unwrap();
        for model in if version == 5 { 1..=1 } else { 1..=2 } {
            let first = key(model, passage);
            conn.execute(
                "INSERT INTO vector (id, data) VALUES (?1, ?2)",
                rusqlite::params![first, sealed(first, &to_bytes(&[1.0; 4]))],
            )
            .unwrap();
        }
        let tx = conn.unchecked_transaction().unwrap();
        migrate::check_memories(&tx).unwrap();
        tx.commit().unwrap();
    }
}

fn make(path: &Path, version: i64) {
    let mut conn = Connection::open(path).unwrap();
    conn.execute_batch("PRAGMA page_size = 4096; PRAGMA secure_delete = ON; PRAGMA foreign_keys = ON").unwrap();
    conn.pragma_update(None, "application_id", APPLICATION_ID).unwrap();
    for step in 1..=version {
        Migrations::from_slice(&MIGRATIONS[..step as usize]).to_latest(&mut conn).unwrap();
        write(&conn, step);
    }
    conn.execute_batch("INSERT INTO memory_words (memory_words) VALUES ('optimize'); VACUUM").unwrap();
}

#[test]
#[ignore = "writes the files that the other tests read"]
fn make_the_fixtures() {
    for version in 1..=SCHEMA_VERSION {
        // What a released version wrote stays as it was.
        if !path(version).exists() {
            make(&path(version), version);
        }
    }
}

#[test]
fn every_version_has_its_fixture() {
    for version in 1..=SCHEMA_VERSION {
        let conn = Connection::open(path(version)).unwrap();
        assert_eq!(conn.pragma_query_value(None, "user_version", |row| row.get(0)), Ok(version));
    }
    assert!(!path(SCHEMA_VERSION + 1).exists());
}

/// Everything that a file holds, its random numbers aside.
fn content(conn: &Connection) -> Vec<String> {
    let mut tables = conn
        .prepare(
            "SELECT name FROM sqlite_schema WHERE type = 'table' AND rootpage > 0 AND name <> 'change' ORDER BY name",
        )
        .unwrap();
    let names: Vec<String> = tables.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap();
    let mut content = Vec::new();
    for name in names {
        let mut statement = conn.prepare(&format!("SELECT * FROM \"{name}\"")).unwrap();
        let columns = statement.column_count();
        let mut rows = statement.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            let values: Vec<_> = (0..columns).map(|column| row.get_ref(column).unwrap()).collect();
            content.push(format!("{name} {values:?}"));
        }
    }
    content
}

/// A migration that is stopped after any number of steps of SQLite's machine leaves the old file, and one that is not
/// stopped the new one.
#[test]
fn a_migration_that_is_stopped_anywhere_leaves_old_or_new() {
    let folder = tempfile::tempdir().unwrap();
    for version in 1..SCHEMA_VERSION {
        let whole = folder.path().join(format!("whole{version}.db"));
        std::fs::copy(path(version), &whole).unwrap();
        let before = content(&Connection::open(&whole).unwrap());
        drop(Store::open(&whole, StoreOptions::default()).unwrap());
        let after = content(&Connection::open(&whole).unwrap());
        let mut stops = 0;
        for steps in (0..).map(|n: i32| 1 + n * 5 + n * n * 7) {
            let broken = folder.path().join(format!("{version}-{steps}.db"));
            std::fs::copy(path(version), &broken).unwrap();
            let is_done = {
                let mut conn = crate::connection::open(&broken, &StoreOptions::default()).unwrap();
                let mut left = steps;
                let stop = move || {
                    left -= 1;
                    left == 0
                };
                conn.progress_handler(1, Some(stop)).unwrap();
                let done = schema::prepare(&mut conn, &broken, false, std::time::Duration::ZERO);
                let is_migrated = match &done {
                    // Stopped behind the commit: it looks as if somebody else had done the work.
                    Ok(()) | Err(StoreError::Busy { .. }) => true,
                    Err(StoreError::Migration(_) | StoreError::Sqlite(_)) => false,
                    Err(error) => panic!("{error:?}"),
                };
                stops += usize::from(!is_migrated);
                conn.progress_handler(1, None::<fn() -> bool>).unwrap();
                let is_new = schema::identify(&conn, &broken).unwrap() == SCHEMA_VERSION;
                assert_eq!(is_new, is_migrated);
                assert_eq!(content(&conn), if is_migrated { after.clone() } else { before.clone() });
                done.is_ok()
            };
            let store = Store::open(&broken, StoreOptions::default()).unwrap();
            assert_eq!(store.check().unwrap(), []);
            assert_eq!(content(&Connection::open(&broken).unwrap()), after);
            drop(store);
            std::fs::remove_file(&broken).unwrap();
            if is_done {
                break;
            }
        }
        assert!(stops > 10, "stopped {stops} times");
    }
}
