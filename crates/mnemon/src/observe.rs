//! Taking in what was said.

use std::sync::PoisonError;

use mnemon_core::{MemoryId, NewTurn, Placement, Role, SessionId};
use mnemon_long_term::{Append, Degradation, Embed};
use mnemon_store::RowId;
use serde::Serialize;

use crate::windows::Said;
use crate::{ContextManager, Error, Summaries, Summarised};

/// What observing turns did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Observed {
    /// The session that the turns are part of.
    pub session: SessionId,
    /// Their ids, in order.
    pub turns: Vec<MemoryId>,
    /// How many turns left the window for long-term memory, to make room.
    pub moved: usize,
    /// The tokens of the window now.
    pub window_tokens: usize,
    /// How many of the turns had secrets, which were redacted before anything was stored.
    pub redacted: usize,
    /// How many turns of the assistant and of tools only repeat what was recalled. They stand in the conversation, and are
    /// not found: what they repeat is.
    pub echoes: usize,
    /// How many summaries were written of what left the window, where that is done inline.
    pub summarised: usize,
    /// Why what left the window is not summarised yet, where that failed. It is found all the same, and tried again.
    pub summary_problem: Option<String>,
    /// Why the turns can be found by their words only, where that is so.
    pub degraded: Option<Degradation>,
}

impl ContextManager {
    /// Takes in one exchange: what the user said and what the assistant answered. Both turns are durable and can be
    /// found when this returns. When the window is over its capacity, its oldest exchanges (or whichever the policy
    /// names) move to long-term memory, word for word, and a summary of them is written ([`Config::summaries`](crate::Config::summaries)).
    ///
    /// Cost: embedding the two texts, and one durable transaction; one or two more when turns leave the window.
    ///
    /// # Errors
    /// When the file cannot be written. A model that fails is no error.
    pub fn observe(&self, user: impl Into<String>, assistant: impl Into<String>) -> Result<Observed, Error> {
        self.observe_turns(&[NewTurn::new(Role::User, user), NewTurn::new(Role::Assistant, assistant)])
    }

    /// Takes in turns of any speakers and roles, in order, all or none.
    ///
    /// # Errors
    /// As [`ContextManager::observe`].
    pub fn observe_turns(&self, turns: &[NewTurn]) -> Result<Observed, Error> {
        let engine = &*self.engine;
        let now = engine.now();
        if engine.has_many_uses() {
            engine.store_uses()?;
        }
        let accessed = self.take_accessed();
        let (mut turns, redacted) = engine.guard.redact(turns);
        let echoes = if engine.config.find_echoes { 0 } else { engine.guard.end_echoes(&self.scope, &mut turns, now) };
        let turns = &*turns;
        let tokens: Vec<usize> = turns.iter().map(|turn| engine.tokens_of_new(turn, now)).collect();
        let said = Said { turns, tokens: &tokens, now };
        let append = Append {
            scope: &self.scope,
            session: &*self.session,
            turns,
            placement: Placement::Window,
            embed: Embed::Now,
            now,
        };
        let stored = engine
            .long_term
            .append_and(&append, |tx, appended| Ok((appended.session, engine.settle(tx, appended, said, &accessed)?)));
        // What is kept of a window belongs to the transaction.
        let (written, (session, (moved, window_tokens))) = stored.inspect_err(|_| engine.windows.forget())?;
        self.session.note(session);
        for (added, tokens) in written.added.iter().zip(tokens).filter(|(added, _)| added.is_new) {
            engine.note_tokens(added.row, now, tokens);
        }
        let summarised = match engine.config.summaries {
            Summaries::Inline if moved > 0 => engine.summarise_inline(&self.scope, session),
            _ => Summarised::default(),
        };
        Ok(Observed {
            session,
            turns: written.added.into_iter().map(|added| added.id).collect(),
            moved,
            window_tokens,
            redacted,
            echoes,
            summarised: summarised.written,
            summary_problem: summarised.problem,
            degraded: written.degraded,
        })
    }

    /// The turns that were part of a context since the last turn was observed.
    fn take_accessed(&self) -> Vec<RowId> {
        let mut accessed = self.engine.accessed.lock().unwrap_or_else(PoisonError::into_inner);
        accessed.drain().map(|(row, _)| row).collect()
    }
}
