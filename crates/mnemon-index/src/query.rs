//! A question, quantised twice: coarsely to search with, and finely to rank what was found.

use crate::IndexError;
use crate::codes::{check_vector, width};
use crate::kernel::{Block, KERNEL, LANES};

/// Fine codes are whole numbers up to 127 * 128 and split into two bytes: `128 * high + low`.
const SPLIT: i32 = 128;

/// A vector prepared for [`VectorIndex::similarity`](crate::VectorIndex::similarity) with many rows.
///
/// It is kept with 15 bits a value, in two halves of int8 codes. The upper half alone is what graphs and scans are
/// searched with; both together are as good as f32 against the codes of a row. All sums are of integers, so that every
/// processor gets the same similarities.
#[derive(Debug, Clone)]
pub struct PreparedQuery {
    dimension: usize,
    high: Vec<Block>,
    low: Vec<Block>,
    /// One over the length of the upper half, and of both.
    coarse_scale: f32,
    fine_scale: f32,
}

/// A vector as int8 codes, to search with: the upper half of a query, or a row.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Coarse<'a> {
    pub(crate) blocks: &'a [Block],
    pub(crate) scale: f32,
}

impl Coarse<'_> {
    /// The cosine with a row, from their inner product and the scale of the row.
    #[inline]
    pub(crate) fn similarity(&self, product: i32, scale: f32) -> f32 {
        product as f32 * (scale * self.scale)
    }
}

impl PreparedQuery {
    /// Checks a vector and prepares it. Its length does not matter, only its direction does.
    ///
    /// # Errors
    /// When it has another number of values than `dimension`, a value that is not finite or no direction.
    pub(crate) fn new(dimension: usize, vector: &[f32]) -> Result<Self, IndexError> {
        let largest = check_vector(dimension, vector)?;
        let mut high = vec![Block([0; LANES]); width(dimension)];
        let mut low = high.clone();
        let (mut coarse_square, mut fine_square) = (0i64, 0i64);
        let halves = high.iter_mut().flat_map(|b| &mut b.0).zip(low.iter_mut().flat_map(|b| &mut b.0));
        for ((high, low), x) in halves.zip(vector) {
            // Divided first, because a whole number over a subnormal one is infinite.
            let value = x / largest * (127 * SPLIT) as f32;
            let code = (value + 0.5f32.copysign(value)) as i32;
            let upper = (code + SPLIT / 2).div_euclid(SPLIT);
            *high = upper as i8;
            *low = (code - upper * SPLIT) as i8;
            coarse_square += i64::from(upper * upper);
            fine_square += i64::from(code) * i64::from(code);
        }
        let scale = |square: i64| (1.0 / (square as f64).sqrt()) as f32;
        Ok(Self { dimension, high, low, coarse_scale: scale(coarse_square), fine_scale: scale(fine_square) })
    }

    pub(crate) fn dimension(&self) -> usize {
        self.dimension
    }

    /// The upper half.
    pub(crate) fn coarse(&self) -> Coarse<'_> {
        Coarse { blocks: &self.high, scale: self.coarse_scale }
    }

    /// The cosine of the query and a row. Rounding can put it a little outside of -1 to 1.
    #[inline]
    pub(crate) fn similarity(&self, (row, scale): (&[Block], f32)) -> f32 {
        let (mut high, mut low) = ([0i32], [0i32]);
        (KERNEL.dots)(&self.high, row, &mut high);
        (KERNEL.dots)(&self.low, row, &mut low);
        let product = i64::from(high[0]) * i64::from(SPLIT) + i64::from(low[0]);
        product as f32 * (scale * self.fine_scale)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::codes::Quantised;

    proptest! {
        #[test]
        fn a_prepared_query_is_as_good_as_f32(
            query in proptest::collection::vec(-1.0f32..1.0, 100), row in proptest::collection::vec(-1.0f32..1.0, 100),
        ) {
            let prepared = PreparedQuery::new(100, &query).unwrap();
            let stored = Quantised::new(100, &row).unwrap();
            let codes = stored.blocks.iter().flat_map(|b| b.0).map(f64::from);
            let exact: f64 = codes.zip(&query).map(|(c, q)| c * f64::from(*q)).sum::<f64>() * f64::from(stored.scale)
                / query.iter().map(|q| f64::from(*q).powi(2)).sum::<f64>().sqrt();
            let fine = f64::from(prepared.similarity((&stored.blocks, stored.scale)));
            // Half a step in 16,256 for each of 100 values.
            prop_assert!((fine - exact).abs() < 1e-4, "{fine} {exact}");
        }
    }

    #[test]
    fn extremes_are_kept() {
        for vector in [[f32::MAX, f32::MIN], [f32::from_bits(1), 0.0], [0.0, -1e-30], [-1.0, 1.0]] {
            let prepared = PreparedQuery::new(2, &vector).unwrap();
            let stored = Quantised::new(2, &vector).unwrap();
            let own = prepared.similarity((&stored.blocks, stored.scale));
            assert!((own - 1.0).abs() < 1e-6, "{vector:?} {own}");
        }
    }
}
