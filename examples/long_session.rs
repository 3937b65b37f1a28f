//! A long session in a small window: what leaves it is summarised, level upon level, and stays findable word for word.
//!
//! ```text
//! cargo run --release -p mnemon-examples --example long_session               2,000 turns, words compared only
//! cargo run --release -p mnemon-examples --example long_session -- 10000 model    10,000 turns with the embedding model
//! ```
#![expect(clippy::print_stdout, reason = "an example prints what it shows")]

use std::error::Error;
use std::time::{Duration, Instant};

use mnemon::{Block, Config, ContextManager, Kind};

/// What is told at the beginning, and asked at the end.
const EARLY: [(&str, &str); 4] = [
    ("My sister Ingrid keeps bees on the roof of the town hall in Tromsø.", "Where does Ingrid keep her bees?"),
    ("We decided to name the new sailing boat Kestrel.", "What is the name of the new sailing boat?"),
    ("The doctor says that I must not eat walnuts any more.", "Which nuts did the doctor forbid?"),
    ("I left the blue suitcase at the station of Ljubljana.", "At which station is the blue suitcase?"),
];

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let turns: usize = arguments.next().map_or(Ok(2_000), |turns| turns.parse())?;
    let with_model = arguments.next().is_some_and(|word| word == "model");

    let folder = tempfile::tempdir()?;
    let mut config = Config::default();
    // Summaries of a tenth of what they stand for, here of chunks of 1,000 tokens.
    (config.stm_capacity, config.chunk_size, config.summary_tokens) = (8_000, 1_000, 125);
    let builder = ContextManager::builder().config(config);
    let builder = if with_model { builder } else { builder.without_model() };
    let memory = builder.open(folder.path().join("memory.db"))?;

    println!("{:>7}  {:>10}  {:>10}  {:>9}  summaries at the top", "turns", "observe", "slowest", "held");
    let mut times = Vec::new();
    for n in 0..turns / 2 {
        let (user, assistant) = said(n);
        let start = Instant::now();
        let observed = memory.observe(user, assistant)?;
        times.push(start.elapsed());
        assert_eq!(observed.summary_problem, None);
        if (n + 1).is_multiple_of((turns / 20).max(1)) {
            times.sort_unstable();
            let depths: Vec<String> = memory.summaries()?.iter().map(|summary| summary.depth.to_string()).collect();
            let (median, slowest) = (at(&times, 50), at(&times, 100));
            println!("{:>7}  {median:>10.2?}  {slowest:>10.2?}  {:>9}  {}", 2 * (n + 1), held(), depths.join(" "));
            times.clear();
        }
    }

    let summaries = memory.summaries()?;
    let oldest = summaries.first().ok_or("expected summaries")?;
    let covered = memory.summary_turns(oldest.memory.id)?;
    println!("\nThe first summary is {} levels deep and stands for {} turns:", oldest.depth, covered.len());
    oldest.memory.text.lines().take(4).for_each(|line| println!("  {line}"));
    assert!(covered.iter().any(|turn| turn.text == EARLY[0].0), "a summary leads to its turns");

    println!("\nAnd what was said first is still there, word for word:");
    for (told, question) in EARLY {
        let context = memory.build_context(question)?;
        let evidence = context.manifest().included().find(|item| item.block == Block::Recalled && item.text == told);
        let evidence = evidence.ok_or_else(|| format!("expected the evidence for: {question}"))?;
        println!("  {question}\n    {}", evidence.text);
        let is_told = |item: &&mnemon::Item| item.source.as_ref().is_some_and(|source| source.kind == Kind::Summary);
        assert!(context.manifest().included().any(|item| is_told(&item)));
    }
    Ok(())
}

/// An exchange: what matters now and then at the beginning, else talk of no interest, different each time.
fn said(n: usize) -> (String, String) {
    if let Some((told, _)) = EARLY.get(n / 10).filter(|_| n.is_multiple_of(10)) {
        return ((*told).to_owned(), "Thank you, I will remember that.".to_owned());
    }
    let thing = ["the weather", "a train", "the garden", "a novel", "some soup", "the cat", "a meeting"][n % 7];
    let way = ["slow", "late", "odd", "pleasant", "loud"][n / 7 % 5];
    let user = format!("Entry {n}: today {thing} was rather {way}, and number {} came up before lunch.", n * 37 % 1009);
    (user, format!("I see, {thing} being {way} is something to remember for entry {n}. Anything else about it today?"))
}

fn at(sorted: &[Duration], percent: usize) -> Duration {
    sorted.get((sorted.len() * percent / 100).min(sorted.len().saturating_sub(1))).copied().unwrap_or_default()
}

/// What this process holds in memory, where the system says so.
fn held() -> String {
    let pages = std::fs::read_to_string("/proc/self/statm")
        .ok()
        .and_then(|statm| statm.split_whitespace().nth(1).and_then(|pages| pages.parse::<u64>().ok()));
    pages.map_or_else(|| "?".to_owned(), |pages| format!("{} MB", pages * 4096 / 1_000_000))
}
