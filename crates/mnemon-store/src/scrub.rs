//! Scrubbing: the bytes of what was erased go from every file of the database.
//!
//! Deleting leaves four kinds of traces, and each needs a step of its own:
//!
//! 1. The text indexes keep the terms of a deleted row until its segment is merged: both are merged into one segment.
//! 2. Where rows were moved from page to page, copies of them stay in the unused part of pages. `secure_delete` zeroes
//!    what is deleted and pages that are freed, but knows nothing of these copies: the file is written anew (`VACUUM`).
//! 3. The write-ahead log holds pages as they were before: it is copied into the file and cut to nothing
//!    (`wal_checkpoint(TRUNCATE)`).
//! 4. What was saved of an index stands in rows, which [`WriteTx::erase`](crate::WriteTx::erase) deletes.

use std::time::Duration;

use mnemon_core::Timestamp;
use rusqlite::{Connection, OptionalExtension, TransactionBehavior};

use crate::cells::OfRow;
use crate::connection::{ATTEMPT, retry_busy};
use crate::memories::time_from_millis;
use crate::{RowId, Store, StoreError};

/// A checkpoint that waits for a reader keeps writers out, so it waits for short times only; the pauses between are theirs.
const CHECKPOINT_ATTEMPT: Duration = Duration::from_millis(20);

/// `VACUUM` makes a copy of the file, in memory up to this size, above it in a temporary file without a name.
const VACUUM_IN_MEMORY: i64 = 1 << 30;

/// How scrubbing ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Scrubbed {
    /// Nothing waited for it.
    Nothing,
    /// No byte of what was erased before is left in the files of the database.
    Done,
    /// Somebody reads an older state of the file, or writes. It is still to be done.
    Blocked,
}

/// What waits when scrubbing begins. What is erased later waits for the next one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Pending {
    since: i64,
    /// The last receipt; 0 when there is none.
    upto: RowId,
}

impl Store {
    /// Makes the bytes of what was erased go from the file and its log, if anything waits for it. Writes the file anew:
    /// about 1 s for each 100 MB, in which reads go on and writes wait. Waits for readers of older states at most
    /// for the busy timeout.
    ///
    /// # Errors
    /// [`StoreError::ReadOnly`]; [`StoreError::Full`] when there is no room for a second copy of the file; and when it
    /// cannot be written. It is then still to be done, and nothing is lost.
    pub fn scrub(&self) -> Result<Scrubbed, StoreError> {
        if self.is_read_only() {
            return Err(StoreError::ReadOnly);
        }
        self.scrub_within(self.options().busy_timeout)
    }

