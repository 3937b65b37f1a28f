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

/// Keeps the `k` best of the candidates pushed into it.
pub(crate) struct Top {
    k: usize,
    /// The worst of those kept is on top.
    heap: BinaryHeap<Ranked>,
    /// A candidate below this similarity cannot enter any more.
    floor: f32,
}

struct Ranked(Candidate);

impl Top {
    /// `expected` bounds what is allocated at once, for the case that `k` is far above the number of rows.
    pub(crate) fn new(k: usize, expected: usize) -> Self {
        Self {
            k,
            heap: BinaryHeap::with_capacity(k.min(expected) + 1),
            floor: if k == 0 { f32::INFINITY } else { f32::NEG_INFINITY },
        }
    }

    /// Whether a candidate of this similarity could be among the best: cheap, to ask before anything else.
    #[inline]
    pub(crate) fn admits(&self, similarity: f32) -> bool {
        similarity >= self.floor
    }

    pub(crate) fn push(&mut self, candidate: Candidate) {
        if self.k == 0 {
            return;
        }
        if self.heap.len() < self.k {
            self.heap.push(Ranked(candidate));
        } else if let Some(mut worst) = self.heap.peek_mut()
            && candidate.rank(&worst.0) == Ordering::Less
        {
            *worst = Ranked(candidate);
        }
        if self.heap.len() == self.k
            && let Some(worst) = self.heap.peek()
        {
            self.floor = worst.0.similarity;
        }
    }

    /// The best, best first. Rounding can put a cosine a little outside of -1 to 1; here it is put back.
    pub(crate) fn into_sorted(self) -> Vec<Candidate> {
        let clamp = |Ranked(c): Ranked| Candidate { similarity: c.similarity.clamp(-1.0, 1.0), ..c };
        let mut sorted: Vec<Candidate> = self.heap.into_iter().map(clamp).collect();
        sorted.sort_unstable_by(Candidate::rank);
        sorted
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
            let mut all: Vec<_> = all.map(|(i, s)| Candidate { id: i as i64, similarity: f32::from(*s) / 4.0 }).collect();
            let mut top = Top::new(k, 8);
            for candidate in all.iter().rev() {
                let expected_to_enter = top.admits(candidate.similarity);
                if expected_to_enter {
                    top.push(*candidate);
                }
            }
            all.sort_by(Candidate::rank);
            all.truncate(k);
            prop_assert_eq!(top.into_sorted(), all);
        }
    }
}
