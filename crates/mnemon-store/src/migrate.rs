//! What a migration does beside its SQL.

use rusqlite::{OptionalExtension, Transaction, params};

use crate::checksum::checksum_of_row;
use crate::memories::select;
use crate::parts::{MAX_PART, Table, model_of, parts, sealed};
use crate::vectors::to_bytes;

/// Seals what is stored of passages, and turns vectors into 16 bits a value. A vector that is damaged is left out: it is
/// made again.
pub(crate) fn seal(tx: &Transaction<'_>) -> rusqlite::Result<()> {
    for table in [Table::Vector, Table::TokenVector] {
        let mut after = -1;
        while let Some(first) = next_key(tx, table, after)? {
            after = first | MAX_PART;
            let mut data: Vec<u8> = Vec::new();
            let mut statement =
                tx.prepare_cached(&format!("SELECT data FROM {table} WHERE id BETWEEN ?1 AND ?2 ORDER BY id"))?;
            let mut rows = statement.query([first, after])?;
            while let Some(row) = rows.next()? {
                data.extend_from_slice(row.get_ref(0)?.as_blob()?);
            }
            let data = match table {
                Table::TokenVector => Some(data),
                Table::Vector => halved(&data, dimension(tx, first)?),
            };
            let sealed = data.map(|data| sealed(first, &data)).unwrap_or_default();
            let mut count = 0;
            // In place, so that no reader takes it for a change.
            for (id, part) in (first..).zip(parts(&sealed)).filter(|_| !sealed.is_empty()) {
                tx.prepare_cached(&format!("REPLACE INTO {table} (id, data) VALUES (?1, ?2)"))?
                    .execute(params![id, part])?;
                count += 1;
            }
            tx.prepare_cached(&format!("DELETE FROM {table} WHERE id BETWEEN ?1 AND ?2"))?
                .execute([first + count, after])?;
        }
    }
    Ok(())
}

/// Computes the checksum of every memory.
pub(crate) fn check_memories(tx: &Transaction<'_>) -> rusqlite::Result<()> {
    let mut after = 0;
    loop {
        let mut statement = tx.prepare_cached(&select("memory AS m", "WHERE m.id > ?1 ORDER BY m.id LIMIT 1"))?;
        let mut rows = statement.query([after])?;
        let Some(row) = rows.next()? else { return Ok(()) };
        after = row.get(0)?;
        let checksum = checksum_of_row(row)?;
        tx.prepare_cached("UPDATE memory SET checksum = ?2 WHERE id = ?1")?.execute(params![after, checksum])?;
    }
}

/// The key of the first part of what is stored next after a key.
fn next_key(tx: &Transaction<'_>, table: Table, after: i64) -> rusqlite::Result<Option<i64>> {
    let key: Option<i64> = tx
        .prepare_cached(&format!("SELECT min(id) FROM {table} WHERE id > ?1"))?
        .query_row([after], |row| row.get(0))?;
    Ok(key.map(|key| key & !MAX_PART))
}

fn dimension(tx: &Transaction<'_>, key: i64) -> rusqlite::Result<usize> {
    let dimension: Option<i64> = tx
        .prepare_cached("SELECT dimension FROM model WHERE id = ?1")?
        .query_row([model_of(key)], |row| row.get(0))
        .optional()?;
    Ok(dimension.and_then(|dimension| usize::try_from(dimension).ok()).unwrap_or(0))
}

/// Values of 32 bits as values of 16; `None` when they are not as many as they should be.
fn halved(data: &[u8], dimension: usize) -> Option<Vec<u8>> {
    let (values, rest) = data.as_chunks::<4>();
    let values: Vec<f32> = values.iter().map(|value| f32::from_le_bytes(*value)).collect();
    (rest.is_empty() && values.len() == dimension).then(|| to_bytes(&values))
}
