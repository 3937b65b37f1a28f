//! The best few of many.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

/// A row that a search found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Candidate {
    /// The id under which it was inserted.
    pub id: i64,
    /// The cosine of the angle between its vector and the query, from -1 to 1.
    pub similarity: f32,
}

impl Candidate {
    /// The order of results: the most similar first, equal ones by id.
    #[must_use]
    pub fn rank(&self, other: &Self) -> Ordering {
        other.similarity.total_cmp(&self.similarity).then(self.id.cmp(&other.id))
    }
}

/// A row on its way to become a [`Candidate`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Near {
    pub(crate) similarity: f32,
    pub(crate) id: i64,
    pub(crate) slot: u32,
}

impl Near {
    fn rank(&self, other: &Self) -> Ordering {
        other.similarity.total_cmp(&self.similarity).then(self.id.cmp(&other.id))
    }
}

/// Keeps the `k` best of the rows pushed into it.
pub(crate) struct Top {
    k: usize,
    /// The worst of those kept is on top.
    heap: BinaryHeap<Ranked>,
    /// A row below this similarity cannot enter any more.
    floor: f32,
}

struct Ranked(Near);

impl Top {
    /// `expected` bounds what is allocated at once, for the case that `k` is far above the number of rows.
    pub(crate) fn new(k: usize, expected: usize) -> Self {
        Self {
            k,
            heap: BinaryHeap::with_capacity(k.min(expected) + 1),
            floor: if k == 0 { f32::INFINITY } else { f32::NEG_INFINITY },
        }
    }

    /// Whether a row of this similarity could be among the best: cheap, to ask before anything else.
    #[inline]
    pub(crate) fn admits(&self, similarity: f32) -> bool {
        similarity >= self.floor
    }

    pub(crate) fn push(&mut self, near: Near) {
        if self.k == 0 {
            return;
        }
        if self.heap.len() < self.k {
            self.heap.push(Ranked(near));
        } else if let Some(mut worst) = self.heap.peek_mut()
            && near.rank(&worst.0) == Ordering::Less
        {
            *worst = Ranked(near);
        }
        if self.heap.len() == self.k
            && let Some(worst) = self.heap.peek()
        {
            self.floor = worst.0.similarity;
        }
    }

    /// The best, in no order.
    pub(crate) fn into_rows(self) -> Vec<Near> {
        self.heap.into_iter().map(|Ranked(near)| near).collect()
    }
}

impl PartialEq for Ranked {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Ranked {}

impl PartialOrd for Ranked {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Ranked {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.rank(&other.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_best_are_those_of_a_full_sort(scores in proptest::collection::vec(-3i8..=3, 0..60), k in 0usize..70) {
            let all = scores.iter().enumerate();
            let near = |(i, s): (usize, &i8)| Near { id: i as i64, similarity: f32::from(*s) / 4.0, slot: i as u32 };
            let mut all: Vec<Near> = all.map(near).collect();
            let mut top = Top::new(k, 8);
            for near in all.iter().rev() {
                let expected_to_enter = top.admits(near.similarity);
                if expected_to_enter {
                    top.push(*near);
                }
            }
            all.sort_by(Near::rank);
            all.truncate(k);
            let mut best = top.into_rows();
            best.sort_by(Near::rank);
            prop_assert_eq!(best, all);
        }
    }
}
