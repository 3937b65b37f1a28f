//! Which model a file serves with, and how it comes to serve with another one.
//!
//! Vectors of several models may lie in a file, those of one are compared: of the *serving* model, which is the first that
//! stored anything. A change to another one ([`WriteTx::begin_model_change`]) lets its vectors be stored beside, batch by
//! batch and by any process; [`WriteTx::switch_model`] makes it the serving one when none is missing.

use mnemon_core::ModelId;
use rusqlite::{Connection, OptionalExtension, Row};

use crate::parts::{MAX_PART, MAX_PASSAGE, Table, key};
use crate::{ChangeOp, ModelRow, Snapshot, StoreError, WriteTx};

/// A model that is known in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredModel {
    /// Its row, under which its vectors are.
    pub row: ModelRow,
    /// Its name.
    pub id: ModelId,
}

impl Snapshot<'_> {
    /// The model whose vectors are compared; `None` while no model stored anything. One seek.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn serving_model(&self) -> Result<Option<StoredModel>, StoreError> {
        self.model_that("model.id = model_id")
    }

    /// The model that a change under way leads to.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn next_model(&self) -> Result<Option<StoredModel>, StoreError> {
        self.model_that("model.id = next_model_id")
    }

    fn model_that(&self, is: &str) -> Result<Option<StoredModel>, StoreError> {
        let sql =
            format!("SELECT model.id, dimension, name, revision, dtype FROM meta JOIN model ON {is} WHERE meta.id = 1");
        Ok(self.conn.prepare_cached(&sql)?.query_row([], stored_model).optional()?)
    }
}

impl WriteTx<'_> {
    /// Begins, or goes on with, a change of the serving model to this one, and gives the row under which its vectors are
    /// stored from now on. The serving model serves on. A change to a third model that was under way ends here: what was
    /// stored for it is deleted by and by. For the serving model itself nothing is left to change.
    ///
    /// # Errors
    /// As [`WriteTx::ensure_model`].
    pub fn begin_model_change(&self, model: &ModelId, dimension: usize) -> Result<ModelRow, StoreError> {
        let row = self.ensure_model(model, dimension)?;
        self.conn
            .prepare_cached("UPDATE meta SET next_model_id = nullif(?1, model_id) WHERE id = 1")?
            .execute([row.id])?;
        Ok(row)
    }

    /// Lets the file serve with another model from the end of this transaction on, in every process. Nothing happens when it
    /// does already. Looks once at every passage of the file.
    ///
    /// # Errors
    /// [`StoreError::ModelIncomplete`] when a passage has no vector of it, or no vectors of its pieces where these are
    /// wanted `with_pieces`; and when the file cannot be written.
    pub fn switch_model(&self, model: ModelRow, with_pieces: bool) -> Result<(), StoreError> {
        if self.serving_model()?.is_some_and(|serving| serving.row == model) {
            return Ok(());
        }
        let missing = self.count_without_vector(Some(model))?;
        let pieces = if with_pieces { self.count_without_token_vectors(Some(model))? } else { 0 };
        if missing.max(pieces) > 0 {
            return Err(StoreError::ModelIncomplete { missing: missing.max(pieces) });
        }
        self.conn
            .prepare_cached("UPDATE meta SET model_id = ?1, next_model_id = nullif(next_model_id, ?1) WHERE id = 1")?
            .execute([model.id])?;
        self.conn
            .prepare_cached(
                "INSERT INTO change (op, passage_id, scope_id, model_id, nonce) SELECT ?1, 0, id, ?2, random() FROM scope",
            )?
            .execute([ChangeOp::ModelSwitched.code(), model.id])?;
        Ok(())
    }

    /// Deletes some of what is stored of models that neither serve nor come next: vectors, those of pieces, what caches
    /// saved, and in the end the model itself. At most `limit` rows, so that no writer waits long; returns how many. Until it
    /// is 0 there may be more.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn drop_other_models(&self, limit: usize) -> Result<u64, StoreError> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX).max(1);
        let other: Option<i64> = self
            .conn
            .prepare_cached(
                "SELECT model.id FROM model JOIN meta ON meta.id = 1
                 WHERE model_id IS NOT NULL AND model.id IS NOT model_id AND model.id IS NOT next_model_id LIMIT 1",
            )?
            .query_row([], |row| row.get(0))
            .optional()?;
        let Some(model) = other else { return Ok(0) };
        for table in [Table::Vector, Table::TokenVector] {
            let dropped = self
                .conn
                .prepare_cached(&format!(
                    "DELETE FROM {table} WHERE id IN (SELECT id FROM {table} WHERE id BETWEEN ?1 AND ?2 LIMIT ?3)"
                ))?
                .execute([key(model, 0), key(model, MAX_PASSAGE) | MAX_PART, limit])?;
            if dropped > 0 {
                return Ok(dropped as u64);
            }
        }
        let saved = self
            .conn
            .prepare_cached("DELETE FROM saved WHERE id IN (SELECT id FROM saved WHERE model_id = ?1 LIMIT 1)")?
            .execute([model])?;
        if saved > 0 {
            return Ok(saved as u64);
        }
        Ok(self.conn.prepare_cached("DELETE FROM model WHERE id = ?1")?.execute([model])? as u64)
    }

    /// The first model of a file is the one it serves with.
    pub(crate) fn serve_if_first(&self, model: ModelRow) -> Result<(), StoreError> {
        self.conn
            .prepare_cached("UPDATE meta SET model_id = ?1 WHERE id = 1 AND model_id IS NULL")?
            .execute([model.id])?;
        Ok(())
    }
}

/// Lets a file whose rows were copied serve with the model of this number, if it is there; else with the one that has the most
/// vectors.
pub(crate) fn serve_with(conn: &Connection, model: Option<i64>) -> Result<(), StoreError> {
    conn.execute(
        "UPDATE meta SET model_id = coalesce((SELECT id FROM model WHERE id = ?1), (
             SELECT model.id FROM model JOIN vector ON vector.id BETWEEN model.id << 51 AND (model.id << 51) | 0x7ffffffffffff
             WHERE (vector.id & 255) = 0 GROUP BY model.id ORDER BY count(*) DESC, model.id DESC LIMIT 1
         )) WHERE id = 1",
        [model],
    )?;
    Ok(())
}

fn stored_model(row: &Row<'_>) -> rusqlite::Result<StoredModel> {
    let dimension: i64 = row.get(1)?;
    let row_of_model = ModelRow::new(row.get(0)?, usize::try_from(dimension).unwrap_or(0));
    Ok(StoredModel { row: row_of_model, id: ModelId { name: row.get(2)?, revision: row.get(3)?, dtype: row.get(4)? } })
}
