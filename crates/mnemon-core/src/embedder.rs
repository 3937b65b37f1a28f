//! The seam to embedding models.

use std::error::Error;
use std::fmt;

use serde::{Deserialize, Serialize};

/// What a text is embedded for. Some models (E5, BGE, Nomic) want another prefix for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// The text will be searched for.
    Passage,
    /// The text is what somebody asks.
    Query,
}

/// Names a model so exactly that vectors of equal names can be compared, and no others.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ModelId {
    /// The name, such as `all-MiniLM-L6-v2`.
    pub name: String,
    /// Which edition of the weights: a version or a hash.
    pub revision: String,
    /// The class of arithmetic, such as `f32` or `int8`: vectors of two classes differ a little.
    pub dtype: String,
}

impl fmt::Display for ModelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}/{}", self.name, self.revision, self.dtype)
    }
}

/// An embedding model that failed, with its own error as the source.
#[derive(Debug, thiserror::Error)]
#[error("the embedding model {model} failed")]
pub struct EmbedError {
    /// Which model.
    pub model: String,
    /// Why.
    #[source]
    pub source: Box<dyn Error + Send + Sync>,
}

/// A batch of vectors, one row a text, in one allocation.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Embeddings {
    dimension: usize,
    values: Vec<f32>,
}

impl Embeddings {
    /// Takes rows of `dimension` values one after the other; a last row that is not whole is cut off.
    #[must_use]
    pub fn new(dimension: usize, mut values: Vec<f32>) -> Self {
        values.truncate(values.len().checked_rem(dimension).map_or(0, |rest| values.len() - rest));
        Self { dimension, values }
    }

    /// How many values a row has.
    #[must_use]
    pub fn dimension(&self) -> usize {
        self.dimension
    }

    /// How many rows there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.values.len().checked_div(self.dimension).unwrap_or(0)
    }

    /// Whether there is no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// The row of the text at `index` in the batch.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<&[f32]> {
        self.values.get(index * self.dimension..(index + 1) * self.dimension)
    }

    /// The rows in the order of the batch.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = &[f32]> {
        self.values.chunks_exact(self.dimension.max(1))
    }

    /// All values, row after row.
    #[must_use]
    pub fn as_slice(&self) -> &[f32] {
        &self.values
    }
}

/// Turns texts into vectors whose inner product says how near their meanings are.
///
/// Bring your own by implementing it; the engine checks what comes back (count, dimension, finite values, a length
/// that is not zero) and scales every vector to unit length, so an implementation need not.
pub trait Embedder: Send + Sync {
    /// The name under which vectors are stored.
    fn model(&self) -> &ModelId;

    /// How many values a vector has. At least 1, and always the same.
    fn dimension(&self) -> usize;

    /// One vector a text, in the order of `texts`.
    ///
    /// # Errors
    /// When the model cannot run. The engine then works on without vectors and says so in the manifest.
    fn embed(&self, texts: &[&str], purpose: Purpose) -> Result<Embeddings, EmbedError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_the_texts() {
        let batch = Embeddings::new(2, vec![1.0, 2.0, 3.0, 4.0, 5.0]);
        assert_eq!(batch.len(), 2);
        assert_eq!(batch.rows().collect::<Vec<_>>(), [&[1.0, 2.0], &[3.0, 4.0]]);
        assert_eq!(batch.get(1), Some(&[3.0, 4.0][..]));
        assert_eq!(batch.get(2), None);
        assert_eq!(Embeddings::new(0, vec![1.0]).len(), 0);
        assert_eq!(Embeddings::default().rows().count(), 0);
    }
}
