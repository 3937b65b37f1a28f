//! Storing imported conversations.

use std::borrow::Cow;

use mnemon_core::{NewMemory, NewTurn, SessionId, Timestamp};
use mnemon_long_term::{Conversation, Part};
use mnemon_store::{NewSession, ScopeRow, Snapshot, StoreError, WriteTx};
use serde::Serialize;

use crate::guard::Guard;
use crate::import::{self, Import, ImportedSession};
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
    /// How many turns and memories of the file had secrets, which were redacted before anything was stored.
    pub redacted: usize,
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
    /// Storing and analysing, and embedding and storing, go on at the same time in the rayon pool of the caller.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn import(&self, import: &Import, progress: &mut dyn FnMut(Progress)) -> Result<Ingested, Error> {
        let engine = &*self.engine;
        let now = engine.now();
        let total = (import.turns() + import.memories()) as u64;
        let sessions: Vec<Vec<Imported>> =
            import.conversations.iter().map(|it| sessions_of(it, &engine.guard, now)).collect();
        let clean: Vec<Clean<'_>> = import.conversations.iter().map(|it| Clean::of(it, &engine.guard)).collect();
        let mut parts = Vec::new();
        for ((conversation, clean), sessions) in import.conversations.iter().zip(&clean).zip(&sessions) {
            let scope = conversation.scope.as_ref().unwrap_or(&self.scope);
            for (session, turns) in sessions.iter().zip(&clean.turns) {
                // A session without turns is one too.
                if turns.is_empty() {
                    parts.push(Part::Turns { scope, session, turns: &[] });
                }
                parts.extend(turns.chunks(CHUNK).map(|turns| Part::Turns { scope, session, turns }));
            }
            parts.extend(clean.memories.chunks(CHUNK).map(|memories| Part::Memories { scope, memories }));
        }
        let mut ingested = Ingested {
            conversations: import.conversations.len(),
            sessions: sessions.iter().map(Vec::len).sum(),
            redacted: clean.iter().map(|clean| clean.redacted).sum(),
            ..Ingested::default()
        };
        let mut stored = parts.iter();
        engine.long_term.import(groups(&parts), now, &mut |added| {
            // In this order: no part is taken that nothing was added for.
            for (added, part) in added.iter().zip(stored.by_ref()) {
                let new = added.iter().filter(|added| added.is_new).count();
                match part {
                    Part::Turns { .. } => ingested.turns += new,
                    Part::Memories { .. } => ingested.memories += new,
                }
                ingested.known += added.len() - new;
            }
            let done = (ingested.turns + ingested.memories + ingested.known) as u64;
            progress(Progress { step: Step::Store, done, total });
        })?;
        self.maintain(&mut |embedded| {
            progress(Progress { step: Step::Embed, done: embedded.done, total: embedded.total });
            true
        })?;
        Ok(ingested)
    }
}

/// What is stored of a conversation.
struct Clean<'a> {
    /// The turns of each session.
    turns: Vec<Cow<'a, [NewTurn]>>,
    memories: Cow<'a, [NewMemory]>,
    redacted: usize,
}

impl<'a> Clean<'a> {
    fn of(conversation: &'a import::Conversation, guard: &Guard) -> Self {
        let (memories, mut redacted) = guard.redact(&conversation.memories);
        let mut clean = |session: &'a ImportedSession| {
            let (turns, some) = guard.redact(&session.turns);
            redacted += some;
            turns
        };
        let turns = conversation.sessions.iter().map(&mut clean).collect();
        Self { turns, memories, redacted }
    }
}

/// A session of an import, which has a name so that importing the same file again finds it.
struct Imported {
    name: String,
    started_at: Timestamp,
}

impl Conversation for Imported {
    fn find(&self, snapshot: &Snapshot<'_>, scope: ScopeRow) -> Result<Option<SessionId>, StoreError> {
        snapshot.session_by_name(scope, &self.name)
    }

    fn ensure(&self, tx: &WriteTx<'_>, scope: ScopeRow, now: Timestamp) -> Result<SessionId, StoreError> {
        match self.find(tx, scope)? {
            Some(id) => Ok(id),
            None => {
                let new = NewSession { name: Some(&self.name), started_at: self.started_at, imported: true };
                tx.start_session(scope, &new, now)
            }
        }
    }
}

/// The sessions of a conversation. One without a name gets one from its source.
fn sessions_of(conversation: &import::Conversation, guard: &Guard, now: Timestamp) -> Vec<Imported> {
    let named = |(number, session): (usize, &ImportedSession)| {
        let name = session.name.clone().unwrap_or_else(|| format!("{}#{}", conversation.source, number + 1));
        let first = session.turns.iter().find_map(|turn| turn.occurred_at);
        Imported { name: guard.name(name), started_at: session.started_at.or(first).unwrap_or(now) }
    };
    conversation.sessions.iter().enumerate().map(named).collect()
}

/// What is stored together: parts in their order, until they are [`CHUNK`] memories.
fn groups<'a, 'p>(parts: &'a [Part<'p>]) -> impl Iterator<Item = Vec<Part<'p>>> + use<'a, 'p> {
    let mut rest = parts.iter().peekable();
    std::iter::from_fn(move || {
        let mut group = vec![*rest.next()?];
        let mut size = group.iter().map(Part::len).sum::<usize>();
        while let Some(part) = rest.next_if(|part| size + part.len() <= CHUNK) {
            size += part.len();
            group.push(*part);
        }
        Some(group)
    })
}
