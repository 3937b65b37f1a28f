//! How much of a set of rows says the same as the rest of it.

use ndarray::ArrayView2;

use crate::SelectError;
use crate::cosine::Rows;
use crate::error::check_share;

/// What [`drop_redundant`] decided. Every index of the order is in exactly one of the two lists.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Pruned {
    /// The rows that stay, in the order that was given.
    pub kept: Vec<usize>,
    /// The rows that go, in the order that was given.
    pub dropped: Vec<Dropped>,
}

/// A row that goes, and the reason.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Dropped {
    /// The row that goes.
    pub index: usize,
    /// The row that stays and is most like it, the earliest in the order where several are.
    pub like: usize,
    /// Their cosine.
    pub cosine: f32,
}

/// For each of `rows`, its largest cosine with any of the `kept` rows, in 0..=1: 0 where nothing is kept or nothing
/// points its way, 1 where a kept row has its very direction. A row of zeros is redundant with nothing.
///
/// Cost O(n·m·d) for n rows, m kept rows and d columns.
///
/// # Errors
/// When a value is not finite, or when the rows have different lengths (a `kept` without rows may have any).
pub fn redundancy(rows: ArrayView2<'_, f32>, kept: ArrayView2<'_, f32>) -> Result<Vec<f32>, SelectError> {
    let (rows, kept) = (Rows::new(rows)?, Rows::new(kept)?);
    if kept.len() > 0 && rows.columns() != kept.columns() {
        return Err(SelectError::Dimension { expected: rows.columns(), got: kept.columns() });
    }
    let most = |row| (0..kept.len()).map(|other| rows.cosine(row, &kept, other)).fold(0.0, f32::max);
    Ok((0..rows.len()).map(most).collect())
}

/// How redundant a set is: the mean over its rows of the largest cosine with another row, in 0..=1. Fewer than two
/// rows have a redundancy of 0; a set in which every row has an exact duplicate, of 1.
///
/// Cost O(n²·d) for n rows and d columns.
///
/// # Errors
/// When a value is not finite.
pub fn mean_redundancy(rows: ArrayView2<'_, f32>) -> Result<f32, SelectError> {
    let rows = Rows::new(rows)?;
    if rows.len() < 2 {
        return Ok(0.0);
    }
    let mut most = vec![0.0f32; rows.len()];
    for a in 0..rows.len() {
        for b in 0..a {
            let cosine = rows.cosine(a, &rows, b);
            for row in [a, b] {
                if let Some(most) = most.get_mut(row) {
                    *most = most.max(cosine);
                }
            }
        }
    }
    Ok((most.iter().map(|&cosine| f64::from(cosine)).sum::<f64>() / rows.len() as f64) as f32)
}

/// Walks through `order` (row numbers, the most valuable first) and drops a row only when its cosine with a row that
/// is already kept reaches `threshold`. So nothing goes for being unlike the question or one too many: what is dropped
/// is still said by what stays, and the first row of the order always stays.
///
/// The threshold lies in 0..=1. At 1 only rows of the very direction of a kept one go; at 0 all go but the first and
/// those that point away from everything kept. A row of zeros has a cosine of 0 with everything. Rows that the order
/// does not name are left alone: neither kept nor dropped.
///
/// Cost O(m·k·d) for m rows in the order, k of them kept, and d columns.
///
/// # Errors
/// When a value is not finite, the threshold is outside of its range, or the order names a row that does not exist or
/// names one twice.
///
/// ```
/// use ndarray::array;
/// let hits = array![[1.0, 0.0], [1.0, 0.01], [0.6, 0.8]];
/// let pruned = mnemon_select::drop_redundant(hits.view(), &[1, 0, 2], 0.9)?;
/// assert_eq!(pruned.kept, [1, 2]);
/// assert_eq!((pruned.dropped[0].index, pruned.dropped[0].like), (0, 1));
/// # Ok::<(), mnemon_select::SelectError>(())
/// ```
pub fn drop_redundant(rows: ArrayView2<'_, f32>, order: &[usize], threshold: f32) -> Result<Pruned, SelectError> {
    let rows = Rows::new(rows)?;
    check_share("the redundancy threshold", threshold)?;
    check_order(order, rows.len())?;
    let mut pruned = Pruned::default();
    for &index in order {
        let mut nearest: Option<(usize, f32)> = None;
        for &like in &pruned.kept {
            let cosine = rows.cosine(index, &rows, like);
            if nearest.is_none_or(|(_, best)| cosine > best) {
                nearest = Some((like, cosine));
            }
        }
        match nearest {
            Some((like, cosine)) if cosine >= threshold => pruned.dropped.push(Dropped { index, like, cosine }),
            _ => pruned.kept.push(index),
        }
    }
    Ok(pruned)
}

