//! The tokenizer of MiniLM: ours against that of the `tokenizers` crate, on one thread, on the same texts of the
//! project's own documents, cut to 12, 40, 200 and 4,000 word pieces; and loading both.

use std::hint::black_box;
use std::path::{Path, PathBuf};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use mnemon_core::TokenCounter;
use mnemon_embed::{ModelSource, WordPieces};
use tokenizers::Tokenizer;

/// Different texts of each length, so that no branch learns one of them.
const TEXTS: usize = 64;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn model() -> PathBuf {
    root().join("models/all-MiniLM-L6-v2")
}

fn ours() -> WordPieces {
    WordPieces::load(&ModelSource::Folder(model())).unwrap_or_else(|e| unreachable!("{e}"))
}

fn theirs() -> Tokenizer {
    let mut tokenizer = Tokenizer::from_file(model().join("tokenizer.json")).unwrap_or_else(|e| unreachable!("{e}"));
    tokenizer.with_padding(None);
    tokenizer.with_truncation(None).unwrap_or_else(|e| unreachable!("{e}"));
    tokenizer
}

/// Texts of about as many pieces, of whole words.
fn texts(pieces: usize, counter: &WordPieces) -> Vec<String> {
    let prose: String = ["README.md", "docs/ARCHITECTURE.md", "docs/DESIGN.md", "docs/RECALL.md"]
        .iter()
        .map(|file| std::fs::read_to_string(root().join(file)).unwrap_or_else(|e| unreachable!("{file}: {e}")))
        .collect();
    let mut words = prose.split_whitespace().cycle();
    let mut text = || {
        let (mut text, mut count) = (String::new(), 0);
        while count < pieces {
            let word = words.next().unwrap_or_default();
            count += counter.count(word);
            text.push_str(word);
            text.push(' ');
        }
        text
    };
    (0..TEXTS).map(|_| text()).collect()
}

fn encode(c: &mut Criterion) {
    let (ours, theirs) = (ours(), theirs());
    for pieces in [12, 40, 200, 4_000] {
        let mut texts = texts(pieces, &ours);
        if pieces == 40 {
            // The same length in letters that are not ASCII.
            texts.extend(texts.clone().iter().map(|text| text.replace('e', "é")));
        }
        let mut group = c.benchmark_group(format!("tokenize_{pieces}"));
        group.throughput(Throughput::Elements(pieces as u64));
        for (name, texts) in [("", &texts[..TEXTS]), ("_accents", &texts[TEXTS..])] {
            if texts.is_empty() {
                continue;
            }
            let mut at = 0;
            let mut next = || {
                at = (at + 1) % TEXTS;
                texts[at].as_str()
            };
            group.bench_function(BenchmarkId::from_parameter(format!("ours{name}")), |b| {
                b.iter(|| black_box(ours.ids(next()).map_or(0, |ids| ids.len())));
            });
            group.bench_function(BenchmarkId::from_parameter(format!("ours_count{name}")), |b| {
                b.iter(|| black_box(ours.count(next())));
            });
            group.bench_function(BenchmarkId::from_parameter(format!("tokenizers{name}")), |b| {
                b.iter(|| black_box(theirs.encode_fast(next(), false).map_or(0, |encoding| encoding.len())));
            });
        }
        group.finish();
    }
}

fn load(c: &mut Criterion) {
    let mut group = c.benchmark_group("tokenizer_load");
    group.sample_size(20);
    group.bench_function("ours", |b| b.iter(|| black_box(ours())));
    group.bench_function("tokenizers", |b| b.iter(|| black_box(theirs())));
    group.finish();
}

criterion_group!(benches, encode, load);
criterion_main!(benches);
