//! `bench embed`: texts a second, and the time of one question.

use std::time::{Duration, Instant};

use mnemon::{EmbedError, Embedder, Embeddings, Purpose, TokenCounter};
use serde::Serialize;

use super::{Machine, check};
use crate::made::Talk;
use crate::{Bench, BenchError, Latency, Progress, Step};

/// Word pieces of the texts, without the special ones: a question, a turn, a paragraph.
const PIECES: [usize; 3] = [12, 40, 200];
/// How often every text is embedded. The first round is not counted.
const ROUNDS: usize = 3;
/// Questions whose times are taken one by one.
const QUESTIONS: usize = 300;
const MAX_TEXTS: usize = 100_000;

/// What is embedded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EmbedOptions {
    /// How many texts of each length, from 1 to 100,000. They are embedded four times.
    pub texts: usize,
    /// What they are made from.
    pub seed: u64,
}

impl EmbedOptions {
    /// Enough texts that each way runs for some seconds.
    pub const TEXTS: usize = 256;
}

/// How fast the model is.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct EmbedReport {
    /// `embed`.
    pub bench: &'static str,
    /// What it ran on.
    pub machine: Machine,
    /// Texts of each length.
    pub texts: usize,
    /// How fast texts of each length are embedded.
    pub rates: Vec<Rate>,
    /// The time of one question of 12 word pieces, one thread, reading it included.
    pub question_ms: Latency,
    /// The least cosine between the vector of a text alone and that of the same text in a batch.
    pub batch_cosine: f32,
    /// Whether all of them are equal bit for bit.
    pub batch_equal: bool,
}

/// How fast texts of one length are embedded.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Rate {
    /// Word pieces of each text, without the special ones.
    pub pieces: usize,
    /// Texts a second on one thread.
    pub one_thread: f64,
    /// Texts a second on all threads.
    pub all_threads: f64,
}

/// Measures the model on texts that are made, tokenisation included. Everything runs in turns, and medians are taken.
///
/// # Errors
/// For a number of texts that is not allowed, and when the model fails.
pub fn embed(
    bench: &Bench,
    options: &EmbedOptions,
    progress: &mut dyn FnMut(Progress),
) -> Result<EmbedReport, BenchError> {
    check("texts", options.texts, 1, MAX_TEXTS)?;
    let model = bench.model();
    let one =
        rayon::ThreadPoolBuilder::new().num_threads(1).build().map_err(|error| BenchError::Threads(error.into()))?;
    let counter = bench.pieces();
    let texts: Vec<Vec<String>> =
        PIECES.iter().map(|pieces| made(&counter, *pieces, options.texts, options.seed)).collect();

    let (mut done, total) = (0, PIECES.len() * 2 * (ROUNDS + 1) * options.texts + QUESTIONS);
    let mut times = vec![[Vec::new(), Vec::new()]; PIECES.len()];
    for round in 0..=ROUNDS {
        for (texts, times) in texts.iter().zip(&mut times) {
            let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
            for (is_one, times) in [true, false].into_iter().zip(times) {
                let run = || timed(|| model.embed(&texts, Purpose::Passage));
                let (time, _) = if is_one { one.install(run) } else { run() }?;
                if round > 0 {
                    times.push(time);
                }
                done += texts.len();
                progress(Progress::new(Step::Embed, done, total));
            }
        }
    }
    let per_second = |times: &[Duration]| options.texts as f64 * 1e3 / Latency::of(times.iter().copied()).p50;
    let rates = PIECES.iter().zip(&times).map(|(pieces, [one, all])| Rate {
        pieces: *pieces,
        one_thread: per_second(one),
        all_threads: per_second(all),
    });
    let rates = rates.collect();

    let questions = texts.first().map_or(&[][..], Vec::as_slice);
    let mut times = Vec::with_capacity(QUESTIONS);
    for question in questions.iter().cycle().take(QUESTIONS) {
        times.push(one.install(|| timed(|| model.embed(&[question], Purpose::Query)))?.0);
        progress(Progress::new(Step::Embed, done + times.len(), total));
    }
    let (batch_cosine, batch_equal) = batch_against_single(bench, &texts)?;
    Ok(EmbedReport {
        bench: "embed",
        machine: bench.machine(),
        texts: options.texts,
        rates,
        question_ms: Latency::of(times),
        batch_cosine,
        batch_equal,
    })
}

/// Compares vectors of texts of all lengths, in one batch and each alone.
fn batch_against_single(bench: &Bench, texts: &[Vec<String>]) -> Result<(f32, bool), EmbedError> {
    const OF_EACH: usize = 16;
    let model = bench.model();
    let mixed: Vec<&str> = texts.iter().flat_map(|texts| texts.iter().take(OF_EACH)).map(String::as_str).collect();
    let batch = model.embed(&mixed, Purpose::Passage)?;
    let (mut least, mut equal) = (1.0f32, true);
    for (text, in_batch) in mixed.iter().zip(batch.rows()) {
        let alone = model.embed(&[text], Purpose::Passage)?;
        let alone = alone.get(0).unwrap_or_default();
        equal &= alone == in_batch;
        least = least.min(alone.iter().zip(in_batch).map(|(a, b)| a * b).sum());
    }
    Ok((least, equal))
}

fn timed(embed: impl Fn() -> Result<Embeddings, EmbedError>) -> Result<(Duration, Embeddings), EmbedError> {
    let start = Instant::now();
    let vectors = embed()?;
    Ok((start.elapsed(), vectors))
}

/// Texts of so many word pieces: what two people say, as much of it as that takes.
fn made(counter: &dyn TokenCounter, pieces: usize, count: usize, seed: u64) -> Vec<String> {
    let talk = Talk::seeded(1, seed ^ pieces as u64);
    let mut words = (0..)
        .flat_map(|number| talk.session(number))
        .flat_map(|turn| turn.text.split_whitespace().map(str::to_owned).collect::<Vec<_>>());
    let mut texts = Vec::with_capacity(count);
    while texts.len() < count {
        let (mut text, mut held) = (String::new(), 0);
        while held < pieces {
            // It never ends; a word of several pieces that are too many gives way to the next one.
            let Some(word) = words.next() else { return texts };
            let more = counter.count(&word);
            if held + more <= pieces {
                held += more;
                text.push_str(if text.is_empty() { "" } else { " " });
                text.push_str(&word);
            }
        }
        texts.push(text);
    }
    texts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_have_the_length_that_was_asked_for() {
        struct Letters;
        impl TokenCounter for Letters {
            fn name(&self) -> &str {
                "a piece for each three letters"
            }
            fn count(&self, text: &str) -> usize {
                text.split(' ').map(|word| word.len().div_ceil(3)).sum()
            }
        }
        for pieces in PIECES {
            let texts = made(&Letters, pieces, 20, 5);
            assert_eq!(texts.len(), 20);
            assert!(texts.iter().all(|text| Letters.count(text) == pieces), "{texts:?}");
            assert_ne!(texts[0], texts[1]);
        }
    }

    #[test]
    fn too_many_texts_are_refused_before_the_work() {
        for texts in [0, MAX_TEXTS + 1] {
            let error = check("texts", texts, 1, MAX_TEXTS).unwrap_err().to_string();
            assert_eq!(error, format!("expected from 1 to 100000 texts, got {texts}"));
        }
    }
}
