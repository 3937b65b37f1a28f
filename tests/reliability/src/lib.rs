//! What happens to the engine when everything goes wrong: processes that are killed, power that fails, disks that
//! return errors, bytes that change, and crowds of processes on one file.
//!
//! It is no test double of anything: the engine, its store and SQLite are the real ones, on real files, in real
//! processes. Only the embedding model is replaced, by hashes of words ([`HashEmbedder`]), so that time goes into what is
//! tested. Each subcommand of the binary `reliability` is one function here, which takes a [`Plan`] and returns a
//! [`Report`].
//!
//! ```no_run
//! use std::time::Duration;
//! use mnemon_reliability::{Plan, kill};
//!
//! let plan = Plan { count: 1_000, time: Duration::from_secs(60), seed: 1, only: None, jobs: 2 };
//! let report = kill::run(plan, 8, false)?;
//! assert!(report.findings.is_empty());
//! # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
//! ```

mod actor;
pub mod coherence;
pub mod damage;
mod embedder;
pub mod faults;
mod inspect;
pub mod kill;
pub mod model;
mod operation;
pub mod power;
mod random;
mod report;
mod room;
mod scratch;
mod supervise;
mod vfs;

pub use embedder::HashEmbedder;
pub use report::{Finding, Plan, Report};

/// A failure of any part, to be told to a person.
pub type Result<T, E = Box<dyn std::error::Error + Send + Sync>> = std::result::Result<T, E>;
