//! `mnemon compact`

use std::collections::BTreeSet;
use std::io::Write;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::{Args, ValueEnum};
use mnemon::Timestamp;
use mnemon_compact::{
    Compacted, CompressionConfig, Coordinator, Goal, HybridMode, Means, MemoryVectors, MessageKind, StrategyName,
    Vectors, count_tokens,
};
use serde_json::{Value, json};

use crate::app::App;
use crate::args::{part, positive};
use crate::chat::{Chat, ChatCounter, Shape};
use crate::error::{CliError, Outcome};
use crate::input::{file_or_stdin, places};
use crate::llm::{Llm, Shown, show_fallbacks};
use crate::output::{count, json_text, plural, remark};

const AFTER_HELP: &str = "\
FILE holds chat messages as OpenAI or Anthropic take them: an array, or an object with `messages`
and whatever else a request has. The same comes out on standard output, shorter; what is kept is not
changed in any field. Instructions stay, and calls of tools stay with their results.

Without --ratio, --max-tokens and --context-limit half of the tokens stay. With --context-limit
alone, what reached the threshold is brought to half of it. Tokens are counted by `tokenizer` of the
settings; images count as the most that the provider charges for one.";

#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Compact {
    /// The file; `-` reads standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// What stays; several are tried in this order, or chained with --mode [default: salient,truncate]
    #[arg(long, value_name = "STRATEGY", value_enum, value_delimiter = ',')]
    strategy: Vec<Name>,
    /// How several strategies answer
    #[arg(long, value_enum, default_value_t = Mode::FirstThatFits)]
    mode: Mode,
    /// Keep this share of the tokens, or of the messages where the strategy counts those: above 0, at most 1
    #[arg(long, value_name = "SHARE", value_parser = part, conflicts_with = "max_tokens")]
    ratio: Option<f64>,
    /// Keep at most so many tokens; what has fewer stays as it is
    #[arg(long, value_name = "TOKENS", value_parser = positive)]
    max_tokens: Option<usize>,
    /// The tokens that the model reads; what has not reached the threshold of it stays as it is
    #[arg(long, value_name = "TOKENS", value_parser = positive)]
    context_limit: Option<usize>,
    /// From this share of --context-limit on
    #[arg(long, value_name = "SHARE", value_parser = part, default_value = "0.8", requires = "context_limit")]
    threshold: f64,
    /// As many of the last messages stay as they are, while they fit
    #[arg(long, value_name = "N", default_value_t = Goal::default().keep_recent)]
    keep_recent: usize,
    /// The most tokens of a summary
    #[arg(long, value_name = "TOKENS", value_parser = positive, default_value_t = Goal::default().summary_max_tokens)]
    summary_max_tokens: usize,
    /// Messages that stay whatever happens, by their places from 0: `3,7-9`
    #[arg(long, value_name = "PLACES", value_parser = places, value_delimiter = ',')]
    critical: Vec<Range<usize>>,
    /// Compare meanings with the embedding model too, which takes longer; semantic always does
    #[arg(long)]
    embed: bool,
    /// Whose messages they are [default: told by the content]
    #[arg(long, value_enum)]
    format: Option<Shape>,
    /// Write the messages to this file, which appears when it is whole
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Write what was done to this file, as JSON; with --json it is written to standard error
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    #[command(flatten)]
    llm: Llm,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Name {
    /// What says most for its tokens
    Salient,
    /// The same, and a summary of the rest
    SalientAndSummary,
    /// One message for each cluster of meanings
    Semantic,
    /// The last messages, and those with words such as "error" and "decided"
    RecentAndImportant,
    /// The last messages that fit
    Truncate,
    /// A summary, and the last messages
    #[value(alias = "summarise")]
    Summarize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Mode {
    /// The first that works and fits
    FirstThatFits,
    /// One after the other, each on what those before it kept
    Chained,
}

pub(crate) fn run(app: &mut App, args: &Compact) -> Result<Outcome, CliError> {
    for written in args.output.iter().chain(&args.report) {
        refuse_source(&args.file, written)?;
    }
    let (text, name) = file_or_stdin(&args.file)?;
    let counter = app.config.tokenizer.resolve().map_err(mnemon::Error::from)?;
    let counting = ChatCounter(counter.as_ref());
    let mut chat = Chat::read(&text, &name, args.format, counter.as_ref())?;
    for range in &args.critical {
        if range.end > chat.len() {
            return Err(CliError::Critical { messages: chat.len(), got: range.end - 1 });
        }
        range.clone().for_each(|place| chat.keep(place));
    }
    let summarizer = args.llm.summarizer()?;
    let needs_model = args.embed || args.strategy.contains(&Name::Semantic);
    let embedder = if needs_model { Some(app.embedder()?) } else { None };
    let cache = MemoryVectors::default();
    let shown = Shown::new(summarizer.as_ref(), counter.as_ref(), &app.out);
    let vectors = embedder.as_deref().map(|embedder| Vectors::new(embedder, &cache));
    let means = Means { counter: &counting, vectors, summarizer: &shown };

    let start = Instant::now();
    let compacted = args.compact(&chat, &means);
    shown.end();
    let compacted = compacted?;
    let micros = u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX);
    let (written, messages) = match &compacted {
        Some(compacted) => chat.write(compacted),
        None => (text.clone(), chat.len()),
    };

    let tokens = count_tokens(&chat.messages, &counting);
    let mut report = report(&chat, compacted.as_ref(), tokens, messages);
    report["tokenizer"] = json!(counter.name());
    report["micros"] = json!(micros);
    if let Some(path) = &args.report {
        write_file(path, &format!("{}\n", json_text(&report)))?;
    }
    match &args.output {
        Some(path) => write_file(path, &written)?,
        // A program gets the exact text, a person one that cannot play tricks with the terminal.
        None if app.out.is_terminal => app.out.json_lines(&written)?,
        None => app.out.raw(&written)?,
    }
    app.out.flush()?;
    if app.out.is_json {
        let _ = writeln!(std::io::stderr(), "{}", json_text(&report));
    } else {
        show(app, compacted.as_ref(), tokens, chat.len(), messages);
    }
    Ok(Outcome::Done)
}

