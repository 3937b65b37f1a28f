//! What several tests need.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::sync::atomic::{AtomicUsize, Ordering};

use mnemon_core::{EmbedError, Embedder, Embeddings, ModelId, Purpose};

const DIMENSION: usize = 64;

/// Hashes words into a bag: texts with equal words are near each other.
pub(crate) struct WordEmbedder {
    model: ModelId,
    count: AtomicUsize,
    fault: Fault,
}

#[derive(PartialEq)]
enum Fault {
    None,
    Short,
    Nan,
    Fails,
}

impl Default for WordEmbedder {
    fn default() -> Self {
        Self::with(Fault::None)
    }
}

impl WordEmbedder {
    fn with(fault: Fault) -> Self {
        let model = ModelId { name: "words".into(), revision: "1".into(), dtype: "f32".into() };
        Self { model, count: AtomicUsize::new(0), fault }
    }

    pub(crate) fn short() -> Self {
        Self::with(Fault::Short)
    }

    pub(crate) fn nan() -> Self {
        Self::with(Fault::Nan)
    }

    pub(crate) fn failing() -> Self {
        Self::with(Fault::Fails)
    }

    /// How many texts it embedded.
    pub(crate) fn embedded(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }
}

impl Embedder for WordEmbedder {
    fn model(&self) -> &ModelId {
        &self.model
    }

    fn dimension(&self) -> usize {
        DIMENSION
    }

    fn embed(&self, texts: &[&str], _: Purpose) -> Result<Embeddings, EmbedError> {
        if self.fault == Fault::Fails {
            return Err(EmbedError { model: "words".into(), source: "no room".into() });
        }
        self.count.fetch_add(texts.len(), Ordering::Relaxed);
        let mut values = Vec::new();
        for text in texts {
            let mut row = [0.0f32; DIMENSION];
            for word in text.to_lowercase().split(|c: char| !c.is_alphanumeric()).filter(|word| word.len() > 2) {
                let mut hasher = DefaultHasher::new();
                word.hash(&mut hasher);
                row[hasher.finish() as usize % DIMENSION] += 1.0;
            }
            if self.fault == Fault::Nan {
                row[0] = f32::NAN;
            }
            values.extend_from_slice(&row);
        }
        if self.fault == Fault::Short {
            values.truncate(DIMENSION);
        }
        Ok(Embeddings::new(DIMENSION, values))
    }
}
