//! Compaction by meaning: one message for each cluster, what is recent and important, what happens when the model is not
//! there, and a coordinator that does it when a limit comes near and embeds each message once.
//!
//! ```text
//! cargo run -p mnemon-examples --example semantic_compaction
//! ```
#![expect(clippy::print_stdout, reason = "an example prints what it shows")]

use std::error::Error;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use mnemon::embed::{LocateOptions, SentenceTransformer, locate};
use mnemon::import::{self, Options};
use mnemon::tokens::OpenAiCounter;
use mnemon::{Role, Timestamp};
use mnemon_compact::{
    Coordinator, Extractive, Goal, Hybrid, HybridMode, Means, MemoryVectors, Message, NoCache, RecentAndImportant,
    Semantic, Strategy, Truncate, VectorCache, VectorKey, Vectors, check_order, count_tokens,
};

/// A cache that counts what had to be embedded: everything that is put into it.
#[derive(Default)]
struct Counted {
    vectors: MemoryVectors,
    embedded: AtomicUsize,
}

impl VectorCache for Counted {
    fn get(&self, key: &VectorKey) -> Option<Vec<f32>> {
        self.vectors.get(key)
    }

    fn put(&self, key: VectorKey, vector: &[f32]) {
        self.embedded.fetch_add(1, Ordering::Relaxed);
        self.vectors.put(key, vector);
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut messages = nora()?;
    messages.insert(0, Message::system("You help Nora with her notebook."));
    let said = messages.len() - 1;
    let model = SentenceTransformer::load(&locate(&LocateOptions::from_env())?)?;
    let cache = Counted::default();
    let summarizer = Extractive::default();
    let counter = OpenAiCounter::O200kBase;
    let means = Means { counter: &counter, vectors: Some(Vectors::new(&model, &cache)), summarizer: &summarizer };

    println!("--- one message for each cluster of meanings");
    let plan = Semantic.plan(&messages, &Goal::ratio(0.3), &means)?;
    let compacted = plan.apply(&messages, &means)?;
    println!(
        "{said} messages, {} kept: {} to {} tokens",
        plan.kept().count() - 1,
        compacted.tokens_before,
        compacted.tokens_after
    );
    let kept: Vec<usize> = plan.kept().collect();
    assert!(kept.is_sorted() && kept.first() == Some(&0), "in order, the system's with them");
    assert_eq!(kept.len() - 1, said * 3 / 10);
    check_order(&compacted.messages)?;
    // Never fewer than ten.
    let plan = Semantic.plan(&messages, &Goal::ratio(0.001), &means)?;
    assert_eq!(plan.kept().count() - 1, 10);
    for place in plan.kept().skip(1).take(3) {
        println!("  {}", messages[place].content.lines().next().unwrap_or_default());
    }

    println!("--- what is recent, and what is important");
    let words = RecentAndImportant::with_words(["allergic", "deadline", "diagnosis"]);
    let plan = words.plan(&messages, &Goal::default().keep_recent(10), &means)?;
    let kept: Vec<usize> = plan.kept().collect();
    let important: Vec<usize> =
        kept.iter().copied().filter(|&place| place > 0 && place + 10 < messages.len()).collect();
    for &place in &important {
        println!("  {}", messages[place].content.lines().next().unwrap_or_default());
    }
    assert!(kept.is_sorted() && kept.ends_with(&(messages.len() - 10..messages.len()).collect::<Vec<_>>()));
    let has_word = |place: usize| {
        let text = messages[place].content.to_lowercase();
        ["allergic", "deadline", "diagnosis"].iter().any(|word| text.contains(word))
    };
    assert!(!important.is_empty() && important.iter().all(|&place| has_word(place)));

    println!("--- no model: the next strategy answers, and the result says why");
    let strategies: Vec<Box<dyn Strategy>> = vec![Box::new(Semantic), Box::new(Truncate)];
    let hybrid = Hybrid::new(HybridMode::FirstThatFits, strategies);
    let without = Means { vectors: None, ..means };
    let compacted = hybrid.plan(&messages, &Goal::ratio(0.3), &without)?.apply(&messages, &without)?;
    let attempt = compacted.attempts.first().ok_or("expected to hear why the first strategy did not answer")?;
    println!("{} answered; {}: {}", compacted.strategy, attempt.strategy, attempt.why);
    assert_eq!((compacted.strategy.as_str(), attempt.strategy.as_str()), ("truncate", "semantic"));

    println!("--- at 80 % of the limit, and embedded once");
    let limit = count_tokens(&messages, &counter) / 2;
    let mut coordinator = Coordinator::new(limit, Box::new(Semantic));
    coordinator.goal = Goal::ratio(0.5);
    let cache = Counted::default();
    let means = Means { vectors: Some(Vectors::new(&model, &cache)), ..means };
    let mut window: Vec<Message> = Vec::new();
    let mut runs = Vec::new();
    for message in &messages {
        window.push(message.clone());
        // An agent asks before each call of its model.
        if message.role == Role::User || message.role == Role::System {
            let outcome = coordinator.check(&window, &means, Timestamp::UNIX_EPOCH)?;
            if let Some(compacted) = outcome.compacted() {
                assert!(compacted.tokens_before * 10 >= limit * 8, "not before the threshold");
                runs.push((compacted.tokens_before, compacted.tokens_after));
            }
            window = outcome.messages_or(window);
        }
    }
    let embedded = cache.embedded.load(Ordering::Relaxed);
    println!("a limit of {limit} tokens, compacted {} times: {runs:?}; {embedded} texts embedded", runs.len());
    assert!(runs.len() >= 2 && coordinator.metrics().count == runs.len() as u64);
    assert!(count_tokens(&window, &counter) < limit);
    // Messages that became one turn are a new text. All others are looked at in each run and embedded in one.
    let looked_at = embedded_without_cache(&messages, &model, &counter, limit)?;
    println!("without a cache {looked_at}");
    assert!(embedded < looked_at);
    Ok(())
}

/// How many texts the same session embeds when nothing is kept.
fn embedded_without_cache(
    messages: &[Message],
    model: &SentenceTransformer,
    counter: &OpenAiCounter,
    limit: usize,
) -> Result<usize, Box<dyn Error>> {
    struct Forgets(AtomicUsize);
    impl VectorCache for Forgets {
        fn get(&self, key: &VectorKey) -> Option<Vec<f32>> {
            NoCache.get(key)
        }
        fn put(&self, _: VectorKey, _: &[f32]) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
    let (cache, summarizer) = (Forgets(AtomicUsize::new(0)), Extractive::default());
    let means = Means { counter, vectors: Some(Vectors::new(model, &cache)), summarizer: &summarizer };
    let mut coordinator = Coordinator::new(limit, Box::new(Semantic));
    let mut window: Vec<Message> = Vec::new();
    for message in messages {
        window.push(message.clone());
        if message.role == Role::User || message.role == Role::System {
            window = coordinator.check(&window, &means, Timestamp::UNIX_EPOCH)?.messages_or(window);
        }
    }
    Ok(cache.0.into_inner())
}

/// A year of chats with an assistant.
fn nora() -> Result<Vec<Message>, Box<dyn Error>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/nora.jsonl");
    let read = import::read(path, &Options::default())?;
    let sessions = read.conversations.into_iter().flat_map(|conversation| conversation.sessions);
    let turns = sessions.flat_map(|session| session.turns);
    Ok(turns.map(|turn| Message::new(turn.role, turn.text)).collect())
}
