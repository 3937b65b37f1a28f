//! The engine as its users have it: through the public API, on files, with the model that ships.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod bad_input;
mod degraded;
mod dirty_memory;
mod erasure;
mod kill;
mod never_said;
mod process;
mod processes;
mod recall_of_nora;
