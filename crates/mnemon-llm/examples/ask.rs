//! Asks a language model one question.
//!
//! ```text
//! cargo run -p mnemon-llm --example ask -- ollama llama3.2 "Why is the sky blue?"
//! OPENAI_API_KEY=… cargo run -p mnemon-llm --example ask -- openai gpt-4o-mini "Why is the sky blue?"
//! cargo run -p mnemon-llm --example ask -- http://localhost:1234/v1 qwen3-4b "Why is the sky blue?"
//! ```
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "an example prints what it got")]

use std::error::Error;
use std::time::Duration;

use mnemon_core::{LanguageModel, Prompt};
use mnemon_llm::{Model, ModelConfig};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [server, model, question] = arguments.as_slice() else {
        return Err("expected a provider or a URL, a model and a question".into());
    };
    let config = if server.contains("://") {
        ModelConfig::compatible(server, model)
    } else {
        ModelConfig::new(server.parse()?, model)
    };
    let model = Model::new(&config.timeout(Duration::from_secs(60)).max_tokens(300))?;
    let answer = model.generate(&Prompt::new(question).told("Answer in one short paragraph."))?;
    println!("{}", answer.text);
    if answer.is_cut {
        println!("[it ran out of tokens]");
    }
    if let (Some(asked), Some(answered)) = (answer.prompt_tokens, answer.answer_tokens) {
        eprintln!("{}: {asked} tokens in, {answered} out", model.name());
    }
    Ok(())
}
