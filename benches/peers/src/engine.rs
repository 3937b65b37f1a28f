//! The whole engine: `ContextManager` as a user has it, at both levels of recall.
//!
//! A memory is a sentence of sentences.txt, named by its number. The sides in Python (peers/engine_sides.py) answer the
//! same requests; those with `given` in their environment (PEERS_MODE) embed nothing: the vector of each sentence is
//! known beforehand, so that only the store is measured.
//!
//! | request | answer |
//! |---|---|
//! | `{"op": "model"}` | what loading the model took |
//! | `{"op": "open", "folder": DIR}` | what opening took |
//! | `{"op": "load", "from": I, "count": N}` | what storing many took, the fastest way there is |
//! | `{"op": "add", "from": I, "count": N}` | what each took, one at a time, durable when it returns |
//! | `{"op": "search", "from": I, "count": N, "k": K}` | what each took, the numbers of what was found |
//! | `{"op": "context"}`, `{"op": "observe"}` | what each took; ours only |
//! | `{"op": "missing", "from": I, "count": N}` | which are not there |
//! | `{"op": "memory"}`, `{"op": "close"}` | memory of the process; nothing |

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use mnemon::{
    Config, ContextManager, EmbedError, Embedder, Embeddings, Kind, Level, ListFilter, MemoryQuery, ModelId, NewMemory,
    Purpose,
};
use mnemon_core::{TextRun, TokenEmbedder, TokenVectors};
use mnemon_embed::{ModelSource, SentenceTransformer};
use rusqlite::{Connection, params};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::clock::{Latencies, Memory, timed};
use crate::error::Error;
use crate::vectors::{DIMENSION, Rows, failed};

/// Memories that are stored in one transaction when many are.
const CHUNK: usize = 1_000;
/// Texts that are read where memory counts.
const LEAN_TEXTS: usize = 100;

#[derive(Deserialize)]
#[serde(tag = "op", rename_all = "snake_case")]
enum Request {
    Model,
    Open { folder: PathBuf },
    Load { from: usize, count: usize },
    Add { from: usize, count: usize },
    Search { from: usize, count: usize, k: usize },
    Context { from: usize, count: usize },
    Observe { from: usize, count: usize },
    Bare { from: usize, count: usize, folder: PathBuf },
    Embed { from: usize, count: usize },
    Missing { from: usize, count: usize },
    Memory,
    Close,
}

struct Engine {
    level: Level,
    data: PathBuf,
    texts: Vec<String>,
    numbers: HashMap<String, usize>,
    embedder: Option<Arc<dyn Embedder>>,
    known: Option<Arc<Known>>,
    manager: Option<ContextManager>,
}

pub(crate) fn side(name: &str, data: &Path) -> Result<Box<dyn crate::Side>, Error> {
    let level = match name {
        "ours-fast" => Level::Fast,
        "ours-thorough" => Level::Thorough,
        _ => return Err(Error::Side { group: "engine", known: "ours-fast, ours-thorough", got: name.to_owned() }),
    };
    let mut engine = Engine {
        level,
        data: data.to_owned(),
        texts: Vec::new(),
        numbers: HashMap::new(),
        embedder: None,
        known: None,
        manager: None,
    };
    engine.read_texts()?;
    Ok(Box::new(engine))
}

impl crate::Side for Engine {
    fn answer(&mut self, request: &Value) -> Result<Value, Error> {
        let request = Request::deserialize(request)
            .map_err(|error| Error::Request { group: "engine", got: format!("{request} ({error})") })?;
        match request {
            Request::Model => self.load_model(),
            Request::Open { folder } => self.open(&folder),
            Request::Load { from, count } => self.load(from, count),
            Request::Add { from, count } => {
                let texts = self.part(from, count)?;
                let manager = self.manager()?;
                each(&texts, |text| manager.add_memory(text.clone(), mnemon::Metadata::default()).map(|_| ()))
            }
            Request::Search { from, count, k } => self.search(from, count, k),
            Request::Context { from, count } => {
                let texts = self.part(from, count)?;
                let manager = self.manager()?;
                each(&texts, |text| manager.build_context(text.as_str()).map(|_| ()))
            }
            Request::Observe { from, count } => {
                let texts = self.part(from, count + 1)?;
                let manager = self.manager()?;
                each(texts.as_slice().windows(2), |pair| match pair {
                    [user, assistant] => manager.observe(user.clone(), assistant.clone()).map(|_| ()),
                    _ => Ok(()),
                })
            }
            Request::Bare { from, count, folder } => self.bare(from, count, &folder),
            Request::Embed { from, count } => {
                let texts = self.part(from, count)?;
                let embedder = self.embedder.as_ref().ok_or(Error::NotReady("model"))?;
                each(&texts, |text| embedder.embed(&[text], Purpose::Passage).map(|_| ()))
            }
            Request::Missing { from, count } => self.missing(from, count),
            Request::Memory => Ok(json!(Memory::now())),
            Request::Close => {
                self.manager = None;
                Ok(Value::Null)
            }
        }
    }
}

