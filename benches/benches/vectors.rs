//! Vector search: the exact int8 scan against scans in f32, and the graph against the scan and against hnsw_rs searched
//! directly, at a recall@10 of at least 0.99; and opening a saved index against a reload of hnsw_rs. What is compared runs
//! in one go, on one thread, on the same vectors.
//!
//! `MNEMON_VECTORS` names a file of vectors to measure with: rows of 384 little-endian `f32`, such as MiniLM embeddings of
//! real sentences. Without it vectors are made up (`realistic`). `MNEMON_SIZES` says of which sizes graphs are built,
//! `10000,30000,100000` by default. Each size takes minutes, most of them for the graph of hnsw_rs.

#![expect(clippy::print_stderr, reason = "recall stands beside times")]

#[path = "../../crates/mnemon-index/tests/realistic/mod.rs"]
mod realistic;

use std::cell::{LazyCell, OnceCell};
use std::hint::black_box;
use std::sync::OnceLock;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, BenchmarkId, Criterion, criterion_group, criterion_main};
use hnsw_rs::api::AnnT;
use hnsw_rs::hnswio::HnswIo;
use hnsw_rs::prelude::{Distance, Hnsw};
use mnemon_index::{GraphParams, Method, Search, VectorIndex, kernel_name, oversample, rerank};
use rayon::prelude::*;
use realistic::realistic;
use simsimd::SpatialSimilarity;

const DIMENSION: usize = 384;
const K: usize = 10;
const QUERIES: usize = 200;
const RECALL: f64 = 0.99;

/// Stored vectors, queries, and which stored vectors are nearest to each query.
struct Data {
    rows: Vec<Vec<f32>>,
    queries: Vec<Vec<f32>>,
    truth: Vec<Vec<i64>>,
}

impl Data {
    fn new(count: usize) -> Self {
        let mut rows = vectors(count + QUERIES);
        let queries = rows.split_off(count);
        let nearest = |query: &Vec<f32>| {
            best(rows.iter().map(|row| plain_dot(row, query))).into_iter().map(|(_, row)| row as i64).collect()
        };
        let truth = queries.par_iter().map(nearest).collect();
        Self { rows, queries, truth }
    }

    fn index(&self) -> VectorIndex {
        let mut index = VectorIndex::new(DIMENSION).unwrap_or_else(|e| unreachable!("{e}"));
        for (id, vector) in (0..).zip(&self.rows) {
            index.insert(id, (id % 10) as u32, vector).unwrap_or_else(|e| unreachable!("{e}"));
        }
        index
    }

    /// The best `K`, by the full vectors of what a search found.
    fn search(&self, index: &VectorIndex, query: &[f32], method: Method, ef: Option<usize>) -> Vec<i64> {
        let search = Search { method, ef, ..Search::new(query, oversample(K)) };
        let found = index.search(&search).unwrap_or_default();
        let rows = found.iter().filter_map(|c| Some((c.id, self.rows.get(c.id as usize)?)));
        rerank(query, K, rows).unwrap_or_default().into_iter().map(|c| c.id).collect()
    }

    fn recall(&self, search: &(dyn Fn(&[f32]) -> Vec<i64> + Sync)) -> f64 {
        let hits = self.queries.par_iter().zip(&self.truth).map(|(query, truth)| {
            let found = search(query);
            truth.iter().filter(|id| found.contains(id)).count()
        });
        hits.sum::<usize>() as f64 / (QUERIES * K) as f64
    }

    /// The least ef with which a search finds enough.
    fn least_ef(&self, name: &str, search: &(dyn Fn(&[f32], usize) -> Vec<i64> + Sync)) -> usize {
        let steps = [16, 24, 32, 40, 48, 56, 64, 72, 80, 96, 112, 128, 160, 192, 256, 320, 384, 512, 768, 1024];
        let found = steps.into_iter().map(|ef| (ef, self.recall(&|query| search(query, ef))));
        let enough = found.inspect(|(ef, recall)| eprintln!("{name}: ef {ef}, recall@{K} {recall:.4}"));
        enough.into_iter().find(|(_, recall)| *recall >= RECALL).map_or(1024, |(ef, _)| ef)
    }

