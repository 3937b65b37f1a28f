//! What can be wrong with the input of a selection.

use ndarray::ArrayView2;

/// Input that no selection can be made from.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SelectError {
    /// A value of the matrix is NaN or infinite.
    #[error("expected finite values, got {value} in row {row}, column {column}")]
    NotFinite {
        /// The row, from 0.
        row: usize,
        /// The column, from 0.
        column: usize,
        /// The value that was found.
        value: f32,
    },
    /// A relevance score is NaN or infinite.
    #[error("expected finite relevance scores, got {value} for row {row}")]
    ScoreNotFinite {
        /// The row that the score belongs to.
        row: usize,
        /// The score that was given.
        value: f32,
    },
    /// There is not exactly one score a row.
    #[error("expected one relevance score for each of {rows} rows, got {scores}")]
    Scores {
        /// How many rows the matrix has.
        rows: usize,
        /// How many scores were given.
        scores: usize,
    },
    /// Two matrices that are to be compared have rows of different lengths.
    #[error("expected kept rows of {expected} columns as the others have, got {got}")]
    Dimension {
        /// The columns of the rows in question.
        expected: usize,
        /// The columns of the rows that are kept.
        got: usize,
    },
    /// A parameter lies outside of its range.
    #[error("expected {name} between 0 and 1, got {got}")]
    Range {
        /// The name of the parameter.
        name: &'static str,
        /// The value that was given.
        got: f32,
    },
    /// An order names a row that the matrix does not have.
    #[error("expected row numbers below {rows} in the order, got {index}")]
    NoSuchRow {
        /// The number that was given.
        index: usize,
        /// How many rows there are.
        rows: usize,
    },
    /// An order names a row twice.
    #[error("expected every row at most once in the order, got row {index} again")]
    Twice {
        /// The number that was given again.
        index: usize,
    },
}

/// Every value must be finite: one NaN would make comparisons, and so the selection, meaningless.
pub(crate) fn check_finite(rows: ArrayView2<'_, f32>) -> Result<(), SelectError> {
    match rows.indexed_iter().find(|(_, value)| !value.is_finite()) {
        Some(((row, column), &value)) => Err(SelectError::NotFinite { row, column, value }),
        None => Ok(()),
    }
}

/// A parameter that is a share.
pub(crate) fn check_share(name: &'static str, value: f32) -> Result<(), SelectError> {
    if (0.0..=1.0).contains(&value) { Ok(()) } else { Err(SelectError::Range { name, got: value }) }
}
