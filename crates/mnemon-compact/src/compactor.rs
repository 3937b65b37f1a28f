//! Compaction when a model's limit comes near, and what it did so far.

use mnemon_core::Timestamp;
use serde::{Deserialize, Serialize};

use crate::plan::ratio;
use crate::{
    CompactError, Compacted, Goal, Hybrid, HybridMode, Means, Message, Rest, Salient, Strategy, Summarise, Truncate,
    count_tokens,
};

/// What a model is used for, which says how much it reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ModelTier {
    /// Leads other agents: 200,000 tokens.
    Orchestrator,
    /// Writes code: 128,000.
    Coding,
    /// Thinks: 64,000.
    Reasoning,
    /// Does the rest: 32,000.
    General,
    /// Does it fast: 32,000.
    Fast,
    /// A model of the owner's, with its limit in tokens.
    Limit(usize),
}

impl ModelTier {
    /// The tokens that it reads at most.
    #[must_use]
    pub fn context_limit(self) -> usize {
        match self {
            Self::Orchestrator => 200_000,
            Self::Coding => 128_000,
            Self::Reasoning => 64_000,
            Self::General | Self::Fast => 32_000,
            Self::Limit(tokens) => tokens,
        }
    }
}

/// Compacts a conversation when it comes near the limit of its model: what is old becomes a summary, what is recent stays.
pub struct MessageCompactor {
    /// The share of the limit from which on it compacts. Above 0, at most 1.
    pub threshold_ratio: f64,
    /// As many of the last messages stay as they are, while they fit.
    pub keep_recent: usize,
    /// The most tokens of the summary.
    pub summary_max_tokens: usize,
    strategy: Box<dyn Strategy>,
    metrics: CompactionMetrics,
}

/// What a compactor did so far.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub struct CompactionMetrics {
    /// How often it compacted.
    pub count: u64,
    /// When it did last, as its caller said.
    pub last_at: Option<Timestamp>,
    /// The tokens before the last compaction.
    pub tokens_before: usize,
    /// The tokens after it.
    pub tokens_after: usize,
    /// The tokens that all compactions have freed.
    pub tokens_freed: u64,
    /// The quality score of the last summary; `None` when the last compaction wrote none.
    pub quality: Option<f32>,
}

impl CompactionMetrics {
    /// The tokens after the last compaction as a share of those before; 1 when there was none.
    #[must_use]
    pub fn ratio(&self) -> f64 {
        ratio(self.tokens_before, self.tokens_after)
    }

    /// Adds a compaction.
    pub fn record(&mut self, compacted: &Compacted, at: Timestamp) {
        self.count += 1;
        self.last_at = Some(at);
        self.tokens_before = compacted.tokens_before;
        self.tokens_after = compacted.tokens_after;
        self.tokens_freed += compacted.tokens_before.saturating_sub(compacted.tokens_after) as u64;
        let qualities: Vec<f32> = compacted.summaries.iter().map(|summary| summary.meta.quality.score).collect();
        self.quality = match qualities.len() {
            0 => None,
            count => Some(qualities.iter().sum::<f32>() / count as f32),
        };
    }
}

/// What was found when somebody asked whether to compact.
#[derive(Debug, Clone)]
pub enum CompactionOutcome {
    /// There is room. The messages stay as they are.
    NotNeeded {
        /// Their tokens.
        tokens: usize,
        /// From so many on they would be compacted.
        threshold: usize,
    },
    /// They were compacted.
    Compacted(Box<Compacted>),
}

impl CompactionOutcome {
    /// The messages to go on with: the new ones, else `messages`.
    #[must_use]
    pub fn messages_or(self, messages: Vec<Message>) -> Vec<Message> {
        match self {
            Self::NotNeeded { .. } => messages,
            Self::Compacted(compacted) => compacted.messages,
        }
    }

    /// What was done, if anything was.
    #[must_use]
    pub fn compacted(&self) -> Option<&Compacted> {
        match self {
            Self::NotNeeded { .. } => None,
            Self::Compacted(compacted) => Some(compacted),
        }
    }
}

impl Default for MessageCompactor {
    /// From 70 % of the limit on, a summary of up to 1,024 tokens and the last 10 messages. Where that does not fit, the
    /// most telling messages, and at last the newest ones.
    fn default() -> Self {
        Self::new(Box::new(Hybrid::new(
            HybridMode::FirstThatFits,
            vec![Box::new(Summarise), Box::new(Salient { rest: Rest::Drop, ..Salient::default() }), Box::new(Truncate)],
        )))
    }
}

impl MessageCompactor {
    /// With a strategy of the owner's, and the usual threshold (0.7), recent messages (10) and summary (1,024 tokens).
    #[must_use]
    pub fn new(strategy: Box<dyn Strategy>) -> Self {
        let metrics = CompactionMetrics::default();
        Self { threshold_ratio: 0.7, keep_recent: 10, summary_max_tokens: 1_024, strategy, metrics }
    }

    /// What it did so far.
    #[must_use]
    pub fn metrics(&self) -> &CompactionMetrics {
        &self.metrics
    }

