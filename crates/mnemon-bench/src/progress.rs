//! How far a benchmark has come.

use serde::{Deserialize, Serialize};

/// What a benchmark is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// Conversations are being stored.
    Import,
    /// They are being embedded.
    Embed,
    /// Questions are being asked.
    Ask,
    /// Texts are being embedded for the dense baseline.
    Baseline,
    /// The model reads the texts of which vectors are composed.
    Read,
    /// Vectors are put into an index.
    Index,
    /// Conversations are being made shorter.
    Compact,
    /// A graph over vectors is being built; how far it has come is not known.
    Graph,
}

/// How far a step has come. A step may come again, for the next memory that is filled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// Which step.
    pub step: Step,
    /// How much is done.
    pub done: u64,
    /// Of how much.
    pub total: u64,
}

impl Progress {
    pub(crate) fn new(step: Step, done: usize, total: usize) -> Self {
        Self { step, done: done as u64, total: total as u64 }
    }
}

impl From<mnemon::Progress> for Progress {
    fn from(progress: mnemon::Progress) -> Self {
        let step = match progress.step {
            mnemon::Step::Store => Step::Import,
            mnemon::Step::Embed => Step::Embed,
        };
        Self { step, done: progress.done, total: progress.total }
    }
}
