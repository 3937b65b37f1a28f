//! What is known of a memory beside what it says: how far it may be believed, how long it holds, how much it matters.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::memory::words;
use crate::{Kind, MemoryId, Role};

/// How far a memory may be believed. Ordered: what is believed least comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Trust {
    /// Somebody marked it as not to be believed.
    Untrusted,
    /// It comes from outside: a tool, a document, another program's memory.
    External,
    /// The model said it.
    Assistant,
    /// The user said it, or the program that speaks for the user.
    User,
}

words!(Trust, "class of trust", {
    Untrusted = 1 "untrusted", External = 2 "external", Assistant = 3 "assistant", User = 4 "user",
});

impl Trust {
    /// What a memory is believed when nobody says otherwise: what was imported, what a tool said and what stands in a
    /// document come from outside; a summary is the model's.
    #[must_use]
    pub fn of(kind: Kind, role: Option<Role>, is_imported: bool) -> Self {
        let own = match (kind, role) {
            (_, Some(role)) => Self::most(Some(role)).min(match role {
                Role::Assistant => Self::Assistant,
                _ => Self::User,
            }),
            (Kind::Document, None) => Self::External,
            (Kind::Summary, None) => Self::Assistant,
            (_, None) => Self::User,
        };
        if is_imported { own.min(Self::External) } else { own }
    }

    /// The most that what a role says may be believed, whatever is claimed: what a tool made is no better than its source.
    #[must_use]
    pub fn most(role: Option<Role>) -> Self {
        if role == Some(Role::Tool) { Self::External } else { Self::User }
    }
}

/// Why a memory does not hold any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum EndReason {
    /// A newer one says otherwise.
    Superseded,
    /// Another one says the same.
    Merged,
    /// It was weak, or there was no room.
    Forgotten,
}

words!(EndReason, "reason for an end", { Superseded = 1 "superseded", Merged = 2 "merged", Forgotten = 3 "forgotten" });

/// The end of a memory that is kept as history.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// From then on it does not hold.
    pub at: Timestamp,
    /// Why.
    pub why: EndReason,
    /// The memory that took its place, unless that is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<MemoryId>,
}

/// What a fact says something about. Of one subject and slot one fact holds at a time: a new one supersedes the one before.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Slot {
    /// Of whom or what, such as `Ann`.
    pub subject: String,
    /// What of it, such as `address`.
    pub slot: String,
}

impl Slot {
    /// A slot of a subject.
    #[must_use]
    pub fn new(subject: impl Into<String>, slot: impl Into<String>) -> Self {
        Self { subject: subject.into(), slot: slot.into() }
    }
}

/// How much a memory matters, how long it holds, and how it was used.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct State {
    /// From 0 (of no importance) to 1 (never forgotten). 0.5 is normal.
    pub importance: f32,
    /// How often it was shown in a prompt.
    pub uses: u32,
    /// When it was shown last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_used: Option<Timestamp>,
    /// From then on it is not found any more, and `forget` deletes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// Present when it does not hold any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended: Option<Ended>,
    /// What it says something about, for facts of which one holds at a time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub about: Option<Slot>,
}

impl Default for State {
    fn default() -> Self {
        Self { importance: 0.5, uses: 0, last_used: None, expires_at: None, ended: None, about: None }
    }
}

impl State {
    /// Whether there is nothing to say.
    #[must_use]
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// Whether it holds at this time, as far as its end and its expiry go.
    #[must_use]
    pub fn holds_at(&self, time: Timestamp) -> bool {
        self.ended.is_none_or(|ended| time < ended.at) && self.expires_at.is_none_or(|expires| time < expires)
    }

