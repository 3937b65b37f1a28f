//! `mnemon summarize`

use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Args;
use mnemon::TokenCounter;
use mnemon::import::{self, Import, Options};
use mnemon_compact::{
    Levels, MemoryVectors, Message, Method, Summarizer, Summary, SummaryRequest, SummaryTree, Vectors, count_tokens,
};
use serde_json::json;

use crate::app::App;
use crate::args::{part, positive};
use crate::chat::{Chat, Shape, without_marks};
use crate::error::{CliError, Outcome};
use crate::input::{bytes_of, file_or_stdin_name};
use crate::llm::{Llm, Shown, show_fallbacks};
use crate::output::{count, plural, remark, safe_block, style};

const AFTER_HELP: &str = "\
FILE holds a conversation: chat messages as OpenAI or Anthropic take them, or what `mnemon import`
reads (lines of JSON, LoCoMo, a transcript). Without --llm the summary is made of sentences of the
conversation, word for word; no model is needed.

With --chunk-tokens a long conversation is summarized in levels: each stretch of so many tokens
first, then the summaries, up to one that stands for all.";

#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Summarize {
    /// The file; `-` reads standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The most tokens of the summary, and of each one below it
    #[arg(long, value_name = "TOKENS", value_parser = positive, default_value = "500")]
    max_tokens: usize,
    /// In place of that, at most this share of the tokens of the conversation: above 0, at most 1
    #[arg(long, value_name = "SHARE", value_parser = part, conflicts_with_all = ["max_tokens", "chunk_tokens"])]
    ratio: Option<f64>,
    /// Summarize stretches of so many tokens, then their summaries; more than twice --max-tokens
    #[arg(long, value_name = "TOKENS", value_parser = positive)]
    chunk_tokens: Option<usize>,
    /// Show the summaries of every level
    #[arg(long, requires = "chunk_tokens")]
    levels: bool,
    /// Tell sentences that mean the same with the embedding model, which takes longer
    #[arg(long)]
    embed: bool,
    /// What the file is: openai, anthropic, jsonl, locomo or transcript [default: told by the name and the content]
    #[arg(long, value_name = "FORMAT", value_parser = format)]
    format: Option<Format>,
    /// Of a file with several conversations this one, as `mnemon import` names its source
    #[arg(long, value_name = "NAME")]
    conversation: Option<String>,
    #[command(flatten)]
    llm: Llm,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Chat(Shape),
    Import(import::Format),
}

pub(crate) fn run(app: &mut App, args: &Summarize) -> Result<Outcome, CliError> {
    let counter = app.config.tokenizer.resolve().map_err(mnemon::Error::from)?;
    let messages = args.messages(counter.as_ref())?;
    let summarizer = args.llm.summarizer()?;
    let embedder = if args.embed { Some(app.embedder()?) } else { None };
    let cache = MemoryVectors::default();
    let vectors = embedder.as_deref().map(|embedder| Vectors::new(embedder, &cache));
    let shown = Shown::new(summarizer.as_ref(), counter.as_ref(), &app.out);

    let start = Instant::now();
    let tree = args.summarize(&messages, &shown, counter.as_ref(), vectors);
    shown.end();
    let tree = tree.map_err(CliError::Compact)?;
    let micros = u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX);
    let Some(top) = tree.top() else { return Err(CliError::NoText) };
    if app.out.is_json {
        let mut document = json!({
            "text": top.text, "meta": top.meta, "ratio": top.meta.ratio(), "tokenizer": counter.name(), "micros": micros,
        });
        if args.chunk_tokens.is_some() {
            document["levels"] = json!(tree.levels);
        }
        app.out.json(&document)?;
        return Ok(Outcome::Done);
    }
    let out = &mut app.out;
    let shown_text = |summary: &Summary| if out.is_terminal { safe_block(&summary.text) } else { summary.text.clone() };
    let mut lines = Vec::new();
    if args.levels {
        for (level, summaries) in tree.levels.iter().enumerate() {
            let number = plural(summaries.len() as u64, "summary", "summaries");
            lines.push(out.paint(style::NAME, format!("level {}: {number}", level + 1)));
            for summary in summaries {
                let of = plural(summary.meta.messages as u64, "message", "messages");
                let tokens = plural(summary.meta.tokens_after as u64, "token", "tokens");
                lines.push(out.dim(format!("--- of {of}, {tokens}")));
                lines.push(shown_text(summary));
            }
        }
    } else {
        lines.push(shown_text(top));
    }
    for line in lines {
        out.line(line)?;
    }
    out.flush()?;
    show_fallbacks(out, tree.levels.iter().flatten());
    let tokens: usize = tree.levels.first().into_iter().flatten().map(|summary| summary.meta.tokens_before).sum();
    let by = match &top.meta.method {
        Method::Model(model) => model.clone(),
        _ => "sentences of the source".to_owned(),
    };
    let line = format!(
        "{}: {} → {} tokens, quality {:.2}, by {by}",
        plural(top.meta.messages as u64, "message", "messages"),
        count(tokens as u64),
        count(top.meta.tokens_after as u64),
        top.meta.quality.score,
    );
    remark(out, &line);
    Ok(Outcome::Done)
}

