//! A sentence-transformer: texts in, one vector each out.

use std::fmt;

use mnemon_core::{EmbedError, Embedder, Embeddings, ModelId, Purpose, TokenEmbedder};
use rayon::prelude::*;

use crate::checksum::sha256;
use crate::config::Config;
use crate::encoder::Loaded;
use crate::pieces::{Reader, WordPieces};
use crate::pooling::Pooling;
use crate::source::INT8_WEIGHTS;
use crate::weights::Weights;
use crate::{Device, Encoder, LoadOptions, ModelError, ModelSource, batch};

/// Below this many texts, splitting them over threads costs more than tokenizing them.
const MIN_TEXTS_PER_THREAD: usize = 16;

/// A loaded model of the BERT family with its tokenizer, pooling and prompts.
///
/// Any text is accepted: an empty one has the vector of the special pieces alone, NUL bytes and the like are dropped by
/// the tokenizer, and of a text far longer than the model reads only the beginning is read, so that ten megabytes cost about
/// what ten pages do: our own tokenizer stops at the limit, and for that of the `tokenizers` crate the text is cut (to
/// [`Self::max_pieces`] × 128 characters at most; white space and runs of more than 1,024 letters without a break
/// are shortened first, which changes no word piece).
///
/// Groups of at most 384 pieces run side by side on the pool of rayon in which [`Embedder::embed`] is called, each on
/// one thread; a single group runs on the thread of the caller. The vector of a text does not depend on the other texts of
/// the batch: with the int8 encoder its bits are the same, with candle it is the same but for rounding (a cosine of at
/// least 1 - 1e-5).
pub struct SentenceTransformer {
    id: ModelId,
    pub(crate) bert: Loaded,
    pub(crate) reader: Reader,
    pieces: WordPieces,
    pub(crate) pooling: Pooling,
    pub(crate) normalize: bool,
    pub(crate) max_pieces: usize,
    pub(crate) hidden: usize,
    pub(crate) passage_prompt: String,
    pub(crate) query_prompt: String,
}

impl SentenceTransformer {
    /// Loads a model for the processor, with the encoder of [`LoadOptions::from_env`]. For the packed MiniLM this takes about
    /// 50 ms, most of it for the tokenizer.
    ///
    /// # Errors
    /// When a file is missing, damaged or of a kind that this crate does not run; the error names the file, what was
    /// expected there and what was found.
    pub fn load(source: &ModelSource) -> Result<Self, ModelError> {
        Self::load_with(source, LoadOptions::from_env()?)
    }

    /// Loads a model for a device.
    ///
    /// # Errors
    /// As [`Self::load`], and when the device cannot be opened.
    pub fn load_on(source: &ModelSource, device: Device) -> Result<Self, ModelError> {
        Self::load_with(source, LoadOptions::from_env()?.device(device))
    }

    /// Loads a model for a device and an encoder.
    ///
    /// # Errors
    /// As [`Self::load_on`], and [`ModelError::Encoder`] when this processor cannot run the encoder.
    pub fn load_with(source: &ModelSource, options: LoadOptions) -> Result<Self, ModelError> {
        let device = options.device.open()?;
        let config = Config::read(source)?;
        let pieces = WordPieces::load(source)?;
        let (file, bytes) = source.weights()?;
        let weights = Weights::parse(source.describe(file), &bytes, device.clone())?;
        if file == INT8_WEIGHTS {
            weights.require_packed()?;
        }
        let bert = Loaded::load(&weights, &config.bert, &device, options.encoder)?;
        if pieces.vocabulary() > bert.vocabulary() {
            let token = u32::try_from(pieces.vocabulary() - 1).unwrap_or(u32::MAX);
            return Err(ModelError::Token { token, rows: bert.vocabulary() });
        }
        Ok(Self {
            id: identity(source, file, &weights, &bytes, &config),
            reader: Reader::new(&pieces, config.max_pieces, config.lower_case, source)?,
            bert,
            pieces,
            pooling: config.pooling,
            normalize: config.normalize,
            max_pieces: config.max_pieces,
            hidden: config.bert.hidden,
            passage_prompt: config.passage_prompt,
            query_prompt: config.query_prompt,
        })
    }

    /// How many pieces of a text are read, the special ones included: 256 for MiniLM. What comes after has no effect.
    #[must_use]
    pub fn max_pieces(&self) -> usize {
        self.max_pieces
    }

