//! What a selection costs: unit vectors of 384 dimensions in loose topics, as sentence embeddings are.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use mnemon_select::{drop_redundant, k_means_diverse, mmr};
use ndarray::Array2;

const DIMENSION: usize = 384;

fn vectors(rows: usize) -> Array2<f32> {
    let mut state = 0x9E37_79B9_7F4A_7C15u64;
    let mut noise = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1u64 << 24) as f32 - 0.5
    };
    let topics = Array2::from_shape_simple_fn((20, DIMENSION), &mut noise);
    let mut matrix = Array2::from_shape_fn((rows, DIMENSION), |(i, j)| topics[(i % 20, j)] + 1.5 * noise());
    for mut row in matrix.rows_mut() {
        let norm = row.dot(&row).sqrt();
        row /= norm;
    }
    matrix
}

fn select(c: &mut Criterion) {
    let mut group = c.benchmark_group("select");
    group.sample_size(10);
    for (n, k) in [(100, 10), (200, 100), (1000, 100), (1000, 500)] {
        let rows = vectors(n);
        group.bench_function(BenchmarkId::new("k_means_diverse", format!("{n}x{k}")), |b| {
            b.iter(|| k_means_diverse(black_box(rows.view()), k, 42));
        });
    }
    for (n, k) in [(50, 10), (200, 50), (1000, 100)] {
        let rows = vectors(n);
        let relevance: Vec<f32> = rows.rows().into_iter().map(|row| row.dot(&rows.row(0))).collect();
        let order: Vec<usize> = (0..n).collect();
        group.bench_function(BenchmarkId::new("mmr", format!("{n}x{k}")), |b| {
            b.iter(|| mmr(black_box(rows.view()), &relevance, 0.7, k));
        });
        group.bench_function(BenchmarkId::new("drop_redundant", n), |b| {
            b.iter(|| drop_redundant(black_box(rows.view()), &order, 0.95));
        });
    }
    group.finish();
}

criterion_group!(benches, select);
criterion_main!(benches);
