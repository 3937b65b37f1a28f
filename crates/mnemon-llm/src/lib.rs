//! Language models behind HTTP: OpenAI, Anthropic, Ollama, and every server that speaks as OpenAI does (LM Studio,
//! llama.cpp, vLLM).
//!
//! A [`Model`] is a [`LanguageModel`](mnemon_core::LanguageModel): hand it, as `Arc<dyn LanguageModel>`, to whatever
//! summarises. It keeps to a time for the whole answer, asks again where that may help (too many requests, a failed
//! server, a broken connection; an unreadable answer once) and never where it cannot (a refused key, a prompt that is
//! too long), waits as long as a server asks it to, and shows its key nowhere: not when it is printed, not in errors,
//! not where a server echoes it.
//!
//! It is not a chat library: one question, one answer, no tools and no streams. Nothing of Mnemon needs it; a closure
//! or a type of your own is a `LanguageModel` as well.
//!
//! [`Model::generate`](mnemon_core::LanguageModel::generate) blocks, and may be called on a thread of a runtime;
//! [`Model::generate_async`] does not block, and runs on any runtime.
//!
//! ```
//! use std::time::Duration;
//! use mnemon_core::{GenerateProblem, LanguageModel, Prompt};
//! use mnemon_llm::{Model, ModelConfig};
//!
//! // A server of the machine itself; here nobody listens.
//! let config = ModelConfig::compatible("http://127.0.0.1:9/v1", "qwen3-4b")
//!     .timeout(Duration::from_secs(5))
//!     .max_attempts(1)
//!     .max_tokens(200);
//! let model = Model::new(&config)?;
//! let prompt = Prompt::new("Ann: I moved to Lisbon.").told("Summarise in one sentence.");
//! match model.generate(&prompt) {
//!     Ok(answer) => println!("{}", answer.text),
//!     Err(error) => assert!(matches!(error.problem, GenerateProblem::Unavailable(_)), "{error}"),
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod config;
mod error;
mod failure;
mod model;
mod retry;
mod secret;
mod server;
mod worker;

pub use config::{ModelConfig, Provider};
pub use error::ModelError;
pub use model::Model;
pub use secret::Secret;
