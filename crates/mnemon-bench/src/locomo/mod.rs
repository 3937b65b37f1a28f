//! `bench locomo`: how much of the evidence of questions about long conversations is found.

mod learn;
mod talk;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use mnemon::import::locomo::{Sample, samples};
use mnemon::import::{Format, Import, Options};
use serde::Serialize;

use crate::baseline::{Baseline, Ranker};
use crate::bench::{Scratch, file_name, read};
use crate::fit::FitOptions;
use crate::scores::{Outcome, Results};
use crate::{Bench, BenchError, Engine, Numbers, Progress, Step};
pub use learn::{Fitted, LeftOut, fit_weights};
use talk::Talk;

/// The categories of LoCoMo that are reported unless others are asked for: all but the adversarial one.
const CATEGORIES: [i64; 4] = [1, 2, 3, 4];

/// What is asked of which conversations.
#[derive(Debug, Clone, Default)]
pub struct LocomoOptions {
    /// The conversations, by their place in the file, from 0. `None` takes all.
    pub conversations: Option<Numbers>,
    /// The categories of questions. `None` takes 1 to 4, as far as the data has them.
    pub categories: Option<Numbers>,
    /// What the engine is compared with.
    pub baselines: Vec<Baseline>,
    /// A file of questions, one a line, about things of which none of the conversations speaks. Lines that begin with `#`
    /// are none.
    pub never_said: Option<PathBuf>,
    /// Whether the weights of the ranking are fitted anew without each conversation, and on what beside the data itself.
    pub leave_one_out: Option<FitOptions>,
}

/// What was found, and in what. Averages are in percent.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct LocomoReport {
    /// `locomo`.
    pub bench: &'static str,
    /// What was measured.
    pub measured: Measured,
    /// What the engine found.
    #[serde(flatten)]
    pub results: Results,
    /// What each baseline found, by its name.
    pub baselines: BTreeMap<&'static str, Results>,
    /// What questions about what was never said brought back, where they were asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub never_said: Option<NeverSaid>,
    /// What the ranking is worth on conversations from which its weights did not learn, where that was asked for.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub left_out: Option<LeftOut>,
}

/// What questions about what was never said brought back.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct NeverSaid {
    /// How many questions, each asked of every conversation.
    pub questions: usize,
    /// How many of 100 brought back nothing.
    pub silent: f64,
    /// The same for each conversation, by its name.
    pub by_conversation: BTreeMap<String, f64>,
}

/// The data and the engine.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Measured {
    /// The name of the file, without folders.
    pub data: String,
    /// The conversations that were asked about, in their order.
    pub conversations: Vec<Conversation>,
    /// The categories that were asked.
    pub categories: Vec<i64>,
    /// Questions of these categories that name no turn of their conversation as evidence, and so are not counted.
    pub without_evidence: usize,
    /// The engine.
    pub engine: Engine,
}

/// A conversation that was asked about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Conversation {
    /// Its place in the file, from 0.
    pub number: usize,
    /// Its `sample_id`, or one made from its place.
    pub name: String,
    /// Its sessions.
    pub sessions: usize,
    /// Its turns.
    pub turns: usize,
    /// Its questions that count.
    pub questions: usize,
}

/// Runs the retrieval protocol of LoCoMo on a file of its format.
///
/// Every conversation is imported into a scope of its own of one memory, and every question is asked there. A turn is
/// evidence when the question names it; questions that name none are left out. Recall at a rank is the share of the
/// evidence among so many hits; recall under a budget is the share among the hits that fit into so many word pieces,
/// each as `speaker: text [shares caption]`, with one header `[session of date]` for each session.
///
/// Costs the embedding of every turn (for each of the baselines `dense` and `rrf` once more), and one question after
/// the other.
///
/// # Errors
/// When the data cannot be read or has no such conversation, category or evidence, and when the engine fails.
pub fn locomo(
    bench: &Bench,
    data: &Path,
    options: &LocomoOptions,
    progress: &mut dyn FnMut(Progress),
) -> Result<LocomoReport, BenchError> {
    let (talks, categories) = talks_of(bench, data, options.conversations.as_ref(), options.categories.as_ref())?;
    let without_evidence = talks.iter().map(|talk| talk.without_evidence).sum();
    let questions: usize = talks.iter().map(|talk| talk.questions.len()).sum();
    if questions == 0 {
        return Err(BenchError::NothingToAsk { name: file_name(data), asked: without_evidence });
    }
    let foreign = match &options.never_said {
        Some(file) => lines(file)?,
        None => Vec::new(),
    };
    let (outcomes, never_said) = engine(bench, &talks, questions, &foreign, progress)?;
    let results = Results::of(&outcomes);
    let mut baselines = BTreeMap::new();
    for baseline in options.baselines.iter().copied().collect::<BTreeSet<_>>() {
        baselines.insert(baseline.as_str(), Results::of(&compare(bench, baseline, &talks, progress)?));
    }
    let left_out = match &options.leave_one_out {
        Some(options) => Some(learn::left_out(bench, &talks, options, progress)?),
        None => None,
    };
    let measured = Measured {
        data: file_name(data),
        conversations: talks.iter().map(Talk::summary).collect(),
        categories: categories.into_iter().collect(),
        without_evidence,
        engine: bench.engine(),
    };
    let never_said = options.never_said.is_some().then_some(never_said);
    Ok(LocomoReport { bench: "locomo", measured, results, baselines, never_said, left_out })
}

