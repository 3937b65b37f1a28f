//! Models against a real HTTP server on this machine that speaks each provider's wire format, and fails in each way.
#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

mod faults;
mod keys;
mod providers;
mod runtimes;
mod server;
