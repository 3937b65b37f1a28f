//! Summaries as rows: which turns wait for one, what each was made of, and what goes with what it was made of.

use mnemon_core::{Memory, MemoryId, Scope, SessionId};
use rusqlite::{Rows, params};

use crate::cells::{Cells, OfRow};
use crate::scopes::scope_from_parts;
use crate::{RowId, ScopeRow, Snapshot, StoreError, WriteTx};

/// Where in the metadata of a summary the engine notes what it made it of: an object with the depth and whatever else is
/// known of it.
pub const MADE_KEY: &str = "summary_of";

/// A summary that the engine made.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct SummaryRow {
    /// Its row.
    pub row: RowId,
    /// The summary.
    pub memory: Memory,
    /// 1 for a summary of turns, 2 for one of summaries of turns, and so on.
    pub depth: u32,
}

/// Whether a row of `memory AS m` is a summary that the engine made.
macro_rules! is_made {
    () => {
        "(m.kind = 5 AND EXISTS (SELECT 1 FROM summary WHERE memory_id = m.id))"
    };
}

pub(crate) use is_made;

/// The summaries above a memory: those that it went into, those that these went into, and so on.
const ABOVE: &str = "
    WITH RECURSIVE above (id) AS (
        SELECT summary_id FROM summary_turn WHERE turn_id = ?1
        UNION SELECT parent FROM summary WHERE memory_id = ?1 AND parent IS NOT NULL
        UNION SELECT parent FROM summary JOIN above ON memory_id = above.id WHERE parent IS NOT NULL
    )
    SELECT memory.id, memory.uid FROM above JOIN memory ON memory.id = above.id ORDER BY memory.id";

