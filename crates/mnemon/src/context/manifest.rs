//! The account of a context: what went in and what did not, and why.

use mnemon_core::{Kind, Memory, MemoryId, ModelId, Origin, Scope, SessionId, Timestamp, Trust, Via};
use mnemon_long_term::{Degradation, Signals};
use serde::Serialize;

/// How a context was made.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Manifest {
    /// The most tokens that were allowed.
    pub budget: usize,
    /// The tokens of the context: of its text or of its messages (with 4 for the frame of each, and 3 for the
    /// answer's), whichever are more. Never above the budget.
    pub tokens: usize,
    /// What counted them.
    pub tokenizer: String,
    /// The embedding model that compared meanings, where there was one.
    pub model: Option<ModelId>,
    /// The scope that was read.
    pub scope: Scope,
    /// The session whose recent turns were considered, if it has begun.
    pub session: Option<SessionId>,
    /// The chance, from 0 to 1, that anything in memory is about the input; see [`Recall::relevance`](crate::Recall).
    pub relevance: Option<f32>,
    /// Everything that was considered, block after block; within a block in the order in which it was considered.
    pub items: Vec<Item>,
    /// Why less may have been found than there is.
    pub degraded: Option<Degradation>,
}

impl Manifest {
    /// The items that are part of the context.
    pub fn included(&self) -> impl Iterator<Item = &Item> {
        self.items.iter().filter(|item| item.fate == Fate::Included)
    }

    /// The items that were considered and left out.
    pub fn dropped(&self) -> impl Iterator<Item = &Item> {
        self.items.iter().filter(|item| item.fate != Fate::Included)
    }
}

/// A part of a context.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Block {
    /// Memories that are part of every context.
    Pinned,
    /// Summaries of what left the window of the session.
    Summary,
    /// What recall found.
    Recalled,
    /// The last turns of the window.
    Recent,
    /// The input.
    Input,
}

/// What became of an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Fate {
    /// It is part of the context.
    Included,
    /// It did not fit into the share of its block, and other blocks needed the rest.
    OverShare,
    /// It did not fit into what was left of the budget.
    OverBudget,
}

/// Something that was considered for a context.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Item {
    /// The part of the context.
    pub block: Block,
    /// What became of it.
    pub fate: Fate,
    /// The tokens that it takes, with its line breaks and frame, counted alone.
    pub tokens: usize,
    /// How well it answers, for what was recalled; see [`Hit::score`](crate::Hit::score).
    pub score: Option<f32>,
    /// What the score is made of.
    pub signals: Option<Signals>,
    /// Where it comes from; `None` for the input.
    pub source: Option<Source>,
    /// Its text.
    pub text: String,
}

/// Where an item comes from.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Source {
    /// The memory.
    pub id: MemoryId,
    /// What it is.
    pub kind: Kind,
    /// Who said it.
    pub speaker: Option<String>,
    /// In which session, for turns.
    pub session: Option<SessionId>,
    /// At which place of the session, for turns.
    pub position: Option<u32>,
    /// By which path it came.
    pub via: Via,
    /// Where it was imported from.
    pub origin: Option<Origin>,
    /// How far it may be believed.
    pub trust: Trust,
    /// When it happened or was said, or else was stored.
    pub time: Timestamp,
}

impl Source {
    pub(super) fn of(memory: &Memory) -> Self {
        Self {
            id: memory.id,
            kind: memory.kind,
            speaker: memory.speaker().map(ToOwned::to_owned),
            session: memory.turn.as_ref().map(|turn| turn.session),
            position: memory.turn.as_ref().map(|turn| turn.position),
            via: memory.via(),
            origin: memory.origin.clone(),
            trust: memory.trust,
            time: memory.time(),
        }
    }
}
