//! Keeps an agent's context from running full: compaction, and a new session where that is not enough.

mod agent;
mod answer;
mod compaction;
#[cfg(test)]
mod fixtures;
mod handover;
mod log;
mod rotation;
mod thresholds;

use mnemon_core::TokenCounter;
use serde::{Deserialize, Serialize};

pub use agent::{Agent, AgentError, AgentId, Usage};
pub use compaction::{CompactionResult, HistoryState};
pub use handover::{Handover, HandoverRequest, NextIssue, SummaryHandover};
pub use log::{NoLog, RotationLog, RotationPhase, RotationRecord};
pub use rotation::{LeftOver, RotationProblem, RotationStep, SessionRotation};
pub use thresholds::{Advice, Thresholds};

use crate::compactor::share_of;
use crate::{
    CompactError, CompactionMetrics, Hybrid, HybridMode, ModelTier, Prompts, Salient, Strategy, Summarise, Truncate,
    count_tokens,
};
use thresholds::Watch;

/// Watches how full the contexts of agents are, compacts them and has new sessions take over.
///
/// ```text
/// loop:  agent.send_message(…)
///        match monitor.check(&agent, &means)?.advice
///            Compact → monitor.compact(&mut agent, &means, now)
///            Rotate  → monitor.trigger_rotation(&mut agent, &next, &means, now)
/// ```
///
/// One serves any number of agents, and keeps a few bytes for each session that stayed full after a compaction.
pub struct ContextMonitor {
    /// From how full a context on something is due.
    pub thresholds: Thresholds,
    /// Where usage comes from.
    pub usage_from: UsageFrom,
    /// How a compaction is done.
    pub compaction: CompactionAim,
    /// The most tokens of a handover; a quarter of the context where that is less.
    pub handover_max_tokens: usize,
    /// How often a session is asked to close before it is given to the caller: 1 to 100.
    pub close_attempts: u32,
    strategy: Box<dyn Strategy>,
    handover: Box<dyn Handover>,
    log: Box<dyn RotationLog>,
    watch: Watch,
    metrics: CompactionMetrics,
}

/// Where usage comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum UsageFrom {
    /// The messages of the agent, counted against the limit of a tier.
    Messages(ModelTier),
    /// What the agent reports. It is an error when it reports nothing.
    Agent,
    /// What the agent reports, else its messages counted against the limit of a tier.
    AgentOrMessages(ModelTier),
}

/// How a compaction is done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CompactionAim {
    /// The share of the tokens that is to be freed. Above 0, below 1. Strategies free up to a message more.
    pub target: f64,
    /// When less than this share was freed there is a second pass. Above 0, at most `target`.
    pub least: f64,
    /// As many of the last messages stay as they are, while they fit. The usual value is all that fit: a compaction frees
    /// what is asked for, and not more.
    pub keep_recent: usize,
    /// The most tokens of a summary; a quarter of what may stay where that is less.
    pub summary_max_tokens: usize,
    /// Whether the agent is asked for the summary. It knows best what it did, and it costs an answer of a model that reads
    /// its whole context. An answer that is empty, too long or says too little is not taken; the summariser at hand then
    /// writes the summary, and its [`fallback`](crate::SummaryMeta::fallback) says why.
    pub ask_agent: bool,
    /// How much of what matters in the session has to be in the agent's summary, as a share of what [`crate::Extractive`]
    /// gets into the same room ([`crate::quality`], by words). 0 takes any answer, 1 hardly one.
    pub least_quality: f64,
    /// What the agent is asked for.
    pub prompts: Prompts,
}

/// What a look at an agent showed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Checked {
    /// How full its context is.
    pub usage: Usage,
    /// What is due.
    pub advice: Advice,
}

impl Default for CompactionAim {
    /// 45 % freed, at least 40; a summary of up to 1,024 tokens by the agent, to go on with the work.
    fn default() -> Self {
        Self {
            target: 0.45,
            least: 0.4,
            keep_recent: usize::MAX,
            summary_max_tokens: 1_024,
            ask_agent: true,
            least_quality: 0.4,
            prompts: Prompts::default(),
        }
    }
}

