//! How short a conversation is to become.

use mnemon_core::TokenCounter;
use serde::{Deserialize, Serialize};

use crate::{CompactError, Message, count_tokens};

/// How short a conversation is to become, and what stays in any case.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Goal {
    /// The most tokens afterwards. `None`: `target_ratio` of those that there are.
    pub max_tokens: Option<usize>,
    /// The share that is kept where `max_tokens` says nothing: of the tokens, or of the messages for strategies that
    /// count messages. Above 0, at most 1.
    pub target_ratio: f64,
    /// As many of the last messages stay as they are, while they fit.
    pub keep_recent: usize,
    /// Strategies that count messages keep at least so many beside those of the system.
    pub min_kept: usize,
    /// The most tokens of a summary.
    pub summary_max_tokens: usize,
    /// Chance of a clustering: equal seed, equal plan.
    pub seed: u64,
}

impl Default for Goal {
    fn default() -> Self {
        Self { max_tokens: None, target_ratio: 0.5, keep_recent: 10, min_kept: 10, summary_max_tokens: 500, seed: 42 }
    }
}

impl Goal {
    /// At most so many tokens afterwards.
    #[must_use]
    pub fn tokens(max_tokens: usize) -> Self {
        Self { max_tokens: Some(max_tokens), ..Self::default() }
    }

    /// This share of the tokens, or of the messages.
    #[must_use]
    pub fn ratio(target_ratio: f64) -> Self {
        Self { target_ratio, ..Self::default() }
    }

    /// The same with as many of the last messages kept.
    #[must_use]
    pub fn keep_recent(self, keep_recent: usize) -> Self {
        Self { keep_recent, ..self }
    }

    /// The most tokens that these messages may come to.
    ///
    /// # Errors
    /// When the ratio is outside of its range.
    pub fn budget(&self, messages: &[Message], counter: &dyn TokenCounter) -> Result<usize, CompactError> {
        match self.max_tokens {
            Some(most) => Ok(most),
            None => Ok((count_tokens(messages, counter) as f64 * self.checked_ratio()?) as usize),
        }
    }

    pub(crate) fn checked_ratio(&self) -> Result<f64, CompactError> {
        if self.target_ratio > 0.0 && self.target_ratio <= 1.0 {
            return Ok(self.target_ratio);
        }
        Err(CompactError::Setting {
            field: "target_ratio",
            expected: "above 0 and at most 1",
            got: self.target_ratio.to_string(),
        })
    }
}
