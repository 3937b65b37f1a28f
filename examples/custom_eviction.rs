//! An eviction policy of one's own: small talk leaves the window first.
//!
//! ```text
//! cargo run -p mnemon-examples --example custom_eviction
//! ```
//!
//! The window holds the recent turns that stand in the prompt word for word. When it is full, a policy says which
//! exchanges leave; they stay in long-term memory and are found when they matter.
#![expect(clippy::print_stdout, reason = "an example prints what it shows")]

use std::error::Error;
use std::sync::Arc;

use mnemon::{Block, Config, ContextManager, ContextRequest, Eviction, EvictionPolicy, Exchange};

/// The shorter an exchange, the sooner it leaves; the older one among equals.
struct SmallTalkFirst;

impl EvictionPolicy for SmallTalkFirst {
    fn name(&self) -> &str {
        "small_talk_first"
    }

    fn order(&self, exchanges: &[Exchange]) -> Vec<usize> {
        let mut order: Vec<usize> = (0..exchanges.len()).collect();
        order.sort_by_key(|place| exchanges.get(*place).map(|exchange| exchange.tokens));
        order
    }
}

const TALK: [(&str, &str); 6] = [
    (
        "The map must show every path between Grimma and Nerchau at 1:25,000, with the fords in blue, the closed bridge at \
         Golzern marked in red, and no forest track that is narrower than two metres.",
        "Understood: 1:25,000 from Grimma to Nerchau, fords in blue, the bridge at Golzern in red, wide tracks only.",
    ),
    ("Is the coffee machine mended?", "Not yet."),
    ("What a rainy day.", "It is."),
    ("Good morning!", "Good morning."),
    ("How was your lunch?", "I don't eat."),
    ("Shall we go on?", "Gladly."),
];

/// The recent turns that stand in the prompt after the talk, under a policy.
fn recent_under(policy: Arc<dyn EvictionPolicy>) -> Result<(ContextManager, Vec<String>), Box<dyn Error>> {
    let mut config = Config::default();
    config.stm_capacity = 140;
    config.chunk_size = 20;
    config.recent_k = 20;
    let memory = ContextManager::builder().config(config).eviction(policy).open_in_memory()?;
    for (user, assistant) in TALK {
        memory.observe(user, assistant)?;
    }
    let context = memory.build_context(ContextRequest::new("What comes next?").ltm_hits_k(0))?;
    let recent = context.manifest().included().filter(|item| item.block == Block::Recent);
    let mut texts: Vec<_> = recent.map(|item| item.text.clone()).collect();
    texts.reverse(); // the manifest names the newest first, as they were considered
    Ok((memory, texts))
}

fn main() -> Result<(), Box<dyn Error>> {
    let brief = TALK[0].0;
    let (_, fifo) = recent_under(Arc::new(Eviction::Fifo))?;
    let (memory, own) = recent_under(Arc::new(SmallTalkFirst))?;
    for (name, texts) in [("first in, first out", &fifo), ("small talk first", &own)] {
        println!("{name}: {} turns in the window", texts.len());
        texts.iter().for_each(|text| println!("  {}", text.chars().take(70).collect::<String>()));
    }

    if fifo.iter().any(|text| text == brief) {
        return Err("expected that the brief, which is oldest, leaves first in, first out".into());
    }
    if !own.iter().any(|text| text == brief) {
        return Err("expected that the brief stays while there is small talk to evict".into());
    }
    let (left, _) = TALK[2];
    if own.iter().any(|text| text == left) {
        return Err("expected that the small talk made room".into());
    }
    let recall = memory.query_memory("rain", 1)?;
    let found = recall.hits.first().ok_or("expected to find what left the window")?;
    println!("\nleft the window and is still found: {}", found.memory.text);
    if found.memory.text != left {
        return Err(format!("expected {left:?}, got {:?}", found.memory.text).into());
    }
    Ok(())
}
