//! Many things at once: memories in one transaction, questions in parallel, answers in the order of the questions.
//!
//! ```text
//! cargo run -p mnemon-examples --example batch
//! ```
#![expect(clippy::print_stdout, reason = "an example prints what it shows")]

use std::error::Error;

use mnemon::{ContextManager, ContextRequest, Error as MemoryError, Kind, NewMemory};

const FACTS: [(&str, &str); 6] = [
    ("The heating is serviced every October by Frau Okafor.", "Who looks after the boiler?"),
    ("The library card ends with 88.", "What are the last digits of my library card?"),
    ("Grandmother's plum cake needs two spoons of cinnamon.", "How much cinnamon goes into the cake?"),
    ("The rent rises to 1,180 euros in March.", "What will the flat cost in spring?"),
    ("Tomas is allergic to cats.", "Who should not meet Pixel, the cat?"),
    ("The passport expires on 9 August 2031.", "Until when is my passport valid?"),
];

fn main() -> Result<(), Box<dyn Error>> {
    let memory = ContextManager::builder().open_in_memory()?;

    // One transaction: all are stored or none. What has an origin is stored once, however often it is added.
    let facts = FACTS.iter().enumerate();
    let facts: Vec<_> =
        facts.map(|(n, (fact, _))| NewMemory::new(Kind::Fact, *fact).from_origin("notebook", n.to_string())).collect();
    let ids = memory.add_memory_batch(&facts)?;
    if memory.add_memory_batch(&facts)? != ids || memory.count(&Default::default())? != FACTS.len() as u64 {
        return Err("expected that adding the same notebook again adds nothing".into());
    }

    // In parallel; the answer to the first question comes first.
    let questions = FACTS.map(|(_, question)| question);
    for ((recall, id), question) in memory.query_memory_batch(&questions, 1).into_iter().zip(&ids).zip(questions) {
        let recall = recall?;
        let best = recall.hits.first().ok_or("expected a hit")?;
        println!("{question}\n  {}", best.memory.text);
        if best.memory.id != *id {
            return Err(format!("expected another answer to {question:?}").into());
        }
    }

    // A request that cannot be met is an error in its own place, and no trouble for the others.
    let mut requests: Vec<_> = questions.iter().map(|question| ContextRequest::new(*question).budget(120)).collect();
    requests.insert(2, ContextRequest::new("This question is longer than its budget").budget(3));
    let contexts = memory.build_context_batch(&requests);
    println!();
    for (n, context) in contexts.iter().enumerate() {
        match context {
            Ok(context) => {
                println!("context {n}: {} of {} tokens", context.manifest().tokens, context.manifest().budget)
            }
            Err(error) => println!("context {n}: {error}"),
        }
    }
    let refused: Vec<bool> =
        contexts.iter().map(|context| matches!(context, Err(MemoryError::BudgetTooSmall { .. }))).collect();
    if refused != [false, false, true, false, false, false, false] {
        return Err(format!("expected that the third request alone is refused, got {refused:?}").into());
    }
    Ok(())
}
