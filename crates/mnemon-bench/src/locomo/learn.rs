//! Fitting the weights of the engine's own ranking, and leaving conversations out to see what the fit is worth.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use mnemon::{Feature, MemoryQuery};
use serde::Serialize;

use super::talk::{Asked, Talk};
use super::{fill, talks_of};
use crate::fit::{Candidates, DataSet, Example, FitOptions, fit, leave_one_out};
use crate::scores::{Outcome, Results};
use crate::{Bench, BenchError, Progress, Step};

/// More candidates than recall looks at.
const ALL: usize = 100_000;

/// Weights that were fitted on everything that was given.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Fitted {
    /// How many questions taught something.
    pub questions: usize,
    /// The level of recall whose features were weighed.
    pub level: String,
    /// The weight of each feature, by its name.
    pub weights: BTreeMap<&'static str, f64>,
}

/// What the ranking is worth on conversations from which it did not learn. Floor and redundancy, which come after the
/// ranking, play no part.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct LeftOut {
    /// Each conversation under weights that were fitted on all the others.
    pub leave_one_out: Results,
    /// All of them under weights that were fitted on all.
    pub fitted: Results,
}

/// What was asked once, to be ranked under any weights.
struct Heard<'a> {
    talk: &'a Talk,
    question: &'a Asked,
    candidates: Candidates,
    time: Duration,
    example: Example,
}

/// Fits the weights of the level of the settings.
///
/// # Errors
/// When the data cannot be read or has no such category, and when the engine fails.
pub fn fit_weights(
    bench: &Bench,
    options: &FitOptions,
    progress: &mut dyn FnMut(Progress),
) -> Result<Fitted, BenchError> {
    let talks = read(bench, &options.data)?;
    let heard = hear(bench, &sets(&talks, &options.data), progress)?;
    let examples: Vec<&Example> = heard.iter().map(|heard| &heard.example).collect();
    let weights = fit(&examples, Feature::ALL.len(), options.l2);
    let taught = examples.iter().filter(|example| !example.evidence.is_empty()).count();
    let names = Feature::ALL.iter().map(|feature| feature.name());
    let weights = names.zip(weights).filter(|(_, weight)| weight.abs() > NOTHING).collect();
    Ok(Fitted { questions: taught, level: bench.level().to_string(), weights })
}

/// A weight that the ridge alone decided: its feature was never measured at this level.
const NOTHING: f64 = 1e-6;

/// Ranks the conversations of the first set, each under weights that were fitted on everything else.
pub(super) fn left_out(
    bench: &Bench,
    first: &[Talk],
    options: &FitOptions,
    progress: &mut dyn FnMut(Progress),
) -> Result<LeftOut, BenchError> {
    let others = read(bench, &options.data)?;
    let own = first.len();
    let first = Set { talks: first, weight: 1.0 };
    let sets: Vec<Set<'_>> = [first].into_iter().chain(sets(&others, &options.data)).collect();
    let heard = hear(bench, &sets, progress)?;
    let examples: Vec<Example> = heard.iter().map(|heard| heard.example.clone()).collect();
    let features = Feature::ALL.len();
    let without = leave_one_out(&examples, features, options.l2);
    let all = fit(&examples.iter().collect::<Vec<_>>(), features, options.l2);
    let own = || heard.iter().filter(|heard| heard.example.conversation < own);
    let under = |heard: &Heard<'_>, weights: &[f64]| heard.outcome(&heard.candidates.ranking(weights));
    let left: Vec<Outcome> =
        own().filter_map(|heard| Some(under(heard, without.get(&heard.example.conversation)?))).collect();
    let fitted: Vec<Outcome> = own().map(|heard| under(heard, &all)).collect();
    Ok(LeftOut { leave_one_out: Results::of(&left), fitted: Results::of(&fitted) })
}

/// Conversations whose questions count alike.
#[derive(Clone, Copy)]
struct Set<'a> {
    talks: &'a [Talk],
    weight: f64,
}

fn read(bench: &Bench, data: &[DataSet]) -> Result<Vec<Vec<Talk>>, BenchError> {
    let read = |set: &DataSet| Ok(talks_of(bench, &set.file, None, set.categories.as_ref())?.0);
    data.iter().map(read).collect()
}

fn sets<'a>(talks: &'a [Vec<Talk>], data: &[DataSet]) -> Vec<Set<'a>> {
    talks.iter().zip(data).map(|(talks, set)| Set { talks, weight: set.weight }).collect()
}

/// Asks every question once. Conversations are numbered through over all sets.
fn hear<'a>(bench: &Bench, sets: &[Set<'a>], progress: &mut dyn FnMut(Progress)) -> Result<Vec<Heard<'a>>, BenchError> {
    let total: usize = sets.iter().flat_map(|set| set.talks).map(|talk| talk.questions.len()).sum();
    let mut heard = Vec::with_capacity(total);
    let mut conversation = 0;
    for set in sets {
        // Conversations of two sets may have one name, and would share a scope.
        let scratch = fill(bench, set.talks, progress)?;
        for talk in set.talks {
            let memory = scratch.memory.in_scope(talk.scope());
            for question in &talk.questions {
                let start = Instant::now();
                let query = MemoryQuery::new(&question.text).relevance_floor(0.0);
                let explanation = memory.explain(query, ALL)?;
                let time = start.elapsed();
                let mut candidates = Candidates::default();
                for hit in explanation.into_iter().flat_map(|explanation| explanation.ranked) {
                    let place = hit.memory.origin.as_ref().and_then(|origin| talk.place_of(&origin.id));
                    if let Some(place) = place {
                        candidates.places.push(place);
                        candidates.rows.push(hit.features.to_vec());
                    }
                }
                let example = candidates.example(conversation, set.weight, &question.evidence);
                heard.push(Heard { talk, question, candidates, time, example });
                progress(Progress::new(Step::Ask, heard.len(), total));
            }
            conversation += 1;
        }
    }
    Ok(heard)
}

impl Heard<'_> {
    fn outcome(&self, ranking: &[usize]) -> Outcome {
        self.talk.outcome(self.question, ranking, self.time)
    }
}
