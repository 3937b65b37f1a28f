//! Baselines: what engines usually do, computed here, from nothing of the engine but its embedding model.

mod bm25;
mod words;

use std::fmt;
use std::str::FromStr;

use mnemon::{EmbedError, Embedder, Embeddings, Purpose};
use serde::Serialize;

use crate::BenchError;
use bm25::Bm25;
pub(crate) use words::stems;

/// Texts that are embedded in one call: enough for every thread, few enough that progress moves.
const BATCH: usize = 128;
/// The constant of reciprocal rank fusion (Cormack, Clarke and Büttcher, 2009): how slowly ranks lose weight.
const RRF_K: f64 = 60.0;

/// A way of ranking turns to compare the engine with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Baseline {
    /// The embedding model on the bare text of each turn, nearest by cosine: what most engines do by default.
    Dense,
    /// BM25 over stemmed words of date, speaker, text and caption.
    Bm25,
    /// Reciprocal rank fusion of BM25 and of the embedding model on `speaker: text caption`.
    Rrf,
}

impl Baseline {
    /// Every baseline.
    pub const ALL: &[Self] = &[Self::Dense, Self::Bm25, Self::Rrf];

    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Dense => "dense",
            Self::Bm25 => "bm25",
            Self::Rrf => "rrf",
        }
    }

    fn needs_vectors(self) -> bool {
        self != Self::Bm25
    }
}

impl fmt::Display for Baseline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Baseline {
    type Err = BenchError;

    fn from_str(word: &str) -> Result<Self, BenchError> {
        let wanted = word.trim();
        let found = Self::ALL.iter().find(|baseline| baseline.as_str().eq_ignore_ascii_case(wanted));
        found.copied().ok_or_else(|| BenchError::UnknownBaseline { got: word.chars().take(80).collect() })
    }
}

/// A turn as baselines see it.
#[derive(Debug, Clone)]
pub(crate) struct Text {
    /// What was said.
    pub(crate) bare: String,
    /// `speaker: text caption`.
    pub(crate) line: String,
    /// The date of the session, as it would be written out.
    pub(crate) date: String,
}

/// A baseline over the turns of one conversation.
pub(crate) struct Ranker<'a> {
    baseline: Baseline,
    model: &'a dyn Embedder,
    vectors: Embeddings,
    words: Option<Bm25>,
}

impl<'a> Ranker<'a> {
    /// `progress` is told how many texts are embedded.
    pub(crate) fn new(
        baseline: Baseline,
        texts: &[Text],
        model: &'a dyn Embedder,
        progress: &mut dyn FnMut(usize),
    ) -> Result<Self, EmbedError> {
        let embedded: Vec<&str> = match baseline {
            Baseline::Dense => texts.iter().map(|text| text.bare.as_str()).collect(),
            Baseline::Rrf => texts.iter().map(|text| text.line.as_str()).collect(),
            Baseline::Bm25 => Vec::new(),
        };
        let mut values = Vec::with_capacity(embedded.len() * model.dimension());
        for (at, batch) in embedded.chunks(BATCH).enumerate() {
            values.extend_from_slice(model.embed(batch, Purpose::Passage)?.as_slice());
            progress(at * BATCH + batch.len());
        }
        let vectors = Embeddings::new(model.dimension(), values);
        let words = (baseline != Baseline::Dense).then(|| {
            let documents = texts.iter().map(|text| words::stems(&format!("{} {}", text.date, text.line)));
            Bm25::new(documents)
        });
        Ok(Self { baseline, model, vectors, words })
    }

    /// Every turn, the best first; of equal ones the earlier.
    pub(crate) fn rank(&self, question: &str) -> Result<Vec<usize>, EmbedError> {
        let nearest = if self.baseline.needs_vectors() { self.cosines(question)? } else { Vec::new() };
        let matching = self.words.as_ref().map(|words| words.scores(&words::stems(question))).unwrap_or_default();
        Ok(match self.baseline {
            Baseline::Dense => order(&nearest),
            Baseline::Bm25 => order(&matching),
            Baseline::Rrf => order(&fused(&[order(&nearest), order(&matching)])),
        })
    }

