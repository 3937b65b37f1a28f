//! Vector search: the exact int8 scan against scans in f32 and against the int8 product of simsimd, and the graph
//! against the exact scan. Every pair that is compared runs in one go, on one thread, on the same vectors.

#[path = "../../crates/mnemon-index/tests/realistic/mod.rs"]
mod realistic;

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use mnemon_index::{GraphParams, Method, Search, VectorIndex, oversample, rerank};
use realistic::realistic;
use simsimd::SpatialSimilarity;

const DIMENSION: usize = 384;
const K: usize = 10;
const QUERIES: usize = 64;

fn index_of(base: &[Vec<f32>]) -> VectorIndex {
    let mut index = VectorIndex::new(DIMENSION).unwrap_or_else(|e| unreachable!("{e}"));
    for (id, vector) in (0..).zip(base) {
        index.insert(id, (id % 10) as u32, vector).unwrap_or_else(|e| unreachable!("{e}"));
    }
    index
}

/// The best `K` of scores that come one by one, kept in a short sorted list: nearly every score is refused by its end.
fn best(scores: impl Iterator<Item = f32>) -> Vec<(f32, usize)> {
    let mut best: Vec<(f32, usize)> = Vec::with_capacity(K + 1);
    for (at, score) in scores.enumerate() {
        if best.len() < K || best.last().is_some_and(|worst| score > worst.0) {
            let place = best.partition_point(|b| b.0 >= score);
            best.insert(place, (score, at));
            best.truncate(K);
        }
    }
    best
}

fn scans(c: &mut Criterion) {
    for count in [1_000, 10_000] {
        let vectors = realistic(7, count + QUERIES, DIMENSION);
        let (base, queries) = vectors.split_at(count);
        let index = index_of(base);
        let rows: Vec<f32> = base.concat();
        let quantise = |v: &[f32]| {
            let largest = v.iter().fold(0f32, |m, x| m.max(x.abs()));
            v.iter().map(|x| (x * 127.0 / largest).round() as i8).collect::<Vec<i8>>()
        };
        let codes: Vec<i8> = base.iter().flat_map(|v| quantise(v)).collect();
        let mut group = c.benchmark_group(format!("scan_{count}"));
        let mut run = |name: &str, search: &dyn Fn(&[f32]) -> usize| {
            let mut at = 0;
            group.bench_function(BenchmarkId::from_parameter(name), |b| {
                b.iter(|| {
                    at = (at + 1) % QUERIES;
                    black_box(search(&queries[at]))
                });
            });
        };
        run("f32_simsimd", &|query| {
            best(rows.chunks_exact(DIMENSION).map(|row| f32::dot(row, query).unwrap_or(0.0) as f32)).len()
        });
        run("f32_plain", &|query| best(rows.chunks_exact(DIMENSION).map(|row| plain_dot(row, query))).len());
        // The scale of each row is left out: this measures the kernel.
        run("int8_simsimd", &|query| {
            let query = quantise(query);
            best(codes.chunks_exact(DIMENSION).map(|row| i8::dot(row, &query).unwrap_or(0.0) as f32)).len()
        });
        run("int8", &|query| exact(&index, query, None).len());
        run("int8_and_rerank", &|query| {
            let found = exact(&index, query, None);
            rerank(query, K, found.iter().map(|c| (c.id, &base[c.id as usize]))).map_or(0, |r| r.len())
        });
        run("int8_one_partition_of_10", &|query| exact(&index, query, Some(&[3])).len());
        run("int8_nine_partitions_of_10", &|query| exact(&index, query, Some(&[0, 1, 2, 3, 4, 5, 6, 7, 8])).len());
        group.finish();
    }
}

fn graphs(c: &mut Criterion) {
    for count in [20_000, 60_000] {
        let vectors = realistic(7, count + QUERIES, DIMENSION);
        let (base, queries) = vectors.split_at(count);
        let mut index = index_of(base);
        let installed = index.graph_job(GraphParams::default()).map(|job| index.install(job.build()));
        assert!(matches!(installed, Ok(Ok(()))));
        let mut group = c.benchmark_group(format!("graph_{count}"));
        group.sample_size(30);
        for (name, method) in [("int8_scan", Method::Exact), ("hnsw", Method::Graph), ("auto", Method::Auto)] {
            let mut at = 0;
            group.bench_function(BenchmarkId::from_parameter(name), |b| {
                b.iter(|| {
                    at = (at + 1) % QUERIES;
                    let search = Search { method, ..Search::new(&queries[at], oversample(K)) };
                    black_box(index.search(&search).map_or(0, |found| found.len()))
                });
            });
        }
        group.finish();
    }
}

fn exact(index: &VectorIndex, query: &[f32], partitions: Option<&[u32]>) -> Vec<mnemon_index::Candidate> {
    let search = Search { method: Method::Exact, partitions, ..Search::new(query, oversample(K)) };
    index.search(&search).unwrap_or_default()
}

/// A loop that the compiler turns into vector instructions: sums in 16 lanes.
fn plain_dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0f32; 16];
    for (a, b) in a.chunks_exact(16).zip(b.chunks_exact(16)) {
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            *sum += a * b;
        }
    }
    sums.iter().sum()
}

criterion_group!(benches, scans, graphs);
criterion_main!(benches);
