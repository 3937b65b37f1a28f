//! What `mnemon bench` runs: how much of the evidence of questions with known answers the engine finds, beside what
//! other ways of ranking find in the same run.
//!
//! [`locomo`] and [`longmemeval`] fill a memory in a temporary folder through [`mnemon::ContextManager`], as any program
//! does, ask it one question after the other, and average what stands among the first hits. [`Baseline`]s are computed
//! here, from nothing of the engine but its embedding model. [`fit`] learns the weights of a fusion from such questions.
//! Results are serialised as JSON and drawn as [`Picture`]s.
//!
//! [`compaction`] shortens such conversations by every strategy and measures what is left of the evidence.
//!
//! [`embed`], [`vectors`], [`ContextReport`] and [`growth`] measure speed, on data that is [`made`] from a seed.
//!
//! It is no part of the engine: the library `mnemon` does not depend on it. It holds no data but a few lines of its own
//! for its tests, downloads none, and asks no language model. It asserts nothing about times; it reports them.
//!
//! ```
//! use mnemon::embed::LocateOptions;
//! use mnemon_bench::{Baseline, Bench, LocomoOptions, locomo};
//!
//! let data = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/garden.locomo.json");
//! let bench = Bench::load(mnemon::Config::default(), LocateOptions::from_env())?;
//! let options = LocomoOptions { baselines: vec![Baseline::Bm25], ..LocomoOptions::default() };
//! let report = locomo(&bench, data.as_ref(), &options, &mut |_| {})?;
//! println!("{:.1} % of the evidence among ten hits", report.results.scores.recall[&10]);
//! assert_eq!(report.results.scores.questions, report.baselines["bm25"].scores.questions);
//! # Ok::<(), mnemon_bench::BenchError>(())
//! ```

mod baseline;
mod bench;
mod charts;
mod compaction;
mod error;
pub mod fit;
mod latency;
mod locomo;
mod longmemeval;
pub mod made;
mod numbers;
mod plot;
mod progress;
mod scores;
mod speed;

pub use baseline::Baseline;
pub use bench::{Bench, Engine};
pub use compaction::{AtRatio, Compacted, CompactionOptions, CompactionReport, Kept, Way, compaction};
pub use error::BenchError;
pub use latency::Latency;
pub use locomo::{
    Conversation, Fitted, LeftOut, LocomoOptions, LocomoReport, Measured, NeverSaid, fit_weights, locomo,
};
pub use longmemeval::{
    Histories, LONGMEMEVAL_RANKS, LevelScores, LongMemEvalOptions, LongMemEvalReport, QuestionScores, ViewScores,
    longmemeval,
};
pub use numbers::Numbers;
pub use plot::Picture;
pub use progress::{Progress, Step};
pub use scores::{BUDGETS, RANKS, Results, Scores};
pub use speed::{
    Answered, Asker, Asking, ContextOptions, ContextReport, EmbedOptions, EmbedReport, Filled, GrowthOptions,
    GrowthReport, LevelTimes, Machine, Maker, Rate, StageShare, VectorOptions, VectorsReport, WayTimes, answer, embed,
    growth, vectors,
};
