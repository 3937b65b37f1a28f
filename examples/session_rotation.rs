//! An agent that never runs out of context: at 80 % it is compacted, at 95 % a new session takes over and goes on with the
//! next issue, with what it has to know out of long-term memory.
//!
//! ```text
//! cargo run -p mnemon-examples --example session_rotation
//! cargo run -p mnemon-examples --example session_rotation -- http://localhost:11434/v1 llama3.2 8000
//! ```
//!
//! Without arguments the model is a small server in this process (see local_model/), which the agent talks to over HTTP as
//! to any other. With a URL, the name of a model and its context length it is the server there, such as Ollama's.
#![expect(clippy::print_stdout, reason = "an example prints what it shows")]

mod local_model;

use std::borrow::Cow;
use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use local_model::LocalModel;
use mnemon::{ContextManager, Timestamp};
use mnemon_compact::{
    Advice, Agent, AgentError, AgentId, CompactionResult, ContextMonitor, Extractive, Means, Message, NextIssue,
    RotationRecord, SessionRotation, Usage, UsageFrom, count_tokens,
};
use mnemon_core::{EstimateCounter, LanguageModel, Prompt, Role, TokenCounter};
use mnemon_llm::{Model, ModelConfig};

/// A session with a model: what was said so far goes along with every message.
struct ChatAgent {
    model: Model,
    session: String,
    messages: Vec<Message>,
    context_tokens: usize,
    /// What the server counts and our counter does not see, as its last answer showed.
    unseen: usize,
    is_open: bool,
    sessions: Arc<AtomicUsize>,
}

const INSTRUCTIONS: &str = "You help the crew of a sailing boat. Keep to what you were told.";
const ANSWER_TOKENS: usize = 400;

impl ChatAgent {
    fn new(model: Model, context_tokens: usize) -> Self {
        Self::session(model, context_tokens, Arc::default())
    }

    fn session(model: Model, context_tokens: usize, sessions: Arc<AtomicUsize>) -> Self {
        let session = format!("chat-{}", sessions.fetch_add(1, Ordering::Relaxed) + 1);
        let messages = vec![Message::system(INSTRUCTIONS)];
        Self { model, session, messages, context_tokens, unseen: 0, is_open: true, sessions }
    }

    /// What the model is told before a message.
    fn told(&self) -> String {
        let mut told = String::new();
        for message in &self.messages {
            // Writing to a string cannot fail.
            let _ = match message.role {
                Role::System => writeln!(told, "{}\n\nThe conversation so far:", message.content),
                role => writeln!(told, "{role}: {}", message.content),
            };
        }
        told
    }
}

impl Agent for ChatAgent {
    fn id(&self) -> AgentId {
        AgentId::new(self.model.name(), self.session.as_str())
    }

    fn history(&self) -> Result<Cow<'_, [Message]>, AgentError> {
        Ok(Cow::Borrowed(&self.messages))
    }

    fn context_usage(&self) -> Result<Option<Usage>, AgentError> {
        let used = count_tokens(&self.messages, &EstimateCounter) + self.unseen;
        Ok(Some(Usage { used, total: self.context_tokens }))
    }

    fn send_message(&mut self, text: &str) -> Result<String, AgentError> {
        if !self.is_open {
            return Err(format!("{} is closed", self.session).into());
        }
        let answer = self.model.generate(&Prompt::new(text).told(self.told()).max_tokens(ANSWER_TOKENS))?;
        self.messages.extend([Message::user(text), Message::assistant(answer.text.as_str())]);
        if let (Some(read), Some(written)) = (answer.prompt_tokens, answer.answer_tokens) {
            let reported = usize::try_from(read + written)?;
            self.unseen = reported.saturating_sub(count_tokens(&self.messages, &EstimateCounter));
        }
        Ok(answer.text)
    }

    fn replace_history(&mut self, messages: Vec<Message>) -> Result<(), AgentError> {
        self.messages = messages;
        Ok(())
    }

    fn spawn(&self) -> Result<Self, AgentError> {
        Ok(Self::session(self.model.clone(), self.context_tokens, Arc::clone(&self.sessions)))
    }

    fn close(&mut self) -> Result<(), AgentError> {
        self.is_open = false;
        Ok(())
    }
}

/// An agent, what watches it, and what remembers for it.
struct Desk {
    agent: ChatAgent,
    monitor: ContextMonitor,
    memory: ContextManager,
    compactions: Vec<CompactionResult>,
    rotations: Vec<SessionRotation<ChatAgent>>,
}

impl Desk {
    /// Says something, remembers it, and does what is due.
    fn say(&mut self, text: &str, next: &NextIssue) -> Result<String, AgentError> {
        let answer = self.agent.send_message(text)?;
        self.memory.observe(text, &answer)?;
        let summarizer = Extractive::default();
        let means = Means { counter: &EstimateCounter, vectors: None, summarizer: &summarizer };
        let checked = self.monitor.check(&self.agent, means.counter)?;
        match checked.advice {
            Advice::Compact => {
                let result = self.monitor.compact(&mut self.agent, &means, Timestamp::now());
                println!(
                    "  {:.0} % full: compacted from {} to {} tokens, {:.0} % less, in {} pass(es)",
                    checked.usage.share() * 100.0,
                    result.before.map_or(0, |usage| usage.used),
                    result.after.map_or(0, |usage| usage.used),
                    result.reduction() * 100.0,
                    result.passes
                );
                let summaries = result.compacted.iter().flat_map(|compacted| &compacted.summaries);
                for summary in summaries {
                    println!("  summary of {} messages by {:?}", summary.meta.messages, summary.meta.method);
                    if let Some(why) = &summary.meta.fallback {
                        println!("  (the agent's own was not taken: {why})");
                    }
                }
                self.compactions.push(result);
            }
            Advice::Rotate => {
                println!("  {:.0} % full: a new session takes over", checked.usage.share() * 100.0);
                let rotation = self.monitor.trigger_rotation(&mut self.agent, next, &means, Timestamp::now());
                println!("  {} -> {}", rotation.old.session, self.agent.session);
                self.rotations.push(rotation);
            }
            _ => {}
        }
        Ok(answer)
    }
}

