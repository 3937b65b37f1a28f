//! `bench context`: the whole engine, from a question to a prompt, over a memory of any size.

use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mnemon::{ContextManager, Degradation, Embedder, Level, StageTime};
use serde::{Deserialize, Serialize};

use super::made::{Filled, Maker, check_memories};
use super::{Machine, check, machine};
use crate::made::{SESSION, Talk};
use crate::{Bench, BenchError, Latency, Progress, Step};

/// The hits of a search.
const K: usize = 10;
/// Questions that are asked before any is counted: they fill caches.
const WARM: usize = 10;
const MAX_QUESTIONS: usize = 100_000;

/// What is measured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContextOptions {
    /// How many memories there are, from 1 to 5,000,000.
    pub memories: usize,
    /// What they are made from.
    pub seed: u64,
    /// The levels of recall, in this order. What is observed at one is there for the next: with the thorough one first,
    /// nothing is left to be done when the fast one begins.
    pub levels: Vec<Level>,
    /// How many questions are asked at each level, from 1 to 100,000.
    pub questions: usize,
}

impl ContextOptions {
    /// As many as long use collects.
    pub const MEMORIES: usize = 10_000;
    /// Enough for a percentile of 99.
    pub const QUESTIONS: usize = 200;

    /// The level that a file has to be filled for.
    pub(super) fn fill_level(&self) -> Level {
        if self.levels.contains(&Level::Thorough) { Level::Thorough } else { Level::Fast }
    }
}

/// A file, and what is asked of it. Whoever answers needs nothing else: it may be another process.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Asking {
    /// The file.
    pub path: PathBuf,
    /// How many memories it was filled with.
    pub memories: usize,
    /// What they were made from.
    pub seed: u64,
    /// The level of recall.
    pub level: Level,
    /// How many questions.
    pub questions: usize,
}

/// Times of the whole engine over a memory of one size.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ContextReport {
    /// `context`.
    pub bench: &'static str,
    /// What it ran on.
    pub machine: Machine,
    /// What.
    #[serde(flatten)]
    pub measured: LevelTimes,
}

/// A memory and what was measured on it at each level.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct LevelTimes {
    /// How it was filled.
    pub filled: Filled,
    /// What was measured.
    pub levels: Vec<Answered>,
}

/// What was measured at one level. All times are of one thread and with the embedding of the question by the model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Answered {
    /// The level of recall.
    pub level: Level,
    /// Opening the file, the model loaded, in milliseconds.
    pub open_ms: f64,
    /// From before the file was opened to the first answer, in milliseconds.
    pub first_answer_ms: f64,
    /// What `maintain` took after that, in seconds: the graph, where it is due.
    pub maintain_seconds: f64,
    /// Taking in an exchange of two turns, durable, in milliseconds.
    pub observe_ms: Latency,
    /// Answering a question with ten memories, in milliseconds.
    pub search_ms: Latency,
    /// Building a context, in milliseconds.
    pub context_ms: Latency,
    /// What of that is not recall: reading the window, packing, counting, rendering.
    pub beside_recall_ms: Latency,
    /// Tokens of a context, on average.
    pub context_tokens: f64,
    /// Memories that were recalled for a context, on average.
    pub recalled: f64,
    /// The stages of recall in their order.
    pub stages: Vec<StageShare>,
    /// Bytes of the vector index in memory.
    pub index_bytes: usize,
    /// Bytes of memory of the process at the end, where the system tells, the model among them.
    pub resident_bytes: Option<u64>,
    /// What of that was in use when the model was loaded and no file was open.
    pub resident_before_bytes: Option<u64>,
}

/// A stage of recall.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct StageShare {
    /// Its name.
    pub stage: String,
    /// How long it takes, the median in milliseconds.
    pub ms: f64,
    /// Its share of the medians of all stages, in percent.
    pub share: f64,
}

/// Who answers: in this process [`answer`], or one of its own, so that what filling the file left in memory is not
/// counted.
pub type Asker<'a> =
    dyn FnMut(&Asking, &mut dyn FnMut(Progress)) -> Result<Answered, Box<dyn Error + Send + Sync>> + 'a;

