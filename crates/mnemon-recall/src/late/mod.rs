//! Late interaction: the pieces of a question against the pieces of each memory.

mod codes;
mod kernel;
mod maxsim;
mod rotation;

pub use codes::{CodesError, TokenCodes, encode};
pub use maxsim::{QuestionTokens, TokenMatches};
pub use rotation::Rotation;

/// Values in -0.5..0.5 that depend on nothing but the seed.
#[cfg(test)]
fn generated(seed: u64, count: usize) -> Vec<f32> {
    let value = |word: u64| (word >> 40) as f32 / (1u64 << 24) as f32 - 0.5;
    rotation::words(seed).take(count).map(value).collect()
}
