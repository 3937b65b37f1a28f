//! The tokenizer of a model, for embedding and for counting.

use std::borrow::Cow;
use std::sync::{Arc, OnceLock};

use mnemon_core::TokenCounter;
use tokenizers::{Encoding, Tokenizer, TruncationParams};

use crate::source::TOKENIZER;
use crate::wordpiece::{Count, WordPiece};
use crate::{ModelError, ModelSource, text};

/// The pieces of a model's own tokenizer: for MiniLM, its word pieces. Counts them and gives their numbers.
///
/// The whole text counts, however long (nothing is cut at the 256 that the model reads), and the special pieces that the
/// model puts around a text do not. Cheap to clone.
///
/// The tokenizer of a BERT is this crate's own, gives the same pieces as the `tokenizers` crate, and costs tens of
/// nanoseconds a piece. Other tokenizers are those of that crate; with them texts are counted in parts of at most 64 KiB
/// that end at white space or punctuation, so that the cost stays linear and the memory bounded, and a run of more than
/// 64 KiB without either counts as several.
#[derive(Clone)]
pub struct WordPieces {
    tokenizer: Arc<Kind>,
    name: String,
    file: String,
}

/// Whose tokenizer it is.
enum Kind {
    Own(Box<WordPiece>),
    Any(Box<Any>),
}

/// A tokenizer of the `tokenizers` crate, without truncation and padding.
struct Any {
    tokenizer: Tokenizer,
    /// The text of each piece, read when it is first asked for.
    vocabulary: OnceLock<Vec<String>>,
}

impl WordPieces {
    /// Reads only the tokenizer of a model.
    ///
    /// # Errors
    /// When there is no tokenizer.json, or none that can be used.
    pub fn load(source: &ModelSource) -> Result<Self, ModelError> {
        let bytes = source.require(TOKENIZER)?;
        let file = source.describe(TOKENIZER);
        let name = source.name().unwrap_or_else(|| "model".to_owned());
        let tokenizer = match WordPiece::read(&bytes) {
            Some(own) => Kind::Own(Box::new(own)),
            None => match Any::read(&bytes) {
                Ok(any) => Kind::Any(Box::new(any)),
                Err(source) => return Err(ModelError::Tokenizer { file, source }),
            },
        };
        Ok(Self { tokenizer: Arc::new(tokenizer), name: format!("word pieces of {name}"), file })
    }

    /// The numbers of a text's pieces in its vocabulary, of the whole text and without the special pieces around it.
    ///
    /// # Errors
    /// When a tokenizer without an unknown piece meets something that it does not know. That of MiniLM never fails.
    pub fn ids(&self, text: &str) -> Result<Vec<u32>, ModelError> {
        let mut ids = Vec::new();
        self.append(text, usize::MAX, &mut ids)?;
        Ok(ids)
    }

    /// The largest number that the tokenizer may give a piece, plus one.
    pub(crate) fn vocabulary(&self) -> usize {
        match &*self.tokenizer {
            Kind::Own(own) => own.vocabulary(),
            Kind::Any(any) => any.tokenizer.get_vocab(true).values().max().map_or(0, |largest| *largest as usize + 1),
        }
    }

    /// Appends the first `limit` pieces of a text.
    fn append(&self, text: &str, limit: usize, ids: &mut Vec<u32>) -> Result<(), ModelError> {
        match &*self.tokenizer {
            Kind::Own(own) => own.encode(text, limit, ids),
            Kind::Any(any) => {
                ids.extend(self.of_encoding(any.tokenizer.encode_fast(text, false))?.into_iter().take(limit));
            }
        }
        Ok(())
    }

    fn of_encoding(&self, encoded: tokenizers::Result<Encoding>) -> Result<Vec<u32>, ModelError> {
        match encoded {
            Ok(encoding) => Ok(encoding.get_ids().to_vec()),
            Err(source) => Err(ModelError::Tokenizer { file: self.file.clone(), source }),
        }
    }
}

impl TokenCounter for WordPieces {
    fn name(&self) -> &str {
        &self.name
    }