impl ContextMonitor {
    /// A monitor with the usual thresholds (0.8 and 0.95). It compacts by a summary of what is old; where that does not
    /// fit, to the most telling messages, and at last to the newest ones. A new session gets a summary of the old one.
    #[must_use]
    pub fn new(usage_from: UsageFrom) -> Self {
        let strategies: Vec<Box<dyn Strategy>> =
            vec![Box::new(Summarise), Box::new(Salient::default()), Box::new(Truncate)];
        Self {
            thresholds: Thresholds::default(),
            usage_from,
            compaction: CompactionAim::default(),
            handover_max_tokens: 2_000,
            close_attempts: 3,
            strategy: Box::new(Hybrid::new(HybridMode::FirstThatFits, strategies)),
            handover: Box::new(SummaryHandover),
            log: Box::new(NoLog),
            watch: Watch::default(),
            metrics: CompactionMetrics::default(),
        }
    }

    /// The same with another strategy.
    #[must_use]
    pub fn with_strategy(self, strategy: Box<dyn Strategy>) -> Self {
        Self { strategy, ..self }
    }

    /// The same with another handover, such as a context built from long-term memory.
    #[must_use]
    pub fn with_handover(self, handover: Box<dyn Handover>) -> Self {
        Self { handover, ..self }
    }

    /// The same with a log of rotations.
    #[must_use]
    pub fn with_log(self, log: Box<dyn RotationLog>) -> Self {
        Self { log, ..self }
    }

    /// What its compactions did so far.
    #[must_use]
    pub fn metrics(&self) -> &CompactionMetrics {
        &self.metrics
    }

    /// Looks how full an agent's context is and says what is due; see [`Thresholds`]. Until it is done, it stays due.
    ///
    /// Cost: counting the agent's messages, or asking it.
    ///
    /// # Errors
    /// When a setting is outside of its range, or the usage cannot be told.
    pub fn check<A: Agent>(&mut self, agent: &A, counter: &dyn TokenCounter) -> Result<Checked, CompactError> {
        self.check_settings()?;
        let usage = self.usage(agent, counter)?;
        let advice = self.watch.advise(&agent.id().session, usage, &self.thresholds)?;
        Ok(Checked { usage, advice })
    }

    /// How full an agent's context is.
    ///
    /// # Errors
    /// When the agent fails, or reports nothing where it has to.
    pub fn usage<A: Agent>(&self, agent: &A, counter: &dyn TokenCounter) -> Result<Usage, CompactError> {
        let reported = match self.usage_from {
            UsageFrom::Messages(_) => None,
            UsageFrom::Agent | UsageFrom::AgentOrMessages(_) => {
                agent.context_usage().map_err(|source| failed(AGENT, "report its usage", source))?
            }
        };
        let usage = match (reported, self.usage_from) {
            (Some(usage), _) => usage,
            (None, UsageFrom::Agent) => {
                return Err(CompactError::BadAgent {
                    expected: "its usage".to_owned(),
                    got: "nothing reported".to_owned(),
                });
            }
            (None, UsageFrom::Messages(tier) | UsageFrom::AgentOrMessages(tier)) => {
                let history = agent.history().map_err(|source| failed(AGENT, "give its history", source))?;
                Usage { used: count_tokens(&history, counter), total: tier.context_limit() }
            }
        };
        if usage.total == 0 {
            return Err(CompactError::BadAgent {
                expected: "a context of at least one token".to_owned(),
                got: "one of 0".to_owned(),
            });
        }
        Ok(usage)
    }

    fn check_settings(&self) -> Result<(), CompactError> {
        self.thresholds.check()?;
        self.compaction.check()?;
        let wrong = |field, expected, got: u64| Err(CompactError::Setting { field, expected, got: got.to_string() });
        if self.handover_max_tokens == 0 {
            return wrong("handover_max_tokens", "at least 1", 0);
        }
        if !(1..=100).contains(&self.close_attempts) {
            return wrong("close_attempts", "from 1 to 100", self.close_attempts.into());
        }
        Ok(())
    }
}

impl CompactionAim {
    fn check(&self) -> Result<(), CompactError> {
        share_of(1, "target", self.target)?;
        let wrong = |field, expected, got: f64| Err(CompactError::Setting { field, expected, got: got.to_string() });
        if self.target >= 1.0 {
            return wrong("target", "above 0 and below 1", self.target);
        }
        if !(self.least > 0.0 && self.least <= self.target) {
            return wrong("least", "above 0 and at most target", self.least);
        }
        if !(0.0..=1.0).contains(&self.least_quality) {
            return wrong("least_quality", "from 0 to 1", self.least_quality);
        }
        if self.summary_max_tokens == 0 {
            return wrong("summary_max_tokens", "at least 1", 0.0);
        }
        Ok(())
    }
}