fn check_order(order: &[usize], rows: usize) -> Result<(), SelectError> {
    let mut seen = vec![false; rows];
    for &index in order {
        match seen.get_mut(index) {
            None => return Err(SelectError::NoSuchRow { index, rows }),
            Some(true) => return Err(SelectError::Twice { index }),
            Some(seen) => *seen = true,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, array};
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn redundancy_is_the_largest_cosine_with_what_is_kept() {
        let rows = array![[2.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, 0.0]];
        let kept = array![[5.0, 0.0], [3.0, 4.0]];
        let got = redundancy(rows.view(), kept.view()).unwrap();
        assert_eq!(got, [1.0, 0.8, 0.0, 0.0]);
        assert_eq!(redundancy(rows.view(), Array2::zeros((0, 9)).view()).unwrap(), [0.0; 4]);
        assert_eq!(redundancy(Array2::zeros((0, 2)).view(), kept.view()).unwrap(), [0.0; 0]);
    }

    #[test]
    fn the_redundancy_of_a_set_is_the_mean_over_its_rows() {
        assert_eq!(mean_redundancy(Array2::zeros((0, 3)).view()).unwrap(), 0.0);
        assert_eq!(mean_redundancy(array![[1.0, 2.0]].view()).unwrap(), 0.0);
        assert_eq!(mean_redundancy(array![[1.0, 2.0], [1.0, 2.0]].view()).unwrap(), 1.0);
        assert_eq!(
            mean_redundancy(array![[1.0, 0.0], [0.0, 1.0], [3.0, 4.0]].view()).unwrap(),
            (0.6 + 0.8 + 0.8) / 3.0
        );
    }

    #[test]
    fn wrong_input_is_named() {
        let rows = array![[1.0, 0.0], [0.0, 1.0]];
        let error = |order: &[usize], threshold| drop_redundant(rows.view(), order, threshold).unwrap_err().to_string();
        assert_eq!(error(&[2], 0.9), "expected row numbers below 2 in the order, got 2");
        assert_eq!(error(&[1, 1], 0.9), "expected every row at most once in the order, got row 1 again");
        assert_eq!(error(&[0], 1.5), "expected the redundancy threshold between 0 and 1, got 1.5");
        assert_eq!(error(&[0], f32::NAN), "expected the redundancy threshold between 0 and 1, got NaN");
        let wide = redundancy(rows.view(), array![[1.0]].view()).unwrap_err().to_string();
        assert_eq!(wide, "expected kept rows of 2 columns as the others have, got 1");
        let bad = mean_redundancy(array![[0.0, 1.0], [0.0, f32::INFINITY]].view()).unwrap_err().to_string();
        assert_eq!(bad, "expected finite values, got inf in row 1, column 1");
    }

    /// Small whole numbers make duplicates, opposite rows and rows of zeros likely.
    fn matrix() -> impl Strategy<Value = Array2<f32>> {
        (0usize..14, 1usize..4).prop_flat_map(|(n, d)| {
            prop::collection::vec(-2i8..3, n * d)
                .prop_map(move |v| Array2::from_shape_fn((n, d), |(i, j)| f32::from(v[i * d + j])))
        })
    }

    proptest! {
        #[test]
        fn what_is_dropped_is_said_by_what_stays_and_what_stays_is_not(
            rows in matrix(),
            threshold in 0.0f32..=1.0,
            seed in any::<u64>(),
        ) {
            let mut order: Vec<usize> = (0..rows.nrows()).collect();
            order.sort_by_key(|&i| (i as u64 + 1).wrapping_mul(seed | 1).rotate_left(17));
            let pruned = drop_redundant(rows.view(), &order, threshold).unwrap();

            let place = |index: usize| order.iter().position(|&i| i == index).unwrap();
            let mut all: Vec<usize> = pruned.kept.iter().copied().chain(pruned.dropped.iter().map(|d| d.index)).collect();
            all.sort_unstable();
            prop_assert_eq!(all, (0..rows.nrows()).collect::<Vec<_>>());
            prop_assert!(pruned.kept.is_sorted_by_key(|&i| place(i)));
            prop_assert!(pruned.dropped.is_sorted_by_key(|d| place(d.index)));

            let all_rows = Rows::new(rows.view()).unwrap();
            for dropped in &pruned.dropped {
                prop_assert!(pruned.kept.contains(&dropped.like) && place(dropped.like) < place(dropped.index));
                prop_assert!(dropped.cosine >= threshold);
                prop_assert_eq!(dropped.cosine, all_rows.cosine(dropped.index, &all_rows, dropped.like));
            }
            for (n, &a) in pruned.kept.iter().enumerate() {
                for &b in &pruned.kept[..n] {
                    prop_assert!(all_rows.cosine(a, &all_rows, b) < threshold);
                }
            }
        }
    }
}
