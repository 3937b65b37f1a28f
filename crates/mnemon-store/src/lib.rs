//! The store: one SQLite file, and the only truth of Mnemon. Whatever else exists (windows, vector indexes, caches)
//! can be thrown away and is rebuilt from here.
//!
//! Everything happens inside a transaction that the caller opens with [`Store::read`] or [`Store::write`] and hands
//! down: a [`Snapshot`] sees one state of the file however many processes write meanwhile, a [`WriteTx`] is durable
//! when the call returns. The store knows rows and text search; it knows nothing of meaning, ranking or prompts.
//!
//! ```
//! use mnemon_core::{Kind, NewMemory, Scope, Timestamp};
//! use mnemon_store::{ListFilter, Store};
//!
//! let store = Store::open_in_memory()?;
//! let scope = Scope::user_scope("ann")?;
//! let now = Timestamp::now();
//! let added = store.write(|tx| tx.add_memory(&scope, &NewMemory::new(Kind::Fact, "Ann grows tomatoes"), now))?;
//! let memories = store.read(|snapshot| match snapshot.scope_id(&scope)? {
//!     Some(scope) => snapshot.list(scope, &ListFilter::default()),
//!     None => Ok(Vec::new()),
//! })?;
//! assert_eq!(memories[0].id, added.id);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod backup;
mod ballast;
mod cells;
mod changes;
mod checksum;
mod connection;
mod damage;
mod erase;
mod error;
mod filter;
#[cfg(test)]
mod fixtures;
mod grams;
mod group;
mod memories;
mod migrate;
mod options;
mod parts;
mod passages;
mod rollback;
mod salvage;
mod saved;
mod schema;
mod scoped;
mod scopes;
mod scrub;
mod serving;
mod sessions;
mod state;
mod stats;
mod store;
mod summaries;
mod text;
mod transaction;
mod vectors;
mod window;

pub use backup::{BackupReport, Existing, Steps};
pub use changes::{Change, ChangeOp, Head};
pub use damage::Dropped;
pub use erase::{Erased, ErasureRow, Selection, Verified};
pub use error::StoreError;
pub use memories::{Added, ListFilter, MemoryUpdate};
pub use options::{Durability, ParseDurabilityError, StoreOptions};
pub use passages::{NewPassage, PassageRow, content_hash};
pub use rollback::Rollback;
pub use salvage::{LostMemory, Salvaged, SalvagedTable};
pub use schema::{MIN_SQLITE_VERSION, SCHEMA_VERSION};
pub use scopes::ScopeRow;
pub use scrub::Scrubbed;
pub use serving::StoredModel;
pub use sessions::NewSession;
pub use state::Standing;
pub use stats::{Counted, Damage, StoreStats};
pub use store::Store;
pub use summaries::{MADE_KEY, SummaryRow};
pub use text::{TextHit, TextQuery};
pub use transaction::{Snapshot, WriteTx};
pub use vectors::ModelRow;
pub use window::WindowRow;

/// The number of a row. Unlike an id it means something in one file only; it is never used again for another row.
pub type RowId = i64;

/// The number of a passage: a row of its own, never used again for another one.
pub type PassageId = i64;
