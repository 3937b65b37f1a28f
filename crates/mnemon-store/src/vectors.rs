//! Vectors as rows, each under the model that made it.

use mnemon_core::ModelId;
use rusqlite::{OptionalExtension, params};

use crate::{PassageId, Snapshot, StoreError, WriteTx};

/// The row of a model. Vectors are stored and read under one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ModelRow {
    pub(crate) id: i64,
    dimension: usize,
}

impl ModelRow {
    /// How many values a vector of this model has.
    #[must_use]
    pub fn dimension(self) -> usize {
        self.dimension
    }

    /// Whether a change of the log is about vectors of this model.
    #[must_use]
    pub fn is(self, model_id: Option<i64>) -> bool {
        model_id == Some(self.id)
    }
}

impl Snapshot<'_> {
    /// The row of a model, if it stored anything here.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn model(&self, model: &ModelId, dimension: usize) -> Result<Option<ModelRow>, StoreError> {
        let id = self
            .conn
            .prepare_cached("SELECT id FROM model WHERE name = ?1 AND revision = ?2 AND dtype = ?3 AND dimension = ?4")?
            .query_row(params![model.name, model.revision, model.dtype, dimension as i64], |row| row.get(0))
            .optional()?;
        Ok(id.map(|id| ModelRow { id, dimension }))
    }

    /// Writes the vector of a passage into `vector`; false when there is none.
    ///
    /// # Errors
    /// [`StoreError::BadRow`] when it has another length than the model says, and when the file cannot be read.
    pub fn read_vector(&self, model: ModelRow, passage: PassageId, vector: &mut Vec<f32>) -> Result<bool, StoreError> {
        let mut statement =
            self.conn.prepare_cached("SELECT data FROM vector WHERE passage_id = ?1 AND model_id = ?2")?;
        let mut rows = statement.query([passage, model.id])?;
        let Some(found) = rows.next()? else { return Ok(false) };
        decode(model, passage, found.get_ref(0)?.as_blob().map_err(rusqlite::Error::from)?, vector)?;
        Ok(true)
    }

    /// Writes the vectors of the pieces of a passage into `bytes`, as they were given to
    /// [`WriteTx::put_token_vectors`]; false when there are none.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn read_token_vectors(
        &self,
        model: ModelRow,
        passage: PassageId,
        bytes: &mut Vec<u8>,
    ) -> Result<bool, StoreError> {
        let mut statement =
            self.conn.prepare_cached("SELECT data FROM token_vector WHERE passage_id = ?1 AND model_id = ?2")?;
        let mut rows = statement.query([passage, model.id])?;
        let Some(found) = rows.next()? else { return Ok(false) };
        bytes.clear();
        bytes.extend_from_slice(found.get_ref(0)?.as_blob().map_err(rusqlite::Error::from)?);
        Ok(true)
    }

    /// How many passages have no vector of this model; of a model that is not known here (`None`) none has one.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn count_without_vector(&self, model: Option<ModelRow>) -> Result<u64, StoreError> {
        self.count_without("vector", model)
    }

    /// Up to `limit` passages after the id `after` that have no vector of this model, in the order of their ids.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn without_vector(
        &self,
        model: Option<ModelRow>,
        after: PassageId,
        limit: usize,
    ) -> Result<Vec<PassageId>, StoreError> {
        self.without("vector", model, after, limit)
    }

    /// How many passages have no vectors of their pieces by this model.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn count_without_token_vectors(&self, model: Option<ModelRow>) -> Result<u64, StoreError> {
        self.count_without("token_vector", model)
    }

    /// Up to `limit` passages after the id `after` that have no vectors of their pieces by this model, in the order of
    /// their ids.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn without_token_vectors(
        &self,
        model: Option<ModelRow>,
        after: PassageId,
        limit: usize,
    ) -> Result<Vec<PassageId>, StoreError> {
        self.without("token_vector", model, after, limit)
    }

    fn count_without(&self, table: &'static str, model: Option<ModelRow>) -> Result<u64, StoreError> {
        Ok(self
            .conn
            .prepare_cached(&format!(
                "SELECT count(*) FROM passage
                 WHERE NOT EXISTS (SELECT 1 FROM {table} WHERE passage_id = passage.id AND model_id = ?1)"
            ))?
            .query_row([model.map_or(0, |model| model.id)], |row| row.get(0))?)
    }

    fn without(
        &self,
        table: &'static str,
        model: Option<ModelRow>,
        after: PassageId,
        limit: usize,
    ) -> Result<Vec<PassageId>, StoreError> {
        let mut statement = self.conn.prepare_cached(&format!(
            "SELECT id FROM passage WHERE id > ?2
             AND NOT EXISTS (SELECT 1 FROM {table} WHERE passage_id = passage.id AND model_id = ?1)
             ORDER BY id LIMIT ?3"
        ))?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let ids = statement.query_map([model.map_or(0, |model| model.id), after, limit], |row| row.get(0))?;
        Ok(ids.collect::<Result<_, _>>()?)
    }
}

