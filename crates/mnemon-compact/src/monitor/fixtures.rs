//! An agent for tests: a history, an answer, and faults.

use std::borrow::Cow;
use std::collections::BTreeSet;

use mnemon_core::{EstimateCounter, TokenCounter};

use super::{Agent, AgentError, AgentId, Usage};
use crate::{Extractive, Means, Message, count_tokens};

/// Counts tokens as [`EstimateCounter`] does, and reports `overhead` more.
#[derive(Debug, Clone, Default)]
pub(crate) struct TestAgent {
    pub(crate) messages: Vec<Message>,
    /// What it answers; `None` fails, with the question in its history.
    pub(crate) answer: Option<String>,
    pub(crate) asked: Vec<String>,
    pub(crate) limit: usize,
    pub(crate) overhead: usize,
    /// How often its history was to be replaced.
    pub(crate) replaced: usize,
    /// Which of those calls fail, from 1, after they did half of it.
    pub(crate) failing: BTreeSet<usize>,
    /// It does nothing when its history is to be replaced.
    pub(crate) is_deaf: bool,
}

impl TestAgent {
    pub(crate) fn new(messages: Vec<Message>, limit: usize) -> Self {
        Self { messages, limit, ..Self::default() }
    }

    pub(crate) fn tokens(&self) -> usize {
        count_tokens(&self.messages, &EstimateCounter)
    }
}

impl Agent for TestAgent {
    fn id(&self) -> AgentId {
        AgentId::new("tester", "s1")
    }

    fn history(&self) -> Result<Cow<'_, [Message]>, AgentError> {
        Ok(Cow::Borrowed(&self.messages))
    }

    fn context_usage(&self) -> Result<Option<Usage>, AgentError> {
        Ok(Some(Usage { used: self.tokens() + self.overhead, total: self.limit }))
    }

    fn send_message(&mut self, text: &str) -> Result<String, AgentError> {
        self.asked.push(text.to_owned());
        self.messages.push(Message::user(text));
        let answer = self.answer.clone().ok_or("the model is gone")?;
        self.messages.push(Message::assistant(answer.as_str()));
        Ok(answer)
    }

    fn replace_history(&mut self, messages: Vec<Message>) -> Result<(), AgentError> {
        self.replaced += 1;
        if self.failing.contains(&self.replaced) {
            self.messages.truncate(messages.len() / 2);
            return Err("the line is cut".into());
        }
        if !self.is_deaf {
            self.messages = messages;
        }
        Ok(())
    }

    fn spawn(&self) -> Result<Self, AgentError> {
        Err("no more sessions".into())
    }

    fn close(&mut self) -> Result<(), AgentError> {
        Ok(())
    }
}

/// A talk of so many messages, with something to tell in each.
pub(crate) fn talk(count: usize) -> Vec<Message> {
    (0..count)
        .map(|i| {
            let text = format!("On day {i} boat number {i} left for Harbour{} with {} people on board.", i % 9, i * 3);
            let message = if i % 2 == 0 { Message::user(text) } else { Message::assistant(text) };
            message.with_id(format!("m{i}"))
        })
        .collect()
}

pub(crate) fn with_means<T>(run: impl FnOnce(&Means<'_>) -> T) -> T {
    let extractive = Extractive::default();
    let counter: &dyn TokenCounter = &EstimateCounter;
    run(&Means { counter, vectors: None, summarizer: &extractive })
}
