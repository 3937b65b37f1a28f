//! Runs the built binary as its users do, each test with a folder of its own as home.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod bench;
mod care;
mod compact;
mod conversations;
mod demo;
mod erase;
mod errors;
mod home;
mod memories;
mod model;
mod model_server;
mod processes;
mod terminal;
