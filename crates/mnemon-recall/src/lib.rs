//! Ranking: which of the candidate memories answer a question.
//!
//! Pure functions over values: no storage, no model, no threads.

mod analysis;
mod cues;
mod language;
mod late;
mod terms;
mod time;

pub use analysis::{ANALYSIS, Passage, Source, analyse, is_name};
pub use cues::Cues;
pub use terms::{Term, terms};
