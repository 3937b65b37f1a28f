//! Settings of compression, as they stand in files.

use std::sync::Arc;
use std::time::Duration;

use mnemon_core::LanguageModel;
use serde::{Deserialize, Serialize};

use crate::{
    CompactError, Compacted, Domain, Extractive, Goal, Hybrid, HybridMode, Means, Message, ModelSummarizer, Prompts,
    RecentAndImportant, Rest, Salient, Semantic, Strategy, Summarise, Summarizer, Task, Truncate,
};

/// A strategy by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum StrategyName {
    /// [`Salient`], the rest dropped.
    Salient,
    /// [`Salient`], the rest summarised.
    SalientAndSummary,
    /// [`Semantic`].
    Semantic,
    /// [`RecentAndImportant`].
    RecentAndImportant,
    /// [`Truncate`].
    Truncate,
    /// [`Summarise`].
    #[serde(alias = "summarize")]
    Summarise,
}

impl StrategyName {
    /// The strategy, with its usual settings.
    #[must_use]
    pub fn build(self) -> Box<dyn Strategy> {
        match self {
            Self::Salient => Box::new(Salient::default()),
            Self::SalientAndSummary => Box::new(Salient { rest: Rest::Summarise, ..Salient::default() }),
            Self::Semantic => Box::new(Semantic),
            Self::RecentAndImportant => Box::new(RecentAndImportant::default()),
            Self::Truncate => Box::new(Truncate),
            Self::Summarise => Box::new(Summarise),
        }
    }
}

/// How conversations are compressed, and when by themselves.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CompressionConfig {
    /// The strategies, at least one.
    pub strategies: Vec<StrategyName>,
    /// How several of them answer.
    pub mode: HybridMode,
    /// As many of the last messages stay as they are, while they fit.
    pub keep_recent: usize,
    /// Whether [`CompressionConfig::compress_if_due`] does anything.
    pub auto_enabled: bool,
    /// From so many messages on it is due.
    pub auto_threshold: usize,
    /// It then keeps about so many messages: this share of the threshold is the share of tokens that stays.
    pub auto_target: usize,
    /// The most tokens of a summary.
    pub summary_max_tokens: usize,
    /// After so many seconds a language model is given up. What runs here is not interrupted.
    pub timeout_seconds: u64,
    /// What the conversations are about.
    pub domain: Domain,
    /// What summaries are for.
    pub task: Task,
}

impl Default for CompressionConfig {
    fn default() -> Self {
        Self {
            strategies: vec![StrategyName::Salient, StrategyName::Truncate],
            mode: HybridMode::FirstThatFits,
            keep_recent: 10,
            auto_enabled: true,
            auto_threshold: 50,
            auto_target: 25,
            summary_max_tokens: 500,
            timeout_seconds: 30,
            domain: Domain::General,
            task: Task::Continue,
        }
    }
}

impl CompressionConfig {
    /// Checks every value.
    ///
    /// # Errors
    /// The first that is outside of its range.
    pub fn check(&self) -> Result<(), CompactError> {
        let wrong = |field, expected, got: String| Err(CompactError::Setting { field, expected, got });
        if self.strategies.is_empty() {
            return wrong("strategies", "at least one", "none".to_owned());
        }
        if self.auto_threshold == 0 {
            return wrong("auto_threshold", "at least 1", "0".to_owned());
        }
        if self.auto_target == 0 || self.auto_target > self.auto_threshold {
            return wrong("auto_target", "from 1 to auto_threshold", self.auto_target.to_string());
        }
        if self.summary_max_tokens == 0 {
            return wrong("summary_max_tokens", "at least 1", "0".to_owned());
        }
        if self.timeout_seconds == 0 {
            return wrong("timeout_seconds", "at least 1", "0".to_owned());
        }
        Ok(())
    }

    /// The strategy that it names.
    #[must_use]
    pub fn strategy(&self) -> Box<dyn Strategy> {
        match self.strategies.as_slice() {
            [one] => one.build(),
            many => Box::new(Hybrid::new(self.mode, many.iter().map(|name| name.build()).collect())),
        }
    }

