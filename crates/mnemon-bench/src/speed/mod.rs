//! How fast the parts of the engine are on this machine, without peers: the model, the search of vectors, and the whole.

pub(crate) mod charts;
mod context;
mod embed;
mod growth;
mod machine;
mod made;
mod vectors;

pub use context::{Answered, Asker, Asking, ContextOptions, ContextReport, LevelTimes, StageShare, answer};
pub use embed::{EmbedOptions, EmbedReport, Rate, embed};
pub use growth::{GrowthOptions, GrowthReport, growth};
pub use machine::Machine;
pub use made::{Filled, Maker};
pub use vectors::{VectorOptions, VectorsReport, WayTimes, vectors};

use crate::BenchError;

/// Checks a number that somebody typed.
pub(crate) fn check(what: &'static str, got: usize, min: usize, max: usize) -> Result<(), BenchError> {
    if (min..=max).contains(&got) { Ok(()) } else { Err(BenchError::Count { what, min, max, got }) }
}
