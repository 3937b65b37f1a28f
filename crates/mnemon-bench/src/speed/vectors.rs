//! `bench vectors`: building an index, and searching it exactly and through its graph.

use std::path::{Path, PathBuf};
use std::time::Instant;

use mnemon::{Embedder, Purpose};
use mnemon_index::{GraphParams, Method, Search, VectorIndex, oversample, rerank};
use rayon::prelude::*;
use serde::Serialize;

use super::{Machine, check};
use crate::bench::{file_name, read};
use crate::{Bench, BenchError, Latency, Progress, Step};

/// The neighbours that are asked for.
const K: usize = 10;
/// Searched for; none of them is in the index.
const QUERIES: usize = 200;
/// How often every query is searched for. The first round is not counted.
const ROUNDS: usize = 3;
/// A graph over fewer says nothing.
const MIN_GRAPH: usize = 1_000;
const MAX_VECTORS: usize = 5_000_000;
/// Texts that are embedded in one call.
const BATCH: usize = 256;

/// What is indexed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VectorOptions {
    /// How many vectors, from 1 to 5,000,000. They are held as f32 beside the index, to know what is nearest.
    pub vectors: usize,
    /// What they are made from.
    pub seed: u64,
    /// A file of texts, one a line, whose vectors are taken instead of made ones: as many as are wanted, and 200 more to
    /// search with.
    pub texts: Option<PathBuf>,
}

impl VectorOptions {
    /// As many as long use collects, and few enough for some seconds.
    pub const VECTORS: usize = 20_000;
}

/// How fast vectors are searched.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct VectorsReport {
    /// `vectors`.
    pub bench: &'static str,
    /// What it ran on.
    pub machine: Machine,
    /// How many vectors are in the index.
    pub vectors: usize,
    /// Of how many values each.
    pub dimension: usize,
    /// What they are: `made`, or the name of the file of texts.
    pub data: String,
    /// How long putting one vector into the index took, in microseconds, without the graph.
    pub insert_us: f64,
    /// Bytes of memory that the index takes for each vector, without the graph.
    pub bytes_a_vector: f64,
    /// How long a scan of the f32 vectors takes that the index is compared with, in milliseconds, one thread.
    pub f32_scan_ms: Latency,
    /// Searching every code, then comparing the best with their f32 vectors.
    pub exact: WayTimes,
    /// Searching through the graph, then the same. `None` where vectors are too few for one.
    pub graph: Option<WayTimes>,
    /// How long building the graph took, in seconds, on all threads.
    pub graph_seconds: Option<f64>,
    /// Bytes of memory for each vector with the graph.
    pub graph_bytes_a_vector: Option<f64>,
    /// From how many vectors on the engine builds a graph.
    pub graph_from: usize,
}

/// One way of searching.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[non_exhaustive]
pub struct WayTimes {
    /// How long a search took, one thread, in milliseconds.
    pub search_ms: Latency,
    /// The share of the ten vectors that are nearest in f32 that is found, in percent.
    pub recall: f64,
}

/// Measures the index of vectors.
///
/// # Errors
/// For a number of vectors that is not allowed, for a file that cannot be read or has too few lines, and when the model
/// fails.
pub fn vectors(
    bench: &Bench,
    options: &VectorOptions,
    progress: &mut dyn FnMut(Progress),
) -> Result<VectorsReport, BenchError> {
    let count = options.vectors;
    check("vectors", count, 1, MAX_VECTORS)?;
    let dimension = Embedder::dimension(bench.model());
    let values = match &options.texts {
        Some(path) => embedded(bench, path, count + QUERIES, progress)?,
        None => crate::made::vectors(count + QUERIES, dimension, options.seed),
    };
    let rows: Vec<&[f32]> = values.chunks_exact(dimension).collect();
    let (base, queries) = rows.split_at_checked(count).unwrap_or_default();

    let start = Instant::now();
    let mut index = VectorIndex::new(dimension)?;
    for (number, row) in base.iter().enumerate() {
        index.insert(number as i64, 0, row)?;
        if number % 4096 == 0 {
            progress(Progress::new(Step::Index, number, count));
        }
    }
    let insert_us = start.elapsed().as_secs_f64() * 1e6 / count as f64;
    let bytes = |index: &VectorIndex| index.stats().memory_bytes as f64 / count as f64;
    let bytes_a_vector = bytes(&index);

    let nearest: Vec<Vec<i64>> = queries.par_iter().map(|query| scan(base, query)).collect();
    let mut scans = Vec::new();
    for query in queries.iter().take(if count > 100_000 { 10 } else { 50 }) {
        let start = Instant::now();
        std::hint::black_box(scan(base, query));
        scans.push(start.elapsed());
    }
    let exact = search(&index, base, queries, &nearest, Method::Exact, progress)?;
    let (mut graph, mut graph_seconds, mut graph_bytes_a_vector) = (None, None, None);
    if count >= MIN_GRAPH {
        progress(Progress::new(Step::Graph, 0, count));
        let start = Instant::now();
        let built = index.graph_job(GraphParams::default())?.build();
        index.install(built)?;
        graph_seconds = Some(start.elapsed().as_secs_f64());
        graph_bytes_a_vector = Some(bytes(&index));
        graph = Some(search(&index, base, queries, &nearest, Method::Graph, progress)?);
    }
    Ok(VectorsReport {
        bench: "vectors",
        machine: bench.machine(),
        vectors: count,
        dimension,
        data: options.texts.as_deref().map_or_else(|| "made".to_owned(), file_name),
        insert_us,
        bytes_a_vector,
        f32_scan_ms: Latency::of(scans),
        exact,
        graph,
        graph_seconds,
        graph_bytes_a_vector,
        graph_from: VectorIndex::GRAPH_FROM,
    })
}