impl Snapshot<'_> {
    /// The turns of a session that wait for a summary, the first `limit` in the order of the conversation.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn due_for_summary(
        &self,
        scope: ScopeRow,
        session: SessionId,
        limit: usize,
    ) -> Result<Vec<(RowId, Memory)>, StoreError> {
        let Some(session) = self.session_row(scope, session)? else { return Ok(Vec::new()) };
        let mut statement = self
            .conn
            .prepare_cached("SELECT turn_id FROM summary_due WHERE session_id = ?1 ORDER BY turn_id LIMIT ?2")?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let rows = read(statement.query(params![session, limit])?, "summary_due", |cells| Ok(cells.id()))?;
        self.memories(&rows)
    }

    /// The sessions, of every scope, in which at least so many turns wait for a summary.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn sessions_due_for_summary(&self, at_least: usize) -> Result<Vec<(Scope, SessionId)>, StoreError> {
        let mut statement = self.conn.prepare_cached(
            "SELECT session.id, user, agent, project, session.uid
             FROM (SELECT session_id FROM summary_due GROUP BY session_id HAVING count(*) >= ?1) AS due
             JOIN session ON session.id = due.session_id JOIN scope ON scope.id = session.scope_id ORDER BY session.id",
        )?;
        let rows = statement.query([i64::try_from(at_least).unwrap_or(i64::MAX)])?;
        read(rows, "session", |cells| {
            let [user, agent, project]: [String; 3] = [cells.get(1)?, cells.get(2)?, cells.get(3)?];
            Ok((scope_from_parts(cells.id(), &user, &agent, &project)?, SessionId::from_bytes(cells.get(4)?)))
        })
    }

    /// The summaries of a session that went into no other, in the order of the conversation: together they stand for all
    /// turns of it that were summarised.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn top_summaries(&self, scope: ScopeRow, session: SessionId) -> Result<Vec<SummaryRow>, StoreError> {
        let Some(session) = self.session_row(scope, session)? else { return Ok(Vec::new()) };
        self.summaries_where("session_id = ?1 AND parent IS NULL ORDER BY first_turn", [session])
    }

    /// Of the summaries that went into no other the first `count` of the lowest depth that has so many; none where no depth
    /// has.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn summaries_to_join(
        &self,
        scope: ScopeRow,
        session: SessionId,
        count: usize,
    ) -> Result<Vec<SummaryRow>, StoreError> {
        let Some(session) = self.session_row(scope, session)? else { return Ok(Vec::new()) };
        let depth: Option<u32> = self
            .conn
            .prepare_cached(
                "SELECT min(depth) FROM (SELECT depth FROM summary WHERE session_id = ?1 AND parent IS NULL
                 GROUP BY depth HAVING count(*) >= ?2)",
            )?
            .query_row(params![session, i64::try_from(count).unwrap_or(i64::MAX)], |row| row.get(0))
            .of_row("summary", 0)?;
        let Some(depth) = depth else { return Ok(Vec::new()) };
        let mut first = self.summaries_where(
            "session_id = ?1 AND parent IS NULL AND depth = ?2 ORDER BY first_turn",
            params![session, depth],
        )?;
        first.truncate(count);
        Ok(first)
    }

    /// Whether a summary of this depth may be made of these: turns that still wait for one, or summaries of the depth before
    /// that went into no other.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn may_be_summarised(
        &self,
        (scope, session): (ScopeRow, SessionId),
        depth: u32,
        parts: &[RowId],
    ) -> Result<bool, StoreError> {
        let Some(session) = self.session_row(scope, session)? else { return Ok(false) };
        let known = match depth {
            1 => "SELECT 1 FROM summary_due WHERE session_id = ?1 AND turn_id = ?2 AND ?3 = 1",
            _ => "SELECT 1 FROM summary WHERE session_id = ?1 AND memory_id = ?2 AND depth = ?3 - 1 AND parent IS NULL",
        };
        let mut known = self.conn.prepare_cached(known)?;
        for part in parts {
            if !known.exists(params![session, part, depth])? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The summary of this id, if it is in the scope and the engine made it.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn summary(&self, scope: ScopeRow, id: MemoryId) -> Result<Option<SummaryRow>, StoreError> {
        match self.memory_row(scope, id)? {
            Some(row) => Ok(self.summaries_where("memory_id = ?1", [row])?.pop()),
            None => Ok(None),
        }
    }

    /// What a summary was made of, in the order of the conversation: turns, or summaries of one depth less. Empty for a
    /// memory that the engine did not make.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn summary_parts(&self, summary: RowId) -> Result<Vec<(RowId, Memory)>, StoreError> {
        let mut statement = self.conn.prepare_cached(
            "SELECT turn_id, turn_id FROM summary_turn WHERE summary_id = ?1
             UNION ALL SELECT memory_id, first_turn FROM summary WHERE parent = ?1 ORDER BY 2",
        )?;
        let rows = read(statement.query([summary])?, "summary_turn", |cells| Ok(cells.id()))?;
        self.memories(&rows)
    }

    /// The summaries above a memory, with their ids.
    pub(crate) fn summaries_above(&self, row: RowId) -> Result<Vec<(RowId, MemoryId)>, StoreError> {
        let mut statement = self.conn.prepare_cached(ABOVE)?;
        read(statement.query([row])?, "memory", |cells| Ok((cells.id(), MemoryId::from_bytes(cells.get(1)?))))
    }

    fn summaries_where(&self, condition: &str, values: impl rusqlite::Params) -> Result<Vec<SummaryRow>, StoreError> {
        let mut statement =
            self.conn.prepare_cached(&format!("SELECT memory_id, depth FROM summary WHERE {condition}"))?;
        let places: Vec<(RowId, u32)> =
            read(statement.query(values)?, "summary", |cells| Ok((cells.id(), cells.get(1)?)))?;
        let rows: Vec<RowId> = places.iter().map(|(row, _)| *row).collect();
        // Same snapshot, so every summary has its memory (the reference says so).
        let memories = self.memories(&rows)?.into_iter().zip(places);
        Ok(memories.map(|((row, memory), (_, depth))| SummaryRow { row, memory, depth }).collect())
    }
}

