//! What is in the file, and whether it is sound.

use std::path::PathBuf;

use mnemon_core::ModelId;
use rusqlite::Connection;

use crate::damage::{damaged_memories, damaged_vectors};
use crate::summaries::is_made;
use crate::{RowId, SCHEMA_VERSION, ScopeRow, Snapshot, Store, StoreError};

/// What a file, or one scope of it, holds.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct StoreStats {
    /// The file; `None` in memory.
    pub path: Option<PathBuf>,
    /// Its size with its write-ahead log, in bytes. In memory: the size of the pages.
    pub bytes: u64,
    /// The schema version of the file.
    pub schema_version: i64,
    /// The SQLite that reads it.
    pub sqlite_version: &'static str,
    /// Scopes in the whole file.
    pub scopes: u64,
    /// Sessions.
    pub sessions: u64,
    /// Memories of all kinds, but for the summaries that the engine made.
    pub memories: u64,
    /// Summaries that the engine made.
    pub summaries: u64,
    /// Memories that are turns.
    pub turns: u64,
    /// Turns that are active in a window.
    pub window_turns: u64,
    /// Passages: what is searched. A turn is one, a long document is several.
    pub passages: u64,
    /// The model that the file serves with; `None` while there are no vectors.
    pub serving_model: Option<ModelId>,
    /// The model that a change under way leads to.
    pub next_model: Option<ModelId>,
    /// Memories whose every passage has a vector, for each model.
    pub vectors: Vec<(ModelId, u64)>,
    /// Memories whose every passage has vectors of its pieces, for each model.
    pub token_vectors: Vec<(ModelId, u64)>,
}

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counted {
    /// The whole file.
    File,
    /// One scope; `None` is one in which nothing was ever written.
    Scope(Option<ScopeRow>),
}

/// Something that is wrong with the file.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Damage {
    /// Which part: `database`, `foreign keys`, `passages`, `memories`, `vectors`, `text index`, `history` (see
    /// [`Store::rollback`]).
    pub part: &'static str,
    /// What is wrong.
    pub detail: String,
}

/// What holds of passages, windows and summaries, and how many rows break it.
const PASSAGE_CHECKS: [(&str, &str); 5] = [
    (
        "passages have the scope and the place of their memory",
        "SELECT count(*) FROM passage JOIN memory ON memory.id = passage.memory_id
         WHERE passage.scope_id <> memory.scope_id OR (run, place) <> (
             coalesce(2 * session_id, 2 * memory_id + 1), coalesce(position, ordinal)
         )",
    ),
    (
        "vectors belong to a passage and a model",
        "SELECT count(*) FROM (SELECT id FROM vector UNION ALL SELECT id FROM token_vector) AS stored
         WHERE NOT EXISTS (SELECT 1 FROM passage WHERE id = (stored.id >> 8) & 0x7ffffffffff)
         OR NOT EXISTS (SELECT 1 FROM model WHERE id = stored.id >> 51)",
    ),
    (
        "turns of a window belong to its session",
        "SELECT count(*) FROM window WHERE NOT EXISTS
         (SELECT 1 FROM memory WHERE id = window.memory_id AND session_id = window.session_id)",
    ),
    (
        "turns that wait for a summary belong to their session and are in none",
        "SELECT count(*) FROM summary_due AS due WHERE EXISTS (SELECT 1 FROM summary_turn WHERE turn_id = due.turn_id)
         OR NOT EXISTS (SELECT 1 FROM memory WHERE id = due.turn_id AND session_id = due.session_id)",
    ),
    (
        "summaries tell of turns, or of summaries of one depth less, of their session",
        "SELECT count(*) FROM summary WHERE NOT EXISTS (
             SELECT 1 FROM summary_turn JOIN memory ON memory.id = turn_id
             WHERE summary_id = summary.memory_id AND memory.session_id = summary.session_id AND summary.depth = 1
         ) AND NOT EXISTS (
             SELECT 1 FROM summary AS part WHERE part.parent = summary.memory_id
             AND part.session_id = summary.session_id AND part.depth = summary.depth - 1
         )",
    ),
];

