//! Embedding with the shipped model: a question of 12 pieces, and texts of 40 and of 200, by each kernel that this processor
//! runs and by candle. One thread; tokenizing is part of it, loading is not.

use std::hint::black_box;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use mnemon_core::{Embedder, Purpose, TokenCounter};
use mnemon_embed::{Encoder, Kernel, LoadOptions, LocateOptions, SentenceTransformer, locate};

/// What the texts are made of.
const WORDS: &str = include_str!("../../docs/ARCHITECTURE.md");

/// The pieces that begin and end a text.
const SPECIAL: usize = 2;

fn models() -> Vec<(String, SentenceTransformer)> {
    let source = locate(&LocateOptions::from_env()).unwrap_or_else(|error| unreachable!("{error}"));
    let encoders = Kernel::available().into_iter().map(Encoder::Int8).chain([Encoder::Candle]);
    let load = |encoder: Encoder| {
        let model = SentenceTransformer::load_with(&source, LoadOptions::default().encoder(encoder));
        (encoder.to_string(), model.unwrap_or_else(|error| unreachable!("{error}")))
    };
    encoders.map(load).collect()
}

/// Texts of that many pieces each, out of words that follow one another.
fn texts(counter: &dyn TokenCounter, count: usize, pieces: usize) -> Vec<String> {
    let mut words = WORDS.split_whitespace().filter(|word| word.chars().all(char::is_alphanumeric)).cycle();
    let text = |_| {
        let mut text = String::new();
        let mut left = pieces - SPECIAL;
        while left > 0 {
            let Some(word) = words.find(|word| counter.count(word) <= left) else { break };
            left -= counter.count(word);
            text.push_str(word);
            text.push(' ');
        }
        text
    };
    (0..count).map(text).collect()
}

fn embed(c: &mut Criterion) {
    let models = models();
    let Some((_, first)) = models.first() else { return };
    let counter = first.word_pieces();
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap_or_else(|error| unreachable!("{error}"));
    for (name, count, pieces) in [("question_12", 1, 12), ("texts_40", 32, 40), ("texts_200", 8, 200)] {
        let texts = texts(&counter, count, pieces);
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let purpose = if count == 1 { Purpose::Query } else { Purpose::Passage };
        let mut group = c.benchmark_group(name);
        group.throughput(Throughput::Elements(count as u64)).sample_size(20).measurement_time(Duration::from_secs(3));
        for (encoder, model) in &models {
            group.bench_function(BenchmarkId::from_parameter(encoder), |bencher| {
                pool.install(|| bencher.iter(|| black_box(model.embed(black_box(&texts), purpose).is_ok())));
            });
        }
    }
}

criterion_group!(benches, embed);
criterion_main!(benches);
