//! Vectors of memories, and their inner products with a question and with each other.

use simsimd::SpatialSimilarity;

use crate::lanes::{AT_ONCE, Lanes};

/// A vector of unit length in 8 bits a value.
///
/// Against a question it is exact to about 0.0005 at 384 dimensions; two of them against each other to 0.001.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Vector<'a> {
    codes: &'a [i8],
    scale: f32,
}

impl<'a> Vector<'a> {
    /// The vector whose values are `codes` times `scale`. Zeros at the end count for nothing.
    #[must_use]
    pub fn new(codes: &'a [i8], scale: f32) -> Self {
        Self { codes, scale }
    }

    /// Its values.
    pub fn values(self) -> impl Iterator<Item = f32> + use<'a> {
        self.codes.iter().map(move |code| f32::from(*code) * self.scale)
    }

    /// The inner product of two: their cosine. 0 for vectors of different lengths.
    #[must_use]
    pub fn cosine(self, other: Vector<'_>) -> f32 {
        product(self.codes, other.codes) * (self.scale * other.scale)
    }
}

/// The vector of a question in twice 8 bits a value: products with it are products of bytes, and as good as in f32.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Asked {
    values: usize,
    high: Vec<i8>,
    /// What rounding to `high` left, in steps 254 times as fine.
    low: Vec<i8>,
    step: f32,
}

impl Asked {
    /// The largest code, and how many steps of `low` are one of `high`.
    const LARGEST: f32 = 127.0;
    const FINER: f32 = 2.0 * Self::LARGEST;

    pub(crate) fn new(vector: &[f32]) -> Self {
        let largest = vector.iter().fold(0.0f32, |largest, value| largest.max(value.abs()));
        let step = largest.max(f32::MIN_POSITIVE) / Self::LARGEST;
        let high = |value: &f32| (value / step).round() as i8;
        let low = |value: &f32| ((value / step - (value / step).round()) * Self::FINER).round() as i8;
        Self {
            values: vector.len(),
            high: vector.iter().map(high).collect(),
            low: vector.iter().map(low).collect(),
            step,
        }
    }

    /// The inner product with the vector of a memory.
    pub(crate) fn dot(&self, vector: Vector<'_>) -> f32 {
        // Zeros at the end of codes count for nothing.
        let codes = vector.codes.get(..self.values).unwrap_or(vector.codes);
        (product(&self.high, codes) + product(&self.low, codes) / Self::FINER) * self.step * vector.scale
    }
}

/// How many registers of vectors are compared at once: with the rows that go together, enough sums that none waits for its
/// own last product, and few enough that their vectors stay in the cache that is nearest.
const REGISTERS: usize = 4;

/// Vectors that others are compared with.
pub(crate) struct Known<'a> {
    vectors: Vec<Vector<'a>>,
    lanes: Lanes<REGISTERS>,
}

impl<'a> Known<'a> {
    pub(crate) fn new(vectors: impl IntoIterator<Item = Vector<'a>>) -> Self {
        let vectors: Vec<Vector<'a>> = vectors.into_iter().collect();
        let mut lanes = Lanes::default();
        vectors.iter().for_each(|vector| lanes.push(vector.codes));
        Self { vectors, lanes }
    }

    /// Calls `each` with the number of each of `vectors` and its cosines with these, in their order.
    pub(crate) fn compare(&self, vectors: &[Vector<'_>], mut each: impl FnMut(usize, &[f32])) {
        let (mut products, mut cosines) = (Vec::new(), vec![0.0; self.vectors.len()]);
        for (first, some) in (0..).step_by(AT_ONCE).zip(vectors.chunks(AT_ONCE)) {
            let codes: Vec<&[i8]> = some.iter().map(|vector| vector.codes).collect();
            let fast = self.lanes.products(&codes, &mut products);
            for (at, vector) in some.iter().enumerate() {
                let row = products.get(at * self.lanes.width()..).filter(|_| fast);
                match row {
                    Some(row) => {
                        for ((cosine, product), known) in cosines.iter_mut().zip(row).zip(&self.vectors) {
                            *cosine = *product as f32 * (vector.scale * known.scale);
                        }
                    }
                    None => cosines.iter_mut().zip(&self.vectors).for_each(|(to, known)| *to = vector.cosine(*known)),
                }
                each(first + at, &cosines);
            }
        }
    }
}

fn product(a: &[i8], b: &[i8]) -> f32 {
    i8::dot(a, b).map_or(0.0, |product| product as f32)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_question_is_compared_as_in_f32() {
        let asked: Vec<f32> = (0..384).map(|at| ((at * at) as f32 * 0.37).sin() / 14.0).collect();
        let codes: Vec<i8> = (0..384).map(|at| ((at as f32 * 0.91).cos() * 127.0) as i8).collect();
        let expected: f64 = asked.iter().zip(&codes).map(|(a, b)| f64::from(*a) * f64::from(*b) * 0.001).sum();
        let got = Asked::new(&asked).dot(Vector::new(&codes, 0.001));
        assert!((f64::from(got) - expected).abs() < 1e-5, "{got} {expected}");
        // Codes that were filled up with zeros.
        let longer = [&codes[..], &[0; 64]].concat();
        assert_eq!(Asked::new(&asked).dot(Vector::new(&longer, 0.001)), got);
        assert_eq!(Asked::new(&[0.0; 3]).dot(Vector::new(&[1, 2, 3], 1.0)), 0.0);
        assert_eq!(Asked::new(&asked).dot(Vector::new(&codes[..10], 1.0)), 0.0);
    }

    proptest! {
        #[test]
        fn many_are_compared_as_one_by_one(
            codes in prop::collection::vec(prop::collection::vec(-127i8..=127, 64), 1..140),
            odd in any::<bool>(),
        ) {
            let mut vectors: Vec<Vector<'_>> = codes.iter().map(|codes| Vector::new(codes, 0.01)).collect();
            let known = Known::new(vectors.iter().copied());
            let other = [3; 32];
            vectors.extend(odd.then(|| Vector::new(&other, 1.0)));
            let mut compared = 0;
            known.compare(&vectors, |at, cosines| {
                let expected: Vec<f32> = known.vectors.iter().map(|known| vectors[at].cosine(*known)).collect();
                assert_eq!(cosines, expected);
                assert_eq!(at, compared);
                compared += 1;
            });
            prop_assert_eq!(compared, vectors.len());
        }
    }
}
