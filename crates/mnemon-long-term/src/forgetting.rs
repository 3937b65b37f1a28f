//! Forgetting: what has expired, what has decayed, what there is no room for; and facts that a newer one replaces.
//!
//! What is to be forgotten is a function of what is stored and of the time ([`ForgetPolicy::plan`]); nothing that is pinned,
//! and no turn that stands in a window, is forgotten.

use std::cmp::Ordering;
use std::time::Duration;

use mnemon_core::{EndReason, Ended, Kind, Memory, MemoryId, NewMemory, Scope, Slot, Timestamp};
use mnemon_store::{Added, RowId, ScopeRow, Standing, StoreError, WriteTx};
use serde::{Deserialize, Serialize};

use crate::{LongTerm, LongTermError};

/// Memories that one transaction forgets; others may write between two.
const BATCH: usize = 500;

/// What is forgotten in a scope, beside what has expired.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ForgetPolicy {
    /// The half-life of a memory of normal importance that is never used; see
    /// [`State::strength`](mnemon_core::State::strength). `None`: nothing decays.
    pub half_life: Option<Duration>,
    /// What has decayed below this strength is forgotten. From 0 (nothing) to 1.
    pub least_strength: f32,
    /// A scope has at most so many memories that hold; the weakest are forgotten first. `None`: as many as there are.
    pub capacity: Option<usize>,
    /// Which kinds may be forgotten for weakness or for want of room.
    pub kinds: Vec<Kind>,
    /// What happens to what is forgotten for weakness or for want of room.
    pub how: Forgetting,
}

/// What happens to what is forgotten.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Forgetting {
    /// It ends, and stays as history: it is found as of a time before.
    #[default]
    End,
    /// It is deleted.
    Delete,
}

impl Default for ForgetPolicy {
    /// Forgets what has expired, and nothing else. With a half-life, what has lost 19 parts of 20 goes.
    fn default() -> Self {
        Self { half_life: None, least_strength: 0.05, capacity: None, kinds: Kind::ALL.to_vec(), how: Forgetting::End }
    }
}

/// Why a memory is forgotten.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cause {
    Expired,
    Weak,
    NoRoom,
}

/// What was forgotten.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[non_exhaustive]
pub struct Forgotten {
    /// Memories that had expired, and are deleted.
    pub expired: usize,
    /// Memories that had become weak.
    pub weak: usize,
    /// Memories for which there was no room.
    pub over_capacity: usize,
}

impl ForgetPolicy {
    /// Which of the memories of a scope go now, and why.
    fn plan(&self, standing: &[Standing], now: Timestamp) -> Vec<(RowId, MemoryId, Cause)> {
        let mut gone: Vec<(RowId, MemoryId, Cause)> = Vec::new();
        // Those that stay, with what is left of them.
        let mut rest: Vec<(f32, &Standing)> = Vec::new();
        let mut holding = 0;
        for memory in standing {
            let is_safe = memory.pinned || memory.in_window;
            let expired = memory.state.expires_at.is_some_and(|expires| expires <= now);
            if expired && !is_safe {
                gone.push((memory.row, memory.id, Cause::Expired));
                continue;
            }
            // What has ended is history: it takes no room of what holds, and is not forgotten a second time.
            if memory.state.ended.is_some() {
                continue;
            }
            holding += 1;
            if !is_safe && self.kinds.contains(&memory.kind) {
                let half_life = self.half_life.unwrap_or(Duration::MAX);
                rest.push((memory.state.strength(memory.time, now, half_life), memory));
            }
        }
        rest.sort_by(weaker);
        let weak = rest.partition_point(|(strength, _)| self.half_life.is_some() && *strength < self.least_strength);
        let room =
            self.capacity.map_or(0, |capacity| holding - weak.min(holding) - capacity.min(holding - weak.min(holding)));
        let cause = |place: usize| if place < weak { Cause::Weak } else { Cause::NoRoom };
        let leaving = rest.iter().enumerate().take(weak + room);
        gone.extend(leaving.map(|(place, (_, memory))| (memory.row, memory.id, cause(place))));
        gone
    }
}

/// The weaker first; of equal ones what matters less, and then the older.
fn weaker(a: &(f32, &Standing), b: &(f32, &Standing)) -> Ordering {
    let by_importance = || a.1.state.importance.total_cmp(&b.1.state.importance);
    a.0.total_cmp(&b.0).then_with(by_importance).then_with(|| (a.1.time, a.1.row).cmp(&(b.1.time, b.1.row)))
}

