//! The checksum of a memory: over its text and all that belongs to it, so that a damaged row is not taken for a memory.

use rusqlite::Row;
use rusqlite::types::ValueRef;

/// Where what is checked stands in a row of [`select`](crate::memories::select): id, kind, text, caption, position, role,
/// speaker, metadata and time.
const CHECKED: [usize; 9] = [1, 2, 3, 4, 5, 6, 7, 10, 12];

/// The checksum of a row of these columns.
pub(crate) fn checksum_of_row(row: &Row<'_>) -> rusqlite::Result<i64> {
    let mut hasher = crc32fast::Hasher::new();
    for column in CHECKED {
        add(&mut hasher, row.get_ref(column)?);
    }
    Ok(i64::from(hasher.finalize()))
}

/// Every memory: row, stored checksum, and what is checked, in its order. Reads one table, and no index.
pub(crate) const STORED: &str = "
    SELECT id, checksum, uid, kind, text, caption, position, role, speaker, metadata, occurred_at
    FROM memory NOT INDEXED ORDER BY id";

/// The checksum of a row of [`STORED`].
pub(crate) fn checksum_of_stored(row: &Row<'_>) -> rusqlite::Result<i64> {
    let mut hasher = crc32fast::Hasher::new();
    for column in 2..2 + CHECKED.len() {
        add(&mut hasher, row.get_ref(column)?);
    }
    Ok(i64::from(hasher.finalize()))
}

/// The checksum of values in that order.
pub(crate) fn checksum(values: [ValueRef<'_>; CHECKED.len()]) -> i64 {
    let mut hasher = crc32fast::Hasher::new();
    values.into_iter().for_each(|value| add(&mut hasher, value));
    i64::from(hasher.finalize())
}

/// Each value with its type and length before it, so that no two lists of values are the same bytes.
fn add(hasher: &mut crc32fast::Hasher, value: ValueRef<'_>) {
    let mut head = |kind: u8, length: u64| {
        let mut head = [kind; 9];
        head[1..].copy_from_slice(&length.to_le_bytes());
        hasher.update(&head);
    };
    match value {
        ValueRef::Null => head(0, 0),
        ValueRef::Integer(value) => head(1, value.cast_unsigned()),
        ValueRef::Real(value) => head(2, value.to_bits()),
        ValueRef::Text(bytes) => {
            head(3, bytes.len() as u64);
            hasher.update(bytes);
        }
        ValueRef::Blob(bytes) => {
            head(4, bytes.len() as u64);
            hasher.update(bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_counts_and_so_does_where_it_stands() {
        let of = |texts: [&'static str; 9]| checksum(texts.map(|text| ValueRef::Text(text.as_bytes())));
        let one = of(["a", "", "", "", "", "", "", "", ""]);
        assert_ne!(one, of(["", "a", "", "", "", "", "", "", ""]));
        assert_ne!(of(["ab", "c", "", "", "", "", "", "", ""]), of(["a", "bc", "", "", "", "", "", "", ""]));
        let mut values = [ValueRef::Null; 9];
        let null = checksum(values);
        values[8] = ValueRef::Integer(0);
        assert_ne!(checksum(values), null);
    }
}
