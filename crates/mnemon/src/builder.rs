//! Opening a memory with parts and settings of one's own.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use mnemon_compact::{Extractive, Summarizer};
use mnemon_core::{Embedder, Scope, Timestamp, TokenCounter};
use mnemon_embed::{LocateOptions, ModelError, SentenceTransformer, locate};
use mnemon_long_term::LongTerm;
#[cfg(doc)]
use mnemon_long_term::LongTermError;
use mnemon_short_term::EvictionPolicy;
use mnemon_store::{Store, StoreOptions};

use crate::engine::Engine;
use crate::guard::Guard;
use crate::session::SessionChoice;
use crate::{Clock, Config, ConfigError, ContextManager, Error};

/// Opens a [`ContextManager`] with parts and settings of one's own. Made by [`ContextManager::builder`].
///
/// ```
/// use mnemon::{Config, ContextManager, Eviction, Scope};
/// let mut config = Config::default();
/// config.eviction = Eviction::Priority;
/// let memory = ContextManager::builder().config(config).scope("ann".parse::<Scope>()?).open_in_memory()?;
/// assert_eq!(memory.scope().user(), "ann");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Default)]
#[must_use]
pub struct Builder {
    config: Config,
    scope: Scope,
    embedder: Option<Arc<dyn Embedder>>,
    without_model: bool,
    data_dir: Option<PathBuf>,
    counter: Option<Arc<dyn TokenCounter>>,
    eviction: Option<Arc<dyn EvictionPolicy>>,
    summarizer: Option<Arc<dyn Summarizer>>,
    clock: Option<Clock>,
    read_only: bool,
    on_other_model: OtherModel,
}

/// What happens when a memory is opened with another embedding model than the one that its file serves with. Vectors of two
/// models cannot be compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OtherModel {
    /// It is an error, which names both.
    #[default]
    Refuse,
    /// The memory opens and compares words only, until the file is changed to the model of this handle
    /// ([`ContextManager::re_embed`]). What is written meanwhile waits for a process that has the model of the file.
    WordsOnly,
}

impl Builder {
    /// These settings.
    pub fn config(self, config: Config) -> Self {
        Self { config, ..self }
    }

    /// This scope: what is written goes there, what is read comes from there.
    pub fn scope(self, scope: Scope) -> Self {
        Self { scope, ..self }
    }

    /// This embedding model instead of a local one.
    pub fn embedder(self, embedder: Arc<dyn Embedder>) -> Self {
        Self { embedder: Some(embedder), ..self }
    }

    /// No embedding model: only words are compared. For programs that must be small or start in a millisecond.
    pub fn without_model(self) -> Self {
        Self { without_model: true, ..self }
    }

    /// A data directory, in which models are looked for (`models/all-MiniLM-L6-v2`).
    pub fn data_dir(self, data_dir: impl Into<PathBuf>) -> Self {
        Self { data_dir: Some(data_dir.into()), ..self }
    }

    /// This way to count tokens instead of that of the settings.
    pub fn token_counter(self, counter: Arc<dyn TokenCounter>) -> Self {
        Self { counter: Some(counter), ..self }
    }

    /// This eviction policy instead of that of the settings.
    pub fn eviction(self, policy: Arc<dyn EvictionPolicy>) -> Self {
        Self { eviction: Some(policy), ..self }
    }

    /// This summariser instead of the one that ships, which takes sentences word for word
    /// ([`Extractive`](crate::compact::Extractive)). A language model is one by
    /// [`ModelSummarizer`](crate::compact::ModelSummarizer); let it work in the background ([`Summaries`](crate::Summaries)).
    pub fn summarizer(self, summarizer: Arc<dyn Summarizer>) -> Self {
        Self { summarizer: Some(summarizer), ..self }
    }

    /// This clock instead of the system's. For tests and replays.
    pub fn clock(self, clock: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Self { clock: Some(Arc::new(clock)), ..self }
    }

    /// For reading only: nothing is written, and a file that is not there is an error.
    pub fn read_only(self, read_only: bool) -> Self {
        Self { read_only, ..self }
    }

    /// What happens when the file serves with another model than this handle has.
    pub fn on_other_model(self, choice: OtherModel) -> Self {
        Self { on_other_model: choice, ..self }
    }

    /// Opens a file, or makes it.
    ///
    /// # Errors
    /// For settings that are not allowed, a file that cannot be used (see [`StoreError`](crate::StoreError)), and a
    /// model or tokenizer that was asked for and cannot be loaded. [`LongTermError::OtherModel`] and
    /// [`LongTermError::WrongDimension`] for a model, found or asked for, that the file does not serve with, unless
    /// [`Builder::on_other_model`] says otherwise. When no model was asked for and none is found, the
    /// memory opens without: see [`Degradation`](crate::Degradation).
    pub fn open(self, path: impl AsRef<Path>) -> Result<ContextManager, Error> {
        self.config.validate()?;
        let mut options = StoreOptions::default();
        options.durability = self.config.durability;
        options.busy_timeout = self.config.busy_timeout();
        options.ballast = self.config.ballast_bytes;
        options.read_only = self.read_only;
        let store = Store::open(path, options)?;
        self.build(store)
    }

    /// A memory that ends with the value.
    ///
    /// # Errors
    /// As [`Builder::open`].
    pub fn open_in_memory(self) -> Result<ContextManager, Error> {
        self.config.validate()?;
        let store = Store::open_in_memory()?;
        self.build(store)
    }

    fn build(self, store: Store) -> Result<ContextManager, Error> {
        let embedder = self.find_embedder()?;
        let counter = match self.counter {
            Some(counter) => counter,
            None => self.config.tokenizer.resolve()?,
        };
        let eviction = self.eviction.unwrap_or_else(|| Arc::new(self.config.eviction));
        let summarizer = self.summarizer.unwrap_or_else(|| Arc::new(Extractive::default()));
        let clock = self.clock.unwrap_or_else(|| Arc::new(Timestamp::now));
        let long_term = LongTerm::new(Arc::new(store), embedder, self.config.recall);
        if self.on_other_model == OtherModel::Refuse {
            long_term.check_model()?;
        }
        long_term.analyse()?;
        let guard = Guard::new(self.config.secrets.clone()).map_err(ConfigError::from)?;
        let engine = Engine::new(self.config, long_term, counter, eviction, summarizer, clock, guard);
        Ok(ContextManager::new(Arc::new(engine), self.scope, SessionChoice::Latest))
    }

    fn find_embedder(&self) -> Result<Option<Arc<dyn Embedder>>, Error> {
        if self.without_model {
            return Ok(None);
        }
        if let Some(embedder) = &self.embedder {
            return Ok(Some(Arc::clone(embedder)));
        }
        let mut places = LocateOptions::from_env();
        places.path = self.config.model.clone();
        places.data_dir = self.data_dir.clone();
        match locate(&places) {
            Ok(source) => Ok(Some(Arc::new(SentenceTransformer::load(&source)?))),
            Err(error @ ModelError::NotFound { .. }) => {
                tracing::warn!(%error, "only words are compared");
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }
}

impl std::fmt::Debug for Builder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Builder").field("config", &self.config).field("scope", &self.scope).finish_non_exhaustive()
    }
}
