//! From a question to a prompt: `build_context` over 1,000, 10,000 and 100,000 turns of two people in one scope, at both
//! levels, the question embedded by the model; and what of that is not recall, which is reading the window, packing,
//! counting tokens and rendering. Beside it, counting the tokens of such a context alone.
//!
//! Files are made once a machine, in the folder of the build. A size is measured alone by its name, `context_10000`, and
//! counting as `count_tokens`.

use std::error::Error;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput};
use mnemon::embed::LocateOptions;
use mnemon::tokens::Tokenizer;
use mnemon::{Config, ContextManager, Level};
use mnemon_bench::made::{SESSION, Talk};
use mnemon_bench::{Bench, Maker};
use mnemon_benches::sizes;
use mnemon_store::SCHEMA_VERSION;

const SIZES: [usize; 3] = [1_000, 10_000, 100_000];
const QUESTIONS: usize = 100;
/// What is made here. Another way to make it gets another number.
const EDITION: u32 = 1;

/// The file of a size, with a full window of the session `now`.
fn file(maker: &mut Maker<'_>, size: usize) -> Result<PathBuf, Box<dyn Error>> {
    let name = format!("context-{size}-{EDITION}-{SCHEMA_VERSION}.db");
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    if !path.exists() {
        let making = path.with_extension("making");
        if making.exists() {
            std::fs::remove_file(&making)?;
        }
        maker.fill(&making, size, Level::Thorough, &mut |_| {})?;
        let memory = open(&making, Level::Thorough)?;
        let talk = Talk::new(size);
        let said: Vec<_> = (0..20).flat_map(|session| talk.session(talk.sessions() + session)).collect();
        for turns in said.chunks(SESSION) {
            memory.observe_turns(turns)?;
        }
        drop(memory);
        std::fs::rename(making, &path)?;
    }
    Ok(path)
}

fn open(path: &Path, level: Level) -> Result<ContextManager, Box<dyn Error>> {
    let mut config = Config::default();
    config.recall = level;
    let memory = ContextManager::builder().config(config).open(path)?.in_session("now");
    memory.maintain(&mut |_| true)?;
    Ok(memory)
}

fn measure(criterion: &mut Criterion, path: &Path, size: usize) -> Result<(), Box<dyn Error>> {
    let talk = Talk::new(size);
    let questions: Vec<String> = (0..QUESTIONS).map(|number| talk.question(number)).collect();
    let mut group = criterion.benchmark_group(format!("context_{size}"));
    group.sample_size(20).warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(4));
    for level in [Level::Fast, Level::Thorough] {
        let memory = open(path, level)?;
        let build = |question: &String| {
            let context = memory.build_context(question.as_str()).unwrap_or_else(|error| unreachable!("{error}"));
            black_box(context).timings()
        };
        let mut questions = questions.iter().cycle();
        let mut next = || questions.next().map(build).unwrap_or_default();
        group.bench_function(BenchmarkId::new("build_context", level), |b| b.iter(&mut next));
        group.bench_function(BenchmarkId::new("beside_recall", level), |b| {
            b.iter_custom(|count| {
                let times = (0..count).map(|_| next());
                times.map(|it| Duration::from_micros(it.total_us.saturating_sub(it.recall_us))).sum()
            });
        });
    }
    group.finish();
    Ok(())
}

/// Counting the tokens of a context of some 4,000, which packing does about three times.
fn count(criterion: &mut Criterion) -> Result<(), Box<dyn Error>> {
    let lines: Vec<String> = Talk::new(150).session(0).iter().map(|turn| format!("> Nora: {}\n", turn.text)).collect();
    let text = lines.concat().repeat(5);
    let mut group = criterion.benchmark_group("count_tokens");
    group.throughput(Throughput::Bytes(text.len() as u64));
    for tokenizer in [Tokenizer::O200kBase, Tokenizer::Cl100kBase, Tokenizer::Estimate] {
        let counter = tokenizer.resolve()?;
        group.bench_function(counter.name(), |b| b.iter(|| counter.count(black_box(&text))));
    }
    group.finish();
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut criterion = Criterion::default().configure_from_args();
    let bench = Bench::load(Config::default(), LocateOptions::from_env())?;
    let mut maker = Maker::new(&bench, 0);
    count(&mut criterion)?;
    for size in sizes("context", &SIZES, &["count_tokens"]) {
        let path = file(&mut maker, size)?;
        measure(&mut criterion, &path, size)?;
    }
    criterion.final_summary();
    Ok(())
}
