//! Mnemon is a long-term memory engine for agents: it remembers every turn of every conversation on the user's own
//! disk, and builds the prompt for the next turn under a token budget out of what is recent, relevant and pinned. It
//! works offline, with no key and no server, from the first run.
//!
//! ```
//! use mnemon::ContextManager;
//!
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path().join("memory.db");
//! let memory = ContextManager::open(&path)?;
//! memory.observe("I'm Ann. Peanuts make me ill.", "Noted, Ann: no peanuts.")?;
//! memory.add_memory("Ann's flat is on the third floor", Default::default())?;
//!
//! let context = memory.build_context("What should I bring to Ann's dinner?")?;
//! println!("{}", context.text()); // the prompt, at most `prompt_token_budget` tokens
//! assert!(context.text().contains("Peanuts make me ill"));
//! assert!(context.manifest().tokens <= context.manifest().budget);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`ContextManager`] is the door to everything. It is cheap to clone, may be shared between threads, and any number
//! of processes may open the same file.
//!
//! | feature | default | what it adds |
//! |---|---|---|
//! | `embedded-model` | yes | the embedding model (23 MB) inside the program, so that nothing has to be found |
//! | `openai-tokens` | yes | exact token counts of OpenAI models |
//! | `async` | no | `AsyncContextManager`, which never blocks a tokio runtime |

#[cfg(feature = "async")]
mod async_manager;
mod batch;
mod builder;
mod config;
mod context;
mod engine;
mod erasure;
mod error;
mod forgetting;
mod guard;
mod handover;
pub mod import;
mod ingest;
mod manager;
mod memories;
mod model;
mod observe;
mod query;
mod safekeeping;
mod session;
mod stats;
mod summaries;
pub mod tokens;
mod windows;

#[cfg(feature = "async")]
pub use async_manager::AsyncContextManager;
pub use builder::{Builder, OtherModel};
pub use config::{Config, ConfigError};
pub use context::{Block, ChatMessage, Context, ContextRequest, Fate, Item, Manifest, Source, Timings};
pub use engine::Clock;
pub use error::Error;
pub use ingest::{Ingested, Progress, Step};
pub use manager::ContextManager;
pub use mnemon_compact as compact;
pub use mnemon_core::{
    Bounds, EmbedError, Embedder, Embeddings, EndReason, Ended, EstimateCounter, Field, Filter, FilterError, Kind,
    Memory, MemoryId, Metadata, ModelId, NewMemory, NewTurn, Origin, Placement, Purpose, ReceiptId, Role, Scope,
    ScopeError, Session, SessionId, Slot, State, Timestamp, TokenCounter, Trust, Turn, Value, Via,
};
pub use mnemon_embed as embed;
pub use mnemon_guard::{OwnPattern, RedactionConfig, SecretKind};
pub use mnemon_long_term::{
    Contribution, Degradation, Diversity, Embedded, Erasure, Explained, Explanation, Feature, ForgetPolicy, Forgetting,
    Forgotten, Hit, Level, LongTermError, Maintenance, Merged, ModelChange, ModelCoverage, ModelStatus, Nearness,
    Period, Recall, Signals, StageTime,
};
pub use mnemon_select as select;
pub use mnemon_short_term::{Eviction, EvictionPolicy, Exchange};
pub use mnemon_store::{
    BackupReport, Damage, Dropped, Durability, ErasureRow, Existing, ListFilter, LostMemory, MemoryUpdate, Salvaged,
    SalvagedTable, Scrubbed, Selection, Steps, StoreError, StoreStats, Verified,
};
pub use observe::Observed;
pub use query::MemoryQuery;
pub use stats::{LongTermStats, ShortTermStats, Stats};
pub use summaries::{ParseSummariesError, SessionSummary, Summaries, Summarised};

/// The example of the README, so that it keeps compiling.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;
