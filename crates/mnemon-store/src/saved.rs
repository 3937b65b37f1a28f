//! What caches save of a scope, so that the next process need not build it anew. Opaque bytes, as of a head of the change
//! log; who reads them checks them, and follows the log from there.

use rusqlite::{OptionalExtension, params};

use crate::cells::Cells;
use crate::{Head, ModelRow, ScopeRow, Snapshot, StoreError, WriteTx};

impl Snapshot<'_> {
    /// The head of the log as of which a cache of a scope, with the vectors of a model or without any, was saved, if one
    /// was and the log still knows that head.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn saved_head(&self, scope: ScopeRow, model: Option<ModelRow>) -> Result<Option<Head>, StoreError> {
        Ok(self
            .conn
            .prepare_cached(
                "SELECT saved.seq, saved.nonce FROM saved LEFT JOIN change ON change.seq = saved.seq
                 WHERE saved.scope_id = ?1 AND saved.model_id = ?2
                 AND (saved.seq = 0 OR change.nonce = saved.nonce)",
            )?
            .query_row([scope.0, key(model)], |row| Ok(Head { seq: row.get(0)?, nonce: row.get(1)? }))
            .optional()?)
    }

    /// Gives the parts that were saved to `each`, in their order, until it returns false.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn each_saved_part(
        &self,
        scope: ScopeRow,
        model: Option<ModelRow>,
        mut each: impl FnMut(&[u8]) -> bool,
    ) -> Result<(), StoreError> {
        let mut statement = self.conn.prepare_cached(
            "SELECT saved_part.id, data FROM saved JOIN saved_part ON saved_part.saved_id = saved.id
             WHERE saved.scope_id = ?1 AND saved.model_id = ?2 ORDER BY saved_part.number",
        )?;
        let mut rows = statement.query([scope.0, key(model)])?;
        while let Some(row) = rows.next()? {
            if !each(Cells::new(row, "saved_part")?.blob(1)?) {
                break;
            }
        }
        Ok(())
    }

    /// How many entries the change log has about a scope after a head.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn count_changes_since(&self, scope: ScopeRow, known: Head) -> Result<u64, StoreError> {
        Ok(self
            .conn
            .prepare_cached("SELECT count(*) FROM change WHERE seq > ?1 AND scope_id = ?2")?
            .query_row([known.seq, scope.0], |row| row.get(0))?)
    }
}

impl WriteTx<'_> {
    /// Saves the parts of a cache of a scope as of `head`, in place of all that was saved of that scope. False when memories
    /// of the scope were erased since, which the cache may still hold: then nothing is saved.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn save<P: AsRef<[u8]>>(
        &self,
        scope: ScopeRow,
        model: Option<ModelRow>,
        head: Head,
        parts: impl IntoIterator<Item = P>,
    ) -> Result<bool, StoreError> {
        if self.was_erased_since(scope, head)? {
            return Ok(false);
        }
        self.conn.prepare_cached("DELETE FROM saved WHERE scope_id = ?1")?.execute([scope.0])?;
        self.conn
            .prepare_cached("INSERT INTO saved (scope_id, model_id, seq, nonce) VALUES (?1, ?2, ?3, ?4)")?
            .execute([scope.0, key(model), head.seq, head.nonce])?;
        let saved = self.conn.last_insert_rowid();
        let mut insert =
            self.conn.prepare_cached("INSERT INTO saved_part (saved_id, number, data) VALUES (?1, ?2, ?3)")?;
        for (number, part) in (0_i64..).zip(parts) {
            insert.execute(params![saved, number, part.as_ref()])?;
        }
        Ok(true)
    }
}

fn key(model: Option<ModelRow>) -> i64 {
    model.map_or(0, |model| model.id)
}
