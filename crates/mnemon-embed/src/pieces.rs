//! The tokenizer of a model, for embedding and for counting.

use std::borrow::Cow;
use std::sync::{Arc, OnceLock};

use mnemon_core::TokenCounter;
use tokenizers::{Encoding, Tokenizer, TruncationParams};

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
    /// The same without truncation.
    whole: Arc<Tokenizer>,
    /// The text of each piece, read when it is first asked for.
    vocabulary: OnceLock<Vec<String>>,
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
            Ok(_) => {
                let (whole, vocabulary) = (Arc::clone(&pieces.tokenizer), OnceLock::new());
                Ok(Self { tokenizer, whole, vocabulary, max_pieces, lower_case, file })
            }
            Err(source) => Err(ModelError::Tokenizer { file, source }),
        }
    }

    pub(crate) fn read(&self, prompt: &str, text: &str) -> Result<Vec<u32>, ModelError> {
        let text = self.prepared(prompt, text, self.max_pieces);
        self.ids(self.tokenizer.encode_fast(text, true))
    }

    /// The first pieces of a text, without the special ones.
    pub(crate) fn read_head(&self, text: &str, pieces: usize) -> Result<Vec<u32>, ModelError> {
        let text = self.prepared("", text, pieces);
        let mut ids = self.ids(self.whole.encode_fast(text, false))?;
        ids.truncate(pieces);
        Ok(ids)
    }

    /// The last pieces of a text, without the special ones.
    pub(crate) fn read_tail(&self, text: &str, pieces: usize) -> Result<Vec<u32>, ModelError> {
        let text = text.trim_end();
        // A piece has seldom more than 16 bytes; the word that is cut is left out.
        let cut = text.len().saturating_sub(pieces * 16);
        let start = (cut..text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        let tail = text.get(start..).unwrap_or(text);
        let tail = match tail.find(char::is_whitespace) {
            Some(space) if start > 0 => tail.get(space..).unwrap_or(tail),
            _ => tail,
        };
        let text = self.prepared("", tail, pieces);
        let mut ids = self.ids(self.whole.encode_fast(text, false))?;
        ids.drain(..ids.len().saturating_sub(pieces));
        Ok(ids)
    }

    /// The special pieces before and after a text.
    pub(crate) fn around(&self) -> Result<(Vec<u32>, Vec<u32>), ModelError> {
        let encoded = self.whole.encode_fast("a", true);
        let mask = encoded.as_ref().map_or(Vec::new(), |encoding| encoding.get_special_tokens_mask().to_vec());
        let specials = |mask: &mut dyn Iterator<Item = &u32>| mask.take_while(|special| **special == 1).count();
        let (before, after) = (specials(&mut mask.iter()), specials(&mut mask.iter().rev()));
        let mut ids = self.ids(encoded)?;
        let end = ids.split_off(ids.len().saturating_sub(after));
        ids.truncate(before);
        Ok((ids, end))
    }

    /// The text of a piece.
    pub(crate) fn piece(&self, id: u32) -> Option<&str> {
        let read = || {
            let mut texts: Vec<String> = Vec::new();
            for (text, id) in self.whole.get_vocab(true) {
                let at = id as usize;
                if at >= texts.len() {
                    texts.resize(at + 1, String::new());
                }
                if let Some(place) = texts.get_mut(at) {
                    *place = text;
                }
            }
            texts
        };
        self.vocabulary.get_or_init(read).get(id as usize).map(String::as_str)
    }

    fn prepared<'a>(&self, prompt: &str, text: &'a str, pieces: usize) -> Cow<'a, str> {
        let mut text = text::cut(text, pieces);
        if !prompt.is_empty() {
            text = format!("{prompt}{text}").into();
        }
        if self.lower_case {
            text = text.to_lowercase().into();
        }
        text
    }

    fn ids(&self, encoded: tokenizers::Result<Encoding>) -> Result<Vec<u32>, ModelError> {
        match encoded {
            Ok(encoding) => Ok(encoding.get_ids().to_vec()),
            Err(source) => Err(ModelError::Tokenizer { file: self.file.clone(), source }),
        }
    }
}
