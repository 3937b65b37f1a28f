//! The agent that is watched, as its owner brings it.

use std::borrow::Cow;
use std::error::Error;

use serde::{Deserialize, Serialize};

use crate::Message;

/// What an agent says when it fails: any error of its owner's.
pub type AgentError = Box<dyn Error + Send + Sync>;

/// Which agent it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct AgentId {
    /// What it is, such as the name of its model or its role in a team. The session that follows has the same.
    pub kind: String,
    /// Its session. Every session has another.
    pub session: String,
}

impl AgentId {
    /// An agent of this kind, in this session.
    #[must_use]
    pub fn new(kind: impl Into<String>, session: impl Into<String>) -> Self {
        Self { kind: kind.into(), session: session.into() }
    }
}

/// How full a context is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Usage {
    /// The tokens in it. They may be more than `total`.
    pub used: usize,
    /// The tokens that the model reads at most.
    pub total: usize,
}

impl Usage {
    /// The tokens in it as a share of those that fit; 1 where none fit.
    #[must_use]
    pub fn share(&self) -> f64 {
        if self.total == 0 { 1.0 } else { self.used as f64 / self.total as f64 }
    }
}

/// One session of an agent: a handle to a conversation with a model, here or at a provider.
///
/// [`ContextMonitor`](crate::ContextMonitor) calls it from the thread of its caller and never from two at once. An agent
/// that is async waits for its runtime inside. Nothing here is taken on trust: after a call that fails the monitor looks
/// what the agent holds, and what it was given it reads back.
pub trait Agent {
    /// What it is, and its session.
    fn id(&self) -> AgentId;

    /// Everything that the model would read before the next message, in order, instructions of the system included where
    /// the agent keeps them among its messages.
    ///
    /// # Errors
    /// When it cannot be read.
    fn history(&self) -> Result<Cow<'_, [Message]>, AgentError>;

    /// How full its context is, as its provider says. It counts what no message shows, such as descriptions of tools.
    /// `None` where the agent does not know, which is what it says when it does not implement this.
    ///
    /// # Errors
    /// When it should know, and cannot find out.
    fn context_usage(&self) -> Result<Option<Usage>, AgentError> {
        Ok(None)
    }

    /// Says something to the model, as the person does, and gives its answer. Both are part of the history then.
    ///
    /// # Errors
    /// When there is no answer. The history may have grown by what was said; the monitor puts it back.
    fn send_message(&mut self, text: &str) -> Result<String, AgentError>;

    /// Puts these messages in the place of the whole history.
    ///
    /// # Errors
    /// When it did not, or not wholly. The monitor then puts back what was there.
    fn replace_history(&mut self, messages: Vec<Message>) -> Result<(), AgentError>;

    /// Starts another session of the same kind, beside this one, which is not changed.
    ///
    /// # Errors
    /// When there is none; then nothing is left of it.
    fn spawn(&self) -> Result<Self, AgentError>
    where
        Self: Sized;

    /// Ends the session. Of one that has ended it is no error.
    ///
    /// # Errors
    /// When it may not have ended. It is tried again.
    fn close(&mut self) -> Result<(), AgentError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_one_where_nothing_fits() {
        assert_eq!(Usage { used: 3, total: 4 }.share(), 0.75);
        assert_eq!(Usage { used: 0, total: 0 }.share(), 1.0);
    }
}