impl Compact {
    /// `None` when there is nothing to do.
    fn compact(&self, chat: &Chat<'_>, means: &Means<'_>) -> Result<Option<Compacted>, CliError> {
        let strategies = match self.strategy.as_slice() {
            [] => CompressionConfig::default().strategies,
            named => named.iter().map(|name| name.build()).collect(),
        };
        let mode = match self.mode {
            Mode::FirstThatFits => HybridMode::FirstThatFits,
            Mode::Chained => HybridMode::Chained,
        };
        let strategy = CompressionConfig { strategies, mode, ..CompressionConfig::default() }.strategy();
        let mut goal = Goal {
            max_tokens: self.max_tokens,
            keep_recent: self.keep_recent,
            summary_max_tokens: self.summary_max_tokens,
            ..Goal::default()
        };
        if let Some(ratio) = self.ratio {
            goal.target_ratio = ratio;
        }
        let messages = &chat.messages;
        let tokens = count_tokens(messages, means.counter);
        let compacted = if let Some(limit) = self.context_limit {
            if self.max_tokens.is_none() && self.ratio.is_none() {
                goal.max_tokens = Some((limit as f64 * self.threshold / 2.0) as usize);
            }
            let mut coordinator = Coordinator::new(limit, strategy);
            (coordinator.threshold, coordinator.goal) = (self.threshold, goal.clone());
            let outcome = coordinator.check(messages, means, Timestamp::now()).map_err(CliError::Compact)?;
            outcome.compacted().cloned()
        } else if messages.is_empty() || self.max_tokens.is_some_and(|most| tokens <= most) {
            None
        } else {
            let plan = strategy.plan(messages, &goal, means).map_err(CliError::Compact)?;
            Some(plan.apply(messages, means).map_err(CliError::Compact)?)
        };
        match (&compacted, goal.max_tokens) {
            (Some(compacted), Some(expected)) if compacted.tokens_after > expected => {
                Err(CliError::OverBudget { expected, got: compacted.tokens_after })
            }
            _ => Ok(compacted),
        }
    }
}

impl Name {
    fn build(self) -> StrategyName {
        match self {
            Self::Salient => StrategyName::Salient,
            Self::SalientAndSummary => StrategyName::SalientAndSummary,
            Self::Semantic => StrategyName::Semantic,
            Self::RecentAndImportant => StrategyName::RecentAndImportant,
            Self::Truncate => StrategyName::Truncate,
            Self::Summarize => StrategyName::Summarise,
        }
    }
}

