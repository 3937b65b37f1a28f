//! The window and its items.

use std::collections::HashSet;

use mnemon_core::{MemoryId, Timestamp};

use crate::plan::plan;
use crate::{EvictionPlan, EvictionPolicy};

/// What the window knows about one turn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct WindowItem {
    /// Which turn it is.
    pub id: MemoryId,
    /// The exchange that it is part of: a user's turn and its answers share a number, and leave together.
    pub exchange: u32,
    /// How many tokens it takes in a prompt.
    pub tokens: usize,
    /// How much it should stay: 1 is normal, and infinity means that its exchange never leaves. NaN ranks below all.
    pub priority: f32,
    /// When it came into the window.
    pub added_at: Timestamp,
    /// When it was last part of what somebody asked for.
    pub last_access: Timestamp,
}

impl WindowItem {
    /// A turn of normal priority that came at `now`.
    #[must_use]
    pub fn new(id: MemoryId, exchange: u32, tokens: usize, now: Timestamp) -> Self {
        Self { id, exchange, tokens, priority: 1.0, added_at: now, last_access: now }
    }
}

/// The recent turns of one session in the order of the conversation, with a capacity in tokens.
///
/// Nothing leaves by itself: a window may hold more than its capacity until a plan is applied. An id is in the window
/// at most once. Token sums stop at `usize::MAX` instead of wrapping.
#[derive(Debug, Clone, PartialEq)]
pub struct Window {
    capacity: usize,
    items: Vec<WindowItem>,
    ids: HashSet<MemoryId>,
}

impl Window {
    /// A window with these items, in the order of the conversation. Of items with one id, the first counts.
    #[must_use]
    pub fn new(capacity: usize, items: impl IntoIterator<Item = WindowItem>) -> Self {
        let mut window = Self { capacity, items: Vec::new(), ids: HashSet::new() };
        for item in items {
            window.push(item);
        }
        window
    }

    /// Adds the newest turn. When its id is in the window already, nothing changes and the answer is false.
    pub fn push(&mut self, item: WindowItem) -> bool {
        let new = self.ids.insert(item.id);
        if new {
            self.items.push(item);
        }
        new
    }

    /// Takes turns out and returns them in the order of the conversation. Unknown ids are ignored. O(items + ids).
    pub fn remove(&mut self, ids: &[MemoryId]) -> Vec<WindowItem> {
        let wanted: HashSet<&MemoryId> = ids.iter().collect();
        let (gone, left) = self.items.drain(..).partition(|item| wanted.contains(&item.id));
        self.items = left;
        for item in &gone {
            self.ids.remove(&item.id);
        }
        gone
    }

    /// Takes out what the plan says.
    pub fn apply(&mut self, plan: &EvictionPlan) -> Vec<WindowItem> {
        self.remove(&plan.leave.iter().map(|item| item.id).collect::<Vec<_>>())
    }

    /// Marks turns as accessed at `now`, unless they were later already. Unknown ids are ignored. O(items + ids).
    pub fn touch(&mut self, ids: &[MemoryId], now: Timestamp) {
        let wanted: HashSet<&MemoryId> = ids.iter().collect();
        for item in self.items.iter_mut().filter(|item| wanted.contains(&item.id)) {
            item.last_access = item.last_access.max(now);
        }
    }

    /// The last `k` turns, or all when there are fewer, in the order of the conversation. Exchanges may be cut.
    #[must_use]
    pub fn recent(&self, k: usize) -> &[WindowItem] {
        self.items.get(self.items.len().saturating_sub(k)..).unwrap_or_default()
    }

    /// All turns in the order of the conversation.
    #[must_use]
    pub fn items(&self) -> &[WindowItem] {
        &self.items
    }

    /// All turns in the order of the conversation.
    pub fn iter(&self) -> std::slice::Iter<'_, WindowItem> {
        self.items.iter()
    }

    /// How many turns there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether there is no turn.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// How many tokens the window should hold at most.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// How many tokens the turns are together. O(items).
    #[must_use]
    pub fn tokens(&self) -> usize {
        self.items.iter().fold(0, |sum, item| sum.saturating_add(item.tokens))
    }

    /// How many tokens are too many: 0 when the window fits.
    #[must_use]
    pub fn overflow(&self) -> usize {
        self.tokens().saturating_sub(self.capacity)
    }

    /// Whether something should leave.
    #[must_use]
    pub fn is_over_capacity(&self) -> bool {
        self.overflow() > 0
    }

    /// What should leave so that the window fits again: nothing when it fits, else whole exchanges in the order of the
    /// policy until at least `chunk_tokens` tokens leave and the rest fits. Leaving in chunks rather than turn by turn
    /// is what makes a summary of them worthwhile.
    ///
    /// - An exchange with a turn of infinite priority never leaves.
    /// - The newest exchange (that of the last turn) stays, unless it alone is larger than the capacity. Then it is the
    ///   first to leave, because no window can hold it and the others would leave in vain.
    /// - When that is not enough (pinned turns fill the window, say), all that may leave does and
    ///   [`EvictionPlan::remaining`] is above the capacity.
    ///
    /// The window itself does not change. Whatever the policy returns, each turn either leaves once or stays. O(items)
    /// beside the policy's own cost.
    #[must_use]
    pub fn plan_eviction(&self, policy: &dyn EvictionPolicy, chunk_tokens: usize) -> EvictionPlan {
        plan(self, policy, chunk_tokens)
    }
}

impl<'a> IntoIterator for &'a Window {
    type Item = &'a WindowItem;
    type IntoIter = std::slice::Iter<'a, WindowItem>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn item(n: u8, tokens: usize) -> WindowItem {
        WindowItem::new(MemoryId::from_bytes([n; 16]), u32::from(n), tokens, at(i64::from(n)))
    }

    fn numbers(items: &[WindowItem]) -> Vec<u32> {
        items.iter().map(|item| item.exchange).collect()
    }

    #[test]
    fn turns_come_and_go_in_the_order_of_the_conversation() {
        let mut window = Window::new(50, [item(3, 10), item(1, 20), item(3, 99)]);
        assert!(window.push(item(2, 30)) && !window.push(item(1, 99)));
        assert_eq!((numbers(window.items()), window.tokens(), window.overflow()), (vec![3, 1, 2], 60, 10));
        assert_eq!((numbers(window.recent(2)), window.recent(9).len(), window.recent(0).len()), (vec![1, 2], 3, 0));

        let gone = window.remove(&[item(2, 0).id, item(9, 0).id, item(3, 0).id, item(2, 0).id]);
        assert_eq!((numbers(&gone), numbers(window.items())), (vec![3, 2], vec![1]));
        assert!(!window.is_over_capacity() && window.push(item(3, 5)), "an id can come back");
        assert_eq!(window.iter().count(), window.len());
    }

    #[test]
    fn an_access_never_makes_a_turn_older() {
        let mut window = Window::new(50, [item(1, 1), item(2, 1)]);
        window.touch(&[item(1, 0).id, item(7, 0).id], at(100));
        window.touch(&[item(1, 0).id], at(50));
        assert_eq!(window.iter().map(|item| item.last_access).collect::<Vec<_>>(), [at(100), at(2)]);
    }

    #[test]
    fn sums_do_not_wrap() {
        let window = Window::new(usize::MAX - 1, [item(1, usize::MAX), item(2, usize::MAX)]);
        assert_eq!((window.tokens(), window.overflow()), (usize::MAX, 1));
    }
}