const FACT: &str = "The frame number of my folding bike is WBK 20817 H, I keep it under the forward berth.";
const QUESTION: &str = "What was the frame number of my folding bike?";

fn main() -> Result<(), AgentError> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (_local, url, name, context_tokens) = match arguments.as_slice() {
        [] => {
            let local = LocalModel::start(3_000)?;
            let url = format!("{}/v1", local.url);
            (Some(local), url, "local".to_owned(), 3_000)
        }
        [url, name, tokens] => (None, url.clone(), name.clone(), tokens.parse()?),
        _ => return Err("expected nothing, or a URL, the name of a model and its context length".into()),
    };
    let model = Model::new(&ModelConfig::compatible(url, name).timeout(Duration::from_secs(120)))?;
    let folder = tempfile::tempdir()?;
    // What memory builds has to fit where it goes: both count alike.
    let memory =
        ContextManager::builder().token_counter(Arc::new(EstimateCounter)).open(folder.path().join("memory.db"))?;

    let log = |record: &RotationRecord| -> Result<(), AgentError> {
        println!("  log: {:?}", record.phase);
        Ok(())
    };
    let monitor = ContextMonitor::new(UsageFrom::Agent);
    // The handover is what long-term memory knows about the next issue.
    let monitor = monitor.with_handover(Box::new(memory.clone())).with_log(Box::new(log));
    let agent = ChatAgent::new(model, context_tokens);
    let mut desk = Desk { agent, monitor, memory, compactions: Vec::new(), rotations: Vec::new() };

    // The talk of a voyage, until the context has to be compacted.
    let next = NextIssue::new("17", "Stolen bike", "My folding bike was stolen. Write to the insurance about it.");
    println!("[talk until 80 %]");
    desk.say(FACT, &next)?;
    let ports = ["Marstal", "Faaborg", "Svendborg", "Kerteminde", "Nyborg", "Lohals", "Bagenkop"];
    for day in 1..200 {
        let port = ports[day % ports.len()];
        let wind = 2 + day * 7 % 5;
        desk.say(
            &format!("On day {day} we sailed {} miles to {port} against wind force {wind}.", 9 + day * 5 % 23),
            &next,
        )?;
        if !desk.compactions.is_empty() {
            break;
        }
    }
    let compaction = desk.compactions.first().ok_or("expected a compaction at 80 %")?;
    if !compaction.success || !compaction.target_met {
        return Err(format!("expected a compaction that frees 40 %, got {compaction:?}").into());
    }
    if !desk.rotations.is_empty() {
        return Err("expected no rotation yet".into());
    }

    // Somebody pastes a long list: from the middle to 96 % at once.
    println!("[a long list until 95 %]");
    let used = desk.agent.context_usage()?.map_or(0, |usage| usage.used);
    let room = context_tokens * 19 / 20 + 40 - used;
    let mut list = String::from("This is what is on board:");
    for item in 1.. {
        let line = format!("\nlocker {item}: {} shackles, {} metres of rope", item * 3 % 17, item * 11 % 40);
        if EstimateCounter.count(&list) + EstimateCounter.count(&line) > room {
            break;
        }
        list.push_str(&line);
    }
    desk.say(&list, &next)?;
    let rotation = desk.rotations.first().ok_or("expected a rotation at 95 %")?;
    if !rotation.success || !rotation.problems.is_empty() || !rotation.left_over.is_empty() {
        return Err(format!("expected a rotation without problems, got {rotation:?}").into());
    }
    if desk.agent.session != "chat-2" || !desk.agent.is_open {
        return Err(format!("expected the second session, got {}", desk.agent.session).into());
    }
    println!("  handed over ({} tokens):", rotation.handover_tokens);
    rotation.handover.iter().flat_map(|text| text.lines()).for_each(|line| println!("    {line}"));

    println!("[the new session]");
    let usage = desk.agent.context_usage()?.ok_or("expected the usage of the new session")?;
    println!("  it began {:.0} % full", usage.share() * 100.0);
    let answer = desk.say(QUESTION, &next)?;
    println!("you    {QUESTION}\nagent  {answer}");
    if !answer.contains("20817") {
        return Err(format!("expected the frame number in the answer, got {answer:?}").into());
    }

    // A session without the handover does not know it: it was the handover that told.
    let mut bare = desk.agent.spawn()?;
    let answer = bare.send_message(QUESTION)?;
    bare.close()?;
    println!("(a session without the handover says: {answer})");
    if answer.contains("20817") {
        return Err("expected a session without the handover not to know".into());
    }
    Ok(())
}