fn report(chat: &Chat<'_>, compacted: Option<&Compacted>, tokens: usize, messages: usize) -> Value {
    let Some(compacted) = compacted else {
        return json!({
            "format": chat.shape, "compacted": false, "strategy": null, "attempts": [],
            "tokens_before": tokens, "tokens_after": tokens, "ratio": 1.0,
            "messages_before": messages, "messages_after": messages,
            "kept": (0..messages).collect::<Vec<_>>(), "summarized": [], "dropped": [], "summaries": [],
        });
    };
    let outs = compacted.messages.iter().zip(&compacted.origins);
    let (mut kept, mut summarized) = (BTreeSet::new(), BTreeSet::new());
    for (out, origins) in outs {
        let places = chat.places(origins.iter().copied());
        // An old summary that stayed is of itself.
        match &out.kind {
            MessageKind::Summary(_) if origins.len() != 1 || chat.unchanged(out, origins).is_none() => {
                summarized.extend(places);
            }
            _ => kept.extend(places),
        }
    }
    let summaries = compacted.summaries.iter().map(|summary| {
        let mut value = json!(summary);
        // In Anthropic's shape a place is several messages of compaction.
        let places = chat.places(summary.meta.ranges.iter().cloned().flatten());
        value["meta"]["ranges"] = json!(ranges(&places));
        value
    });
    let summaries: Vec<Value> = summaries.collect();
    let dropped: Vec<usize> =
        (0..chat.len()).filter(|place| !kept.contains(place) && !summarized.contains(place)).collect();
    let attempts = compacted.attempts.iter();
    let attempts: Vec<Value> =
        attempts.map(|attempt| json!({"strategy": attempt.strategy, "why": attempt.why.to_string()})).collect();
    json!({
        "format": chat.shape, "compacted": true, "strategy": compacted.strategy, "attempts": attempts,
        "tokens_before": compacted.tokens_before, "tokens_after": compacted.tokens_after, "ratio": compacted.ratio(),
        "messages_before": chat.len(), "messages_after": messages,
        "kept": kept, "summarized": summarized, "dropped": dropped, "summaries": summaries,
    })
}

fn show(app: &App, compacted: Option<&Compacted>, tokens: usize, before: usize, after: usize) {
    let Some(compacted) = compacted else {
        let tokens = count(tokens as u64);
        remark(&app.out, &format!("nothing to do: {before} messages with {tokens} tokens stay as they are"));
        return;
    };
    for attempt in &compacted.attempts {
        remark(&app.out, &format!("note: {} did not answer: {}", attempt.strategy, attempt.why));
    }
    show_fallbacks(&app.out, &compacted.summaries);
    let line = format!(
        "{}: {} → {} tokens ({:.0} %), {} → {}",
        compacted.strategy,
        count(compacted.tokens_before as u64),
        count(compacted.tokens_after as u64),
        compacted.ratio() * 100.0,
        count(before as u64),
        plural(after as u64, "message", "messages"),
    );
    remark(&app.out, &line);
}

/// A file that appears whole or not at all.
fn write_file(path: &Path, text: &str) -> Result<(), CliError> {
    let cannot = |source| CliError::WriteFile { path: path.to_owned(), source };
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(cannot)?;
    file.write_all(text.as_bytes()).map_err(cannot)?;
    file.as_file().sync_all().map_err(cannot)?;
    file.persist(path).map_err(|error| cannot(error.error))?;
    Ok(())
}

/// What is read is not written over: what left a conversation is nowhere else.
fn refuse_source(source: &Path, written: &Path) -> Result<(), CliError> {
    match (source.canonicalize(), written.canonicalize()) {
        (Ok(source), Ok(same)) if source == same => Err(CliError::OwnSource { path: written.to_owned() }),
        _ => Ok(()),
    }
}

fn ranges(places: &BTreeSet<usize>) -> Vec<Range<usize>> {
    let mut ranges: Vec<Range<usize>> = Vec::new();
    for &place in places {
        match ranges.last_mut() {
            Some(last) if last.end == place => last.end += 1,
            _ => ranges.push(place..place + 1),
        }
    }
    ranges
}
