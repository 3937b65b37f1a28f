//! Recall: from a question to the memories that answer it.
//!
//! ```text
//! read      who speaks in the scope, and when it was last spoken there
//! embed     the question without the names of speakers          outside of any transaction
//!   ── one snapshot of the store ──
//!   nearest  vectors           passages whose meaning is near
//!   words    BM25              passages whose words match
//!   reading  neighbours        what stands around them, borrowed from the shelf of the scope
//!   draft    mnemon-recall     text, vector, neighbours, session, speaker, time, cues
//!   pieces   token vectors     of the best, at the thorough level
//!   ranking  mnemon-recall     late interaction, repetition
//!   floor    relevance         an answer that is about something else is no answer
//!   choice   redundancy        what a better hit says already is left out
//!   hydrate  rows              the memories of the hits
//! ```

mod candidates;
mod choice;
mod explanation;
mod query;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::ops::Range;

use mnemon_core::{Memory, ModelId};
use mnemon_recall::{Draft, Feature, Level, Pool, Question, QuestionTokens, Ranking, Scene, Weights};
use mnemon_store::{RowId, ScopeRow, Snapshot};
use serde::Serialize;

use crate::models::Serving;
use crate::resident::{AtSnapshot, MAX_STALE, Passage, Shelf};
use crate::{LongTerm, LongTermError};
use candidates::{Allowed, Place};
use choice::Chosen;

pub use explanation::{Explained, Explanation, StageTime};
pub use query::{Diversity, ParseDiversityError, Period, RecallQuery};

/// More names of speakers than a question can name.
const MAX_SPEAKERS: usize = 1_000;

/// What was found.
#[derive(Debug, Clone, PartialEq)]
pub struct Recall {
    /// The best first. No two have the same text.
    pub hits: Vec<Hit>,
    /// The chance, from 0 to 1, that anything in the scope is about what was asked: of answers with 0.7 about 7 in 10 are,
    /// where questions about what was said and about what never was are equally many. Below the floor of the query there
    /// are no hits. `None` for an embedding model for which it was not fitted: there is no floor then.
    pub relevance: Option<f32>,
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
    /// The stretch of the memory's text that was found, in bytes, where the text was split because it is long.
    pub passage: Option<Range<usize>>,
    /// How well it answers, from 0 to 1: the relevance of the answer (1 where that is unknown) times the odds of this hit
    /// against the best one.
    pub score: f32,
    /// What is known about how it matches.
    pub signals: Signals,
    /// Other memories that say nothing but what this one says, and were left out for it, the better first.
    pub repeated_by: Vec<RowId>,
}

/// What is known about how a hit matches.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct Signals {
    /// The cosine of question and memory, from -1 to 1, where both have a vector.
    pub cosine: Option<f32>,
    /// How well its words and those around it match, from 0 to 1, the best candidate having 1.
    pub text: Option<f32>,
}

/// Why less may be found, or is searchable, than should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "cause", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Degradation {
    /// There is no embedding model: only words are compared.
    NoModel,
    /// The file has vectors of another embedding model: only words are compared.
    OtherModel {
        /// The model that the file serves with.
        file: Box<ModelId>,
        /// The dimension of its vectors.
        file_dimension: usize,
        /// The model of this engine.
        own: Box<ModelId>,
        /// The dimension of its vectors.
        own_dimension: usize,
    },
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
            Self::OtherModel { file, file_dimension, own, own_dimension } => write!(
                f,
                "only words are compared: the memory file has vectors of the embedding model {file} ({file_dimension} values), \
                 and this is {own} ({own_dimension} values)"
            ),
            Self::ModelFailed { problem } => write!(f, "only words are compared: {problem}"),
        }
    }
}

impl Hit {
    /// What was found of it: the passage, or all of its text.
    #[must_use]
    pub fn text(&self) -> &str {
        self.passage.clone().and_then(|range| self.memory.text.get(range)).unwrap_or(&self.memory.text)
    }
}

impl LongTerm {
    /// Finds what answers a question. Text without a word or a meaning finds nothing.
    ///
    /// Cost: embedding the question, and about 2 ms at the fast level or 3 at the thorough one in a scope of 100,000 turns
    /// that is in memory; the first question to a scope loads it. Pieces that no question has met are read from the file.
    /// A filter reads every row of the scope in addition.
    ///
    /// # Errors
    /// When the store cannot be read, and for a filter that cannot be run. A model that fails is no error: see
    /// [`Recall::degraded`].
    pub fn recall(&self, query: &RecallQuery<'_>) -> Result<Recall, LongTermError> {
        let (answer, degraded) = self.answer(query, &mut |_| {}, |snapshot, seen| {
            let relevance = seen.ranking.relevance;
            if relevance.is_some_and(|relevance| relevance < query.relevance_floor) {
                return Ok(Recall { hits: Vec::new(), relevance, degraded: None });
            }
            let chosen = choice::choose(&seen.pool, &seen.ranking, query)?;
            let hits = hydrate(snapshot, seen, chosen, query.k)?;
            Ok(Recall { hits, relevance, degraded: None })
        })?;
        let nothing = Recall { hits: Vec::new(), relevance: Some(0.0), degraded: None };
        Ok(Recall { degraded, ..answer.unwrap_or(nothing) })
    }