    /// Since when deleted bytes may lie in the file that are to go; `None` when there are none.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn scrub_pending(&self) -> Result<Option<Timestamp>, StoreError> {
        let since: Option<i64> = self.read(|snapshot| -> Result<_, StoreError> {
            let mut statement = snapshot.conn.prepare_cached("SELECT scrub_pending FROM meta WHERE id = 1")?;
            statement.query_row([], |row| row.get(0)).of_row("meta", 1)
        })?;
        since.map(|millis| time_from_millis("meta", 1, millis)).transpose()
    }

    /// Goes on with what an earlier process left. It waits for nobody, and that it fails is no reason not to open the file.
    pub(crate) fn scrub_on_opening(&self) {
        if self.is_read_only() {
            return;
        }
        match self.scrub_within(Duration::ZERO) {
            Ok(Scrubbed::Blocked) => tracing::info!("erased bytes are still in the file: somebody else uses it"),
            Ok(_) => {}
            Err(error) => tracing::warn!(%error, "erased bytes are still in the file"),
        }
    }

    fn scrub_within(&self, timeout: Duration) -> Result<Scrubbed, StoreError> {
        match self.try_scrub(timeout) {
            Err(StoreError::Busy { .. }) => Ok(Scrubbed::Blocked),
            done => done,
        }
    }

    fn try_scrub(&self, timeout: Duration) -> Result<Scrubbed, StoreError> {
        let Some(pending) = pending(&*self.lock_writer()?)? else { return Ok(Scrubbed::Nothing) };
        // As long as a reader is in the way the file is not written anew: the log would grow by a copy of it each time.
        self.checkpoint(timeout)?;
        self.immediate(timeout, merge_text_indexes)?;
        self.write_anew(timeout)?;
        self.checkpoint(timeout)?;
        self.immediate(timeout, |conn| finish(conn, pending))?;
        // Nothing of what was erased is in the log by now. That this is left in it does no harm.
        match self.checkpoint(Duration::ZERO) {
            Ok(()) | Err(StoreError::Busy { .. }) => Ok(Scrubbed::Done),
            Err(error) => Err(error),
        }
    }

    /// Runs `work` in a transaction of its own.
    fn immediate(
        &self,
        timeout: Duration,
        work: impl Fn(&Connection) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let conn = self.lock_writer()?;
        let tx = retry_busy(timeout, || {
            rusqlite::Transaction::new_unchecked(&conn, TransactionBehavior::Immediate).map_err(StoreError::from)
        })?;
        work(&tx)?;
        Ok(tx.commit()?)
    }

    fn write_anew(&self, timeout: Duration) -> Result<(), StoreError> {
        let conn = self.lock_writer()?;
        let number = |pragma: &str| conn.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0));
        let bytes = number("page_count")?.saturating_mul(number("page_size")?);
        if bytes > VACUUM_IN_MEMORY {
            conn.pragma_update(None, "temp_store", "FILE")?;
        }
        let done = retry_busy(timeout, || Ok(conn.execute_batch("VACUUM")?));
        conn.pragma_update(None, "temp_store", "MEMORY")?;
        done
    }

    /// Copies the whole log into the file and cuts it to nothing. [`StoreError::Busy`] when somebody is in the way.
    fn checkpoint(&self, timeout: Duration) -> Result<(), StoreError> {
        retry_busy(timeout, || {
            let conn = self.lock_writer()?;
            conn.busy_timeout(CHECKPOINT_ATTEMPT)?;
            let is_busy = conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, bool>(0));
            conn.busy_timeout(ATTEMPT)?;
            if is_busy? { Err(StoreError::Busy { waited_ms: 0 }) } else { Ok(()) }
        })
    }
}

fn pending(conn: &Connection) -> Result<Option<Pending>, StoreError> {
    let found = conn
        .prepare_cached(
            "SELECT scrub_pending, (SELECT coalesce(max(id), 0) FROM erasure) FROM meta
             WHERE id = 1 AND scrub_pending IS NOT NULL",
        )?
        .query_row([], |row| Ok(Pending { since: row.get(0)?, upto: row.get(1)? }))
        .optional()?;
    Ok(found)
}

/// One segment, without a trace of rows that are gone; nothing to do where it is so already.
fn merge_text_indexes(conn: &Connection) -> Result<(), StoreError> {
    conn.execute("INSERT INTO memory_words (memory_words) VALUES ('optimize')", [])?;
    conn.execute("INSERT INTO memory_grams (memory_grams) VALUES ('optimize')", [])?;
    Ok(())
}

/// By the clock of the machine: no caller gives a time to what is done when a file is opened.
fn finish(conn: &Connection, pending: Pending) -> Result<(), StoreError> {
    conn.execute(
        "UPDATE erasure SET finished_at = CAST(unixepoch('subsec') * 1000 AS INTEGER)
         WHERE finished_at IS NULL AND id <= ?1",
        [pending.upto],
    )?;
    conn.execute(
        "UPDATE meta SET scrub_pending = (SELECT min(requested_at) FROM erasure WHERE finished_at IS NULL)
         WHERE id = 1 AND scrub_pending = ?1",
        [pending.since],
    )?;
    Ok(())
}
