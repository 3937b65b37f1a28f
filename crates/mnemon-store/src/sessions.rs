//! Sessions as rows.

use mnemon_core::{Scope, Session, SessionId, Timestamp};
use rusqlite::{OptionalExtension, Row, params};

use crate::cells::Cells;
use crate::memories::time_from_millis;
use crate::{RowId, ScopeRow, Snapshot, StoreError, WriteTx};

/// A session that is about to begin.
#[derive(Debug, Clone, Copy)]
pub struct NewSession<'a> {
    /// A name that no session of the scope has.
    pub name: Option<&'a str>,
    /// When the conversation began.
    pub started_at: Timestamp,
    /// Whether it is history from elsewhere: then nobody goes on with it unless asked to by name.
    pub imported: bool,
}

impl NewSession<'_> {
    /// A conversation without a name that begins now.
    #[must_use]
    pub fn unnamed(now: Timestamp) -> Self {
        Self { name: None, started_at: now, imported: false }
    }
}

impl Snapshot<'_> {
    /// The row of a session by its id, if it is in this scope.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn session_row(&self, scope: ScopeRow, id: SessionId) -> Result<Option<RowId>, StoreError> {
        Ok(self
            .conn
            .prepare_cached("SELECT id FROM session WHERE uid = ?1 AND scope_id = ?2")?
            .query_row(params![id.as_bytes(), scope.0], |row| row.get(0))
            .optional()?)
    }

    /// The session of this name in this scope.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn session_by_name(&self, scope: ScopeRow, name: &str) -> Result<Option<SessionId>, StoreError> {
        Ok(self
            .conn
            .prepare_cached("SELECT uid FROM session WHERE scope_id = ?1 AND name = ?2")?
            .query_row(params![scope.0, name], |row| row.get(0).map(SessionId::from_bytes))
            .optional()?)
    }

    /// The session of this scope that was begun last, imported ones aside.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn latest_session(&self, scope: ScopeRow) -> Result<Option<SessionId>, StoreError> {
        Ok(self
            .conn
            .prepare_cached("SELECT uid FROM session WHERE scope_id = ?1 AND imported = 0 ORDER BY id DESC LIMIT 1")?
            .query_row([scope.0], |row| row.get(0).map(SessionId::from_bytes))
            .optional()?)
    }

    /// The turn at a place of a session of this scope.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn turn_at(&self, scope: ScopeRow, session: SessionId, position: u32) -> Result<Option<RowId>, StoreError> {
        Ok(self
            .conn
            .prepare_cached(
                "SELECT id FROM memory
                 WHERE session_id = (SELECT id FROM session WHERE uid = ?1 AND scope_id = ?2) AND position = ?3",
            )?
            .query_row(params![session.as_bytes(), scope.0, position], |row| row.get(0))
            .optional()?)
    }

    /// The sessions of a scope, oldest first.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn sessions(&self, scope: &Scope) -> Result<Vec<Session>, StoreError> {
        let Some(scope_row) = self.scope_id(scope)? else { return Ok(Vec::new()) };
        let mut statement = self.conn.prepare_cached(
            "SELECT id, uid, name, started_at, (SELECT count(*) FROM memory WHERE session_id = session.id)
             FROM session WHERE scope_id = ?1 ORDER BY started_at, id",
        )?;
        let mut rows = statement.query([scope_row.0])?;
        let mut sessions = Vec::new();
        while let Some(row) = rows.next()? {
            sessions.push(session_from_row(row, scope)?);
        }
        Ok(sessions)
    }
}

impl WriteTx<'_> {
    /// Begins a session. A name that the scope has already is an error.
    ///
    /// # Errors
    /// [`StoreError::Invalid`] for a name that is taken, and when the file cannot be written.
    pub fn start_session(
        &self,
        scope: ScopeRow,
        new: &NewSession<'_>,
        now: Timestamp,
    ) -> Result<SessionId, StoreError> {
        if let Some(name) = new.name
            && self.session_by_name(scope, name)?.is_some()
        {
            return Err(StoreError::Invalid {
                field: "session name",
                expected: "a name that no session of the scope has",
                got: format!("{name:?}"),
            });
        }
        let id = SessionId::new(now);
        self.conn
            .prepare_cached(
                "INSERT INTO session (uid, scope_id, name, started_at, imported) VALUES (?1, ?2, ?3, ?4, ?5)",
            )?
            .execute(params![id.as_bytes(), scope.0, new.name, new.started_at.as_millisecond(), new.imported])?;
        Ok(id)
    }
}

fn session_from_row(row: &Row<'_>, scope: &Scope) -> Result<Session, StoreError> {
    let cells = Cells::new(row, "session")?;
    Ok(Session {
        id: SessionId::from_bytes(cells.get(1)?),
        scope: scope.clone(),
        name: cells.get(2)?,
        started_at: time_from_millis("session", cells.id(), cells.get(3)?)?,
        turns: cells.get(4)?,
    })
}
