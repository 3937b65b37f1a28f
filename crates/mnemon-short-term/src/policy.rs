//! In which order exchanges leave.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::Exchange;

/// Says which exchanges leave the window first. Pure: metadata in, an order out; the window does the rest.
///
/// Bring your own by implementing it or by passing a closure, which is called `custom` in manifests:
///
/// ```
/// use mnemon_short_term::{Eviction, EvictionPolicy, Exchange};
/// let largest_first = |exchanges: &[Exchange]| {
///     let mut order: Vec<usize> = (0..exchanges.len()).collect();
///     order.sort_by_key(|&i| std::cmp::Reverse(exchanges[i].tokens));
///     order
/// };
/// let policies: [&dyn EvictionPolicy; 2] = [&Eviction::Lru, &largest_first];
/// assert_eq!(policies.map(|policy| policy.name()), ["lru", "custom"]);
/// ```
pub trait EvictionPolicy: Send + Sync {
    /// A name for manifests.
    fn name(&self) -> &str;

    /// Places in `exchanges`, the first to leave first. The exchanges come in the order of the conversation, without
    /// those that must stay. Places that do not exist or are named again are passed over; exchanges that are not named
    /// leave last, the oldest first.
    fn order(&self, exchanges: &[Exchange]) -> Vec<usize>;
}

impl<F: Fn(&[Exchange]) -> Vec<usize> + Send + Sync> EvictionPolicy for F {
    fn name(&self) -> &str {
        "custom"
    }

    fn order(&self, exchanges: &[Exchange]) -> Vec<usize> {
        self(exchanges)
    }
}

/// The policies that ship.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Eviction {
    /// First in, first out: the oldest exchange of the conversation leaves first.
    #[default]
    Fifo,
    /// The least recently used exchange leaves first, the older one among equals.
    Lru,
    /// The exchange of the lowest priority leaves first, the older one among equals.
    Priority,
}

impl Eviction {
    /// Every policy that ships.
    pub const ALL: &[Self] = &[Self::Fifo, Self::Lru, Self::Priority];

    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Fifo => "fifo",
            Self::Lru => "lru",
            Self::Priority => "priority",
        }
    }
}

impl EvictionPolicy for Eviction {
    fn name(&self) -> &str {
        self.as_str()
    }

    fn order(&self, exchanges: &[Exchange]) -> Vec<usize> {
        let first = |a: &Exchange, b: &Exchange| match self {
            Self::Fifo => Ordering::Equal,
            Self::Lru => a.last_access.cmp(&b.last_access),
            Self::Priority => a.priority.total_cmp(&b.priority),
        };
        let mut order: Vec<(usize, &Exchange)> = exchanges.iter().enumerate().collect();
        // Stable: among equals the order of the conversation stays.
        order.sort_by(|(_, a), (_, b)| first(a, b));
        order.into_iter().map(|(place, _)| place).collect()
    }
}

impl fmt::Display for Eviction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A word that names no policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected an eviction policy (fifo, lru, priority), got {got:?}")]
pub struct ParseEvictionError {
    got: String,
}

impl FromStr for Eviction {
    type Err = ParseEvictionError;

    fn from_str(s: &str) -> Result<Self, ParseEvictionError> {
        let word = s.trim();
        let found = Self::ALL.iter().find(|policy| policy.as_str().eq_ignore_ascii_case(word));
        found.copied().ok_or_else(|| ParseEvictionError { got: s.chars().take(80).collect() })
    }
}

#[cfg(test)]
mod tests {
    use mnemon_core::{MemoryId, Timestamp};

    use super::*;
    use crate::WindowItem;

    /// Exchanges of one turn each, given as (last access, priority).
    #[track_caller]
    fn check(policy: Eviction, exchanges: &[(i64, f32)], expected: &[usize]) {
        let items: Vec<WindowItem> = exchanges
            .iter()
            .enumerate()
            .map(|(n, &(access, priority))| WindowItem {
                priority,
                last_access: Timestamp::from_second(access).unwrap(),
                ..WindowItem::new(MemoryId::from_bytes([n as u8; 16]), n as u32, 1, Timestamp::UNIX_EPOCH)
            })
            .collect();
        assert_eq!(policy.order(&Exchange::all(&items)), expected);
    }

    #[test]
    fn each_policy_has_its_order_and_ties_go_to_the_older() {
        let exchanges = [(5, 1.0), (3, 2.0), (9, -1.0), (3, 1.0), (1, 2.0)];
        check(Eviction::Fifo, &exchanges, &[0, 1, 2, 3, 4]);
        check(Eviction::Lru, &exchanges, &[4, 1, 3, 0, 2]);
        check(Eviction::Priority, &exchanges, &[2, 0, 3, 1, 4]);
        check(Eviction::Priority, &[(0, 0.0), (0, f32::NAN), (0, f32::NEG_INFINITY), (0, -5.0)], &[1, 2, 3, 0]);
        check(Eviction::Lru, &[], &[]);
    }

    #[test]
    fn an_exchange_is_worth_as_much_as_its_best_turn_and_as_fresh_as_its_freshest() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let item = |n: u8, exchange, priority, access| WindowItem {
            priority,
            last_access: at(access),
            ..WindowItem::new(MemoryId::from_bytes([n; 16]), exchange, 10, at(i64::from(n)))
        };
        let exchanges =
            Exchange::all(&[item(1, 7, 0.5, 9), item(2, 8, 1.0, 3), item(3, 7, f32::NAN, 4), item(4, 7, 2.0, 5)]);
        assert_eq!(exchanges.len(), 2);
        let first = &exchanges[0];
        assert_eq!((first.number, first.tokens, first.priority), (7, 30, 2.0));
        assert_eq!((first.added_at, first.last_access, first.turns.len()), (at(1), at(9), 3));
    }

    #[test]
    fn policies_are_read_from_words() {
        for policy in Eviction::ALL {
            assert_eq!(policy.to_string().to_uppercase().parse(), Ok(*policy));
        }
        let error = "random".parse::<Eviction>().unwrap_err().to_string();
        assert_eq!(error, "expected an eviction policy (fifo, lru, priority), got \"random\"");
    }
}
