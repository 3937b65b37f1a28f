//! Tokenizers from a file.

use std::any::Any;
use std::fs;
use std::panic::catch_unwind;
use std::path::Path;

use mnemon_core::TokenCounter;

use super::TokenizerError;

/// Counts with a tokenizer.json in the format of Hugging Face tokenizers.
///
/// What is counted is the text alone: without the special tokens that a template would add around it, and whole, even
/// when the file asks for truncation or padding. Names of special tokens inside the text count as these tokens, as that
/// is how the file's tokenizer reads them.
///
/// Expect 0.5 to 1 µs and 100 bytes of memory for each byte of text while it is counted. To bound the memory, texts of
/// more than 128 KiB are counted in pieces of about that size, cut at the ends of lines or, failing that, of words; up
/// to a few tokens a piece may be counted too many, as none reaches across a cut.
pub struct FileCounter {
    name: String,
    tokenizer: tokenizers::Tokenizer,
}

impl FileCounter {
    /// Reads the file once.
    ///
    /// # Errors
    /// When the file cannot be read or is no tokenizer.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, TokenizerError> {
        let path = path.as_ref();
        let invalid = |source| TokenizerError::Invalid { path: path.to_owned(), source };
        let bytes = fs::read(path).map_err(|source| TokenizerError::Read { path: path.to_owned(), source })?;
        // The library asserts some of what it expects of a file instead of reporting it.
        let mut tokenizer = catch_unwind(|| tokenizers::Tokenizer::from_bytes(bytes))
            .unwrap_or_else(|panic| Err(panic_message(panic.as_ref()).into()))
            .map_err(invalid)?;
        tokenizer.with_truncation(None).map_err(invalid)?;
        tokenizer.with_padding(None);
        Ok(Self { name: path.display().to_string(), tokenizer })
    }
}

impl TokenCounter for FileCounter {
    /// The path of the file as it was given.
    fn name(&self) -> &str {
        &self.name
    }

    /// Some tokenizers cannot encode every text (one without a token for unknown words, say). Such a text counts one
    /// token a byte: far too many, so that it cannot break a budget.
    fn count(&self, text: &str) -> usize {
        let count = |piece: &str| self.tokenizer.encode_fast(piece, false).map_or(piece.len(), |e| e.len());
        let (mut tokens, mut rest) = (0, text);
        while rest.len() > MAX_PIECE {
            let (piece, after) = rest.split_at(cut(rest));
            tokens += count(piece);
            rest = after;
        }
        tokens + count(rest)
    }
}

impl std::fmt::Debug for FileCounter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FileCounter").field("name", &self.name).finish_non_exhaustive()
    }
}

/// The longest text, in bytes, that is counted at once.
const MAX_PIECE: usize = 128 * 1024;

/// Where to cut a text that is longer than [`MAX_PIECE`]: after the last line that fits, else before the last space
/// (which belongs to the next word in most vocabularies), else between two characters. Never 0.
fn cut(text: &str) -> usize {
    let head = &text[..text.floor_char_boundary(MAX_PIECE)];
    let line = head.rfind('\n').map(|end| end + 1);
    line.or_else(|| head.rfind(' ')).filter(|&end| end > 0).unwrap_or(head.len())
}

fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("it panicked").to_owned()
}

#[cfg(test)]
mod tests {
    use std::error::Error;
    use std::path::PathBuf;

    use serde_json::{Value, json};
    use tempfile::TempDir;

    use super::*;

