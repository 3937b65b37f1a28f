//! `bench compaction`: what ways of compaction keep of the evidence of questions that they do not know.

mod chart;
mod survival;
mod talk;
mod ways;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

use mnemon::import::Options;
use mnemon::import::locomo::samples;
use mnemon_compact::{Extractive, Means, MemoryVectors, Vectors};
use serde::Serialize;

use crate::bench::{file_name, read};
use crate::locomo::chosen;
use crate::{Bench, BenchError, Machine, Numbers, Progress, Step};
use talk::{Left, Talk};
pub use ways::Way;

/// What is compacted, and how far.
#[derive(Debug, Clone)]
pub struct CompactionOptions {
    /// The conversations, by their place in the file, from 0. `None` takes all.
    pub conversations: Option<Numbers>,
    /// The shares of the tokens that may be left, each above 0 and below 1. At least one.
    pub ratios: Vec<f64>,
    /// How often chance is asked, from 1 to 1,000.
    pub seeds: usize,
    /// How. At least one.
    pub ways: Vec<Way>,
}

impl CompactionOptions {
    /// From a light compaction to a heavy one.
    pub const RATIOS: [f64; 5] = [0.7, 0.5, 0.35, 0.2, 0.1];
    /// The mean of so many is good to about one in a hundred.
    pub const SEEDS: usize = 5;
}

impl Default for CompactionOptions {
    fn default() -> Self {
        Self { conversations: None, ratios: Self::RATIOS.to_vec(), seeds: Self::SEEDS, ways: Way::ALL.to_vec() }
    }
}

/// What was kept.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct CompactionReport {
    /// `compaction`.
    pub bench: &'static str,
    /// What it ran on.
    pub machine: Machine,
    /// The name of the file, without folders.
    pub data: String,
    /// The conversations, in their order.
    pub conversations: Vec<Compacted>,
    /// Questions that name no turn of their conversation as evidence, and so are not counted.
    pub without_evidence: usize,
    /// What tokens are counted in.
    pub tokens: String,
    /// How often chance was asked.
    pub seeds: usize,
    /// Texts that were embedded: messages, and sentences for summaries with vectors. No time holds that.
    pub embedded: usize,
    /// The shares of the tokens that were allowed.
    pub ratios: Vec<f64>,
    /// What each way kept.
    pub ways: Vec<Kept>,
}

/// A conversation that was compacted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Compacted {
    /// Its place in the file, from 0.
    pub number: usize,
    /// Its `sample_id`, or one made from its place.
    pub name: String,
    /// Its messages.
    pub messages: usize,
    /// Their tokens, those around each message included.
    pub tokens: usize,
    /// Its questions that count.
    pub questions: usize,
}

/// What one way kept.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Kept {
    /// The way.
    pub way: Way,
    /// Whether it is here to be compared with.
    pub is_baseline: bool,
    /// At each of the ratios.
    pub at: Vec<AtRatio>,
}

/// What one way kept of one share of the tokens. Averages over questions (and seeds) are in percent.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct AtRatio {
    /// The share of the tokens that was allowed.
    pub ratio: f64,
    /// Evidence that is left, as [`compaction`] defines it.
    pub evidence: f64,
    /// Words of the answers that are left in it.
    pub answer: f64,
    /// Questions with all of their evidence left, whole.
    pub whole: f64,
    /// Tokens after as a share of those before, averaged over conversations.
    pub tokens: f64,
    /// The time for one conversation, averaged, in milliseconds, with all vectors in the cache.
    pub ms: f64,
    /// `evidence` of each conversation, by its name.
    pub by_conversation: BTreeMap<String, f64>,
}

