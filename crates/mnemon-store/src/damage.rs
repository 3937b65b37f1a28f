//! What does not fit its own checksum: memories, and what is stored of passages.

use rusqlite::Connection;
use uuid::Uuid;

use crate::checksum::{STORED, checksum_of_stored};
use crate::parts::{MAX_PART, Table, model_of, unseal};
use crate::{Damage, Store, StoreError};

/// Damaged rows that are named; of the others it is said how many there are.
const NAMED: usize = 8;
/// What is dropped between two transactions.
const BATCH: usize = 256;

/// What [`Store::drop_damaged`] threw away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
pub struct Dropped {
    /// Vectors of passages.
    pub vectors: u64,
    /// Passages whose vectors of pieces were damaged.
    pub token_vectors: u64,
}

impl Store {
    /// Deletes the vectors, those of pieces too, that do not fit their seal or their model, have no direction, or belong to no
    /// passage. They are then as if they had never been made: who makes what is missing makes them anew. Memories are never
    /// deleted. Reads every vector.
    ///
    /// # Errors
    /// When the file cannot be read or written.
    pub fn drop_damaged(&self) -> Result<Dropped, StoreError> {
        Ok(Dropped {
            vectors: self.drop_damaged_of(Table::Vector)?,
            token_vectors: self.drop_damaged_of(Table::TokenVector)?,
        })
    }

    fn drop_damaged_of(&self, table: Table) -> Result<u64, StoreError> {
        let damaged = self.read(|snapshot| damaged_keys(snapshot.conn, table, 0..=i64::MAX))?;
        let mut dropped = 0;
        for keys in damaged.chunks(BATCH) {
            self.write(|tx| -> Result<(), StoreError> {
                for &first in keys {
                    // It may have been made anew meanwhile.
                    if !damaged_keys(tx.conn, table, first..=first | MAX_PART)?.is_empty() {
                        tx.conn
                            .prepare_cached(&format!("DELETE FROM {table} WHERE id BETWEEN ?1 AND ?2"))?
                            .execute([first, first | MAX_PART])?;
                        dropped += 1;
                    }
                }
                Ok(())
            })?;
        }
        Ok(dropped)
    }
}

/// The memories that do not fit their checksum.
pub(crate) fn damaged_memories(conn: &Connection) -> Result<Vec<Damage>, StoreError> {
    let mut statement = conn.prepare(STORED)?;
    let mut rows = statement.query([])?;
    let (mut count, mut names) = (0_u64, Vec::new());
    while let Some(row) = rows.next()? {
        if Some(checksum_of_stored(row)?) != row.get::<_, i64>(1).ok() {
            count += 1;
            if names.len() < NAMED {
                let id = row.get(2).map_or_else(|_| "?".to_owned(), |id| Uuid::from_bytes(id).to_string());
                names.push(format!("{id} (row {})", row.get::<_, i64>(0)?));
            }
        }
    }
    Ok(damage("memories", "do not fit their checksum", count, &names))
}

/// What is stored of passages and does not fit its seal.
pub(crate) fn damaged_vectors(conn: &Connection) -> Result<Vec<Damage>, StoreError> {
    let mut found = Vec::new();
    for (table, what) in [
        (Table::Vector, "vectors do not fit their seal"),
        (Table::TokenVector, "vectors of pieces do not fit their seal"),
    ] {
        let keys = damaged_keys(conn, table, 0..=i64::MAX)?;
        let name = |key: &i64| format!("passage {} of model {}", passage_of(*key), model_of(*key));
        let names: Vec<String> = keys.iter().take(NAMED).map(name).collect();
        found.extend(damage("vectors", what, keys.len() as u64, &names));
    }
    Ok(found)
}

fn damage(part: &'static str, what: &str, count: u64, names: &[String]) -> Vec<Damage> {
    if count == 0 {
        return Vec::new();
    }
    let more = if count > names.len() as u64 { ", ..." } else { "" };
    vec![Damage { part, detail: format!("{count} {what}: {}{more}", names.join(", ")) }]
}