impl LongTerm {
    /// Forgets what a policy says. In batches, so that others write between; what another process pins meanwhile may still
    /// go with the batch that was planned before.
    ///
    /// # Errors
    /// When the store cannot be read or written. The batches before stay done.
    pub fn forget(&self, scope: &Scope, policy: &ForgetPolicy, now: Timestamp) -> Result<Forgotten, LongTermError> {
        let mut standing = Vec::new();
        self.store().read(|snapshot| -> Result<(), LongTermError> {
            if let Some(scope) = snapshot.scope_id(scope)? {
                snapshot.each_standing(scope, |memory| standing.push(memory))?;
            }
            Ok(())
        })?;
        let plan = policy.plan(&standing, now);
        let mut forgotten = Forgotten::default();
        for batch in plan.chunks(BATCH) {
            self.store().write(|tx| -> Result<(), LongTermError> {
                let Some(row) = tx.scope_id(scope)? else { return Ok(()) };
                for (_, id, cause) in batch {
                    let done = match (cause, policy.how) {
                        (Cause::Weak | Cause::NoRoom, Forgetting::End) => {
                            tx.end(row, *id, Ended { at: now, why: EndReason::Forgotten, by: None })
                        }
                        _ => tx.delete(row, *id).map(|()| true),
                    };
                    match done {
                        // Somebody else was faster.
                        Ok(false) | Err(StoreError::NoMemory { .. }) => continue,
                        other => other?,
                    };
                    match cause {
                        Cause::Expired => forgotten.expired += 1,
                        Cause::Weak => forgotten.weak += 1,
                        Cause::NoRoom => forgotten.over_capacity += 1,
                    }
                }
                Ok(())
            })?;
        }
        Ok(forgotten)
    }

    /// Lets one memory take the place of another: from `at` on the old one does not hold, and stays as history. False when
    /// the old one had ended before.
    ///
    /// # Errors
    /// When one of them is not in the scope, when they are the same, and when the store cannot be written.
    pub fn supersede(&self, scope: &Scope, old: MemoryId, new: MemoryId, at: Timestamp) -> Result<bool, LongTermError> {
        if old == new {
            let (field, expected) = ("memory", "another memory than the one that it supersedes");
            return Err(StoreError::Invalid { field, expected, got: new.to_string() }.into());
        }
        self.store().write(|tx| {
            let scope = tx.scope_id(scope)?.ok_or(StoreError::NoMemory { id: old })?;
            Ok(tx.end(scope, old, Ended { at, why: EndReason::Superseded, by: Some(new) })?)
        })
    }

    /// Everything that a scope ever knew about a slot of a subject, the first stored first. What holds has no end.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn history(&self, scope: &Scope, about: &Slot) -> Result<Vec<Memory>, LongTermError> {
        self.store().read(|snapshot| {
            let Some(scope) = snapshot.scope_id(scope)? else { return Ok(Vec::new()) };
            let rows = snapshot.memories_about(scope, about)?;
            Ok(snapshot.memories(&rows)?.into_iter().map(|(_, memory)| memory).collect())
        })
    }
}

/// Of one slot one memory holds. A new one that says the same as the one that holds is merged into it, one that says
/// something else supersedes it; one that is older than it is history at once.
pub(crate) fn settle_slot(
    tx: &WriteTx<'_>,
    scope: ScopeRow,
    new: &NewMemory,
    added: &Added,
    holding: Option<RowId>,
    now: Timestamp,
) -> Result<(), StoreError> {
    let Some((_, old)) = holding.map(|row| tx.memories(&[row])).transpose()?.and_then(|mut found| found.pop()) else {
        return Ok(());
    };
    let time = new.occurred_at.unwrap_or(now);
    if same_words(&old.text, &new.text) {
        tx.end(scope, added.id, Ended { at: time, why: EndReason::Merged, by: Some(old.id) })?;
    } else if time < old.time() {
        tx.end(scope, added.id, Ended { at: old.time(), why: EndReason::Superseded, by: Some(old.id) })?;
    } else {
        tx.end(scope, old.id, Ended { at: time, why: EndReason::Superseded, by: Some(added.id) })?;
    }
    Ok(())
}

/// Whatever their case, spacing and punctuation.
fn same_words(a: &str, b: &str) -> bool {
    let words = |text: &str| -> Vec<String> {
        text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).map(str::to_lowercase).collect()
    };
    words(a) == words(b)
}

#[cfg(test)]
mod tests {
    use mnemon_core::State;
    use proptest::prelude::*;

    use super::*;

