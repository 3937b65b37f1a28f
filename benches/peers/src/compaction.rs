//! Semantic compaction: the strategy of mnemon-compact, embedding included and with vectors in the cache.
//!
//! | request | answer |
//! |---|---|
//! | `{"op": "make", "messages": N, "out": FILE}` | writes the texts of so many messages of made talk, a JSON list |
//! | `{"op": "load", "model": FOLDER}` | seconds to load, memory |
//! | `{"op": "prepare", "file": TEXTS}` | the messages of every later request |
//! | `{"op": "compact", "ratio": R}` | what it took with no vector known, and how many messages were kept |
//! | `{"op": "again", "ratio": R}` | the same with the vectors of the last `compact` |

use std::fs;
use std::path::{Path, PathBuf};

use mnemon_bench::made::Talk;
use mnemon_compact::{Extractive, Goal, Means, MemoryVectors, Message, Semantic, Strategy, Vectors};
use mnemon_core::EstimateCounter;
use mnemon_embed::{ModelSource, SentenceTransformer};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::clock::{Memory, timed};
use crate::error::Error;

#[derive(Deserialize)]
#[serde(tag = "op", rename_all = "snake_case")]
enum Request {
    Make { messages: usize, out: PathBuf },
    Load { model: PathBuf },
    Prepare { file: PathBuf },
    Compact { ratio: f64 },
    Again { ratio: f64 },
}

struct Compaction {
    is_int8: bool,
    model: Option<SentenceTransformer>,
    messages: Vec<Message>,
    cache: MemoryVectors,
}

pub(crate) fn side(name: &str) -> Result<Box<dyn crate::Side>, Error> {
    let is_int8 = match name {
        "ours-int8" => true,
        "ours-f32" => false,
        _ => return Err(Error::Side { group: "compaction", known: "ours-int8, ours-f32", got: name.to_owned() }),
    };
    Ok(Box::new(Compaction { is_int8, model: None, messages: Vec::new(), cache: MemoryVectors::default() }))
}

impl crate::Side for Compaction {
    fn answer(&mut self, request: &Value) -> Result<Value, Error> {
        let request = Request::deserialize(request)
            .map_err(|error| Error::Request { group: "compaction", got: format!("{request} ({error})") })?;
        match request {
            Request::Make { messages, out } => make(messages, &out),
            Request::Load { model } => self.load(model),
            Request::Prepare { file } => {
                let text = fs::read_to_string(&file).map_err(|source| Error::File { file, source })?;
                let texts: Vec<String> = serde_json::from_str(&text).map_err(Error::of("serde_json"))?;
                let message = |(place, text): (usize, String)| match place % 2 {
                    0 => Message::user(text),
                    _ => Message::assistant(text),
                };
                self.messages = texts.into_iter().enumerate().map(message).collect();
                Ok(json!({ "messages": self.messages.len() }))
            }
            Request::Compact { ratio } => {
                self.cache = MemoryVectors::default();
                self.compact(ratio)
            }
            Request::Again { ratio } => self.compact(ratio),
        }
    }
}

impl Compaction {
    fn load(&mut self, folder: PathBuf) -> Result<Value, Error> {
        let source = if self.is_int8 { ModelSource::Embedded } else { ModelSource::Folder(folder) };
        let (took, model) = timed(|| SentenceTransformer::load(&source));
        self.model = Some(model.map_err(Error::of("mnemon-embed"))?);
        Ok(json!({ "took": took, "memory": Memory::now() }))
    }

    /// All that a user has to wait for: the plan, and the messages that come of it.
    fn compact(&self, ratio: f64) -> Result<Value, Error> {
        let model = self.model.as_ref().ok_or(Error::NotReady("load"))?;
        let summarizer = Extractive::default();
        let vectors = Some(Vectors::new(model, &self.cache));
        let means = Means { counter: &EstimateCounter, vectors, summarizer: &summarizer };
        let (took, kept) = timed(|| {
            let plan = Semantic.plan(&self.messages, &Goal::ratio(ratio), &means)?;
            plan.apply(&self.messages, &means).map(|_| plan.kept().count())
        });
        Ok(json!({ "took": took, "kept": kept.map_err(Error::of("mnemon-compact"))? }))
    }
}

fn make(messages: usize, out: &Path) -> Result<Value, Error> {
    let talk = Talk::new(messages);
    let turns = (0..talk.sessions()).flat_map(|number| talk.session(number)).take(messages);
    let texts: Vec<String> = turns.map(|turn| turn.text).collect();
    let words = texts.iter().map(|text| text.split_whitespace().count()).sum::<usize>() as f64 / texts.len().max(1) as f64;
    let json = serde_json::to_string(&texts).map_err(Error::of("serde_json"))?;
    fs::write(out, json).map_err(|source| Error::File { file: out.to_owned(), source })?;
    Ok(json!({ "messages": texts.len(), "mean_words": words }))
}
