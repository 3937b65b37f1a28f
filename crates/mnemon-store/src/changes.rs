//! The change log: how caches of any process follow the rows.

use rusqlite::{Connection, OptionalExtension, params};

use crate::{PassageId, ScopeRow, Snapshot, StoreError, WriteTx};

/// The end of the change log in one snapshot. Two equal heads of one file mean that nothing changed between.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Head {
    /// The number of the last change; 0 when there was none.
    pub seq: i64,
    /// A random number of that change: a log that was rolled back and grew again has another one.
    pub nonce: i64,
}

/// What happened to a passage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeOp {
    /// A passage was stored, with what its memory says.
    PassageStored,
    /// A passage is gone, and so are its vectors.
    PassageDropped,
    /// A vector of the serving model was stored for a passage. Those of other models are not logged.
    VectorStored,
    /// A vector of a passage was dropped, because another one takes its place.
    VectorDropped,
    /// What is known of the memory of a passage is another now.
    PassageChanged,
    /// Memories of the scope were erased: whoever keeps something of the scope keeps what is read anew, and nothing else.
    /// The passage is 0.
    Erased,
    /// The file serves with another model from here on: whoever keeps vectors of the scope reads those of that model. The
    /// passage is 0.
    ModelSwitched,
}

impl ChangeOp {
    const ALL: [Self; 7] = [
        Self::PassageStored,
        Self::PassageDropped,
        Self::VectorStored,
        Self::VectorDropped,
        Self::PassageChanged,
        Self::Erased,
        Self::ModelSwitched,
    ];

    /// The number that stands in the file.
    pub(crate) fn code(self) -> i64 {
        match self {
            Self::VectorStored => 4,
            Self::VectorDropped => 5,
            Self::PassageStored => 6,
            Self::PassageDropped => 7,
            Self::PassageChanged => 8,
            Self::Erased => 9,
            Self::ModelSwitched => 10,
        }
    }

    fn from_code(code: i64) -> Option<Self> {
        Self::ALL.into_iter().find(|op| op.code() == code)
    }
}

/// One entry of the change log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// Its number. Numbers grow, not always by one.
    pub seq: i64,
    /// What happened.
    pub op: ChangeOp,
    /// To which passage.
    pub passage: PassageId,
    /// Of which model, for vectors: compare with [`ModelRow::is`](crate::ModelRow::is).
    pub model_id: Option<i64>,
}

/// Entries that are taken from the log in one transaction, so that no writer waits long.
const TRIM_AT_ONCE: i64 = 20_000;
/// The log is kept back to what a saved cache stands at while it is not longer than so many times what is to be kept.
const KEPT_FOR_SAVED: i64 = 10;

impl WriteTx<'_> {
    /// Takes entries from the beginning of the log, up to 20,000 of them, of those that are older than the newest `keep`.
    /// Returns how many: until it is 0 there may be more. A reader that stands at an entry that is gone begins anew:
    /// [`Snapshot::changes_since`] gives `None`.
    ///
    /// A saved cache whose scope did not change since stands at a later entry afterwards. For one whose scope did, the log
    /// is kept while it is not longer than ten times `keep`.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn trim_changes(&self, keep: usize) -> Result<u64, StoreError> {
        // The last entry is the head, and never goes.
        let keep = i64::try_from(keep).unwrap_or(i64::MAX).max(1);
        let Some(mut first) = self.newest_entry(keep)? else { return Ok(0) };
        let oldest = self.newest_entry(keep.saturating_mul(KEPT_FOR_SAVED))?.unwrap_or(0);
        let mut saved = self.conn.prepare_cached(
            "SELECT min(seq) FROM saved WHERE seq >= ?1 AND seq < ?2 AND EXISTS (
                 SELECT 1 FROM change WHERE scope_id = saved.scope_id AND seq > saved.seq AND seq <= ?2
             )",
        )?;
        // Going back can make others count that stood before it.
        while let Some(before) = saved.query_row([oldest, first], |row| row.get::<_, Option<i64>>(0))? {
            first = before;
        }
        self.conn
            .prepare_cached(
                "UPDATE saved SET seq = ?1, nonce = (SELECT nonce FROM change WHERE seq = ?1)
                 WHERE seq < ?1 AND EXISTS (SELECT 1 FROM change WHERE seq = ?1)
                 AND EXISTS (SELECT 1 FROM change WHERE change.seq = saved.seq AND change.nonce = saved.nonce)
                 AND NOT EXISTS (
                     SELECT 1 FROM change WHERE scope_id = saved.scope_id AND seq > saved.seq AND seq <= ?1
                 )",
            )?
            .execute([first])?;
        let trimmed = self
            .conn
            .prepare_cached(
                "DELETE FROM change WHERE seq < ?1 AND seq IN (SELECT seq FROM change ORDER BY seq LIMIT ?2)",
            )?
            .execute([first, TRIM_AT_ONCE])?;
        Ok(trimmed as u64)
    }

    /// The number of the `n`th entry from the end of the log, the last being the first.
    fn newest_entry(&self, n: i64) -> Result<Option<i64>, StoreError> {
        Ok(self
            .conn
            .prepare_cached("SELECT seq FROM change ORDER BY seq DESC LIMIT 1 OFFSET ?1")?
            .query_row([n - 1], |row| row.get(0))
            .optional()?)
    }

    /// Logs that a passage was stored. What is dropped is logged by triggers, because rows go with others.
    pub(crate) fn log_passage(&self, passage: PassageId, scope: i64) -> Result<(), StoreError> {
        self.conn
            .prepare_cached("INSERT INTO change (op, passage_id, scope_id, nonce) VALUES (?1, ?2, ?3, random())")?
            .execute(params![ChangeOp::PassageStored.code(), passage, scope])?;
        Ok(())
    }

    /// Logs that memories of a scope were erased.
    pub(crate) fn log_erased(&self, scope: i64) -> Result<(), StoreError> {
        self.conn
            .prepare_cached("INSERT INTO change (op, passage_id, scope_id, nonce) VALUES (?1, 0, ?2, random())")?
            .execute([ChangeOp::Erased.code(), scope])?;
        Ok(())
    }

    /// Whether a cache of a scope as of `head` may hold something that was erased since, or may not be known to be free of
    /// it: the log was cut, or the scope itself is gone.
    pub(crate) fn was_erased_since(&self, scope: ScopeRow, head: Head) -> Result<bool, StoreError> {
        let changes = self.changes_since(scope, head)?;
        let is_there = self.conn.prepare_cached("SELECT 1 FROM scope WHERE id = ?1")?.exists([scope.0])?;
        Ok(!is_there || changes.is_none_or(|changes| changes.iter().any(|change| change.op == ChangeOp::Erased)))
    }

    /// Logs that a vector was stored for a passage, if the model serves.
    pub(crate) fn log_vector(&self, passage: PassageId, model: i64) -> Result<(), StoreError> {
        self.conn
            .prepare_cached(
                "INSERT INTO change (op, passage_id, scope_id, model_id, nonce)
                 SELECT ?1, passage.id, scope_id, ?3, random() FROM passage JOIN meta ON model_id = ?3 WHERE passage.id = ?2",
            )?
            .execute(params![ChangeOp::VectorStored.code(), passage, model])?;
        Ok(())
    }
}

