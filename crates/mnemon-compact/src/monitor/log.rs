//! What is written down of rotations.

use mnemon_core::Timestamp;
use serde::{Deserialize, Serialize};

use super::{AgentError, AgentId, RotationStep, Usage};

/// Where the owner writes rotations down, beside what `tracing` is told. A closure is one.
///
/// A rotation is written twice: before the new session is told to begin, and when it is over. As long as the first
/// cannot be written nothing is switched, so no session changes that the log does not know of.
pub trait RotationLog: Send {
    /// Writes a record.
    ///
    /// # Errors
    /// When it is not written.
    fn record(&mut self, record: &RotationRecord) -> Result<(), AgentError>;
}

impl<F: FnMut(&RotationRecord) -> Result<(), AgentError> + Send> RotationLog for F {
    fn record(&mut self, record: &RotationRecord) -> Result<(), AgentError> {
        self(record)
    }
}

/// Writes nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoLog;

impl RotationLog for NoLog {
    fn record(&mut self, _: &RotationRecord) -> Result<(), AgentError> {
        Ok(())
    }
}

/// What is known of a rotation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RotationRecord {
    /// When it began, as its caller said.
    pub at: Timestamp,
    /// How far it is.
    pub phase: RotationPhase,
    /// The session that is to end.
    pub old: AgentId,
    /// The session that is to follow, where it was started.
    pub new_session: Option<String>,
    /// The id of the issue that is handed over.
    pub issue: String,
    /// How full the old context was.
    pub before: Option<Usage>,
    /// How full the new one is, where that is known.
    pub after: Option<Usage>,
    /// The tokens of the handover context.
    pub handover_tokens: usize,
    /// How many messages went from the old session to the new word for word.
    pub carried: usize,
}

/// How far a rotation is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RotationPhase {
    /// The new session is there, and is told to begin next.
    Begun,
    /// The new session is in use.
    Rotated {
        /// Sessions that could not be closed.
        left_over: Vec<String>,
    },
    /// The old session stays in use.
    Undone {
        /// Which step failed.
        step: RotationStep,
        /// Why.
        why: String,
        /// Sessions that could not be closed.
        left_over: Vec<String>,
    },
}