    /// Times one query after the other.
    fn bench(&self, group: &mut BenchmarkGroup<'_, WallTime>, name: impl ToString, search: &dyn Fn(&[f32]) -> usize) {
        let mut queries = self.queries.iter().cycle();
        group.bench_function(BenchmarkId::from_parameter(name.to_string()), |b| {
            b.iter(|| queries.next().map(|query| black_box(search(query))));
        });
    }
}

fn vectors(count: usize) -> Vec<Vec<f32>> {
    static READ: OnceLock<Option<Vec<Vec<f32>>>> = OnceLock::new();
    let read = READ.get_or_init(|| {
        let bytes = std::fs::read(std::env::var_os("MNEMON_VECTORS")?).ok()?;
        let values: Vec<f32> = bytes.as_chunks().0.iter().map(|value| f32::from_le_bytes(*value)).collect();
        Some(values.as_chunks::<DIMENSION>().0.iter().map(|row| row.to_vec()).collect())
    });
    match read {
        Some(rows) if rows.len() >= count => rows[..count].to_vec(),
        _ => realistic(7, count, DIMENSION),
    }
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
    eprintln!("kernel: {}", kernel_name());
    for count in [1_000, 10_000] {
        let data = Data::new(count);
        let index = data.index();
        let flat: Vec<f32> = data.rows.concat();
        let recall = data.recall(&|query| data.search(&index, query, Method::Exact, None));
        eprintln!("int8 scan of {count}, re-ranked: recall@{K} {recall:.4}");
        let mut group = c.benchmark_group(format!("scan_{count}"));
        data.bench(&mut group, "f32_simsimd", &|query| {
            best(flat.chunks_exact(DIMENSION).map(|row| f32::dot(row, query).unwrap_or(0.0) as f32)).len()
        });
        data.bench(&mut group, "f32_plain", &|query| {
            best(flat.chunks_exact(DIMENSION).map(|row| plain_dot(row, query))).len()
        });
        data.bench(&mut group, "int8", &|query| exact(&index, query, K, None));
        data.bench(&mut group, "int8_and_f32", &|query| data.search(&index, query, Method::Exact, None).len());
        data.bench(&mut group, "int8_best_150", &|query| exact(&index, query, 150, None));
        data.bench(&mut group, "int8_one_partition_of_10", &|query| exact(&index, query, K, Some(&[3])));
        let nine = [0, 1, 2, 3, 4, 5, 6, 7, 8];
        data.bench(&mut group, "int8_nine_partitions_of_10", &|query| exact(&index, query, K, Some(&nine)));
        let ids: Vec<i64> = (0..300).map(|i| i * 7_919 % count as i64).collect();
        data.bench(&mut group, "similarities_of_300", &|query| {
            index.similarities(query, ids.iter().copied()).map_or(0, |found| found.len())
        });
        group.bench_function("insert", |b| {
            let mut index = data.index();
            let mut rows = (count as i64..).zip(data.queries.iter().cycle());
            b.iter(|| rows.next().map(|(id, row)| index.insert(id, 0, row)));
        });
        group.finish();
    }
}