impl Engine {
    fn load_model(&mut self) -> Result<Value, Error> {
        let (took, loaded) = timed(|| -> Result<_, Error> {
            let model = SentenceTransformer::load(&ModelSource::Embedded).map_err(Error::of("mnemon-embed"))?;
            model.embed(&["hello"], Purpose::Query).map_err(Error::of("mnemon-embed"))?;
            Ok(model)
        });
        let model = loaded?;
        if std::env::var("PEERS_MODE").is_ok_and(|mode| mode == "given") {
            let known = Arc::new(Known {
                inner: model,
                rows: Rows::open(&self.data.join("vectors.f32"))?,
                numbers: self.numbers.clone(),
                asked: Mutex::default(),
                missed: AtomicU64::new(0),
            });
            self.embedder = Some(known.clone());
            self.known = Some(known);
        } else {
            self.embedder = Some(Arc::new(model));
        }
        Ok(json!({ "took": took }))
    }

    fn open(&mut self, folder: &Path) -> Result<Value, Error> {
        let embedder = self.embedder.clone().ok_or(Error::NotReady("model"))?;
        let mut config = Config::default();
        config.recall = self.level;
        let builder = ContextManager::builder().config(config).embedder(embedder);
        let (took, manager) = timed(|| builder.open(folder.join("memory.db")));
        self.manager = Some(manager.map_err(Error::of("mnemon"))?);
        Ok(json!({ "took": took }))
    }

    fn load(&self, from: usize, count: usize) -> Result<Value, Error> {
        let texts = self.part(from, count)?;
        let manager = self.manager()?;
        let (took, loaded) = timed(|| -> Result<(), mnemon::Error> {
            for chunk in texts.chunks(CHUNK) {
                let memories: Vec<NewMemory> = chunk.iter().map(|text| NewMemory::new(Kind::Note, text)).collect();
                manager.add_memory_batch(&memories)?;
            }
            manager.maintain(&mut |_| true)?;
            Ok(())
        });
        loaded.map_err(Error::of("mnemon"))?;
        Ok(json!({ "took": took }))
    }

    fn search(&self, from: usize, count: usize, k: usize) -> Result<Value, Error> {
        let texts = self.part(from, count)?;
        let manager = self.manager()?;
        // Every peer returns k hits of any relevance.
        let ask = |text: &String| manager.query_memory(MemoryQuery::new(text.as_str()).relevance_floor(0.0), k);
        if self.known.is_some() {
            // The vectors of the questions become known.
            for text in &texts {
                ask(text).map_err(Error::of("mnemon"))?;
            }
        }
        let missed = || self.known.as_ref().map_or(0, |known| known.missed.load(Ordering::Relaxed));
        let before = missed();
        let (mut latencies, mut ids) = (Latencies::default(), Vec::with_capacity(count));
        for text in &texts {
            let (took, found) = timed(|| ask(text));
            latencies.push(took);
            let found = found.map_err(Error::of("mnemon"))?;
            let numbers = found.hits.iter().filter_map(|hit| self.numbers.get(&hit.memory.text).copied());
            ids.push(numbers.collect::<Vec<usize>>());
        }
        Ok(json!({ "took": latencies, "ids": ids, "embedded": missed() - before }))
    }

    /// What the disk and SQLite take for the same bytes, without anything of ours: a row with its text and a vector in
    /// f32, in a transaction of its own that is on the disk when it returns.
    fn bare(&self, from: usize, count: usize, folder: &Path) -> Result<Value, Error> {
        let texts = self.part(from, count)?;
        let db = Connection::open(folder.join("bare.db")).map_err(Error::of("rusqlite"))?;
        let schema = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; \
                      CREATE TABLE IF NOT EXISTS memory (id INTEGER PRIMARY KEY, text TEXT, vector BLOB)";
        db.execute_batch(schema).map_err(Error::of("rusqlite"))?;
        let vector = vec![0u8; DIMENSION * 4];
        each(&texts, |text| -> rusqlite::Result<()> {
            db.prepare_cached("INSERT INTO memory (text, vector) VALUES (?, ?)")?.execute(params![text, vector])?;
            Ok(())
        })
    }

