//! The conversation and the questions of the demo, which are part of the program.

use mnemon::import::{self, Format, Import, Options};
use serde::Deserialize;

use crate::error::CliError;

const CONVERSATION: &str = include_str!("../../../../../examples/data/nora.jsonl");
const QUESTIONS: &str = include_str!("../../../../../examples/data/nora.questions.json");

/// What is said while the demo runs: the user, then the assistant.
pub(super) const LIVE: [&str; 2] = [
    "One more thing: the spare key of the bike lock is in the blue teapot on the shelf.",
    "Noted: the spare key is in the blue teapot.",
];
pub(super) const LIVE_QUESTION: &str = "Where did I put the spare key of the bike lock?";
pub(super) const LIVE_EXPECT: &str = "blue teapot";

/// A question and where its answer was said.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Question {
    pub(super) question: String,
    pub(super) answer: String,
    /// Pieces of the answer that stand in the evidence.
    pub(super) expect: Vec<String>,
    /// The turns where the answer was said, by the id of their origin. Empty when it never was.
    pub(super) evidence: Vec<String>,
    #[serde(default)]
    pub(super) demo: bool,
}

pub(super) fn conversation() -> Result<Import, CliError> {
    let options =
        Options { format: Some(Format::Jsonl), source: Some("file:nora.jsonl".to_owned()), ..Options::default() };
    Ok(import::parse(CONVERSATION.as_bytes(), "nora.jsonl", &options)?)
}

pub(super) fn questions() -> Result<Vec<Question>, CliError> {
    serde_json::from_str(QUESTIONS).map_err(CliError::Questions)
}
