//! Weights: what each feature is worth. They are data (`weights.json`); its card, `weights.md`, says how they were fitted.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use crate::features::{Feature, Features, Row};
use crate::stages::Nearness;

/// How much work recall does for a question, and storing for a memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Words, one vector a memory, and the structure of conversations.
    Fast,
    /// The same and late interaction: the vectors of the pieces of each memory, read among its neighbours.
    #[default]
    Thorough,
}

/// Another word than the name of a level.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected a level of recall (fast, thorough), got {got:?}")]
pub struct ParseLevelError {
    got: String,
}

/// The weights of one level.
#[derive(Debug, Clone, PartialEq)]
pub struct Weights {
    row: Row,
    relevance: Logistic,
    /// The same where nothing has a vector.
    words_only: Logistic,
}

/// The relevance of an answer as a logistic function of what came nearest.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Logistic {
    cosine: f32,
    tokens: f32,
    words: f32,
    constant: f32,
}

/// The file of the weights.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    calibrated_for: Vec<String>,
    fast: FileLevel,
    thorough: FileLevel,
    words_only: Logistic,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileLevel {
    features: BTreeMap<Feature, f32>,
    relevance: Logistic,
}

/// Nothing would be left of recall without them, so a test reads the file.
static FITTED: LazyLock<Option<Fitted>> = LazyLock::new(|| read(include_str!("weights.json")).ok());

struct Fitted {
    levels: [Weights; 2],
    models: Vec<String>,
}

impl Level {
    /// Every level.
    pub const ALL: &[Self] = &[Self::Fast, Self::Thorough];

    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Fast => "fast",
            Self::Thorough => "thorough",
        }
    }
}

impl std::fmt::Display for Level {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

impl std::str::FromStr for Level {
    type Err = ParseLevelError;

    fn from_str(word: &str) -> Result<Self, ParseLevelError> {
        let known = Self::ALL.iter().find(|level| level.as_str().eq_ignore_ascii_case(word.trim()));
        known.copied().ok_or_else(|| ParseLevelError { got: word.chars().take(80).collect() })
    }
}

impl Weights {
    /// The fitted weights of a level.
    #[must_use]
    pub fn of(level: Level) -> Self {
        let fitted = FITTED.as_ref().and_then(|fitted| fitted.levels.get(level as usize)).cloned();
        fitted.unwrap_or_else(|| Self {
            row: [1.0; Feature::ALL.len()],
            relevance: Logistic::default(),
            words_only: Logistic::default(),
        })
    }

    /// Whether the relevance was fitted for an embedding model of this name. How large a cosine has to be to mean
    /// something differs from model to model.
    #[must_use]
    pub fn are_calibrated_for(model: &str) -> bool {
        FITTED.as_ref().is_some_and(|fitted| fitted.models.iter().any(|known| known == model))
    }

    /// The weight of a feature.
    #[must_use]
    pub fn get(&self, feature: Feature) -> f32 {
        self.row.get(feature as usize).copied().unwrap_or(0.0)
    }

    /// The score of a candidate: the sum of its features, each times its weight. Comparable within one question only.
    #[must_use]
    pub fn score(&self, row: &Row) -> f32 {
        self.row.iter().zip(row).map(|(weight, value)| weight * value).sum()
    }

    /// The candidates of the highest scores, at most `count`, the best first.
    pub(crate) fn best(&self, features: &Features, count: usize) -> Vec<usize> {
        let mut scores: Vec<(usize, f32)> = features.rows().iter().map(|row| self.score(row)).enumerate().collect();
        scores.sort_by(|a, b| b.1.total_cmp(&a.1));
        scores.into_iter().take(count).map(|(candidate, _)| candidate).collect()
    }

    /// The chance, from 0 to 1, that anything here is about what was asked, at even odds before looking.
    #[must_use]
    pub fn relevance(&self, nearness: &Nearness) -> f32 {
        let Logistic { cosine, tokens, words, constant } =
            if nearness.cosine.is_some() { self.relevance } else { self.words_only };
        let allowance = allowance(nearness.passages);
        // A question that is all names or stop words is not held against what was found.
        let x = cosine * nearness.cosine.unwrap_or(0.0)
            + tokens * nearness.tokens.unwrap_or(0.0)
            + (cosine + tokens) * allowance
            + words * nearness.words.unwrap_or(1.0)
            + constant;
        1.0 / (1.0 + (-x).exp())
    }
}

/// What nearness lacks in a small scope: the nearest of a few is farther than the nearest of many, whatever is asked. The
/// largest of n normal values lies about `sqrt(2 ln n)` deviations above their mean; relevance was fitted on scopes of
/// hundreds.
fn allowance(passages: u64) -> f32 {
    const DEVIATION: f32 = 0.08;
    const MANY: f32 = 100.0;
    let deviations = |n: f32| (2.0 * n.ln()).sqrt();
    DEVIATION * (deviations(MANY) - deviations((passages as f32).clamp(2.0, MANY)))
}

fn read(json: &str) -> Result<Fitted, serde_json::Error> {
    let file: File = serde_json::from_str(json)?;
    let weights = |level: FileLevel| {
        let mut row = [0.0; Feature::ALL.len()];
        for (feature, weight) in level.features {
            if let Some(cell) = row.get_mut(feature as usize) {
                *cell = weight;
            }
        }
        Weights { row, relevance: level.relevance, words_only: file.words_only }
    };
    Ok(Fitted { levels: [weights(file.fast), weights(file.thorough)], models: file.calibrated_for })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_read() {
        read(include_str!("weights.json")).unwrap();
        let (fast, thorough) = (Weights::of(Level::Fast), Weights::of(Level::Thorough));
        assert!(fast.get(Feature::Words) > 0.0 && thorough.get(Feature::TokensWindow) > 0.0);
        assert_eq!((fast.get(Feature::TokensWindow), thorough.get(Feature::VectorContext)), (0.0, 0.0));
    }

    #[test]
    fn levels_have_names() {
        for level in Level::ALL {
            assert_eq!(level.to_string().parse(), Ok(*level));
        }
        let error = "slow".parse::<Level>().unwrap_err().to_string();
        assert_eq!(error, "expected a level of recall (fast, thorough), got \"slow\"");
    }

    #[test]
    fn a_score_is_a_weighted_sum_and_relevance_grows_with_nearness() {
        let weights = Weights::of(Level::Fast);
        let mut row = [0.0; Feature::ALL.len()];
        assert_eq!(weights.score(&row), 0.0);
        row[Feature::Words as usize] = 0.5;
        assert_eq!(weights.score(&row), 0.5 * weights.get(Feature::Words));
        let near = |cosine, words| {
            weights.relevance(&Nearness { cosine: Some(cosine), tokens: None, words: Some(words), passages: 500 })
        };
        assert!(near(0.1, 0.0) < 0.05 && near(0.7, 1.0) > 0.95);
        assert!(near(0.3, 0.5) < near(0.4, 0.5) && near(0.3, 0.5) < near(0.3, 0.6));
        let by_words =
            |words| weights.relevance(&Nearness { cosine: None, tokens: None, words: Some(words), passages: 500 });
        let of_few = weights.relevance(&Nearness { cosine: Some(0.3), tokens: None, words: Some(0.0), passages: 5 });
        assert!(of_few > 2.0 * near(0.3, 0.0) && of_few < 1.0);
        assert!(by_words(0.0) < 0.16 && by_words(1.0) > 0.5);
    }
}
