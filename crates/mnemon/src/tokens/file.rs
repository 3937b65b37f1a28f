//! Tokenizers from a file.

use std::fs;
use std::path::Path;

use mnemon_core::TokenCounter;

use super::TokenizerError;

/// Counts with a tokenizer.json in the format of Hugging Face tokenizers.
///
/// What is counted is the text alone: without the special tokens that a template would add around it, and whole, even
/// when the file asks for truncation or padding. Names of special tokens inside the text count as these tokens, as that
/// is how the file's tokenizer reads them. Time and memory depend on the tokenizer; expect some hundred bytes a token
/// while a text is counted.
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
        let mut tokenizer = tokenizers::Tokenizer::from_bytes(bytes).map_err(invalid)?;
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
        self.tokenizer.encode_fast(text, false).map_or(text.len(), |encoding| encoding.len())
    }
}

impl std::fmt::Debug for FileCounter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FileCounter").field("name", &self.name).finish_non_exhaustive()
    }
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
        assert_eq!(counter.count(&"a".repeat(1_000_000)), 1, "one unknown word");
        assert_eq!(counter.count(&"the ".repeat(100_000)), 100_000);
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