    fn count(&self, text: &str) -> usize {
        match &*self.tokenizer {
            Kind::Own(own) => {
                let mut count = Count::default();
                own.encode(text, usize::MAX, &mut count);
                count.0
            }
            Kind::Any(any) => text::parts(text).map(|part| any.count(part)).sum(),
        }
    }
}

impl Any {
    fn read(bytes: &[u8]) -> tokenizers::Result<Self> {
        let mut tokenizer = Tokenizer::from_bytes(bytes)?;
        tokenizer.with_padding(None);
        tokenizer.with_truncation(None)?;
        Ok(Self { tokenizer, vocabulary: OnceLock::new() })
    }

    fn count(&self, text: &str) -> usize {
        match self.tokenizer.encode_fast(text, false) {
            Ok(encoding) => encoding.len(),
            // A tokenizer without an unknown piece fails on what it does not know; a budget must not be passed for it.
            Err(_) => text.chars().count(),
        }
    }

    fn piece(&self, id: u32) -> Option<&str> {
        let read = || {
            let mut texts: Vec<String> = Vec::new();
            for (text, id) in self.tokenizer.get_vocab(true) {
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
}

/// Turns texts into the numbers of their pieces, the special ones included.
pub(crate) struct Reader {
    pieces: WordPieces,
    /// A tokenizer of the `tokenizers` crate once more, with truncation.
    cutting: Option<Tokenizer>,
    max_pieces: usize,
    lower_case: bool,
}

impl Reader {
    pub(crate) fn new(
        pieces: &WordPieces,
        max_pieces: usize,
        lower_case: bool,
        source: &ModelSource,
    ) -> Result<Self, ModelError> {
        let mut cutting = match &*pieces.tokenizer {
            Kind::Own(_) => None,
            Kind::Any(any) => Some(any.tokenizer.clone()),
        };
        if let Some(tokenizer) = &mut cutting {
            let truncation = TruncationParams { max_length: max_pieces, ..TruncationParams::default() };
            let cut = tokenizer.with_truncation(Some(truncation));
            cut.map_err(|error| ModelError::Tokenizer { file: source.describe(TOKENIZER), source: error })?;
        }
        Ok(Self { pieces: pieces.clone(), cutting, max_pieces, lower_case })
    }

    pub(crate) fn read(&self, prompt: &str, text: &str) -> Result<Vec<u32>, ModelError> {
        let text = self.prepared(prompt, text, self.max_pieces);
        if let Some(tokenizer) = &self.cutting {
            return self.pieces.of_encoding(tokenizer.encode_fast(text, true));
        }
        let (mut ids, after) = self.around()?;
        let room = self.max_pieces.saturating_sub(ids.len() + after.len());
        self.pieces.append(&text, room, &mut ids)?;
        ids.extend(after);
        Ok(ids)
    }

    /// The first pieces of a text, without the special ones.
    pub(crate) fn read_head(&self, text: &str, pieces: usize) -> Result<Vec<u32>, ModelError> {
        let mut ids = Vec::new();
        self.pieces.append(&self.prepared("", text, pieces), pieces, &mut ids)?;
        Ok(ids)
    }

    /// The last pieces of a text, without the special ones.
    pub(crate) fn read_tail(&self, text: &str, pieces: usize) -> Result<Vec<u32>, ModelError> {
        let mut ids = Vec::new();
        if pieces == 0 {
            return Ok(ids);
        }
        let text = text.trim_end();
        // A piece has seldom more than 16 bytes; the word that is cut is left out.
        let cut = text.len().saturating_sub(pieces.saturating_mul(16));
        let start = (cut..text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        let tail = text.get(start..).unwrap_or(text);
        let tail = match tail.find(char::is_whitespace) {
            Some(space) if start > 0 => tail.get(space..).unwrap_or(tail),
            _ => tail,
        };
        self.pieces.append(&self.prepared("", tail, pieces), usize::MAX, &mut ids)?;
        ids.drain(..ids.len().saturating_sub(pieces));
        Ok(ids)
    }

    /// The special pieces before and after a text.
    pub(crate) fn around(&self) -> Result<(Vec<u32>, Vec<u32>), ModelError> {
        let any = match &*self.pieces.tokenizer {
            Kind::Own(own) => {
                let (before, after) = own.around();
                return Ok((before.to_vec(), after.to_vec()));
            }
            Kind::Any(any) => any,
        };
        let encoded = any.tokenizer.encode_fast("a", true);
        let mask = encoded.as_ref().map_or(Vec::new(), |encoding| encoding.get_special_tokens_mask().to_vec());
        let specials = |mask: &mut dyn Iterator<Item = &u32>| mask.take_while(|special| **special == 1).count();
        let (before, after) = (specials(&mut mask.iter()), specials(&mut mask.iter().rev()));
        let mut ids = self.pieces.of_encoding(encoded)?;
        let end = ids.split_off(ids.len().saturating_sub(after));
        ids.truncate(before);
        Ok((ids, end))
    }

    /// The text of a piece.
    pub(crate) fn piece(&self, id: u32) -> Option<&str> {
        match &*self.pieces.tokenizer {
            Kind::Own(own) => own.piece(id),
            Kind::Any(any) => any.piece(id),
        }
    }

    fn prepared<'a>(&self, prompt: &str, text: &'a str, pieces: usize) -> Cow<'a, str> {
        // Our own tokenizer reads no further than it has to, and copies nothing.
        if self.cutting.is_none() && prompt.is_empty() && !self.lower_case {
            return text.into();
        }
        let mut text = text::cut(text, pieces);
        if !prompt.is_empty() {
            text = format!("{prompt}{text}").into();
        }
        if self.lower_case {
            text = text.to_lowercase().into();
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn shipped() -> ModelSource {
        ModelSource::Folder(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/all-MiniLM-L6-v2"))
    }

    /// The shipped tokenizer as ours and as that of the `tokenizers` crate.
    fn both(max_pieces: usize, lower_case: bool) -> [Reader; 2] {
        let own = WordPieces::load(&shipped()).unwrap();
        assert!(matches!(*own.tokenizer, Kind::Own(_)));
        let any = Any::read(&shipped().require(TOKENIZER).unwrap()).unwrap();
        let any =
            WordPieces { tokenizer: Arc::new(Kind::Any(Box::new(any))), name: String::new(), file: String::new() };
        [own, any].map(|pieces| Reader::new(&pieces, max_pieces, lower_case, &shipped()).unwrap())
    }

    #[track_caller]
    fn check<T: PartialEq + std::fmt::Debug>(readers: &[Reader; 2], read: impl Fn(&Reader) -> T) {
        assert_eq!(read(&readers[0]), read(&readers[1]));
    }

    #[test]
    fn a_text_is_read_as_by_the_tokenizers_crate() {
        let texts = [
            String::new(),
            " \n\0".to_owned(),
            "Ann's ferry leaves at noon, doesn't it? ".repeat(2_000),
            "embeddings".repeat(7_000),
            "猫と犬が".repeat(9_000),
            "é\u{302e}\u{301}한 [SEP] ΣΑΣ ".repeat(3_000),
            format!("{}the cat", " ".repeat(50_000)),
        ];
        for (max_pieces, lower_case) in [(256, false), (256, true), (9, false), (2, false)] {
            let readers = both(max_pieces, lower_case);
            check(&readers, |reader| reader.around().unwrap());
            for text in &texts {
                check(&readers, |reader| reader.read("", text).unwrap());
                check(&readers, |reader| reader.read("query: ", text).unwrap());
                check(&readers, |reader| reader.read("quer", text).unwrap());
                for pieces in [0, 1, 30, 130] {
                    check(&readers, |reader| reader.read_head(text, pieces).unwrap());
                    check(&readers, |reader| reader.read_tail(text, pieces).unwrap());
                }
            }
        }
    }

    #[test]
    fn pieces_have_the_same_texts_and_counts() {
        let readers = both(256, false);
        check(&readers, |reader| reader.pieces.vocabulary());
        for id in [30_522, u32::MAX] {
            check(&readers, |reader| reader.piece(id).map(str::to_owned));
        }
        for id in 0..30_522 {
            check(&readers, |reader| reader.piece(id).map(str::to_owned));
        }
        for text in ["", "the cat, ", "猫", "a\u{302e}, ", "[CLS] x"] {
            let text = text.repeat(30_000);
            check(&readers, |reader| reader.pieces.count(&text));
        }
    }
}