impl ContextReport {
    /// Fills a memory in a temporary folder, and has it asked.
    ///
    /// # Errors
    /// For numbers that are not allowed, when the model or the `asker` fails, and when the folder cannot be written.
    pub fn measure(
        bench: &Bench,
        options: &ContextOptions,
        asker: &mut Asker<'_>,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Self, BenchError> {
        let mut maker = Maker::new(bench, options.seed);
        let measured = LevelTimes::measure(&mut maker, options, asker, progress)?;
        Ok(Self { bench: "context", machine: bench.machine(), measured })
    }
}

impl LevelTimes {
    pub(super) fn measure(
        maker: &mut Maker<'_>,
        options: &ContextOptions,
        asker: &mut Asker<'_>,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Self, BenchError> {
        check_memories(options.memories)?;
        check("questions", options.questions, 1, MAX_QUESTIONS)?;
        let folder = tempfile::Builder::new().prefix("mnemon-bench-").tempdir().map_err(BenchError::Temporary)?;
        let path = folder.path().join("bench.db");
        let filled = maker.fill(&path, options.memories, options.fill_level(), progress)?;
        let mut levels = Vec::new();
        for level in &options.levels {
            let ContextOptions { memories, seed, questions, .. } = *options;
            let asking = Asking { path: path.clone(), memories, seed, level: *level, questions };
            levels.push(asker(&asking, progress).map_err(BenchError::Asker)?);
        }
        Ok(Self { filled, levels })
    }
}

/// Opens a file that was filled here, asks it and adds to it. Runs on the thread of the caller.
///
/// # Errors
/// When the file cannot be read or written, and when the model fails.
pub fn answer(bench: &Bench, asking: &Asking, progress: &mut dyn FnMut(Progress)) -> Result<Answered, BenchError> {
    check("questions", asking.questions, 1, MAX_QUESTIONS)?;
    let talk = Talk::seeded(asking.memories, asking.seed);
    let mut config = bench.config().clone();
    config.recall = asking.level;
    let resident_before_bytes = machine::resident_bytes();

    let start = Instant::now();
    let embedder: Arc<dyn Embedder> = bench.shared_model();
    let memory = ContextManager::builder().config(config).embedder(embedder).open(&asking.path)?;
    let open = start.elapsed();
    whole(memory.query_memory(talk.question(0), K)?.degraded)?;
    let first_answer = start.elapsed();
    progress(Progress::new(Step::Graph, 0, asking.memories));
    let (maintained, maintain) = timed(|| memory.maintain(&mut |_| true))?;
    whole(maintained.degraded)?;

    // As many as fill the window, and some that leave it.
    let exchanges = asking.questions;
    let total = exchanges + WARM + asking.questions;
    let now = memory.in_session("now");
    let mut observing = Vec::with_capacity(exchanges);
    let said = (0..).flat_map(|session| talk.session(talk.sessions() + session));
    let said: Vec<_> = said.take(2 * exchanges + SESSION).collect();
    for exchange in said.chunks_exact(2).take(exchanges) {
        let (observed, time) = timed(|| now.observe_turns(exchange))?;
        whole(observed.degraded)?;
        observing.push(time);
        progress(Progress::new(Step::Ask, observing.len(), total));
    }

    let mut times = Times::default();
    for number in 0..WARM + asking.questions {
        let question = talk.question(number);
        let one = Times::of(&now, &question)?;
        if number >= WARM {
            times.extend(one);
        }
        progress(Progress::new(Step::Ask, exchanges + number + 1, total));
    }
    let stats = memory.get_stats()?;
    let mean = |values: &[usize]| values.iter().sum::<usize>() as f64 / values.len().max(1) as f64;
    Ok(Answered {
        level: asking.level,
        open_ms: millis(open),
        first_answer_ms: millis(first_answer),
        maintain_seconds: maintain.as_secs_f64(),
        observe_ms: Latency::of(observing),
        context_tokens: mean(&times.tokens),
        recalled: mean(&times.recalled),
        stages: shares(&times.stages),
        search_ms: Latency::of(times.search),
        context_ms: Latency::of(times.context),
        beside_recall_ms: Latency::of(times.beside),
        index_bytes: stats.long_term.index_bytes,
        resident_bytes: machine::resident_bytes(),
        resident_before_bytes,
    })
}

