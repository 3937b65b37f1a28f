//! The best few of many.

use std::cmp::Ordering;

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
///
/// Rows are gathered until there are twice as many as wanted, and then the worse half is cut off: a constant number of
/// comparisons a row, where a heap takes the logarithm of `k`.
pub(crate) struct Top {
    k: usize,
    room: usize,
    rows: Vec<Near>,
    /// A row below this similarity cannot be among the best any more.
    floor: f32,
}

impl Top {
    /// `expected` bounds what is allocated at once, for the case that `k` is far above the number of rows.
    pub(crate) fn new(k: usize, expected: usize) -> Self {
        /// With very few wanted, cutting should still be rare.
        const LEAST_ROOM: usize = 32;
        let room = k.saturating_mul(2).max(LEAST_ROOM);
        Self {
            k,
            room,
            rows: Vec::with_capacity(room.min(expected)),
            floor: if k == 0 { f32::INFINITY } else { f32::NEG_INFINITY },
        }
    }

    /// Whether a row of this similarity could be among the best: cheap, to ask before anything else.
    #[inline]
    pub(crate) fn admits(&self, similarity: f32) -> bool {
        similarity >= self.floor
    }

    #[inline]
    pub(crate) fn push(&mut self, near: Near) {
        self.rows.push(near);
        if self.rows.len() >= self.room {
            self.cut();
        }
    }

    /// The best, in no order.
    pub(crate) fn into_rows(mut self) -> Vec<Near> {
        self.cut();
        self.rows
    }

    fn cut(&mut self) {
        if self.rows.len() > self.k {
            if let Some(last) = self.k.checked_sub(1) {
                let (_, worst, _) = self.rows.select_nth_unstable_by(last, Near::rank);
                self.floor = worst.similarity;
            }
            self.rows.truncate(self.k);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_best_are_those_of_a_full_sort(scores in proptest::collection::vec(-3i8..=3, 0..300), k in 0usize..70) {
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
