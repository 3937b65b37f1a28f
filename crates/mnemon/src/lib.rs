//! Long-term memory for agents: remembers every conversation and builds the next prompt under a token budget

pub mod import;
pub mod tokens;
