//! Windows as values, kept from one turn to the next.
//!
//! A window is rows, and reading a hundred of them back costs more than storing a turn. So what a turn needs to know of
//! its window (tokens, priorities, times) is kept. It is looked at and changed under the right to write only, and holds
//! as long as nobody else wrote: another process is told by SQLite, a change by hand in this one by [`Windows::forget`],
//! and a transaction that was not committed by the position of the next turn.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use mnemon_core::{NewTurn, Role, SessionId, Timestamp};
use mnemon_long_term::Appended;
use mnemon_short_term::{EvictionPlan, EvictionPolicy, Window, WindowItem};
use mnemon_store::{RowId, StoreError, WriteTx};

use crate::Summaries;
use crate::engine::Engine;

/// Sessions whose windows are kept. Each takes about 200 bytes a turn.
const KEPT: usize = 64;

#[derive(Debug, Default)]
pub(crate) struct Windows {
    kept: Mutex<HashMap<SessionId, Kept>>,
    /// Grows with every change by hand in this process.
    changes: AtomicU64,
}

/// A window as of the end of a transaction.
#[derive(Debug)]
struct Kept {
    version: Version,
    window: Window,
    /// The rows of its items, in the same order, which is that of their numbers.
    rows: Vec<RowId>,
    /// The exchange of the last turn.
    exchange: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Version {
    /// See [`Snapshot::writes_of_others`](mnemon_store::Snapshot::writes_of_others).
    others: i64,
    changes: u64,
    /// Where the next turn of the session will stand.
    next: i64,
}

/// Turns that were just appended, with what is known of them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Said<'a> {
    pub(crate) turns: &'a [NewTurn],
    /// The tokens of each.
    pub(crate) tokens: &'a [usize],
    /// When they were stored.
    pub(crate) now: Timestamp,
}

impl Windows {
    /// Call it before and after whatever changes memories by hand: a turn that is stored at the same time is then kept by
    /// neither.
    pub(crate) fn forget(&self) {
        self.changes.fetch_add(1, Ordering::SeqCst);
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Notes that turns of any window were part of a context.
    fn touch(&self, accessed: &[RowId], now: Timestamp) {
        if !accessed.is_empty() {
            let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            kept.values_mut().for_each(|kept| kept.touch(accessed, now));
        }
    }

    fn take(&self, session: SessionId) -> Option<Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).remove(&session)
    }

    fn keep(&self, session: SessionId, window: Kept) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= KEPT {
            kept.clear();
        }
        kept.insert(session, window);
    }
}

impl Kept {
    fn touch(&mut self, accessed: &[RowId], now: Timestamp) {
        let place = |row| self.rows.binary_search(row).ok();
        let items = self.window.items();
        let ids: Vec<_> = accessed.iter().filter_map(|row| Some(items.get(place(row)?)?.id)).collect();
        if !ids.is_empty() {
            self.window.touch(&ids, now);
        }
    }

    fn push(&mut self, appended: &Appended<'_>, said: Said<'_>) {
        let new = appended.added.iter().zip(said.turns).zip(said.tokens).filter(|((added, _), _)| added.is_new);
        for ((added, turn), tokens) in new {
            self.exchange += u32::from(turn.role == Role::User);
            let item = WindowItem::new(added.id, self.exchange, *tokens, said.now);
            self.window.push(WindowItem { priority: turn.priority, ..item });
            self.rows.push(added.row);
        }
    }

    /// Takes out what should leave. Returns its rows.
    fn evict(&mut self, policy: &dyn EvictionPolicy, chunk_size: usize) -> Vec<RowId> {
        let plan: EvictionPlan = self.window.plan_eviction(policy, chunk_size);
        if plan.is_empty() {
            return Vec::new();
        }
        // Both are in the order of the conversation.
        let mut leave = plan.leave.iter().map(|item| item.id).peekable();
        let leaves: Vec<bool> = self.window.iter().map(|item| leave.next_if_eq(&item.id).is_some()).collect();
        self.window.apply(&plan);
        let mut each = leaves.iter();
        self.rows.extract_if(.., |_| each.next() == Some(&true)).collect()
    }
}

impl Engine {
    /// Moves out of the window what does not fit, in the transaction in which turns were appended. `accessed` are rows of
    /// any window that were part of a context since the last turn. Returns how many turns moved and the tokens that stay.
    pub(crate) fn settle(
        &self,
        tx: &WriteTx<'_>,
        appended: Appended<'_>,
        said: Said<'_>,
        accessed: &[RowId],
    ) -> Result<(usize, usize), StoreError> {
        let Appended { scope, session, added } = appended;
        // Times are stored in whole milliseconds.
        let said = Said { now: whole_milliseconds(said.now), ..said };
        tx.touch_window(accessed, said.now)?;
        self.windows.touch(accessed, said.now);
        let new = added.iter().filter(|added| added.is_new).count();
        let version = Version {
            others: tx.writes_of_others()?,
            changes: self.windows.changes.load(Ordering::SeqCst),
            next: tx.next_position(session)?,
        };
        let before = Version { next: version.next.saturating_sub(i64::try_from(new).unwrap_or(i64::MAX)), ..version };
        let mut kept = match self.windows.take(session).filter(|kept| kept.version == before) {
            Some(mut kept) => {
                kept.push(&appended, said);
                Kept { version, ..kept }
            }
            None => {
                let rows = tx.window(scope, session)?;
                let window = self.window(&rows);
                let exchange = window.items().last().map_or(0, |item| item.exchange);
                Kept { version, window, rows: rows.iter().map(|row| row.row).collect(), exchange }
            }
        };
        let leave = kept.evict(&*self.eviction, self.config.chunk_size);
        let moved = tx.move_to_long_term(&leave)?;
        if self.config.summaries != Summaries::Off && !leave.is_empty() {
            tx.await_summary(scope, session, &leave)?;
        }
        let tokens = kept.window.tokens();
        self.windows.keep(session, kept);
        Ok((moved, tokens))
    }
}

fn whole_milliseconds(time: Timestamp) -> Timestamp {
    Timestamp::from_millisecond(time.as_millisecond()).unwrap_or(time)
}
