//! Makes long conversations shorter: which messages stay, which leave, which become a summary, and the summary.
//!
//! A [`Strategy`] looks at messages and makes a [`Plan`]; the owner of the messages carries it out with [`Plan::apply`] and
//! gets a [`Compacted`] conversation that every provider accepts ([`check_order`]), with where each of its messages comes
//! from. What is [critical](Message::critical) and what the system says is never dropped, and calls of tools keep their
//! results. [`Extractive`] writes summaries offline, out of sentences of the source.
//!
//! A [`ContextMonitor`] watches how full the context of an [`Agent`] is, compacts it from 80 % on, and from 95 % on has
//! a new session take over; whichever step of that fails, the old session is still there.
//!
//! Nothing here stores, reads a clock, opens a connection or starts a thread. What embeds, counts tokens or writes like a
//! language model is given by the owner.
//!
//! ```
//! use mnemon_compact::{Extractive, Goal, Means, Message, Salient, Strategy, check_order};
//! use mnemon_core::EstimateCounter;
//!
//! let mut messages = vec![Message::system("You help with boats.")];
//! for i in 0..30 {
//!     messages.push(Message::user(format!("On day {i} I sailed {} miles past buoy {i}.", i * 3)));
//!     messages.push(Message::assistant("That sounds great!"));
//! }
//! let means = Means { counter: &EstimateCounter, vectors: None, summarizer: &Extractive::default() };
//! let goal = Goal::ratio(0.5);
//! let plan = Salient::default().plan(&messages, &goal, &means)?;
//! let compacted = plan.apply(&messages, &means)?;
//! assert!(compacted.ratio() <= 0.5);
//! assert_eq!(compacted.messages[0], messages[0]);
//! check_order(&compacted.messages)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod compactor;
mod config;
mod coordinator;
mod cues;
mod error;
#[cfg(test)]
mod fixtures;
mod goal;
mod message;
mod monitor;
mod order;
mod plan;
mod salience;
mod sentences;
mod strategy;
mod summary;
mod terms;
mod units;
mod vectors;

pub use compactor::{CompactionMetrics, CompactionOutcome, MessageCompactor, ModelTier};
pub use config::{CompressionConfig, StrategyName};
pub use coordinator::Coordinator;
pub use cues::Cues;
pub use error::{Attempt, CompactError};
pub use goal::Goal;
pub use message::{MESSAGE_TOKENS, Message, MessageKind, ToolCall, count_tokens};
pub use monitor::{
    Advice, Agent, AgentError, AgentId, Checked, CompactionAim, CompactionResult, ContextMonitor, Handover,
    HandoverRequest, HistoryState, LeftOver, NextIssue, NoLog, RotationLog, RotationPhase, RotationProblem,
    RotationRecord, RotationStep, SessionRotation, SummaryHandover, Thresholds, Usage, UsageFrom,
};
pub use order::{OrderError, check_order};
pub use plan::{Compacted, Fate, Means, Plan};
pub use strategy::{Hybrid, HybridMode, RecentAndImportant, Rest, Salient, Semantic, Strategy, Summarise, Truncate};
pub use summary::{
    Domain, Extractive, Fallback, Levels, Method, ModelSummarizer, Prompts, Quality, Summarizer, Summary, SummaryMeta,
    SummaryRequest, SummaryTree, Task, quality,
};
pub use units::{Unit, UnitKind, units};
pub use vectors::{MemoryVectors, NoCache, VectorCache, VectorKey, Vectors};