impl std::fmt::Debug for ContextMonitor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ContextMonitor")
            .field("thresholds", &self.thresholds)
            .field("usage_from", &self.usage_from)
            .field("compaction", &self.compaction)
            .field("handover_max_tokens", &self.handover_max_tokens)
            .field("close_attempts", &self.close_attempts)
            .field("strategy", &self.strategy.name())
            .field("metrics", &self.metrics)
            .finish_non_exhaustive()
    }
}

/// Who fails, as errors name it.
const AGENT: &str = "agent";

fn failed(part: &'static str, task: &'static str, source: AgentError) -> CompactError {
    CompactError::Outside { part, task, source }
}

#[cfg(test)]
mod tests {
    use mnemon_core::EstimateCounter;

    use super::fixtures::{TestAgent, talk};
    use super::*;
    use crate::Message;

    /// An agent that reports nothing.
    struct Silent(TestAgent);

    impl Agent for Silent {
        fn id(&self) -> AgentId {
            self.0.id()
        }

        fn history(&self) -> Result<std::borrow::Cow<'_, [Message]>, AgentError> {
            self.0.history()
        }

        fn send_message(&mut self, text: &str) -> Result<String, AgentError> {
            self.0.send_message(text)
        }

        fn replace_history(&mut self, messages: Vec<Message>) -> Result<(), AgentError> {
            self.0.replace_history(messages)
        }

        fn spawn(&self) -> Result<Self, AgentError> {
            self.0.spawn().map(Self)
        }

        fn close(&mut self) -> Result<(), AgentError> {
            self.0.close()
        }
    }

    #[test]
    fn usage_is_counted_or_reported() {
        let mut agent = TestAgent::new(talk(10), 500);
        agent.overhead = 7;
        let (counted, tier) = (agent.tokens(), ModelTier::Limit(1_000));
        let reported = Usage { used: counted + 7, total: 500 };
        let from_messages = Usage { used: counted, total: 1_000 };
        let silent = Silent(agent.clone());
        let of = |from| ContextMonitor::new(from).usage(&agent, &EstimateCounter).unwrap();
        let of_silent = |from| ContextMonitor::new(from).usage(&silent, &EstimateCounter);
        assert_eq!(of(UsageFrom::Messages(tier)), from_messages);
        assert_eq!(of(UsageFrom::Agent), reported);
        assert_eq!(of(UsageFrom::AgentOrMessages(tier)), reported);
        assert_eq!(of_silent(UsageFrom::AgentOrMessages(tier)).unwrap(), from_messages);
        let error = of_silent(UsageFrom::Agent).unwrap_err();
        assert_eq!(error.to_string(), "expected its usage from the agent, got nothing reported");
        assert!(of_silent(UsageFrom::Messages(ModelTier::Limit(0))).is_err());
    }

    #[test]
    fn what_is_due_is_told_at_the_thresholds() {
        let agent = TestAgent::new(talk(100), 0);
        let advice = |share: f64| {
            let limit = (agent.tokens() as f64 / share) as usize;
            let mut monitor = ContextMonitor::new(UsageFrom::Messages(ModelTier::Limit(limit)));
            monitor.check(&agent, &EstimateCounter).unwrap().advice
        };
        assert_eq!(
            [0.79, 0.801, 0.949, 0.951].map(advice),
            [Advice::Fine, Advice::Compact, Advice::Compact, Advice::Rotate]
        );
    }

    #[test]
    fn bad_settings_are_told() {
        #[track_caller]
        fn check(wrong: impl FnOnce(&mut ContextMonitor), field: &str) {
            let mut monitor = ContextMonitor::new(UsageFrom::Agent);
            wrong(&mut monitor);
            let error = monitor.check(&TestAgent::new(talk(2), 100), &EstimateCounter).unwrap_err();
            assert!(error.to_string().starts_with(&format!("expected {field} to be ")), "{error}");
        }
        check(|monitor| monitor.compaction.target = f64::NAN, "target");
        check(|monitor| monitor.compaction.target = 1.0, "target");
        check(|monitor| monitor.compaction.least = 0.46, "least");
        check(|monitor| monitor.compaction.least_quality = 1.1, "least_quality");
        check(|monitor| monitor.compaction.summary_max_tokens = 0, "summary_max_tokens");
        check(|monitor| monitor.handover_max_tokens = 0, "handover_max_tokens");
        check(|monitor| monitor.close_attempts = 0, "close_attempts");
        check(|monitor| monitor.thresholds.rearm = 0.9, "rearm");
    }
}
