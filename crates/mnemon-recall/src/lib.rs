//! Ranking: which of the candidate memories answer a question.
//!
//! Pure functions over values: no storage, no model, no threads.

mod language;
mod late;
mod time;