/// How long questions took.
#[derive(Default)]
struct Times {
    search: Vec<Duration>,
    context: Vec<Duration>,
    beside: Vec<Duration>,
    tokens: Vec<usize>,
    recalled: Vec<usize>,
    stages: Vec<Vec<StageTime>>,
}

impl Times {
    /// Asks one question in each way.
    fn of(memory: &ContextManager, question: &str) -> Result<Self, BenchError> {
        let (recall, search) = timed(|| memory.query_memory(question, K))?;
        whole(recall.degraded)?;
        let (context, time) = timed(|| memory.build_context(question))?;
        whole(context.manifest().degraded.clone())?;
        let recalled = Duration::from_micros(context.timings().recall_us);
        let is_recalled = |item: &&mnemon::Item| item.block == mnemon::Block::Recalled;
        let explained = memory.explain(question, K)?;
        Ok(Self {
            search: vec![search],
            context: vec![time],
            beside: vec![time.saturating_sub(recalled)],
            tokens: vec![context.manifest().tokens],
            recalled: vec![context.manifest().included().filter(is_recalled).count()],
            stages: explained.into_iter().map(|explained| explained.stages).collect(),
        })
    }

    fn extend(&mut self, other: Self) {
        self.search.extend(other.search);
        self.context.extend(other.context);
        self.beside.extend(other.beside);
        self.tokens.extend(other.tokens);
        self.recalled.extend(other.recalled);
        self.stages.extend(other.stages);
    }
}

/// The median of each stage, in the order of the stages.
fn shares(questions: &[Vec<StageTime>]) -> Vec<StageShare> {
    let mut names: Vec<&str> = Vec::new();
    for time in questions.iter().flatten() {
        if !names.contains(&time.stage) {
            names.push(time.stage);
        }
    }
    let median = |name: &str| {
        let of_stage = questions.iter().flatten().filter(|time| time.stage == name);
        Latency::of(of_stage.map(|time| Duration::from_micros(time.micros))).p50
    };
    let medians: Vec<f64> = names.iter().map(|name| median(name)).collect();
    let sum = medians.iter().sum::<f64>().max(f64::MIN_POSITIVE);
    let share = |(name, ms): (&&str, f64)| StageShare { stage: (*name).to_owned(), ms, share: 100.0 * ms / sum };
    names.iter().zip(medians).map(share).collect()
}

/// An engine that works without its model is another one.
fn whole(degraded: Option<Degradation>) -> Result<(), BenchError> {
    degraded.map_or(Ok(()), |why| Err(BenchError::Degraded { why }))
}

fn timed<T, E>(work: impl FnOnce() -> Result<T, E>) -> Result<(T, Duration), E> {
    let start = Instant::now();
    let value = work()?;
    Ok((value, start.elapsed()))
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages_have_their_share_of_the_whole() {
        let stage = |stage, micros| StageTime { stage, micros };
        let questions = [
            vec![stage("embedding", 3_000), stage("words", 1_000)],
            vec![stage("embedding", 3_000), stage("words", 900), stage("late", 0)],
            vec![stage("embedding", 9_000), stage("words", 1_000)],
        ];
        let shares: Vec<_> = shares(&questions).into_iter().map(|it| (it.stage, it.ms, it.share)).collect();
        let expected = [("embedding", 3.0, 75.0), ("words", 1.0, 25.0), ("late", 0.0, 0.0)];
        assert_eq!(shares, expected.map(|(stage, ms, share)| (stage.to_owned(), ms, share)));
    }

    #[test]
    fn a_file_is_filled_for_what_is_asked_of_it() {
        let level = |levels: &[Level]| {
            ContextOptions { memories: 1, seed: 0, levels: levels.to_vec(), questions: 1 }.fill_level()
        };
        assert_eq!(level(&[Level::Fast]), Level::Fast);
        assert_eq!(level(&[Level::Fast, Level::Thorough]), Level::Thorough);
    }
}