    /// The summariser that it asks for: the model where there is one, else the extractive one.
    #[must_use]
    pub fn summarizer(&self, model: Option<Arc<dyn LanguageModel>>) -> Box<dyn Summarizer> {
        match model {
            Some(model) => {
                let prompts = Prompts { domain: self.domain, task: self.task.clone(), extra: None };
                let timeout = Duration::from_secs(self.timeout_seconds);
                Box::new(ModelSummarizer::new(model).with_prompts(prompts).with_timeout(timeout))
            }
            None => Box::new(Extractive::default()),
        }
    }

    /// What it asks of a strategy for these messages, whether they are due or not.
    #[must_use]
    pub fn goal(&self, messages: usize) -> Goal {
        Goal {
            target_ratio: (self.auto_target as f64 / messages.max(1) as f64).min(1.0),
            keep_recent: self.keep_recent,
            min_kept: self.auto_target.min(10),
            summary_max_tokens: self.summary_max_tokens,
            ..Goal::default()
        }
    }

    /// Whether it is switched on and there are enough messages.
    #[must_use]
    pub fn is_due(&self, messages: usize) -> bool {
        self.auto_enabled && messages >= self.auto_threshold
    }

    /// Compresses the messages when that is due; `None` when not.
    ///
    /// # Errors
    /// When a setting is outside of its range, or no strategy answers.
    pub fn compress_if_due(&self, messages: &[Message], means: &Means<'_>) -> Result<Option<Compacted>, CompactError> {
        self.check()?;
        if !self.is_due(messages.len()) {
            return Ok(None);
        }
        let plan = self.strategy().plan(messages, &self.goal(messages.len()), means)?;
        plan.apply(messages, means).map(Some)
    }
}

#[cfg(test)]
mod tests {
    use mnemon_core::EstimateCounter;

    use super::*;

    #[test]
    fn it_compresses_when_due() {
        let extractive = Extractive::default();
        let means = Means { counter: &EstimateCounter, vectors: None, summarizer: &extractive };
        let messages: Vec<Message> = (0..60)
            .map(|i| {
                if i % 2 == 0 {
                    Message::user(format!("boat {i} is in Oslo"))
                } else {
                    Message::assistant(format!("number {i}"))
                }
            })
            .collect();
        let config: CompressionConfig = serde_json::from_str(
            r#"{"strategies":["truncate","summarize"],"mode":"first_that_fits","auto_threshold":60,"auto_target":30}"#,
        )
        .unwrap();
        assert!(config.compress_if_due(&messages[..59], &means).unwrap().is_none());
        let compacted = config.compress_if_due(&messages, &means).unwrap().unwrap();
        assert!((0.4..=0.5).contains(&compacted.ratio()), "{}", compacted.ratio());
        let off = CompressionConfig { auto_enabled: false, ..config };
        assert!(off.compress_if_due(&messages, &means).unwrap().is_none());
        let recent = CompressionConfig {
            strategies: vec![StrategyName::Summarise],
            summary_max_tokens: 60,
            ..CompressionConfig::default()
        };
        let compacted = recent.compress_if_due(&messages, &means).unwrap().unwrap();
        assert_eq!((compacted.summaries.len(), compacted.strategy.as_str()), (1, "summarise"));
    }

    #[test]
    fn bad_settings_are_told() {
        let default = CompressionConfig::default;
        default().check().unwrap();
        for (config, field) in [
            (CompressionConfig { strategies: vec![], ..default() }, "strategies"),
            (CompressionConfig { auto_target: 51, ..default() }, "auto_target"),
            (CompressionConfig { auto_threshold: 0, ..default() }, "auto_threshold"),
            (CompressionConfig { summary_max_tokens: 0, ..default() }, "summary_max_tokens"),
            (CompressionConfig { timeout_seconds: 0, ..default() }, "timeout_seconds"),
        ] {
            assert!(config.check().unwrap_err().to_string().contains(field));
        }
        assert!(serde_json::from_str::<CompressionConfig>(r#"{"strategy":"truncate"}"#).is_err());
    }
}
