//! Which conversation a handle is about.

use std::sync::{Mutex, PoisonError};

use mnemon_core::{SessionId, Timestamp};
use mnemon_long_term::Conversation;
use mnemon_store::{NewSession, ScopeRow, Snapshot, StoreError, WriteTx};

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

    /// Notes which session it is, so that it is looked up by its id from now on.
    pub(crate) fn note(&self, id: SessionId) {
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = Some(id);
    }

    fn known(&self) -> Option<SessionId> {
        *self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Conversation for CurrentSession {
    fn find(&self, snapshot: &Snapshot<'_>, scope: ScopeRow) -> Result<Option<SessionId>, StoreError> {
        Self::find(self, snapshot, scope)
    }

    fn ensure(&self, tx: &WriteTx<'_>, scope: ScopeRow, now: Timestamp) -> Result<SessionId, StoreError> {
        match (Self::find(self, tx, scope)?, &self.choice) {
            (Some(id), _) => Ok(id),
            (None, SessionChoice::Id(id)) => Err(StoreError::NoSession { session: id.to_string() }),
            (None, SessionChoice::Named(name)) => {
                tx.start_session(scope, &NewSession { name: Some(name), ..NewSession::unnamed(now) }, now)
            }
            (None, SessionChoice::Latest) => tx.start_session(scope, &NewSession::unnamed(now), now),
        }
    }
}
