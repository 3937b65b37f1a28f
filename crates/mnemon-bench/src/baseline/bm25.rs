//! BM25 (Robertson and Zaragoza, 2009) over a few thousand short documents.

use std::collections::{HashMap, HashSet};

/// How soon more of the same word no longer counts. Turns are short, so a word seldom comes twice.
const K1: f64 = 0.9;
/// How much a document pays for its length. Low, because a longer turn says more.
const B: f64 = 0.4;

/// Documents by their words.
#[derive(Debug, Default)]
pub(super) struct Bm25 {
    /// For each word the documents that hold it, and how often.
    postings: HashMap<String, Vec<(usize, f64)>>,
    /// What the length of each document adds to the saturation of its words.
    norms: Vec<f64>,
}

impl Bm25 {
    pub(super) fn new(documents: impl Iterator<Item = Vec<String>>) -> Self {
        let (mut postings, mut lengths) = (HashMap::<String, Vec<(usize, f64)>>::new(), Vec::new());
        for (document, words) in documents.enumerate() {
            lengths.push(words.len() as f64);
            for word in words {
                let list = postings.entry(word).or_default();
                match list.last_mut() {
                    Some((last, count)) if *last == document => *count += 1.0,
                    _ => list.push((document, 1.0)),
                }
            }
        }
        let mean = (lengths.iter().sum::<f64>() / lengths.len().max(1) as f64).max(1e-9);
        let norms = lengths.into_iter().map(|length| K1 * (1.0 - B + B * length / mean)).collect();
        Self { postings, norms }
    }

    /// The score of every document. A word counts once, however often the question has it.
    pub(super) fn scores(&self, question: &[String]) -> Vec<f64> {
        let mut scores = vec![0.0; self.norms.len()];
        let mut seen = HashSet::new();
        for word in question.iter().filter(|word| seen.insert(word.as_str())) {
            let Some(list) = self.postings.get(word) else { continue };
            let holding = list.len() as f64;
            let idf = (1.0 + (self.norms.len() as f64 - holding + 0.5) / (holding + 0.5)).ln();
            for &(document, count) in list {
                if let (Some(score), Some(norm)) = (scores.get_mut(document), self.norms.get(document)) {
                    *score += idf * count * (K1 + 1.0) / (count + norm);
                }
            }
        }
        scores
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split(' ').filter(|word| !word.is_empty()).map(str::to_owned).collect()
    }

    #[test]
    fn scores_are_those_of_the_formula() {
        let index = Bm25::new(["a a b", "b", "c d e f"].into_iter().map(words));
        let scores = index.scores(&words("a b a x"));
        // Lengths 3, 1, 4: mean 8/3. idf(a) = ln(1 + 2.5/1.5), idf(b) = ln(1 + 1.5/2.5).
        let (idf_a, idf_b) = ((1.0f64 + 2.5 / 1.5).ln(), (1.0f64 + 1.5 / 2.5).ln());
        let norm = |length: f64| 0.9 * (0.6 + 0.4 * length / (8.0 / 3.0));
        let expected = [
            idf_a * 2.0 * 1.9 / (2.0 + norm(3.0)) + idf_b * 1.9 / (1.0 + norm(3.0)),
            idf_b * 1.9 / (1.0 + norm(1.0)),
            0.0,
        ];
        for (score, expected) in scores.iter().zip(expected) {
            assert!((score - expected).abs() < 1e-12, "{scores:?}");
        }
        assert_eq!(index.scores(&[]), [0.0; 3]);
        assert!(Bm25::new(std::iter::empty()).scores(&words("a")).is_empty());
    }
}
