//! Exchanges: what leaves together.

use std::collections::HashMap;

use mnemon_core::{MemoryId, Timestamp};

use crate::WindowItem;

/// A user's turn and its answers, as a policy sees them.
#[derive(Debug, Clone, PartialEq)]
pub struct Exchange {
    /// The number that its turns share.
    pub number: u32,
    /// Its turns in the order of the conversation.
    pub turns: Vec<MemoryId>,
    /// The tokens of its turns together.
    pub tokens: usize,
    /// The highest priority among its turns: an answer of little worth does not drag its question along.
    pub priority: f32,
    /// When the first of its turns came.
    pub added_at: Timestamp,
    /// When one of its turns was last accessed.
    pub last_access: Timestamp,
}

impl Exchange {
    /// The exchanges of a window in the order of their first turns. Turns of one exchange need not stand together.
    pub(crate) fn all(items: &[WindowItem]) -> Vec<Exchange> {
        let mut places: HashMap<u32, usize> = HashMap::new();
        let mut exchanges: Vec<Exchange> = Vec::new();
        for item in items {
            let place = *places.entry(item.exchange).or_insert(exchanges.len());
            match exchanges.get_mut(place) {
                Some(exchange) => exchange.add(item),
                None => exchanges.push(Exchange {
                    number: item.exchange,
                    turns: vec![item.id],
                    tokens: item.tokens,
                    // `max` passes over NaN.
                    priority: f32::NEG_INFINITY.max(item.priority),
                    added_at: item.added_at,
                    last_access: item.last_access,
                }),
            }
        }
        exchanges
    }

    /// Whether it must stay whatever happens.
    pub(crate) fn is_pinned(&self) -> bool {
        self.priority == f32::INFINITY
    }

    fn add(&mut self, item: &WindowItem) {
        self.turns.push(item.id);
        self.tokens = self.tokens.saturating_add(item.tokens);
        self.priority = self.priority.max(item.priority);
        self.added_at = self.added_at.min(item.added_at);
        self.last_access = self.last_access.max(item.last_access);
    }
}
