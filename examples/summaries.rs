//! Summaries: of a conversation, in levels, for a purpose, by sentences of the source or by a language model.
//!
//! ```text
//! cargo run -p mnemon-examples --example summaries
//! ```
//!
//! Everything runs offline. The language model here is a closure, so that what it is asked can be seen; yours is one of
//! `mnemon_llm`, or a closure around whatever you have.
#![expect(clippy::print_stdout, reason = "an example prints what it shows")]

use std::collections::BTreeSet;
use std::error::Error;
use std::path::Path;
use std::sync::{Arc, Mutex};

use mnemon::import::{self, Options};
use mnemon::tokens::OpenAiCounter;
use mnemon_compact::{
    Domain, Extractive, Fallback, Levels, Message, Method, ModelSummarizer, Prompts, Summarizer, SummaryRequest,
    SummaryTree, Task, quality,
};
use mnemon_core::{GenerateError, GenerateProblem, Generated, Prompt};

fn main() -> Result<(), Box<dyn Error>> {
    let messages = nora()?;
    let counter = OpenAiCounter::O200kBase;

    println!("--- one session, offline\n");
    let session = &messages[..26];
    let request = SummaryRequest::of(session, 150, &counter);
    let summary = Extractive::default().summarise(&request)?;
    println!("{}\n", summary.text);
    let meta = &summary.meta;
    println!(
        "{} messages from {:?} to {:?}, {} to {} tokens ({:.0} %), quality {:.2}\n",
        meta.messages,
        meta.ids.first(),
        meta.ids.last(),
        meta.tokens_before,
        meta.tokens_after,
        meta.ratio() * 100.0,
        meta.quality.score,
    );
    assert!(meta.tokens_after <= 150 && meta.method == Method::Extractive);
    assert_eq!(meta.ids.len(), 26);
    assert!(meta.from.is_some() && meta.from <= meta.until);
    // Every word of it was said, so the numbers are the right ones.
    let said: String = session.iter().map(|message| message.content.as_str()).collect();
    let numbers = |text: &str| -> BTreeSet<String> {
        let words = text.split(|c: char| !c.is_ascii_digit());
        words.filter(|word| word.len() > 1).map(str::to_owned).collect()
    };
    let text: String = summary.text.lines().filter(|line| !line.starts_with('[')).collect();
    assert!(numbers(&text).is_subset(&numbers(&said)));
    // The quality falls with what is taken away.
    let sources: Vec<&str> = session.iter().map(|message| message.content.as_str()).collect();
    let half: Vec<&str> = summary.text.lines().step_by(2).collect();
    assert!(quality(&sources, &half.join("\n"), None)?.score < meta.quality.score);

    println!("--- a year in levels: sessions, then summaries of summaries\n");
    let levels = Levels { chunk_tokens: 1_200, summary_tokens: 200 };
    let tree = SummaryTree::build(&messages, levels, &Extractive::default(), &counter, None)?;
    for (level, summaries) in tree.levels.iter().enumerate() {
        let tokens: usize = summaries.iter().map(|summary| summary.meta.tokens_after).sum();
        println!("level {}: {} summaries, {tokens} tokens", level + 1, summaries.len());
    }
    let top = tree.top().ok_or("expected a summary of everything")?;
    println!("\n{}\n", top.text);
    assert!(tree.levels.len() >= 3 && top.meta.depth as usize == tree.levels.len());
    assert_eq!((top.meta.messages, top.meta.ids.len()), (messages.len(), messages.len()));

    println!("--- by a language model, for a domain and a task\n");
    let asked: Arc<Mutex<Vec<String>>> = Arc::default();
    let seen = Arc::clone(&asked);
    let model = Arc::new(move |prompt: &Prompt| {
        seen.lock().map_err(|_| declined("the list of prompts is gone"))?.push(prompt.user.clone());
        Ok(Generated { text: "Nora draws maps in Leipzig.".to_owned(), ..Generated::default() })
    });
    for domain in [Domain::General, Domain::Technical, Domain::Business, Domain::Creative] {
        for task in [Task::Continue, Task::Handover, Task::Minutes, Task::Other("a child understands it".to_owned())] {
            let prompts = Prompts { domain, task, extra: None };
            let summary = ModelSummarizer::new(model.clone()).with_prompts(prompts).summarise(&request)?;
            assert!(matches!(summary.meta.method, Method::Model(_)) && summary.meta.fallback.is_none());
        }
    }
    let asked = asked.lock().map_err(|_| "expected the prompts")?;
    let different: BTreeSet<&str> = asked.iter().map(|prompt| prompt.split("<<<").next().unwrap_or_default()).collect();
    println!("{}", asked.get(6).and_then(|prompt| prompt.split("\n\n<<<").next()).unwrap_or_default());
    println!("\n{} prompts, all different: {}\n", asked.len(), different.len() == asked.len());
    assert_eq!((asked.len(), different.len()), (16, 16));

    println!("--- when the model fails\n");
    let failing = Arc::new(|_: &Prompt| -> Result<Generated, GenerateError> { Err(declined("no credit is left")) });
    let summary = ModelSummarizer::new(failing).summarise(&request)?;
    let why = summary.meta.fallback.ok_or("expected that the summary says why the model did not write it")?;
    println!("{:?}, because {why}", summary.meta.method);
    assert!(matches!(why, Fallback::Failed { .. }));
    assert_eq!(summary.text, Extractive::default().summarise(&request)?.text);
    Ok(())
}

fn declined(why: &str) -> GenerateError {
    GenerateError::new("my model", GenerateProblem::Declined(why.to_owned()))
}

/// A year of chats with an assistant.
fn nora() -> Result<Vec<Message>, Box<dyn Error>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/nora.jsonl");
    let read = import::read(path, &Options::default())?;
    let sessions = read.conversations.into_iter().flat_map(|conversation| conversation.sessions);
    let turns = sessions.flat_map(|session| session.turns);
    Ok(turns
        .map(|turn| {
            let mut message = Message::new(turn.role, turn.text);
            (message.name, message.at) = (turn.speaker, turn.occurred_at);
            message.id = turn.origin.map(|origin| origin.id);
            message
        })
        .collect())
}
