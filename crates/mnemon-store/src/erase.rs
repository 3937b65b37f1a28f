//! Erasure: memories go with everything that tells of them, and a receipt stays. What makes their bytes go from the file
//! stands in scrub.rs.

use std::collections::BTreeSet;

use mnemon_core::{MemoryId, ReceiptId, Scope, SessionId, Timestamp};
use rusqlite::{OptionalExtension, Row, params};
use sha2::{Digest, Sha256};

use crate::cells::Cells;
use crate::memories::time_from_millis;
use crate::{RowId, ScopeRow, Snapshot, Store, StoreError, WriteTx};

/// Which memories of a scope to erase.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Selection {
    /// These.
    Ids(Vec<MemoryId>),
    /// All of them, every session and the scope itself.
    All,
    /// What came from this source: an imported file, another engine.
    Source(String),
    /// The turns of this session, and the session.
    Session(SessionId),
    /// What happened before a time; where it is not known when it did, what was stored before it.
    HappenedBefore(Timestamp),
    /// What was stored before a time, whenever it happened.
    StoredBefore(Timestamp),
}

/// The receipt of an erasure: it says that there was one, and nothing of what was erased.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct ErasureRow {
    /// The id of the receipt.
    pub id: ReceiptId,
    /// When the memories were deleted.
    pub requested_at: Timestamp,
    /// When no byte of them was left in the file; `None` while that waits for [`Store::scrub`].
    pub finished_at: Option<Timestamp>,
    /// How many memories were erased.
    pub memories: u64,
    /// How many passages they had.
    pub passages: u64,
    /// SHA-256 over the ids of the memories: the 16 bytes of each, ascending, each once.
    #[serde(serialize_with = "hexadecimal")]
    pub digest: [u8; 32],
}

/// What [`WriteTx::erase`] erased.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Erased {
    /// The receipt.
    pub receipt: ErasureRow,
    /// The ids of the memories, ascending: with them the receipt can be verified. They are kept nowhere else.
    pub ids: Vec<MemoryId>,
    /// The rows that they had.
    pub rows: Vec<RowId>,
}

/// What [`Store::verify`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct Verified {
    /// Whether the receipt is about these ids: about all of them, and about no other.
    pub fits: bool,
    /// How many of them are in the file, in whatever scope.
    pub still_there: u64,
    /// Whether no byte of what was erased is left in the file.
    pub is_finished: bool,
}

impl Verified {
    /// Whether all of it is as it should be.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.fits && self.still_there == 0 && self.is_finished
    }
}

/// A memory that is selected: its row, its id and the row of its session.
type Selected = (RowId, MemoryId, Option<RowId>);

