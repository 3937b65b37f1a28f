//! What can go wrong.

use mnemon_embed::ModelError;
use mnemon_long_term::LongTermError;
use mnemon_store::StoreError;

use crate::ConfigError;
use crate::tokens::TokenizerError;

/// What can go wrong. What only makes an answer poorer (no embedding model, say) is no error: the manifest tells it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A setting is not allowed.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The tokenizer cannot be used.
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
    /// The embedding model that was asked for cannot be used.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The memory file cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Long-term memory failed.
    #[error(transparent)]
    LongTerm(LongTermError),
    /// The input alone, with the lines around it, does not fit into the budget. It is never cut.
    #[error("the input needs {needed} tokens, got a budget of {budget}")]
    BudgetTooSmall {
        /// The tokens that a context of the input alone takes.
        needed: usize,
        /// The budget.
        budget: usize,
    },
    /// The task on the runtime's blocking pool did not end (the runtime was shut down, or it panicked).
    #[cfg(feature = "async")]
    #[error("the background task did not end")]
    Background(#[source] tokio::task::JoinError),
}

impl From<LongTermError> for Error {
    fn from(error: LongTermError) -> Self {
        match error {
            LongTermError::Store(error) => Self::Store(error),
            other => Self::LongTerm(other),
        }
    }
}
