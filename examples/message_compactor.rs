//! An agent that works for hours inside the limit of its model: old messages become a summary, recent and critical ones
//! stay, and a very long session has summaries of summaries.
//!
//! ```text
//! cargo run -p mnemon-examples --example message_compactor
//! ```
#![expect(clippy::print_stdout, reason = "an example prints what it shows")]

use std::error::Error;
use std::sync::{Arc, Mutex};

use mnemon::Timestamp;
use mnemon::tokens::OpenAiCounter;
use mnemon_compact::{
    CompactionOutcome, Domain, Extractive, Means, Message, MessageCompactor, MessageKind, ModelSummarizer, ModelTier,
    Prompts, SummaryMeta, Task, check_order, count_tokens,
};
use mnemon_core::{Generated, Prompt};

/// What the agent may never lose.
const REPORT: &str = "Bug 7: the form of /checkout loses the address when the page is loaded again. Severity high.";

fn main() -> Result<(), Box<dyn Error>> {
    println!("--- tiers, and the tokens from which on each is compacted");
    let mut compactor = MessageCompactor::default();
    for (tier, expected) in [
        (ModelTier::Orchestrator, 140_000),
        (ModelTier::Coding, 89_600),
        (ModelTier::Reasoning, 44_800),
        (ModelTier::General, 22_400),
        (ModelTier::Fast, 22_400),
        (ModelTier::Limit(4_000), 2_800),
    ] {
        let few = [Message::user("Look at the first page.")];
        let outcome = compactor.compact_if_needed(&few, tier, &means(), Timestamp::UNIX_EPOCH)?;
        let CompactionOutcome::NotNeeded { tokens, threshold } = outcome else {
            return Err("expected that one message is not compacted".into());
        };
        println!("  {tier:?}: {threshold}");
        assert_eq!(threshold, expected);
        assert!(tokens < threshold);
    }

    println!("--- a crawl of 600 pages with a model that reads 4,000 tokens");
    let tier = ModelTier::Limit(4_000);
    let mut now: Timestamp = "2026-01-05T09:00:00Z".parse()?;
    let mut messages = vec![Message::system("You look for bugs on pages.")];
    let (mut most, mut deepest) = (0, 0);
    for page in 0..600 {
        messages.push(Message::user(format!("Analyse /shop/{page}. It answered in {} ms.", 100 + page * 7 % 400)));
        let before = messages.clone();
        let outcome = compactor.compact_if_needed(&messages, tier, &means(), now)?;
        if let Some(compacted) = outcome.compacted() {
            check_order(&compacted.messages)?;
            // The first of them may have become one turn with the critical message before it.
            let recent = compacted.messages.iter().rev().zip(before.iter().rev()).take(10);
            let mut recent = recent.map(|(now, before)| now.content.ends_with(&before.content));
            assert!(recent.all(|is_there| is_there), "the last 10 stay word for word");
            assert!(compacted.tokens_after <= 1_400, "half of the threshold");
            let summaries = compacted.messages.iter().filter_map(summary_of);
            deepest = summaries.map(|meta| meta.depth).fold(deepest, u32::max);
        }
        messages = outcome.messages_or(messages);
        most = most.max(count_tokens(&messages, &OpenAiCounter::O200kBase));
        messages.push(match page {
            7 => Message::assistant(REPORT).critical(),
            _ => Message::assistant(format!("/shop/{page} has {} links and no error.", page % 13)),
        });
        now += std::time::Duration::from_secs(20);
    }
    let metrics = compactor.metrics();
    println!("  never more than {most} tokens; summaries {deepest} levels deep");
    println!(
        "  {} compactions, the last at {}: {} to {} tokens ({:.0} %), quality {:.2}; {} tokens freed",
        metrics.count,
        metrics.last_at.map(|at| at.to_string()).unwrap_or_default(),
        metrics.tokens_before,
        metrics.tokens_after,
        metrics.ratio() * 100.0,
        metrics.quality.unwrap_or_default(),
        metrics.tokens_freed,
    );
    assert!(most < 2_800 + 100 && deepest >= 3 && metrics.count >= 3);
    assert!(metrics.ratio() <= 0.5 && metrics.quality.is_some_and(|quality| quality > 0.0));
    let stays = messages.iter().filter(|message| message.content.contains(REPORT)).count();
    assert_eq!(stays, 1, "what is critical stays, word for word");
    let summary = messages.iter().find_map(summary_of).ok_or("expected a summary")?;
    let kept = messages.iter().filter(|message| message.kind == MessageKind::Said).count();
    println!("  {} messages are behind the summary, {kept} stand as they were said", summary.messages);
    assert!(summary.messages > 1_000);

    println!("--- a template for each task");
    let asked: Arc<Mutex<Vec<String>>> = Arc::default();
    for task in [Task::Handover, Task::Facts, Task::Other("it lists each bug with its page".to_owned())] {
        let seen = Arc::clone(&asked);
        let model = Arc::new(move |prompt: &Prompt| {
            if let Ok(mut prompts) = seen.lock() {
                prompts.push(prompt.user.clone());
            }
            Ok(Generated { text: "Many pages, one bug.".to_owned(), ..Generated::default() })
        });
        let prompts = Prompts { domain: Domain::Technical, task, extra: Some("Name every URL.".to_owned()) };
        let summarizer = ModelSummarizer::new(model).with_prompts(prompts);
        let means = Means { summarizer: &summarizer, ..means() };
        let mut compactor = MessageCompactor::default();
        let tight = ModelTier::Limit(count_tokens(&messages, means.counter));
        let outcome = compactor.compact_if_needed(&messages, tight, &means, now)?;
        assert!(outcome.messages_or(Vec::new()).iter().any(|message| message.content.ends_with("one bug.")));
    }
    let asked = asked.lock().map_err(|_| "expected the prompts")?;
    for prompt in asked.iter() {
        let line = prompt.lines().find(|line| line.starts_with("Write it so that")).unwrap_or_default();
        println!("  {line}");
        assert!(prompt.contains("code, commands, files") || prompt.contains("the architecture"));
    }
    assert!(asked.len() == 3 && asked.iter().any(|prompt| prompt.contains("it lists each bug with its page")));
    Ok(())
}

/// Counts as a model of OpenAI does, and writes summaries offline.
fn means() -> Means<'static> {
    static EXTRACTIVE: std::sync::LazyLock<Extractive> = std::sync::LazyLock::new(Extractive::default);
    Means { counter: &OpenAiCounter::O200kBase, vectors: None, summarizer: &*EXTRACTIVE }
}

fn summary_of(message: &Message) -> Option<&SummaryMeta> {
    match &message.kind {
        MessageKind::Summary(meta) => Some(meta),
        _ => None,
    }
}
