//! The listwise logistic loss with a ridge.

use super::minimize::Objective;
use super::{Example, finite};

/// The loss over questions, as a function of the weights.
pub(super) struct Loss {
    features: usize,
    questions: Vec<Question>,
    /// The weights of all evidence together.
    total: f64,
    /// The ridge divided by the number of questions.
    ridge: f64,
}

/// Rows one after the other, so that a pass runs through memory in order.
struct Question {
    evidence: Vec<f64>,
    others: Vec<f64>,
    /// What each piece of evidence counts.
    weight: f64,
}

impl Loss {
    pub(super) fn new(examples: &[&Example], features: usize, l2: f64) -> Self {
        let questions: Vec<Question> = examples.iter().filter_map(|example| Question::new(example, features)).collect();
        let evidence = |question: &Question| (question.evidence.len() / features.max(1)) as f64;
        let total: f64 = questions.iter().map(|question| question.weight * evidence(question)).sum();
        let ridge = l2 / questions.len().max(1) as f64;
        Self { features, questions, total: if total > 0.0 { total } else { 1.0 }, ridge }
    }
}

impl Objective for Loss {
    fn at(&self, weights: &[f64], gradient: &mut [f64]) -> f64 {
        gradient.fill(0.0);
        let (mut loss, mut scores) = (0.0, Vec::new());
        for question in &self.questions {
            loss += question.add(weights, self.features, gradient, &mut scores);
        }
        loss /= self.total;
        for (slope, weight) in gradient.iter_mut().zip(weights) {
            *slope = *slope / self.total + self.ridge * weight;
            loss += 0.5 * self.ridge * weight * weight;
        }
        loss
    }
}

impl Question {
    /// Nothing where there is nothing to learn: no evidence among the candidates, or nothing else.
    fn new(example: &Example, features: usize) -> Option<Self> {
        let (mut evidence, mut others) = (Vec::new(), Vec::new());
        for (place, row) in example.rows.iter().enumerate() {
            let values = row.iter().copied().chain(std::iter::repeat(0.0)).take(features).map(finite);
            if example.evidence.contains(&place) { evidence.extend(values) } else { others.extend(values) }
        }
        let pieces = example.evidence_total.max(example.evidence.len());
        let weight = example.weight / pieces.max(1) as f64;
        let teaches = !evidence.is_empty() && !others.is_empty() && weight.is_finite() && weight > 0.0;
        teaches.then_some(Self { evidence, others, weight })
    }

    /// Adds its part to the gradient; its part of the loss.
    fn add(&self, weights: &[f64], features: usize, gradient: &mut [f64], scores: &mut Vec<f64>) -> f64 {
        let dot = |row: &[f64]| -> f64 { row.iter().zip(weights).map(|(value, weight)| value * weight).sum() };
        scores.clear();
        scores.extend(self.others.chunks_exact(features).map(dot));
        // The largest is taken out, so that nothing overflows.
        let largest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        for score in scores.iter_mut() {
            *score = (*score - largest).exp();
        }
        let sum: f64 = scores.iter().sum();
        let against = largest + sum.ln();
        let (mut loss, mut missed) = (0.0, 0.0);
        for row in self.evidence.chunks_exact(features) {
            let behind = against - dot(row);
            // ln(1 + e^x) and its slope, for x of either sign.
            loss += self.weight * (behind.max(0.0) + (-behind.abs()).exp().ln_1p());
            let share = self.weight / (1.0 + (-behind).exp());
            missed += share;
            add_scaled(gradient, row, -share);
        }
        for (row, share) in self.others.chunks_exact(features).zip(scores.iter()) {
            add_scaled(gradient, row, missed * share / sum);
        }
        loss
    }
}

fn add_scaled(gradient: &mut [f64], row: &[f64], by: f64) {
    for (slope, value) in gradient.iter_mut().zip(row) {
        *slope += by * value;
    }
}
