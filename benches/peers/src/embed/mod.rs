//! Embedding: ours in int8 and f32, and candle's stock BERT.
//!
//! | request | answer |
//! |---|---|
//! | `{"op": "load", "model": FOLDER}` | seconds to load, memory |
//! | `{"op": "prepare", "set": NAME}` | the batch size that was fastest, from now on used for the set |
//! | `{"op": "pass", "set": NAME, "from": I, "count": N}` | what it took, for how many texts |
//! | `{"op": "queries", "from": I, "count": N}` | what each took |
//! | `{"op": "vectors", "file": TEXTS, "out": FILE}` | how many vectors were written, in f32, a row each |

mod candle;
mod ours;

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::{Value, json};

use crate::clock::{Latencies, Memory, timed};
use crate::error::Error;

/// So many texts are enough to choose the size of a batch.
const SAMPLE: usize = 32;

/// Texts in, vectors of unit length out.
pub(crate) trait Encoder {
    /// The sizes of batches worth trying; empty where the encoder chooses itself.
    fn batch_sizes(&self) -> &'static [usize];

    /// The vector of each text, one after the other. Texts are handed over `batch` at a time, of like lengths.
    fn encode(&self, texts: &[&str], batch: usize) -> Result<Vec<f32>, Error>;
}

#[derive(Deserialize)]
#[serde(tag = "op", rename_all = "snake_case")]
enum Request {
    Load { model: PathBuf },
    Prepare { set: String },
    Pass { set: String, from: usize, count: usize },
    Queries { from: usize, count: usize },
    Vectors { file: PathBuf, out: PathBuf },
}

struct Embedding {
    kind: Kind,
    data: PathBuf,
    encoder: Option<Box<dyn Encoder>>,
    sets: HashMap<String, Set>,
}

#[derive(Clone, Copy)]
enum Kind {
    OursInt8,
    OursF32,
    Candle,
}

#[derive(Default)]
struct Set {
    texts: Vec<String>,
    batch: usize,
}

pub(crate) fn side(name: &str, data: PathBuf) -> Result<Box<dyn crate::Side>, Error> {
    let kind = match name {
        "ours-int8" => Kind::OursInt8,
        "ours-f32" => Kind::OursF32,
        "candle-f32" => Kind::Candle,
        _ => {
            return Err(Error::Side { group: "embed", known: "ours-int8, ours-f32, candle-f32", got: name.to_owned() });
        }
    };
    Ok(Box::new(Embedding { kind, data, encoder: None, sets: HashMap::new() }))
}

impl crate::Side for Embedding {
    fn answer(&mut self, request: &Value) -> Result<Value, Error> {
        let request = Request::deserialize(request)
            .map_err(|error| Error::Request { group: "embed", got: format!("{request} ({error})") })?;
        match request {
            Request::Load { model } => self.load(&model),
            Request::Prepare { set } => self.prepare(&set),
            Request::Pass { set, from, count } => {
                let set = self.set(&set)?;
                let texts = part(&set.texts, from, count);
                let batch = set.batch;
                let encoder = self.encoder()?;
                let (took, vectors) = timed(|| encoder.encode(&texts, batch));
                vectors?;
                Ok(json!({ "took": took, "texts": texts.len() }))
            }
            Request::Queries { from, count } => {
                let texts = part(&self.set("q12")?.texts, from, count);
                let encoder = self.encoder()?;
                let mut latencies = Latencies::default();
                for text in texts {
                    let (took, vector) = timed(|| encoder.encode(&[text], 1));
                    vector?;
                    latencies.push(took);
                }
                Ok(json!(latencies))
            }
            Request::Vectors { file, out } => self.vectors(&file, &out),
        }
    }
}

impl Embedding {
    fn load(&mut self, model: &Path) -> Result<Value, Error> {
        let (took, encoder) = timed(|| -> Result<Box<dyn Encoder>, Error> {
            let encoder: Box<dyn Encoder> = match self.kind {
                Kind::OursInt8 => Box::new(ours::Ours::shipped()?),
                Kind::OursF32 => Box::new(ours::Ours::folder(model)?),
                Kind::Candle => Box::new(candle::Stock::load(model)?),
            };
            encoder.encode(&["hello"], 1)?;
            Ok(encoder)
        });
        self.encoder = Some(encoder?);
        Ok(json!({ "took": took, "memory": Memory::now() }))
    }

    fn encoder(&self) -> Result<&dyn Encoder, Error> {
        self.encoder.as_deref().ok_or(Error::NotReady("load"))
    }

    fn set(&self, name: &str) -> Result<&Set, Error> {
        self.sets.get(name).ok_or(Error::NotReady("prepare"))
    }

    fn prepare(&mut self, name: &str) -> Result<Value, Error> {
        let texts = read_texts(&self.data.join(format!("{name}.json")))?;
        let encoder = self.encoder()?;
        let sample = part(&texts, 0, SAMPLE);
        encoder.encode(&part(&texts, 0, 4), 4)?;
        let mut best = (f64::INFINITY, 1);
        for &batch in encoder.batch_sizes() {
            let (took, vectors) = timed(|| encoder.encode(&sample, batch));
            vectors?;
            if took.cpu < best.0 {
                best = (took.cpu, batch);
            }
        }
        self.sets.insert(name.to_owned(), Set { texts, batch: best.1 });
        Ok(json!({ "batch": best.1 }))
    }

    fn vectors(&self, file: &Path, out: &Path) -> Result<Value, Error> {
        let texts = read_texts(file)?;
        let encoder = self.encoder()?;
        let mut bytes = Vec::new();
        for chunk in texts.chunks(4096) {
            let chunk: Vec<&str> = chunk.iter().map(String::as_str).collect();
            bytes.extend(encoder.encode(&chunk, 16)?.iter().flat_map(|value| value.to_le_bytes()));
        }
        fs::write(out, bytes).map_err(|source| Error::File { file: out.to_owned(), source })?;
        Ok(json!({ "vectors": texts.len() }))
    }
}

/// A file of texts: a JSON list, or a text a line.
fn read_texts(file: &Path) -> Result<Vec<String>, Error> {
    let text = fs::read_to_string(file).map_err(|source| Error::File { file: file.to_owned(), source })?;
    if file.extension().is_some_and(|extension| extension == "json") {
        serde_json::from_str(&text).map_err(Error::of("serde_json"))
    } else {
        Ok(text.lines().map(str::to_owned).collect())
    }
}

/// `count` texts from `from` on; behind the last comes the first.
fn part(texts: &[String], from: usize, count: usize) -> Vec<&str> {
    texts.iter().cycle().skip(from % texts.len().max(1)).take(count).map(String::as_str).collect()
}

/// The order from the longest to the shortest, so that a batch holds texts of like lengths.
pub(crate) fn by_length(texts: &[&str]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..texts.len()).collect();
    order.sort_by_key(|&text| std::cmp::Reverse(texts.get(text).map_or(0, |text| text.len())));
    order
}