impl Snapshot<'_> {
    /// The end of the change log: its last row.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn head(&self) -> Result<Head, StoreError> {
        Ok(read_head(self.conn)?)
    }

    /// What was changed in a scope after `known`, oldest first. `None` when the log does not continue from there (it was rolled
    /// back or cut), and everything has to be read anew.
    ///
    /// # Errors
    /// [`StoreError::BadRow`], and when the file cannot be read.
    pub fn changes_since(&self, scope: ScopeRow, known: Head) -> Result<Option<Vec<Change>>, StoreError> {
        if known.seq > 0 {
            let nonce = self
                .conn
                .prepare_cached("SELECT nonce FROM change WHERE seq = ?1")?
                .query_row([known.seq], |row| row.get::<_, i64>(0))
                .optional()?;
            if nonce != Some(known.nonce) {
                return Ok(None);
            }
        } else {
            // A log begins with 1, so one that begins later was cut.
            let first: Option<i64> =
                self.conn.prepare_cached("SELECT min(seq) FROM change")?.query_row([], |row| row.get(0))?;
            if first.is_some_and(|first| first > 1) {
                return Ok(None);
            }
        }
        let mut statement = self.conn.prepare_cached(
            "SELECT seq, op, passage_id, model_id FROM change WHERE seq > ?1 AND scope_id = ?2 ORDER BY seq",
        )?;
        let mut rows = statement.query(params![known.seq, scope.0])?;
        let mut changes = Vec::new();
        while let Some(row) = rows.next()? {
            let (seq, op): (i64, i64) = (row.get(0)?, row.get(1)?);
            let op = ChangeOp::from_code(op).ok_or_else(|| StoreError::BadRow {
                table: "change",
                row: seq,
                expected: "an operation from 4 to 10",
                got: op.to_string(),
            })?;
            changes.push(Change { seq, op, passage: row.get(2)?, model_id: row.get(3)? });
        }
        Ok(Some(changes))
    }
}

/// The end of the log in the state that a connection sees.
pub(crate) fn read_head(conn: &Connection) -> rusqlite::Result<Head> {
    let head = conn
        .prepare_cached("SELECT seq, nonce FROM change ORDER BY seq DESC LIMIT 1")?
        .query_row([], |row| Ok(Head { seq: row.get(0)?, nonce: row.get(1)? }))
        .optional()?;
    Ok(head.unwrap_or_default())
}

/// Enters that this is another file than the one that it was copied from: its log goes on in another way, and belongs to no
/// scope of it.
pub(crate) fn log_copied(conn: &Connection) -> rusqlite::Result<()> {
    let sql = "INSERT INTO change (op, passage_id, scope_id, nonce) VALUES (?1, 0, 0, random())";
    conn.execute(sql, [ChangeOp::PassageDropped.code()]).map(|_| ())
}
