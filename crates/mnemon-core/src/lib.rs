//! The words that every other crate of Mnemon speaks: memories and turns, scopes and sessions, and the two seams
//! that several layers share, [`Embedder`] and [`TokenCounter`].
//!
//! This crate does no IO, starts no thread and reads no clock: whoever calls it passes the time.
//!
//! ```
//! use mnemon_core::{Kind, NewMemory, Scope};
//!
//! let scope: Scope = "user=ann,project=garden".parse()?;
//! let fact = NewMemory::new(Kind::Fact, "Ann is allergic to peanuts").pinned(true);
//! assert_eq!(scope.user(), "ann");
//! assert_eq!(fact.kind, Kind::Fact);
//! # Ok::<(), mnemon_core::ScopeError>(())
//! ```

mod causes;
mod embedder;
mod filter;
mod id;
mod language;
mod memory;
mod scope;
mod script;
mod session;
mod state;
mod tokens;

pub use causes::with_causes;
pub use embedder::{EmbedError, Embedder, Embeddings, ModelId, Purpose, TextRun, TokenEmbedder, TokenVectors};
pub use filter::{Bounds, Field, Filter, FilterError, Value};
pub use id::{IdError, MemoryId, ReceiptId, SessionId};
pub use jiff::Timestamp;
pub use language::{GenerateError, GenerateProblem, Generated, LanguageModel, Prompt};
pub use memory::{Kind, Memory, Metadata, NewMemory, NewTurn, Origin, ParseWordError, Placement, Role, Turn, Via};
pub use scope::{Scope, ScopeError};
pub use script::is_unsegmented;
pub use session::Session;
pub use state::{EndReason, Ended, Slot, State, Trust};
pub use tokens::{EstimateCounter, TokenCounter};
