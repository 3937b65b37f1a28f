//! The options of `mnemon bench`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use mnemon::{Diversity, Level};
use mnemon_bench::fit::{DataSet, FitOptions};
use mnemon_bench::{Baseline, Numbers, Picture};

#[derive(Debug, Args)]
pub(crate) struct Bench {
    #[command(subcommand)]
    pub(crate) benchmark: Benchmark,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Benchmark {
    /// How much of the evidence of questions about long conversations is found (LoCoMo's format)
    Locomo(Locomo),
    /// The same for chats of a user with an assistant, a history for each question (LongMemEval's format)
    Longmemeval(LongMemEval),
    /// Fit the weights of the ranking on questions whose evidence is known
    Fit(Fit),
}

#[derive(Debug, Args)]
pub(crate) struct Fit {
    /// What to learn from, in LoCoMo's format: `FILE`, `FILE:WEIGHT` or `FILE:WEIGHT:CATEGORIES`. May be repeated
    #[arg(long, value_name = "DATA", required = true)]
    pub(crate) data: Vec<DataSet>,
    /// The level of recall whose weights are fitted [default: `recall` of the settings]
    #[arg(long, value_name = "LEVEL")]
    pub(crate) level: Option<Level>,
    /// The ridge
    #[arg(long, value_name = "NUMBER", default_value_t = FitOptions::L2)]
    pub(crate) ridge: f64,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Recall is the share of a question's evidence among the first 5, 10, 25 and 50 hits, averaged over
questions; `all` is the share of questions with all of it there. Under a budget, the hits are packed
whole as `speaker: text [shares caption]` with one date for each session, counted in word pieces.

The data is read where it is. Everything is stored in a temporary file: --db, --scope and --session
are not used."
)]
pub(crate) struct Locomo {
    /// The conversations and their questions, such as locomo10.json
    #[arg(long, value_name = "FILE")]
    pub(crate) data: PathBuf,
    /// Only these conversations, by their place in the file: `0-4`, `0,2` [default: all]
    #[arg(long, value_name = "LIST", allow_hyphen_values = true)]
    pub(crate) conversations: Option<Numbers>,
    /// Questions of these categories [default: 1,2,3,4, as far as the data has them]
    #[arg(long, value_name = "LIST", allow_hyphen_values = true)]
    pub(crate) categories: Option<Numbers>,
    /// How much work recall does: fast or thorough [default: `recall` of the settings]
    #[arg(long, value_name = "LEVEL")]
    pub(crate) level: Option<Level>,
    /// Answers of a lower relevance have no hits [default: `relevance_floor` of the settings]
    #[arg(long, value_name = "SHARE")]
    pub(crate) floor: Option<f32>,
    /// Another way with hits that are like one another: redundancy, none, mmr, k-means
    #[arg(long, value_name = "NAME")]
    pub(crate) diversity: Option<Diversity>,
    /// Ask these questions of every conversation too, one a line, about what was never said: they should bring back
    /// nothing
    #[arg(long, value_name = "FILE")]
    pub(crate) never_said: Option<PathBuf>,
    /// Fit the weights of the ranking anew without each conversation, and rank it with those
    #[arg(long)]
    pub(crate) leave_one_out: bool,
    /// Learn from this data too: `FILE`, `FILE:WEIGHT` or `FILE:WEIGHT:CATEGORIES`. May be repeated
    #[arg(long, value_name = "DATA", requires = "leave_one_out")]
    pub(crate) with: Vec<DataSet>,
    /// Compare with these in the same run: dense, bm25, rrf
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub(crate) baseline: Vec<Baseline>,
    /// Draw the result: a file name that ends in .svg or .png
    #[arg(long, value_name = "FILE")]
    pub(crate) plot: Option<Picture>,
}

#[derive(Debug, Args)]
#[command(after_help = "Each question has a history of its own, which is stored in a temporary file and asked once.
Figures are those of the official evaluation: recall_any, recall_all and ndcg_any at 1, 3, 5, 10, 30
and 50, of turns and of sessions; questions that have no answer (`_abs`) are left out. The official
runs index the turns of the user only, so figures are given over these and over all turns.")]
pub(crate) struct LongMemEval {
    /// The questions with their histories, such as longmemeval_s.json
    #[arg(long, value_name = "FILE")]
    pub(crate) data: PathBuf,
    /// Only these questions, by their place in the file: `0-49`, `0,2` [default: all]
    #[arg(long, value_name = "LIST", allow_hyphen_values = true)]
    pub(crate) questions: Option<Numbers>,
    /// Draw the result: a file name that ends in .svg or .png
    #[arg(long, value_name = "FILE")]
    pub(crate) plot: Option<Picture>,
}
