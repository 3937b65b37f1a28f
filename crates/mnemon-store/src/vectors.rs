//! Vectors as rows, each under the model that made it.

use mnemon_core::ModelId;
use rusqlite::{OptionalExtension, params};

use crate::{RowId, Snapshot, StoreError, WriteTx};

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

    /// Writes the vector of a memory into `vector`; false when there is none.
    ///
    /// # Errors
    /// [`StoreError::BadRow`] when it has another length than the model says, and when the file cannot be read.
    pub fn read_vector(&self, model: ModelRow, row: RowId, vector: &mut Vec<f32>) -> Result<bool, StoreError> {
        let mut statement =
            self.conn.prepare_cached("SELECT data FROM vector WHERE memory_id = ?1 AND model_id = ?2")?;
        let mut rows = statement.query(params![row, model.id])?;
        let Some(found) = rows.next()? else { return Ok(false) };
        decode(model, row, found.get_ref(0)?.as_blob().map_err(rusqlite::Error::from)?, vector)?;
        Ok(true)
    }

    /// Every vector of a model, in the order of the rows, with the row and the partition of its scope. `each` may
    /// stop with an error of its own. Reads all of them: for the first question of a process.
    ///
    /// # Errors
    /// What `each` returns; [`StoreError::BadRow`], and when the file cannot be read.
    pub fn each_vector<E: From<StoreError>>(
        &self,
        model: ModelRow,
        mut each: impl FnMut(RowId, u32, &[f32]) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut statement = self
            .conn
            .prepare_cached(
                "SELECT vector.memory_id, memory.scope_id, vector.data FROM memory
                 JOIN vector ON vector.memory_id = memory.id AND vector.model_id = ?1
                 ORDER BY memory.id",
            )
            .map_err(StoreError::from)?;
        let mut rows = statement.query([model.id]).map_err(StoreError::from)?;
        let mut vector = Vec::with_capacity(model.dimension);
        while let Some(row) = rows.next().map_err(StoreError::from)? {
            let read = || -> Result<(RowId, i64), rusqlite::Error> { Ok((row.get(0)?, row.get(1)?)) };
            let (id, scope) = read().map_err(StoreError::from)?;
            let data = row.get_ref(2).and_then(|data| Ok(data.as_blob()?)).map_err(StoreError::from)?;
            decode(model, id, data, &mut vector)?;
            each(id, scope as u32, &vector)?;
        }
        Ok(())
    }

    /// The partition of the scope of a memory; `None` when the memory is gone.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn partition_of(&self, row: RowId) -> Result<Option<u32>, StoreError> {
        Ok(self
            .conn
            .prepare_cached("SELECT scope_id FROM memory WHERE id = ?1")?
            .query_row([row], |row| row.get::<_, i64>(0))
            .optional()?
            .map(|scope| scope as u32))
    }

    /// How many memories have no vector of this model; of a model that is not known here (`None`) nobody has one.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn count_without_vector(&self, model: Option<ModelRow>) -> Result<u64, StoreError> {
        Ok(self
            .conn
            .prepare_cached(
                "SELECT count(*) FROM memory
                 WHERE NOT EXISTS (SELECT 1 FROM vector WHERE memory_id = memory.id AND model_id = ?1)",
            )?
            .query_row([model.map_or(0, |model| model.id)], |row| row.get(0))?)
    }

    /// Up to `limit` memories after the row `after` that have no vector of this model, in the order of the rows.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn without_vector(
        &self,
        model: Option<ModelRow>,
        after: RowId,
        limit: usize,
    ) -> Result<Vec<RowId>, StoreError> {
        let mut statement = self.conn.prepare_cached(
            "SELECT id FROM memory WHERE id > ?2
             AND NOT EXISTS (SELECT 1 FROM vector WHERE memory_id = memory.id AND model_id = ?1)
             ORDER BY id LIMIT ?3",
        )?;
        let rows =
            statement.query_map(params![model.map_or(0, |model| model.id), after, limit as i64], |row| row.get(0))?;
        Ok(rows.collect::<Result<_, _>>()?)
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

    /// Stores the vector of a memory, in place of one that may be there. A memory that is gone by now keeps none.
    ///
    /// # Errors
    /// [`StoreError::Invalid`] when it has another dimension than the model, and when the file cannot be written.
    pub fn put_vector(&self, model: ModelRow, row: RowId, vector: &[f32]) -> Result<(), StoreError> {
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
            .prepare_cached("DELETE FROM vector WHERE memory_id = ?1 AND model_id = ?2")?
            .execute(params![row, model.id])?;
        self.conn
            .prepare_cached(
                "INSERT INTO vector (memory_id, model_id, data) SELECT id, ?2, ?3 FROM memory WHERE id = ?1",
            )?
            .execute(params![row, model.id, data])?;
        Ok(())
    }
}

fn decode(model: ModelRow, row: RowId, data: &[u8], vector: &mut Vec<f32>) -> Result<(), StoreError> {
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
