//! A model for tests.
#![allow(dead_code, clippy::unwrap_used, reason = "each test uses a part of it, and fails by panicking")]

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use mnemon_core::{EmbedError, Embedder, Embeddings, ModelId, Purpose};

/// Counts words into a vector, after folding some that mean the same: a model small enough to foresee its answers.
pub(crate) struct Words {
    model: ModelId,
    dimension: usize,
    /// Vectors of two salts have nothing to do with one another.
    salt: usize,
    pub(crate) broken: AtomicBool,
    /// Every text that was embedded as a passage.
    pub(crate) read: Mutex<Vec<String>>,
}

impl Words {
    pub(crate) fn new(name: &str) -> Arc<Self> {
        Self::of(name, 32, 0)
    }

    pub(crate) fn of(name: &str, dimension: usize, salt: usize) -> Arc<Self> {
        let model = ModelId { name: name.into(), revision: "1".into(), dtype: "f32".into() };
        Arc::new(Self { model, dimension, salt, broken: AtomicBool::new(false), read: Mutex::default() })
    }
}

impl Words {
    /// What was embedded since the last call, in order.
    pub(crate) fn taken(&self) -> Vec<String> {
        let mut read = std::mem::take(&mut *self.read.lock().unwrap());
        read.sort();
        read
    }
}

impl Embedder for Words {
    fn model(&self) -> &ModelId {
        &self.model
    }

    fn dimension(&self) -> usize {
        self.dimension
    }

    fn embed(&self, texts: &[&str], purpose: Purpose) -> Result<Embeddings, EmbedError> {
        if purpose == Purpose::Passage {
            self.read.lock().unwrap().extend(texts.iter().map(|text| (*text).to_owned()));
        }
        if self.broken.load(Ordering::Relaxed) {
            return Err(EmbedError { model: self.model.name.clone(), source: "the model is away".into() });
        }
        let mut values = vec![0.01; texts.len() * self.dimension];
        for (row, text) in values.chunks_exact_mut(self.dimension).zip(texts) {
            for word in text.to_lowercase().split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()) {
                let word = if word == "feline" { "cat" } else { word };
                let bucket = word
                    .bytes()
                    .fold(5381usize.wrapping_add(self.salt), |hash, byte| hash.wrapping_mul(33) ^ usize::from(byte))
                    % self.dimension;
                row[bucket] += 1.0;
            }
        }
        Ok(Embeddings::new(self.dimension, values))
    }
}