/// The conversations of a file, ready to be asked about, and the categories of their questions.
fn talks_of(
    bench: &Bench,
    data: &Path,
    conversations: Option<&Numbers>,
    wanted: Option<&Numbers>,
) -> Result<(Vec<Talk>, BTreeSet<i64>), BenchError> {
    let samples = samples(&read(data)?, &data.display().to_string(), &Options::default())?;
    let categories = categories(&samples, wanted)?;
    let pieces = bench.pieces();
    let talk = |(number, sample)| Talk::new(number, sample, &categories, &pieces);
    Ok((chosen(samples, conversations)?.into_iter().map(talk).collect(), categories))
}

/// A memory of these conversations, a scope each.
fn fill(bench: &Bench, talks: &[Talk], progress: &mut dyn FnMut(Progress)) -> Result<Scratch, BenchError> {
    let conversations = talks.iter().map(|talk| talk.conversation.clone()).collect();
    let import = Import { format: Format::Locomo, conversations, lines: 0, skipped: Vec::new(), notes: Vec::new() };
    bench.filled(&import, progress)
}

fn categories(samples: &[Sample], wanted: Option<&Numbers>) -> Result<BTreeSet<i64>, BenchError> {
    let held: BTreeSet<i64> = samples.iter().flat_map(|it| &it.questions).map(|question| question.category).collect();
    let Some(wanted) = wanted else { return Ok(held.into_iter().filter(|it| CATEGORIES.contains(it)).collect()) };
    if let Some(&got) = wanted.as_slice().iter().find(|category| !held.contains(category)) {
        let held: Vec<String> = held.iter().map(ToString::to_string).collect();
        let held = if held.is_empty() { "none".to_owned() } else { held.join(", ") };
        return Err(BenchError::NoCategory { held, got });
    }
    Ok(wanted.as_slice().iter().copied().collect())
}

/// The conversations that are wanted, with their places.
pub(crate) fn chosen(samples: Vec<Sample>, wanted: Option<&Numbers>) -> Result<Vec<(usize, Sample)>, BenchError> {
    let Some(wanted) = wanted else { return Ok(samples.into_iter().enumerate().collect()) };
    let place = |number: i64| usize::try_from(number).ok().filter(|place| *place < samples.len());
    let missing = wanted.as_slice().iter().find(|number| place(**number).is_none());
    if let Some(&got) = missing {
        return Err(BenchError::NoConversation { last: samples.len().saturating_sub(1), got });
    }
    let wanted: HashSet<usize> = wanted.as_slice().iter().filter_map(|number| place(*number)).collect();
    Ok(samples.into_iter().enumerate().filter(|(number, _)| wanted.contains(number)).collect())
}

/// Asks the engine everything, and of every conversation the questions that it cannot answer.
fn engine(
    bench: &Bench,
    talks: &[Talk],
    questions: usize,
    foreign: &[String],
    progress: &mut dyn FnMut(Progress),
) -> Result<(Vec<Outcome>, NeverSaid), BenchError> {
    let scratch = fill(bench, talks, progress)?;
    let total = questions + foreign.len() * talks.len();
    let mut outcomes = Vec::with_capacity(questions);
    let mut asked = 0;
    let mut told = |progress: &mut dyn FnMut(Progress)| {
        asked += 1;
        progress(Progress::new(Step::Ask, asked, total));
    };
    let mut by_conversation = BTreeMap::new();
    for talk in talks {
        let memory = scratch.memory.in_scope(talk.scope());
        for question in &talk.questions {
            let start = Instant::now();
            let recall = memory.query_memory(&question.text, Bench::HITS)?;
            let time = start.elapsed();
            let origins = recall.hits.iter().filter_map(|hit| hit.memory.origin.as_ref());
            let ranking: Vec<usize> = origins.filter_map(|origin| talk.place_of(&origin.id)).collect();
            outcomes.push(talk.outcome(question, &ranking, time));
            told(progress);
        }
        let mut silent = 0;
        for question in foreign {
            silent += usize::from(memory.query_memory(question, 1)?.hits.is_empty());
            told(progress);
        }
        by_conversation.insert(talk.summary().name, 100.0 * silent as f64 / foreign.len().max(1) as f64);
    }
    let silent = by_conversation.values().sum::<f64>() / by_conversation.len().max(1) as f64;
    Ok((outcomes, NeverSaid { questions: foreign.len(), silent, by_conversation }))
}

fn lines(file: &Path) -> Result<Vec<String>, BenchError> {
    let text = String::from_utf8_lossy(&read(file)?).into_owned();
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    Ok(lines.map(ToOwned::to_owned).collect())
}

/// Asks a baseline everything.
fn compare(
    bench: &Bench,
    baseline: Baseline,
    talks: &[Talk],
    progress: &mut dyn FnMut(Progress),
) -> Result<Vec<Outcome>, BenchError> {
    let total = talks.iter().map(|talk| talk.texts.len()).sum();
    let (mut embedded, mut outcomes) = (0, Vec::new());
    for talk in talks {
        let ranker = Ranker::new(baseline, &talk.texts, bench.model(), &mut |done| {
            progress(Progress::new(Step::Baseline, embedded + done, total));
        })?;
        embedded += talk.texts.len();
        for question in &talk.questions {
            let start = Instant::now();
            let ranking = ranker.rank(&question.text)?;
            let time: Duration = start.elapsed();
            outcomes.push(talk.outcome(question, &ranking, time));
        }
    }
    Ok(outcomes)
}

#[cfg(test)]
mod tests;
