//! The embedding model for measurements: one that does not read a question twice while it remembers.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use mnemon_core::{EmbedError, Embedder, Embeddings, ModelId, Purpose, TextRun, TokenEmbedder, TokenVectors};
use mnemon_embed::SentenceTransformer;

/// The model itself, which does not read a question twice while it remembers.
pub(crate) struct Remembering {
    real: Arc<SentenceTransformer>,
    remembers: AtomicBool,
    vectors: Mutex<HashMap<String, Embeddings>>,
    questions: Mutex<HashMap<String, (Vec<f32>, TokenVectors)>>,
}

impl Remembering {
    pub(crate) fn new(real: Arc<SentenceTransformer>) -> Self {
        Self { real, remembers: AtomicBool::new(true), vectors: Mutex::default(), questions: Mutex::default() }
    }

    pub(crate) fn remember(&self, yes: bool) {
        self.remembers.store(yes, Ordering::Relaxed);
    }

    fn recalled<T: Clone>(
        &self,
        known: &Mutex<HashMap<String, T>>,
        text: &str,
        embed: impl FnOnce() -> Result<T, EmbedError>,
    ) -> Result<T, EmbedError> {
        if !self.remembers.load(Ordering::Relaxed) {
            return embed();
        }
        let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(value) = known.get(text) {
            return Ok(value.clone());
        }
        let value = embed()?;
        known.insert(text.to_owned(), value.clone());
        Ok(value)
    }
}

impl Embedder for Remembering {
    fn model(&self) -> &ModelId {
        self.real.model()
    }

    fn dimension(&self) -> usize {
        Embedder::dimension(&*self.real)
    }

    fn embed(&self, texts: &[&str], purpose: Purpose) -> Result<Embeddings, EmbedError> {
        match (texts, purpose) {
            ([text], Purpose::Query) => self.recalled(&self.vectors, text, || self.real.embed(texts, purpose)),
            _ => self.real.embed(texts, purpose),
        }
    }

    fn token_embedder(&self) -> Option<&dyn TokenEmbedder> {
        Some(self)
    }
}

impl TokenEmbedder for Remembering {
    fn dimension(&self) -> usize {
        Embedder::dimension(self)
    }

    fn embed_runs(&self, runs: &[TextRun<'_>]) -> Result<Vec<TokenVectors>, EmbedError> {
        self.real.embed_runs(runs)
    }

    fn embed_question(&self, text: &str) -> Result<(Vec<f32>, TokenVectors), EmbedError> {
        self.recalled(&self.questions, text, || self.real.embed_question(text))
    }

    fn piece(&self, id: u32) -> Option<&str> {
        self.real.piece(id)
    }
}
