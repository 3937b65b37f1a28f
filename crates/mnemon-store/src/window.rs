//! The window of a session as rows: which of its turns are active there.

use mnemon_core::{Memory, SessionId, Timestamp};
use rusqlite::params;

use crate::memories::time_from_millis;
use crate::{RowId, ScopeRow, Snapshot, StoreError, WriteTx};

/// The turn of a row. Rows of a window are found by their session.
const PLACE: &str = "session_id = (SELECT session_id FROM memory WHERE id = ?1) AND memory_id = ?1";

/// A turn that is active in the window of its session.
#[derive(Debug, Clone, PartialEq)]
pub struct WindowRow {
    /// Its row.
    pub row: RowId,
    /// The turn.
    pub memory: Memory,
    /// When it was last part of a context, or else when it was stored.
    pub last_access: Timestamp,
}

impl Snapshot<'_> {
    /// The turns in the window of a session, in the order of the conversation.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn window(&self, scope: ScopeRow, session: SessionId) -> Result<Vec<WindowRow>, StoreError> {
        self.newest_in_window(scope, session, usize::MAX)
    }

    /// The last turns in the window of a session, at most so many, in the order of the conversation. Reads no more than
    /// these.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn newest_in_window(
        &self,
        scope: ScopeRow,
        session: SessionId,
        limit: usize,
    ) -> Result<Vec<WindowRow>, StoreError> {
        let Some(session) = self.session_row(scope, session)? else { return Ok(Vec::new()) };
        // The rows of a session ascend with the positions of its turns: ids are never used again.
        let mut statement = self.conn.prepare_cached(
            "SELECT memory_id, last_access FROM window WHERE session_id = ?1 ORDER BY memory_id DESC LIMIT ?2",
        )?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let mut places: Vec<(RowId, i64)> = statement
            .query_map(params![session, limit], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect::<Result<_, _>>()?;
        places.reverse();
        let rows: Vec<RowId> = places.iter().map(|(row, _)| *row).collect();
        let memories = self.memories(&rows)?;
        // Same snapshot, so every row of the window has its memory (the join says so).
        let pairs = memories.into_iter().zip(places);
        pairs
            .map(|((row, memory), (_, at))| {
                Ok(WindowRow { row, memory, last_access: time_from_millis("window", row, at)? })
            })
            .collect()
    }
}

impl Snapshot<'_> {
    /// Where the next turn of a session will stand.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn next_position(&self, session: SessionId) -> Result<i64, StoreError> {
        Ok(self
            .conn
            .prepare_cached(
                "SELECT coalesce(max(position) + 1, 0) FROM memory
                 WHERE session_id = (SELECT id FROM session WHERE uid = ?1)",
            )?
            .query_row([session.as_bytes()], |row| row.get(0))?)
    }

    /// A number that is another one when another connection to the file, of this process or any other, has written since
    /// it was asked for on this connection. Of two calls of [`Store::write`](crate::Store::write), the later one can tell
    /// so whether what it knows of the earlier one still holds but for the writes of its own store.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn writes_of_others(&self) -> Result<i64, StoreError> {
        Ok(self.conn.prepare_cached("PRAGMA data_version")?.query_row([], |row| row.get(0))?)
    }
}

impl WriteTx<'_> {
    /// Makes turns active in long-term memory that were active in a window. The rows themselves do not change: they
    /// were findable before and are findable after. Returns how many moved.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn move_to_long_term(&self, rows: &[RowId]) -> Result<usize, StoreError> {
        let mut statement = self.conn.prepare_cached(&format!("DELETE FROM window WHERE {PLACE}"))?;
        let mut moved = 0;
        for row in rows {
            moved += statement.execute([row])?;
        }
        Ok(moved)
    }

    /// Notes that turns of the window were part of a context at `now`.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn touch_window(&self, rows: &[RowId], now: Timestamp) -> Result<(), StoreError> {
        let mut statement =
            self.conn.prepare_cached(&format!("UPDATE window SET last_access = max(last_access, ?2) WHERE {PLACE}"))?;
        for row in rows {
            statement.execute(params![row, now.as_millisecond()])?;
        }
        Ok(())
    }
}
