//! tokenizer.json of a BERT: what of it this crate reads pieces by, or that it holds something else.
//!
//! Strict on purpose. A file with one field more, one field of another kind, or an added token that asks for more than its
//! own text is left to the `tokenizers` crate, which knows the whole format and says what is wrong with a damaged file.

use std::collections::HashMap;
use std::fmt;
use std::ops::Range;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, Visitor};
use tokenizers::{DecoderWrapper, PaddingParams, TruncationParams};

use super::characters::Rules;

/// What a tokenizer.json says.
pub(super) struct Parts {
    pub(super) rules: Rules,
    pub(super) vocabulary: Vocabulary,
    /// The number of the unknown piece.
    pub(super) unknown: u32,
    /// What the vocabulary writes before a piece that continues a word.
    pub(super) prefix: String,
    /// Words of more characters are unknown.
    pub(super) max_chars: usize,
    /// Texts that are a piece wherever they stand.
    pub(super) added: Vec<(String, u32)>,
    /// The special pieces before and after a text.
    pub(super) around: (Vec<u32>, Vec<u32>),
}

/// The texts of all pieces, one behind the other, and where each lies with its number. Sorted by text; each text once.
#[derive(Default)]
pub(super) struct Vocabulary {
    texts: String,
    pieces: Vec<(Range<u32>, u32)>,
}

impl Parts {
    /// `None` for any file that is not a BERT's, and for one that cannot be read.
    pub(super) fn read(json: &[u8]) -> Option<Self> {
        let file: File = serde_json::from_slice(json).ok()?;
        let of_bert = file.version == "1.0"
            && file.normalizer.kind == "BertNormalizer"
            && file.pre_tokenizer.kind == "BertPreTokenizer"
            && file.model.kind == "WordPiece";
        if !of_bert {
            return None;
        }
        let (normalizer, model) = (file.normalizer, file.model);
        let rules = Rules {
            clean: normalizer.clean_text,
            ideographs: normalizer.handle_chinese_chars,
            strip_accents: normalizer.strip_accents.unwrap_or(normalizer.lowercase),
            lower_case: normalizer.lowercase,
        };
        let unknown = model.vocab.number(&model.unk_token)?;
        let added =
            file.added_tokens.into_iter().map(|token| token.simple(&model.vocab)).collect::<Option<Vec<_>>>()?;
        let mut contents: Vec<&str> = added.iter().map(|(content, _)| content.as_str()).collect();
        contents.sort_unstable();
        contents.dedup();
        if contents.len() < added.len() {
            return None;
        }
        Some(Self {
            rules,
            unknown,
            prefix: model.continuing_subword_prefix,
            max_chars: model.max_input_chars_per_word,
            added,
            around: file.post_processor.map_or(Some((Vec::new(), Vec::new())), PostProcessor::around)?,
            vocabulary: model.vocab,
        })
    }
}

impl Vocabulary {
    /// The pieces and their numbers, sorted by the bytes of their texts.
    pub(super) fn iter(&self) -> impl ExactSizeIterator<Item = (&str, u32)> {
        self.pieces.iter().map(|(range, number)| (self.text(range), *number))
    }

    fn number(&self, text: &str) -> Option<u32> {
        let found = self.pieces.binary_search_by(|(range, _)| self.text(range).cmp(text)).ok()?;
        self.pieces.get(found).map(|(_, number)| *number)
    }

    /// Of two pieces with one text the later counts, as in the maps of `tokenizers`.
    fn sort(&mut self) {
        let first_bytes = |text: &str| {
            let mut bytes = [0; 8];
            text.bytes().zip(&mut bytes).for_each(|(byte, place)| *place = byte);
            u64::from_be_bytes(bytes)
        };
        let mut keys: Vec<(u64, &str, Range<u32>, u32)> = Vec::with_capacity(self.pieces.len());
        for (range, number) in self.pieces.iter().rev() {
            let text = self.text(range);
            keys.push((first_bytes(text), text, range.clone(), *number));
        }
        keys.sort_by(|a, b| (a.0, a.1).cmp(&(b.0, b.1)));
        keys.dedup_by(|a, b| a.1 == b.1);
        self.pieces = keys.into_iter().map(|(_, _, range, number)| (range, number)).collect();
    }

