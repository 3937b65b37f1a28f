//! Representatives of clusters.

use ndarray::{Array2, ArrayView1, ArrayView2, Axis};
use rand_xoshiro::Xoshiro256Plus;
use rand_xoshiro::rand_core::{RngCore, SeedableRng};
use rayon::prelude::*;

use crate::SelectError;
use crate::error::check_finite;

/// Where Lloyd's iteration stops at the latest. Sentence vectors settle within 10 to 30 rounds; the rest is a bound on
/// the cost for input that does not.
const MAX_ITERATIONS: usize = 60;
/// A thread is handed at least so many rows to compare with one centroid, and with many: less would not be worth waking it.
const LEAST_WITH_ONE: usize = 256;
const LEAST_WITH_MANY: usize = 8;

/// Chooses `k` rows that together cover the set: k-means with `k` clusters, and of each cluster the row nearest to its
/// centroid (Euclidean distance). Rows of unit length are so compared by cosine.
///
/// Returns `min(k, n)` distinct row numbers in ascending order, so that what was a conversation still reads as one.
/// Equal `seed`, equal result. Where there are fewer different rows than clusters, every different row is chosen (the
/// first of its duplicates), and the selection is filled up farthest first: the row whose nearest chosen row is
/// farthest away, the earlier one among equals.
///
/// Cost O(n·k·d) for n rows of d columns for the choice of the first centroids with k-means++, which gives the first
/// clusters too, and then for each of i ≤ 60 iterations of Lloyd's algorithm O(n·m·d), m being the centroids that
/// moved: with few rows a cluster most of them stand still after some iterations. Two copies of the matrix. No clustering
/// is needed for `k = 0` and `k >= n`.
///
/// Source: Lloyd, IEEE Transactions on Information Theory 1982; k-means++ of Arthur and Vassilvitskii, SODA 2007.
///
/// # Errors
/// When a value is not finite.
///
/// ```
/// use ndarray::array;
/// let rows = array![[0.0, 0.1], [5.0, 5.0], [0.1, 0.0], [5.1, 5.0], [0.0, 0.0]];
/// assert_eq!(mnemon_select::k_means_diverse(rows.view(), 2, 7)?.len(), 2);
/// assert_eq!(mnemon_select::k_means_diverse(rows.view(), 9, 7)?, [0, 1, 2, 3, 4]);
/// # Ok::<(), mnemon_select::SelectError>(())
/// ```
pub fn k_means_diverse(rows: ArrayView2<'_, f32>, k: usize, seed: u64) -> Result<Vec<usize>, SelectError> {
    check_finite(rows)?;
    let n = rows.nrows();
    if k == 0 {
        return Ok(Vec::new());
    }
    // Rows without columns are all the same.
    if k >= n || rows.ncols() == 0 {
        return Ok((0..k.min(n)).collect());
    }
    let rows = centred(rows);
    let (seeds, nearest) = k_means_plus_plus(&rows, k, Xoshiro256Plus::seed_from_u64(seed));
    let mut chosen = representatives(&rows, &seeds, nearest);
    fill_farthest_first(&rows, &mut chosen, k);
    chosen.sort_unstable();
    Ok(chosen)
}

/// The rows moved so that their mean is the origin, and scaled to values in -2..=2: distances keep their order, and no
/// square overflows or vanishes.
fn centred(rows: ArrayView2<'_, f32>) -> Array2<f32> {
    let largest = rows.iter().fold(0.0f32, |largest, value| largest.max(value.abs()));
    let divisor = if largest > 0.0 { f64::from(largest) } else { 1.0 };
    // Row after row whatever the layout of the view, because the order of a sum decides its last bits.
    let scaled = Array2::from_shape_fn(rows.dim(), |at| f64::from(rows[at]) / divisor);
    match scaled.mean_axis(Axis(0)) {
        Some(mean) => (scaled - mean).mapv(|value| value as f32),
        None => Array2::zeros(rows.dim()),
    }
}

/// The cluster of a row.
#[derive(Debug, Clone, Copy)]
struct Nearest {
    cluster: usize,
    /// The square of the distance to its centroid.
    distance: f64,
}

impl Nearest {
    fn lower(&mut self, cluster: usize, distance: f64) {
        if distance < self.distance {
            *self = Self { cluster, distance };
        }
    }
}

