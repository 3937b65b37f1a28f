//! What every benchmark works with: the settings, the model, and memories that go away again.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use mnemon::embed::{LocateOptions, SentenceTransformer, WordPieces, locate};
use mnemon::import::Import;
use mnemon::{Config, ContextManager, Embedder, Level, TokenCounter};
use serde::Serialize;
use tempfile::TempDir;

use crate::{BenchError, Machine, Progress};

/// Benchmark data is read whole.
const MAX_BYTES: u64 = 8 << 30;

/// The settings and the model that are measured.
///
/// The engine runs as everybody's does: with these settings, on a file in a temporary folder, through
/// [`ContextManager`].
#[derive(Clone)]
pub struct Bench {
    config: Config,
    model: Arc<SentenceTransformer>,
}

/// What was measured, beside the data.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Engine {
    /// The version of Mnemon.
    pub mnemon: &'static str,
    /// The embedding model: name, revision and class of arithmetic.
    pub model: String,
    /// What budgets are counted in.
    pub tokens: String,
    /// How many hits are asked for.
    pub hits: usize,
    /// The level of recall.
    pub recall: String,
    /// The floor below which there is no answer.
    pub relevance_floor: f32,
}

/// A memory in a folder that goes away with it.
pub(crate) struct Scratch {
    pub(crate) memory: ContextManager,
    _folder: TempDir,
}

impl Bench {
    /// As many hits as the largest budget can hold, and some.
    pub const HITS: usize = 300;

    /// Loads the model: that of the settings, else the first that is found in `places`.
    ///
    /// # Errors
    /// When there is no model, or none that can be used.
    pub fn load(config: Config, mut places: LocateOptions) -> Result<Self, BenchError> {
        if config.model.is_some() {
            places.path.clone_from(&config.model);
        }
        let model = SentenceTransformer::load(&locate(&places)?)?;
        Ok(Self { config, model: Arc::new(model) })
    }

    /// The level of recall that is measured.
    #[must_use]
    pub fn level(&self) -> Level {
        self.config.recall
    }

    /// What is measured.
    #[must_use]
    pub fn engine(&self) -> Engine {
        Engine {
            mnemon: env!("CARGO_PKG_VERSION"),
            model: self.model.model().to_string(),
            tokens: self.pieces().name().to_owned(),
            hits: Self::HITS,
            recall: self.config.recall.to_string(),
            relevance_floor: self.config.relevance_floor,
        }
    }

    /// The settings of what is measured.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    pub(crate) fn machine(&self) -> Machine {
        Machine::with(self.model.model().to_string())
    }

    pub(crate) fn model(&self) -> &SentenceTransformer {
        &self.model
    }

    pub(crate) fn shared_model(&self) -> Arc<SentenceTransformer> {
        Arc::clone(&self.model)
    }

    pub(crate) fn pieces(&self) -> WordPieces {
        self.model.word_pieces()
    }

    /// An empty memory.
    pub(crate) fn memory(&self) -> Result<Scratch, BenchError> {
        let folder = tempfile::Builder::new().prefix("mnemon-bench-").tempdir().map_err(BenchError::Temporary)?;
        let embedder: Arc<dyn Embedder> = self.model.clone();
        let memory = ContextManager::builder()
            .config(self.config.clone())
            .embedder(embedder)
            .open(folder.path().join("bench.db"))?;
        Ok(Scratch { memory, _folder: folder })
    }

    /// A memory that holds what was read from a file.
    pub(crate) fn filled(&self, import: &Import, progress: &mut dyn FnMut(Progress)) -> Result<Scratch, BenchError> {
        let scratch = self.memory()?;
        scratch.memory.import(import, &mut |step| progress(step.into()))?;
        Ok(scratch)
    }
}

impl std::fmt::Debug for Bench {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bench").field("config", &self.config).field("engine", &self.engine()).finish_non_exhaustive()
    }
}

/// The content of a file.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, BenchError> {
    let cannot = |source| BenchError::Read { path: path.to_owned(), source };
    let mut bytes = Vec::new();
    File::open(path).and_then(|file| file.take(MAX_BYTES + 1).read_to_end(&mut bytes)).map_err(cannot)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(BenchError::TooLarge { path: path.to_owned(), max_bytes: MAX_BYTES });
    }
    Ok(bytes)
}

/// The name of a file without its folders, which are nobody's business in a result that is passed on.
pub(crate) fn file_name(path: &Path) -> String {
    path.file_name().map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned())
}