    fn text(&self, range: &Range<u32>) -> &str {
        self.texts.get(range.start as usize..range.end as usize).unwrap_or_default()
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    version: String,
    #[serde(rename = "truncation")]
    _truncation: Option<TruncationParams>,
    #[serde(rename = "padding")]
    _padding: Option<PaddingParams>,
    added_tokens: Vec<AddedToken>,
    normalizer: Normalizer,
    pre_tokenizer: PreTokenizer,
    post_processor: Option<PostProcessor>,
    #[serde(rename = "decoder")]
    _decoder: Option<DecoderWrapper>,
    model: Model,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AddedToken {
    id: u32,
    content: String,
    single_word: bool,
    lstrip: bool,
    rstrip: bool,
    normalized: bool,
    #[serde(rename = "special")]
    _special: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Normalizer {
    #[serde(rename = "type")]
    kind: String,
    clean_text: bool,
    handle_chinese_chars: bool,
    strip_accents: Option<bool>,
    lowercase: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PreTokenizer {
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Model {
    #[serde(rename = "type")]
    kind: String,
    unk_token: String,
    continuing_subword_prefix: String,
    max_input_chars_per_word: usize,
    vocab: Vocabulary,
}

#[derive(Deserialize)]
#[serde(tag = "type", deny_unknown_fields)]
enum PostProcessor {
    BertProcessing {
        sep: (String, u32),
        cls: (String, u32),
    },
    TemplateProcessing {
        single: Vec<Piece>,
        #[serde(rename = "pair")]
        _pair: Vec<Piece>,
        special_tokens: HashMap<String, SpecialToken>,
    },
}

#[derive(Deserialize)]
enum Piece {
    Sequence {
        id: Sequence,
        #[serde(rename = "type_id")]
        _type_id: u32,
    },
    SpecialToken {
        id: String,
        #[serde(rename = "type_id")]
        _type_id: u32,
    },
}

#[derive(Deserialize, PartialEq)]
enum Sequence {
    A,
    B,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SpecialToken {
    #[serde(rename = "id")]
    _id: String,
    ids: Vec<u32>,
    tokens: Vec<String>,
}

impl AddedToken {
    /// Its text and number, if it is a piece of the vocabulary that is found by its text alone.
    fn simple(self, vocabulary: &Vocabulary) -> Option<(String, u32)> {
        let plain = !(self.single_word || self.lstrip || self.rstrip || self.normalized);
        let known = vocabulary.number(&self.content) == Some(self.id);
        // The scan looks for its first byte among the ASCII characters.
        let found = self.content.starts_with(|c: char| c.is_ascii());
        (plain && known && found).then_some((self.content, self.id))
    }
}

impl PostProcessor {
    /// The pieces before and after a text, if the text stands there once.
    fn around(self) -> Option<(Vec<u32>, Vec<u32>)> {
        let (single, special) = match self {
            Self::BertProcessing { sep, cls } => return Some((vec![cls.1], vec![sep.1])),
            Self::TemplateProcessing { single, special_tokens, .. } => (single, special_tokens),
        };
        let ids = |piece: &Piece| match piece {
            Piece::SpecialToken { id, .. } => {
                special.get(id).filter(|token| token.ids.len() == token.tokens.len()).map(|token| token.ids.clone())
            }
            Piece::Sequence { .. } => None,
        };
        let text = |piece: &Piece| matches!(piece, Piece::Sequence { id: Sequence::A, .. });
        let at = single.iter().position(text)?;
        let (before, after) = (single.get(..at)?, single.get(at + 1..)?);
        let all = |pieces: &[Piece]| pieces.iter().map(ids).collect::<Option<Vec<_>>>().map(|ids| ids.concat());
        Some((all(before)?, all(after)?))
    }
}

impl<'de> Deserialize<'de> for Vocabulary {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pieces;

        impl<'de> Visitor<'de> for Pieces {
            type Value = Vocabulary;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map of pieces to their numbers")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Vocabulary, A::Error> {
                let mut vocabulary = Vocabulary::default();
                while let Some(range) = map.next_key_seed(Text(&mut vocabulary.texts))? {
                    vocabulary.pieces.push((range, map.next_value()?));
                }
                vocabulary.sort();
                Ok(vocabulary)
            }
        }

        deserializer.deserialize_map(Pieces)
    }
}

/// Appends a string to one that holds many.
struct Text<'a>(&'a mut String);

impl<'de> DeserializeSeed<'de> for Text<'_> {
    type Value = Range<u32>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Text<'_> {
    type Value = Range<u32>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the text of a piece")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        let start = self.0.len();
        self.0.push_str(text);
        let at = |at: usize| u32::try_from(at).map_err(|_| E::custom("a vocabulary of more than 4 GiB"));
        Ok(at(start)?..at(self.0.len())?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = r###"{
        "version": "1.0", "truncation": null, "padding": null,
        "added_tokens": [{"id": 1, "content": "[C]", "single_word": false, "lstrip": false, "rstrip": false,
            "normalized": false, "special": true}],
        "normalizer": {"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true,
            "strip_accents": null, "lowercase": true},
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": {"type": "TemplateProcessing",
            "single": [{"SpecialToken": {"id": "[C]", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
            "pair": [], "special_tokens": {"[C]": {"id": "[C]", "ids": [1], "tokens": ["[C]"]}}},
        "decoder": null,
        "model": {"type": "WordPiece", "unk_token": "[U]", "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100, "vocab": {"[U]": 0, "[C]": 1, "\u0061": 2, "a": 3}}
    }"###;

    /// Whether the file with one change is read here.
    #[track_caller]
    fn check(from: &str, to: &str, expected: bool) {
        assert!(FILE.contains(from), "{from}");
        assert_eq!(Parts::read(FILE.replace(from, to).as_bytes()).is_some(), expected, "{from} as {to}");
    }

    #[test]
    fn the_file_of_a_bert_is_read() {
        let parts = Parts::read(FILE.as_bytes()).unwrap();
        assert_eq!((parts.unknown, parts.max_chars, parts.prefix.as_str()), (0, 100, "##"));
        assert_eq!((parts.added, parts.around), (vec![("[C]".to_owned(), 1)], (vec![1], vec![])));
        assert!(parts.rules.strip_accents && parts.rules.lower_case);
        assert_eq!(parts.vocabulary.iter().collect::<Vec<_>>(), [("[C]", 1), ("[U]", 0), ("a", 3)]);
        check(r#""strip_accents": null"#, r#""strip_accents": false"#, true);
        check(r#""decoder": null"#, r###""decoder": {"type": "WordPiece", "prefix": "##", "cleanup": true}"###, true);
        check(
            r#""truncation": null"#,
            r#""truncation": {"max_length": 8, "strategy": "LongestFirst", "stride": 0}"#,
            true,
        );
    }

    #[test]
    fn pieces_around_a_text_are_read_from_both_processors() {
        let start = FILE.find(r#"{"type": "TemplateProcessing""#).unwrap();
        let end = FILE.find(r#""decoder""#).unwrap();
        let with = |processor: &str| {
            let file = format!("{}{processor}, {}", &FILE[..start], &FILE[end..]);
            Parts::read(file.as_bytes()).map(|parts| parts.around)
        };
        let bert = r#"{"type": "BertProcessing", "sep": ["[S]", 3], "cls": ["[C]", 1]}"#;
        assert_eq!(with(bert), Some((vec![1], vec![3])));
        assert_eq!(with("null"), Some((vec![], vec![])));
        assert_eq!(with(&bert.replace("cls", "class")), None);
        let single = |pieces: &str| {
            with(&format!(
                r#"{{"type": "TemplateProcessing", "single": [{pieces}], "pair": [],
                "special_tokens": {{"[C]": {{"id": "[C]", "ids": [1, 2], "tokens": ["x", "y"]}}}}}}"#
            ))
        };
        let (text, special) =
            (r#"{"Sequence": {"id": "A", "type_id": 0}}"#, r#"{"SpecialToken": {"id": "[C]", "type_id": 0}}"#);
        assert_eq!(single(&format!("{special}, {text}, {special}, {special}")), Some((vec![1, 2], vec![1, 2, 1, 2])));
        assert_eq!(single(text), Some((vec![], vec![])));
        assert_eq!(single(special), None);
        assert_eq!(single(&format!("{text}, {text}")), None);
    }

    #[test]
    fn any_other_file_is_left_to_the_crate_that_knows_it() {
        assert!(Parts::read(b"").is_none() && Parts::read(b"{}").is_none() && Parts::read(b"[1]").is_none());
        check(r#""version": "1.0""#, r#""version": "2.0""#, false);
        check(r#""version": "1.0""#, r#""version": "1.0", "more": 1"#, false);
        check(r#""truncation": null"#, r#""truncation": {"max_length": 8}"#, false);
        check(r#""lstrip": false"#, r#""lstrip": true"#, false);
        check(r#""normalized": false"#, r#""normalized": true"#, false);
        check(r#""id": 1, "content": "[C]""#, r#""id": 1, "content": "[D]""#, false);
        check(r#""id": 1, "content": "[C]""#, r#""id": 2, "content": "[C]""#, false);
        check("BertNormalizer", "Lowercase", false);
        check(r#""clean_text": true"#, r#""clean_text": true, "more": 1"#, false);
        check("BertPreTokenizer", "Whitespace", false);
        check(r#""id": "A""#, r#""id": "B""#, false);
        check(
            r#"{"SpecialToken": {"id": "[C]", "type_id": 0}}"#,
            r#"{"SpecialToken": {"id": "[D]", "type_id": 0}}"#,
            false,
        );
        check("TemplateProcessing", "ByteLevel", false);
        check(r#""type": "WordPiece", "unk"#, r#""type": "WordLevel", "unk"#, false);
        check(r#""unk_token": "[U]""#, r#""unk_token": "[V]""#, false);
        check(r#""[U]": 0"#, r#""[U]": -1"#, false);
        check(r#""[U]": 0"#, r#""[U]": "0""#, false);
    }
}
