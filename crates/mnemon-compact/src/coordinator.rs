//! The chosen strategy, at a share of the context limit.

use mnemon_core::Timestamp;

use crate::compactor::share_of;
use crate::{CompactError, CompactionMetrics, CompactionOutcome, Goal, Means, Message, Strategy, count_tokens};

/// Watches a conversation against a context limit and runs its strategy from a share of it on (0.8). Where the owner gives
/// [`Means`] with a cache of vectors, a message is embedded once however often it is looked at.
pub struct Coordinator {
    /// The tokens that the model reads at most.
    pub context_limit: usize,
    /// The share of the limit from which on the strategy runs. Above 0, at most 1.
    pub threshold: f64,
    /// What is asked of the strategy. Where it names no tokens, its ratio is that of the tokens there are, and not of the
    /// limit.
    pub goal: Goal,
    strategy: Box<dyn Strategy>,
    metrics: CompactionMetrics,
}

impl Coordinator {
    /// From 0.8 of this limit on, half of it is kept by this strategy.
    #[must_use]
    pub fn new(context_limit: usize, strategy: Box<dyn Strategy>) -> Self {
        Self { context_limit, threshold: 0.8, goal: Goal::default(), strategy, metrics: CompactionMetrics::default() }
    }

    /// What it did so far.
    #[must_use]
    pub fn metrics(&self) -> &CompactionMetrics {
        &self.metrics
    }

    /// Runs the strategy when the messages have come to the threshold. `now` goes into the metrics.
    ///
    /// # Errors
    /// When a setting is outside of its range, or the strategy fails. The messages are not touched.
    pub fn check(
        &mut self,
        messages: &[Message],
        means: &Means<'_>,
        now: Timestamp,
    ) -> Result<CompactionOutcome, CompactError> {
        let threshold = share_of(self.context_limit, "threshold", self.threshold)?;
        let tokens = count_tokens(messages, means.counter);
        if tokens < threshold || messages.is_empty() {
            return Ok(CompactionOutcome::NotNeeded { tokens, threshold });
        }
        let compacted = self.strategy.plan(messages, &self.goal, means)?.apply(messages, means)?;
        self.metrics.record(&compacted, now);
        Ok(CompactionOutcome::Compacted(Box::new(compacted)))
    }
}

impl std::fmt::Debug for Coordinator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Coordinator")
            .field("context_limit", &self.context_limit)
            .field("threshold", &self.threshold)
            .field("goal", &self.goal)
            .field("strategy", &self.strategy.name())
            .field("metrics", &self.metrics)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use mnemon_core::EstimateCounter;

    use super::*;
    use crate::fixtures::WordEmbedder;
    use crate::{Extractive, MemoryVectors, Semantic, Vectors};

    #[test]
    fn it_runs_at_four_fifths_of_the_limit_and_embeds_once() {
        let (embedder, cache, extractive) = (WordEmbedder::default(), MemoryVectors::default(), Extractive::default());
        let vectors = Some(Vectors::new(&embedder, &cache));
        let means = Means { counter: &EstimateCounter, vectors, summarizer: &extractive };
        let mut messages: Vec<Message> =
            (0..50)
                .map(|i| {
                    if i % 2 == 0 { Message::user(format!("boat {i}")) } else { Message::assistant(format!("day {i}")) }
                })
                .collect();
        let tokens = count_tokens(&messages, means.counter);
        let mut coordinator = Coordinator::new(tokens * 5 / 4 + 2, Box::new(Semantic));
        assert!(coordinator.check(&messages, &means, Timestamp::UNIX_EPOCH).unwrap().compacted().is_none());
        assert_eq!(embedder.embedded(), 0);
        messages.push(Message::user("and one more boat"));
        let outcome = coordinator.check(&messages, &means, Timestamp::UNIX_EPOCH).unwrap();
        assert_eq!((outcome.compacted().unwrap().strategy.as_str(), embedder.embedded()), ("semantic", 51));
        coordinator.check(&messages, &means, Timestamp::UNIX_EPOCH).unwrap();
        assert_eq!((coordinator.metrics().count, embedder.embedded()), (2, 51));
    }
}
