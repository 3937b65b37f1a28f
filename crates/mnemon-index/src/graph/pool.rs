//! What a search of the graph knows while it goes on.

use std::cell::Cell;

use crate::bits::Bits;

/// The best nodes seen so far, the best first, and which of them have been asked for their neighbours.
///
/// One sorted list in the place of the two heaps of the HNSW paper (as in NSG, Fu and others, 2019): with a few hundred
/// nodes, moving them by a `memmove` is faster than keeping heaps.
#[derive(Debug, Default)]
pub(crate) struct Pool {
    pub(super) visited: Bits,
    pub(super) fresh: Vec<u32>,
    pub(super) products: Vec<i32>,
    best: Vec<Entry>,
    room: usize,
    /// All before this one have been asked.
    at: usize,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    similarity: f32,
    /// The name of the node, with the highest bit set once it has been asked.
    node: u32,
}

/// Nodes are slots, and of these there are fewer.
const ASKED: u32 = 1 << 31;

thread_local! {
    static SPARE: Cell<Option<Box<Pool>>> = const { Cell::new(None) };
}

impl Pool {
    /// Runs `search` with the pool of this thread, which keeps its memory. A search within a search gets a new one.
    pub(crate) fn with<T>(search: impl FnOnce(&mut Self) -> T) -> T {
        let mut pool = SPARE.try_with(Cell::take).ok().flatten().unwrap_or_default();
        let found = search(&mut pool);
        // While a thread ends there is no place to keep it.
        let _ = SPARE.try_with(|spare| spare.set(Some(pool)));
        found
    }

    /// The nodes found, the best first.
    pub(crate) fn found(&self) -> impl ExactSizeIterator<Item = (f32, u32)> {
        self.best.iter().map(|entry| (entry.similarity, entry.node & !ASKED))
    }

    pub(super) fn begin(&mut self, nodes: usize, ef: usize) {
        self.visited.reset(nodes);
        self.best.clear();
        self.room = ef.max(1);
        self.at = 0;
    }

    /// The best node that has not been asked; it counts as asked from now on.
    pub(super) fn next(&mut self) -> Option<u32> {
        loop {
            let entry = self.best.get_mut(self.at)?;
            self.at += 1;
            if entry.node & ASKED == 0 {
                let node = entry.node;
                entry.node |= ASKED;
                return Some(node);
            }
        }
    }

    /// Keeps the node if it is among the best; whether it is.
    #[inline]
    pub(super) fn offer(&mut self, similarity: f32, node: u32) -> bool {
        let full = self.best.len() >= self.room;
        if full && self.best.last().is_some_and(|worst| similarity <= worst.similarity) {
            return false;
        }
        let place = self.best.partition_point(|entry| entry.similarity >= similarity);
        if full {
            self.best.pop();
        }
        self.best.insert(place, Entry { similarity, node });
        self.at = self.at.min(place);
        true
    }
}
