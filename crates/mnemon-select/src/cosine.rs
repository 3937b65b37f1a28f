//! Cosines between the rows of matrices.

use ndarray::{Array2, ArrayView2, CowArray, Ix2};

use crate::SelectError;
use crate::error::check_finite;

/// The rows of a matrix with their lengths, ready to be compared.
///
/// Products are summed in `f64`, where no `f32` overflows when squared and two equal rows have a cosine of exactly 1
/// after rounding, so that a threshold of 1 finds exact duplicates.
pub(crate) struct Rows<'a> {
    values: CowArray<'a, f32, Ix2>,
    norms: Vec<f64>,
}

impl<'a> Rows<'a> {
    /// Copies the values only when the rows of the view are not contiguous. O(n·d).
    pub(crate) fn new(view: ArrayView2<'a, f32>) -> Result<Self, SelectError> {
        check_finite(view)?;
        let values = if view.is_standard_layout() {
            CowArray::from(view)
        } else {
            CowArray::from(Array2::from_shape_fn(view.dim(), |at| view[at]))
        };
        let norms = values.outer_iter().map(|row| row.as_slice().map_or(0.0, |row| dot(row, row).sqrt())).collect();
        Ok(Self { values, norms })
    }

    pub(crate) fn len(&self) -> usize {
        self.norms.len()
    }

    pub(crate) fn columns(&self) -> usize {
        self.values.ncols()
    }

    /// The cosine of row `a` of this matrix with row `b` of the other, in -1..=1. A row of zeros has no direction: its
    /// cosine with everything is 0. So is that of a row which does not exist. O(d).
    pub(crate) fn cosine(&self, a: usize, other: &Rows<'_>, b: usize) -> f32 {
        let (Some((a, a_norm)), Some((b, b_norm))) = (self.row(a), other.row(b)) else { return 0.0 };
        if a_norm == 0.0 || b_norm == 0.0 {
            return 0.0;
        }
        ((dot(a, b) / a_norm / b_norm) as f32).clamp(-1.0, 1.0)
    }

    fn row(&self, index: usize) -> Option<(&[f32], f64)> {
        let start = index.checked_mul(self.columns())?;
        let row = self.values.as_slice()?.get(start..start.checked_add(self.columns())?)?;
        Some((row, *self.norms.get(index)?))
    }
}

/// Eight independent sums, so that the compiler can use vector instructions without changing the result.
fn dot(a: &[f32], b: &[f32]) -> f64 {
    let mut sums = [0.0f64; 8];
    let (a_chunks, b_chunks) = (a.chunks_exact(8), b.chunks_exact(8));
    let rest: f64 =
        a_chunks.remainder().iter().zip(b_chunks.remainder()).map(|(&x, &y)| f64::from(x) * f64::from(y)).sum();
    for (x, y) in a_chunks.zip(b_chunks) {
        for ((sum, &x), &y) in sums.iter_mut().zip(x).zip(y) {
            *sum += f64::from(x) * f64::from(y);
        }
    }
    sums.iter().sum::<f64>() + rest
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, array};

    use super::*;

    #[test]
    fn cosines_are_those_of_geometry() {
        let rows = array![[3.0, 0.0], [0.0, 0.5], [-7.0, 0.0], [1.0, 1.0], [0.0, 0.0], [3e38, 3e38], [1e-45, 1e-45]];
        let rows = Rows::new(rows.view()).unwrap();
        let cosine = |a, b| rows.cosine(a, &rows, b);
        assert_eq!(cosine(0, 1), 0.0);
        assert_eq!(cosine(0, 2), -1.0);
        assert!((cosine(0, 3) - std::f32::consts::FRAC_1_SQRT_2).abs() < 1e-7);
        assert_eq!((cosine(4, 0), cosine(4, 4)), (0.0, 0.0));
        assert_eq!((cosine(3, 5), cosine(5, 6)), (1.0, 1.0), "neither overflow nor underflow");
        assert_eq!(cosine(0, 99), 0.0);
    }

    #[test]
    fn equal_rows_have_a_cosine_of_exactly_one_and_layout_does_not_matter() {
        let wide = Array2::from_shape_fn((5, 387), |(i, j)| ((i * 31 + j * 17) as f32).sin());
        let twice = ndarray::concatenate![ndarray::Axis(0), wide, &wide * 3.0];
        let transposed = twice.t().as_standard_layout().into_owned().reversed_axes();
        assert!(!transposed.is_standard_layout());
        let (plain, other) = (Rows::new(twice.view()).unwrap(), Rows::new(transposed.view()).unwrap());
        for i in 0..5 {
            assert_eq!(plain.cosine(i, &plain, i + 5), 1.0);
            assert_eq!(plain.cosine(i, &plain, 2), other.cosine(i, &other, 2));
        }
    }
}
