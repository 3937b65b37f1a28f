//! Which conversation a handle is about.

use std::sync::{Mutex, PoisonError};

use mnemon_core::{Scope, SessionId, Timestamp};
use mnemon_store::{NewSession, ScopeRow, Snapshot, Store, StoreError};

/// How a handle names its session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SessionChoice {
    /// The one that was begun last in the scope, imported ones aside, or a new one where there is none.
    Latest,
    /// The one of this name, begun when its first turn comes.
    Named(String),
    /// This one.
    Id(SessionId),
}

/// The session of a handle, looked up once.
#[derive(Debug)]
pub(crate) struct CurrentSession {
    choice: SessionChoice,
    known: Mutex<Option<SessionId>>,
}

impl CurrentSession {
    pub(crate) fn new(choice: SessionChoice) -> Self {
        Self { choice, known: Mutex::new(None) }
    }

    pub(crate) fn choice(&self) -> &SessionChoice {
        &self.choice
    }

    /// The session, if it has begun.
    pub(crate) fn find(&self, snapshot: &Snapshot<'_>, scope: ScopeRow) -> Result<Option<SessionId>, StoreError> {
        if let Some(known) = self.known() {
            // It may have been cleared meanwhile, by this process or another one.
            if snapshot.session_row(scope, known)?.is_some() {
                return Ok(Some(known));
            }
        }
        match &self.choice {
            SessionChoice::Latest => snapshot.latest_session(scope),
            SessionChoice::Named(name) => snapshot.session_by_name(scope, name),
            SessionChoice::Id(id) => Ok(snapshot.session_row(scope, *id)?.map(|_| *id)),
        }
    }

    /// The session, begun now if need be.
    pub(crate) fn ensure(&self, store: &Store, scope: &Scope, now: Timestamp) -> Result<SessionId, StoreError> {
        let found = store.read(|snapshot| match snapshot.scope_id(scope)? {
            Some(row) => self.find(snapshot, row),
            None => Ok(None),
        })?;
        let id = match found {
            Some(id) => id,
            None => store.write(|tx| {
                let row = tx.ensure_scope(scope)?;
                match (self.find(tx, row)?, &self.choice) {
                    (Some(id), _) => Ok(id),
                    (None, SessionChoice::Id(id)) => Err(StoreError::NoSession { session: id.to_string() }),
                    (None, SessionChoice::Named(name)) => {
                        tx.start_session(row, &NewSession { name: Some(name), ..NewSession::unnamed(now) }, now)
                    }
                    (None, SessionChoice::Latest) => tx.start_session(row, &NewSession::unnamed(now), now),
                }
            })?,
        };
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = Some(id);
        Ok(id)
    }

    fn known(&self) -> Option<SessionId> {
        *self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
