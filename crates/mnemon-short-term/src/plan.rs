//! What leaves the window.

use std::collections::HashSet;

use crate::{EvictionPolicy, Exchange, Window, WindowItem};

/// The turns that should leave, for the owner of the store to move and, if it likes, to summarise.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct EvictionPlan {
    /// The turns that leave, in the order of the conversation, always whole exchanges. Empty when the window fits.
    pub leave: Vec<WindowItem>,
    /// The tokens of the turns that leave.
    pub tokens: usize,
    /// The tokens of the turns that stay.
    pub remaining: usize,
}

impl EvictionPlan {
    /// Whether nothing leaves.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.leave.is_empty()
    }
}

/// See [`Window::plan_eviction`].
pub(crate) fn plan(window: &Window, policy: &dyn EvictionPolicy, chunk_tokens: usize) -> EvictionPlan {
    let overflow = window.overflow();
    if overflow == 0 {
        return EvictionPlan { remaining: window.tokens(), ..EvictionPlan::default() };
    }
    let newest = window.items().last().map(|item| item.exchange);
    let (newest, older): (Vec<Exchange>, Vec<Exchange>) = Exchange::all(window.items())
        .into_iter()
        .filter(|exchange| !exchange.is_pinned())
        .partition(|exchange| Some(exchange.number) == newest);
    let too_large = newest.iter().filter(|exchange| exchange.tokens > window.capacity());

    // Exact sums: `Window::tokens` stops at `usize::MAX`.
    let mut staying: u128 = window.iter().map(|item| item.tokens as u128).sum();
    let mut leaving: HashSet<u32> = HashSet::new();
    let mut tokens = 0usize;
    for exchange in too_large.chain(in_order(policy, &older)) {
        if tokens >= chunk_tokens && staying <= window.capacity() as u128 {
            break;
        }
        leaving.insert(exchange.number);
        tokens = tokens.saturating_add(exchange.tokens);
        staying = staying.saturating_sub(exchange.tokens as u128);
    }
    let leave = window.iter().filter(|item| leaving.contains(&item.exchange)).copied().collect();
    EvictionPlan { leave, tokens, remaining: usize::try_from(staying).unwrap_or(usize::MAX) }
}