impl WriteTx<'_> {
    /// The row of a model, made now if need be.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn ensure_model(&self, model: &ModelId, dimension: usize) -> Result<ModelRow, StoreError> {
        if let Some(row) = self.model(model, dimension)? {
            return Ok(row);
        }
        self.conn
            .prepare_cached("INSERT INTO model (name, revision, dtype, dimension) VALUES (?1, ?2, ?3, ?4)")?
            .execute(params![model.name, model.revision, model.dtype, dimension as i64])?;
        Ok(ModelRow { id: self.conn.last_insert_rowid(), dimension })
    }

    /// Stores the vector of a passage, in place of one that may be there. False when the passage is gone by now: then
    /// nothing was stored.
    ///
    /// # Errors
    /// [`StoreError::Invalid`] when it has another dimension than the model, and when the file cannot be written.
    pub fn put_vector(&self, model: ModelRow, passage: PassageId, vector: &[f32]) -> Result<bool, StoreError> {
        if vector.len() != model.dimension {
            return Err(StoreError::Invalid {
                field: "vector",
                expected: "as many values as the dimension of its model",
                got: format!("{} values where the model has {}", vector.len(), model.dimension),
            });
        }
        let mut data = Vec::with_capacity(vector.len() * 4);
        data.extend(vector.iter().flat_map(|value| value.to_le_bytes()));
        self.conn
            .prepare_cached("DELETE FROM vector WHERE passage_id = ?1 AND model_id = ?2")?
            .execute([passage, model.id])?;
        let stored = self
            .conn
            .prepare_cached(
                "INSERT INTO vector (passage_id, model_id, data) SELECT id, ?2, ?3 FROM passage WHERE id = ?1",
            )?
            .execute(params![passage, model.id, data])?;
        Ok(stored > 0)
    }

    /// Stores the vectors of the pieces of a passage, in the caller's own code, in place of those that may be there. False
    /// when the passage is gone by now. The change log does not speak of them: they are read when they are needed.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn put_token_vectors(&self, model: ModelRow, passage: PassageId, bytes: &[u8]) -> Result<bool, StoreError> {
        self.conn
            .prepare_cached("DELETE FROM token_vector WHERE passage_id = ?1 AND model_id = ?2")?
            .execute([passage, model.id])?;
        let stored = self
            .conn
            .prepare_cached(
                "INSERT INTO token_vector (passage_id, model_id, data) SELECT id, ?2, ?3 FROM passage WHERE id = ?1",
            )?
            .execute(params![passage, model.id, bytes])?;
        Ok(stored > 0)
    }
}

pub(crate) fn decode(model: ModelRow, row: PassageId, data: &[u8], vector: &mut Vec<f32>) -> Result<(), StoreError> {
    let (values, rest) = data.as_chunks::<4>();
    if values.len() != model.dimension || !rest.is_empty() {
        return Err(StoreError::BadRow {
            table: "vector",
            row,
            expected: "four bytes for each dimension of the model",
            got: format!("{} bytes for {} dimensions", data.len(), model.dimension),
        });
    }
    vector.clear();
    vector.extend(values.iter().map(|bytes| f32::from_le_bytes(*bytes)));
    Ok(())
}
