//! Vectors as rows, each under the model that made it.

use half::f16;
use mnemon_core::ModelId;
use rusqlite::{OptionalExtension, params};

use crate::parts::{MAX_MODEL, Table};
use crate::{PassageId, Snapshot, StoreError, WriteTx};

/// The row of a model. Vectors are stored and read under one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ModelRow {
    pub(crate) id: i64,
    dimension: usize,
}

impl ModelRow {
    pub(crate) fn new(id: i64, dimension: usize) -> Self {
        Self { id, dimension }
    }

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

    /// Writes the vector of a passage into `vector`; false when there is none. One that is damaged is none.
    ///
    /// Vectors are stored in 16 bits a value: of one of unit length each value is exact to 0.05 %, and a cosine to 0.00002.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn read_vector(&self, model: ModelRow, passage: PassageId, vector: &mut Vec<f32>) -> Result<bool, StoreError> {
        vector.clear();
        let mut data = Vec::with_capacity(2 * model.dimension + 4);
        if !self.read_parts(Table::Vector, model.id, passage, &mut data)? {
            return Ok(false);
        }
        let (values, rest) = data.as_chunks::<2>();
        if !rest.is_empty() || values.len() != model.dimension {
            let bytes = data.len();
            tracing::warn!(passage, bytes, dimension = model.dimension, "a vector has another length than its model");
            return Ok(false);
        }
        vector.extend(values.iter().map(|value| f16::from_le_bytes(*value).to_f32()));
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
        self.read_parts(Table::TokenVector, model.id, passage, bytes)
    }

    /// How many passages have no vector of this model; of a model that is not known here (`None`) none has one.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn count_without_vector(&self, model: Option<ModelRow>) -> Result<u64, StoreError> {
        self.count_without(Table::Vector, model)
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
        self.without(Table::Vector, model, after, limit)
    }

    /// How many passages have no vectors of their pieces by this model.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn count_without_token_vectors(&self, model: Option<ModelRow>) -> Result<u64, StoreError> {
        self.count_without(Table::TokenVector, model)
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
        self.without(Table::TokenVector, model, after, limit)
    }

    fn count_without(&self, table: Table, model: Option<ModelRow>) -> Result<u64, StoreError> {
        Ok(self
            .conn
            .prepare_cached(&format!(
                "SELECT count(*) FROM passage
                 WHERE NOT EXISTS (SELECT 1 FROM {table} WHERE id = ((?1 << 51) | (passage.id << 8)))"
            ))?
            .query_row([model.map_or(0, |model| model.id)], |row| row.get(0))?)
    }

    fn without(
        &self,
        table: Table,
        model: Option<ModelRow>,
        after: PassageId,
        limit: usize,
    ) -> Result<Vec<PassageId>, StoreError> {
        let mut statement = self.conn.prepare_cached(&format!(
            "SELECT id FROM passage WHERE id > ?2
             AND NOT EXISTS (SELECT 1 FROM {table} WHERE id = ((?1 << 51) | (passage.id << 8)))
             ORDER BY id LIMIT ?3"
        ))?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let ids = statement.query_map([model.map_or(0, |model| model.id), after, limit], |row| row.get(0))?;
        Ok(ids.collect::<Result<_, _>>()?)
    }
}

impl WriteTx<'_> {
    /// The row of a model, made now if need be. The first model of a file becomes the one that it serves with: ask for a
    /// row when there is a vector to store.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn ensure_model(&self, model: &ModelId, dimension: usize) -> Result<ModelRow, StoreError> {
        let row = match self.model(model, dimension)? {
            Some(row) => row,
            None => self.add_model(model, dimension)?,
        };
        self.serve_if_first(row)?;
        Ok(row)
    }

    fn add_model(&self, model: &ModelId, dimension: usize) -> Result<ModelRow, StoreError> {
        self.conn
            .prepare_cached("INSERT INTO model (name, revision, dtype, dimension) VALUES (?1, ?2, ?3, ?4)")?
            .execute(params![model.name, model.revision, model.dtype, dimension as i64])?;
        let id = self.conn.last_insert_rowid();
        if id > MAX_MODEL {
            return Err(StoreError::Invalid {
                field: "model",
                expected: "at most 4,095 models in a file",
                got: format!("model {model} as number {id}"),
            });
        }
        Ok(ModelRow { id, dimension })
    }

    /// Stores the vector of a passage, in place of one that may be there. False when the passage is gone by now: then
    /// nothing was stored.
    ///
    /// # Errors
    /// [`StoreError::Invalid`] when it has another dimension than the model, and when the file cannot be written.
    pub fn put_vector(&self, model: ModelRow, passage: PassageId, vector: &[f32]) -> Result<bool, StoreError> {
        check_dimension(model, vector)?;
        self.replace_parts(Table::Vector, model.id, passage, &to_bytes(vector))
    }

    /// Stores the vector of a passage that was stored in this transaction and has none of this model yet.
    ///
    /// # Errors
    /// As [`WriteTx::put_vector`].
    pub fn put_first_vector(&self, model: ModelRow, passage: PassageId, vector: &[f32]) -> Result<(), StoreError> {
        check_dimension(model, vector)?;
        self.write_parts(Table::Vector, model.id, passage, &to_bytes(vector))
    }

    /// Stores the vectors of the pieces of a passage, in the caller's own code, in place of those that may be there. False
    /// when the passage is gone by now. The change log does not speak of them: they are read when they are needed.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn put_token_vectors(&self, model: ModelRow, passage: PassageId, bytes: &[u8]) -> Result<bool, StoreError> {
        self.replace_parts(Table::TokenVector, model.id, passage, bytes)
    }

    /// Stores the vectors of the pieces of a passage that was stored in this transaction and has none of this model yet.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn put_first_token_vectors(&self, model: ModelRow, passage: PassageId, bytes: &[u8]) -> Result<(), StoreError> {
        self.write_parts(Table::TokenVector, model.id, passage, bytes)
    }

    /// The vectors of a passage as they are stored, each with its model.
    pub(crate) fn vectors_of(&self, passage: PassageId) -> Result<StoredVectors, StoreError> {
        let mut statement = self.conn.prepare_cached("SELECT id FROM model ORDER BY id")?;
        let mut models = statement.query([])?;
        let mut vectors = Vec::new();
        while let Some(model) = models.next()? {
            let (model, mut data) = (model.get(0)?, Vec::new());
            if self.read_parts(Table::Vector, model, passage, &mut data)? {
                vectors.push((model, data));
            }
        }
        Ok(vectors)
    }
}

