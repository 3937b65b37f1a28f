//! An agent with a memory: read a line, build the context, call the model, remember the exchange.
//!
//! ```text
//! cargo run -p mnemon-examples --example agent_loop                 a conversation that is built in, over a restart
//! cargo run -p mnemon-examples --example agent_loop -- memory.db    your own, from the keyboard or a pipe
//! ```
//!
//! The model here is a rule that answers out of the context alone, so that the example runs anywhere and what it
//! knows can come from nowhere but the memory. Yours is a call of a language model with the same messages.
#![expect(clippy::print_stdout, reason = "an example prints what it shows")]

use std::error::Error;
use std::io::BufRead;
use std::path::Path;

use mnemon::{ChatMessage, ContextManager, Role};

/// What the loop needs of a language model: messages in, an answer out.
trait Model {
    fn answer(&self, messages: &[ChatMessage]) -> Result<String, Box<dyn Error>>;
}

/// One turn of the loop. This is all that it takes.
fn turn(memory: &ContextManager, model: &dyn Model, input: &str) -> Result<String, Box<dyn Error>> {
    let context = memory.build_context(input)?;
    let answer = model.answer(context.messages())?;
    memory.observe(input, &answer)?;
    let manifest = context.manifest();
    println!("you    {input}");
    println!("model  {answer}");
    println!(
        "       ({} of {} tokens, {} remembered or recent)\n",
        manifest.tokens,
        manifest.budget,
        manifest.included().count() - 1
    );
    Ok(answer)
}

fn main() -> Result<(), Box<dyn Error>> {
    match std::env::args_os().nth(1) {
        Some(path) => talk(Path::new(&path)),
        None => show(),
    }
}

/// Talks until the input ends. Started again with the same file it knows what was said.
fn talk(path: &Path) -> Result<(), Box<dyn Error>> {
    let memory = ContextManager::open(path)?;
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        if !line.trim().is_empty() {
            turn(&memory, &Quoting, line.trim())?;
        }
    }
    Ok(())
}

/// Two conversations with a restart between them.
fn show() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("memory.db");
    {
        let memory = ContextManager::open(&path)?;
        turn(&memory, &Quoting, "The frame number of my bike is WBK 20817 H.")?;
        turn(&memory, &Quoting, "My sister Ingrid turns forty on the 14th of June.")?;
        turn(&memory, &Quoting, "Walnuts make my throat swell, other nuts are fine.")?;
    }
    println!("--- the program ends and starts again; a new conversation begins ---\n");
    let memory = ContextManager::open(&path)?.new_session()?;
    let asked = [
        ("Somebody stole my bike! What was its frame number?", "WBK 20817 H"),
        ("When is the birthday of Ingrid?", "14th of June"),
        ("Can I eat the cake with walnuts?", "throat swell"),
    ];
    for (question, expected) in asked {
        let answer = turn(&memory, &Quoting, question)?;
        if !answer.contains(expected) {
            return Err(format!("expected {expected:?} in the answer, got {answer:?}").into());
        }
    }
    println!("Everything was remembered.");
    Ok(())
}

/// Answers a question with the line of the context that shares most words with it, if it was the user who said it.
struct Quoting;

impl Model for Quoting {
    fn answer(&self, messages: &[ChatMessage]) -> Result<String, Box<dyn Error>> {
        let (question, context) = messages.split_last().ok_or("expected a message")?;
        if !question.content.ends_with('?') {
            return Ok("I'll remember that.".into());
        }
        let recalled = context.iter().filter(|message| message.role == Role::System);
        let recalled = recalled.flat_map(|message| message.content.lines()).filter_map(|l| l.strip_prefix("> user: "));
        let recent = context.iter().filter(|message| message.role == Role::User).map(|m| m.content.as_str());
        let said = recalled.chain(recent).filter(|line| !line.ends_with('?'));
        let asked = words(&question.content);
        let best = said.max_by_key(|line| words(line).iter().filter(|word| asked.contains(word)).count());
        Ok(best.map_or_else(|| "I don't know.".into(), |line| format!("You told me: {line}")))
    }
}

/// The words that carry meaning, roughly: those of four letters and more.
fn words(text: &str) -> Vec<String> {
    let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| word.chars().count() > 3);
    words.map(str::to_lowercase).collect()
}
