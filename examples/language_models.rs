//! Every way to bring a language model, and what happens when it fails.
//!
//! ```text
//! cargo run -p mnemon-examples --example language_models
//! ```
//!
//! All of them write the same summary. The providers are played by a small server in this process (see local_model/); take
//! `base_url` away, and it is their own address.
#![expect(clippy::print_stdout, reason = "an example prints what it shows")]

mod local_model;

use std::collections::HashMap;
use std::error::Error;
use std::fmt::Write;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use local_model::{KEY, LocalModel};
use mnemon_compact::{Domain, Message, Method, ModelSummarizer, Prompts, Summarizer, Summary, SummaryRequest, Task};
use mnemon_core::{EstimateCounter, GenerateError, GenerateProblem, Generated, LanguageModel, Prompt};
use mnemon_llm::{Model, ModelConfig, Provider};

/// A model of one's own: another one, and every answer that it gave before.
struct Remembering {
    model: Model,
    answers: Mutex<HashMap<String, Generated>>,
}

impl LanguageModel for Remembering {
    fn name(&self) -> &str {
        "remembering"
    }

    fn generate(&self, prompt: &Prompt) -> Result<Generated, GenerateError> {
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(answer) = answers.get(&prompt.user) {
            return Ok(answer.clone());
        }
        let answer = self.model.generate(prompt)?;
        answers.insert(prompt.user.clone(), answer.clone());
        Ok(answer)
    }
}

type Failure = Box<dyn Error + Send + Sync>;

fn conversation() -> Vec<Message> {
    vec![
        Message::user("The build fails on Windows with error E0433 since Tuesday."),
        Message::assistant("Which version of the compiler is it?"),
        Message::user("It is 1.95. We decided to pin the crate winreg to 0.52 until Ann has fixed it."),
        Message::assistant("I've pinned winreg to 0.52 in Cargo.toml, and the build is green again."),
        Message::user("Great, thanks! Who tells the release team?"),
    ]
}

fn summarise(model: Arc<dyn LanguageModel>) -> Result<Summary, Failure> {
    let prompts = Prompts { domain: Domain::Technical, task: Task::Handover, extra: None };
    let messages = conversation();
    let request = SummaryRequest::of(&messages, 60, &EstimateCounter);
    Ok(ModelSummarizer::new(model).with_prompts(prompts).summarise(&request)?)
}

fn check(is_so: bool, expected: &str, got: &dyn std::fmt::Debug) -> Result<(), Failure> {
    if is_so { Ok(()) } else { Err(format!("expected {expected}, got {got:?}").into()) }
}

fn main() -> Result<(), Failure> {
    let local = LocalModel::start(4_000)?;
    let url = format!("{}/v1", local.url);
    let configs = [
        ModelConfig::new(Provider::OpenAi, "gpt-4o-mini").base_url(&url).key(KEY),
        ModelConfig::new(Provider::Anthropic, "claude-haiku-4-5").base_url(&url).key(KEY),
        ModelConfig::new(Provider::Ollama, "llama3.2").base_url(&local.url),
        ModelConfig::compatible(&url, "qwen3-4b"),
    ];

    println!("[each provider, sync and async]");
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let mut models = Vec::new();
    for config in &configs {
        let model = Model::new(&config.clone().timeout(Duration::from_secs(20)))?;
        let summary = summarise(Arc::new(model.clone()))?;
        println!("{}\n  {}", model.name(), summary.text.replace('\n', "\n  "));
        check(summary.meta.method == Method::Model(model.name().to_owned()), "a summary by the model", &summary.meta)?;
        check(summary.text.contains("0.52"), "the version that was pinned", &summary.text)?;

        let prompt = Prompt::new("Which crate was pinned?").told("user: We pinned the crate winreg to 0.52.");
        let (now, later) = (model.generate(&prompt)?, runtime.block_on(model.generate_async(&prompt))?);
        check(now == later && now.text.contains("winreg"), "the same answer twice", &(now, later))?;
        models.push(model);
    }

    println!("[a closure]");
    let behind = models.remove(0);
    let shorter = move |prompt: &Prompt| {
        // Whatever stands between: a header, a limit, another prompt.
        behind.generate(&prompt.clone().within(Duration::from_secs(5)))
    };
    let summary = summarise(Arc::new(shorter))?;
    check(summary.meta.method == Method::Model("a closure".into()), "a summary by the closure", &summary.meta)?;
    println!("  {}", summary.text.replace('\n', "\n  "));

    println!("[a type of one's own]");
    let own = Arc::new(Remembering { model: models.remove(0), answers: Mutex::default() });
    let first = summarise(own.clone())?;
    let asked = local.requests();
    let second = summarise(own)?;
    check(first == second && local.requests() == asked, "the second summary from memory", &second)?;
    println!("  asked twice, and the server once");

    println!("[a key that is refused]");
    let wrong = "sk-live-8c1f0e7a4b";
    for config in &configs[..2] {
        let model = Model::new(&config.clone().key(wrong).timeout(Duration::from_secs(20)))?;
        let Err(error) = model.generate(&Prompt::new("Are you there?")) else {
            return Err("expected the key to be refused".into());
        };
        check(error.problem == GenerateProblem::Refused, "a refusal", &error.problem)?;
        let mut told = format!("{error} {error:?} {model:?}");
        let mut cause = error.source();
        while let Some(error) = cause {
            write!(told, " {error} {error:?}")?;
            cause = error.source();
        }
        check(!told.contains(wrong), "an error without the key", &told.replace(wrong, "[the key]"))?;
        println!("  {error}");
    }

    println!("[a model that is down]");
    local.set_down(true);
    let config = ModelConfig::compatible(&url, "qwen3-4b").max_attempts(2).retry_delay(Duration::from_millis(10));
    let summary = summarise(Arc::new(Model::new(&config)?))?;
    let why = summary.meta.fallback.as_ref().ok_or("expected the reason why the model did not write it")?;
    println!("  {why}\n  {}", summary.text.replace('\n', "\n  "));
    check(summary.meta.method == Method::Extractive, "a summary out of the source", &summary.meta)?;
    check(summary.text.contains("0.52") && summary.meta.tokens_after <= 60, "the decision in it", &summary.text)?;
    Ok(())
}