    /// Word pieces with everything that must not be counted: a template, truncation after 3 tokens, padding to 8.
    fn word_pieces() -> Value {
        json!({
            "version": "1.0",
            "truncation": {"direction": "Right", "max_length": 3, "strategy": "LongestFirst", "stride": 0},
            "padding": {"strategy": {"Fixed": 8}, "direction": "Right", "pad_to_multiple_of": null, "pad_id": 0,
                        "pad_type_id": 0, "pad_token": "[PAD]"},
            "added_tokens": [{"id": 2, "content": "[CLS]", "single_word": false, "lstrip": false, "rstrip": false,
                              "normalized": false, "special": true}],
            "normalizer": {"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true,
                           "strip_accents": null, "lowercase": true},
            "pre_tokenizer": {"type": "BertPreTokenizer"},
            "post_processor": {"type": "BertProcessing", "sep": ["[SEP]", 3], "cls": ["[CLS]", 2]},
            "decoder": null,
            "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
                      "max_input_chars_per_word": 100,
                      "vocab": {"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3, "re": 4, "##member": 5, "the": 6,
                                "garden": 7, "!": 8}}
        })
    }

    fn open(json: &[u8]) -> (TempDir, PathBuf, Result<FileCounter, TokenizerError>) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokenizer.json");
        fs::write(&path, json).unwrap();
        let counter = FileCounter::open(&path);
        (folder, path, counter)
    }

    #[test]
    fn the_text_is_counted_whole_and_alone() {
        let (_folder, path, counter) = open(word_pieces().to_string().as_bytes());
        let counter = counter.unwrap();
        assert_eq!(counter.name(), path.display().to_string());
        for (text, expected) in [
            ("", 0),
            ("the", 1),
            ("Remember the garden!", 5),
            ("remember remember remember remember remember", 10),
            ("the unknown 世界", 4),
            ("the [CLS] garden", 3),
        ] {
            assert_eq!(counter.count(text), expected, "{text:?}");
        }
        assert_eq!(counter.count(&"a".repeat(MAX_PIECE)), 1, "one unknown word");
        assert_eq!(counter.count(&"a".repeat(1_000_000)), 8, "one in each piece");
        assert_eq!(counter.count(&"the ".repeat(100_000)), 100_000);
        assert_eq!(counter.count(&"the\n".repeat(100_000)), 100_000);
        assert_eq!(counter.count(&"世".repeat(100_000)), 100_000, "cut between characters");
    }

    #[test]
    fn long_texts_are_cut_where_no_token_is_hurt() {
        let fill = |unit: &str, end: &str| unit.repeat(MAX_PIECE / unit.len() + 1) + end;
        assert_eq!(cut(&fill("abc\n", "")), MAX_PIECE);
        assert_eq!(cut(&("line one\n".to_owned() + &fill("a b", ""))), 9);
        assert_eq!(cut(&fill("abcd efg", "")), MAX_PIECE - 4);
        assert_eq!(cut(&(" ".to_owned() + &fill("a", ""))), MAX_PIECE);
        assert_eq!(cut(&fill("世", "")), MAX_PIECE / 3 * 3);
    }

    #[test]
    fn what_the_tokenizer_cannot_encode_counts_its_bytes() {
        let mut json = word_pieces();
        json["model"] = json!({"type": "WordLevel", "unk_token": "[NONE]", "vocab": {"the": 0}});
        json["post_processor"] = Value::Null;
        let (_folder, _, counter) = open(json.to_string().as_bytes());
        let counter = counter.unwrap();
        assert_eq!((counter.count("the the"), counter.count("the cat")), (2, 7));
    }

    #[test]
    fn a_file_that_is_no_tokenizer_is_an_error_with_its_path_and_cause() {
        let whole = word_pieces().to_string();
        let mut no_model = word_pieces();
        no_model["model"] = json!({"type": "Oracle"});
        for bad in [
            &b""[..],
            b"\xff\xfe",
            b"{}",
            b"[1, 2]",
            // On which the library panics.
            b"{\"version\": \"1.0\", \"decoder\": {\"type\": ",
            &whole.as_bytes()[..whole.len() / 2],
            no_model.to_string().as_bytes(),
        ] {
            let (_folder, path, result) = open(bad);
            let error = result.unwrap_err();
            assert!(matches!(error, TokenizerError::Invalid { .. }), "{error:?}");
            assert!(error.to_string().contains(&format!("{path:?}")) && error.source().is_some(), "{error}");
        }
        let folder = tempfile::tempdir().unwrap();
        for unreadable in [folder.path().join("none.json"), folder.path().to_owned()] {
            let error = FileCounter::open(&unreadable).unwrap_err();
            assert!(matches!(error, TokenizerError::Read { .. }) && error.source().is_some(), "{error:?}");
        }
    }
}
