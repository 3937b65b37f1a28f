//! Passages as rows: the stretches of text that are searched.

use mnemon_core::{Kind, Role, Timestamp};
use rusqlite::{OptionalExtension, Row, params};

use crate::memories::time_from_millis;
use crate::{PassageId, RowId, ScopeRow, Snapshot, StoreError, WriteTx};

/// A passage that is about to be stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewPassage<'a> {
    /// Where it begins in the text of its memory, in bytes.
    pub start: usize,
    /// Where it ends, in bytes.
    pub end: usize,
    /// How many words it has.
    pub words: u32,
    /// Flags of the analysis, opaque to the store.
    pub cues: u32,
    /// Hashes of the terms by which it is found, in the order of the text, repeats kept.
    pub terms: &'a [u32],
}

/// A passage with what ranking needs to know of its memory.
#[derive(Debug, Clone, PartialEq)]
pub struct PassageRow {
    /// Its id.
    pub id: PassageId,
    /// The memory that it is part of.
    pub memory: RowId,
    /// The sequence in which its neighbours mean something: the turns of its session, or the passages of its memory.
    /// A number without a meaning of its own; turns of a session share one.
    pub run: i64,
    /// Its place in that sequence.
    pub place: i64,
    /// Its place among the passages of its memory, from 0.
    pub ordinal: u32,
    /// Where it begins in the text of its memory, in bytes.
    pub start: u32,
    /// Where it ends, in bytes.
    pub end: u32,
    /// How many words it has.
    pub words: u32,
    /// Flags of the analysis, opaque to the store.
    pub cues: u32,
    /// Hashes of its terms, in the order of the text, repeats kept.
    pub terms: Vec<u32>,
    /// What the memory is.
    pub kind: Kind,
    /// Who speaks, for a turn.
    pub role: Option<Role>,
    /// Who speaks, by name, where that is known.
    pub speaker: Option<String>,
    /// When it happened, else when it was stored.
    pub time: Timestamp,
}

/// Every column that [`passage_from_row`] reads.
pub(crate) const COLUMNS: &str = "
    SELECT p.id, p.memory_id, p.run, p.place, p.ordinal, p.start_byte, p.end_byte, p.words, p.cues, p.terms,
           m.kind, m.role, m.speaker, coalesce(m.occurred_at, m.stored_at)
    FROM passage AS p JOIN memory AS m ON m.id = p.memory_id";