fn graphs(c: &mut Criterion) {
    for count in sizes() {
        let data = LazyCell::new(move || Data::new(count));
        // Built only when a bench of theirs is chosen.
        let index = LazyCell::new(|| {
            let mut index = data.index();
            let installed = index.graph_job(GraphParams::default()).map(|job| index.install(job.build()));
            assert!(matches!(installed, Ok(Ok(()))));
            eprintln!("{count}: {:?}", index.stats());
            index
        });
        let direct = LazyCell::new(|| direct(&data.rows));
        let mut group = c.benchmark_group(format!("graph_{count}"));
        group.sample_size(50);
        let mut run = |name: &str, prepare: &dyn Fn() -> usize, search: &dyn Fn(&[f32], usize) -> usize| {
            let ef = OnceCell::new();
            let mut at = 0;
            group.bench_function(BenchmarkId::from_parameter(name), |b| {
                let ef = *ef.get_or_init(prepare);
                b.iter(|| {
                    at = (at + 1) % QUERIES;
                    black_box(search(&data.queries[at], ef))
                });
            });
        };
        let ours = || {
            let (data, index) = (&*data, &*index);
            data.least_ef("graph", &|query, ef| data.search(index, query, Method::Graph, Some(ef)))
        };
        let theirs = || {
            let (data, direct) = (&*data, &*direct);
            let search = |query: &[f32], ef| direct.search(query, K, ef).iter().map(|n| n.d_id as i64).collect();
            data.least_ef("hnsw_rs", &search)
        };
        run("f32_simsimd", &|| 0, &|query, _| {
            best(data.rows.iter().map(|row| f32::dot(row, query).unwrap_or(0.0) as f32)).len()
        });
        run("int8_scan", &|| 0, &|query, _| data.search(&index, query, Method::Exact, None).len());
        run("graph", &ours, &|query, ef| data.search(&index, query, Method::Graph, Some(ef)).len());
        run("hnsw_rs", &theirs, &|query, ef| direct.search(query, K, ef).len());
        run("auto", &|| 0, &|query, _| data.search(&index, query, Method::Auto, None).len());
        run("auto_best_150", &|| 0, &|query, _| index.search(&Search::new(query, 150)).map_or(0, |found| found.len()));
        group.finish();
        open(c, count, &index, &direct);
    }
}

fn open(
    c: &mut Criterion,
    count: usize,
    index: &LazyCell<VectorIndex, impl FnOnce() -> VectorIndex>,
    direct: &LazyCell<Direct, impl FnOnce() -> Direct>,
) {
    let mut group = c.benchmark_group(format!("open_{count}"));
    group.sample_size(10);
    let saved: OnceCell<Vec<Vec<u8>>> = OnceCell::new();
    group.bench_function("from_parts", |b| {
        let saved = saved.get_or_init(|| index.to_parts().collect());
        b.iter(|| VectorIndex::from_parts(saved).map(|index| index.len()));
    });
    group.bench_function("to_parts", |b| b.iter(|| index.to_parts().map(|part| part.len()).sum::<usize>()));
    let folder: OnceCell<Option<tempfile::TempDir>> = OnceCell::new();
    group.bench_function("hnsw_rs", |b| {
        let folder = folder.get_or_init(|| {
            let folder = tempfile::tempdir().ok()?;
            direct.file_dump(folder.path(), "graph").ok().map(|_| folder)
        });
        b.iter(|| {
            let mut file = HnswIo::new(folder.as_ref()?.path(), "graph");
            let graph: Hnsw<'_, f32, Cosine> = file.load_hnsw().ok()?;
            Some(graph.get_nb_point())
        });
    });
    group.finish();
}

fn sizes() -> Vec<usize> {
    let named = std::env::var("MNEMON_SIZES").unwrap_or_else(|_| "10000,30000,100000".to_owned());
    named.split(',').filter_map(|size| size.trim().parse().ok()).collect()
}

fn exact(index: &VectorIndex, query: &[f32], k: usize, partitions: Option<&[u32]>) -> usize {
    let search = Search { method: Method::Exact, partitions, ..Search::new(query, k) };
    index.search(&search).map_or(0, |found| found.len())
}

/// hnsw_rs as somebody would use it who minds speed: with a distance that is compiled for the processor.
type Direct = Hnsw<'static, f32, Cosine>;

#[derive(Clone, Copy, Default)]
struct Cosine;

impl Distance<f32> for Cosine {
    fn eval(&self, a: &[f32], b: &[f32]) -> f32 {
        (1.0 - f32::dot(a, b).unwrap_or(0.0) as f32).max(0.0)
    }
}

fn direct(rows: &[Vec<f32>]) -> Direct {
    let graph = Hnsw::new(16, rows.len(), 16, 200, Cosine);
    let points: Vec<(&[f32], usize)> = rows.iter().map(Vec::as_slice).zip(0..).collect();
    graph.parallel_insert_slice(&points);
    graph
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
