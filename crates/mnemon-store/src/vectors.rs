//! Vectors as rows, each under the model that made it.

use std::fmt;

use mnemon_core::ModelId;
use rusqlite::{OptionalExtension, params};

use crate::{PassageId, Snapshot, StoreError, WriteTx};

/// The key of a part of what is stored: 12 bits for the model, 43 for the passage, 8 for the part.
const PART_BITS: u32 = 8;
const PASSAGE_BITS: u32 = 43;
const MAX_PART: i64 = (1 << PART_BITS) - 1;
const MAX_PASSAGE: i64 = (1 << PASSAGE_BITS) - 1;
const MAX_MODEL: i64 = (1 << (63 - PART_BITS - PASSAGE_BITS)) - 1;

/// Five parts fill a page of 4,096 bytes; rows of 1,536 bytes would leave a quarter of it empty.
const PART_BYTES: usize = 768;

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
        vector.clear();
        let mut bytes = 0;
        let mut whole = true;
        let found = self.read_parts(Table::Vector, model.id, passage, |part| {
            let (values, rest) = part.as_chunks::<4>();
            bytes += part.len();
            whole &= rest.is_empty();
            vector.extend(values.iter().map(|value| f32::from_le_bytes(*value)));
        })?;
        match found {
            true => check_vector(model, passage, bytes, whole).map(|()| true),
            false => Ok(false),
        }
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
        bytes.clear();
        self.read_parts(Table::TokenVector, model.id, passage, |part| bytes.extend_from_slice(part))
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

    /// Hands over what is stored of a passage, part after part; false when there is nothing.
    fn read_parts(
        &self,
        table: Table,
        model: i64,
        passage: PassageId,
        mut each: impl FnMut(&[u8]),
    ) -> Result<bool, StoreError> {
        let mut statement =
            self.conn.prepare_cached(&format!("SELECT data FROM {table} WHERE id BETWEEN ?1 AND ?2 ORDER BY id"))?;
        let first = key(model, passage);
        let mut rows = statement.query([first, first | MAX_PART])?;
        let mut found = false;
        while let Some(row) = rows.next()? {
            each(row.get_ref(0)?.as_blob().map_err(rusqlite::Error::from)?);
            found = true;
        }
        Ok(found)
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
    pub(crate) fn vectors_of(&self, passage: PassageId) -> Result<Vec<(i64, Vec<u8>)>, StoreError> {
        let mut statement = self.conn.prepare_cached("SELECT id FROM model ORDER BY id")?;
        let mut models = statement.query([])?;
        let mut vectors = Vec::new();
        while let Some(model) = models.next()? {
            let (model, mut data) = (model.get(0)?, Vec::new());
            if self.read_parts(Table::Vector, model, passage, |part| data.extend_from_slice(part))? {
                vectors.push((model, data));
            }
        }
        Ok(vectors)
    }

    /// False when the passage is not there (any more).
    fn replace_parts(&self, table: Table, model: i64, passage: PassageId, data: &[u8]) -> Result<bool, StoreError> {
        let is_there = self.conn.prepare_cached("SELECT 1 FROM passage WHERE id = ?1")?.exists([passage])?;
        if is_there {
            let first = key(model, passage);
            self.conn
                .prepare_cached(&format!("DELETE FROM {table} WHERE id BETWEEN ?1 AND ?2"))?
                .execute([first, first | MAX_PART])?;
            self.write_parts(table, model, passage, data)?;
        }
        Ok(is_there)
    }

    /// Of a passage that is there and has nothing stored.
    pub(crate) fn write_parts(
        &self,
        table: Table,
        model: i64,
        passage: PassageId,
        data: &[u8],
    ) -> Result<(), StoreError> {
        if !(1..=MAX_PASSAGE).contains(&passage) {
            return Err(StoreError::Invalid {
                field: "passage",
                expected: "a number of at most 43 bits",
                got: passage.to_string(),
            });
        }
        let mut insert = self.conn.prepare_cached(&format!("INSERT INTO {table} (id, data) VALUES (?1, ?2)"))?;
        for (id, part) in (key(model, passage)..).zip(parts(data)) {
            insert.execute(params![id, part])?;
        }
        match table {
            Table::Vector => self.log_vector(passage, model),
            Table::TokenVector => Ok(()),
        }
    }
}

/// Where what is stored of a passage for a model lies in parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Table {
    Vector,
    TokenVector,
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Vector => "vector",
            Self::TokenVector => "token_vector",
        })
    }
}

/// The key of the first part. Triggers and queries know the shifts: `model << 51 | passage << 8 | part`.
fn key(model: i64, passage: PassageId) -> i64 {
    model << (PART_BITS + PASSAGE_BITS) | (passage & MAX_PASSAGE) << PART_BITS
}

/// Data in at most 256 parts, of 768 bytes as long as these suffice; of no data one empty part.
fn parts(data: &[u8]) -> impl Iterator<Item = &[u8]> {
    let count = data.len().div_ceil(PART_BYTES).clamp(1, MAX_PART as usize + 1);
    // Whole numbers of four bytes, so that no value of a vector is split.
    let size = data.len().div_ceil(count).next_multiple_of(4).max(4);
    let first = data.get(..size).unwrap_or(data);
    std::iter::once(first).chain(data.get(size..).unwrap_or_default().chunks(size))
}

fn to_bytes(vector: &[f32]) -> Vec<u8> {
    let mut data = Vec::with_capacity(vector.len() * 4);
    data.extend(vector.iter().flat_map(|value| value.to_le_bytes()));
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

fn check_vector(model: ModelRow, row: PassageId, bytes: usize, whole: bool) -> Result<(), StoreError> {
    if whole && bytes == 4 * model.dimension {
        return Ok(());
    }
    Err(StoreError::BadRow {
        table: "vector",
        row,
        expected: "four bytes for each dimension of the model",
        got: format!("{bytes} bytes for {} dimensions", model.dimension),
    })
}

#[cfg(test)]
mod tests {
    use mnemon_core::{Kind, NewMemory, Scope, Timestamp};
    use proptest::prelude::*;

    use super::*;
    use crate::{NewPassage, Store};

    #[test]
    fn parts_are_short_and_whole_numbers_of_values() {
        let sizes = |length: usize| parts(&vec![7; length]).map(<[u8]>::len).collect::<Vec<_>>();
        assert_eq!(sizes(0), [0]);
        assert_eq!(sizes(4), [4]);
        assert_eq!(sizes(768), [768]);
        assert_eq!(sizes(769), [388, 381]);
        assert_eq!(sizes(1536), [768, 768]);
        assert_eq!(sizes(2000), [668, 668, 664]);
        assert!(sizes(300_000).len() <= 256 && sizes(300_000).iter().sum::<usize>() == 300_000);
        assert!(sizes(4 * 32_768).iter().all(|size| *size <= 768 && size % 4 == 0));
    }

    #[test]
    fn keys_are_ordered_as_models_and_passages_are() {
        let keys = [key(1, 1), key(1, 2), key(1, MAX_PASSAGE), key(2, 1), key(MAX_MODEL, MAX_PASSAGE) | MAX_PART];
        assert!(keys.is_sorted() && keys[0] > 0 && keys[4] == i64::MAX);
    }

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
                    let vector = vec![n as f32; models[*model].dimension()];
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