impl Snapshot<'_> {
    /// The passages of these ids, in the same order; those that are gone are left out. Two seeks each.
    ///
    /// # Errors
    /// When the file cannot be read or a row is damaged.
    pub fn passages(&self, ids: &[PassageId]) -> Result<Vec<PassageRow>, StoreError> {
        let mut statement = self.conn.prepare_cached(&format!("{COLUMNS} WHERE p.id = ?1"))?;
        let mut passages = Vec::with_capacity(ids.len());
        for id in ids {
            let mut found = statement.query([id])?;
            if let Some(row) = found.next()? {
                passages.push(passage_from_row(row)?);
            }
        }
        Ok(passages)
    }

    /// The passages of a run from one place to another, both included, in their order.
    ///
    /// # Errors
    /// When the file cannot be read or a row is damaged.
    pub fn passages_of_run(&self, run: i64, from_place: i64, to_place: i64) -> Result<Vec<PassageRow>, StoreError> {
        let mut statement = self
            .conn
            .prepare_cached(&format!("{COLUMNS} WHERE p.run = ?1 AND p.place BETWEEN ?2 AND ?3 ORDER BY p.place"))?;
        let mut rows = statement.query([run, from_place, to_place])?;
        let mut passages = Vec::new();
        while let Some(row) = rows.next()? {
            passages.push(passage_from_row(row)?);
        }
        Ok(passages)
    }

    /// The passages of these memories: memory after memory as given, each in the order of its text.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn passages_of(&self, memories: &[RowId]) -> Result<Vec<PassageId>, StoreError> {
        let mut statement = self.conn.prepare_cached("SELECT id FROM passage WHERE memory_id = ?1 ORDER BY ordinal")?;
        let mut ids = Vec::with_capacity(memories.len());
        for memory in memories {
            let mut rows = statement.query([memory])?;
            while let Some(row) = rows.next()? {
                ids.push(row.get(0)?);
            }
        }
        Ok(ids)
    }

    /// The passages of a scope whose memory happened (else was stored) at `from` or later and before `to`, in the order
    /// of their ids. Its cost grows with how many there are.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn passages_between(
        &self,
        scope: ScopeRow,
        from: Option<Timestamp>,
        to: Option<Timestamp>,
    ) -> Result<Vec<PassageId>, StoreError> {
        // Times are stored in whole milliseconds; a bound between two of them is the later one.
        let bound = |time: Timestamp| time.as_nanosecond().div_euclid(1_000_000) + i128::from(has_rest(time));
        let millis =
            |time: Option<Timestamp>, none: i64| time.map_or(none, |time| i64::try_from(bound(time)).unwrap_or(none));
        let mut statement = self.conn.prepare_cached(
            "SELECT passage.id FROM memory JOIN passage ON passage.memory_id = memory.id
             WHERE memory.scope_id = ?1 AND coalesce(memory.occurred_at, memory.stored_at) >= ?2
             AND coalesce(memory.occurred_at, memory.stored_at) < ?3",
        )?;
        let mut ids: Vec<PassageId> = statement
            .query_map([scope.0, millis(from, i64::MIN), millis(to, i64::MAX)], |row| row.get(0))?
            .collect::<Result<_, _>>()?;
        ids.sort_unstable();
        Ok(ids)
    }

    /// The version of the analysis of which every memory has its passages; 0 when some may have none.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn analysis(&self) -> Result<u32, StoreError> {
        Ok(self.conn.prepare_cached("SELECT analysis FROM meta WHERE id = 1")?.query_row([], |row| row.get(0))?)
    }

    /// How many memories have no passages of this version of the analysis.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn count_without_passages(&self, analysis: u32) -> Result<u64, StoreError> {
        Ok(self
            .conn
            .prepare_cached(
                "SELECT count(*) FROM memory WHERE NOT EXISTS
                 (SELECT 1 FROM passage WHERE memory_id = memory.id AND ordinal = 0 AND analysis = ?1)",
            )?
            .query_row([analysis], |row| row.get(0))?)
    }

    /// Up to `limit` memories after the row `after` that have no passages of this version of the analysis, in the order
    /// of the rows.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn without_passages(&self, analysis: u32, after: RowId, limit: usize) -> Result<Vec<RowId>, StoreError> {
        let mut statement = self.conn.prepare_cached(
            "SELECT id FROM memory WHERE id > ?2 AND NOT EXISTS
             (SELECT 1 FROM passage WHERE memory_id = memory.id AND ordinal = 0 AND analysis = ?1)
             ORDER BY id LIMIT ?3",
        )?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let rows = statement.query_map(params![analysis, after, limit], |row| row.get(0))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