impl WriteTx<'_> {
    /// Deletes the memories of a scope that are selected, for good: their rows, passages, vectors and states, their place
    /// in windows and text indexes, the summaries that were made of them, the sessions and sources of which nothing else is left,
    /// and whatever was saved of the scope. Exactly these: a memory that says the same, or that took the place of one of them,
    /// stays.
    ///
    /// The change log keeps its entries: they hold numbers of rows and nothing else. Another one tells the caches of the
    /// scope, in every process, to read it anew.
    ///
    /// The bytes are gone when [`Store::scrub`] has finished, which the file remembers to do. Takes about as long as
    /// storing the memories did.
    ///
    /// # Errors
    /// [`StoreError::NoMemory`] for an id, and [`StoreError::NoSession`] for a session, that is not in this scope, and then
    /// nothing should be committed; and when the file cannot be written.
    pub fn erase(&self, scope: &Scope, selection: &Selection, now: Timestamp) -> Result<Erased, StoreError> {
        // In a scope in which nothing was written nothing is selected: no row has the number 0.
        let scope = self.scope_id(scope)?.unwrap_or(ScopeRow(0));
        let selected = self.with_summaries(self.select(scope, selection)?)?;
        let mut passages = 0;
        let mut sessions = BTreeSet::new();
        for &(row, _, session) in &selected {
            passages += self
                .conn
                .prepare_cached("SELECT count(*) FROM passage WHERE memory_id = ?1")?
                .query_row([row], |row| row.get::<_, u64>(0))?;
            self.conn.prepare_cached("DELETE FROM memory WHERE id = ?1")?.execute([row])?;
            sessions.extend(session);
        }
        if let Selection::Session(id) = selection {
            sessions.extend(self.session_row(scope, *id)?);
        }
        self.drop_what_is_left(scope, *selection == Selection::All, &sessions)?;
        self.log_erased(scope.0)?;
        let rows = selected.iter().map(|(row, ..)| *row).collect();
        let mut ids: Vec<MemoryId> = selected.into_iter().map(|(_, id, _)| id).collect();
        ids.sort_unstable();
        let receipt = self.write_receipt(&ids, passages, now)?;
        Ok(Erased { receipt, ids, rows })
    }

    /// The selected memories, each once.
    fn select(&self, scope: ScopeRow, selection: &Selection) -> Result<Vec<Selected>, StoreError> {
        let known = |row: &Row<'_>| Ok((row.get(0)?, MemoryId::from_bytes(row.get(1)?), row.get(2)?));
        let all = |condition: &str, value: &dyn rusqlite::ToSql| -> Result<Vec<_>, StoreError> {
            let sql = format!("SELECT id, uid, session_id FROM memory WHERE scope_id = ?1 AND {condition} ORDER BY id");
            let mut statement = self.conn.prepare_cached(&sql)?;
            let rows = statement.query_map(params![scope.0, value], known)?;
            Ok(rows.collect::<Result<_, _>>()?)
        };
        match selection {
            Selection::Ids(ids) => {
                let ids: BTreeSet<MemoryId> = ids.iter().copied().collect();
                let mut statement = self
                    .conn
                    .prepare_cached("SELECT id, uid, session_id FROM memory WHERE uid = ?1 AND scope_id = ?2")?;
                let mut selected = Vec::with_capacity(ids.len());
                for id in ids {
                    let found = statement.query_row(params![id.as_bytes(), scope.0], known).optional()?;
                    selected.push(found.ok_or(StoreError::NoMemory { id })?);
                }
                Ok(selected)
            }
            Selection::All => all("?2", &true),
            Selection::Source(name) => all("source_id = (SELECT id FROM source WHERE name = ?2)", name),
            Selection::Session(id) => match self.session_row(scope, *id)? {
                Some(row) => all("session_id = ?2", &row),
                None => Err(StoreError::NoSession { session: id.to_string() }),
            },
            Selection::HappenedBefore(time) => all("coalesce(occurred_at, stored_at) < ?2", &time.as_millisecond()),
            Selection::StoredBefore(time) => all("stored_at < ?2", &time.as_millisecond()),
        }
    }

    /// What is selected, and the summaries that tell of it. Turns of these that are not selected wait for another summary.
    fn with_summaries(&self, mut selected: Vec<Selected>) -> Result<Vec<Selected>, StoreError> {
        let mut known: BTreeSet<RowId> = selected.iter().map(|(row, ..)| *row).collect();
        for at in 0..selected.len() {
            let Some(&(row, ..)) = selected.get(at) else { break };
            for (summary, id) in self.summaries_above(row)? {
                if known.insert(summary) {
                    selected.push((summary, id, None));
                }
            }
        }
        for (row, ..) in &selected {
            self.turns_wait_again(*row)?;
        }
        Ok(selected)
    }

    /// Drops what the deleted memories leave behind; `sessions` are those that lost turns.
    fn drop_what_is_left(&self, scope: ScopeRow, all: bool, sessions: &BTreeSet<RowId>) -> Result<(), StoreError> {
        for session in sessions {
            self.conn
                .prepare_cached(
                    "DELETE FROM session WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM memory WHERE session_id = ?1)",
                )?
                .execute([session])?;
        }
        // Terms and codes of vectors stand there in clear. `maintain` saves what is left when it is due.
        self.conn.execute("DELETE FROM saved WHERE scope_id = ?1", [scope.0])?;
        if all {
            self.conn.execute("DELETE FROM session WHERE scope_id = ?1", [scope.0])?;
            self.conn.execute("DELETE FROM scope WHERE id = ?1", [scope.0])?;
        }
        self.conn.execute(
            "DELETE FROM source WHERE id NOT IN (SELECT source_id FROM memory WHERE source_id IS NOT NULL)",
            [],
        )?;
        self.conn.execute(
            "UPDATE memory_state SET ended_by = NULL
             WHERE ended_by IS NOT NULL AND NOT EXISTS (SELECT 1 FROM memory WHERE id = ended_by)",
            [],
        )?;
        Ok(())
    }

    fn write_receipt(&self, ids: &[MemoryId], passages: u64, now: Timestamp) -> Result<ErasureRow, StoreError> {
        let receipt = ErasureRow {
            id: ReceiptId::new(now),
            requested_at: time_from_millis("erasure", 0, now.as_millisecond())?,
            finished_at: None,
            memories: ids.len() as u64,
            passages,
            digest: digest(ids),
        };
        self.conn
            .prepare_cached(
                "INSERT INTO erasure (uid, requested_at, memories, passages, digest) VALUES (?1, ?2, ?3, ?4, ?5)",
            )?
            .execute(params![
                receipt.id.as_bytes(),
                now.as_millisecond(),
                receipt.memories,
                passages,
                receipt.digest
            ])?;
        self.conn
            .prepare_cached("UPDATE meta SET scrub_pending = coalesce(scrub_pending, ?1) WHERE id = 1")?
            .execute([now.as_millisecond()])?;
        Ok(receipt)
    }
}

