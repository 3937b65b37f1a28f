//! What is kept of a question, so that it is asked once and ranked under any weights.

use std::collections::HashSet;

use super::{Example, ranked};

/// The candidates of one question with their features.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Candidates {
    /// The place of each candidate's turn in its conversation.
    pub places: Vec<usize>,
    /// The features of each, in an order that all questions share.
    pub rows: Vec<Vec<f32>>,
}

impl Candidates {
    /// The places of the turns by falling score under these weights.
    #[must_use]
    pub fn ranking(&self, weights: &[f64]) -> Vec<usize> {
        ranked(&self.rows, weights).into_iter().filter_map(|row| self.places.get(row).copied()).collect()
    }

    /// What a fit learns from the question: `evidence` holds the places of the turns that answer it, `conversation` is
    /// the group that it is left out with, and `weight` how much it counts.
    #[must_use]
    pub fn example(&self, conversation: usize, weight: f64, evidence: &HashSet<usize>) -> Example {
        let found = self.places.iter().enumerate().filter(|(_, place)| evidence.contains(place));
        Example {
            conversation,
            weight,
            rows: self.rows.clone(),
            evidence: found.map(|(row, _)| row).collect(),
            evidence_total: evidence.len(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_known_by_the_places_of_their_turns() {
        let candidates = Candidates { places: vec![30, 10, 20], rows: vec![vec![1.0], vec![3.0], vec![2.0]] };
        assert_eq!(candidates.ranking(&[1.0]), [10, 20, 30]);
        assert_eq!(candidates.ranking(&[-1.0]), [30, 20, 10]);
        let example = candidates.example(4, 2.0, &HashSet::from([20, 99]));
        assert_eq!((example.evidence, example.evidence_total), (vec![2], 2));
        assert_eq!((example.conversation, example.weight, example.rows), (4, 2.0, candidates.rows));
    }
}
