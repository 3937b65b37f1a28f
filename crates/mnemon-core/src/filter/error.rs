//! What can be wrong with a filter.

/// What can be wrong with a filter.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FilterError {
    /// A line of text that is no filter.
    #[error("expected {expected} at character {at} of the filter, got {got}")]
    Text {
        /// Which character, counted from 1.
        at: usize,
        /// What was expected there.
        expected: String,
        /// What stands there.
        got: String,
    },
    /// JSON that is no filter.
    #[error("expected {expected} at {at} of the filter, got {got}")]
    Json {
        /// Where, as a path from the root `$`.
        at: String,
        /// What was expected there.
        expected: String,
        /// What stands there.
        got: String,
    },
    /// A name that is no field.
    #[error("expected {expected} as the name of a field, got {got}")]
    Field {
        /// What is allowed.
        expected: &'static str,
        /// What came.
        got: String,
    },
    /// A value that the field can never have.
    #[error("expected {expected} for {field}, got {got}")]
    Value {
        /// The field.
        field: String,
        /// What it can be compared with.
        expected: &'static str,
        /// What came.
        got: String,
    },
    /// A combination of nothing, which would mean everything or nothing by accident.
    #[error("expected at least one condition in each combination, got none")]
    Empty,
    /// Conditions within conditions.
    #[error("expected a filter of at most {max} levels, got more")]
    TooDeep {
        /// The most that is accepted.
        max: usize,
    },
    /// Too many conditions.
    #[error("expected a filter of at most {max} conditions, got more")]
    TooManyConditions {
        /// The most that is accepted.
        max: usize,
    },
    /// Lists that are too long.
    #[error("expected lists of at most {max} values and {max_in_all} in all, got more")]
    TooManyValues {
        /// The most of one list.
        max: usize,
        /// The most of all lists together.
        max_in_all: usize,
    },
    /// A line of text that is too long.
    #[error("expected a filter of at most {max} bytes, got {got}")]
    TooLong {
        /// The most that is accepted.
        max: usize,
        /// The length of the text.
        got: usize,
    },
}

/// So much of a text as an error shows.
pub(super) fn cut(text: &str) -> String {
    const MAX_CHARS: usize = 60;
    match text.char_indices().nth(MAX_CHARS) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}
