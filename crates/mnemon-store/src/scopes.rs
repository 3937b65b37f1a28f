//! Scopes as rows.

use mnemon_core::{Scope, ScopeError};
use rusqlite::{OptionalExtension, params};

use crate::{Snapshot, StoreError, WriteTx};

/// The row of a scope. Every query names one: rows of other scopes are excluded in the query itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ScopeRow(pub(crate) i64);

impl ScopeRow {
    /// A number for indexes outside of the store: scopes are few, so 32 bits do; a file with more scopes shares
    /// numbers, which costs such an index time, never correctness, because rows are checked again when they are read.
    #[must_use]
    pub fn partition(self) -> u32 {
        self.0 as u32
    }
}

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
        let mut statement = self.conn.prepare_cached(
            "SELECT id, user, agent, project, (SELECT count(*) FROM memory WHERE scope_id = scope.id)
             FROM scope ORDER BY id",
        )?;
        let mut rows = statement.query([])?;
        let mut scopes = Vec::new();
        while let Some(row) = rows.next()? {
            let scope = scope_from_parts(
                row.get(0)?,
                &row.get::<_, String>(1)?,
                &row.get::<_, String>(2)?,
                &row.get::<_, String>(3)?,
            )?;
            scopes.push((scope, row.get(4)?));
        }
        Ok(scopes)
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