/// The first keys, among these, of what is stored and is not sound or belongs to nothing.
fn damaged_keys(conn: &Connection, table: Table, keys: std::ops::RangeInclusive<i64>) -> Result<Vec<i64>, StoreError> {
    let models = dimensions(conn)?;
    let mut damaged = Vec::new();
    let mut passage = conn.prepare_cached("SELECT 1 FROM passage WHERE id = ?1")?;
    each_sealed(conn, table, keys, |first, data| {
        let dimension = models.iter().find(|(model, _)| *model == model_of(first)).map(|(_, dimension)| *dimension);
        let is_sound = match (data, dimension) {
            (Some(data), Some(dimension)) => {
                table == Table::TokenVector || data.len() == 2 * dimension && has_direction(data)
            }
            _ => false,
        };
        if !is_sound || !passage.exists([passage_of(first)])? {
            damaged.push(first);
        }
        Ok(())
    })?;
    Ok(damaged)
}

/// Whether 16-bit floating-point numbers are a vector that can be compared: none of them is infinite or no number, and not
/// all are zero. No model gives another one, whatever its seal says.
fn has_direction(data: &[u8]) -> bool {
    let mut values = data.as_chunks::<2>().0.iter().map(|value| u16::from_le_bytes(*value));
    values.clone().all(|value| value & 0x7c00 != 0x7c00) && values.any(|value| value & 0x7fff != 0)
}

/// Every model with the number of values of its vectors.
pub(crate) fn dimensions(conn: &Connection) -> Result<Vec<(i64, usize)>, StoreError> {
    let mut statement = conn.prepare_cached("SELECT id, dimension FROM model ORDER BY id")?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get::<_, usize>(1)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Gives everything that is stored of passages to `each`, by its first key: without its seal, `None` where that does not
/// fit.
pub(crate) fn each_sealed(
    conn: &Connection,
    table: Table,
    keys: std::ops::RangeInclusive<i64>,
    mut each: impl FnMut(i64, Option<&[u8]>) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let mut statement =
        conn.prepare_cached(&format!("SELECT id, data FROM {table} WHERE id BETWEEN ?1 AND ?2 ORDER BY id"))?;
    let mut rows = statement.query([*keys.start(), *keys.end()])?;
    let (mut current, mut data): (Option<i64>, Vec<u8>) = (None, Vec::new());
    let mut end = |first: i64, data: &mut Vec<u8>| {
        let fits = unseal(first, data);
        each(first, fits.then_some(data))
    };
    while let Some(row) = rows.next()? {
        let first = row.get::<_, i64>(0)? & !MAX_PART;
        if let Some(before) = current.filter(|before| *before != first) {
            end(before, &mut data)?;
            data.clear();
        }
        current = Some(first);
        // What is no blob in a damaged page fits no seal either.
        data.extend_from_slice(row.get_ref(1)?.as_blob().unwrap_or_default());
    }
    current.map_or(Ok(()), |first| end(first, &mut data))
}

pub(crate) fn passage_of(key: i64) -> i64 {
    (key >> crate::parts::PART_BITS) & crate::parts::MAX_PASSAGE
}

#[cfg(test)]
mod tests {
    use super::has_direction;
    use half::f16;

    #[test]
    fn a_vector_has_a_direction_or_is_none() {
        let check = |values: [f32; 2], expected: bool| {
            let data: Vec<u8> = values.iter().flat_map(|value| f16::from_f32(*value).to_le_bytes()).collect();
            assert_eq!(has_direction(&data), expected, "{values:?}");
        };
        check([0.6, -0.8], true);
        check([0.0, 6e-8], true);
        check([0.0, -0.0], false);
        check([0.6, f32::NAN], false);
        check([f32::NEG_INFINITY, 0.8], false);
        assert!(!has_direction(&[]));
    }
}