/// All exchanges in the order of the policy, each once, whatever the policy returned.
fn in_order<'a>(policy: &dyn EvictionPolicy, exchanges: &'a [Exchange]) -> impl Iterator<Item = &'a Exchange> {
    let mut named = vec![false; exchanges.len()];
    let mut order = policy.order(exchanges);
    order.retain(|&place| named.get_mut(place).is_some_and(|named| !std::mem::replace(named, true)));
    order.extend((0..exchanges.len()).filter(|&place| named.get(place) == Some(&false)));
    order.into_iter().filter_map(|place| exchanges.get(place))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use mnemon_core::{MemoryId, Timestamp};
    use proptest::prelude::*;

    use super::*;
    use crate::Eviction;

    const NEVER: f32 = f32::INFINITY;

    fn window(capacity: usize, items: &[(u32, usize, f32)]) -> Window {
        let item = |(n, &(exchange, tokens, priority)): (usize, &(u32, usize, f32))| {
            let now = Timestamp::from_second(n as i64).unwrap();
            WindowItem { priority, ..WindowItem::new(MemoryId::from_bytes([n as u8; 16]), exchange, tokens, now) }
        };
        Window::new(capacity, items.iter().enumerate().map(item))
    }

    /// Items are (exchange, tokens, priority); expected are the places of the items that leave.
    #[track_caller]
    fn check(capacity: usize, chunk: usize, items: &[(u32, usize, f32)], policy: &dyn EvictionPolicy, expected: &[u8]) {
        let plan = window(capacity, items).plan_eviction(policy, chunk);
        assert_eq!(plan.leave.iter().map(|item| item.id.as_bytes()[0]).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn whole_exchanges_leave_until_the_rest_fits_and_the_chunk_is_full() {
        let items = [(0, 10, 1.0), (0, 10, 1.0), (1, 10, 0.0), (1, 10, 1.0), (2, 10, 1.0), (3, 10, 1.0)];
        check(60, 0, &items, &Eviction::Fifo, &[]);
        check(60, 50, &items, &Eviction::Fifo, &[]);
        check(59, 0, &items, &Eviction::Fifo, &[0, 1]);
        check(59, 21, &items, &Eviction::Fifo, &[0, 1, 2, 3]);
        check(30, 0, &items, &Eviction::Fifo, &[0, 1, 2, 3]);
        check(59, usize::MAX, &items, &Eviction::Fifo, &[0, 1, 2, 3, 4]);
        check(0, 0, &[], &Eviction::Fifo, &[]);
    }

    #[test]
    fn the_chunk_is_in_the_order_of_the_conversation() {
        let items = [(0, 10, 3.0), (1, 10, 2.0), (0, 10, 3.0), (2, 10, 1.0), (3, 10, 9.0)];
        check(20, 0, &items, &Eviction::Priority, &[0, 1, 2, 3]);
        check(30, 0, &items, &Eviction::Priority, &[1, 3]);
        check(30, 0, &items, &|exchanges: &[Exchange]| (0..exchanges.len()).rev().collect(), &[1, 3]);
    }

    #[test]
    fn the_newest_exchange_stays_unless_no_window_could_hold_it() {
        check(15, 0, &[(0, 10, 9.0), (1, 15, 0.0)], &Eviction::Priority, &[0]);
        check(15, 0, &[(0, 10, 9.0), (1, 8, 0.0), (1, 8, 0.0)], &Eviction::Fifo, &[1, 2]);
        check(15, 17, &[(0, 10, 9.0), (1, 8, 0.0), (1, 8, 0.0)], &Eviction::Fifo, &[0, 1, 2]);
        check(0, 0, &[(0, 1, 1.0)], &Eviction::Fifo, &[0]);
    }

    #[test]
    fn pinned_exchanges_stay_even_when_nothing_fits() {
        let items = [(0, 90, NEVER), (1, 10, 1.0), (2, 10, 1.0), (3, 10, 1.0)];
        check(100, 0, &items, &Eviction::Fifo, &[1, 2]);
        check(50, 0, &items, &Eviction::Fifo, &[1, 2]);
        let plan = window(50, &items).plan_eviction(&Eviction::Fifo, 0);
        assert_eq!((plan.tokens, plan.remaining, plan.is_empty()), (20, 100, false));
        check(5, 0, &[(0, 9, 1.0), (1, 99, NEVER)], &Eviction::Fifo, &[0]);
    }

    #[test]
    fn enormous_turns_are_counted() {
        let items = [(0, usize::MAX, 1.0), (1, usize::MAX, 1.0), (2, 1, 1.0)];
        check(usize::MAX - 1, 0, &items, &Eviction::Fifo, &[0, 1]);
    }

    fn items() -> impl Strategy<Value = Vec<(u32, usize, f32)>> {
        let priority = prop_oneof![6 => -1.0f32..3.0, 1 => Just(NEVER), 1 => Just(f32::NAN)];
        prop::collection::vec((0u32..3, 0usize..30, priority), 0..25).prop_map(|mut items| {
            // Exchange numbers that mostly grow, with turns of an older one now and then.
            for (n, item) in items.iter_mut().enumerate() {
                item.0 += n as u32 / 2;
            }
            items
        })
    }

    proptest! {
        /// The policy is any list of places at all: missing, repeated and out of range.
        #[test]
        fn a_plan_does_what_the_rules_say(
            items in items(), capacity in 0usize..200, chunk in 0usize..150, order in prop::collection::vec(0usize..30, 0..30),
        ) {
            let mut window = window(capacity, &items);
            let before = window.clone();
            let policy = |_: &[Exchange]| order.clone();
            let plan = window.plan_eviction(&policy, chunk);

            // Oracle: the rules, step by step over the exchanges, on sets and sums alone.
            let total = |numbers: &BTreeSet<u32>| items.iter().filter(|i| numbers.contains(&i.0)).map(|i| i.1).sum::<usize>();
            let all: usize = items.iter().map(|i| i.1).sum();
            let newest = items.last().map(|i| i.0);
            let pinned: BTreeSet<u32> = items.iter().filter(|i| i.2 == NEVER).map(|i| i.0).collect();
            let mut free: Vec<u32> = Vec::new();
            for item in &items {
                if !free.contains(&item.0) && !pinned.contains(&item.0) && Some(item.0) != newest {
                    free.push(item.0);
                }
            }
            let mut queue: Vec<u32> = Vec::new();
            if let Some(newest) = newest.filter(|n| !pinned.contains(n) && total(&BTreeSet::from([*n])) > capacity) {
                queue.push(newest);
            }
            let named: Vec<u32> = order.iter().filter_map(|&place| free.get(place).copied()).collect();
            for number in named.into_iter().chain(free.clone()) {
                if !queue.contains(&number) {
                    queue.push(number);
                }
            }
            let mut expected = BTreeSet::new();
            for number in queue {
                let gone = total(&expected);
                if all > capacity && (gone < chunk || all - gone > capacity) {
                    expected.insert(number);
                }
            }
            let places: Vec<usize> = (0..items.len()).filter(|&n| expected.contains(&items[n].0)).collect();
            prop_assert_eq!(plan.leave.iter().map(|i| i.id.as_bytes()[0] as usize).collect::<Vec<_>>(), places);
            prop_assert_eq!(plan.tokens, total(&expected));
            prop_assert_eq!(plan.remaining, all - plan.tokens);

            // Nothing is lost: what leaves and what stays are the window, each turn once and as it was.
            let gone = window.apply(&plan);
            prop_assert_eq!(format!("{gone:?}"), format!("{:?}", plan.leave));
            prop_assert_eq!(window.tokens(), plan.remaining);
            let mut together: Vec<WindowItem> = gone.iter().chain(window.iter()).copied().collect();
            together.sort_by_key(|item| item.id);
            prop_assert_eq!(format!("{together:?}"), format!("{:?}", before.items()));

            // A second plan finds nothing more, unless what must stay is too large by itself.
            if !window.is_over_capacity() {
                prop_assert!(window.plan_eviction(&policy, chunk).is_empty());
            }
        }

        #[test]
        fn the_window_fits_afterwards_when_nothing_is_pinned(
            items in items(), capacity in 0usize..200, chunk in 0usize..150, policy in prop::sample::select(Eviction::ALL),
        ) {
            let free: Vec<_> = items.into_iter().map(|(e, t, p)| (e, t, if p == NEVER { 1.0 } else { p })).collect();
            let plan = window(capacity, &free).plan_eviction(&policy, chunk);
            prop_assert!(plan.remaining <= capacity);
        }
    }
}
