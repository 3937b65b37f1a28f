//! The door to everything.

use std::path::Path;
use std::sync::Arc;

use mnemon_core::{Scope, Session, SessionId};
use mnemon_store::NewSession;

use crate::engine::Engine;
use crate::session::{CurrentSession, SessionChoice};
use crate::{Builder, Config, Error};

/// A memory file, seen from one scope and one session.
///
/// Clones share everything. [`ContextManager::in_scope`] and [`ContextManager::in_session`] give handles on the same
/// file, model and index that look from somewhere else: a server keeps one and makes a handle for each request.
///
/// Every method may be called from any thread; none of them starts one. Slow ones (everything that embeds or writes)
/// block: in async code use `AsyncContextManager` (feature `async`).
#[derive(Clone)]
pub struct ContextManager {
    pub(crate) engine: Arc<Engine>,
    pub(crate) scope: Scope,
    pub(crate) session: Arc<CurrentSession>,
}

impl ContextManager {
    /// Opens a memory file, or makes it, with the default settings, the shipped model and the unnamed scope. It goes on
    /// with the session that was begun last.
    ///
    /// Loads the model: about 0.1 s.
    ///
    /// # Errors
    /// As [`Builder::open`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
        Self::builder().open(path)
    }

    /// Opens a memory with parts and settings of one's own.
    pub fn builder() -> Builder {
        Builder::default()
    }

    pub(crate) fn new(engine: Arc<Engine>, scope: Scope, choice: SessionChoice) -> Self {
        Self { engine, scope, session: Arc::new(CurrentSession::new(choice)) }
    }

    /// The settings.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.engine.config
    }

    /// The scope that this handle looks from.
    #[must_use]
    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    /// A handle on another scope of the same file, at the session that was begun last there.
    #[must_use]
    pub fn in_scope(&self, scope: Scope) -> Self {
        Self::new(Arc::clone(&self.engine), scope, SessionChoice::Latest)
    }

    /// A handle on the session of this name, which begins when its first turn comes.
    #[must_use]
    pub fn in_session(&self, name: impl Into<String>) -> Self {
        Self::new(
            Arc::clone(&self.engine),
            self.scope.clone(),
            SessionChoice::Named(self.engine.guard.name(name.into())),
        )
    }

    /// A handle on a session that exists. Observing a turn in one that does not is an error.
    #[must_use]
    pub fn in_session_id(&self, id: SessionId) -> Self {
        Self::new(Arc::clone(&self.engine), self.scope.clone(), SessionChoice::Id(id))
    }

    /// Begins a session without a name, and gives a handle on it.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn new_session(&self) -> Result<Self, Error> {
        let now = self.engine.now();
        let id = self.engine.long_term.store().write(|tx| {
            let scope = tx.ensure_scope(&self.scope)?;
            tx.start_session(scope, &NewSession::unnamed(now), now)
        })?;
        Ok(self.in_session_id(id))
    }

    /// The session of this handle, if it has begun.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn session(&self) -> Result<Option<SessionId>, Error> {
        Ok(self.engine.long_term.store().read(|snapshot| match snapshot.scope_id(&self.scope)? {
            Some(scope) => self.session.find(snapshot, scope),
            None => Ok(None),
        })?)
    }

    /// The sessions of this scope, oldest first.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn sessions(&self) -> Result<Vec<Session>, Error> {
        Ok(self.engine.long_term.store().read(|snapshot| snapshot.sessions(&self.scope))?)
    }

    /// Every scope of the file with its number of memories. For the owner of the file: it looks over all walls.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn scopes(&self) -> Result<Vec<(Scope, u64)>, Error> {
        Ok(self.engine.long_term.store().read(|snapshot| snapshot.scopes())?)
    }
}

impl std::fmt::Debug for ContextManager {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ContextManager")
            .field("memory", &self.engine.long_term)
            .field("scope", &self.scope)
            .field("session", self.session.choice())
            .finish_non_exhaustive()
    }
}