/// Compacts every conversation of a file of LoCoMo's format by every strategy, every summary and some baselines, and
/// measures what is left of the turns that its questions name as evidence. Nobody who chooses sees a question.
///
/// What is measured is the same for whole messages and for sentences of summaries:
///
/// - The sentences of a turn are those of UAX #29, with every line ending one, of its text and its caption
///   (`[shares …]`). A sentence is *left* when it stands word for word (white space aside) in a message that the turn went
///   into, or in a line of a summary.
/// - The *evidence* left of a turn is the share of its statements that is left, each weighed by its words; questions count
///   only in turns that ask and say nothing. Of a question it is the mean over its turns, and what is reported is the mean
///   over all questions that name a turn.
/// - *Answer* is the share of the stems of the answer that its evidence has (stop words aside) which stand in sentences
///   that are left, averaged over the questions that have any.
/// - *Whole* is the share of questions of which all evidence is left.
///
/// A share of the tokens is of those of all messages, with what stands around each ([`mnemon_compact::count_tokens`]); a
/// summary and a baseline of sentences may have as many tokens of text. Random messages pass through the same planning as
/// a strategy; random sentences come a line each without speaker and date, so that all their tokens are text; the last
/// turns are lines `speaker: text`.
///
/// Vectors are those of the model, and come from a cache: every way that uses some runs once before it is timed.
///
/// # Errors
/// When the data cannot be read or has no such conversation or no evidence, when an option is outside of its range, and
/// when the model fails.
pub fn compaction(
    bench: &Bench,
    data: &Path,
    options: &CompactionOptions,
    progress: &mut dyn FnMut(Progress),
) -> Result<CompactionReport, BenchError> {
    crate::speed::check("seeds", options.seeds, 1, 1_000)?;
    crate::speed::check("ways", options.ways.len(), 1, 100)?;
    crate::speed::check("ratios", options.ratios.len(), 1, 100)?;
    if let Some(&got) = options.ratios.iter().find(|ratio| !(**ratio > 0.0 && **ratio < 1.0)) {
        return Err(BenchError::Ratio { got });
    }
    let pieces = bench.pieces();
    let samples = samples(&read(data)?, &data.display().to_string(), &Options::default())?;
    let talks: Vec<Talk> = chosen(samples, options.conversations.as_ref())?
        .into_iter()
        .map(|(number, sample)| Talk::new(number, sample, &pieces))
        .collect();
    let without_evidence = talks.iter().map(|talk| talk.without_evidence).sum();
    if talks.iter().all(|talk| talk.questions.is_empty()) {
        return Err(BenchError::NothingToAsk { name: file_name(data), asked: without_evidence });
    }

    let (cache, summarizer) = (MemoryVectors::default(), Extractive::default());
    let vectors = Vectors::new(bench.model(), &cache);
    if options.ways.iter().any(|way| way.has_vectors()) {
        embed(&talks, vectors, progress)?;
    }
    let means = Means { counter: &pieces, vectors: Some(vectors), summarizer: &summarizer };
    let (mut done, total) = (0, options.ways.len() * options.ratios.len() * talks.len());
    let mut kept = Vec::new();
    for &way in &options.ways {
        let mut at = Vec::new();
        for &ratio in &options.ratios {
            let mut sums = Sums::default();
            for talk in &talks {
                sums.measure(way, talk, ratio, options.seeds, &means)?;
                done += 1;
                progress(Progress::new(Step::Compact, done, total));
            }
            at.push(sums.at(ratio));
        }
        kept.push(Kept { way, is_baseline: way.is_baseline(), at });
    }
    let about = |talk: &Talk| Compacted {
        number: talk.number,
        name: talk.name.clone(),
        messages: talk.messages.len(),
        tokens: talk.tokens,
        questions: talk.questions.len(),
    };
    Ok(CompactionReport {
        bench: "compaction",
        machine: bench.machine(),
        data: file_name(data),
        conversations: talks.iter().map(about).collect(),
        without_evidence,
        tokens: mnemon::TokenCounter::name(&pieces).to_owned(),
        seeds: options.seeds,
        embedded: cache.len(),
        ratios: options.ratios.clone(),
        ways: kept,
    })
}

/// Puts the vectors of all messages into the cache.
fn embed(talks: &[Talk], vectors: Vectors<'_>, progress: &mut dyn FnMut(Progress)) -> Result<(), BenchError> {
    const BATCH: usize = 64;
    let texts: Vec<&str> =
        talks.iter().flat_map(|talk| &talk.messages).map(|message| message.content.as_str()).collect();
    let mut done = 0;
    for batch in texts.chunks(BATCH) {
        vectors.rows(batch)?;
        done += batch.len();
        progress(Progress::new(Step::Embed, done, texts.len()));
    }
    Ok(())
}

/// What one way kept at one ratio, added up.
#[derive(Default)]
struct Sums {
    left: Vec<Left>,
    tokens: f64,
    ms: f64,
    runs: usize,
    by_conversation: BTreeMap<String, f64>,
}

impl Sums {
    fn measure(
        &mut self,
        way: Way,
        talk: &Talk,
        ratio: f64,
        seeds: usize,
        means: &Means<'_>,
    ) -> Result<(), BenchError> {
        let run = |seed: u64| way.shorten(&talk.messages, talk.tokens, ratio, seed, means);
        if way.has_vectors() {
            run(0)?;
        }
        let before = self.left.len();
        for seed in 0..if way.is_random() { seeds as u64 } else { 1 } {
            let start = Instant::now();
            let shortened = run(seed)?;
            self.ms += start.elapsed().as_secs_f64() * 1e3;
            self.tokens += shortened.tokens as f64 / talk.tokens.max(1) as f64;
            self.runs += 1;
            self.left.extend(talk.left(&shortened.remains));
        }
        let of_talk = self.left.get(before..).unwrap_or_default();
        if !of_talk.is_empty() {
            self.by_conversation.insert(talk.name.clone(), mean(of_talk.iter().map(|left| left.evidence)));
        }
        Ok(())
    }

    fn at(self, ratio: f64) -> AtRatio {
        let runs = self.runs.max(1) as f64;
        AtRatio {
            ratio,
            evidence: mean(self.left.iter().map(|left| left.evidence)),
            answer: mean(self.left.iter().filter_map(|left| left.answer)),
            whole: mean(self.left.iter().map(|left| f64::from(left.evidence > 1.0 - 1e-9))),
            tokens: 100.0 * self.tokens / runs,
            ms: self.ms / runs,
            by_conversation: self.by_conversation,
        }
    }
}

/// In percent; 0 of none.
fn mean(shares: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = shares.fold((0.0, 0usize), |(sum, count), share| (sum + share, count + 1));
    if count == 0 { 0.0 } else { 100.0 * sum / count as f64 }
}

#[cfg(test)]
mod tests;
