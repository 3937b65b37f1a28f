//! The explanation: why each hit came, stage by stage.

use std::time::{Duration, Instant};

use mnemon_core::Memory;
use mnemon_recall::{Contribution, Nearness, Row};
use serde::Serialize;

use super::query::RecallQuery;
use super::{Degradation, choice};
use crate::{LongTerm, LongTermError};

/// Why recall answers a question as it does.
#[derive(Debug, Clone, PartialEq)]
pub struct Explanation {
    /// What of the question was embedded.
    pub embedded: String,
    /// The words of the question that were compared, in lower case.
    pub words: Vec<String>,
    /// The speakers that it names.
    pub speakers: Vec<String>,
    /// The times that it names, as they stand there.
    pub times: Vec<String>,
    /// The chance that anything in the scope is about it. See [`Recall::relevance`](super::Recall::relevance).
    pub relevance: Option<f32>,
    /// What the relevance is made of.
    pub nearness: Nearness,
    /// The floor below which there is no answer.
    pub relevance_floor: f32,
    /// How many passages were considered.
    pub candidates: usize,
    /// The best candidates, the best first, those below the floor and those left out too.
    pub ranked: Vec<Explained>,
    /// How long each stage took, in their order.
    pub stages: Vec<StageTime>,
    /// What could not be done.
    pub degraded: Option<Degradation>,
}

/// Why a candidate stands where it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Explained {
    /// The memory.
    pub memory: Memory,
    /// What was found of it.
    pub text: String,
    /// As in [`Hit::score`](super::Hit::score).
    pub score: f32,
    /// The weighted sum of its features. A point more means odds of e to 1.
    pub points: f32,
    /// What each feature adds, the most telling first.
    pub contributions: Vec<Contribution>,
    /// Every feature, in the order of [`Feature::ALL`](mnemon_recall::Feature::ALL), also those without weight.
    pub features: Row,
    /// The place in `ranked` of the better candidate that says all that this one says, where it is left out for one.
    pub said_by: Option<usize>,
}

/// How long a stage took.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct StageTime {
    /// The stage.
    pub stage: &'static str,
    /// In microseconds.
    pub micros: u64,
}

impl LongTerm {
    /// Explains the answer to a question: the best `k` candidates with everything that recall measured on them. `None`
    /// when the question is empty or the scope is.
    ///
    /// Cost: as [`LongTerm::recall`], and the memories of all `k`.
    ///
    /// # Errors
    /// As [`LongTerm::recall`].
    pub fn explain(&self, query: &RecallQuery<'_>) -> Result<Option<Explanation>, LongTermError> {
        let mut watch = Watch::new();
        let (explanation, degraded) = self.answer(query, &mut |stage| watch.lap(stage), |snapshot, seen| {
            let mut said_by = vec![None; seen.ranking.ranked.len()];
            for chosen in choice::choose(&seen.pool, &seen.ranking, query)? {
                for place in chosen.repeated_by {
                    if let Some(said_by) = said_by.get_mut(place) {
                        *said_by = Some(chosen.place);
                    }
                }
            }
            let mut ranked = Vec::with_capacity(query.k.min(seen.ranking.ranked.len()));
            for (place, entry) in seen.ranking.ranked.iter().enumerate().take(query.k) {
                let Some((row, score, _)) = seen.at(place) else { continue };
                let Some((_, memory)) = snapshot.memories(&[row.memory])?.pop() else { continue };
                let text = memory.text.get(row.start as usize..row.end as usize).unwrap_or(&memory.text).to_owned();
                ranked.push(Explained {
                    text,
                    memory,
                    score,
                    points: entry.score,
                    contributions: seen.ranking.contributions(entry.candidate),
                    features: seen.ranking.features.rows().get(entry.candidate).copied().unwrap_or_default(),
                    said_by: said_by.get(place).copied().flatten(),
                });
            }
            let question = seen.question;
            let times = question.dates().iter().filter_map(|date| question.text().get(date.range.clone()));
            Ok(Explanation {
                embedded: question.embedded().to_owned(),
                words: question.words().to_vec(),
                speakers: question.speakers().to_vec(),
                times: times.map(ToOwned::to_owned).collect(),
                relevance: seen.ranking.relevance,
                nearness: seen.ranking.nearness,
                relevance_floor: query.relevance_floor,
                candidates: seen.ranking.ranked.len(),
                ranked,
                stages: Vec::new(),
                degraded: None,
            })
        })?;
        Ok(explanation.map(|explanation| Explanation { stages: watch.laps, degraded, ..explanation }))
    }
}

/// Times the stages. A query that had to begin anew counts with all of its attempts.
struct Watch {
    last: Instant,
    laps: Vec<StageTime>,
}

impl Watch {
    fn new() -> Self {
        Self { last: Instant::now(), laps: Vec::new() }
    }

    fn lap(&mut self, stage: &'static str) {
        let now = Instant::now();
        let micros = micros(now.duration_since(self.last));
        self.last = now;
        match self.laps.iter_mut().find(|lap| lap.stage == stage) {
            Some(lap) => lap.micros += micros,
            None => self.laps.push(StageTime { stage, micros }),
        }
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
