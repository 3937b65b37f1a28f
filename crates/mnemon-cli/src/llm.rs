//! The language model that somebody asked for, and the summariser with it or without.

use std::sync::Arc;
use std::time::Duration;

use clap::{Args, ValueEnum};
use mnemon::TokenCounter;
use mnemon_compact::{
    CompactError, Domain, Extractive, Fallback, ModelSummarizer, Prompts, Summarizer, Summary, SummaryRequest, Task,
};
use mnemon_llm::{Model, ModelConfig, Provider};

use crate::chat::without_marks;
use crate::error::CliError;
use crate::input::span;
use crate::output::{Output, Waiting, remark};

/// Who writes summaries, and what they are for.
#[derive(Debug, Args)]
#[command(next_help_heading = "Summaries")]
pub(crate) struct Llm {
    /// Have a language model write: `openai/NAME`, `anthropic/NAME`, `ollama/NAME`, or with --llm-url a NAME; when it
    /// fails, sentences of the source are taken. Keys are read from OPENAI_API_KEY and ANTHROPIC_API_KEY [default: offline]
    #[arg(long, value_name = "PROVIDER/NAME")]
    llm: Option<String>,
    /// Where its server is, such as http://localhost:1234/v1; one that speaks as OpenAI does where no provider is named
    #[arg(long, value_name = "URL", requires = "llm")]
    llm_url: Option<String>,
    /// The environment variable that holds its key [default: that of the provider]
    #[arg(long, value_name = "VARIABLE", requires = "llm")]
    llm_key_env: Option<String>,
    /// After so long it is given up: `30s`, `2min`
    #[arg(long, value_name = "TIME", value_parser = span, default_value = "2min")]
    llm_timeout: Duration,
    /// What the conversation is about, for the language model
    #[arg(long, value_enum, default_value_t = About::General)]
    domain: About,
    /// What the summary is for, for the language model: continue, handover, minutes, facts, or words that follow "Write it
    /// so that"
    #[arg(long, value_name = "TASK", default_value = "continue", value_parser = task)]
    task: Task,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum About {
    General,
    Technical,
    Business,
    Creative,
}

impl Llm {
    /// The summariser that was asked for. Nothing is sent yet.
    ///
    /// # Errors
    /// When the options make no model, or its key is not there.
    pub(crate) fn summarizer(&self) -> Result<Box<dyn Summarizer>, CliError> {
        let Some(named) = &self.llm else { return Ok(Box::new(Extractive::default())) };
        let mut config = self.config(named)?.timeout(self.llm_timeout);
        if let Some(variable) = &self.llm_key_env {
            config = config.key_env(variable);
        }
        let model = Model::new(&config).map_err(CliError::Llm)?;
        let domain = match self.domain {
            About::General => Domain::General,
            About::Technical => Domain::Technical,
            About::Business => Domain::Business,
            About::Creative => Domain::Creative,
        };
        let prompts = Prompts { domain, task: self.task.clone(), extra: None };
        Ok(Box::new(ModelSummarizer::new(Arc::new(model)).with_prompts(prompts)))
    }

    fn config(&self, named: &str) -> Result<ModelConfig, CliError> {
        let known = named.split_once('/').and_then(|(provider, name)| Some((provider.parse::<Provider>().ok()?, name)));
        let config = match (known, &self.llm_url) {
            (Some((provider, name)), None) => ModelConfig::new(provider, name),
            (Some((provider, name)), Some(url)) => ModelConfig::new(provider, name).base_url(url),
            // Names at such servers may have slashes of their own.
            (None, Some(url)) => ModelConfig::compatible(url, named),
            (None, None) => return Err(CliError::LlmName { got: named.to_owned() }),
        };
        Ok(config)
    }
}

fn task(text: &str) -> Result<Task, String> {
    match text.trim() {
        "" => Err("expected what the summary is for".to_owned()),
        "continue" => Ok(Task::Continue),
        "handover" => Ok(Task::Handover),
        "minutes" => Ok(Task::Minutes),
        "facts" => Ok(Task::Facts),
        other => Ok(Task::Other(other.to_owned())),
    }
}

/// Shows that summaries are written, and hands them the texts without the marks that only counting needs.
pub(crate) struct Shown<'a> {
    inner: &'a dyn Summarizer,
    counter: &'a dyn TokenCounter,
    waiting: Waiting,
}

impl<'a> Shown<'a> {
    /// `counter` is the one that knows no marks.
    pub(crate) fn new(inner: &'a dyn Summarizer, counter: &'a dyn TokenCounter, out: &Output) -> Self {
        Self { inner, counter, waiting: Waiting::new(out, "summaries") }
    }

    /// Takes the progress away: what follows says how it ended.
    pub(crate) fn end(&self) {
        self.waiting.end();
    }
}

impl Summarizer for Shown<'_> {
    fn summarise(&self, request: &SummaryRequest<'_>) -> Result<Summary, CompactError> {
        let mut messages: Vec<_> =
            request.messages.iter().map(|(position, message)| (*position, (*message).clone())).collect();
        for (_, message) in &mut messages {
            message.content = without_marks(&message.content);
        }
        let messages = messages.iter().map(|(position, message)| (*position, message)).collect();
        let mut plain = SummaryRequest::new(messages, request.max_tokens, self.counter);
        plain.vectors = request.vectors;
        let summary = self.inner.summarise(&plain);
        self.waiting.step();
        summary
    }
}

/// Says why summaries were not written as they should have been, each reason once.
pub(crate) fn show_fallbacks<'s>(out: &Output, summaries: impl IntoIterator<Item = &'s Summary>) {
    let mut told: Vec<&Fallback> = Vec::new();
    for fallback in summaries.into_iter().filter_map(|summary| summary.meta.fallback.as_ref()) {
        if !told.contains(&fallback) {
            remark(out, &format!("note: sentences of the source were taken, because {fallback}"));
            told.push(fallback);
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        llm: Llm,
    }

    fn config(arguments: &[&str]) -> Result<ModelConfig, CliError> {
        let line = Line::try_parse_from([&["x"], arguments].concat()).unwrap();
        line.llm.config(line.llm.llm.as_deref().unwrap())
    }

    #[test]
    fn models_are_named_with_their_provider_or_an_address() {
        #[track_caller]
        fn check(arguments: &[&str], provider: Provider, model: &str, url: Option<&str>) {
            let config = config(arguments).unwrap();
            assert_eq!((config.provider, config.model.as_str(), config.base_url.as_deref()), (provider, model, url));
        }
        check(&["--llm", "openai/gpt-5-mini"], Provider::OpenAi, "gpt-5-mini", None);
        check(&["--llm", "ollama/hf.co/x/y"], Provider::Ollama, "hf.co/x/y", None);
        let url = "http://localhost:9/v1";
        check(&["--llm", "Qwen/Qwen3-4B", "--llm-url", url], Provider::Compatible, "Qwen/Qwen3-4B", Some(url));
        check(&["--llm", "anthropic/c", "--llm-url", url], Provider::Anthropic, "c", Some(url));
        assert!(matches!(config(&["--llm", "gpt-5-mini"]), Err(CliError::LlmName { .. })));
        assert!(Line::try_parse_from(["x", "--llm-url", url]).is_err());
        assert!(Line::try_parse_from(["x", "--llm-timeout", "soon"]).is_err());
    }

    #[test]
    fn a_task_is_a_word_or_words() {
        assert_eq!(task("minutes"), Ok(Task::Minutes));
        assert_eq!(task("a child can read it"), Ok(Task::Other("a child can read it".into())));
        assert!(task(" ").is_err());
    }
}