impl Summarize {
    fn summarize(
        &self,
        messages: &[Message],
        summarizer: &dyn Summarizer,
        counter: &dyn TokenCounter,
        vectors: Option<Vectors<'_>>,
    ) -> Result<SummaryTree, mnemon_compact::CompactError> {
        if let Some(chunk_tokens) = self.chunk_tokens {
            let levels = Levels { chunk_tokens, summary_tokens: self.max_tokens };
            return SummaryTree::build(messages, levels, summarizer, counter, vectors);
        }
        let max_tokens = match self.ratio {
            Some(ratio) => (count_tokens(messages, counter) as f64 * ratio) as usize,
            None => self.max_tokens,
        };
        let mut request = SummaryRequest::of(messages, max_tokens, counter);
        request.vectors = vectors;
        Ok(SummaryTree { levels: vec![vec![summarizer.summarise(&request)?]] })
    }

    fn messages(&self, counter: &dyn TokenCounter) -> Result<Vec<Message>, CliError> {
        let (bytes, name) = (bytes_of(&self.file)?, file_or_stdin_name(&self.file));
        let text = std::str::from_utf8(&bytes).ok().map(|text| text.trim_start_matches('\u{feff}'));
        let is_chat = |text: &str| match self.format {
            Some(format) => matches!(format, Format::Chat(_)),
            None => Chat::is_in(text),
        };
        if let Some(text) = text.filter(|text| is_chat(text)) {
            let shape = match self.format {
                Some(Format::Chat(shape)) => Some(shape),
                _ => None,
            };
            let mut messages = Chat::read(text, &name, shape, counter)?.messages;
            for message in &mut messages {
                message.content = without_marks(&message.content);
            }
            return Ok(messages);
        }
        let format = match self.format {
            Some(Format::Import(format)) => Some(format),
            _ => None,
        };
        let options = Options { format, ..Options::default() };
        // A file's name tells its format too.
        let read = if self.file == Path::new("-") {
            import::parse(&bytes, &name, &options)?
        } else {
            import::read(&self.file, &options)?
        };
        self.conversation(read)
    }

    fn conversation(&self, read: Import) -> Result<Vec<Message>, CliError> {
        let names: Vec<String> = read.conversations.iter().map(|conversation| conversation.source.clone()).collect();
        let is_meant = |source: &str| match &self.conversation {
            Some(name) => source == name || source.rsplit_once(':').is_some_and(|(_, id)| id == name),
            None => true,
        };
        let mut meant = read.conversations.into_iter().filter(|conversation| is_meant(&conversation.source));
        let (Some(conversation), None) = (meant.next(), meant.next()) else {
            return Err(CliError::Conversation { names });
        };
        let turns = conversation.sessions.into_iter().flat_map(|session| session.turns);
        let messages = turns.map(|turn| {
            let content = match (&turn.caption, turn.text.trim().is_empty()) {
                (None, _) => turn.text,
                (Some(caption), true) => format!("[shares {caption}]"),
                (Some(caption), false) => format!("{} [shares {caption}]", turn.text),
            };
            let mut message = Message::new(turn.role, content);
            message.name = turn.speaker;
            message.id = turn.origin.map(|origin| origin.id);
            message.at = turn.occurred_at;
            message
        });
        Ok(messages.collect())
    }
}

fn format(word: &str) -> Result<Format, String> {
    match word {
        "openai" => Ok(Format::Chat(Shape::OpenAi)),
        "anthropic" => Ok(Format::Chat(Shape::Anthropic)),
        _ => {
            let expected = || "expected openai, anthropic, jsonl, locomo or transcript".to_owned();
            word.parse().map(Format::Import).map_err(|_| expected())
        }
    }
}