/// The first centroids: different rows, each drawn with a probability that grows with the square of its distance to
/// those drawn before. Fewer than `k` when there are fewer different rows. With them which is the nearest to each row.
fn k_means_plus_plus(rows: &Array2<f32>, k: usize, mut random: Xoshiro256Plus) -> (Vec<usize>, Vec<Nearest>) {
    let n = rows.nrows();
    let mut seeds = Vec::with_capacity(k);
    let mut nearest = vec![Nearest { cluster: 0, distance: f64::INFINITY }; n];
    let mut next = (random.next_u64() % n.max(1) as u64) as usize;
    loop {
        let seed = rows.row(next);
        let cluster = seeds.len();
        nearest.par_iter_mut().enumerate().with_min_len(LEAST_WITH_ONE).for_each(|(row, nearest)| {
            nearest.lower(cluster, squared_distance(rows.row(row), seed));
        });
        seeds.push(next);
        let total: f64 = nearest.iter().map(|nearest| nearest.distance).sum();
        if seeds.len() == k || total <= 0.0 {
            return (seeds, nearest);
        }
        // 53 bits: a number in 0..1. A row at distance 0 is never drawn, not even when rounding lets the sum pass the
        // last row.
        let mut target = (random.next_u64() >> 11) as f64 / (1u64 << 53) as f64 * total;
        for (row, nearest) in nearest.iter().enumerate().filter(|(_, nearest)| nearest.distance > 0.0) {
            next = row;
            target -= nearest.distance;
            if target < 0.0 {
                break;
            }
        }
    }
}

/// The row nearest to the mean of each cluster, the first among equals. A cluster that lost all its rows has none.
fn representatives(rows: &Array2<f32>, seeds: &[usize], mut nearest: Vec<Nearest>) -> Vec<usize> {
    let mut centroids = rows.select(Axis(0), seeds);
    let mut has_changed = vec![true; seeds.len()];
    for _ in 0..MAX_ITERATIONS {
        let moved = to_means(rows, &nearest, &has_changed, &mut centroids);
        if moved.is_empty() {
            break;
        }
        let next: Vec<Nearest> = nearest
            .par_iter()
            .enumerate()
            .with_min_len(LEAST_WITH_MANY)
            .map(|(row, before)| nearest_of(rows.row(row), *before, &centroids, &moved))
            .collect();
        has_changed.fill(false);
        for (before, after) in nearest.iter().zip(&next).filter(|(before, after)| before.cluster != after.cluster) {
            has_changed[before.cluster] = true;
            has_changed[after.cluster] = true;
        }
        nearest = next;
    }
    to_means(rows, &nearest, &has_changed, &mut centroids);
    let mut middles: Vec<Option<(usize, f64)>> = vec![None; seeds.len()];
    for (row, Nearest { cluster, .. }) in nearest.into_iter().enumerate() {
        let distance = squared_distance(rows.row(row), centroids.row(cluster));
        let best = &mut middles[cluster];
        if best.is_none_or(|(_, least)| distance < least) {
            *best = Some((row, distance));
        }
    }
    middles.into_iter().flatten().map(|(row, _)| row).collect()
}

/// Moves the centroids of clusters whose rows have changed to the means of their rows, and returns which of them are not
/// where they were. One without rows stays.
fn to_means(rows: &Array2<f32>, nearest: &[Nearest], has_changed: &[bool], centroids: &mut Array2<f32>) -> Vec<usize> {
    let mut means: Array2<f32> = Array2::zeros(centroids.dim());
    let mut sizes = vec![0.0f32; has_changed.len()];
    for (row, &Nearest { cluster, .. }) in rows.outer_iter().zip(nearest) {
        if has_changed[cluster] {
            let mut mean = means.row_mut(cluster);
            mean += &row;
            sizes[cluster] += 1.0;
        }
    }
    let mut moved = Vec::new();
    for (cluster, size) in sizes.into_iter().enumerate().filter(|(_, size)| *size > 0.0) {
        let mut mean = means.row_mut(cluster);
        mean /= size;
        if mean != centroids.row(cluster) {
            centroids.row_mut(cluster).assign(&mean);
            moved.push(cluster);
        }
    }
    moved
}

/// The centroid that is nearest to a row now that some have moved; it stays with the one that it had among equals.
///
/// As long as its own is no farther than it was, those that did not move need not be looked at: they were no nearer before.
fn nearest_of(row: ArrayView1<'_, f32>, before: Nearest, centroids: &Array2<f32>, moved: &[usize]) -> Nearest {
    let distance = |cluster: usize| squared_distance(row, centroids.row(cluster));
    let has_moved = moved.binary_search(&before.cluster).is_ok();
    let own = if has_moved { distance(before.cluster) } else { before.distance };
    let mut nearest = Nearest { cluster: before.cluster, distance: own };
    if own > before.distance {
        (0..centroids.nrows()).for_each(|cluster| nearest.lower(cluster, distance(cluster)));
    } else {
        moved.iter().for_each(|&cluster| nearest.lower(cluster, distance(cluster)));
    }
    nearest
}