    /// Runs recall up to the ranking, and hands what was seen to `finish` in the same snapshot. `None` when there is
    /// nothing to ask or nobody to ask.
    fn answer<T>(
        &self,
        query: &RecallQuery<'_>,
        after: &mut dyn FnMut(&'static str),
        finish: impl Fn(&Snapshot<'_>, &Seen<'_>) -> Result<T, LongTermError>,
    ) -> Result<(Option<T>, Option<Degradation>), LongTermError> {
        if query.k == 0 || query.text.trim().is_empty() {
            return Ok((None, None));
        }
        let Some((question, mut serving)) = self.read_question(query)? else { return Ok((None, None)) };
        let mut embedded = Embedded::of(question.embedded(), query.level, &serving);
        after("embedding");
        for attempt in 0..=MAX_STALE {
            let found = self.store().read(|snapshot| -> Result<_, LongTermError> {
                let Some(scope) = snapshot.scope_id(query.scope)? else { return Ok(Found::At(AtSnapshot::Done(None))) };
                // Vectors of two models are never compared, whatever happened to the file since the question was embedded.
                let now = self.models().serving(snapshot)?;
                if now.row != serving.row {
                    return Ok(Found::Switched(now));
                }
                let asked = Asked { question: &question, embedded: &embedded, serving: &serving, scope };
                let at = self.resident().at(snapshot, scope, attempt, serving.row, |shelf| {
                    look(snapshot, shelf, query, &asked, after, |seen| finish(snapshot, seen)).map(Some)
                });
                at.map(Found::At)
            })?;
            match found {
                Found::At(AtSnapshot::Done(answer)) => return Ok((answer, embedded.degraded)),
                Found::At(AtSnapshot::Stale) => {}
                Found::Switched(now) => {
                    serving = now;
                    embedded = Embedded::of(question.embedded(), query.level, &serving);
                    after("embedding");
                }
            }
        }
        // Only a file that is switched from model to model comes here: the last attempt is never stale.
        Ok((None, embedded.degraded))
    }

    fn read_question(&self, query: &RecallQuery<'_>) -> Result<Option<(Question, Serving)>, LongTermError> {
        self.store().read(|snapshot| {
            let Some(scope) = snapshot.scope_id(query.scope)? else { return Ok(None) };
            let speakers = snapshot.speakers(scope, MAX_SPEAKERS)?;
            let asked_at = match query.asked_at {
                Some(time) => Some(time),
                None => snapshot.newest_time(scope)?,
            };
            let question = Question::new(query.text, &speakers, asked_at.unwrap_or_default());
            Ok(Some((question, self.models().serving(snapshot)?)))
        })
    }
}

/// Looks at a scope in one of its states, and hands what was seen to `finish`.
fn look<T>(
    snapshot: &Snapshot<'_>,
    shelf: &Shelf,
    query: &RecallQuery<'_>,
    asked: &Asked<'_>,
    after: &mut dyn FnMut(&'static str),
    finish: impl FnOnce(&Seen<'_>) -> Result<T, LongTermError>,
) -> Result<T, LongTermError> {
    let matching = query.filter.map(|filter| snapshot.matching_rows(asked.scope, filter)).transpose()?;
    let place = Place {
        snapshot,
        scope: asked.scope,
        shelf,
        allowed: Allowed {
            period: query.period,
            now: query.now,
            least_trust: query.least_trust,
            summaries: query.summaries,
            excluded: query.exclude,
            matching,
        },
    };
    let nearest = match &asked.embedded.vector {
        Some(vector) => place.nearest(vector)?,
        None => Vec::new(),
    };
    after("nearest");
    let found = place.gather(asked.question, &nearest, after)?;
    let longer_terms = found.longer_terms(shelf);
    let (pool, passages) = found.pool(shelf, &longer_terms);
    after("reading");
    let meaning = asked.serving.meaning.as_ref();
    let scene = Scene {
        question: asked.question,
        vector: asked.embedded.vector.as_deref(),
        tokens: asked.embedded.tokens.as_ref(),
        pool: &pool,
        statistics: &found.statistics,
        level: query.level,
        calibrated: meaning.is_some_and(|meaning| Weights::are_calibrated_for(&meaning.embedder.model().name)),
    };
    let draft = Draft::new(&scene, after);
    let pieces = place.pieces(&passages, &draft.compared())?;
    after("pieces");
    let ranking = draft.rank(&|member| pieces.of(member), after);
    drop(pieces);
    finish(&Seen { question: asked.question, pool, passages, ranking })
}

/// A question, and where it is asked.
struct Asked<'a> {
    question: &'a Question,
    embedded: &'a Embedded,
    serving: &'a Serving,
    scope: ScopeRow,
}

/// What came of an attempt.
enum Found<T> {
    At(AtSnapshot<Option<T>>),
    /// The file serves with another model than the one that embedded the question.
    Switched(Serving),
}

/// What a model makes of a question.
#[derive(Default)]
struct Embedded {
    vector: Option<Vec<f32>>,
    tokens: Option<QuestionTokens>,
    /// Why it is less than it should be.
    degraded: Option<Degradation>,
}

impl Embedded {
    fn of(text: &str, level: Level, serving: &Serving) -> Self {
        let Some(meaning) = &serving.meaning else {
            return Self { degraded: serving.why.clone(), ..Self::default() };
        };
        let (vector, tokens, problem) = meaning.ask(text, level);
        Self { vector, tokens, degraded: problem.map(|problem| Degradation::ModelFailed { problem }) }
    }
}

/// What recall sees of a scope for a question.
struct Seen<'a> {
    question: &'a Question,
    pool: Pool<'a>,
    /// The passages of the pool, in its order.
    passages: Vec<&'a Passage>,
    ranking: Ranking,
}

impl Seen<'_> {
    /// The passage at a place of the ranking, and the score that a caller sees.
    fn at(&self, place: usize) -> Option<(&Passage, f32, Signals)> {
        let ranked = self.ranking.ranked.get(place)?;
        let best = self.ranking.ranked.first().map_or(ranked.score, |best| best.score);
        let score = self.ranking.relevance.unwrap_or(1.0) * (ranked.score - best).exp();
        let text = self.ranking.features.get(ranked.candidate, Feature::Words);
        let signals = Signals {
            cosine: self.ranking.cosines.get(ranked.candidate).copied().flatten(),
            text: (text > 0.0).then_some(text),
        };
        Some((*self.passages.get(ranked.member)?, score, signals))
    }
}

