//! What can go wrong.

use std::error::Error;
use std::io;
use std::path::PathBuf;

use mnemon::embed::ModelError;
use mnemon::import::ImportError;
use mnemon::{Degradation, EmbedError};
use mnemon_compact::CompactError;
use mnemon_index::IndexError;

/// What can go wrong when a benchmark runs.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BenchError {
    /// The data cannot be opened or read.
    #[error("could not read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The data is larger than a benchmark reads.
    #[error("expected a file of at most {max_bytes} bytes, got a larger one: {}", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The limit.
        max_bytes: u64,
    },
    /// The data is not of LoCoMo's format.
    #[error(transparent)]
    Import(#[from] ImportError),
    /// The data is not of LongMemEval's format.
    #[error("expected an array of questions of LongMemEval in {}", path.display())]
    LongMemEval {
        /// The file.
        path: PathBuf,
        /// What the parser said.
        #[source]
        source: serde_json::Error,
    },
    /// The lists of sessions of a question do not fit together.
    #[error("expected as many haystack_{field} as haystack_sessions ({sessions}) for question {question:?}, got {got}")]
    Haystack {
        /// The id of the question.
        question: String,
        /// The list that is too long or too short: `dates` or `session_ids`.
        field: &'static str,
        /// How many sessions there are.
        sessions: usize,
        /// How many members the list has.
        got: usize,
    },
    /// A list of numbers that is none.
    #[error("expected numbers such as 1,2,4 or 0-4, got {got:?}")]
    Numbers {
        /// What was given.
        got: String,
    },
    /// What should name a file to learn from.
    #[error("expected FILE, FILE:WEIGHT or FILE:WEIGHT:CATEGORIES, got {got:?}")]
    DataSet {
        /// What was given.
        got: String,
    },
    /// The data has no conversation of this number.
    #[error("expected conversations from 0 to {last}, got {got}")]
    NoConversation {
        /// The number of the last conversation.
        last: usize,
        /// The number that was asked for.
        got: i64,
    },
    /// The data has no question of this number.
    #[error("expected questions from 0 to {last}, got {got}")]
    NoQuestion {
        /// The number of the last question.
        last: usize,
        /// The number that was asked for.
        got: i64,
    },
    /// No question of the data has this category.
    #[error("expected categories of the data ({held}), got {got}")]
    NoCategory {
        /// The categories that its questions have.
        held: String,
        /// The category that was asked for.
        got: i64,
    },
    /// A word that names no baseline.
    #[error("expected baselines (dense, bm25, rrf), got {got:?}")]
    UnknownBaseline {
        /// The word.
        got: String,
    },
    /// Nothing can be measured: no conversation, or no question whose evidence is in it.
    #[error("expected questions with evidence in {name}, got none of {asked}")]
    NothingToAsk {
        /// The name of the data.
        name: String,
        /// How many questions were considered.
        asked: usize,
    },
    /// A word that names no way to compact.
    #[error("expected ways ({known}), got {got:?}")]
    UnknownWay {
        /// Their names.
        known: String,
        /// The word.
        got: String,
    },
    /// A share of the tokens that is none.
    #[error("expected ratios above 0 and below 1, got {got}")]
    Ratio {
        /// What was asked for.
        got: f64,
    },
    /// A number of things to measure on that is none or too large.
    #[error("expected from {min} to {max} {what}, got {got}")]
    Count {
        /// The things.
        what: &'static str,
        /// The least number.
        min: usize,
        /// The largest number.
        max: usize,
        /// The number that was asked for.
        got: usize,
    },
    /// A file of texts that has not enough of them.
    #[error("expected at least {wanted} lines of text in {name}, got {got}")]
    TooFewTexts {
        /// The name of the file.
        name: String,
        /// How many are wanted.
        wanted: usize,
        /// How many it has.
        got: usize,
    },
    /// The engine worked without its model, so what was measured is not the engine.
    #[error("expected the engine to work whole, got: {why}")]
    Degraded {
        /// What it could not do.
        why: Degradation,
    },
    /// The process that should ask a memory failed.
    #[error("the process that asks the memory failed")]
    Asker(#[source] Box<dyn Error + Send + Sync>),
    /// No threads can be started to measure on.
    #[error("cannot start the threads to measure on")]
    Threads(#[source] Box<dyn Error + Send + Sync>),
    /// The index of vectors failed.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// A conversation could not be made shorter.
    #[error(transparent)]
    Compact(#[from] CompactError),
    /// The engine failed.
    #[error(transparent)]
    Engine(#[from] mnemon::Error),
    /// The model cannot be found or loaded. A benchmark needs it: budgets are counted in its word pieces.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The model failed on the texts of the dense baseline.
    #[error(transparent)]
    Embed(#[from] EmbedError),
    /// The folder of the memory that a benchmark fills cannot be made.
    #[error("cannot make a temporary folder")]
    Temporary(#[source] io::Error),
    /// A picture of no known kind.
    #[error("expected a file name that ends in .svg or .png, got {got:?}")]
    PictureKind {
        /// What was given.
        got: String,
    },
    /// A picture cannot be drawn or written.
    #[error("cannot write the picture {}", path.display())]
    Picture {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
}
