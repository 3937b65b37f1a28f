//! Recall: from a question to the memories that answer it, as a sequence of stages.
//!
//! ```text
//! embed the question            outside of any transaction
//!   ── one snapshot of the store ──
//!   vector   nearest vectors    candidates with a cosine
//!   text     BM25               candidates with a text score
//!   measure  exact cosines      for every candidate, whichever way it came
//!   fuse     one score          0..1, relative to the best of this question
//!   floor    the weak           are left out
//!   hydrate  rows               equal texts once
//! ```
//!
//! The stages work on candidates and do not know where these came from.

mod candidates;
mod fuse;

use std::collections::HashSet;

use mnemon_core::{Memory, Purpose, Scope};
use mnemon_store::{RowId, ScopeRow, Snapshot};
use serde::Serialize;

use crate::vector_cache::{AtSnapshot, MAX_STALE};
use crate::{LongTerm, LongTermError};
use candidates::Candidates;

/// How many candidates each way of searching brings, at the least. Evidence that neither way ranks among its first
/// hundred is not found by ranking better.
const MIN_CANDIDATES: usize = 100;

/// A question to long-term memory.
#[derive(Debug, Clone, Copy)]
pub struct RecallQuery<'a> {
    /// What is asked, or said.
    pub text: &'a str,
    /// Whose memory is searched. Memories of other scopes are excluded in the search itself.
    pub scope: &'a Scope,
    /// At most so many hits.
    pub k: usize,
    /// Hits with a lower [`Hit::score`] are left out. From 0 (none is) to 1.
    pub score_floor: f32,
    /// Rows that are not wanted, such as the turns that the prompt shows anyway.
    pub exclude: &'a [RowId],
}

/// What was found.
#[derive(Debug, Clone, PartialEq)]
pub struct Recall {
    /// The best first. No two have the same text.
    pub hits: Vec<Hit>,
    /// What could not be done, so that less may have been found.
    pub degraded: Option<Degradation>,
}

/// A memory that was found.
#[derive(Debug, Clone, PartialEq)]
pub struct Hit {
    /// Its row.
    pub row: RowId,
    /// The memory.
    pub memory: Memory,
    /// How well it answers, from 0 to 1, relative to the best candidate of this question: 1 means best by every
    /// signal, not certain.
    pub score: f32,
    /// What the score is made of.
    pub signals: Signals,
}

/// What is known about how a hit matches.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct Signals {
    /// The cosine of question and memory, from -1 to 1, where both have a vector.
    pub cosine: Option<f32>,
    /// The BM25 score, above 0, where words match.
    pub text: Option<f32>,
}

/// Why less may be found, or is searchable, than should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "cause", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Degradation {
    /// There is no embedding model: only words are compared.
    NoModel,
    /// The embedding model failed: only words are compared.
    ModelFailed {
        /// What it said.
        problem: String,
    },
}

impl std::fmt::Display for Degradation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NoModel => f.write_str("no embedding model: only words are compared"),
            Self::ModelFailed { problem } => write!(f, "only words are compared: {problem}"),
        }
    }
}

impl<'a> RecallQuery<'a> {
    /// The `k` best memories of a scope for a question, however weak.
    #[must_use]
    pub fn new(text: &'a str, scope: &'a Scope, k: usize) -> Self {
        Self { text, scope, k, score_floor: 0.0, exclude: &[] }
    }
}

impl LongTerm {
    /// Finds what answers a question. Text without a word or a meaning finds nothing.
    ///
    /// Cost: embedding the question, one vector search, one text search, the vector of each of the 100 to 200
    /// candidates, and the rows of the hits.
    ///
    /// # Errors
    /// When the store cannot be read. A model that fails is no error: see [`Recall::degraded`].
    pub fn recall(&self, query: &RecallQuery<'_>) -> Result<Recall, LongTermError> {
        let nothing = |degraded| Recall { hits: Vec::new(), degraded };
        if query.k == 0 || query.text.trim().is_empty() {
            return Ok(nothing(None));
        }
        let (vector, degraded) = self.embed_question(query.text);
        for attempt in 0.. {
            let found = self.store().read(|snapshot| -> Result<_, LongTermError> {
                let Some(scope) = snapshot.scope_id(query.scope)? else { return Ok(AtSnapshot::Done(Vec::new())) };
                self.recall_at(snapshot, attempt, query, scope, vector.as_deref())
            })?;
            match found {
                AtSnapshot::Done(hits) => return Ok(Recall { hits, degraded }),
                AtSnapshot::Stale => debug_assert!(attempt < MAX_STALE, "the last attempt is never stale"),
            }
        }
        Ok(nothing(degraded))
    }

    fn embed_question(&self, text: &str) -> (Option<Vec<f32>>, Option<Degradation>) {
        let Some(meaning) = self.meaning() else { return (None, Some(Degradation::NoModel)) };
        let mut checked = meaning.embed(&[text], Purpose::Query);
        let degraded = checked.problem.map(|problem| Degradation::ModelFailed { problem });
        (checked.vectors.pop().flatten(), degraded)
    }

    fn recall_at(
        &self,
        snapshot: &Snapshot<'_>,
        attempt: usize,
        query: &RecallQuery<'_>,
        scope: ScopeRow,
        vector: Option<&[f32]>,
    ) -> Result<AtSnapshot<Vec<Hit>>, LongTermError> {
        let excluded: HashSet<RowId> = query.exclude.iter().copied().collect();
        let mut candidates = Candidates::new(query.k.saturating_mul(2).max(MIN_CANDIDATES), &excluded);
        if let (Some(meaning), Some(vector)) = (self.meaning(), vector) {
            let measured = meaning.cache.at(snapshot, attempt, |index, model| {
                let mut found = candidates.clone();
                found.add_nearest(index, scope, vector)?;
                found.add_matching(snapshot, scope, query.text)?;
                found.measure(snapshot, model, vector)?;
                Ok(found)
            })?;
            match measured {
                AtSnapshot::Stale => return Ok(AtSnapshot::Stale),
                AtSnapshot::Done(Some(measured)) => candidates = measured,
                AtSnapshot::Done(None) => candidates.add_matching(snapshot, scope, query.text)?,
            }
        } else {
            candidates.add_matching(snapshot, scope, query.text)?;
        }
        let ranked = fuse::fuse(candidates.into_signals());
        let strong = ranked.into_iter().take_while(|(_, score, _)| *score >= query.score_floor);
        hydrate(snapshot, strong, query.k).map(AtSnapshot::Done)
    }
}

/// Reads the memories of ranked rows until there are `k` with different texts.
fn hydrate(
    snapshot: &Snapshot<'_>,
    ranked: impl Iterator<Item = (RowId, f32, Signals)>,
    k: usize,
) -> Result<Vec<Hit>, LongTermError> {
    let mut seen = HashSet::new();
    let mut hits = Vec::with_capacity(k.min(MIN_CANDIDATES));
    for (row, score, signals) in ranked {
        if hits.len() == k {
            break;
        }
        let Some((_, memory)) = snapshot.memories(&[row])?.pop() else { continue };
        if seen.insert(content(&memory)) {
            hits.push(Hit { row, memory, score, signals });
        }
    }
    Ok(hits)
}

/// What makes two memories the same to a reader: the words, whatever their case and spacing, and what was shown.
fn content(memory: &Memory) -> String {
    let words =
        memory.text.split_whitespace().chain(["\0"]).chain(memory.caption.as_deref().unwrap_or("").split_whitespace());
    words.flat_map(|word| [word, " "]).collect::<String>().to_lowercase()
}