fn search(
    index: &VectorIndex,
    base: &[&[f32]],
    queries: &[&[f32]],
    nearest: &[Vec<i64>],
    method: Method,
    progress: &mut dyn FnMut(Progress),
) -> Result<WayTimes, BenchError> {
    let (mut times, mut found) = (Vec::new(), 0);
    for round in 0..=ROUNDS {
        for (number, (query, nearest)) in queries.iter().zip(nearest).enumerate() {
            let start = Instant::now();
            let candidates = index.search(&Search { method, ..Search::new(query, oversample(K)) })?;
            let rows = candidates.iter().filter_map(|it| Some((it.id, *base.get(usize::try_from(it.id).ok()?)?)));
            let best = rerank(query, K, rows)?;
            if round > 0 {
                times.push(start.elapsed());
            } else {
                found += best.iter().filter(|it| nearest.contains(&it.id)).count();
            }
            progress(Progress::new(Step::Ask, round * queries.len() + number + 1, (ROUNDS + 1) * queries.len()));
        }
    }
    let wanted: usize = nearest.iter().map(Vec::len).sum();
    Ok(WayTimes { search_ms: Latency::of(times), recall: 100.0 * found as f64 / wanted.max(1) as f64 })
}

/// The nearest rows, by a plain loop over all values that the compiler turns into vector instructions.
fn scan(base: &[&[f32]], query: &[f32]) -> Vec<i64> {
    let mut best: Vec<(f32, i64)> = Vec::with_capacity(K + 1);
    for (row, id) in base.iter().zip(0i64..) {
        let score = dot(row, query);
        if best.len() < K || best.last().is_some_and(|worst| score > worst.0) {
            let place = best.partition_point(|better| better.0 >= score);
            best.insert(place, (score, id));
            best.truncate(K);
        }
    }
    best.into_iter().map(|(_, id)| id).collect()
}

/// Sums in 16 lanes.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0f32; 16];
    let (a, b) = (a.chunks_exact(16), b.chunks_exact(16));
    let rest: f32 = a.remainder().iter().zip(b.remainder()).map(|(a, b)| a * b).sum();
    for (a, b) in a.zip(b) {
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            *sum += a * b;
        }
    }
    sums.iter().sum::<f32>() + rest
}

/// The vectors of the first lines of a file that say something.
fn embedded(
    bench: &Bench,
    path: &Path,
    wanted: usize,
    progress: &mut dyn FnMut(Progress),
) -> Result<Vec<f32>, BenchError> {
    let bytes = read(path)?;
    let content = String::from_utf8_lossy(&bytes);
    let texts: Vec<&str> = content.lines().map(str::trim).filter(|line| !line.is_empty()).take(wanted).collect();
    if texts.len() < wanted {
        return Err(BenchError::TooFewTexts { name: file_name(path), wanted, got: texts.len() });
    }
    let mut values = Vec::with_capacity(wanted * Embedder::dimension(bench.model()));
    for (at, batch) in texts.chunks(BATCH).enumerate() {
        for row in bench.model().embed(batch, Purpose::Passage)?.rows() {
            let length = row.iter().map(|value| value * value).sum::<f32>().sqrt().max(f32::MIN_POSITIVE);
            values.extend(row.iter().map(|value| value / length));
        }
        progress(Progress::new(Step::Embed, at * BATCH + batch.len(), wanted));
    }
    Ok(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scan_finds_the_nearest() {
        let values = crate::made::vectors(300, 40, 11);
        let rows: Vec<&[f32]> = values.chunks_exact(40).collect();
        let (base, queries) = rows.split_at(280);
        for query in queries {
            let mut all: Vec<(f64, i64)> = base
                .iter()
                .zip(0..)
                .map(|(row, id)| (row.iter().zip(*query).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum(), id))
                .collect();
            all.sort_by(|a, b| b.0.total_cmp(&a.0));
            let found = scan(base, query);
            assert_eq!(found.len(), K);
            let expected: Vec<i64> = all.iter().take(K).map(|(_, id)| *id).collect();
            assert_eq!(found, expected);
        }
        assert_eq!(scan(&base[..3], queries[0]).len(), 3);
    }
}
