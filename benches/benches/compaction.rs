//! What compaction costs by the number of messages: strategies and summaries over made talk, to half of the tokens. Vectors
//! are composed of random numbers and stand in the cache, so that no model is in any time.
//!
//! A size is measured alone by its name, `compaction_2000`.

use std::error::Error;
use std::hint::black_box;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput};
use mnemon_bench::made::{Talk, vectors};
use mnemon_benches::sizes;
use mnemon_compact::{
    Extractive, Goal, Means, MemoryVectors, Message, Salient, Semantic, Strategy, Summarizer, SummaryRequest, Truncate,
    VectorCache, VectorKey, Vectors, count_tokens,
};
use mnemon_core::{EmbedError, Embedder, Embeddings, EstimateCounter, ModelId, Purpose, Role};

const SIZES: [usize; 3] = [200, 2_000, 10_000];
const DIMENSION: usize = 384;
/// Above so many messages clustering takes longer than a bench may: its cost grows with the square.
const CLUSTERED: usize = 2_000;

/// Names the vectors in the cache; it makes none itself.
struct Known(ModelId);

impl Embedder for Known {
    fn model(&self) -> &ModelId {
        &self.0
    }

    fn dimension(&self) -> usize {
        DIMENSION
    }

    fn embed(&self, texts: &[&str], _: Purpose) -> Result<Embeddings, EmbedError> {
        Err(EmbedError {
            model: self.0.to_string(),
            source: format!("{} texts are not in the cache", texts.len()).into(),
        })
    }
}

fn messages(count: usize) -> Vec<Message> {
    let talk = Talk::new(count);
    let turns = (0..talk.sessions()).flat_map(|number| talk.session(number)).take(count);
    let message = |turn: mnemon::NewTurn| Message { at: turn.occurred_at, ..Message::new(turn.role, turn.text) };
    turns.map(message).map(|it| if it.role == Role::User { it.named("Nora") } else { it.named("Felix") }).collect()
}

fn measure(criterion: &mut Criterion, size: usize) -> Result<(), Box<dyn Error>> {
    let messages = messages(size);
    let embedder = Known(ModelId { name: "made".to_owned(), revision: "1".to_owned(), dtype: "f32".to_owned() });
    let cache = MemoryVectors::default();
    let made = vectors(size, DIMENSION, 0);
    for (message, vector) in messages.iter().zip(made.chunks(DIMENSION)) {
        cache.put(VectorKey::of(&embedder, &message.content), vector);
    }
    let summarizer = Extractive::default();
    let lexical = Means { counter: &EstimateCounter, vectors: None, summarizer: &summarizer };
    let means = Means { vectors: Some(Vectors::new(&embedder, &cache)), ..lexical };
    let goal = Goal::ratio(0.5);

    let mut group = criterion.benchmark_group(format!("compaction_{size}"));
    group.sample_size(10).warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(3));
    group.throughput(Throughput::Elements(size as u64));
    let (salient, semantic) = (Salient::default(), Semantic);
    let mut strategies: Vec<(&str, &dyn Strategy, Means<'_>)> = vec![
        ("truncate", &Truncate, lexical),
        ("salient", &salient, lexical),
        ("salient_with_vectors", &salient, means),
    ];
    if size <= CLUSTERED {
        strategies.push(("semantic", &semantic, means));
    }
    for (name, strategy, means) in strategies {
        let compact = || strategy.plan(&messages, &goal, &means).and_then(|plan| plan.apply(&messages, &means));
        compact()?;
        group.bench_function(BenchmarkId::from_parameter(name), |b| b.iter(|| black_box(compact().is_ok())));
    }
    let max_tokens = count_tokens(&messages, &EstimateCounter) / 2;
    let summarise = || summarizer.summarise(&SummaryRequest::of(&messages, max_tokens, &EstimateCounter));
    summarise()?;
    group.bench_function(BenchmarkId::from_parameter("extractive"), |b| b.iter(|| black_box(summarise().is_ok())));
    group.finish();
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut criterion = Criterion::default().configure_from_args();
    for size in sizes("compaction", &SIZES, &[]) {
        measure(&mut criterion, size)?;
    }
    criterion.final_summary();
    Ok(())
}
