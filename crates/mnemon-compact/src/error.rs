//! What can go wrong when a conversation is compacted.

use std::sync::Arc;

use mnemon_core::EmbedError;
use mnemon_select::SelectError;

use crate::{AgentError, OrderError};

/// Why a conversation could not be compacted, or not by this strategy.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CompactError {
    /// A strategy compares meanings, and there is no embedder.
    #[error("expected an embedder for the strategy {strategy}, got none")]
    NoVectors {
        /// The strategy.
        strategy: String,
    },
    /// The embedder failed.
    #[error("the messages could not be embedded")]
    Embed(#[source] EmbedError),
    /// The embedder returned something else than one vector of finite numbers a text.
    #[error("expected {expected} from the embedding model, got {got}")]
    BadVectors {
        /// What was asked for.
        expected: String,
        /// What came.
        got: String,
    },
    /// The messages could not be clustered.
    #[error("the messages could not be clustered")]
    Select(#[source] SelectError),
    /// What a strategy would keep is longer than allowed.
    #[error("expected at most {expected} tokens, the plan comes to {got}")]
    OverBudget {
        /// The most tokens.
        expected: usize,
        /// The tokens of the plan.
        got: usize,
    },
    /// A plan does not fit the messages.
    #[error("expected a plan with {expected}, got {got}")]
    BadPlan {
        /// What a plan has to be.
        expected: String,
        /// What it is.
        got: String,
    },
    /// The messages that came out break the rule of [`crate::check_order`].
    #[error("the compacted conversation is out of order")]
    Order(#[from] OrderError),
    /// Every strategy of a list failed.
    #[error("expected one of {} strategies to answer, none did", .0.len())]
    NoneAnswered(Vec<Attempt>),
    /// There is nothing that could be summarised.
    #[error("expected text to summarise, got {got}")]
    NothingToSummarise {
        /// What there was.
        got: String,
    },
    /// A summary cannot be so short.
    #[error("expected room for a word of a summary, got {max_tokens} tokens")]
    NoRoom {
        /// The most tokens.
        max_tokens: usize,
    },
    /// The agent, or another part of the owner's, failed.
    #[error("the {part} failed to {task}")]
    Outside {
        /// Which part.
        part: &'static str,
        /// What it was asked to do.
        task: &'static str,
        /// What it said.
        #[source]
        source: AgentError,
    },
    /// The agent is or does something else than it should.
    #[error("expected {expected} from the agent, got {got}")]
    BadAgent {
        /// What it should.
        expected: String,
        /// What it is or did.
        got: String,
    },
    /// A compaction made the context of an agent no shorter.
    #[error("expected fewer than {before} tokens after the compaction, got {after}")]
    NotFreed {
        /// The tokens before.
        before: usize,
        /// The tokens after, as far as they came down.
        after: usize,
    },
    /// A setting is outside of its range.
    #[error("expected {field} to be {expected}, got {got}")]
    Setting {
        /// Which setting.
        field: &'static str,
        /// Its range.
        expected: &'static str,
        /// What it is.
        got: String,
    },
}

/// A strategy that did not answer, and why.
#[derive(Debug, Clone)]
pub struct Attempt {
    /// The strategy.
    pub strategy: String,
    /// Why it did not answer.
    pub why: Arc<CompactError>,
}
