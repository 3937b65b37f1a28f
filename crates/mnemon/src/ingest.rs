//! Storing imported conversations.

use mnemon_core::{Placement, Timestamp};
use mnemon_long_term::{Append, Embed};
use mnemon_store::{NewSession, StoreError};
use serde::Serialize;

use crate::import::{Conversation, Import, ImportedSession};
use crate::{ContextManager, Error};

/// Turns or memories that are stored in one transaction: large enough that the sync of the disk does not count, small
/// enough that other writers hardly wait.
const CHUNK: usize = 500;

/// What an import stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[non_exhaustive]
pub struct Ingested {
    /// Conversations, each in its scope.
    pub conversations: usize,
    /// Sessions.
    pub sessions: usize,
    /// Turns that are new.
    pub turns: usize,
    /// Facts, notes, documents and summaries that are new.
    pub memories: usize,
    /// What had been imported before and was left as it is.
    pub known: usize,
}

/// Where an import stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Turns and memories are being stored.
    Store,
    /// They are being embedded.
    Embed,
}

/// How far a step of an import has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Which step.
    pub step: Step,
    /// How many are done.
    pub done: u64,
    /// Of how many.
    pub total: u64,
}

impl ContextManager {
    /// Stores what was read from a file: each conversation in the scope that it names, else in the scope of this handle.
    /// Turns go straight to long-term memory. First everything is stored, durable and found by its words; then it is
    /// embedded. Stopped at any point, the same call goes on where it was: nothing is stored twice.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn import(&self, import: &Import, progress: &mut dyn FnMut(Progress)) -> Result<Ingested, Error> {
        let total = (import.turns() + import.memories()) as u64;
        let mut ingested = Ingested::default();
        for conversation in &import.conversations {
            let target = match &conversation.scope {
                Some(scope) => self.in_scope(scope.clone()),
                None => self.clone(),
            };
            target.store(conversation, &mut ingested, &mut |done| {
                progress(Progress { step: Step::Store, done: done as u64, total });
            })?;
        }
        self.maintain(&mut |embedded| {
            progress(Progress { step: Step::Embed, done: embedded.done, total: embedded.total });
            true
        })?;
        Ok(ingested)
    }

    fn store(
        &self,
        conversation: &Conversation,
        ingested: &mut Ingested,
        progress: &mut dyn FnMut(usize),
    ) -> Result<(), Error> {
        let engine = &*self.engine;
        let now = engine.now();
        ingested.conversations += 1;
        for (number, session) in conversation.sessions.iter().enumerate() {
            let id = self.session_of(conversation, session, number, now)?;
            ingested.sessions += 1;
            for turns in session.turns.chunks(CHUNK) {
                let written = engine.long_term.append(&Append {
                    scope: &self.scope,
                    session: id,
                    turns,
                    placement: Placement::LongTerm,
                    embed: Embed::Later,
                    accessed: &[],
                    now,
                })?;
                let new = written.added.iter().filter(|added| added.is_new).count();
                ingested.turns += new;
                ingested.known += turns.len() - new;
                progress(ingested.turns + ingested.memories + ingested.known);
            }
        }
        for memories in conversation.memories.chunks(CHUNK) {
            let written = engine.long_term.add(&self.scope, memories, Embed::Later, now)?;
            let new = written.added.iter().filter(|added| added.is_new).count();
            ingested.memories += new;
            ingested.known += memories.len() - new;
            progress(ingested.turns + ingested.memories + ingested.known);
        }
        Ok(())
    }

    /// The session of this name, begun if need be. One without a name gets one from its source, so that importing the
    /// same file again finds it.
    fn session_of(
        &self,
        conversation: &Conversation,
        session: &ImportedSession,
        number: usize,
        now: Timestamp,
    ) -> Result<mnemon_core::SessionId, Error> {
        let name = match &session.name {
            Some(name) => name.clone(),
            None => format!("{}#{}", conversation.source, number + 1),
        };
        let first = session.turns.iter().find_map(|turn| turn.occurred_at);
        let started_at = session.started_at.or(first).unwrap_or(now);
        let id = self.engine.long_term.store().write(|tx| -> Result<_, StoreError> {
            let scope = tx.ensure_scope(&self.scope)?;
            match tx.session_by_name(scope, &name)? {
                Some(id) => Ok(id),
                None => tx.start_session(scope, &NewSession { name: Some(&name), started_at, imported: true }, now),
            }
        })?;
        Ok(id)
    }
}
