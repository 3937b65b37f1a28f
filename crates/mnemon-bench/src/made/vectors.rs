//! Vectors that are as hard to search as sentence embeddings.
//!
//! Vectors drawn at random in 384 dimensions are all about equally far from each other: nothing like text, and no graph
//! finds its way among them. Sentence embeddings lie near a surface of some 20 to 30 dimensions, in topics of very
//! different sizes and widths. So topics are drawn from a power law, each vector is placed around its topic in 25
//! dimensions, that is turned into the full space, and a little noise goes in all directions.

use rand_xoshiro::SplitMix64;
use rand_xoshiro::rand_core::{RngCore, SeedableRng};
use rayon::prelude::*;

const INTRINSIC: usize = 25;
const TOPICS: usize = 400;
/// Length of the noise in all directions, relative to about 1 for what the topic and its surface give.
const NOISE: f32 = 0.35;

/// `count` unit vectors of `dimension` values, row after row.
///
/// Runs on the pool of rayon in which it is called; what comes out does not depend on its threads. Takes
/// `4 * count * dimension` bytes and about 10 µs a vector.
#[must_use]
pub fn vectors(count: usize, dimension: usize, seed: u64) -> Vec<f32> {
    let mut random = Random::new(seed);
    let surface: Vec<[f32; INTRINSIC]> =
        (0..dimension).map(|_| random.normals((dimension as f32).powf(-0.5))).collect();
    let topics: Vec<([f32; INTRINSIC], f32)> = (0..TOPICS)
        .map(|_| {
            let middle = random.normals((INTRINSIC as f32).powf(-0.5));
            (middle, (0.5 + 0.5 * random.uniform()) * (INTRINSIC as f32).powf(-0.5))
        })
        .collect();
    let noise = NOISE * (dimension as f32).powf(-0.5);
    let mut values = vec![0.0f32; count * dimension];
    values.par_chunks_exact_mut(dimension.max(1)).enumerate().for_each(|(number, vector)| {
        let mut random = Random::new(seed ^ (number as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
        // Topic t is about as likely as 1 / t.
        let topic = (TOPICS as f32).powf(random.uniform()) as usize;
        let Some((middle, spread)) = topics.get(topic.clamp(1, TOPICS) - 1) else { return };
        let mut place = *middle;
        place.iter_mut().for_each(|value| *value += spread * random.normal());
        for (value, row) in vector.iter_mut().zip(&surface) {
            *value = row.iter().zip(&place).map(|(a, b)| a * b).sum::<f32>() + noise * random.normal();
        }
        let length = vector.iter().map(|value| value * value).sum::<f32>().sqrt();
        vector.iter_mut().for_each(|value| *value /= length.max(f32::MIN_POSITIVE));
    });
    values
}

struct Random(SplitMix64);

impl Random {
    fn new(seed: u64) -> Self {
        Self(SplitMix64::seed_from_u64(seed))
    }

    /// From 0 (not included) to 1.
    fn uniform(&mut self) -> f32 {
        ((self.0.next_u64() >> 40) + 1) as f32 / (1u64 << 24) as f32
    }

    /// Mean 0, variance 1.
    fn normal(&mut self) -> f32 {
        (-2.0 * self.uniform().ln()).sqrt() * (std::f32::consts::TAU * self.uniform()).cos()
    }

    fn normals(&mut self, scale: f32) -> [f32; INTRINSIC] {
        std::array::from_fn(|_| self.normal() * scale)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_have_length_one_and_lie_in_topics() {
        let (count, dimension) = (2_000, 64);
        let made = vectors(count, dimension, 7);
        assert_eq!(made.len(), count * dimension);
        let rows: Vec<&[f32]> = made.chunks_exact(dimension).collect();
        let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
        assert!(rows.iter().all(|row| (dot(row, row) - 1.0).abs() < 1e-4));
        // Most have a near neighbour, and none is near everything.
        let nearest =
            |row: &[f32]| rows.iter().map(|other| dot(row, other)).filter(|it| *it < 0.9999).fold(-1.0, f32::max);
        let near = rows.iter().take(200).filter(|row| nearest(row) > 0.6).count();
        assert!(near > 150, "{near}");
        let mean = rows.iter().skip(1).map(|row| dot(rows[0], row)).sum::<f32>() / (count - 1) as f32;
        assert!(mean.abs() < 0.5, "{mean}");
    }

    #[test]
    fn a_seed_makes_the_same_vectors_whatever_their_number() {
        let (few, many) = (vectors(10, 16, 3), vectors(50, 16, 3));
        assert_eq!(few[..], many[..160]);
        assert_ne!(few, vectors(10, 16, 4));
        assert_eq!(vectors(0, 16, 3), [0.0; 0]);
    }
}
