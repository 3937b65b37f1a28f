//! Errors as reports show them.

use std::error::Error;

/// What an error says, and what those underneath say, the outermost first, joined with `: `.
///
/// ```
/// let error = "x".parse::<u8>().unwrap_err();
/// assert_eq!(mnemon_core::with_causes(&error), "invalid digit found in string");
/// ```
#[must_use]
pub fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