impl WriteTx<'_> {
    /// Notes that every memory has passages of this version of the analysis.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn set_analysis(&self, analysis: u32) -> Result<(), StoreError> {
        self.conn.prepare_cached("UPDATE meta SET analysis = ?1 WHERE id = 1")?.execute([analysis])?;
        Ok(())
    }

    /// Stores the passages of a memory, in the order of its text, in place of those that are there, whose vectors go
    /// with them. `analysis` is the version of the engine's analysis that made them. Returns their ids; none when the
    /// memory is gone by now.
    ///
    /// # Errors
    /// [`StoreError::Invalid`] when a passage lies outside of the text of its memory, and for several passages of a
    /// turn, which is one place of its session; and when the file cannot be written.
    pub fn put_passages(
        &self,
        memory: RowId,
        analysis: u32,
        passages: &[NewPassage<'_>],
    ) -> Result<Vec<PassageId>, StoreError> {
        let owner = self
            .conn
            .prepare_cached("SELECT scope_id, session_id, position, octet_length(text) FROM memory WHERE id = ?1")?
            .query_row([memory], |row| {
                Ok(Owner { scope: row.get(0)?, session: row.get(1)?, position: row.get(2)?, bytes: row.get(3)? })
            })
            .optional()?;
        let Some(owner) = owner else { return Ok(Vec::new()) };
        check(&owner, passages)?;
        self.conn.prepare_cached("DELETE FROM passage WHERE memory_id = ?1")?.execute([memory])?;
        let mut insert = self.conn.prepare_cached(
            "INSERT INTO passage (memory_id, scope_id, ordinal, start_byte, end_byte, run, place, words, cues, analysis,
                                  terms)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
        )?;
        let mut ids = Vec::with_capacity(passages.len());
        for (ordinal, passage) in (0_i64..).zip(passages) {
            let (run, place) = match (owner.session, owner.position) {
                (Some(session), Some(position)) => (2 * session, position),
                _ => (2 * memory + 1, ordinal),
            };
            let terms: Vec<u8> = passage.terms.iter().flat_map(|term| term.to_le_bytes()).collect();
            insert.execute(params![
                memory,
                owner.scope,
                ordinal,
                passage.start as i64,
                passage.end as i64,
                run,
                place,
                passage.words,
                passage.cues,
                analysis,
                terms,
            ])?;
            ids.push(self.conn.last_insert_rowid());
        }
        Ok(ids)
    }
}

/// What of a memory its passages repeat.
struct Owner {
    scope: i64,
    session: Option<i64>,
    position: Option<i64>,
    bytes: u64,
}

fn check(owner: &Owner, passages: &[NewPassage<'_>]) -> Result<(), StoreError> {
    if owner.session.is_some() && passages.len() > 1 {
        return Err(StoreError::Invalid {
            field: "passages",
            expected: "one passage for a turn",
            got: format!("{} passages", passages.len()),
        });
    }
    let outside = |passage: &&NewPassage<'_>| passage.start > passage.end || passage.end as u64 > owner.bytes;
    match passages.iter().find(outside) {
        Some(passage) => Err(StoreError::Invalid {
            field: "passage",
            expected: "a range inside of the text of the memory",
            got: format!("{}..{} of {} bytes", passage.start, passage.end, owner.bytes),
        }),
        None => Ok(()),
    }
}

fn has_rest(time: Timestamp) -> bool {
    time.subsec_nanosecond() % 1_000_000 != 0
}

pub(crate) fn passage_from_row(row: &Row<'_>) -> Result<PassageRow, StoreError> {
    let id: PassageId = row.get(0)?;
    let memory: RowId = row.get(1)?;
    let damaged = |table, row, expected, got: String| StoreError::BadRow { table, row, expected, got };
    let number = |column: usize| -> Result<u32, StoreError> {
        let value: i64 = row.get(column)?;
        u32::try_from(value).map_err(|_| damaged("passage", id, "a number of 32 bits", value.to_string()))
    };
    let terms = row.get_ref(9)?.as_blob().map_err(rusqlite::Error::from)?;
    let (terms, rest) = terms.as_chunks::<4>();
    if !rest.is_empty() {
        return Err(damaged("passage", id, "four bytes for each term", format!("{} bytes more", rest.len())));
    }
    let kind: i64 = row.get(10)?;
    let role: Option<i64> = row.get(11)?;
    let read_role = |code: i64| {
        Role::from_code(code).ok_or_else(|| damaged("memory", memory, "the code of a role", code.to_string()))
    };
    Ok(PassageRow {
        id,
        memory,
        run: row.get(2)?,
        place: row.get(3)?,
        ordinal: number(4)?,
        start: number(5)?,
        end: number(6)?,
        words: number(7)?,
        cues: number(8)?,
        terms: terms.iter().map(|bytes| u32::from_le_bytes(*bytes)).collect(),
        kind: Kind::from_code(kind).ok_or_else(|| damaged("memory", memory, "the code of a kind", kind.to_string()))?,
        role: role.map(read_role).transpose()?,
        speaker: row.get(12)?,
        time: time_from_millis("memory", memory, row.get(13)?)?,
    })
}
