//! Passages as rows: the stretches of text that are searched.

use std::collections::HashMap;

use mnemon_core::{Kind, Role, Timestamp, Trust};
use rusqlite::{OptionalExtension, Row, params};

use crate::cells::{Cells, OfRow};
use crate::memories::{Added, fnv1a, time_from_millis};
use crate::parts::Table;
use crate::state::trust_from_code;
use crate::summaries::is_made;
use crate::vectors::StoredVectors;
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
    /// Whether its text has words that are not among the terms: then its memory stands in the index of whole texts, in
    /// which [`Snapshot::text_search`] looks.
    pub is_longer: bool,
    /// [`content_hash`] of what is embedded of it.
    pub content: u64,
}

/// A hash of what is embedded of a passage, by which the vector of an equal text is found. The same for ever.
#[must_use]
pub fn content_hash(embedded: &str) -> u64 {
    fnv1a(embedded.bytes())
}

/// A passage with what ranking needs to know of its memory.
#[derive(Debug, Clone, PartialEq)]
pub struct PassageRow {
    /// Its id.
    pub id: PassageId,
    /// The memory that it is part of.
    pub memory: RowId,
    /// The scope of that.
    pub scope: ScopeRow,
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
    /// Whether the memory is a summary that the engine made of others.
    pub is_made: bool,
    /// Who speaks, for a turn.
    pub role: Option<Role>,
    /// Who speaks, by name, where that is known.
    pub speaker: Option<String>,
    /// When it happened, else when it was stored.
    pub time: Timestamp,
    /// How far the memory may be believed.
    pub trust: Trust,
    /// From then on the memory does not hold any more: it has ended, or expired.
    pub until: Option<Timestamp>,
}

/// Every column that [`passage_from_row`] reads.
pub(crate) const COLUMNS: &str = concat!(
    "SELECT p.id, p.memory_id, p.run, p.place, p.ordinal, p.start_byte, p.end_byte, p.words, p.cues, p.terms,
           m.kind, m.role, m.speaker, coalesce(m.occurred_at, m.stored_at), p.scope_id,
           m.source_id IS NOT NULL, st.trust, st.expires_at, st.ended_at, ",
    is_made!(),
    " FROM passage AS p JOIN memory AS m ON m.id = p.memory_id LEFT JOIN memory_state AS st ON st.memory_id = m.id"
);

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
        // A turn is found by the index of its session, anything else by that of its memory.
        let place = match run & 1 {
            0 => "m.session_id = ?1 AND m.position BETWEEN ?2 AND ?3 ORDER BY m.position",
            _ => "p.memory_id = ?1 AND p.ordinal BETWEEN ?2 AND ?3 ORDER BY p.ordinal",
        };
        let mut statement = self.conn.prepare_cached(&format!("{COLUMNS} WHERE {place}"))?;
        let mut rows = statement.query([run >> 1, from_place, to_place])?;
        let mut passages = Vec::new();
        while let Some(row) = rows.next()? {
            passages.push(passage_from_row(row)?);
        }
        Ok(passages)
    }

    /// The passages of a scope whose embedded text has this hash, the oldest first, at most `limit`. One seek. Texts of
    /// equal hashes are nearly always equal; who needs to be sure compares them.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn passages_of_content(
        &self,
        scope: ScopeRow,
        content: u64,
        limit: usize,
    ) -> Result<Vec<PassageId>, StoreError> {
        let mut statement = self
            .conn
            .prepare_cached("SELECT id FROM passage WHERE content = ?1 AND scope_id = ?2 ORDER BY id LIMIT ?3")?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let ids = statement.query_map([scoped(scope.0, content), scope.0, limit], |row| row.get(0))?;
        Ok(ids.collect::<Result<_, _>>()?)
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
                ids.push(Cells::new(row, "passage")?.id());
            }
        }
        Ok(ids)
    }

    /// The version of the analysis of which every memory has its passages; 0 when some may have none.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn analysis(&self) -> Result<u32, StoreError> {
        let mut statement = self.conn.prepare_cached("SELECT analysis FROM meta WHERE id = 1")?;
        statement.query_row([], |row| row.get(0)).of_row("meta", 1)
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

    /// Stores the passages of a memory that was added in this transaction and has none yet. Returns their ids; none when
    /// it is not new. Otherwise as [`WriteTx::put_passages`].
    ///
    /// # Errors
    /// As [`WriteTx::put_passages`].
    pub fn put_first_passages(
        &self,
        added: &Added,
        analysis: u32,
        passages: &[NewPassage<'_>],
    ) -> Result<Vec<PassageId>, StoreError> {
        match &added.owner {
            Some(owner) => self.insert_passages(added.row, owner, analysis, passages),
            None => Ok(Vec::new()),
        }
    }

    /// Stores the passages of a memory, in the order of its text, in place of those that are there. Vectors stay with
    /// what they were made of: a new passage of the same content as an old one gets the vectors of that, of every model;
    /// all others go, and so do those of pieces, which depend on neighbours. `analysis` is the version of the engine's
    /// analysis that made them. Returns their ids; none when the memory is gone by now.
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
                let (session, position): (Option<i64>, Option<i64>) = (row.get(1)?, row.get(2)?);
                Ok(Owner { scope: row.get(0)?, place: session.zip(position), bytes: row.get(3)? })
            })
            .optional()?;
        let Some(owner) = owner else { return Ok(Vec::new()) };
        let kept = self.vectors_by_content(memory, owner.scope, passages)?;
        self.conn.prepare_cached("DELETE FROM passage WHERE memory_id = ?1")?.execute([memory])?;
        self.conn.prepare_cached("DELETE FROM memory_words WHERE rowid = ?1")?.execute([memory])?;
        let ids = self.insert_passages(memory, &owner, analysis, passages)?;
        for (id, passage) in ids.iter().zip(passages) {
            for (model, data) in kept.get(&passage.content).into_iter().flatten() {
                self.write_parts(Table::Vector, *model, *id, data)?;
            }
        }
        Ok(ids)
    }

    fn insert_passages(
        &self,
        memory: RowId,
        owner: &Owner,
        analysis: u32,
        passages: &[NewPassage<'_>],
    ) -> Result<Vec<PassageId>, StoreError> {
        check(owner, passages)?;
        let mut insert = self.conn.prepare_cached(
            "INSERT INTO passage (memory_id, scope_id, ordinal, start_byte, end_byte, run, place, words, cues, analysis,
                                  content, terms)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
        )?;
        let mut ids = Vec::with_capacity(passages.len());
        for (ordinal, passage) in (0_i64..).zip(passages) {
            let (run, place) = match owner.place {
                Some((session, position)) => (2 * session, position),
                None => (2 * memory + 1, ordinal),
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
                scoped(owner.scope, passage.content),
                terms,
            ])?;
            let id = self.conn.last_insert_rowid();
            self.log_passage(id, owner.scope)?;
            ids.push(id);
        }
        if passages.iter().any(|passage| passage.is_longer) {
            self.conn
                .prepare_cached(
                    "INSERT INTO memory_words (rowid, text, caption, speaker)
                     SELECT id, text, caption, speaker FROM memory WHERE id = ?1",
                )?
                .execute([memory])?;
        }
        Ok(ids)
    }

    /// The vectors of the passages of a memory that have the content of one of these, by content, each with its model.
    fn vectors_by_content(
        &self,
        memory: RowId,
        scope: i64,
        passages: &[NewPassage<'_>],
    ) -> Result<HashMap<u64, StoredVectors>, StoreError> {
        let mut kept = HashMap::new();
        let wanted: HashMap<i64, u64> =
            passages.iter().map(|passage| (scoped(scope, passage.content), passage.content)).collect();
        let mut statement =
            self.conn.prepare_cached("SELECT id, content FROM passage WHERE memory_id = ?1 AND content IS NOT NULL")?;
        let mut rows = statement.query([memory])?;
        while let Some(row) = rows.next()? {
            if let Some(content) = wanted.get(&row.get(1)?) {
                kept.insert(*content, self.vectors_of(row.get(0)?)?);
            }
        }
        Ok(kept)
    }
}

