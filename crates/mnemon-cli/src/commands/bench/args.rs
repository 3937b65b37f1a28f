//! The options of `mnemon bench`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use mnemon::{Diversity, Level};
use mnemon_bench::fit::{DataSet, FitOptions};
use mnemon_bench::{
    Baseline, CompactionOptions, ContextOptions, EmbedOptions, GrowthOptions, Numbers, Picture, VectorOptions, Way,
};

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
    /// How much of that evidence is left when conversations are made shorter, by every strategy
    Compaction(Compaction),
    /// How fast the embedding model reads on this machine
    Embed(Embed),
    /// How fast vectors are searched on this machine, exactly and through the graph
    Vectors(Vectors),
    /// How fast the whole engine is on this machine: opening, observing, searching, building a context
    Context(Context),
    /// How all of that grows with the number of memories
    Growth(Growth),
    /// What `context` and `growth` run in a process of its own
    #[command(hide = true)]
    Answer,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Texts are made from a seed and have exactly so many word pieces, the special ones not counted; reading them
into word pieces is part of every time. Medians of three rounds, one thread and all threads in turns."
)]
pub(crate) struct Embed {
    /// How many texts of each length: 12, 40 and 200 word pieces
    #[arg(long, value_name = "N", default_value_t = EmbedOptions::TEXTS)]
    pub(crate) n: usize,
    #[command(flatten)]
    pub(crate) made: Made,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Without --texts the vectors are made: in topics of different sizes, near a surface of 25 dimensions, as those of
sentences are. What is nearest is known from a scan of the vectors in f32; each answer is compared with
it. Searches run on one thread, the graph is built on all."
)]
pub(crate) struct Vectors {
    /// How many vectors
    #[arg(long, value_name = "N", default_value_t = VectorOptions::VECTORS)]
    pub(crate) n: usize,
    /// Embed the lines of this file instead: N of them, and 200 more to search with
    #[arg(long, value_name = "FILE")]
    pub(crate) texts: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) made: Made,
}

#[derive(Debug, Args)]
#[command(
    after_help = "A file in a temporary folder is filled with the talk of two people that is made from a seed, in one scope. Up
to 3,000 memories are read by the model; of more, vectors are composed of what it made of 3,000. Questions
are always embedded by the model. They are asked by a process of its own, on one thread, one after the
other, after as many exchanges were observed; --db, --scope and --session are not used."
)]
pub(crate) struct Context {
    /// How many memories
    #[arg(long, value_name = "N", default_value_t = ContextOptions::MEMORIES)]
    pub(crate) n: usize,
    /// Only this level of recall: fast or thorough [default: both, on a file that is filled for thorough]
    #[arg(long, value_name = "LEVEL")]
    pub(crate) level: Option<Level>,
    /// How many questions are asked, and exchanges observed, at each level
    #[arg(long, value_name = "N", default_value_t = ContextOptions::QUESTIONS)]
    pub(crate) questions: usize,
    #[command(flatten)]
    pub(crate) made: Made,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Measures what `mnemon bench context` does at each size, the smallest first. The times of 1,000,000 memories take
some minutes and gigabytes of disk."
)]
pub(crate) struct Growth {
    /// The numbers of memories
    #[arg(long, value_name = "LIST", value_delimiter = ',', default_values_t = [1_000, 10_000, 100_000])]
    pub(crate) sizes: Vec<usize>,
    /// Up to so many memories both levels of recall are measured, above only the fast one
    #[arg(long, value_name = "N", default_value_t = GrowthOptions::THOROUGH_TO)]
    pub(crate) thorough_to: usize,
    /// How many questions are asked, and exchanges observed, at each level
    #[arg(long, value_name = "N", default_value_t = ContextOptions::QUESTIONS)]
    pub(crate) questions: usize,
    #[command(flatten)]
    pub(crate) made: Made,
}

/// What every measurement of speed has.
#[derive(Debug, Args)]
pub(crate) struct Made {
    /// What is made is made from this number
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    pub(crate) seed: u64,
    /// Draw the result: a file name that ends in .svg or .png. May be repeated
    #[arg(long, value_name = "FILE")]
    pub(crate) plot: Vec<Picture>,
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

#[derive(Debug, Args)]
#[command(
    after_help = "Every strategy, the extractive summary and three baselines make each conversation shorter without seeing a
question. Then it is measured what is left of the turns that the questions name. `evidence` is the share of
the statements of these turns that stand word for word in what is left, weighed by their words; `answer` the
share of the words of the answer that the evidence had and still has; `whole` the share of questions with all
evidence left. Budgets are shares of the tokens of all messages. Vectors are in a cache when times are taken."
)]
pub(crate) struct Compaction {
    /// The conversations and their questions, such as locomo10.json
    #[arg(long, value_name = "FILE")]
    pub(crate) data: PathBuf,
    /// The shares of the tokens that may be left
    #[arg(long, value_name = "LIST", value_delimiter = ',', default_values_t = CompactionOptions::RATIOS)]
    pub(crate) ratios: Vec<f64>,
    /// Only these conversations, by their place in the file: `0-4`, `0,2` [default: all]
    #[arg(long, value_name = "LIST", allow_hyphen_values = true)]
    pub(crate) conversations: Option<Numbers>,
    /// Only these ways [default: all]
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub(crate) ways: Vec<Way>,
    /// How often chance is asked for the baselines that are random
    #[arg(long, value_name = "N", default_value_t = CompactionOptions::SEEDS)]
    pub(crate) seeds: usize,
    /// Draw the result: a file name that ends in .svg or .png. May be repeated
    #[arg(long, value_name = "FILE", visible_alias = "chart")]
    pub(crate) plot: Vec<Picture>,
}
