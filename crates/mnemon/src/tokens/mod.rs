//! Token counters for the models that read the prompts: OpenAI's vocabularies, any tokenizer.json, or an estimate.

mod choice;
mod error;
mod file;
#[cfg(feature = "openai-tokens")]
mod known;
#[cfg(feature = "openai-tokens")]
mod openai;
#[cfg(feature = "openai-tokens")]
mod split;

pub use choice::Tokenizer;
pub use error::TokenizerError;
pub use file::FileCounter;
#[cfg(feature = "openai-tokens")]
pub use openai::OpenAiCounter;
