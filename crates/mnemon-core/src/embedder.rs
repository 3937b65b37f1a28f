//! The seam to embedding models.

use std::error::Error;
use std::fmt;
use std::ops::Range;

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

    /// The second half of the seam, for models that give a vector for each piece of a text too. Without it recall works
    /// on the vectors of whole texts alone.
    fn token_embedder(&self) -> Option<&dyn TokenEmbedder> {
        None
    }
}

/// Consecutive texts of one conversation. Those outside `own` are context: they are read, and no vectors come of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextRun<'a> {
    /// The texts in the order in which they were said.
    pub texts: Vec<&'a str>,
    /// Which of them the vectors are wanted of. What lies behind the last text is ignored.
    pub own: Range<usize>,
}

impl TextRun<'_> {
    /// The part of `own` that has texts: a run gives one [`TokenVectors`] for each of its numbers.
    #[must_use]
    pub fn own(&self) -> Range<usize> {
        let end = self.own.end.min(self.texts.len());
        self.own.start.min(end)..end
    }
}

/// The vectors of the pieces of one text, each of unit length, without the special pieces that the model puts around a
/// text.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct TokenVectors {
    pieces: Vec<u32>,
    dimension: usize,
    values: Vec<f32>,
}

impl TokenVectors {
    /// Takes the number of each piece and rows of `dimension` values one after the other. Rows are scaled to unit
    /// length (one of zeros stays so); pieces without a whole row and rows without a piece are cut off.
    #[must_use]
    pub fn new(pieces: Vec<u32>, dimension: usize, values: Vec<f32>) -> Self {
        let (mut pieces, mut values) = (pieces, values);
        pieces.truncate(values.len().checked_div(dimension).unwrap_or(0));
        values.truncate(pieces.len() * dimension);
        for row in values.chunks_exact_mut(dimension.max(1)) {
            let length = row.iter().map(|value| value * value).sum::<f32>().sqrt();
            if length > 0.0 {
                row.iter_mut().for_each(|value| *value /= length);
            }
        }
        Self { pieces, dimension, values }
    }

    /// How many values a vector has.
    #[must_use]
    pub fn dimension(&self) -> usize {
        self.dimension
    }

    /// How many pieces there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.pieces.len()
    }

    /// Whether the text has no piece.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// The number of each piece in the vocabulary of the model, in the order of the text.
    #[must_use]
    pub fn pieces(&self) -> &[u32] {
        &self.pieces
    }

    /// The vector of each piece.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = &[f32]> {
        self.values.chunks_exact(self.dimension.max(1))
    }

    /// Each piece with its vector.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &[f32])> {
        self.pieces.iter().copied().zip(self.rows())
    }
}

/// Turns texts into a vector for each of their pieces, as the piece is meant where it stands: what late interaction
/// compares (Khattab and Zaharia, "ColBERT", SIGIR 2020).
///
/// Vectors go by the name of the [`Embedder`] that this is the second half of.
pub trait TokenEmbedder: Send + Sync {
    /// How many values the vector of a piece has. At least 1, and always the same.
    fn dimension(&self) -> usize;

    /// The vectors of the pieces of all own texts, run after run, each text read among its neighbours in the run.
    ///
    /// A model reads only so much at a time: of a long text the vectors of its first pieces come, and of its neighbours
    /// what fits.
    ///
    /// # Errors
    /// When the model cannot run.
    fn embed_runs(&self, runs: &[TextRun<'_>]) -> Result<Vec<TokenVectors>, EmbedError>;

    /// The vector of a question, as [`Embedder::embed`] gives it for [`Purpose::Query`], and those of its pieces, from one
    /// pass through the model.
    ///
    /// # Errors
    /// When the model cannot run.
    fn embed_question(&self, text: &str) -> Result<(Vec<f32>, TokenVectors), EmbedError>;

    /// The text of a piece, such as `group` or `##ing`; `None` for a number that the vocabulary does not have.
    fn piece(&self, id: u32) -> Option<&str>;
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

    #[test]
    fn token_vectors_are_scaled_and_whole() {
        #[track_caller]
        fn check(pieces: &[u32], dimension: usize, values: &[f32], expected: &[(u32, &[f32])]) {
            let vectors = TokenVectors::new(pieces.to_vec(), dimension, values.to_vec());
            assert_eq!(vectors.iter().collect::<Vec<_>>(), expected);
            assert_eq!((vectors.len(), vectors.rows().len()), (expected.len(), expected.len()));
            assert_eq!((vectors.is_empty(), vectors.pieces().len()), (expected.is_empty(), expected.len()));
        }
        check(&[7, 9], 2, &[3.0, -4.0, 0.0, 0.0], &[(7, &[0.6, -0.8]), (9, &[0.0, 0.0])]);
        check(&[7, 9], 2, &[3.0, -4.0, 1.0], &[(7, &[0.6, -0.8])]);
        check(&[7], 2, &[3.0, -4.0, 1.0, 0.0], &[(7, &[0.6, -0.8])]);
        check(&[7], 0, &[3.0], &[]);
        check(&[], 2, &[], &[]);
    }

    #[test]
    fn own_texts_are_those_that_there_are() {
        let own = |own: Range<usize>| TextRun { texts: vec!["a", "b", "c"], own }.own();
        assert_eq!([own(1..2), own(0..9), own(5..9), own(3..3)], [1..2, 0..3, 3..3, 3..3]);
        let backwards = Range { start: 2, end: 1 };
        assert!(own(backwards).is_empty());
    }
}