    /// What computes the vectors.
    #[must_use]
    pub fn encoder(&self) -> Encoder {
        self.bert.kind()
    }

    /// A counter of the pieces of this model's tokenizer.
    #[must_use]
    pub fn word_pieces(&self) -> WordPieces {
        self.pieces.clone()
    }

    fn run(&self, texts: &[&str], purpose: Purpose) -> Result<Embeddings, ModelError> {
        let prompt = match purpose {
            Purpose::Passage => &self.passage_prompt,
            Purpose::Query => &self.query_prompt,
        };
        let read = |text: &&str| self.reader.read(prompt, text);
        let pieces: Vec<Vec<u32>> = if texts.len() < 2 * MIN_TEXTS_PER_THREAD {
            texts.iter().map(read).collect::<Result<_, _>>()?
        } else {
            texts.par_iter().with_min_len(MIN_TEXTS_PER_THREAD).map(read).collect::<Result<_, _>>()?
        };
        let lengths: Vec<usize> = pieces.iter().map(Vec::len).collect();
        let groups = batch::groups(&lengths, rayon::current_num_threads());
        let embed = |group: &Vec<usize>| self.embed_group(group, &pieces);
        let vectors: Vec<Vec<f32>> = match groups.as_slice() {
            [one] => vec![embed(one)?],
            many => many.par_iter().with_max_len(1).map(embed).collect::<Result<_, _>>()?,
        };
        let mut values = vec![0.0; texts.len() * self.hidden];
        for (group, vectors) in groups.iter().zip(&vectors) {
            for (&text, vector) in group.iter().zip(vectors.chunks_exact(self.hidden)) {
                if !vector.iter().all(|value| value.is_finite()) {
                    return Err(ModelError::Output { text });
                }
                if let Some(row) = values.get_mut(text * self.hidden..(text + 1) * self.hidden) {
                    row.copy_from_slice(vector);
                }
            }
        }
        Ok(Embeddings::new(self.hidden, values))
    }

    /// The vectors of a group of texts, one after the other.
    fn embed_group(&self, group: &[usize], pieces: &[Vec<u32>]) -> Result<Vec<f32>, ModelError> {
        let texts: Vec<&[u32]> = group.iter().filter_map(|&text| pieces.get(text)).map(Vec::as_slice).collect();
        let rows = self.bert.forward(&texts)?;
        let mut vectors = Vec::with_capacity(texts.len() * self.hidden);
        let mut rest = rows.as_slice();
        for text in texts {
            let (rows, others) = rest.split_at_checked(text.len() * self.hidden).unwrap_or_default();
            self.pooling.pool(rows, self.hidden, self.normalize, &mut vectors);
            rest = others;
        }
        Ok(vectors)
    }
}

impl Embedder for SentenceTransformer {
    fn model(&self) -> &ModelId {
        &self.id
    }

    fn dimension(&self) -> usize {
        self.hidden
    }

    fn embed(&self, texts: &[&str], purpose: Purpose) -> Result<Embeddings, EmbedError> {
        self.run(texts, purpose).map_err(|error| self.failed(error))
    }

    fn token_embedder(&self) -> Option<&dyn TokenEmbedder> {
        Some(self)
    }
}

impl fmt::Debug for SentenceTransformer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = self.id.to_string();
        f.debug_struct("SentenceTransformer")
            .field("model", &id)
            .field("dimension", &self.hidden)
            .finish_non_exhaustive()
    }
}

/// A packed file says in its header what it is. Of any other the weights are hashed: 90 MB take about 60 ms on a
/// processor with instructions for SHA, and vectors of two editions that go by one name never meet.
fn identity(source: &ModelSource, file: &str, weights: &Weights<'_>, bytes: &[u8], config: &Config) -> ModelId {
    let header = |key: &str| weights.metadata(key).filter(|value| !value.is_empty() && file == INT8_WEIGHTS);
    let origin = config.bert.origin.as_deref().and_then(|name| name.rsplit('/').next());
    let name = header("name").map(str::to_owned).or_else(|| source.name()).or_else(|| origin.map(str::to_owned));
    let hash = header("weights_sha256").map_or_else(|| sha256(bytes), str::to_owned);
    ModelId {
        name: name.unwrap_or_else(|| "model".to_owned()),
        revision: hash.chars().take(12).collect(),
        dtype: if file == INT8_WEIGHTS { "int8" } else { "f32" }.to_owned(),
    }
}
