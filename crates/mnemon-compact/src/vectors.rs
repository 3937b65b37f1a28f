//! Vectors of texts, from a cache where it has them.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use mnemon_core::{Embedder, Purpose};
use ndarray::Array2;
use sha2::{Digest, Sha256};

use crate::CompactError;

/// Names the vector of a text by a model: the SHA-256 of both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct VectorKey([u8; 32]);

impl VectorKey {
    /// The key of a text, for an embedder.
    #[must_use]
    pub fn of(embedder: &dyn Embedder, text: &str) -> Self {
        let mut hash = Sha256::new();
        let model = embedder.model().to_string();
        // The length first: no model name and text can be read as another pair.
        hash.update((model.len() as u64).to_le_bytes());
        hash.update(model.as_bytes());
        hash.update(text.as_bytes());
        Self(hash.finalize().into())
    }

    /// The hash.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// Where the owner keeps vectors. A cache that fails has nothing: compaction embeds again.
pub trait VectorCache: Send + Sync {
    /// The vector that was put under a key, if it is still there.
    fn get(&self, key: &VectorKey) -> Option<Vec<f32>>;

    /// Keeps a vector of unit length.
    fn put(&self, key: VectorKey, vector: &[f32]);
}

/// Keeps vectors in memory, all of them.
#[derive(Debug, Default)]
pub struct MemoryVectors(Mutex<HashMap<VectorKey, Vec<f32>>>);

impl MemoryVectors {
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl VectorCache for MemoryVectors {
    fn get(&self, key: &VectorKey) -> Option<Vec<f32>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(key).cloned()
    }

    fn put(&self, key: VectorKey, vector: &[f32]) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(key, vector.to_vec());
    }
}

/// Keeps nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoCache;

impl VectorCache for NoCache {
    fn get(&self, _: &VectorKey) -> Option<Vec<f32>> {
        None
    }

    fn put(&self, _: VectorKey, _: &[f32]) {}
}

/// An embedder and the cache before it.
#[derive(Clone, Copy)]
pub struct Vectors<'a> {
    embedder: &'a dyn Embedder,
    cache: &'a dyn VectorCache,
}

impl<'a> Vectors<'a> {
    /// Vectors of this embedder, kept in this cache.
    #[must_use]
    pub fn new(embedder: &'a dyn Embedder, cache: &'a dyn VectorCache) -> Self {
        Self { embedder, cache }
    }

    /// One row of unit length a text (zeros where a text has no direction). What the cache has not is embedded in one
    /// batch, each text once.
    ///
    /// # Errors
    /// When the model fails, or returns another number of vectors, another dimension or values that are not finite.
    pub fn rows(&self, texts: &[&str]) -> Result<Array2<f32>, CompactError> {
        let dimension = self.embedder.dimension();
        let mut rows = Array2::zeros((texts.len(), dimension));
        let mut missing: Vec<(&str, VectorKey)> = Vec::new();
        let mut places: HashMap<VectorKey, Vec<usize>> = HashMap::new();
        for (place, &text) in texts.iter().enumerate() {
            let key = VectorKey::of(self.embedder, text);
            if let Some(waiting) = places.get_mut(&key) {
                waiting.push(place);
                continue;
            }
            match self.cache.get(&key).filter(|vector| is_sound(vector, dimension)) {
                Some(vector) => fill(&mut rows, &[place], &vector),
                None => {
                    missing.push((text, key));
                    places.insert(key, vec![place]);
                }
            }
        }
        if missing.is_empty() {
            return Ok(rows);
        }
        let batch: Vec<&str> = missing.iter().map(|(text, _)| *text).collect();
        let embeddings = self.embedder.embed(&batch, Purpose::Passage).map_err(CompactError::Embed)?;
        if embeddings.len() != batch.len() || embeddings.dimension() != dimension {
            return Err(CompactError::BadVectors {
                expected: format!("{} vectors of {dimension} values", batch.len()),
                got: format!("{} of {}", embeddings.len(), embeddings.dimension()),
            });
        }
        for ((_, key), vector) in missing.iter().zip(embeddings.rows()) {
            let vector = unit(vector).ok_or_else(|| CompactError::BadVectors {
                expected: "finite values".to_owned(),
                got: "others".to_owned(),
            })?;
            self.cache.put(*key, &vector);
            fill(&mut rows, places.get(key).map_or(&[][..], Vec::as_slice), &vector);
        }
        Ok(rows)
    }
}

impl std::fmt::Debug for Vectors<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Vectors").field("model", self.embedder.model()).finish_non_exhaustive()
    }
}

fn is_sound(vector: &[f32], dimension: usize) -> bool {
    vector.len() == dimension && vector.iter().all(|value| value.is_finite())
}

fn fill(rows: &mut Array2<f32>, places: &[usize], vector: &[f32]) {
    for &place in places {
        rows.row_mut(place).iter_mut().zip(vector).for_each(|(to, from)| *to = *from);
    }
}

/// The vector at unit length; zeros stay zeros.
fn unit(vector: &[f32]) -> Option<Vec<f32>> {
    if vector.iter().any(|value| !value.is_finite()) {
        return None;
    }
    let length = vector.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>().sqrt();
    let divisor = if length > 0.0 { length } else { 1.0 };
    Some(vector.iter().map(|value| (f64::from(*value) / divisor) as f32).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::WordEmbedder;

    #[test]
    fn what_the_cache_has_is_not_embedded_again() {
        let (embedder, cache) = (WordEmbedder::default(), MemoryVectors::default());
        let vectors = Vectors::new(&embedder, &cache);
        let first = vectors.rows(&["a boat", "a cat", "a boat"]).unwrap();
        assert_eq!((embedder.embedded(), cache.len()), (2, 2));
        assert_eq!(first.row(0), first.row(2));
        assert!((first.row(0).dot(&first.row(0)) - 1.0).abs() < 1e-5);
        let second = vectors.rows(&["a cat", "a dog"]).unwrap();
        assert_eq!(embedder.embedded(), 3);
        assert_eq!(second.row(0), first.row(1));
    }

    #[test]
    fn a_model_that_returns_nonsense_is_an_error() {
        for broken in [WordEmbedder::short(), WordEmbedder::nan()] {
            let error = Vectors::new(&broken, &NoCache).rows(&["a", "b"]).unwrap_err();
            assert!(matches!(error, CompactError::BadVectors { .. }), "{error}");
        }
    }
}