    fn cosines(&self, question: &str) -> Result<Vec<f64>, EmbedError> {
        let question = self.model.embed(&[question], Purpose::Query)?;
        let question = question.get(0).unwrap_or_default();
        Ok(self.vectors.rows().map(|row| cosine(row, question)).collect())
    }
}

fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
    let length = (dot(a, a) * dot(b, b)).sqrt();
    if length > 0.0 { dot(a, b) / length } else { 0.0 }
}

/// Places by falling score; of equal scores the lower place first.
fn order(scores: &[f64]) -> Vec<usize> {
    let mut places: Vec<(usize, f64)> = scores.iter().copied().enumerate().collect();
    places.sort_by(|a, b| b.1.total_cmp(&a.1));
    places.into_iter().map(|(place, _)| place).collect()
}

/// The scores of reciprocal rank fusion, by place.
fn fused(rankings: &[Vec<usize>]) -> Vec<f64> {
    let mut scores = vec![0.0; rankings.iter().map(Vec::len).max().unwrap_or(0)];
    for ranking in rankings {
        for (rank, &place) in ranking.iter().enumerate() {
            if let Some(score) = scores.get_mut(place) {
                *score += 1.0 / (RRF_K + rank as f64 + 1.0);
            }
        }
    }
    scores
}

#[cfg(test)]
mod tests {
    use mnemon::ModelId;

    use super::*;

    /// Knows three texts and their directions.
    struct Directions(ModelId);

    impl Directions {
        fn new() -> Self {
            Self(ModelId { name: "directions".into(), revision: "1".into(), dtype: "f32".into() })
        }
    }

    impl Embedder for Directions {
        fn model(&self) -> &ModelId {
            &self.0
        }

        fn dimension(&self) -> usize {
            2
        }

        fn embed(&self, texts: &[&str], _: Purpose) -> Result<Embeddings, EmbedError> {
            let direction = |text: &&str| if text.contains("bees") { [3.0, 0.0] } else { [1.0, 1.0] };
            Ok(Embeddings::new(2, texts.iter().flat_map(direction).collect()))
        }
    }

    fn text(bare: &str, date: &str) -> Text {
        Text { bare: bare.to_owned(), line: format!("Ann: {bare}"), date: date.to_owned() }
    }

    #[track_caller]
    fn check(baseline: Baseline, question: &str, expected: &[usize]) {
        let texts = [
            text("The ferry leaves", "3 May, 2021"),
            text("My bees like it", "4 May, 2021"),
            text("Honey, honey", "5 June, 2021"),
        ];
        let model = Directions::new();
        let ranker = Ranker::new(baseline, &texts, &model, &mut |_| {}).unwrap();
        assert_eq!(ranker.rank(question).unwrap(), expected, "{baseline}: {question}");
    }

    #[test]
    fn each_ranks_in_its_way() {
        check(Baseline::Dense, "bees", &[1, 0, 2]);
        check(Baseline::Bm25, "What happened in June?", &[2, 0, 1]);
        check(Baseline::Bm25, "Ferries, honeys", &[2, 0, 1]);
        // By meaning 1, 0, 2; by words 2, 1, 0.
        check(Baseline::Rrf, "bees and honey in June", &[1, 2, 0]);
        check(Baseline::Bm25, "bees and honey in June", &[2, 1, 0]);
    }

    #[test]
    fn ranks_are_fused() {
        let scores = fused(&[vec![2, 0, 1], vec![0, 1, 2]]);
        let expected = [1.0 / 62.0 + 1.0 / 61.0, 1.0 / 63.0 + 1.0 / 62.0, 1.0 / 61.0 + 1.0 / 63.0];
        assert_eq!(scores, expected);
        assert_eq!(order(&scores), [0, 2, 1]);
        assert_eq!(order(&[1.0, 2.0, 1.0, f64::NEG_INFINITY]), [1, 0, 2, 3]);
    }

    #[test]
    fn names_are_read() {
        for baseline in Baseline::ALL {
            assert_eq!(baseline.as_str().parse::<Baseline>().unwrap(), *baseline);
            assert_eq!(serde_json::to_value(baseline).unwrap(), baseline.as_str());
        }
        let error = "splade".parse::<Baseline>().unwrap_err().to_string();
        assert_eq!(error, "expected baselines (dense, bm25, rrf), got \"splade\"");
    }
}
