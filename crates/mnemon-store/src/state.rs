//! What is known of a memory beside what it says, as rows: only memories of which there is anything to say have one.

use mnemon_core::{EndReason, Ended, Kind, MemoryId, Role, Slot, State, Timestamp, Trust};
use rusqlite::{OptionalExtension, Row, params};

use crate::cells::{Cells, OfRow};
use crate::memories::time_from_millis;
use crate::summaries::is_made;
use crate::{MemoryUpdate, RowId, ScopeRow, Snapshot, StoreError, WriteTx};

/// A memory as far as forgetting has to know it.
#[derive(Debug, Clone, PartialEq)]
pub struct Standing {
    /// Its row.
    pub row: RowId,
    /// Its identity.
    pub id: MemoryId,
    /// What it is.
    pub kind: Kind,
    /// Whether it is part of every context.
    pub pinned: bool,
    /// Whether it is a turn that is active in the window of its session.
    pub in_window: bool,
    /// When it happened, else when it was stored.
    pub time: Timestamp,
    /// How much it matters, how long it holds, how it was used.
    pub state: State,
}

impl Snapshot<'_> {
    /// Every memory of a scope, in the order in which they were stored, but the summaries that the engine made: those go with
    /// their turns. No text is read.
    ///
    /// # Errors
    /// When the file cannot be read or a row is damaged.
    pub fn each_standing(&self, scope: ScopeRow, mut each: impl FnMut(Standing)) -> Result<(), StoreError> {
        let mut statement = self.conn.prepare_cached(concat!(
            "SELECT m.id, m.uid, m.kind, m.pinned, window.memory_id IS NOT NULL, coalesce(m.occurred_at, m.stored_at),
                    st.importance, st.uses, st.last_used, st.expires_at, st.ended_at, st.ended_why,
                    (SELECT uid FROM memory WHERE id = st.ended_by), st.subject, st.slot
             FROM memory AS m
             LEFT JOIN window ON window.session_id = m.session_id AND window.memory_id = m.id
             LEFT JOIN memory_state AS st ON st.memory_id = m.id
             WHERE m.scope_id = ?1 AND NOT ",
            is_made!(),
            " ORDER BY m.id"
        ))?;
        let mut rows = statement.query([scope.0])?;
        while let Some(row) = rows.next()? {
            let cells = Cells::new(row, "memory")?;
            let (id, kind): (RowId, i64) = (cells.id(), cells.get(2)?);
            each(Standing {
                row: id,
                id: MemoryId::from_bytes(cells.get(1)?),
                kind: Kind::from_code(kind).ok_or_else(|| cells.bad("the code of a kind", kind.to_string()))?,
                pinned: cells.get(3)?,
                in_window: cells.get(4)?,
                time: time_from_millis("memory", id, cells.get(5)?)?,
                state: state_from_row(id, row, 6)?,
            });
        }
        Ok(())
    }

    /// The memory of a scope that is about a slot and has not ended, the newest where there are several.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn memory_about(&self, scope: ScopeRow, about: &Slot) -> Result<Option<RowId>, StoreError> {
        Ok(self
            .conn
            .prepare_cached(
                "SELECT m.id FROM memory_state AS st JOIN memory AS m ON m.id = st.memory_id
                 WHERE st.subject = ?1 AND st.slot = ?2 AND m.scope_id = ?3 AND st.ended_at IS NULL
                 ORDER BY m.id DESC LIMIT 1",
            )?
            .query_row(params![about.subject, about.slot, scope.0], |row| row.get(0))
            .optional()?)
    }

    /// Every memory of a scope that was ever about a slot, in the order in which they were stored.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn memories_about(&self, scope: ScopeRow, about: &Slot) -> Result<Vec<RowId>, StoreError> {
        let mut statement = self.conn.prepare_cached(
            "SELECT m.id FROM memory_state AS st JOIN memory AS m ON m.id = st.memory_id
             WHERE st.subject = ?1 AND st.slot = ?2 AND m.scope_id = ?3 ORDER BY m.id",
        )?;
        let rows = statement.query_map(params![about.subject, about.slot, scope.0], |row| row.get(0))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