/// Vectors of one passage as they are stored, each with its model.
pub(crate) type StoredVectors = Vec<(i64, Vec<u8>)>;

pub(crate) fn to_bytes(vector: &[f32]) -> Vec<u8> {
    let mut data = Vec::with_capacity(vector.len() * 2);
    data.extend(vector.iter().flat_map(|value| f16::from_f32(*value).to_le_bytes()));
    data
}

fn check_dimension(model: ModelRow, vector: &[f32]) -> Result<(), StoreError> {
    if vector.len() == model.dimension {
        return Ok(());
    }
    Err(StoreError::Invalid {
        field: "vector",
        expected: "as many values as the dimension of its model",
        got: format!("{} values where the model has {}", vector.len(), model.dimension),
    })
}

#[cfg(test)]
mod tests {
    use mnemon_core::{Kind, NewMemory, Scope, Timestamp};
    use proptest::prelude::*;

    use super::*;
    use crate::{NewPassage, Store};

    proptest! {
        /// What is read is what was stored last, whatever was stored beside and before it.
        #[test]
        fn what_is_stored_in_parts_comes_back_whole(
            writes in prop::collection::vec((0usize..3, 0usize..2, 0usize..3000), 1..20),
        ) {
            let store = Store::open_in_memory().unwrap();
            let passage = NewPassage { start: 0, end: 0, words: 0, cues: 0, terms: &[], is_longer: false, content: 0 };
            store.write(|tx| -> Result<(), StoreError> {
                let new = NewMemory::new(Kind::Note, "x");
                let row = tx.add_memory(&Scope::default(), &new, Timestamp::UNIX_EPOCH)?.row;
                let passages = tx.put_passages(row, 1, &[passage; 3])?;
                let model = |name: &str| ModelId { name: name.into(), revision: "1".into(), dtype: "f32".into() };
                let models = [tx.ensure_model(&model("a"), 300)?, tx.ensure_model(&model("b"), 1)?];
                let mut expected = std::collections::BTreeMap::new();
                for (n, (passage, model, length)) in writes.iter().enumerate() {
                    let codes: Vec<u8> = (0..*length).map(|at| (at + n) as u8).collect();
                    assert!(tx.put_token_vectors(models[*model], passages[*passage], &codes)?);
                    let vector = vec![(n + 1) as f32; models[*model].dimension()];
                    assert!(tx.put_vector(models[*model], passages[*passage], &vector)?);
                    expected.insert((*model, *passage), (vector, codes));
                }
                for (number, model) in models.iter().enumerate() {
                    let mut seen = Vec::new();
                    let scope = tx.ensure_scope(&Scope::default())?;
                    tx.each_vector_of(scope, *model, |passage, vector| -> Result<(), StoreError> {
                        seen.push((passage, vector.to_vec()));
                        Ok(())
                    })?;
                    let of_model = expected.iter().filter(|((of, _), _)| *of == number);
                    assert_eq!(seen, of_model.map(|((_, p), (v, _))| (passages[*p], v.clone())).collect::<Vec<_>>());
                    for (at, passage) in passages.iter().enumerate() {
                        let (mut vector, mut codes) = (Vec::new(), Vec::new());
                        let found = tx.read_vector(*model, *passage, &mut vector)?;
                        assert_eq!(found, tx.read_token_vectors(*model, *passage, &mut codes)?);
                        assert_eq!(found.then_some((vector, codes)), expected.get(&(number, at)).cloned());
                    }
                }
                Ok(())
            }).unwrap();
            prop_assert_eq!(store.check().unwrap(), []);
        }
    }
}
