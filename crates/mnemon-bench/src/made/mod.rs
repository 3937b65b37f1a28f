//! What measurements of speed work on where nobody brings data of their own: talk, vectors of its texts, and vectors
//! alone. Everything is made from a seed, so every run of every machine measures the same.

mod composed;
mod talk;
mod vectors;

pub use composed::Composed;
pub use talk::{SESSION, Talk};
pub use vectors::vectors;
