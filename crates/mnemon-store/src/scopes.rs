//! Scopes as rows.

use mnemon_core::{Scope, ScopeError, Timestamp};
use rusqlite::{OptionalExtension, params};

use crate::cells::Cells;
use crate::memories::time_from_millis;
use crate::summaries::is_made;
use crate::{RowId, Snapshot, StoreError, WriteTx};

/// The row of a scope. Every query names one: rows of other scopes are excluded in the query itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ScopeRow(pub(crate) i64);

impl Snapshot<'_> {
    /// The row of a scope, if anything was ever written in it.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn scope_id(&self, scope: &Scope) -> Result<Option<ScopeRow>, StoreError> {
        let row = self
            .conn
            .prepare_cached("SELECT id FROM scope WHERE user = ?1 AND agent = ?2 AND project = ?3")?
            .query_row(params![scope.user(), scope.agent(), scope.project()], |row| row.get(0))
            .optional()?;
        Ok(row.map(ScopeRow))
    }

    /// Every scope in which something was written, in the order of their first write, with its number of memories.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn scopes(&self) -> Result<Vec<(Scope, u64)>, StoreError> {
        let mut statement = self.conn.prepare_cached(concat!(
            "SELECT id, user, agent, project, (SELECT count(*) FROM memory AS m WHERE scope_id = scope.id AND NOT ",
            is_made!(),
            ") FROM scope ORDER BY id"
        ))?;
        let mut rows = statement.query([])?;
        let mut scopes = Vec::new();
        while let Some(row) = rows.next()? {
            let cells = Cells::new(row, "scope")?;
            let [user, agent, project]: [String; 3] = [cells.get(1)?, cells.get(2)?, cells.get(3)?];
            scopes.push((scope_from_parts(cells.id(), &user, &agent, &project)?, cells.get(4)?));
        }
        Ok(scopes)
    }

    /// The names of those who speak in a scope, in the order of their bytes, at most `limit`. One seek a name.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn speakers(&self, scope: ScopeRow, limit: usize) -> Result<Vec<String>, StoreError> {
        // The index is not walked: each step jumps to the next name.
        let mut statement = self.conn.prepare_cached(
            "WITH RECURSIVE next (name) AS (
                 SELECT min(speaker) FROM memory WHERE scope_id = ?1 AND speaker IS NOT NULL
                 UNION ALL
                 SELECT (SELECT min(speaker) FROM memory WHERE scope_id = ?1 AND speaker > name)
                 FROM next WHERE name IS NOT NULL
             )
             SELECT name FROM next WHERE name IS NOT NULL LIMIT ?2",
        )?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let names = statement.query_map([scope.0, limit], |row| row.get(0))?;
        Ok(names.collect::<Result<_, _>>()?)
    }

    /// The latest time at which a memory of a scope happened (else was stored). One seek.
    ///
    /// # Errors
    /// When the file cannot be read or the row is damaged.
    pub fn newest_time(&self, scope: ScopeRow) -> Result<Option<Timestamp>, StoreError> {
        let newest: Option<(RowId, i64)> = self
            .conn
            .prepare_cached(
                "SELECT id, coalesce(occurred_at, stored_at) FROM memory WHERE scope_id = ?1
                 ORDER BY coalesce(occurred_at, stored_at) DESC LIMIT 1",
            )?
            .query_row([scope.0], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        newest.map(|(row, millis)| time_from_millis("memory", row, millis)).transpose()
    }
}

impl WriteTx<'_> {
    /// The row of a scope, made now if need be.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn ensure_scope(&self, scope: &Scope) -> Result<ScopeRow, StoreError> {
        if let Some(row) = self.scope_id(scope)? {
            return Ok(row);
        }
        self.conn.prepare_cached("INSERT INTO scope (user, agent, project) VALUES (?1, ?2, ?3)")?.execute(params![
            scope.user(),
            scope.agent(),
            scope.project()
        ])?;
        Ok(ScopeRow(self.conn.last_insert_rowid()))
    }
}

/// The scope that a row spells. What [`Scope`] would refuse was not written by any Mnemon.
pub(crate) fn scope_from_parts(row: i64, user: &str, agent: &str, project: &str) -> Result<Scope, StoreError> {
    let read = || {
        let mut scope = Scope::default();
        if !user.is_empty() {
            scope = Scope::user_scope(user)?;
        }
        if !agent.is_empty() {
            scope = scope.with_agent(agent)?;
        }
        if !project.is_empty() {
            scope = scope.with_project(project)?;
        }
        Ok(scope)
    };
    read().map_err(|error: ScopeError| StoreError::BadRow {
        table: "scope",
        row,
        expected: "the parts of a scope",
        got: error.to_string(),
    })
}
