//! Memory in async code: many questions at once while a conversation goes on, and a runtime that is never blocked.
//!
//! ```text
//! cargo run -p mnemon-examples --example async_use
//! ```
//!
//! Needs the feature `async` of `mnemon`. The runtime here has one thread: if a call blocked it, nothing else would run.
#![expect(clippy::print_stdout, reason = "an example prints what it shows")]

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use mnemon::{AsyncContextManager, ContextManager};
use tokio::task::JoinSet;

const KNOWN: [(&str, &str); 4] = [
    ("My train to Dresden leaves at 7:40.", "When does the train leave?"),
    ("The spare key lies under the blue pot.", "Where is the spare key?"),
    ("Pixel, my cat, weighs 4.9 kilos now.", "How heavy is my cat?"),
    ("Herr Brandt teaches me the cello on Fridays.", "Who is my cello teacher?"),
];

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let memory = AsyncContextManager::from(ContextManager::open(folder.path().join("memory.db"))?);
    for (fact, _) in KNOWN {
        memory.observe(fact, "Noted.").await?;
    }

    // Something else that the runtime has to do meanwhile, such as serving other users.
    let beats = Arc::new(AtomicU64::new(0));
    let heart = tokio::spawn({
        let beats = Arc::clone(&beats);
        async move {
            loop {
                beats.fetch_add(1, Ordering::Relaxed);
                tokio::task::yield_now().await;
            }
        }
    });

    // Every question at once, each in a task of its own.
    let mut questions = JoinSet::new();
    for (fact, question) in KNOWN {
        let memory = memory.clone();
        questions.spawn(async move { (fact, question, memory.build_context(question).await) });
    }
    // And the conversation goes on.
    let before = beats.load(Ordering::Relaxed);
    for n in 1..=5 {
        memory.observe(format!("Small talk, part {n}."), "Indeed.").await?;
    }
    let while_observing = beats.load(Ordering::Relaxed) - before;

    while let Some(answered) = questions.join_next().await {
        let (fact, question, context) = answered?;
        let context = context?;
        println!("{question}\n  {fact} ({} µs)", context.timings().total_us);
        if !context.text().contains(fact) {
            return Err(format!("expected {fact:?} in the context of {question:?}").into());
        }
    }
    heart.abort();

    let turns = memory.get_stats().await?.store.memories;
    println!("{turns} turns remembered; the runtime ran other work {while_observing} times while it observed");
    if turns != 2 * (KNOWN.len() as u64 + 5) || while_observing == 0 {
        return Err("expected every turn to be there, and the runtime to be free meanwhile".into());
    }
    Ok(())
}
