//! Maximal marginal relevance.

use ndarray::ArrayView2;

use crate::SelectError;
use crate::cosine::Rows;
use crate::error::check_share;

/// Takes `k` rows one by one, each time the one with the largest
/// `lambda · relevance − (1 − lambda) · (largest cosine with a row taken before)`.
///
/// `relevance` has one finite score a row, on the scale of cosines (about -1..=1) if `lambda` is to weigh like against
/// like. `lambda` lies in 0..=1: 1 is the top `k` by relevance, 0 looks at nothing but difference. Before anything
/// is taken the second term is 0. Ties go to the more relevant row, then to the earlier one.
///
/// Returns `min(k, n)` distinct row numbers in the order in which they were taken. Cost O(k·n·d) for n rows of d
/// columns.
///
/// Source: Carbonell and Goldstein, "The use of MMR, diversity-based reranking for reordering documents and producing
/// summaries", SIGIR 1998.
///
/// # Errors
/// When a value or score is not finite, there is not one score a row, or `lambda` is outside of its range.
///
/// ```
/// use ndarray::array;
/// let rows = array![[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]];
/// let relevance = [0.9, 0.8, 0.5];
/// assert_eq!(mnemon_select::mmr(rows.view(), &relevance, 1.0, 2)?, [0, 1]);
/// assert_eq!(mnemon_select::mmr(rows.view(), &relevance, 0.5, 2)?, [0, 2]);
/// # Ok::<(), mnemon_select::SelectError>(())
/// ```
pub fn mmr(rows: ArrayView2<'_, f32>, relevance: &[f32], lambda: f32, k: usize) -> Result<Vec<usize>, SelectError> {
    let rows = Rows::new(rows)?;
    check_share("lambda", lambda)?;
    if relevance.len() != rows.len() {
        return Err(SelectError::Scores { rows: rows.len(), scores: relevance.len() });
    }
    if let Some((row, &value)) = relevance.iter().enumerate().find(|(_, score)| !score.is_finite()) {
        return Err(SelectError::ScoreNotFinite { row, value });
    }

    let weight = f64::from(lambda);
    let mut left: Vec<Candidate> =
        relevance.iter().enumerate().map(|(index, &relevance)| Candidate { index, relevance, nearest: None }).collect();
    let mut taken = Vec::with_capacity(k.min(left.len()));
    while taken.len() < k {
        let best = left.iter().enumerate().reduce(|best, next| if next.1.beats(best.1, weight) { next } else { best });
        let Some(place) = best.map(|(place, _)| place) else { break };
        // Not swap_remove: the candidates stay in the order of the rows, on which ties depend.
        let chosen = left.remove(place).index;
        taken.push(chosen);
        if taken.len() < k && lambda < 1.0 {
            for candidate in &mut left {
                let cosine = rows.cosine(candidate.index, &rows, chosen);
                candidate.nearest = Some(candidate.nearest.map_or(cosine, |nearest| nearest.max(cosine)));
            }
        }
    }
    Ok(taken)
}

struct Candidate {
    index: usize,
    relevance: f32,
    /// The largest cosine with a row that was taken.
    nearest: Option<f32>,
}

impl Candidate {
    fn score(&self, lambda: f64) -> f64 {
        lambda * f64::from(self.relevance) - (1.0 - lambda) * f64::from(self.nearest.unwrap_or(0.0))
    }

