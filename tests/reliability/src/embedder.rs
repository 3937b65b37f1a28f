//! A model that costs nothing: vectors made of hashes of words. The same text has the same vector in every process.

use mnemon::{EmbedError, Embedder, Embeddings, ModelId, Purpose};
use mnemon_core::{TextRun, TokenEmbedder, TokenVectors};

const DIMENSION: usize = 48;
const PIECE_DIMENSION: usize = 32;
/// Pieces of one text; a real model cuts long texts too.
const MAX_PIECES: usize = 48;

/// Hashed words as vectors, with vectors of pieces, so that every table of the store is written.
#[derive(Debug)]
pub struct HashEmbedder {
    model: ModelId,
}

impl HashEmbedder {
    /// The model under its one name.
    #[must_use]
    pub fn new() -> Self {
        Self { model: ModelId { name: "hashed-words".into(), revision: "1".into(), dtype: "f32".into() } }
    }

    /// How many values a vector has.
    #[must_use]
    pub fn size() -> usize {
        DIMENSION
    }

    fn vector(text: &str) -> [f32; DIMENSION] {
        let mut vector = [0.0; DIMENSION];
        for word in words(text) {
            let hash = hash(word);
            for value in [hash, hash >> 20, hash >> 40] {
                let sign = if value & 0x8_0000 == 0 { 1.0 } else { -1.0 };
                if let Some(slot) = vector.get_mut(value as usize % DIMENSION) {
                    *slot += sign;
                }
            }
        }
        // A text without words has a direction too.
        if vector.iter().all(|value| *value == 0.0) {
            vector = [1.0; DIMENSION];
        }
        vector
    }

    fn pieces(text: &str) -> TokenVectors {
        let (mut ids, mut values) = (Vec::new(), Vec::new());
        for word in words(text).take(MAX_PIECES) {
            let hash = hash(word);
            ids.push((hash & 0xffff) as u32);
            values.extend((0..PIECE_DIMENSION).map(|bit| if hash >> bit & 1 == 0 { 1.0 } else { -1.0 }));
        }
        TokenVectors::new(ids, PIECE_DIMENSION, values)
    }
}

impl Default for HashEmbedder {
    fn default() -> Self {
        Self::new()
    }
}

impl Embedder for HashEmbedder {
    fn model(&self) -> &ModelId {
        &self.model
    }

    fn dimension(&self) -> usize {
        DIMENSION
    }

    fn embed(&self, texts: &[&str], _: Purpose) -> Result<Embeddings, EmbedError> {
        Ok(Embeddings::new(DIMENSION, texts.iter().flat_map(|text| Self::vector(text)).collect()))
    }

    fn token_embedder(&self) -> Option<&dyn TokenEmbedder> {
        Some(self)
    }
}

impl TokenEmbedder for HashEmbedder {
    fn dimension(&self) -> usize {
        PIECE_DIMENSION
    }

    fn embed_runs(&self, runs: &[TextRun<'_>]) -> Result<Vec<TokenVectors>, EmbedError> {
        let own = runs.iter().flat_map(|run| run.texts.get(run.own()).unwrap_or_default());
        Ok(own.map(|text| Self::pieces(text)).collect())
    }

    fn embed_question(&self, text: &str) -> Result<(Vec<f32>, TokenVectors), EmbedError> {
        Ok((Self::vector(text).to_vec(), Self::pieces(text)))
    }

    fn piece(&self, _: u32) -> Option<&str> {
        // Every piece counts as a word of content.
        Some("heron")
    }
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty())
}

fn hash(word: &str) -> u64 {
    let fnv = word.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte.to_ascii_lowercase())).wrapping_mul(0x0100_0000_01b3)
    });
    (fnv ^ (fnv >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_texts_have_equal_vectors_and_others_have_others() {
        let embedder = HashEmbedder::new();
        let made = embedder.embed(&["a heron", "A heron!", "a plover", ""], Purpose::Passage).unwrap();
        assert_eq!(made.get(0), made.get(1));
        assert_ne!(made.get(0), made.get(2));
        assert!(made.get(3).unwrap().iter().any(|value| *value != 0.0));
        let (question, pieces) = embedder.embed_question("a heron").unwrap();
        assert_eq!((Some(&question[..]), pieces.len()), (made.get(0), 2));
        let run = TextRun { texts: vec!["before", "two words"], own: 1..2 };
        assert_eq!(embedder.embed_runs(&[run]).unwrap()[0].len(), 2);
    }
}
