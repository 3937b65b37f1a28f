//! `bench longmemeval`: how much of the evidence of questions about chats with an assistant is found.

mod format;
mod metrics;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use mnemon::Role;
use serde::Serialize;

use crate::bench::{file_name, read};
use crate::latency::Latency;
use crate::{Bench, BenchError, Engine, Numbers, Progress, Step};
use format::{Entry, View};
use metrics::Level;
pub use metrics::{LONGMEMEVAL_RANKS, LevelScores};

/// Which questions are asked.
#[derive(Debug, Clone, Default)]
pub struct LongMemEvalOptions {
    /// The questions, by their place in the file, from 0. `None` takes all.
    pub questions: Option<Numbers>,
}

/// What was found, and in what. Averages are in percent.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct LongMemEvalReport {
    /// `longmemeval`.
    pub bench: &'static str,
    /// What was measured.
    pub measured: Histories,
    /// Over the turns of the user alone, which are what the official runs index.
    pub user_turns: ViewScores,
    /// Over all turns, so that evidence in an answer of the assistant counts too.
    pub all_turns: ViewScores,
    /// How long each question took.
    pub latency_ms: Latency,
}

/// The data and the engine.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Histories {
    /// The name of the file, without folders.
    pub data: String,
    /// Questions that were asked.
    pub questions: usize,
    /// Questions that have no answer (`_abs` in their id), which were not asked, as in the official evaluation.
    pub abstentions: usize,
    /// Turns of all histories.
    pub turns: usize,
    /// The engine.
    pub engine: Engine,
}

/// Averages over the questions that have evidence among certain turns.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ViewScores {
    /// Over all of them.
    #[serde(flatten)]
    pub scores: QuestionScores,
    /// Questions without evidence among these turns, which are not counted: their recall would be that of nothing.
    pub without_evidence: usize,
    /// Over those of each type.
    pub by_type: BTreeMap<String, QuestionScores>,
}

/// Averages over questions, at both levels.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct QuestionScores {
    /// How many.
    pub questions: usize,
    /// Of turns.
    pub turn: LevelScores,
    /// Of sessions, in the order in which their turns are found.
    pub session: LevelScores,
}

/// What one question found.
struct Outcome {
    kind: String,
    time: Duration,
    user: Option<Levels>,
    all: Option<Levels>,
}

#[derive(Clone, Copy)]
struct Levels {
    turn: Level,
    session: Level,
}

/// Runs the retrieval part of LongMemEval on a file of its format (`longmemeval_s`, `_m` or `oracle`).
///
/// The history of each question is imported into a memory of its own, which is asked once. Turns are ranked by the
/// engine; sessions are ranked by their best turns, as in the official evaluation of turns. Figures are those of
/// `evaluate_retrieval` and `evaluate_retrieval_turn2session` there.
///
/// Costs the embedding of every turn of every history: about 250,000 turns for `longmemeval_s`. The file is held in
/// memory.
///
/// # Errors
/// When the data cannot be read or has no such question or no evidence, and when the engine fails.
pub fn longmemeval(
    bench: &Bench,
    data: &Path,
    options: &LongMemEvalOptions,
    progress: &mut dyn FnMut(Progress),
) -> Result<LongMemEvalReport, BenchError> {
    let entries = chosen(Entry::parse(&read(data)?, data)?, options.questions.as_ref())?;
    let (abstentions, asked): (Vec<Entry>, Vec<Entry>) = entries.into_iter().partition(Entry::is_abstention);
    let mut outcomes = Vec::with_capacity(asked.len());
    for entry in &asked {
        outcomes.push(ask(bench, entry, progress)?);
        progress(Progress::new(Step::Ask, outcomes.len(), asked.len()));
    }
    let all_turns = ViewScores::of(&outcomes, |outcome| outcome.all);
    if all_turns.scores.questions == 0 {
        return Err(BenchError::NothingToAsk { name: file_name(data), asked: asked.len() });
    }
    let measured = Histories {
        data: file_name(data),
        questions: asked.len(),
        abstentions: abstentions.len(),
        turns: asked.iter().map(Entry::turns).sum(),
        engine: bench.engine(),
    };
    Ok(LongMemEvalReport {
        bench: "longmemeval",
        measured,
        user_turns: ViewScores::of(&outcomes, |outcome| outcome.user),
        all_turns,
        latency_ms: Latency::of(outcomes.iter().map(|outcome| outcome.time)),
    })
}

fn chosen(entries: Vec<Entry>, wanted: Option<&Numbers>) -> Result<Vec<Entry>, BenchError> {
    let Some(wanted) = wanted else { return Ok(entries) };
    let held = i64::try_from(entries.len()).unwrap_or(i64::MAX);
    if let Some(&got) = wanted.as_slice().iter().find(|number| !(0..held).contains(number)) {
        return Err(BenchError::NoQuestion { last: entries.len().saturating_sub(1), got });
    }
    let is_wanted = |number: &i64| wanted.as_slice().binary_search(number).is_ok();
    Ok((0..).zip(entries).filter(|(number, _)| is_wanted(number)).map(|(_, entry)| entry).collect())
}

/// Fills a memory with the history of a question, and asks it.
fn ask(bench: &Bench, entry: &Entry, progress: &mut dyn FnMut(Progress)) -> Result<Outcome, BenchError> {
    let scratch = bench.filled(&entry.import(), progress)?;
    let start = Instant::now();
    let recall = scratch.memory.query_memory(&entry.question, Bench::HITS)?;
    let time = start.elapsed();
    let ids: Vec<&str> =
        recall.hits.iter().filter_map(|hit| hit.memory.origin.as_ref()).map(|origin| origin.id.as_str()).collect();
    let levels = |view: &View| {
        view.corpus.has_evidence().then(|| {
            let ranking = view.ranking(ids.iter().copied());
            Levels { turn: view.corpus.of_turns(&ranking), session: view.corpus.of_sessions(&ranking) }
        })
    };
    Ok(Outcome {
        kind: entry.kind.clone(),
        time,
        user: levels(&entry.view(|role| role == Role::User)),
        all: levels(&entry.view(|_| true)),
    })
}

impl ViewScores {
    fn of(outcomes: &[Outcome], view: fn(&Outcome) -> Option<Levels>) -> Self {
        let mut types: BTreeMap<String, Vec<Levels>> = BTreeMap::new();
        for (outcome, levels) in outcomes.iter().filter_map(|outcome| Some((outcome, view(outcome)?))) {
            types.entry(outcome.kind.clone()).or_default().push(levels);
        }
        let all: Vec<Levels> = outcomes.iter().filter_map(view).collect();
        Self {
            without_evidence: outcomes.len() - all.len(),
            scores: QuestionScores::of(&all),
            by_type: types.into_iter().map(|(kind, levels)| (kind, QuestionScores::of(&levels))).collect(),
        }
    }
}

impl QuestionScores {
    fn of(levels: &[Levels]) -> Self {
        Self {
            questions: levels.len(),
            turn: LevelScores::of(levels.iter().map(|it| &it.turn)),
            session: LevelScores::of(levels.iter().map(|it| &it.session)),
        }
    }
}

#[cfg(test)]
mod tests;