/// Adds rows until there are `k`: always the one whose nearest chosen row is farthest away.
fn fill_farthest_first(rows: &Array2<f32>, chosen: &mut Vec<usize>, k: usize) {
    if chosen.len() >= k {
        return;
    }
    let mut distances = vec![f64::INFINITY; rows.nrows()];
    for &row in chosen.iter() {
        lower_distances(rows, row, &mut distances);
    }
    let mut free: Vec<bool> = vec![true; rows.nrows()];
    chosen.iter().for_each(|&row| free[row] = false);
    while chosen.len() < k {
        let candidates = distances.iter().enumerate().filter(|(row, _)| free[*row]);
        let farthest = candidates.reduce(|best, next| if next.1 > best.1 { next } else { best });
        let Some((row, _)) = farthest else { return };
        free[row] = false;
        chosen.push(row);
        lower_distances(rows, row, &mut distances);
    }
}

/// Lowers the squared distance of every row to the nearest of a set, now that `member` is part of it. O(n·d).
fn lower_distances(rows: &Array2<f32>, member: usize, distances: &mut [f64]) {
    let member = rows.row(member);
    for (row, least) in rows.outer_iter().zip(distances) {
        *least = least.min(squared_distance(row, member));
    }
}

/// Eight independent sums, so that the compiler can use vector instructions without changing the result. Values lie
/// in -2..=2, where `f32` sums are exact enough to compare and 0 exactly for equal rows.
fn squared_distance(a: ArrayView1<'_, f32>, b: ArrayView1<'_, f32>) -> f64 {
    match (a.as_slice(), b.as_slice()) {
        (Some(a), Some(b)) => f64::from(squared_distance_of(a, b)),
        _ => a.iter().zip(b).map(|(x, y)| f64::from((x - y) * (x - y))).sum(),
    }
}

