//! Compression by settings: which strategies, when by itself, how long a language model may take.
//!
//! ```text
//! cargo run -p mnemon-examples --example compression
//! ```
#![expect(clippy::print_stdout, reason = "an example prints what it shows")]

use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mnemon::tokens::OpenAiCounter;
use mnemon_compact::{CompressionConfig, Extractive, Means, Message, MessageKind, Method, check_order};
use mnemon_core::{GenerateError, GenerateProblem, Generated, Prompt};

const SETTINGS: &str = r#"{
    "strategies": ["truncate", "summarize"],
    "mode": "chained",
    "keep_recent": 6,
    "auto_enabled": true,
    "auto_threshold": 60,
    "auto_target": 20,
    "summary_max_tokens": 120,
    "timeout_seconds": 1,
    "domain": "business",
    "task": "minutes"
}"#;

fn main() -> Result<(), Box<dyn Error>> {
    let config: CompressionConfig = serde_json::from_str(SETTINGS)?;
    config.check()?;
    let counter = OpenAiCounter::O200kBase;
    let offline = Extractive::default();
    let means = Means { counter: &counter, vectors: None, summarizer: &offline };

    println!("--- when 60 messages are there, a third of the tokens stays");
    let mut history: Vec<Message> = Vec::new();
    let mut runs = 0;
    for turn in 0..100 {
        history.push(if turn % 2 == 0 {
            Message::user(format!("Order {turn} of {} crates goes to the harbour of Bergen.", turn * 3))
        } else {
            Message::assistant(format!("Order {} is on the list.", turn - 1))
        });
        let due = history.len() >= 60;
        match config.compress_if_due(&history, &means)? {
            Some(compacted) => {
                assert!(due, "not before the threshold");
                println!(
                    "  turn {turn}: {} to {} messages by {}",
                    history.len(),
                    compacted.messages.len(),
                    compacted.strategy
                );
                assert!(compacted.ratio() <= 20.0 / 60.0 + 1e-9);
                assert!(compacted.messages.ends_with(&history[history.len() - 6..]));
                check_order(&compacted.messages)?;
                history = compacted.messages;
                runs += 1;
            }
            None => assert!(!due),
        }
    }
    assert!(runs >= 2 && history.len() < 60);
    let off = CompressionConfig { auto_enabled: false, ..config.clone() };
    assert!(off.compress_if_due(&vec![Message::user("x"); 99], &means)?.is_none());

    println!("--- each strategy by its name, and several as one");
    let messages: Vec<Message> = (0..80)
        .map(|n| match n % 2 {
            0 => Message::user(format!("On day {n} we decided to send {n} crates to Oslo.")),
            _ => Message::assistant("That is fine."),
        })
        .collect();
    for (strategies, mode, expected) in [
        (r#"["truncate"]"#, "first_that_fits", "truncate"),
        (r#"["summarize"]"#, "first_that_fits", "summarise"),
        (r#"["salient"]"#, "first_that_fits", "salient"),
        // There is no model of meanings here: the next one answers.
        (r#"["semantic", "truncate"]"#, "first_that_fits", "truncate"),
        (r#"["recent_and_important", "summarize"]"#, "chained", "recent_and_important+summarise"),
    ] {
        let config: CompressionConfig = serde_json::from_str(&format!(
            r#"{{"strategies": {strategies}, "mode": "{mode}", "summary_max_tokens": 80}}"#
        ))?;
        let compacted = config.compress_if_due(&messages, &means)?.ok_or("expected 80 messages to be due")?;
        let why: Vec<String> =
            compacted.attempts.iter().map(|attempt| format!("; {}: {}", attempt.strategy, attempt.why)).collect();
        println!("  {strategies}: {} answers{}", compacted.strategy, why.concat());
        assert_eq!(compacted.strategy, expected);
        assert!(compacted.tokens_after < compacted.tokens_before / 2 + 1);
    }

    println!("--- a language model that is too slow is given up after a second");
    let slow = Arc::new(|prompt: &Prompt| {
        // An answer that would take an hour. Whoever writes a model keeps to the time of the prompt.
        let (began, most) = (Instant::now(), prompt.timeout.unwrap_or(Duration::from_secs(3_600)));
        while began.elapsed() < most {
            std::thread::sleep(Duration::from_millis(20));
        }
        Err::<Generated, _>(GenerateError::new("slow", GenerateProblem::TimedOut(most)))
    });
    let summarize = CompressionConfig { strategies: serde_json::from_str(r#"["summarize"]"#)?, ..config };
    let summarizer = summarize.summarizer(Some(slow));
    let means = Means { summarizer: summarizer.as_ref(), ..means };
    let compacted = summarize.compress_if_due(&messages, &means)?.ok_or("expected 80 messages to be due")?;
    let summary = compacted.summaries.first().ok_or("expected a summary")?;
    let why = summary.meta.fallback.as_ref().ok_or("expected to hear why the model did not write it")?;
    println!("  {why}; in its place:\n{}", summary.text);
    assert!(why.to_string().contains("it took longer than 1s") && summary.meta.method == Method::Extractive);
    assert!(matches!(compacted.messages[0].kind, MessageKind::Summary(_)));

    println!("--- settings that cannot be are told");
    for wrong in [r#"{"auto_target": 70, "auto_threshold": 60}"#, r#"{"strategies": []}"#, r#"{"timeout_seconds": 0}"#]
    {
        let config: CompressionConfig = serde_json::from_str(wrong)?;
        let Err(error) = config.check() else { return Err(format!("expected that {wrong} is refused").into()) };
        println!("  {error}");
    }
    assert!(serde_json::from_str::<CompressionConfig>(r#"{"strategy": "truncat"}"#).is_err());
    Ok(())
}
