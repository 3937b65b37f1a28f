//! What is made of memories (models, passages, vectors), and the receipts of what was erased.

use rusqlite::types::Value;
use rusqlite::{params, params_from_iter};

use super::reading::{in_new_file, integer, readable, values};
use super::{Salvage, SalvagedTable};
use crate::StoreError;
use crate::damage::{dimensions, each_sealed, passage_of};
use crate::parts::{MAX_MODEL, MAX_PART, Table, key, parts, sealed};
use crate::serving::serve_with;

impl Salvage<'_> {
    /// The proofs of what was erased.
    pub(super) fn erasures(&mut self) -> Result<(), StoreError> {
        let sql = "SELECT id, uid, requested_at, finished_at, memories, passages, digest FROM erasure NOT INDEXED
                   WHERE id >= ?1 AND id <= ?2 ORDER BY id";
        let last = self.last_id("erasure", None)?;
        self.each_kept("erasure", (sql, last), |salvage, row| {
            let Some(values) = values(row) else { return Ok(false) };
            salvage.insert(
                "INSERT INTO erasure (id, uid, requested_at, finished_at, memories, passages, digest)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                params_from_iter(values),
            )
        })
    }

    pub(super) fn models(&mut self) -> Result<(), StoreError> {
        let sql = "SELECT id, name, revision, dtype, dimension FROM model NOT INDEXED
                   WHERE id >= ?1 AND id <= ?2 ORDER BY id";
        let last = self.last_id("model", None)?.min(MAX_MODEL);
        self.each_kept("model", (sql, last), |salvage, row| {
            let Some(values) = values(row) else { return Ok(false) };
            let index = "SELECT 1 FROM model INDEXED BY sqlite_autoindex_model_1
                         WHERE id = ?1 AND name = ?2 AND revision = ?3 AND dtype = ?4 AND dimension = ?5";
            let is_sound = salvage.indexed(index, params_from_iter(&values))? != Some(false);
            let insert = "INSERT INTO model (id, name, revision, dtype, dimension) VALUES (?1, ?2, ?3, ?4, ?5)";
            Ok(is_sound && salvage.insert(insert, params_from_iter(values))?)
        })
    }

    /// Nothing proves the terms of a passage, so it counts as made by no version of the analysis: the engine makes it
    /// again from the text of its memory, and keeps the vectors of what is embedded of it if that is the same.
    pub(super) fn passages(&mut self, last: i64) -> Result<(), StoreError> {
        let sql =
            "SELECT id, memory_id, scope_id, ordinal, start_byte, end_byte, run, place, words, cues, content, terms
                   FROM passage NOT INDEXED WHERE id >= ?1 AND id <= ?2 ORDER BY id";
        self.each_kept("passage", (sql, last), |salvage, row| {
            let kept = match values(row) {
                Some(values) => salvage.passage(values)?,
                None => false,
            };
            salvage.advance();
            Ok(kept)
        })
    }

    fn passage(&self, mut values: Vec<Value>) -> Result<bool, StoreError> {
        let [_, memory, scope, ordinal, start, end, run, place, words, cues, ..] = values.as_mut_slice() else {
            return Ok(false);
        };
        let numbers = [&*ordinal, &*start, &*end, &*words, &*cues];
        if numbers.into_iter().any(|value| integer(value).is_none_or(|number| u32::try_from(number).is_err())) {
            return Ok(false);
        }
        let Some(memory) = integer(memory) else { return Ok(false) };
        let Some(session) = self.kept.get(&memory) else { return Ok(false) };
        let (scope_of, position, bytes): (i64, Option<i64>, i64) = self
            .to
            .prepare_cached("SELECT scope_id, position, octet_length(text) FROM memory WHERE id = ?1")?
            .query_row([memory], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
        let expected = match session.zip(position) {
            Some((session, position)) => (2 * session, position),
            None => (2 * memory + 1, integer(ordinal).unwrap_or_default()),
        };
        if integer(scope) != Some(scope_of) || integer(end).is_none_or(|end| end > bytes) {
            return Ok(false);
        }
        // Turns of a session that was made up have another run now.
        (*run, *place) = (Value::Integer(expected.0), Value::Integer(expected.1));
        self.insert(
            "INSERT INTO passage (id, memory_id, scope_id, ordinal, start_byte, end_byte, run, place, words, cues, content,
                                  terms, analysis)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, 0)",
            params_from_iter(values),
        )
    }

    pub(super) fn vectors(&mut self, last: i64) -> Result<(), StoreError> {
        let mut table = SalvagedTable { table: "vector", kept: 0, refused: 0, is_whole: true };
        for (model, dimension) in dimensions(self.to)? {
            let mut next = 1;
            while next <= last {
                let mut reached = next;
                let keys = key(model, next)..=key(model, last) | MAX_PART;
                let read = each_sealed(self.from, Table::Vector, keys, |first, data| {
                    reached = passage_of(first) + 1;
                    let kept = self.vector(first, dimension, data)?;
                    table.kept += u64::from(kept);
                    table.refused += u64::from(!kept);
                    self.advance();
                    Ok(())
                });
                if readable(read)?.is_some() {
                    break;
                }
                // The passage at which it failed comes first the next time, so it is passed over when nothing came before.
                table.is_whole = false;
                next = if reached > next { reached } else { next + 1 };
            }
        }
        self.report.tables.push(table);
        Ok(())
    }

    /// The model that the file serves with, else the one that has the most vectors; a change under way is begun anew.
    pub(super) fn serving_model(&mut self) -> Result<(), StoreError> {
        let known = match self.version {
            ..6 => None,
            _ => {
                let read = self.from.query_row("SELECT model_id FROM meta WHERE id = 1", [], |row| row.get(0));
                readable(read.map_err(StoreError::from))?.flatten()
            }
        };
        serve_with(self.to, known)
    }

    fn vector(&self, first: i64, dimension: usize, data: Option<&[u8]>) -> Result<bool, StoreError> {
        let Some(data) = data.filter(|data| data.len() == 2 * dimension) else { return Ok(false) };
        let mut passage = self.to.prepare_cached("SELECT 1 FROM passage WHERE id = ?1").map_err(in_new_file)?;
        if !passage.exists([passage_of(first)]).map_err(in_new_file)? {
            return Ok(false);
        }
        for (id, part) in (first..).zip(parts(&sealed(first, data))) {
            if !self.insert("INSERT INTO vector (id, data) VALUES (?1, ?2)", params![id, part])? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}
