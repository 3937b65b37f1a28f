//! Summaries, and what is known of them.

mod extractive;
mod model;
mod prompts;
mod quality;
mod tree;

use std::ops::Range;

use mnemon_core::{Role, Timestamp, TokenCounter};
use serde::{Deserialize, Serialize};

pub use extractive::Extractive;
pub use model::ModelSummarizer;
pub use prompts::{Domain, Prompts, Task};
pub use quality::{Quality, quality};
pub use tree::{Levels, SummaryTree};

use crate::units::ranges;
use crate::{CompactError, Message, MessageKind, Vectors};

/// Writes summaries. Bring your own by implementing it; [`Summary::new`] measures what came of it.
pub trait Summarizer: Send + Sync {
    /// Writes a summary of at most [`SummaryRequest::max_tokens`] tokens.
    ///
    /// # Errors
    /// When there is nothing to summarise or no room for a word.
    fn summarise(&self, request: &SummaryRequest<'_>) -> Result<Summary, CompactError>;
}

/// What is to be summarised, and how.
#[derive(Clone)]
pub struct SummaryRequest<'a> {
    /// The messages with their positions in the conversation, in order. Summaries among them are summarised again.
    pub messages: Vec<(usize, &'a Message)>,
    /// The most tokens of the text.
    pub max_tokens: usize,
    /// Counts them.
    pub counter: &'a dyn TokenCounter,
    /// Vectors of sentences. Without them meanings are compared by words.
    pub vectors: Option<Vectors<'a>>,
}

impl<'a> SummaryRequest<'a> {
    /// A summary of these messages in at most so many tokens, without vectors.
    #[must_use]
    pub fn new(messages: Vec<(usize, &'a Message)>, max_tokens: usize, counter: &'a dyn TokenCounter) -> Self {
        Self { messages, max_tokens, counter, vectors: None }
    }

    /// A summary of a whole conversation.
    #[must_use]
    pub fn of(messages: &'a [Message], max_tokens: usize, counter: &'a dyn TokenCounter) -> Self {
        Self::new(messages.iter().enumerate().collect(), max_tokens, counter)
    }

    /// The same with vectors.
    #[must_use]
    pub fn with_vectors(self, vectors: Vectors<'a>) -> Self {
        Self { vectors: Some(vectors), ..self }
    }
}

/// A text that stands for messages.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// The text.
    pub text: String,
    /// What is known of it.
    pub meta: SummaryMeta,
}

/// What is known of a summary.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SummaryMeta {
    /// The ids of the messages that it stands for, as far as they have some, in order; those of the messages behind a
    /// summary that went into it too.
    pub ids: Vec<String>,
    /// Their positions in the conversation that was compacted.
    pub ranges: Vec<Range<usize>>,
    /// How many messages it stands for, those behind summaries counted one by one.
    pub messages: usize,
    /// When the first of them was said, where that is known.
    pub from: Option<Timestamp>,
    /// When the last was.
    pub until: Option<Timestamp>,
    /// The tokens of what it was written from.
    pub tokens_before: usize,
    /// The tokens of its text.
    pub tokens_after: usize,
    /// Who wrote it.
    pub method: Method,
    /// Why the first choice did not write it.
    pub fallback: Option<Fallback>,
    /// How much of what matters is in it.
    pub quality: Quality,
    /// 1 for a summary of messages, 2 for one with a summary of messages in it, and so on.
    pub depth: u32,
}

impl SummaryMeta {
    /// The tokens after as a share of those before.
    #[must_use]
    pub fn ratio(&self) -> f64 {
        crate::plan::ratio(self.tokens_before, self.tokens_after)
    }
}

/// Who wrote a summary.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Method {
    /// Sentences of the source, word for word.
    Extractive,
    /// A language model.
    Model(String),
    /// Something of the owner's.
    Other(String),
}

/// Why a language model's summary was not taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Fallback {
    /// It gave no answer.
    #[error("{model} failed: {why}")]
    Failed {
        /// Which model.
        model: String,
        /// What it said, with the errors underneath.
        why: String,
    },
    /// It answered nothing.
    #[error("{model} answered with an empty text")]
    Empty {
        /// Which model.
        model: String,
    },
    /// It answered with more than was allowed.
    #[error("{model} answered with {got} tokens, expected at most {expected}")]
    TooLong {
        /// Which model.
        model: String,
        /// The most tokens.
        expected: usize,
        /// Those of the answer.
        got: usize,
    },
    /// Its answer ended in the middle.
    #[error("the answer of {model} was cut off")]
    Cut {
        /// Which model.
        model: String,
    },
}

impl Summary {
    /// A summary with this text: measures tokens, coverage and quality.
    ///
    /// # Errors
    /// When the text is longer than asked for, or the embedder fails.
    pub fn new(text: String, request: &SummaryRequest<'_>, method: Method) -> Result<Self, CompactError> {
        let tokens_after = request.counter.count(&text);
        if tokens_after > request.max_tokens {
            return Err(CompactError::OverBudget { expected: request.max_tokens, got: tokens_after });
        }
        let sources: Vec<&str> = request.messages.iter().map(|(_, message)| message.content.as_str()).collect();
        let quality = quality(&sources, &text, request.vectors)?;
        let mut meta = SummaryMeta {
            ids: Vec::new(),
            ranges: ranges(request.messages.iter().map(|(position, _)| *position)),
            messages: 0,
            from: None,
            until: None,
            tokens_before: request.messages.iter().map(|(_, message)| message.tokens(request.counter)).sum(),
            tokens_after,
            method,
            fallback: None,
            quality,
            depth: 1,
        };
        for (_, message) in &request.messages {
            let (from, until) = match &message.kind {
                MessageKind::Bridge => continue,
                MessageKind::Said => {
                    meta.ids.extend(message.id.clone());
                    meta.messages += 1;
                    (message.at, message.at)
                }
                MessageKind::Summary(inner) => {
                    meta.ids.extend(inner.ids.iter().cloned());
                    meta.messages += inner.messages;
                    meta.depth = meta.depth.max(inner.depth + 1);
                    (inner.from, inner.until)
                }
            };
            meta.from = [meta.from, from].into_iter().flatten().min();
            meta.until = [meta.until, until].into_iter().flatten().max();
        }
        Ok(Self { text, meta })
    }

    /// The message that stands in the conversation. It is the person's: text that came from people and tools has no
    /// business among the instructions of the system.
    #[must_use]
    pub fn into_message(self) -> Message {
        let content = format!("[Summary of {} earlier messages]\n{}", self.meta.messages, self.text);
        let at = self.meta.from;
        Message { at, kind: MessageKind::Summary(Box::new(self.meta)), ..Message::new(Role::User, content) }
    }

    /// The text of a message that [`Summary::into_message`] made; `None` for any other.
    #[must_use]
    pub fn text_of(message: &Message) -> Option<&str> {
        match &message.kind {
            MessageKind::Summary(_) => Some(match message.content.split_once('\n') {
                Some((head, text)) if head.starts_with("[Summary of ") => text,
                _ => &message.content,
            }),
            _ => None,
        }
    }

    /// Stands for a summary that is not written yet, where tokens are counted: a text of one mark, under the longest head.
    pub(crate) fn placeholder() -> Self {
        Self {
            text: ".".to_owned(),
            meta: SummaryMeta {
                ids: Vec::new(),
                ranges: Vec::new(),
                messages: 99_999,
                from: None,
                until: None,
                tokens_before: 0,
                tokens_after: 1,
                method: Method::Extractive,
                fallback: None,
                quality: Quality::default(),
                depth: 1,
            },
        }
    }
}