fn squared_distance_of(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0f32; 8];
    let (a_chunks, b_chunks) = (a.chunks_exact(8), b.chunks_exact(8));
    let rest: f32 = a_chunks.remainder().iter().zip(b_chunks.remainder()).map(|(x, y)| (x - y) * (x - y)).sum();
    for (x, y) in a_chunks.zip(b_chunks) {
        for ((sum, x), y) in sums.iter_mut().zip(x).zip(y) {
            *sum += (x - y) * (x - y);
        }
    }
    sums.iter().sum::<f32>() + rest
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use ndarray::{Array2, array};
    use proptest::prelude::*;
    use rand_xoshiro::rand_core::RngCore;

    use super::*;

    /// `per` rows around each of `centers` corners of a cube in 16 dimensions, in turn.
    fn blobs(centers: usize, per: usize, seed: u64) -> Array2<f32> {
        let mut random = Xoshiro256Plus::seed_from_u64(seed);
        let mut noise = move || (random.next_u64() >> 40) as f32 / (1u64 << 24) as f32 - 0.5;
        Array2::from_shape_fn((centers * per, 16), |(i, j)| {
            let corner = if ((i % centers) * 0x9E37 + 0x55) >> (j % 16) & 1 == 1 { 10.0 } else { -10.0 };
            corner + noise()
        })
    }

    #[test]
    fn every_blob_is_represented_by_the_row_nearest_to_its_middle() {
        for seed in 0..20 {
            let rows = blobs(5, 30, seed);
            let chosen = k_means_diverse(rows.view(), 5, seed).unwrap();
            let expected: BTreeSet<usize> = (0..5)
                .map(|blob| {
                    let members: Vec<usize> = (blob..150).step_by(5).collect();
                    let middle = rows.select(Axis(0), &members).mean_axis(Axis(0)).unwrap();
                    let distance = |i: usize| (&rows.row(i) - &middle).mapv(|v| v * v).sum();
                    members.into_iter().min_by(|&a, &b| distance(a).total_cmp(&distance(b))).unwrap()
                })
                .collect();
            assert_eq!(chosen, expected.into_iter().collect::<Vec<_>>(), "seed {seed}");
        }
    }

    /// What is left out of a round changes nothing: Lloyd's algorithm that compares every row with every centroid.
    fn plain_lloyd(rows: &Array2<f32>, seeds: &[usize], nearest: Vec<Nearest>) -> Vec<usize> {
        let mut clusters: Vec<usize> = nearest.iter().map(|nearest| nearest.cluster).collect();
        let mut centroids = rows.select(Axis(0), seeds);
        let means = |clusters: &[usize], centroids: &mut Array2<f32>| {
            let nearest: Vec<Nearest> = clusters.iter().map(|&cluster| Nearest { cluster, distance: 0.0 }).collect();
            to_means(rows, &nearest, &vec![true; seeds.len()], centroids);
        };
        for _ in 0..MAX_ITERATIONS {
            means(&clusters, &mut centroids);
            for (row, cluster) in rows.outer_iter().zip(&mut clusters) {
                let own = squared_distance(row, centroids.row(*cluster));
                let mut nearest = Nearest { cluster: *cluster, distance: own };
                (0..seeds.len()).for_each(|c| nearest.lower(c, squared_distance(row, centroids.row(c))));
                *cluster = nearest.cluster;
            }
        }
        means(&clusters, &mut centroids);
        let middle = |cluster: usize| {
            let members = (0..rows.nrows()).filter(|&row| clusters[row] == cluster);
            let distance = |row: usize| squared_distance(rows.row(row), centroids.row(cluster));
            members.min_by(|&a, &b| distance(a).total_cmp(&distance(b)))
        };
        (0..seeds.len()).filter_map(middle).collect()
    }

    #[test]
    fn centroids_that_stand_still_are_left_out_without_a_difference() {
        let mut random = Xoshiro256Plus::seed_from_u64(11);
        let mut noise = move || (random.next_u64() >> 40) as f32 / (1u64 << 24) as f32 - 0.5;
        for (n, k) in [(40, 3), (90, 30), (120, 60), (200, 150)] {
            for seed in 0..6 {
                let rows = centred(Array2::from_shape_simple_fn((n, 12), &mut noise).view());
                let (seeds, nearest) = k_means_plus_plus(&rows, k, Xoshiro256Plus::seed_from_u64(seed));
                let expected = plain_lloyd(&rows, &seeds, nearest.clone());
                assert_eq!(representatives(&rows, &seeds, nearest), expected, "{n} rows, {k} clusters, seed {seed}");
            }
        }
    }

    #[test]
    fn small_sets_have_defined_results() {
        let rows = array![[0.0, 1.0], [2.0, 3.0], [0.0, 1.0]];
        let choose = |rows: &Array2<f32>, k| k_means_diverse(rows.view(), k, 1).unwrap();
        assert_eq!(choose(&rows, 0), [0; 0]);
        assert_eq!(choose(&rows, 2), [0, 1], "the first of duplicates");
        assert_eq!(choose(&rows, 3), [0, 1, 2]);
        assert_eq!(choose(&rows, usize::MAX), [0, 1, 2]);
        assert_eq!(choose(&Array2::zeros((0, 3)), 4), [0; 0]);
        assert_eq!(choose(&Array2::zeros((4, 0)), 2), [0, 1]);
        assert_eq!(choose(&Array2::zeros((4, 2)), 3), [0, 1, 2]);
        let error = k_means_diverse(array![[1.0, f32::NAN]].view(), 5, 1).unwrap_err().to_string();
        assert_eq!(error, "expected finite values, got NaN in row 0, column 1");
    }

    #[test]
    fn values_of_any_size_are_clustered_alike() {
        let rows = blobs(4, 10, 3);
        let expected = k_means_diverse(rows.view(), 4, 3).unwrap();
        for factor in [2f32.powi(120), 2f32.powi(-100)] {
            assert_eq!(k_means_diverse((&rows * factor).view(), 4, 3).unwrap(), expected);
        }
        assert_eq!(k_means_diverse(array![[f32::MAX], [f32::MIN], [f32::MAX]].view(), 2, 3).unwrap(), [0, 1]);
    }

    /// Few values of few kinds: many duplicates.
    fn matrix() -> impl Strategy<Value = Array2<f32>> {
        (0usize..20, 0usize..4, 1i8..5).prop_flat_map(|(n, d, kinds)| {
            prop::collection::vec(0..kinds, n * d)
                .prop_map(move |v| Array2::from_shape_fn((n, d), |(i, j)| f32::from(v[i * d + j])))
        })
    }

    proptest! {
        #[test]
        fn a_selection_is_distinct_ascending_full_and_repeatable(rows in matrix(), k in 0usize..24, seed in any::<u64>()) {
            let chosen = k_means_diverse(rows.view(), k, seed).unwrap();
            prop_assert_eq!(chosen.len(), k.min(rows.nrows()));
            prop_assert!(chosen.is_sorted_by(|a, b| a < b) && chosen.iter().all(|&i| i < rows.nrows()));
            prop_assert_eq!(&chosen, &k_means_diverse(rows.view(), k, seed).unwrap());
            let transposed = rows.t().as_standard_layout().into_owned().reversed_axes();
            prop_assert_eq!(&chosen, &k_means_diverse(transposed.view(), k, seed).unwrap(), "the layout matters");
        }

        /// No row is taken twice while another is not taken at all.
        #[test]
        fn as_many_different_rows_are_chosen_as_there_are(rows in matrix(), k in 0usize..24, seed in any::<u64>()) {
            let different = |indices: &mut dyn Iterator<Item = usize>| {
                indices.map(|i| rows.row(i).iter().map(|v| v.to_bits()).collect::<Vec<_>>()).collect::<BTreeSet<_>>().len()
            };
            let chosen = k_means_diverse(rows.view(), k, seed).unwrap();
            let available = different(&mut (0..rows.nrows()));
            prop_assert_eq!(different(&mut chosen.into_iter()), available.min(k));
        }
    }
}
