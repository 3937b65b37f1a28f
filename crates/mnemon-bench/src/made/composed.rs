//! A way around the embedding model, which would take an hour for 100,000 texts.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use mnemon::embed::SentenceTransformer;
use mnemon_core::{EmbedError, Embedder, Embeddings, ModelId, Purpose, TextRun, TokenEmbedder, TokenVectors};

/// Makes vectors of texts out of real ones: each word gets the pieces of that word in one of the texts that the model has
/// read, as it was meant there, and a text gets the mean of its pieces, which is what the model does itself.
pub struct Composed {
    real: Arc<SentenceTransformer>,
    words: HashMap<String, Vec<Occurrence>>,
}

/// A word where it stood in a text: its pieces, and a row for each.
#[derive(Default)]
struct Occurrence {
    pieces: Vec<u32>,
    rows: Vec<f32>,
}

impl Composed {
    /// Lets the model read texts, those of each conversation in a row. `progress` is told after each conversation how many
    /// texts are read.
    ///
    /// # Errors
    /// When the model fails.
    pub fn new(
        real: Arc<SentenceTransformer>,
        conversations: &[Vec<String>],
        progress: &mut dyn FnMut(usize),
    ) -> Result<Self, EmbedError> {
        let mut words: HashMap<String, Vec<Occurrence>> = HashMap::new();
        let mut read = 0;
        for conversation in conversations {
            let texts: Vec<&str> = conversation.iter().map(String::as_str).collect();
            let own = 0..texts.len();
            for text in real.embed_runs(&[TextRun { texts, own }])? {
                let (mut word, mut at) = (String::new(), Occurrence::default());
                for (piece, row) in text.iter() {
                    let spelled = real.piece(piece).unwrap_or_default();
                    let (begins, spelled) = match spelled.strip_prefix("##") {
                        Some(rest) => (false, rest),
                        None => (true, spelled),
                    };
                    if begins && !word.is_empty() {
                        words.entry(std::mem::take(&mut word)).or_default().push(std::mem::take(&mut at));
                    }
                    word.push_str(spelled);
                    at.pieces.push(piece);
                    at.rows.extend_from_slice(row);
                }
                words.entry(word).or_default().push(at);
            }
            read += conversation.len();
            progress(read);
        }
        Ok(Self { real, words })
    }

    fn compose(&self, text: &str) -> TokenVectors {
        let mut hasher = DefaultHasher::new();
        text.hash(&mut hasher);
        let mut choice = hasher.finish();
        let (mut pieces, mut rows) = (Vec::new(), Vec::new());
        for word in text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()) {
            choice = choice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let known = self.words.get(&word.to_lowercase()).map_or(&[][..], Vec::as_slice);
            if let Some(at) = known.get((choice >> 33) as usize % known.len().max(1)) {
                pieces.extend_from_slice(&at.pieces);
                rows.extend_from_slice(&at.rows);
            }
        }
        TokenVectors::new(pieces, Embedder::dimension(&*self.real), rows)
    }
}

impl Embedder for Composed {
    fn model(&self) -> &ModelId {
        self.real.model()
    }

    fn dimension(&self) -> usize {
        Embedder::dimension(&*self.real)
    }

    fn embed(&self, texts: &[&str], _: Purpose) -> Result<Embeddings, EmbedError> {
        let dimension = Embedder::dimension(self);
        let mut values = vec![0.0f32; texts.len() * dimension];
        for (vector, text) in values.chunks_exact_mut(dimension).zip(texts) {
            for row in self.compose(text).rows() {
                vector.iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
            }
        }
        Ok(Embeddings::new(dimension, values))
    }

    fn token_embedder(&self) -> Option<&dyn TokenEmbedder> {
        Some(self)
    }
}

impl TokenEmbedder for Composed {
    fn dimension(&self) -> usize {
        Embedder::dimension(self)
    }

    fn embed_runs(&self, runs: &[TextRun<'_>]) -> Result<Vec<TokenVectors>, EmbedError> {
        let texts = runs.iter().flat_map(|run| run.texts.get(run.own()).unwrap_or_default());
        Ok(texts.map(|text| self.compose(text)).collect())
    }

    fn embed_question(&self, text: &str) -> Result<(Vec<f32>, TokenVectors), EmbedError> {
        self.real.embed_question(text)
    }

    fn piece(&self, id: u32) -> Option<&str> {
        self.real.piece(id)
    }
}
