//! What can go wrong, with which exit code, and what to do about it.

use std::error::Error;
use std::io;
use std::path::PathBuf;

use mnemon::import::ImportError;
use mnemon::{ConfigError, LongTermError, MemoryId, ScopeError, StoreError};
use mnemon_bench::BenchError;
use mnemon_compact::CompactError;
use mnemon_llm::ModelError;
use serde_json::json;

use crate::chat::ChatError;

const MODEL_HINT: &str = "without --model and MNEMON_MODEL the model inside the program is used";

/// How a command ended that did not fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Done,
    /// The answer is that there is none.
    NothingFound,
    /// Something works less well than it should; the output says what.
    Unwell,
    /// The file is damaged; the output says where.
    Damaged,
}

#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum CliError {
    #[error(transparent)]
    Engine(#[from] mnemon::Error),
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Import(#[from] ImportError),
    #[error(transparent)]
    Bench(Box<BenchError>),
    #[error("expected a scope as {name}")]
    ScopeVariable {
        name: &'static str,
        #[source]
        source: ScopeError,
    },
    #[error("the home directory is not known")]
    NoHome(#[source] etcetera::HomeDirError),
    #[error("there is no memory file {}", path.display())]
    NoFile { path: PathBuf },
    #[error("expected an embedding model to change to, and none was found")]
    NoModel,
    #[error("no memory {id} in {scope}")]
    NoMemory { id: MemoryId, scope: String },
    #[error("no session {name:?} in {scope}")]
    NoSession { name: String, scope: String },
    #[error("expected a text, got an empty one")]
    NoText,
    #[error("expected --user, --assistant, or turns as lines of JSON on standard input, got none of them")]
    NothingSaid,
    #[error("expected `-` for at most one of --user and --assistant, got two")]
    StdinTwice,
    #[error("expected turns of one conversation, got {got}")]
    NotTurns { got: String },
    #[error("cannot read standard input")]
    Stdin {
        #[source]
        source: io::Error,
    },
    #[error("expected text in UTF-8 on standard input")]
    StdinNotText {
        #[source]
        source: std::str::Utf8Error,
    },
    #[error("expected at most {max} bytes on standard input, got more")]
    StdinTooLong { max: u64 },
    #[error("expected --yes, because there is no terminal to ask on")]
    NeedsYes,
    #[error("expected one of --id, --source, --session, --before and --all, got {got} of them")]
    Selection { got: usize },
    #[error("nothing was forgotten: the answer was not `yes`")]
    NotConfirmed,
    #[error(transparent)]
    Chat(#[from] ChatError),
    #[error("the conversation could not be made shorter")]
    Compact(#[source] CompactError),
    #[error("expected at most {expected} tokens, and what has to stay comes to {got}")]
    OverBudget { expected: usize, got: usize },
    #[error("expected places of critical messages from 0 up to, and less than, {messages}, got {got}")]
    Critical { messages: usize, got: usize },
    #[error("the language model cannot be asked")]
    Llm(#[source] ModelError),
    #[error("expected openai/NAME, anthropic/NAME, ollama/NAME, or a NAME with --llm-url, got {got:?}")]
    LlmName { got: String },
    #[error("expected a file with one conversation, or --conversation with one of {}", several(names))]
    Conversation { names: Vec<String> },
    #[error("could not read {name}")]
    ReadFile {
        name: String,
        #[source]
        source: io::Error,
    },
    #[error("expected text in UTF-8 in {name}")]
    FileNotText {
        name: String,
        #[source]
        source: std::str::Utf8Error,
    },
    #[error("expected at most {max} bytes in {name}, got more")]
    FileTooLong { name: String, max: u64 },
    #[error("could not write {}", path.display())]
    WriteFile {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("expected another file to write to than the one that is read, got {}", path.display())]
    OwnSource { path: PathBuf },
    #[error("cannot make a temporary file")]
    Temporary(#[source] io::Error),
    #[error("expected what `mnemon bench context` tells on standard input; this command is not for people")]
    Told(#[source] serde_json::Error),
    #[error("cannot read the questions of the demo")]
    Questions(#[source] serde_json::Error),
    #[error("cannot write the output")]
    Output(#[from] io::Error),
}

impl CliError {
    /// Whether the reader of standard output went away, which is no failure: `mnemon list | head`.
    pub(crate) fn is_broken_pipe(&self) -> bool {
        matches!(self, Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }

    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::ScopeVariable { .. }
            | Self::NoText
            | Self::NothingSaid
            | Self::StdinTwice
            | Self::NotTurns { .. }
            | Self::Selection { .. }
            | Self::Critical { .. }
            | Self::Llm(_)
            | Self::LlmName { .. }
            | Self::Conversation { .. }
            | Self::OwnSource { .. }
            | Self::Compact(CompactError::Setting { .. })
            | Self::NeedsYes => 2,
            Self::Bench(error) => match **error {
                BenchError::NoConversation { .. }
                | BenchError::NoCategory { .. }
                | BenchError::NoQuestion { .. }
                | BenchError::Count { .. } => 2,
                _ => 1,
            },
            Self::NoMemory { .. } | Self::NoSession { .. } => 3,
            Self::Engine(mnemon::Error::Store(error)) => match error {
                StoreError::Corrupt(_) | StoreError::BadRow { .. } | StoreError::BadCopy { .. } => 4,
                StoreError::NoMemory { .. } | StoreError::NoSession { .. } => 3,
                _ => 1,
            },
            _ => 1,
        }
    }

    /// What to do about it, where there is something.
    pub(crate) fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::NoFile { .. } => {
                "`mnemon import FILE` and `mnemon add TEXT` make one, --db names another; `mnemon demo` needs none"
            }
            Self::NoMemory { .. } => {
                "ids are given whole; `mnemon list` shows those of a scope, `mnemon scopes` the scopes"
            }
            Self::NoSession { .. } => "`mnemon stats` lists the sessions of a scope",
            Self::NotTurns { .. } => "`mnemon import` takes scopes, several sessions and memories that are no turns",
            Self::NoModel => "--model names the folder of one, and so does MNEMON_MODEL",
            Self::NoHome(_) => "--db, or the variable MNEMON_DB, names the memory file",
            Self::Import(ImportError::Invalid { .. }) => {
                "--skip-invalid leaves out what cannot be read, --format names another format"
            }
            Self::Bench(error) if matches!(**error, BenchError::Model(_)) => MODEL_HINT,
            Self::OverBudget { .. } => {
                "instructions and --critical messages always stay, and a strategy that counts messages may keep too many: \
                 --strategy salient,truncate counts tokens"
            }
            Self::Chat(_) => {
                "chat messages are an array of objects with `role` and `content`, or an object with such `messages`"
            }
            Self::Llm(_) => "keys are read from OPENAI_API_KEY, ANTHROPIC_API_KEY or the variable of --llm-key-env",
            Self::Compact(CompactError::Setting { field: "summary_tokens", .. }) => {
                "--max-tokens has to be less than half of --chunk-tokens"
            }
            Self::Engine(error) => return engine_hint(error),
            _ => return None,
        };
        Some(hint.to_owned())
    }

    /// Every cause in a line of its own, without those that only repeat what was said.
    pub(crate) fn causes(&self) -> Vec<String> {
        let mut said = self.to_string();
        let mut causes = Vec::new();
        let mut source = self.source();
        while let Some(cause) = source {
            let text = cause.to_string();
            if !said.contains(&text) {
                causes.push(text.clone());
                said = text;
            }
            source = cause.source();
        }
        if let Self::Compact(CompactError::NoneAnswered(attempts)) = self {
            causes.extend(attempts.iter().map(|attempt| format!("{}: {}", attempt.strategy, attempt.why)));
        }
        causes
    }

    pub(crate) fn to_json(&self) -> serde_json::Value {
        json!({"error": {"message": self.to_string(), "causes": self.causes(), "hint": self.hint()}})
    }
}

/// The first few names of a list.
fn several(names: &[String]) -> String {
    const SHOWN: usize = 8;
    let shown: Vec<&str> = names.iter().take(SHOWN).map(String::as_str).collect();
    let more = if names.len() > SHOWN { ", …" } else { "" };
    format!("{}{more}", shown.join(", "))
}

impl From<BenchError> for CliError {
    fn from(error: BenchError) -> Self {
        match error {
            BenchError::Engine(error) => Self::Engine(error),
            other => Self::Bench(Box::new(other)),
        }
    }
}

fn engine_hint(error: &mnemon::Error) -> Option<String> {
    let hint = match error {
        mnemon::Error::BudgetTooSmall { needed, .. } => {
            return Some(format!("--budget {needed} is the least for this input, and leaves no room for memories"));
        }
        mnemon::Error::Model(_) => MODEL_HINT,
        mnemon::Error::LongTerm(LongTermError::OtherModel { .. }) => {
            "--model (or MNEMON_MODEL) names the folder of the model of the file; `mnemon model change` embeds all of it anew with \
             this one"
        }
        mnemon::Error::LongTerm(LongTermError::ModelFailed { .. } | LongTermError::OtherChange { .. }) => {
            "`mnemon model` shows how far it has come, `mnemon model change` goes on"
        }
        mnemon::Error::Store(StoreError::Busy { .. }) => {
            "wait until it is done; busy_timeout_ms (or MNEMON_BUSY_TIMEOUT_MS) says how long to wait for it"
        }
        mnemon::Error::Store(StoreError::NotADatabase { .. } | StoreError::NotMnemon { .. }) => {
            "--db names the memory file; `mnemon import` takes conversations in files of other forms"
        }
        mnemon::Error::Store(StoreError::Exists { .. }) => {
            "another name, or --replace where the command has it, which puts the new file in its place"
        }
        mnemon::Error::Store(StoreError::Corrupt(_) | StoreError::BadRow { .. } | StoreError::BadCopy { .. }) => {
            "`mnemon doctor` says what is damaged, `mnemon doctor --repair OUT` writes what is sound into a new file"
        }
        _ => return None,
    };
    Some(hint.to_owned())
}
