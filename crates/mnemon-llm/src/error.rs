//! What makes a model that cannot be asked at all.

use std::error::Error;
use std::ops::RangeInclusive;

/// A configuration does not make a model. It never holds a key.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// The base URL cannot be used.
    #[error("expected a base URL such as http://localhost:1234/v1, got {got}")]
    BadUrl {
        /// What it is instead.
        got: String,
    },
    /// A server of no known address.
    #[error("expected a base URL, as servers that are compatible with another have none of their own")]
    NoUrl,
    /// The name of the model is empty.
    #[error("expected the name of a model, got none")]
    NoName,
    /// The variable that should hold the key is not set.
    #[error("expected a key in the environment variable {variable}, and it is not set")]
    NoKey {
        /// Its name, where it looks like one.
        variable: String,
    },
    /// The key has characters that no header can hold.
    #[error("expected a key of printable ASCII characters, got others")]
    BadKey,
    /// A number is out of its range.
    #[error("expected {what} of {} to {}, got {got}", expected.start(), expected.end())]
    OutOfRange {
        /// Which number.
        what: &'static str,
        /// What it may be.
        expected: RangeInclusive<f64>,
        /// What it is.
        got: f64,
    },
    /// No such provider.
    #[error("expected openai, anthropic, ollama or compatible, got {got:?}")]
    BadProvider {
        /// What came.
        got: String,
    },
    /// The part that speaks HTTP and TLS does not start.
    #[error("expected to be able to speak HTTP, and it cannot be set up")]
    Client(#[source] Box<dyn Error + Send + Sync>),
    /// The thread that asks does not start.
    #[error("expected a thread to ask from, and it does not start")]
    Thread(#[source] std::io::Error),
}