impl Snapshot<'_> {
    /// The receipts of all erasures in this file, of every scope, the oldest first.
    ///
    /// # Errors
    /// When the file cannot be read or a row is damaged.
    pub fn receipts(&self) -> Result<Vec<ErasureRow>, StoreError> {
        let mut statement = self.conn.prepare_cached(&format!("{RECEIPT} ORDER BY id"))?;
        let mut rows = statement.query([])?;
        let mut receipts = Vec::new();
        while let Some(row) = rows.next()? {
            receipts.push(receipt_from_row(row)?);
        }
        Ok(receipts)
    }

    /// The receipt of this id.
    ///
    /// # Errors
    /// When the file cannot be read or the row is damaged.
    pub fn receipt(&self, id: ReceiptId) -> Result<Option<ErasureRow>, StoreError> {
        let mut statement = self.conn.prepare_cached(&format!("{RECEIPT} WHERE uid = ?1"))?;
        let mut rows = statement.query([id.as_bytes()])?;
        rows.next()?.map(receipt_from_row).transpose()
    }
}

impl Store {
    /// The receipts of all erasures in this file: see [`Snapshot::receipts`].
    ///
    /// # Errors
    /// As there.
    pub fn receipts(&self) -> Result<Vec<ErasureRow>, StoreError> {
        self.read(|snapshot| snapshot.receipts())
    }

    /// Holds a receipt against the ids of what was to be erased. `None` when there is no such receipt.
    ///
    /// # Errors
    /// When the file cannot be read or the row is damaged.
    pub fn verify(&self, receipt: ReceiptId, ids: &[MemoryId]) -> Result<Option<Verified>, StoreError> {
        let ids: Vec<MemoryId> = ids.iter().copied().collect::<BTreeSet<_>>().into_iter().collect();
        self.read(|snapshot| {
            let Some(receipt) = snapshot.receipt(receipt)? else { return Ok(None) };
            let mut statement = snapshot.conn.prepare_cached("SELECT 1 FROM memory WHERE uid = ?1")?;
            let mut still_there = 0;
            for id in &ids {
                still_there += u64::from(statement.exists([id.as_bytes()])?);
            }
            Ok(Some(Verified {
                fits: receipt.memories == ids.len() as u64 && receipt.digest == digest(&ids),
                still_there,
                is_finished: receipt.finished_at.is_some(),
            }))
        })
    }
}

const RECEIPT: &str = "SELECT id, uid, requested_at, finished_at, memories, passages, digest FROM erasure";

fn receipt_from_row(row: &Row<'_>) -> Result<ErasureRow, StoreError> {
    let cells = Cells::new(row, "erasure")?;
    let time = |millis| time_from_millis("erasure", cells.id(), millis);
    Ok(ErasureRow {
        id: ReceiptId::from_bytes(cells.get(1)?),
        requested_at: time(cells.get(2)?)?,
        finished_at: cells.get::<Option<i64>>(3)?.map(time).transpose()?,
        memories: cells.get(4)?,
        passages: cells.get(5)?,
        digest: cells.get(6)?,
    })
}

/// Of ids that ascend and differ.
fn digest(ids: &[MemoryId]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    ids.iter().for_each(|id| hasher.update(id.as_bytes()));
    hasher.finalize().into()
}

fn hexadecimal<S: serde::Serializer>(bytes: &[u8; 32], serializer: S) -> Result<S::Ok, S::Error> {
    use std::fmt::Write;
    let mut text = String::with_capacity(64);
    for byte in bytes {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
    }
    serializer.serialize_str(&text)
}