    /// Compacts the messages when they have come to the threshold of the tier's limit. Afterwards they are at most half of
    /// the threshold where what is protected allows it, so that the next compaction is not the next turn's. `now` goes into
    /// the metrics.
    ///
    /// # Errors
    /// When a setting is outside of its range, or no strategy answers. The messages are not touched.
    pub fn compact_if_needed(
        &mut self,
        messages: &[Message],
        tier: ModelTier,
        means: &Means<'_>,
        now: Timestamp,
    ) -> Result<CompactionOutcome, CompactError> {
        let threshold = share_of(tier.context_limit(), "threshold_ratio", self.threshold_ratio)?;
        let tokens = count_tokens(messages, means.counter);
        if tokens < threshold || messages.is_empty() {
            return Ok(CompactionOutcome::NotNeeded { tokens, threshold });
        }
        let goal = Goal {
            max_tokens: Some(threshold / 2),
            keep_recent: self.keep_recent,
            // A small model has no room for a long summary.
            summary_max_tokens: self.summary_max_tokens.min(threshold / 4).max(1),
            ..Goal::default()
        };
        let compacted = self.strategy.plan(messages, &goal, means)?.apply(messages, means)?;
        self.metrics.record(&compacted, now);
        Ok(CompactionOutcome::Compacted(Box::new(compacted)))
    }
}

impl std::fmt::Debug for MessageCompactor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MessageCompactor")
            .field("threshold_ratio", &self.threshold_ratio)
            .field("keep_recent", &self.keep_recent)
            .field("summary_max_tokens", &self.summary_max_tokens)
            .field("strategy", &self.strategy.name())
            .field("metrics", &self.metrics)
            .finish()
    }
}

/// A share of a limit, in tokens.
pub(crate) fn share_of(limit: usize, field: &'static str, share: f64) -> Result<usize, CompactError> {
    if share > 0.0 && share <= 1.0 {
        // The ratios are decimal fractions: 0.7 of 32,000 is 22,400 and no less.
        return Ok((limit as f64 * share + 1e-6) as usize);
    }
    Err(CompactError::Setting { field, expected: "above 0 and at most 1", got: share.to_string() })
}

#[cfg(test)]
mod tests {
    use mnemon_core::EstimateCounter;

    use super::*;
    use crate::{Extractive, MessageKind, check_order};

    fn talk(count: usize) -> Vec<Message> {
        (0..count)
            .map(|i| {
                let text = format!("On day {i} boat number {i} left for Harbour{} with {} people.", i % 9, i * 3);
                if i % 2 == 0 { Message::user(text) } else { Message::assistant(text) }
            })
            .collect()
    }

    #[test]
    fn tiers_have_their_limits() {
        let tiers =
            [ModelTier::Orchestrator, ModelTier::Coding, ModelTier::Reasoning, ModelTier::General, ModelTier::Fast];
        let thresholds = tiers.map(|tier| share_of(tier.context_limit(), "threshold_ratio", 0.7).unwrap());
        assert_eq!(thresholds, [140_000, 89_600, 44_800, 22_400, 22_400]);
        assert_eq!(ModelTier::Limit(5).context_limit(), 5);
    }

    #[test]
    fn it_compacts_from_the_threshold_on_and_keeps_recent_messages() {
        let extractive = Extractive::default();
        let means = Means { counter: &EstimateCounter, vectors: None, summarizer: &extractive };
        let messages = talk(100);
        let tokens = count_tokens(&messages, means.counter);
        let mut compactor = MessageCompactor { threshold_ratio: 0.5, ..MessageCompactor::default() };
        let now: Timestamp = "2026-01-02T03:04:05Z".parse().unwrap();

        let roomy = ModelTier::Limit(2 * tokens + 2);
        let outcome = compactor.compact_if_needed(&messages, roomy, &means, now).unwrap();
        assert!(
            matches!(outcome, CompactionOutcome::NotNeeded { tokens: t, threshold } if t == tokens && threshold == tokens + 1)
        );
        assert_eq!((compactor.metrics().count, compactor.metrics().last_at), (0, None));

        let tight = ModelTier::Limit(2 * tokens);
        let outcome = compactor.compact_if_needed(&messages, tight, &means, now).unwrap();
        let compacted = outcome.compacted().unwrap();
        check_order(&compacted.messages).unwrap();
        assert_eq!(compacted.strategy, "summarise");
        assert!(compacted.tokens_after <= tokens / 2);
        assert!(matches!(compacted.messages[0].kind, MessageKind::Summary(_)));
        assert!(compacted.messages.ends_with(&messages[90..]));
        let metrics = *compactor.metrics();
        assert_eq!((metrics.count, metrics.last_at, metrics.tokens_before), (1, Some(now), tokens));
        assert!(metrics.ratio() <= 0.5 && metrics.quality.is_some_and(|quality| quality > 0.1 && quality < 1.0));
        assert_eq!(metrics.tokens_freed as usize, tokens - metrics.tokens_after);

        let again = compactor.compact_if_needed(&compacted.messages, tight, &means, now).unwrap();
        assert!(again.compacted().is_none(), "there is room for many turns");
        compactor.threshold_ratio = 0.0;
        assert!(compactor.compact_if_needed(&messages, tight, &means, now).is_err());
    }
}
