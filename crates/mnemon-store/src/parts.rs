//! What is stored of a passage for a model: in parts of one tree, by a key that says of what they are.

use std::fmt;

use rusqlite::params;

use crate::{PassageId, Snapshot, StoreError, WriteTx};

/// The key of a part of what is stored: 12 bits for the model, 43 for the passage, 8 for the part.
pub(crate) const PART_BITS: u32 = 8;
const PASSAGE_BITS: u32 = 43;
pub(crate) const MAX_PART: i64 = (1 << PART_BITS) - 1;
pub(crate) const MAX_PASSAGE: i64 = (1 << PASSAGE_BITS) - 1;
pub(crate) const MAX_MODEL: i64 = (1 << (63 - PART_BITS - PASSAGE_BITS)) - 1;

/// Five parts fill a page of 4,096 bytes. A vector of 384 values with its seal is one.
const PART_BYTES: usize = 776;

/// A seal ends what is stored: a checksum of the data and of whose they are, so that a row that was damaged, or that came
/// to stand in the place of another, is not taken for one.
const SEAL: usize = 4;

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
pub(crate) fn key(model: i64, passage: PassageId) -> i64 {
    model << (PART_BITS + PASSAGE_BITS) | (passage & MAX_PASSAGE) << PART_BITS
}

/// The model of a key.
pub(crate) fn model_of(key: i64) -> i64 {
    key >> (PART_BITS + PASSAGE_BITS)
}

/// Data with its seal, of the rows whose keys begin with `first`.
pub(crate) fn sealed(first: i64, data: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(data.len() + SEAL);
    bytes.extend_from_slice(data);
    bytes.extend_from_slice(&seal(first, data).to_le_bytes());
    bytes
}

/// Takes the seal off; false when it does not fit.
pub(crate) fn unseal(first: i64, data: &mut Vec<u8>) -> bool {
    let Some((rest, found)) = data.split_last_chunk::<SEAL>() else { return false };
    let fits = u32::from_le_bytes(*found) == seal(first, rest);
    data.truncate(data.len() - SEAL);
    fits
}

fn seal(first: i64, data: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&first.to_le_bytes());
    hasher.update(data);
    hasher.finalize()
}

/// Data in at most 256 parts, of 776 bytes as long as these suffice; of no data one empty part.
pub(crate) fn parts(data: &[u8]) -> impl Iterator<Item = &[u8]> {
    let count = data.len().div_ceil(PART_BYTES).clamp(1, MAX_PART as usize + 1);
    // Whole numbers of four bytes, so that no value of a vector is split.
    let size = data.len().div_ceil(count).next_multiple_of(4).max(4);
    let first = data.get(..size).unwrap_or(data);
    std::iter::once(first).chain(data.get(size..).unwrap_or_default().chunks(size))
}

impl Snapshot<'_> {
    /// Writes what is stored of a passage into `data`; false when there is nothing, or nothing that fits its seal: what is
    /// damaged is as good as missing, and is made again like that.
    pub(crate) fn read_parts(
        &self,
        table: Table,
        model: i64,
        passage: PassageId,
        data: &mut Vec<u8>,
    ) -> Result<bool, StoreError> {
        data.clear();
        let mut statement =
            self.conn.prepare_cached(&format!("SELECT data FROM {table} WHERE id BETWEEN ?1 AND ?2 ORDER BY id"))?;
        let first = key(model, passage);
        let mut rows = statement.query([first, first | MAX_PART])?;
        let mut found = false;
        while let Some(row) = rows.next()? {
            // What is no blob in a damaged page fits no seal either.
            data.extend_from_slice(row.get_ref(0)?.as_blob().unwrap_or_default());
            found = true;
        }
        if found && !unseal(first, data) {
            tracing::warn!(%table, model, passage, "what is stored of a passage does not fit its seal; it is left out");
            data.clear();
            return Ok(false);
        }
        Ok(found)
    }
}

impl WriteTx<'_> {
    /// False when the passage is not there (any more).
    pub(crate) fn replace_parts(
        &self,
        table: Table,
        model: i64,
        passage: PassageId,
        data: &[u8],
    ) -> Result<bool, StoreError> {
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
        let first = key(model, passage);
        for (id, part) in (first..).zip(parts(&sealed(first, data))) {
            insert.execute(params![id, part])?;
        }
        match table {
            Table::Vector => self.log_vector(passage, model),
            Table::TokenVector => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_short_and_whole_numbers_of_values() {
        let sizes = |length: usize| parts(&vec![7; length]).map(<[u8]>::len).collect::<Vec<_>>();
        assert_eq!(sizes(0), [0]);
        assert_eq!(sizes(4), [4]);
        assert_eq!(sizes(776), [776]);
        assert_eq!(sizes(777), [392, 385]);
        assert_eq!(sizes(2000), [668, 668, 664]);
        assert!(sizes(300_000).len() <= 256 && sizes(300_000).iter().sum::<usize>() == 300_000);
        assert!(sizes(4 * 32_768).iter().all(|size| *size <= 776 && size % 4 == 0));
    }

    #[test]
    fn a_seal_fits_its_own_data_in_its_own_place() {
        for data in [&[][..], &[7], &[1, 2, 3, 4, 5, 6, 7, 8]] {
            let bytes = sealed(9, data);
            let read = |first, bytes: &[u8]| {
                let mut bytes = bytes.to_vec();
                unseal(first, &mut bytes).then_some(bytes)
            };
            assert_eq!(read(9, &bytes).as_deref(), Some(data));
            assert_eq!(read(10, &bytes), None);
            for bit in 0..bytes.len() * 8 {
                let mut bytes = bytes.clone();
                bytes[bit / 8] ^= 1 << (bit % 8);
                assert_eq!(read(9, &bytes), None);
            }
            assert_eq!(read(9, &bytes[..bytes.len() - 1]), None);
        }
    }

    #[test]
    fn keys_are_ordered_as_models_and_passages_are() {
        let keys = [key(1, 1), key(1, 2), key(1, MAX_PASSAGE), key(2, 1), key(MAX_MODEL, MAX_PASSAGE) | MAX_PART];
        assert!(keys.is_sorted() && keys[0] > 0 && keys[4] == i64::MAX);
    }
}