/// Reads the memories of the hits, equal texts once, until there are `k`.
fn hydrate(snapshot: &Snapshot<'_>, seen: &Seen<'_>, chosen: Vec<Chosen>, k: usize) -> Result<Vec<Hit>, LongTermError> {
    let mut hits: Vec<Hit> = Vec::with_capacity(k.min(chosen.len()));
    let mut contents: HashMap<String, usize> = HashMap::with_capacity(k.min(chosen.len()));
    let mut chosen = chosen.into_iter();
    while hits.len() < k {
        let next: Vec<Chosen> = chosen.by_ref().take(k - hits.len()).collect();
        if next.is_empty() {
            break;
        }
        let rows: Vec<RowId> = next.iter().filter_map(|chosen| Some(seen.at(chosen.place)?.0.memory)).collect();
        let mut memories = snapshot.memories(&rows)?.into_iter().peekable();
        for Chosen { place, repeated_by } in next {
            let Some((row, score, signals)) = seen.at(place) else { continue };
            let Some((_, memory)) = memories.next_if(|(read, _)| *read == row.memory) else { continue };
            let passage = (row.ordinal > 0 || (row.end as usize) < memory.text.len())
                .then_some(row.start as usize..row.end as usize);
            let repeated_by = repeated_by.into_iter().filter_map(|place| Some(seen.at(place)?.0.memory)).collect();
            let hit = Hit { row: row.memory, memory, passage, score, signals, repeated_by };
            match contents.entry(content(&hit)) {
                Entry::Occupied(same) => {
                    hits.iter_mut().skip(*same.get()).take(1).for_each(|same| same.repeated_by.push(hit.row));
                }
                Entry::Vacant(new) => {
                    new.insert(hits.len());
                    hits.push(hit);
                }
            }
        }
    }
    Ok(hits)
}

/// What makes two hits the same to a reader: the words, whatever their case and spacing, and what was shown.
fn content(hit: &Hit) -> String {
    let caption = hit.memory.caption.as_deref().unwrap_or("");
    let words = hit.text().split_whitespace().chain(["\0"]).chain(caption.split_whitespace());
    words.flat_map(|word| [word, " "]).collect::<String>().to_lowercase()
}