    /// Whether it should be taken before `other`, which comes earlier.
    fn beats(&self, other: &Self, lambda: f64) -> bool {
        let (mine, theirs) = (self.score(lambda), other.score(lambda));
        mine > theirs || (mine == theirs && self.relevance > other.relevance)
    }
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, array};
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lambda_zero_takes_the_most_relevant_and_then_what_differs_most() {
        let rows = array![[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [1.0, 0.0]];
        assert_eq!(mmr(rows.view(), &[0.1, 0.9, 0.1, 0.5], 0.0, 4).unwrap(), [1, 3, 2, 0]);
    }

    #[test]
    fn wrong_input_is_named() {
        let rows = array![[1.0, 0.0], [0.0, 1.0]];
        let error = |scores: &[f32], lambda| mmr(rows.view(), scores, lambda, 1).unwrap_err().to_string();
        assert_eq!(error(&[1.0], 0.5), "expected one relevance score for each of 2 rows, got 1");
        assert_eq!(error(&[1.0, f32::NAN], 0.5), "expected finite relevance scores, got NaN for row 1");
        assert_eq!(error(&[1.0, 0.0], -0.1), "expected lambda between 0 and 1, got -0.1");
        assert_eq!(error(&[1.0, 0.0], f32::NAN), "expected lambda between 0 and 1, got NaN");
        assert!(mmr(array![[f32::NAN]].view(), &[1.0], 0.5, 1).is_err());
    }

    fn input() -> impl Strategy<Value = (Array2<f32>, Vec<f32>)> {
        (0usize..12, 0usize..4).prop_flat_map(|(n, d)| {
            let values = prop::collection::vec(-2i8..3, n * d);
            // Few different scores, so that ties are common.
            let scores = prop::collection::vec((-3i8..4).prop_map(|s| f32::from(s) / 4.0), n);
            (values, scores)
                .prop_map(move |(v, scores)| (Array2::from_shape_fn((n, d), |(i, j)| f32::from(v[i * d + j])), scores))
        })
    }

    /// The definition, word by word, with cosines of its own.
    fn oracle(rows: &Array2<f32>, relevance: &[f32], lambda: f32, k: usize) -> Vec<usize> {
        let cosine = |a: usize, b: usize| {
            let (x, y) = (rows.row(a).mapv(f64::from), rows.row(b).mapv(f64::from));
            let norms = x.dot(&x).sqrt() * y.dot(&y).sqrt();
            if norms == 0.0 { 0.0 } else { (x.dot(&y) / norms) as f32 }
        };
        let mut taken: Vec<usize> = Vec::new();
        while taken.len() < k.min(rows.nrows()) {
            let score = |i: usize| {
                let nearest = taken.iter().map(|&j| cosine(i, j)).reduce(f32::max).unwrap_or(0.0);
                f64::from(lambda) * f64::from(relevance[i]) - (1.0 - f64::from(lambda)) * f64::from(nearest)
            };
            let mut left: Vec<usize> = (0..rows.nrows()).filter(|i| !taken.contains(i)).collect();
            left.sort_by(|&a, &b| {
                score(b).total_cmp(&score(a)).then(relevance[b].total_cmp(&relevance[a])).then(a.cmp(&b))
            });
            taken.push(left[0]);
        }
        taken
    }

    proptest! {
        #[test]
        fn every_step_is_the_one_of_the_definition(
            (rows, relevance) in input(),
            lambda in prop::sample::select(vec![0.0f32, 0.25, 0.5, 0.75, 1.0]),
            k in 0usize..15,
        ) {
            prop_assert_eq!(mmr(rows.view(), &relevance, lambda, k).unwrap(), oracle(&rows, &relevance, lambda, k));
        }

        #[test]
        fn a_selection_is_distinct_and_a_prefix_of_every_larger_one(
            (rows, relevance) in input(), lambda in 0.0f32..=1.0, k in 0usize..15,
        ) {
            let all = mmr(rows.view(), &relevance, lambda, usize::MAX).unwrap();
            let some = mmr(rows.view(), &relevance, lambda, k).unwrap();
            prop_assert_eq!(&some[..], &all[..k.min(rows.nrows())]);
            let mut sorted = all.clone();
            sorted.sort_unstable();
            prop_assert_eq!(sorted, (0..rows.nrows()).collect::<Vec<_>>());
        }

        #[test]
        fn lambda_one_is_the_top_k_by_relevance((rows, relevance) in input(), k in 0usize..15) {
            let mut top: Vec<usize> = (0..rows.nrows()).collect();
            top.sort_by(|&a, &b| relevance[b].total_cmp(&relevance[a]));
            top.truncate(k);
            prop_assert_eq!(mmr(rows.view(), &relevance, 1.0, k).unwrap(), top);
        }
    }
}