/// What of a memory its passages repeat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Owner {
    pub(crate) scope: i64,
    /// The session of a turn and its position there.
    pub(crate) place: Option<(i64, i64)>,
    pub(crate) bytes: u64,
}

/// The hash of a content as it is stored: another one in each scope, so that a search for it never meets what others
/// wrote.
fn scoped(scope: i64, content: u64) -> i64 {
    // The finaliser of SplitMix64, which spreads every bit.
    let mix = |value: u64| {
        let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        value ^ (value >> 31)
    };
    mix(content ^ mix(scope.cast_unsigned())).cast_signed()
}

fn check(owner: &Owner, passages: &[NewPassage<'_>]) -> Result<(), StoreError> {
    if owner.place.is_some() && passages.len() > 1 {
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

pub(crate) fn passage_from_row(row: &Row<'_>) -> Result<PassageRow, StoreError> {
    let cells = Cells::new(row, "passage")?;
    let memory: RowId = cells.get(1)?;
    let (of_memory, of_state) = (Cells::of(row, "memory", memory), Cells::of(row, "memory_state", memory));
    let terms = cells.blob(9)?;
    let (terms, rest) = terms.as_chunks::<4>();
    if !rest.is_empty() {
        return Err(cells.bad("four bytes for each term", format!("{} bytes more", rest.len())));
    }
    let kind: i64 = of_memory.get(10)?;
    let role: Option<i64> = of_memory.get(11)?;
    let read_role =
        |code: i64| Role::from_code(code).ok_or_else(|| of_memory.bad("the code of a role", code.to_string()));
    let kind = Kind::from_code(kind).ok_or_else(|| of_memory.bad("the code of a kind", kind.to_string()))?;
    let role = role.map(read_role).transpose()?;
    let time = |column: usize| -> Result<Option<Timestamp>, StoreError> {
        of_state.get::<Option<i64>>(column)?.map(|at| time_from_millis("memory_state", memory, at)).transpose()
    };
    let usual = Trust::of(kind, role, of_memory.get(15)?);
    Ok(PassageRow {
        id: cells.id(),
        memory,
        scope: ScopeRow(cells.get(14)?),
        run: cells.get(2)?,
        place: cells.get(3)?,
        ordinal: cells.get(4)?,
        start: cells.get(5)?,
        end: cells.get(6)?,
        words: cells.get(7)?,
        cues: cells.get(8)?,
        terms: terms.iter().map(|bytes| u32::from_le_bytes(*bytes)).collect(),
        kind,
        is_made: of_memory.get(19)?,
        role,
        speaker: of_memory.get(12)?,
        time: time_from_millis("memory", memory, of_memory.get(13)?)?,
        trust: trust_from_code(memory, of_state.get(16)?, usual)?,
        until: [time(17)?, time(18)?].into_iter().flatten().min(),
    })
}