    fn missing(&self, from: usize, count: usize) -> Result<Value, Error> {
        let wanted = self.part(from, count)?;
        let filter = ListFilter { limit: usize::MAX, ..ListFilter::default() };
        let there = self.manager()?.list(&filter).map_err(Error::of("mnemon"))?;
        let there: std::collections::HashSet<&str> = there.iter().map(|memory| memory.text.as_str()).collect();
        let missing = wanted.iter().filter(|text| !there.contains(text.as_str())).count();
        Ok(json!({ "missing": missing, "there": there.len() }))
    }

    fn manager(&self) -> Result<&ContextManager, Error> {
        self.manager.as_ref().ok_or(Error::NotReady("open"))
    }

    fn read_texts(&mut self) -> Result<(), Error> {
        let file = self.data.join("sentences.txt");
        let lines = BufReader::new(File::open(&file).map_err(failed(&file))?).lines();
        // A few questions where memory counts: what only the measurement needs would pass for memory of the engine.
        let count = if std::env::var_os("PEERS_LEAN").is_some() { LEAN_TEXTS } else { usize::MAX };
        self.texts = lines.take(count).collect::<Result<_, _>>().map_err(failed(&file))?;
        self.numbers = self.texts.iter().cloned().zip(0..).collect();
        Ok(())
    }

    fn part(&self, from: usize, count: usize) -> Result<Vec<String>, Error> {
        Ok(self.texts.get(from..from + count).ok_or(Error::NotReady("more sentences"))?.to_vec())
    }
}

/// Runs some work for each input and says what it took.
fn each<T, E>(inputs: impl IntoIterator<Item = T>, mut work: impl FnMut(T) -> Result<(), E>) -> Result<Value, Error>
where
    E: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let mut latencies = Latencies::default();
    for input in inputs {
        let (took, done) = timed(|| work(input));
        done.map_err(Error::of("mnemon"))?;
        latencies.push(took);
    }
    Ok(json!({ "took": latencies }))
}

/// An embedder that knows the vectors of the sentences and of the questions that were asked before: asking again costs a
/// look into a table.
struct Known {
    inner: SentenceTransformer,
    rows: Rows,
    numbers: HashMap<String, usize>,
    asked: Mutex<HashMap<String, (Vec<f32>, TokenVectors)>>,
    /// How often the model was run all the same.
    missed: AtomicU64,
}

impl Embedder for Known {
    fn model(&self) -> &ModelId {
        self.inner.model()
    }

    fn dimension(&self) -> usize {
        Embedder::dimension(&self.inner)
    }

    fn embed(&self, texts: &[&str], purpose: Purpose) -> Result<Embeddings, EmbedError> {
        let row = |text: &&str| self.numbers.get(*text).and_then(|&number| self.rows.get(number).ok());
        match texts.iter().map(row).collect::<Option<Vec<_>>>() {
            Some(rows) => Ok(Embeddings::new(DIMENSION, rows.concat())),
            None => {
                self.missed.fetch_add(1, Ordering::Relaxed);
                self.inner.embed(texts, purpose)
            }
        }
    }

    fn token_embedder(&self) -> Option<&dyn TokenEmbedder> {
        Some(self)
    }
}

impl TokenEmbedder for Known {
    fn dimension(&self) -> usize {
        TokenEmbedder::dimension(&self.inner)
    }

    fn embed_runs(&self, runs: &[TextRun<'_>]) -> Result<Vec<TokenVectors>, EmbedError> {
        self.inner.embed_runs(runs)
    }

    fn embed_question(&self, text: &str) -> Result<(Vec<f32>, TokenVectors), EmbedError> {
        let known = self.asked.lock().unwrap_or_else(PoisonError::into_inner).get(text).cloned();
        if let Some(known) = known {
            return Ok(known);
        }
        self.missed.fetch_add(1, Ordering::Relaxed);
        let answer = self.inner.embed_question(text)?;
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).insert(text.to_owned(), answer.clone());
        Ok(answer)
    }

    fn piece(&self, id: u32) -> Option<&str> {
        self.inner.piece(id)
    }
}
