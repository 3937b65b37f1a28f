//! Taking in what was said.

use std::sync::PoisonError;

use mnemon_core::{MemoryId, NewTurn, Placement, Role, SessionId};
use mnemon_long_term::{Append, Degradation, Embed};
use mnemon_short_term::EvictionPlan;
use mnemon_store::{RowId, ScopeRow, Snapshot, StoreError};
use serde::Serialize;

use crate::{ContextManager, Error};

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
    /// Why the turns can be found by their words only, where that is so.
    pub degraded: Option<Degradation>,
}

impl ContextManager {
    /// Takes in one exchange: what the user said and what the assistant answered. Both turns are durable and can be
    /// found when this returns. When the window is over its capacity, its oldest exchanges (or whichever the policy
    /// names) move to long-term memory, word for word.
    ///
    /// Cost: embedding the two texts, one durable transaction, and a second one when turns leave the window.
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
        let session = self.session.ensure(engine.long_term.store(), &self.scope, now)?;
        let accessed = self.take_accessed();
        let written = engine.long_term.append(&Append {
            scope: &self.scope,
            session,
            turns,
            placement: Placement::Window,
            embed: Embed::Now,
            accessed: &accessed,
            now,
        })?;
        let (moved, window_tokens) = self.settle(session)?;
        Ok(Observed {
            session,
            turns: written.added.into_iter().map(|added| added.id).collect(),
            moved,
            window_tokens,
            degraded: written.degraded,
        })
    }

    /// Moves out of the window what does not fit. Returns how many turns moved and the tokens that stay.
    fn settle(&self, session: SessionId) -> Result<(usize, usize), StoreError> {
        let store = self.engine.long_term.store();
        let plan = |snapshot: &Snapshot<'_>| match snapshot.scope_id(&self.scope)? {
            Some(scope) => self.plan(snapshot, scope, session),
            None => Ok((Vec::new(), 0)),
        };
        let (leave, remaining) = store.read(plan)?;
        if leave.is_empty() {
            return Ok((0, remaining));
        }
        // Planned again with the right to write: another process may have added a turn, or moved some.
        store.write(|tx| {
            let (leave, remaining) = plan(tx)?;
            Ok((tx.move_to_long_term(&leave)?, remaining))
        })
    }

    fn plan(
        &self,
        snapshot: &Snapshot<'_>,
        scope: ScopeRow,
        session: SessionId,
    ) -> Result<(Vec<RowId>, usize), StoreError> {
        let rows = snapshot.window(scope, session)?;
        let EvictionPlan { leave, remaining, .. } =
            self.engine.window(&rows).plan_eviction(&*self.engine.eviction, self.engine.config.chunk_size);
        let mut leave = leave.iter().map(|item| item.id).peekable();
        // Both are in the order of the conversation.
        let leaving = rows.iter().filter(|row| leave.next_if_eq(&row.memory.id).is_some()).map(|row| row.row);
        Ok((leaving.collect(), remaining))
    }

    /// The turns that were part of a context since the last turn was observed.
    fn take_accessed(&self) -> Vec<RowId> {
        let mut accessed = self.engine.accessed.lock().unwrap_or_else(PoisonError::into_inner);
        accessed.drain().map(|(row, _)| row).collect()
    }
}