    /// How much of a memory is left, from 0 to 1: it decays with the time since it was used last (or since `since`, when it
    /// was not), the slower the more it matters and the more often it was used.
    ///
    /// `2^(-age / half_life * 2 * (1 - importance) / (1 + log2(1 + uses)))`: a memory of normal importance that was never
    /// used is half as strong after one half-life; one of importance 1 never decays, one of importance 0 twice as fast; each
    /// doubling of the uses adds a half-life. What lies in the future has not decayed. A half-life of zero leaves nothing of
    /// what is older than now.
    #[must_use]
    pub fn strength(&self, since: Timestamp, now: Timestamp, half_life: Duration) -> f32 {
        let last = self.last_used.map_or(since, |used| used.max(since));
        let age = now.duration_since(last).as_secs_f64().max(0.0);
        let pace =
            2.0 * (1.0 - f64::from(self.importance.clamp(0.0, 1.0))) / (1.0 + f64::from(self.uses).ln_1p() / 2f64.ln());
        if age == 0.0 || pace == 0.0 {
            return 1.0;
        }
        (-age / half_life.as_secs_f64() * pace).exp2() as f32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn trust_is_no_higher_than_the_source() {
        for (kind, role, imported, expected) in [
            (Kind::Turn, Some(Role::User), false, Trust::User),
            (Kind::Turn, Some(Role::System), false, Trust::User),
            (Kind::Turn, Some(Role::Assistant), false, Trust::Assistant),
            (Kind::Turn, Some(Role::Tool), false, Trust::External),
            (Kind::Turn, Some(Role::User), true, Trust::External),
            (Kind::Fact, None, false, Trust::User),
            (Kind::Document, None, false, Trust::External),
            (Kind::Summary, None, false, Trust::Assistant),
            (Kind::Note, None, true, Trust::External),
        ] {
            assert_eq!(Trust::of(kind, role, imported), expected, "{kind} {role:?} {imported}");
        }
        assert!(Trust::Untrusted < Trust::External && Trust::External < Trust::Assistant);
        assert!(Trust::Assistant < Trust::User && Trust::most(Some(Role::Tool)) == Trust::External);
    }

    #[test]
    fn strength_falls_by_half_in_a_half_life_of_what_is_normal() {
        let of = |importance, uses, age: i64| {
            let state = State { importance, uses, ..State::default() };
            state.strength(time(1_000), time(1_000 + age), Duration::from_secs(100))
        };
        assert_eq!([of(0.5, 0, 0), of(0.5, 0, 100), of(0.5, 0, 200)], [1.0, 0.5, 0.25]);
        assert_eq!([of(1.0, 0, 900), of(0.0, 0, 50), of(0.5, 1, 200), of(0.5, 3, 300)], [1.0, 0.5, 0.5, 0.5]);
        assert_eq!(of(0.5, 0, -50), 1.0);
        let used = State { last_used: Some(time(1_100)), ..State::default() };
        assert_eq!(used.strength(time(1_000), time(1_200), Duration::from_secs(100)), 0.5);
        let none = Duration::ZERO;
        assert_eq!(State::default().strength(time(1), time(2), none), 0.0);
        assert_eq!(State::default().strength(time(2), time(2), none), 1.0);
    }

    #[test]
    fn a_memory_holds_until_it_ends_or_expires() {
        let ended = Ended { at: time(10), why: EndReason::Superseded, by: None };
        let state = State { ended: Some(ended), expires_at: Some(time(20)), ..State::default() };
        assert!(state.holds_at(time(9)) && !state.holds_at(time(10)));
        let state = State { ended: None, ..state };
        assert!(state.holds_at(time(19)) && !state.holds_at(time(20)) && State::default().holds_at(time(99)));
    }

    #[test]
    fn what_is_not_said_is_normal() {
        let state: State = serde_json::from_str("{}").unwrap();
        assert!(state.is_default());
        assert_eq!(serde_json::from_str::<State>(&serde_json::to_string(&state).unwrap()).unwrap(), state);
        assert_eq!(serde_json::to_value(EndReason::Merged).unwrap(), EndReason::Merged.as_str());
    }
}