impl WriteTx<'_> {
    /// Notes that turns of a session left its window and wait for a summary.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn await_summary(&self, scope: ScopeRow, session: SessionId, turns: &[RowId]) -> Result<(), StoreError> {
        let Some(session) = self.session_row(scope, session)? else { return Ok(()) };
        let mut statement =
            self.conn.prepare_cached("INSERT OR IGNORE INTO summary_due (session_id, turn_id) VALUES (?1, ?2)")?;
        for turn in turns {
            statement.execute(params![session, turn])?;
        }
        Ok(())
    }

    /// Notes that turns wait for no summary any more.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn await_no_summary(&self, scope: ScopeRow, session: SessionId, turns: &[RowId]) -> Result<(), StoreError> {
        let Some(session) = self.session_row(scope, session)? else { return Ok(()) };
        let mut statement =
            self.conn.prepare_cached("DELETE FROM summary_due WHERE session_id = ?1 AND turn_id = ?2")?;
        for turn in turns {
            statement.execute(params![session, turn])?;
        }
        Ok(())
    }

    /// Enters a memory, added in this transaction, as a summary of `parts`, of which [`Snapshot::may_be_summarised`] said that
    /// they may. Turns wait no longer; summaries are at the top no longer.
    ///
    /// # Errors
    /// [`StoreError::NoSession`], and when the file cannot be written.
    pub fn enter_summary(
        &self,
        (scope, session): (ScopeRow, SessionId),
        summary: RowId,
        depth: u32,
        parts: &[RowId],
    ) -> Result<(), StoreError> {
        let row =
            self.session_row(scope, session)?.ok_or_else(|| StoreError::NoSession { session: session.to_string() })?;
        let mut first = i64::MAX;
        for part in parts {
            first = first.min(match depth {
                1 => *part,
                _ => self
                    .conn
                    .prepare_cached("SELECT first_turn FROM summary WHERE memory_id = ?1")?
                    .query_row([part], |row| row.get(0))
                    .of_row("summary", *part)?,
            });
        }
        self.conn
            .prepare_cached("INSERT INTO summary (memory_id, session_id, depth, first_turn) VALUES (?1, ?2, ?3, ?4)")?
            .execute(params![summary, row, depth, first])?;
        let enter = match depth {
            1 => "INSERT INTO summary_turn (turn_id, summary_id) VALUES (?1, ?2)",
            _ => "UPDATE summary SET parent = ?2 WHERE memory_id = ?1",
        };
        let mut enter = self.conn.prepare_cached(enter)?;
        for part in parts {
            enter.execute(params![part, summary])?;
        }
        if depth == 1 {
            self.await_no_summary(scope, session, parts)?;
        }
        Ok(())
    }

    /// Deletes the summaries above a memory that goes, changes or does not hold any more: they tell of it. Their other turns
    /// wait for a summary again, and summaries below them are at the top.
    pub(crate) fn drop_summaries_above(&self, row: RowId) -> Result<(), StoreError> {
        for (summary, _) in self.summaries_above(row)? {
            self.drop_summary(summary)?;
        }
        Ok(())
    }

    fn drop_summary(&self, summary: RowId) -> Result<(), StoreError> {
        self.turns_wait_again(summary)?;
        self.conn.prepare_cached("DELETE FROM memory WHERE id = ?1")?.execute([summary])?;
        Ok(())
    }

    /// The turns of a summary that is about to go wait for another one.
    pub(crate) fn turns_wait_again(&self, summary: RowId) -> Result<(), StoreError> {
        self.conn
            .prepare_cached(
                "INSERT OR IGNORE INTO summary_due (session_id, turn_id)
                 SELECT session_id, turn_id FROM summary JOIN summary_turn ON summary_id = memory_id
                 WHERE memory_id = ?1",
            )?
            .execute([summary])?;
        Ok(())
    }
}

/// Each row of a query whose first column is the number of a row of `table`.
fn read<T>(
    mut rows: Rows<'_>,
    table: &'static str,
    each: impl Fn(&Cells<'_>) -> Result<T, StoreError>,
) -> Result<Vec<T>, StoreError> {
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(each(&Cells::new(row, table)?)?);
    }
    Ok(found)
}