impl WriteTx<'_> {
    /// Lets a memory of this scope end. What has ended stays as history, and is found as of a time before its end. False
    /// when it had ended before: then it keeps its first end.
    ///
    /// # Errors
    /// [`StoreError::NoMemory`] when it, or the one that takes its place, is not in this scope; and when the file cannot be
    /// written.
    pub fn end(&self, scope: ScopeRow, id: MemoryId, ended: Ended) -> Result<bool, StoreError> {
        let row = self.memory_row(scope, id)?.ok_or(StoreError::NoMemory { id })?;
        let by = match ended.by {
            Some(by) => Some(self.memory_row(scope, by)?.ok_or(StoreError::NoMemory { id: by })?),
            None => None,
        };
        self.ensure_state(row)?;
        let changed = self
            .conn
            .prepare_cached(
                "UPDATE memory_state SET ended_at = ?2, ended_why = ?3, ended_by = ?4
                 WHERE memory_id = ?1 AND ended_at IS NULL",
            )?
            .execute(params![row, ended.at.as_millisecond(), ended.why.code(), by])?;
        if changed > 0 {
            self.drop_summaries_above(row)?;
        }
        Ok(changed > 0)
    }

    /// Notes that memories were shown: how often, and when last. Rows that are gone are passed over.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn note_uses(&self, uses: &[(RowId, u32, Timestamp)]) -> Result<(), StoreError> {
        let mut statement = self.conn.prepare_cached(
            "INSERT INTO memory_state (memory_id, uses, last_used) SELECT id, ?2, ?3 FROM memory WHERE id = ?1
             ON CONFLICT (memory_id) DO UPDATE SET uses = uses + excluded.uses,
                 last_used = max(coalesce(last_used, excluded.last_used), excluded.last_used)",
        )?;
        for (row, count, last) in uses {
            statement.execute(params![row, count, last.as_millisecond()])?;
        }
        Ok(())
    }

    /// Writes what is known of a new memory; nothing when that is what everybody starts with.
    pub(crate) fn write_state(
        &self,
        row: RowId,
        scope: ScopeRow,
        trust: Option<Trust>,
        state: &State,
    ) -> Result<(), StoreError> {
        if trust.is_none() && state.is_default() {
            return Ok(());
        }
        let by = match state.ended.and_then(|ended| ended.by) {
            Some(by) => self.memory_row(scope, by)?,
            None => None,
        };
        let millis = |time: Option<Timestamp>| time.map(Timestamp::as_millisecond);
        self.conn
            .prepare_cached(
                "INSERT INTO memory_state (memory_id, trust, importance, uses, last_used, expires_at, ended_at, ended_why,
                                           ended_by, subject, slot)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
            )?
            .execute(params![
                row,
                trust.map(Trust::code),
                state.importance,
                state.uses,
                millis(state.last_used),
                millis(state.expires_at),
                millis(state.ended.map(|ended| ended.at)),
                state.ended.map(|ended| ended.why.code()),
                by,
                state.about.as_ref().map(|about| &about.subject),
                state.about.as_ref().map(|about| &about.slot),
            ])?;
        Ok(())
    }

    /// Changes what an update says of it.
    pub(crate) fn update_state(&self, row: RowId, update: &MemoryUpdate) -> Result<(), StoreError> {
        if update.trust.is_none() && update.importance.is_none() && update.expires_at.is_none() {
            return Ok(());
        }
        if let Some(importance) = update.importance {
            check_importance(importance)?;
        }
        self.ensure_state(row)?;
        if let Some(trust) = update.trust {
            let role: Option<i64> = self
                .conn
                .prepare_cached("SELECT role FROM memory WHERE id = ?1")?
                .query_row([row], |row| row.get(0))
                .of_row("memory", row)?;
            let trust = trust.min(Trust::most(role.and_then(Role::from_code)));
            self.conn
                .prepare_cached("UPDATE memory_state SET trust = ?2 WHERE memory_id = ?1")?
                .execute(params![row, trust.code()])?;
        }
        if let Some(importance) = update.importance {
            self.conn
                .prepare_cached("UPDATE memory_state SET importance = ?2 WHERE memory_id = ?1")?
                .execute(params![row, importance])?;
        }
        if let Some(expires_at) = update.expires_at {
            self.conn
                .prepare_cached("UPDATE memory_state SET expires_at = ?2 WHERE memory_id = ?1")?
                .execute(params![row, expires_at.map(Timestamp::as_millisecond)])?;
        }
        Ok(())
    }

    fn ensure_state(&self, row: RowId) -> Result<(), StoreError> {
        self.conn.prepare_cached("INSERT OR IGNORE INTO memory_state (memory_id) VALUES (?1)")?.execute([row])?;
        Ok(())
    }
}

pub(crate) fn check_importance(importance: f32) -> Result<(), StoreError> {
    if (0.0..=1.0).contains(&importance) {
        return Ok(());
    }
    Err(StoreError::Invalid { field: "importance", expected: "a number from 0 to 1", got: importance.to_string() })
}

/// The trust of a row: what is stored, else what is usual.
pub(crate) fn trust_from_code(row: RowId, code: Option<i64>, usual: Trust) -> Result<Trust, StoreError> {
    let unknown = |code: i64| damaged(row, "the code of a class of trust", code.to_string());
    code.map_or(Ok(usual), |code| Trust::from_code(code).ok_or_else(|| unknown(code)))
}

/// The state in a row that has importance, uses, last use, expiry, end, its reason and whose it is, subject and slot from
/// column `at` on; what everybody starts with where they are NULL.
pub(crate) fn state_from_row(id: RowId, row: &Row<'_>, at: usize) -> Result<State, StoreError> {
    let cells = Cells::of(row, "memory_state", id);
    let time = |column: usize| -> Result<Option<Timestamp>, StoreError> {
        cells.get::<Option<i64>>(column)?.map(|at| time_from_millis("memory_state", id, at)).transpose()
    };
    let usual = State::default();
    let ended = match (time(at + 4)?, cells.get::<Option<i64>>(at + 5)?) {
        (Some(ended_at), Some(why)) => Some(Ended {
            at: ended_at,
            why: EndReason::from_code(why)
                .ok_or_else(|| damaged(id, "the code of a reason for an end", why.to_string()))?,
            by: cells.get::<Option<[u8; 16]>>(at + 6)?.map(MemoryId::from_bytes),
        }),
        _ => None,
    };
    let about = match (cells.get(at + 7)?, cells.get(at + 8)?) {
        (Some(subject), Some(slot)) => Some(Slot { subject, slot }),
        _ => None,
    };
    Ok(State {
        importance: cells.get::<Option<f32>>(at)?.unwrap_or(usual.importance),
        uses: cells.get::<Option<u32>>(at + 1)?.unwrap_or(usual.uses),
        last_used: time(at + 2)?,
        expires_at: time(at + 3)?,
        ended,
        about,
    })
}

fn damaged(row: RowId, expected: &'static str, got: String) -> StoreError {
    StoreError::BadRow { table: "memory_state", row, expected, got }
}