    fn time(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn standing(row: RowId, age: i64, importance: f32) -> Standing {
        Standing {
            row,
            id: MemoryId::new(time(row)),
            kind: Kind::Note,
            pinned: false,
            in_window: false,
            time: time(10_000 - age),
            state: State { importance, ..State::default() },
        }
    }

    fn planned(policy: &ForgetPolicy, standing: &[Standing]) -> Vec<(RowId, Cause)> {
        policy.plan(standing, time(10_000)).into_iter().map(|(row, _, cause)| (row, cause)).collect()
    }

    #[test]
    fn what_is_expired_weak_or_too_much_goes_and_what_is_pinned_stays() {
        let expired = |memory: Standing| {
            let state = State { expires_at: Some(time(10_000)), ..memory.state };
            Standing { state, ..memory }
        };
        let pinned = |memory: Standing| Standing { pinned: true, ..memory };
        let memories = [
            expired(standing(1, 5, 0.5)),
            pinned(expired(standing(2, 5, 0.5))),
            standing(3, 500, 0.5),
            pinned(standing(4, 500, 0.5)),
            standing(5, 500, 1.0),
            standing(6, 20, 0.5),
            standing(7, 10, 0.5),
            Standing { in_window: true, ..standing(8, 900, 0.0) },
        ];
        let nothing_more = ForgetPolicy::default();
        assert_eq!(planned(&nothing_more, &memories), [(1, Cause::Expired)]);
        let weak = ForgetPolicy { half_life: Some(Duration::from_secs(100)), ..ForgetPolicy::default() };
        assert_eq!(planned(&weak, &memories), [(1, Cause::Expired), (3, Cause::Weak)]);
        // Six hold after the weak one; five may.
        let full = ForgetPolicy { capacity: Some(5), ..weak.clone() };
        assert_eq!(planned(&full, &memories), [(1, Cause::Expired), (3, Cause::Weak), (6, Cause::NoRoom)]);
        let none = ForgetPolicy { capacity: Some(0), ..weak };
        assert_eq!(planned(&none, &memories).len(), 5, "of those that are not safe nothing is left");
        let notes_only = ForgetPolicy { capacity: Some(0), kinds: vec![Kind::Turn], ..ForgetPolicy::default() };
        assert_eq!(planned(&notes_only, &memories), [(1, Cause::Expired)]);
    }

    proptest! {
        /// Whatever a policy says: what is safe stays, what stays is within the capacity where that is possible, and nothing
        /// that stays is weaker than what goes.
        #[test]
        fn a_plan_is_sound(
            memories in prop::collection::vec((0i64..1000, 0f32..=1.0, 0u8..8), 0..40),
            half_life in prop::option::of(1u64..500),
            capacity in prop::option::of(0usize..40),
        ) {
            let memories: Vec<Standing> = (1..).zip(memories).map(|(row, (age, importance, bits))| {
                let ended = (bits & 4 != 0).then_some(Ended { at: time(1), why: EndReason::Merged, by: None });
                let memory = standing(row, age, importance);
                Standing {
                    pinned: bits & 1 != 0,
                    in_window: bits & 2 != 0,
                    state: State { ended, ..memory.state },
                    ..memory
                }
            }).collect();
            let half_life = half_life.map(Duration::from_secs);
            let policy = ForgetPolicy { half_life, capacity, ..ForgetPolicy::default() };
            let gone: Vec<RowId> = planned(&policy, &memories).into_iter().map(|(row, _)| row).collect();
            let strength = |m: &Standing| m.state.strength(m.time, time(10_000), half_life.unwrap_or(Duration::MAX));
            let (lost, kept): (Vec<_>, Vec<_>) = memories.iter().partition(|m| gone.contains(&m.row));
            prop_assert!(lost.iter().all(|m| !m.pinned && !m.in_window && m.state.ended.is_none()));
            let holding: Vec<_> = kept.iter().filter(|m| m.state.ended.is_none()).collect();
            let free: Vec<_> = holding.iter().filter(|m| !m.pinned && !m.in_window).collect();
            prop_assert!(capacity.is_none_or(|capacity| holding.len() <= capacity || free.is_empty()));
            let strongest_lost = lost.iter().map(|m| strength(m)).fold(0.0, f32::max);
            prop_assert!(free.iter().all(|m| strength(m) >= strongest_lost));
            if capacity.is_none() {
                prop_assert!(lost.iter().all(|m| half_life.is_some() && strength(m) < policy.least_strength));
                prop_assert!(free.iter().all(|m| half_life.is_none() || strength(m) >= policy.least_strength));
            }
        }
    }

    #[test]
    fn the_same_words_are_the_same_whatever_their_dress() {
        assert!(same_words("Ann lives in Lyon.", "  ann LIVES in lyon"));
        assert!(!same_words("Ann lives in Lyon", "Ann lives in Nice"));
    }
}
