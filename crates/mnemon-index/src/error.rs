//! What can be wrong with a vector or a request.

/// Why the index refused a vector, a parameter or a graph. A refused call changes nothing.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum IndexError {
    /// The vector belongs to another model.
    #[error("expected a vector of {expected} values, got {got}")]
    Dimension {
        /// The dimension of the index.
        expected: usize,
        /// How many values came.
        got: usize,
    },
    /// A value is infinite or not a number.
    #[error("expected finite values, got {value} at position {position}")]
    NotFinite {
        /// Where it is, from 0.
        position: usize,
        /// The value.
        value: f32,
    },
    /// Every value is zero, so the vector has no direction.
    #[error("expected a vector with a direction, got {dimension} zeros")]
    Zero {
        /// How many values the vector has.
        dimension: usize,
    },
    /// A number outside of what is allowed.
    #[error("expected {name} from {min} to {max}, got {got}")]
    Parameter {
        /// Which number.
        name: &'static str,
        /// The smallest value allowed.
        min: usize,
        /// The largest value allowed.
        max: usize,
        /// What came.
        got: usize,
    },
    /// Another vector does not fit in.
    #[error("expected at most {max} vectors in one index, got one more")]
    Full {
        /// How many vectors an index can hold, deleted ones that are not compacted yet included.
        max: usize,
    },
    /// What was saved is not a whole index, or not as it was.
    #[error("expected a saved index with {expected}")]
    Damaged {
        /// What is missing.
        expected: &'static str,
    },
    /// An index was saved by another version.
    #[error("expected a saved index of format {expected}, got format {got}")]
    Format {
        /// The format of this version.
        expected: u32,
        /// The format of what was saved.
        got: u32,
    },
    /// A vector that the caller fetched for an id cannot be compared.
    #[error("expected a valid vector for id {id}")]
    Fetched {
        /// Whose vector it is.
        id: i64,
        /// What is wrong with it.
        #[source]
        source: Box<IndexError>,
    },
}

/// The error for `got` outside of `min..=max`.
pub(crate) fn check_range(name: &'static str, got: usize, min: usize, max: usize) -> Result<(), IndexError> {
    if (min..=max).contains(&got) { Ok(()) } else { Err(IndexError::Parameter { name, min, max, got }) }
}
