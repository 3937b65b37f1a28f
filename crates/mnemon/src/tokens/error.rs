//! What can be wrong with the choice of a tokenizer.

use std::error::Error;
use std::path::PathBuf;

/// A tokenizer that cannot be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TokenizerError {
    /// The word names no tokenizer and does not look like a path.
    #[error("expected o200k_base, cl100k_base, estimate or the path of a tokenizer.json as `tokenizer`, got {got:?}")]
    Unknown {
        /// What was given, cut after 80 characters.
        got: String,
    },
    /// The tokenizer is not part of this build.
    #[error(
        "expected estimate or the path of a tokenizer.json as `tokenizer`, as this build lacks the cargo feature \
         `openai-tokens`, got {name:?}"
    )]
    NotBuilt {
        /// The tokenizer that was asked for.
        name: &'static str,
    },
    /// The file cannot be read.
    #[error("expected a readable tokenizer.json as `tokenizer`, got {path:?}")]
    Read {
        /// The path that was given.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The file can be read but is no tokenizer.
    #[error("expected a tokenizer in the format of Hugging Face tokenizers as `tokenizer`, got {path:?}")]
    Invalid {
        /// The path that was given.
        path: PathBuf,
        /// Why.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
}
