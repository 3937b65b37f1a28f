//! The tokenizer of a model, for embedding and for counting.

use std::sync::Arc;

use mnemon_core::TokenCounter;
use tokenizers::{Tokenizer, TruncationParams};

use crate::source::TOKENIZER;
use crate::{ModelError, ModelSource, text};

/// Counts the pieces of a model's own tokenizer: for MiniLM, its word pieces.
///
/// The whole text counts, however long (nothing is cut at the 256 that the model reads), and the special pieces that the
/// model puts around a text do not. Cheap to clone.
///
/// Texts are counted in parts of at most 64 KiB that end at white space or punctuation, so the cost is linear and the
/// memory bounded; a run of more than 64 KiB without either counts as several.
#[derive(Clone)]
pub struct WordPieces {
    tokenizer: Arc<Tokenizer>,
    name: String,
}

impl WordPieces {
    /// Reads only the tokenizer of a model.
    ///
    /// # Errors
    /// When there is no tokenizer.json, or none that can be used.
    pub fn load(source: &ModelSource) -> Result<Self, ModelError> {
        let bytes = source.require(TOKENIZER)?;
        let file = || source.describe(TOKENIZER);
        let mut tokenizer =
            Tokenizer::from_bytes(bytes).map_err(|source| ModelError::Tokenizer { file: file(), source })?;
        tokenizer.with_padding(None);
        tokenizer.with_truncation(None).map_err(|source| ModelError::Tokenizer { file: file(), source })?;
        let name = source.name().unwrap_or_else(|| "model".to_owned());
        Ok(Self { tokenizer: Arc::new(tokenizer), name: format!("word pieces of {name}") })
    }

    /// The largest number that the tokenizer may give a piece, plus one.
    pub(crate) fn vocabulary(&self) -> usize {
        self.tokenizer.get_vocab(true).values().max().map_or(0, |largest| *largest as usize + 1)
    }
}

impl TokenCounter for WordPieces {
    fn name(&self) -> &str {
        &self.name
    }

    fn count(&self, text: &str) -> usize {
        let count = |part: &str| match self.tokenizer.encode_fast(part, false) {
            Ok(encoding) => encoding.len(),
            // A tokenizer without an unknown piece fails on what it does not know; a budget must not be passed for it.
            Err(_) => part.chars().count(),
        };
        text::parts(text).map(count).sum()
    }
}

/// Turns texts into the numbers of their pieces, the special ones included.
pub(crate) struct Reader {
    tokenizer: Tokenizer,
    max_pieces: usize,
    lower_case: bool,
    file: String,
}

impl Reader {
    pub(crate) fn new(
        pieces: &WordPieces,
        max_pieces: usize,
        lower_case: bool,
        source: &ModelSource,
    ) -> Result<Self, ModelError> {
        let mut tokenizer = Tokenizer::clone(&pieces.tokenizer);
        let truncation = TruncationParams { max_length: max_pieces, ..TruncationParams::default() };
        let file = source.describe(TOKENIZER);
        match tokenizer.with_truncation(Some(truncation)) {
            Ok(_) => Ok(Self { tokenizer, max_pieces, lower_case, file }),
            Err(source) => Err(ModelError::Tokenizer { file, source }),
        }
    }

    pub(crate) fn read(&self, prompt: &str, text: &str) -> Result<Vec<u32>, ModelError> {
        let mut text = text::cut(text, self.max_pieces);
        if !prompt.is_empty() {
            text = format!("{prompt}{text}").into();
        }
        if self.lower_case {
            text = text.to_lowercase().into();
        }
        match self.tokenizer.encode_fast(text, true) {
            Ok(encoding) => Ok(encoding.get_ids().to_vec()),
            Err(source) => Err(ModelError::Tokenizer { file: self.file.clone(), source }),
        }
    }
}
