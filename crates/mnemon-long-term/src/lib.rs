//! Long-term memory: everything that was ever said or noted, and the way back to it.
//!
//! [`LongTerm`] joins the store (the only truth), an embedding model and a vector index that follows the store, and
//! answers questions with [`recall`](LongTerm::recall). It works without a model, by text search alone, and says so.
//! It knows nothing of windows, budgets and prompts: those are the facade's.
//!
//! ```
//! use std::sync::Arc;
//! use mnemon_core::{Kind, NewMemory, Scope, Timestamp};
//! use mnemon_long_term::{Embed, Level, LongTerm, RecallQuery};
//! use mnemon_store::Store;
//!
//! let memory = LongTerm::new(Arc::new(Store::open_in_memory()?), None, Level::default());
//! let scope = Scope::user_scope("ann")?;
//! memory.add(&scope, &[NewMemory::new(Kind::Fact, "Ann is allergic to peanuts")], Embed::Now, Timestamp::now())?;
//! let recall = memory.recall(&RecallQuery::new("Is anybody allergic?", &scope, 5))?;
//! assert_eq!(recall.hits[0].memory.text, "Ann is allergic to peanuts");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod adding;
mod changing;
mod embedding;
mod erasing;
mod error;
mod forgetting;
mod known;
mod long_term;
mod merging;
mod models;
mod passage;
mod pending;
mod pieces;
mod recall;
mod resident;
mod summaries;

pub use adding::{Append, Appended, Conversation, Part};
pub use changing::{ModelChange, ModelCoverage, ModelStatus};
pub use erasing::Erasure;
pub use error::LongTermError;
pub use forgetting::{ForgetPolicy, Forgetting, Forgotten};
pub use long_term::{Embed, LongTerm, Written};
pub use merging::Merged;
pub use mnemon_recall::{Contribution, Feature, Level, Nearness, ParseLevelError};
pub use pending::{Embedded, Maintenance};
pub use recall::{
    Degradation, Diversity, Explained, Explanation, Hit, ParseDiversityError, Period, Recall, RecallQuery, Signals,
    StageTime,
};
pub use summaries::NewSummary;
