//! A fixed rotation of token vectors, after which any of their coordinates tell about as much as any other: so a part
//! of them can be kept, and few bits of each, without looking at data.
//!
//! Random signs, a Hadamard transform of each block, a shuffle between the blocks, and the same again: a fast
//! Johnson-Lindenstrauss transform (Ailon and Chazelle, STOC 2006), whose signs come from a fixed seed.

/// How many coordinates are transformed together: the largest power of two that divides 384 and 768.
const BLOCK: usize = 128;

/// How many coordinates are kept at most.
const KEPT: usize = 256;

/// The seed of the signs: `mnemon` in ASCII. Codes that are stored depend on it.
const SEED: u64 = 0x6D6E_656D_6F6E;

/// The shuffle takes each coordinate from this many places after the last one: a prime, so that it meets them all,
/// and a little more than a block, so that neighbours come from different blocks.
const STRIDE: usize = 131;

/// The rotation for vectors of one dimension.
///
/// Vectors are padded with zeros to a multiple of 128 values; the first 256 of the rotated ones are kept, all 128 where
/// there are no more. Inner products stay about what they were. A vector of 384 values takes about 3 µs.
#[derive(Debug, Clone, PartialEq)]
pub struct Rotation {
    dimension: usize,
    stride: usize,
    /// A sign for each padded value, for the first and then for the second time.
    signs: Vec<f32>,
}

impl Rotation {
    /// The rotation for vectors of `dimension` values; 0 is taken as 1.
    #[must_use]
    pub fn new(dimension: usize) -> Self {
        let dimension = dimension.max(1);
        let padded = dimension.next_multiple_of(BLOCK);
        let is_coprime = |stride: &usize| !padded.is_multiple_of(*stride);
        let stride = [STRIDE, 137, 139, 149].into_iter().find(is_coprime).unwrap_or(1);
        let sign = |word: u64| if word >> 63 == 1 { 1.0 } else { -1.0 };
        Self { dimension, stride, signs: words(SEED).take(2 * padded).map(sign).collect() }
    }

    /// How many values a vector has before.
    #[must_use]
    pub fn dimension(&self) -> usize {
        self.dimension
    }

    /// How many values a vector has after: 128 or 256.
    #[must_use]
    pub fn kept(&self) -> usize {
        self.padded().min(KEPT)
    }

    /// Rotates a vector. One of another dimension is cut or padded with zeros.
    #[must_use]
    pub fn apply(&self, vector: &[f32]) -> Vec<f32> {
        let (first, second) = self.signs.split_at(self.padded());
        let mut values = vec![0.0; self.padded()];
        for ((value, from), sign) in values.iter_mut().zip(vector).zip(first) {
            *value = from * sign;
        }
        transform(&mut values);
        let mut shuffled: Vec<f32> = self.shuffled(&values).zip(second).map(|(value, sign)| value * sign).collect();
        transform(&mut shuffled);
        self.shuffled(&shuffled).take(self.kept()).collect()
    }

    fn padded(&self) -> usize {
        self.signs.len() / 2
    }

    fn shuffled<'a>(&self, values: &'a [f32]) -> impl Iterator<Item = f32> + use<'a> {
        values.iter().copied().cycle().step_by(self.stride).take(values.len())
    }
}

/// The orthonormal Hadamard transform of each block.
fn transform(values: &mut [f32]) {
    let scale = 1.0 / (BLOCK as f32).sqrt();
    for block in values.chunks_exact_mut(BLOCK) {
        let mut half = 1;
        while half < BLOCK {
            for pair in block.chunks_exact_mut(2 * half) {
                let (left, right) = pair.split_at_mut(half);
                for (a, b) in left.iter_mut().zip(right) {
                    (*a, *b) = (*a + *b, *a - *b);
                }
            }
            half *= 2;
        }
        block.iter_mut().for_each(|value| *value *= scale);
    }
}

/// The sequence of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014).
pub(super) fn words(seed: u64) -> impl Iterator<Item = u64> {
    let mut state = seed;
    std::iter::from_fn(move || {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut word = state;
        word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        Some(word ^ (word >> 31))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::generated;
    use super::*;

    #[test]
    fn vectors_of_minilm_turn_as_in_the_reference() {
        let rotated = Rotation::new(384).apply(&generated(7, 384));
        let expected = [0.258114, -0.134533, -0.131613, 0.000286, -0.000872, 0.06227, -0.02259, -0.383017];
        assert_eq!(rotated.len(), 256);
        for (got, expected) in rotated.iter().zip(expected) {
            assert!((got - expected).abs() < 2e-6, "{got} is not {expected}");
        }
    }

    /// Nothing is lost before coordinates are left out: with at most 256 of them, lengths and angles stay.
    #[track_caller]
    fn check(dimension: usize, kept: usize) {
        let rotation = Rotation::new(dimension);
        assert_eq!((rotation.dimension(), rotation.kept()), (dimension.max(1), kept));
        let (a, b) = (generated(1, dimension), generated(2, dimension));
        let (turned_a, turned_b) = (rotation.apply(&a), rotation.apply(&b));
        assert_eq!(turned_a.len(), kept);
        // The sum of many: a part of the coordinates keeps its share of the length.
        let share = kept as f32 / dimension.next_multiple_of(128) as f32;
        let tolerance = if share < 1.0 { 0.2 } else { 1e-4 };
        let close = |got: f32, expected: f32| (got - expected * share).abs() <= tolerance * dot(&a, &a) * share;
        assert!(close(dot(&turned_a, &turned_a), dot(&a, &a)), "length at {dimension}");
        assert!(close(dot(&turned_a, &turned_b), dot(&a, &b)), "angle at {dimension}");
    }

    #[test]
    fn other_dimensions_turn_too() {
        for (dimension, kept) in [(1, 128), (16, 128), (128, 128), (129, 256), (200, 256), (256, 256)] {
            check(dimension, kept);
        }
        for dimension in [257, 312, 384, 512, 768, 1000, 1024, 131 * 128] {
            check(dimension, 256);
        }
        assert_eq!(Rotation::new(0), Rotation::new(1));
    }

    #[test]
    fn each_value_is_met_once_by_the_shuffle() {
        for dimension in [128, 384, 1024, 131 * 128] {
            let rotation = Rotation::new(dimension);
            let values: Vec<f32> = (0..dimension).map(|value| value as f32).collect();
            let mut met: Vec<f32> = rotation.shuffled(&values).collect();
            met.sort_by(f32::total_cmp);
            assert_eq!(met, values);
        }
    }

    proptest! {
        #[test]
        fn any_vector_can_be_turned(dimension in 0usize..700, vector in proptest::collection::vec(any::<f32>(), 0..900)) {
            let rotation = Rotation::new(dimension);
            prop_assert_eq!(rotation.apply(&vector).len(), rotation.kept());
        }
    }

    fn dot(a: &[f32], b: &[f32]) -> f32 {
        a.iter().zip(b).map(|(a, b)| a * b).sum()
    }
}
