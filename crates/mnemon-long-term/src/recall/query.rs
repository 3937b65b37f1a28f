//! What is asked of long-term memory.

use mnemon_core::{Filter, Scope, Timestamp, Trust};
use mnemon_recall::Level;
use mnemon_store::RowId;

/// A question to long-term memory.
#[derive(Debug, Clone, Copy)]
pub struct RecallQuery<'a> {
    /// What is asked, or said.
    pub text: &'a str,
    /// Whose memory is searched. Memories of other scopes are excluded in the search itself.
    pub scope: &'a Scope,
    /// At most so many hits.
    pub k: usize,
    /// How much work to do. [`Level::Thorough`] needs a model that gives vectors of pieces, and is fast without one.
    pub level: Level,
    /// An answer of a lower [`Recall::relevance`](super::Recall::relevance) has no hits. From 0 (any has) to 1.
    pub relevance_floor: f32,
    /// How hits that are like one another are treated.
    pub diversity: Diversity,
    /// The time from which the question looks back: "last week" is the week before. `None` takes the time of the newest
    /// memory of the scope. The clock of the machine is never asked.
    pub asked_at: Option<Timestamp>,
    /// Only memories of this time.
    pub period: Period,
    /// The time at which what is found has to hold: what has ended or expired by then is not found. `None` finds it all, as
    /// far as it was not deleted.
    pub now: Option<Timestamp>,
    /// Only memories that may be believed so far, at least.
    pub least_trust: Option<Trust>,
    /// Whether summaries that the engine made may be hits too. They say nothing that their turns do not say, and would stand in
    /// their place.
    pub summaries: bool,
    /// Only memories that match. Others are excluded in the search itself, in the state of the file that is searched.
    pub filter: Option<&'a Filter>,
    /// Rows that are not wanted, such as the turns that the prompt shows anyway.
    pub exclude: &'a [RowId],
}

/// A stretch of time, by what [`Memory::time`](mnemon_core::Memory::time) says: when something happened or was said, or
/// else was stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Period {
    /// Nothing before it.
    pub from: Option<Timestamp>,
    /// Nothing at it or after it.
    pub to: Option<Timestamp>,
}

impl Period {
    /// Whether a time lies in it.
    pub(super) fn has(self, time: Timestamp) -> bool {
        self.from.is_none_or(|from| time >= from) && self.to.is_none_or(|to| time < to)
    }
}

/// How hits that are like one another are treated.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
#[non_exhaustive]
pub enum Diversity {
    /// A hit goes only when a better one says all that it says.
    #[default]
    Redundancy,
    /// Hits go only when their texts are equal.
    None,
    /// Maximal marginal relevance: each next hit is the one of the best `relevance · λ - likeness · (1 - λ)`, with λ from
    /// 0 (as different as can be) to 1 (as without it).
    Mmr {
        /// λ.
        lambda: f32,
    },
    /// The hits nearest to the centroids of `k` clusters among the best candidates, in the order of their rank. It loses
    /// evidence: a cluster may hold several answers.
    KMeans,
}

impl<'a> RecallQuery<'a> {
    /// The floor that is on by default. On the conversations that it was chosen on, 96 of 100 questions about
    /// something that was never mentioned fall below it, and fewer than 1 of 100 that have an answer.
    pub const RELEVANCE_FLOOR: f32 = 0.16;

    /// The `k` best memories of a scope for a question, with the defaults of the engine.
    #[must_use]
    pub fn new(text: &'a str, scope: &'a Scope, k: usize) -> Self {
        Self {
            text,
            scope,
            k,
            level: Level::default(),
            relevance_floor: Self::RELEVANCE_FLOOR,
            diversity: Diversity::default(),
            asked_at: None,
            period: Period::default(),
            now: None,
            least_trust: None,
            summaries: false,
            filter: None,
            exclude: &[],
        }
    }
}

/// Another word than the name of a way.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected a diversity (redundancy, none, mmr, mmr:0.7, k-means), got {got:?}")]
pub struct ParseDiversityError {
    got: String,
}

/// What [`Diversity::Mmr`] weighs by when nothing is said.
const LAMBDA: f32 = 0.7;

impl std::str::FromStr for Diversity {
    type Err = ParseDiversityError;

    fn from_str(word: &str) -> Result<Self, ParseDiversityError> {
        let refused = || ParseDiversityError { got: word.chars().take(80).collect() };
        match word.trim().to_ascii_lowercase().as_str() {
            "redundancy" => Ok(Self::Redundancy),
            "none" => Ok(Self::None),
            "mmr" => Ok(Self::Mmr { lambda: LAMBDA }),
            "k-means" => Ok(Self::KMeans),
            other => {
                let lambda = other.strip_prefix("mmr:").and_then(|lambda| lambda.parse().ok()).ok_or_else(refused)?;
                if (0.0..=1.0).contains(&lambda) { Ok(Self::Mmr { lambda }) } else { Err(refused()) }
            }
        }
    }
}

impl std::fmt::Display for Diversity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Redundancy => f.pad("redundancy"),
            Self::None => f.pad("none"),
            Self::Mmr { lambda } => write!(f, "mmr:{lambda}"),
            Self::KMeans => f.pad("k-means"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_period_begins_with_its_first_moment_and_ends_before_its_last() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let within = |from: Option<i64>, to: Option<i64>| -> Vec<i64> {
            let period = Period { from: from.map(at), to: to.map(at) };
            (0..5).filter(|second| period.has(at(*second))).collect()
        };
        assert_eq!(within(None, None), [0, 1, 2, 3, 4]);
        assert_eq!(within(Some(1), Some(3)), [1, 2]);
        assert_eq!((within(None, Some(2)), within(Some(4), None)), (vec![0, 1], vec![4]));
    }

    #[test]
    fn diversities_have_names() {
        for word in ["redundancy", "none", "mmr:0.25", "k-means"] {
            assert_eq!(word.parse::<Diversity>().map(|diversity| diversity.to_string()), Ok(word.to_owned()));
        }
        assert_eq!("mmr".parse(), Ok(Diversity::Mmr { lambda: LAMBDA }));
        for word in ["", "kmeans", "mmr:2", "mmr:nan"] {
            assert!(word.parse::<Diversity>().unwrap_err().to_string().contains("expected a diversity"));
        }
    }
}
