//! `bench growth`: how everything grows with the number of memories.

use mnemon::Level;
use serde::Serialize;

use super::Machine;
use super::context::{Asker, ContextOptions, LevelTimes};
use super::made::{Maker, check_memories};
use crate::{Bench, BenchError, Progress};

/// The sizes that are measured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrowthOptions {
    /// How many memories, each from 1 to 5,000,000.
    pub sizes: Vec<usize>,
    /// Up to so many the file is filled for the thorough level and asked at both levels; larger ones are filled and
    /// asked at the fast level only.
    pub thorough_to: usize,
    /// What they are made from.
    pub seed: u64,
    /// How many questions are asked at each level.
    pub questions: usize,
}

impl GrowthOptions {
    /// The vectors of pieces of more would take gigabytes.
    pub const THOROUGH_TO: usize = 100_000;
}

/// How the engine grows.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct GrowthReport {
    /// `growth`.
    pub bench: &'static str,
    /// What it ran on.
    pub machine: Machine,
    /// What was measured at each size, in rising order.
    pub sizes: Vec<LevelTimes>,
}

/// Measures the engine at each size, the smallest first; [`ContextReport::measure`](super::ContextReport::measure) says
/// how.
///
/// # Errors
/// As there; every number is checked before the work begins.
pub fn growth(
    bench: &Bench,
    options: &GrowthOptions,
    asker: &mut Asker<'_>,
    progress: &mut dyn FnMut(Progress),
) -> Result<GrowthReport, BenchError> {
    let mut sizes = options.sizes.clone();
    sizes.sort_unstable();
    sizes.dedup();
    sizes.iter().try_for_each(|memories| check_memories(*memories))?;
    let mut maker = Maker::new(bench, options.seed).composing();
    let mut measured = Vec::with_capacity(sizes.len());
    for memories in sizes {
        let is_thorough = memories <= options.thorough_to;
        let levels = if is_thorough { vec![Level::Thorough, Level::Fast] } else { vec![Level::Fast] };
        let options = ContextOptions { memories, seed: options.seed, levels, questions: options.questions };
        measured.push(LevelTimes::measure(&mut maker, &options, asker, progress)?);
    }
    Ok(GrowthReport { bench: "growth", machine: bench.machine(), sizes: measured })
}