impl Snapshot<'_> {
    /// What a scope holds, or the whole file. Counts rows, so its cost grows with the file.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn stats(&self, store: &Store, of: Counted) -> Result<StoreStats, StoreError> {
        // No scope has the row 0, which stands for the whole file, or -1.
        let scope: RowId = match of {
            Counted::File => 0,
            Counted::Scope(Some(scope)) => scope.0,
            Counted::Scope(None) => -1,
        };
        let count = |sql: &str| -> Result<u64, StoreError> {
            Ok(self.conn.prepare_cached(sql)?.query_row([scope], |row| row.get(0))?)
        };
        Ok(StoreStats {
            path: store.path().map(ToOwned::to_owned),
            bytes: self.bytes(store)?,
            schema_version: SCHEMA_VERSION,
            sqlite_version: rusqlite::version(),
            scopes: count("SELECT count(*) FROM scope WHERE ?1 = 0 OR id = ?1")?,
            sessions: count("SELECT count(*) FROM session WHERE ?1 = 0 OR scope_id = ?1")?,
            memories: count(concat!(
                "SELECT count(*) FROM memory AS m WHERE (?1 = 0 OR scope_id = ?1) AND NOT ",
                is_made!()
            ))?,
            summaries: count(
                "SELECT count(*) FROM summary JOIN memory ON memory.id = summary.memory_id WHERE ?1 = 0 OR scope_id = ?1",
            )?,
            turns: count("SELECT count(*) FROM memory WHERE kind = 1 AND (?1 = 0 OR scope_id = ?1)")?,
            window_turns: count(
                "SELECT count(*) FROM window JOIN memory ON memory.id = window.memory_id WHERE ?1 = 0 OR scope_id = ?1",
            )?,
            passages: count(match of {
                Counted::File => "SELECT count(*) FROM passage WHERE ?1 = 0",
                Counted::Scope(_) => {
                    "SELECT count(*) FROM memory JOIN passage ON passage.memory_id = memory.id WHERE memory.scope_id = ?1"
                }
            })?,
            serving_model: self.serving_model()?.map(|model| model.id),
            next_model: self.next_model()?.map(|model| model.id),
            vectors: self.count_by_model("vector", scope)?,
            token_vectors: self.count_by_model("token_vector", scope)?,
        })
    }

    fn count_by_model(&self, table: &'static str, scope: i64) -> Result<Vec<(ModelId, u64)>, StoreError> {
        let mut models = self.conn.prepare_cached(&format!(
            "SELECT name, revision, dtype, (
                 SELECT count(*) FROM (
                     SELECT 1 FROM passage
                     LEFT JOIN {table} AS stored ON stored.id = (model.id << 51) | (passage.id << 8)
                     WHERE (?1 = 0 OR passage.scope_id = ?1)
                     AND NOT EXISTS (SELECT 1 FROM summary WHERE summary.memory_id = passage.memory_id)
                     GROUP BY passage.memory_id HAVING count(*) = count(stored.id)
                 )
             ) FROM model ORDER BY model.id"
        ))?;
        let counts = models.query_map([scope], |row| {
            Ok((ModelId { name: row.get(0)?, revision: row.get(1)?, dtype: row.get(2)? }, row.get(3)?))
        })?;
        Ok(counts.collect::<Result<_, _>>()?)
    }

    fn bytes(&self, store: &Store) -> Result<u64, StoreError> {
        let Some(path) = store.path() else {
            let pages: u64 = self.conn.pragma_query_value(None, "page_count", |row| row.get(0))?;
            let size: u64 = self.conn.pragma_query_value(None, "page_size", |row| row.get(0))?;
            return Ok(pages * size);
        };
        let mut log = path.as_os_str().to_owned();
        log.push("-wal");
        let size = |path: &std::path::Path| std::fs::metadata(path).map_or(0, |file| file.len());
        Ok(size(path) + size(log.as_ref()))
    }
}

impl Store {
    /// Looks for damage in every page, index and reference, and at the checksum of every memory and the seal of every
    /// vector; and says whether the file is older than it should be ([`Store::rollback`]). Reads the whole file.
    ///
    /// # Errors
    /// When the file cannot be read at all; damage that was found is not an error.
    pub fn check(&self) -> Result<Vec<Damage>, StoreError> {
        let mut damage = self.read(|snapshot| check(snapshot.conn))?;
        damage.extend(self.tell_rollback()?);
        if !self.is_read_only() {
            // The check of a text index is a command in the form of an INSERT; it writes nothing.
            let checked = self.write(|tx| -> Result<(), StoreError> {
                tx.conn.execute("INSERT INTO memory_words (memory_words) VALUES ('integrity-check')", [])?;
                tx.conn.execute("INSERT INTO memory_grams (memory_grams) VALUES ('integrity-check')", [])?;
                Ok(())
            });
            match checked {
                Err(StoreError::Corrupt(source)) => {
                    damage.push(Damage { part: "text index", detail: source.to_string() });
                }
                other => other?,
            }
        }
        Ok(damage)
    }
}

/// What is wrong with the rows that a connection sees, its text indexes aside.
pub(crate) fn check(conn: &Connection) -> Result<Vec<Damage>, StoreError> {
    type Look = fn(&Connection) -> Result<Vec<Damage>, StoreError>;
    let looks: [Look; 5] = [check_pages, check_references, check_passages, damaged_memories, damaged_vectors];
    let mut damage: Vec<Damage> = Vec::new();
    for look in looks {
        match look(conn) {
            Ok(found) => damage.extend(found),
            // One part that cannot be read does not hide what the others are like.
            Err(StoreError::Corrupt(source)) => {
                let detail = source.to_string();
                if !damage.iter().any(|known| known.part == "database") {
                    damage.push(Damage { part: "database", detail });
                }
            }
            Err(error) => return Err(error),
        }
    }
    Ok(damage)
}

fn check_pages(conn: &Connection) -> Result<Vec<Damage>, StoreError> {
    let mut damage = Vec::new();
    // FTS5 keeps in a connection how an index is laid out, and the check below believes it though others wrote since; a query
    // does not, and reads it anew.
    for index in ["memory_words", "memory_grams"] {
        conn.prepare(&format!("SELECT rowid FROM {index} WHERE {index} MATCH '\"a\"' LIMIT 1"))?.exists([])?;
    }
    let mut statement = conn.prepare("PRAGMA integrity_check(20)")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let detail: String = row.get(0)?;
        if detail != "ok" {
            damage.push(Damage { part: "database", detail });
        }
    }
    Ok(damage)
}

fn check_references(conn: &Connection) -> Result<Vec<Damage>, StoreError> {
    let mut damage = Vec::new();
    let mut statement = conn.prepare("PRAGMA foreign_key_check")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (table, parent): (String, String) = (row.get(0)?, row.get(2)?);
        let detail = format!("a row of {table} refers to a row of {parent} that is not there");
        damage.push(Damage { part: "foreign keys", detail });
    }
    Ok(damage)
}

fn check_passages(conn: &Connection) -> Result<Vec<Damage>, StoreError> {
    let mut damage = Vec::new();
    for (expectation, sql) in PASSAGE_CHECKS {
        let broken: u64 = conn.query_row(sql, [], |row| row.get(0))?;
        if broken > 0 {
            damage.push(Damage { part: "passages", detail: format!("{expectation}: {broken} do not") });
        }
    }
    Ok(damage)
}
