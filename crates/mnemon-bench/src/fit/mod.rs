//! Fitting the weights of a fusion: features of candidates in, one weight for each feature out.
//!
//! A candidate's score is the sum of its features, each times its weight. Every piece of evidence is held against all
//! candidates of its question that are none, by the listwise logistic loss (ListNet's top one, Cao et al. 2007):
//! `-ln(e^p / (e^p + sum e^n))`, where `p` is its score and `n` are theirs. A question's weight is shared among its
//! evidence, so questions with much of it count no more than others. A ridge keeps weights small that the data says
//! nothing about.
//!
//! ```
//! use mnemon_bench::fit::{Candidates, fit};
//!
//! // The second feature is what tells evidence from the rest.
//! let candidates = Candidates { places: vec![7, 8, 9], rows: vec![vec![0.9, 0.1], vec![0.2, 0.8], vec![0.5, 0.2]] };
//! let example = candidates.example(0, 1.0, &[8].into());
//! let weights = fit(&[&example], 2, 0.1);
//! assert!(weights[1] > weights[0]);
//! assert_eq!(candidates.ranking(&weights)[0], 8);
//! ```

mod candidates;
mod data;
mod loss;
mod minimize;

use std::collections::{BTreeMap, BTreeSet};

pub use candidates::Candidates;
pub use data::{DataSet, FitOptions};
use loss::Loss;
use minimize::minimize;

/// Where the search for weights begins. Features are made so that more is better.
const START: f64 = 1.0;

/// A question as its fit sees it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Example {
    /// The group that it is left out with.
    pub conversation: usize,
    /// How much it counts; 1 is normal.
    pub weight: f64,
    /// The features of each candidate, in an order that all examples share. A missing or infinite one counts as 0.
    pub rows: Vec<Vec<f32>>,
    /// The candidates that are evidence, as places in `rows`.
    pub evidence: Vec<usize>,
    /// How many pieces of evidence the question has, those among them that are no candidates. The weight of the question
    /// is shared among all of these.
    pub evidence_total: usize,
}

/// The weights that rank the evidence of the examples best, one for each of so many features.
///
/// `l2` is the ridge: the loss, a mean over evidence, grows by `l2 / (2 * questions)` times the squares of the weights.
/// Questions without evidence among their candidates teach nothing and are left out; without any question that
/// teaches, all weights are 0, or 1 where there is no ridge either. The answer depends on nothing but the arguments.
///
/// Costs some 30 to 150 passes over the rows.
#[must_use]
pub fn fit(examples: &[&Example], features: usize, l2: f64) -> Vec<f64> {
    let loss = Loss::new(examples, features, l2);
    minimize(&loss, vec![START; features])
}

/// For each conversation of the examples the weights that were fitted on all others, as [`fit`] does.
#[must_use]
pub fn leave_one_out(examples: &[Example], features: usize, l2: f64) -> BTreeMap<usize, Vec<f64>> {
    let conversations: BTreeSet<usize> = examples.iter().map(|example| example.conversation).collect();
    let without = |left_out: usize| {
        let others: Vec<&Example> = examples.iter().filter(|example| example.conversation != left_out).collect();
        fit(&others, features, l2)
    };
    conversations.into_iter().map(|conversation| (conversation, without(conversation))).collect()
}

/// The places of the rows by falling score under these weights; of equal scores the lower place first.
#[must_use]
pub fn ranked(rows: &[Vec<f32>], weights: &[f64]) -> Vec<usize> {
    let mut scored: Vec<(usize, f64)> = rows.iter().map(|row| score(row, weights)).enumerate().collect();
    scored.sort_by(|a, b| b.1.total_cmp(&a.1));
    scored.into_iter().map(|(place, _)| place).collect()
}

fn score(row: &[f32], weights: &[f64]) -> f64 {
    row.iter().zip(weights).map(|(feature, weight)| finite(*feature) * weight).sum()
}

/// A feature that is no number says nothing.
fn finite(feature: f32) -> f64 {
    if feature.is_finite() { f64::from(feature) } else { 0.0 }
}

#[cfg(test)]
mod tests;
