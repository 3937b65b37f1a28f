//! The tokenizer of BERT: texts into the numbers of word pieces, as the `tokenizers` crate makes them, in one pass and
//! about sixty times as fast.
//!
//! A text is read byte by byte: a run of ASCII letters and digits goes through the trie of the vocabulary where it stands;
//! only words with other characters are written down first. Nothing is allocated a word, reading stops where enough
//! pieces are found, and time and memory are linear in what is read.
//!
//! A word is cut greedily, the longest piece first (Wu et al., "Google's Neural Machine Translation System", 2016).

mod characters;
mod file;
mod scan;
mod trie;

use characters::Characters;
use file::Parts;
use scan::{Bytes, Scan};
pub(crate) use scan::{Count, Sink};
use trie::{Node, Trie};

/// Numbers of pieces that are larger than this many times their count are left to the `tokenizers` crate.
const MAX_GAPS: usize = 4;

/// The tokenizer of a BERT.
pub(crate) struct WordPiece {
    characters: Characters,
    bytes: Bytes,
    trie: Trie,
    /// Where pieces that continue a word begin; `None` where there are none.
    inside: Option<Node>,
    unknown: u32,
    max_chars: usize,
    /// Texts that are a piece wherever they stand, the longest first.
    added: Vec<(String, u32)>,
    around: (Vec<u32>, Vec<u32>),
    /// The texts of all pieces by their numbers, with the end of each.
    texts: String,
    ends: Vec<u32>,
}

impl WordPiece {
    /// `None` for a tokenizer.json that is not a BERT's, or that this crate reads no pieces by.
    pub(crate) fn read(json: &[u8]) -> Option<Self> {
        let parts = Parts::read(json)?;
        let largest = parts.vocabulary.iter().map(|(_, number)| number as usize).max()?;
        if largest > 1024 + parts.vocabulary.iter().len() * MAX_GAPS {
            return None;
        }
        let (texts, ends) = by_number(parts.vocabulary.iter(), largest);
        let keys = parts.vocabulary.iter().filter(|(text, _)| !text.is_empty());
        let keys: Vec<(&[u8], u32)> = keys.map(|(text, number)| (text.as_bytes(), number)).collect();
        let trie = Trie::new(&keys)?;
        let inside = trie.prefix(parts.prefix.as_bytes());
        let mut added = parts.added;
        added.sort_by_key(|(content, _)| std::cmp::Reverse(content.len()));
        let characters = Characters::new(parts.rules);
        let mut tokenizer = Self {
            bytes: Bytes::new(&characters, &added),
            characters,
            trie,
            inside,
            unknown: parts.unknown,
            max_chars: parts.max_chars,
            added,
            around: parts.around,
            texts,
            ends,
        };
        let mut marks = Vec::with_capacity(256);
        for byte in 0..=u8::MAX {
            tokenizer.word(&[byte], &scan::SAME, 1, &mut marks);
        }
        tokenizer.bytes.marks = marks.try_into().ok()?;
        Some(tokenizer)
    }

    /// Appends the first `limit` pieces of a text, without the special ones, and reads no further than they reach.
    pub(crate) fn encode(&self, text: &str, limit: usize, out: &mut impl Sink) {
        Scan::new(self, limit, out).text(text);
    }

    /// The special pieces before and after a text.
    pub(crate) fn around(&self) -> (&[u32], &[u32]) {
        (&self.around.0, &self.around.1)
    }

    /// The largest number of a piece, plus one.
    pub(crate) fn vocabulary(&self) -> usize {
        self.ends.len()
    }

    /// The text of a piece; empty for a number that no piece has.
    pub(crate) fn piece(&self, number: u32) -> Option<&str> {
        let at = number as usize;
        let end = *self.ends.get(at)?;
        let start = at.checked_sub(1).and_then(|at| self.ends.get(at)).map_or(0, |end| *end);
        self.texts.get(start as usize..end as usize)
    }

    /// Appends the pieces of a word of `chars` characters, whose bytes are taken as `map` says.
    #[inline]
    fn word(&self, word: &[u8], map: &[u8; 256], chars: usize, out: &mut impl Sink) {
        if chars > self.max_chars {
            return out.push(self.unknown);
        }
        let start = out.len();
        let mut rest = word;
        let mut from = Some(self.trie.root());
        while !rest.is_empty() {
            let Some((length, number)) = from.and_then(|node| self.trie.longest(node, rest, map)) else {
                out.truncate(start);
                return out.push(self.unknown);
            };
            out.push(number);
            rest = rest.get(length..).unwrap_or_default();
            from = self.inside;
        }
    }

    /// The added token that a text begins with, the longest that does: its length and number.
    fn added(&self, text: &[u8]) -> Option<(usize, u32)> {
        let found = self.added.iter().find(|(content, _)| text.starts_with(content.as_bytes()));
        found.map(|(content, number)| (content.len(), *number))
    }
}

/// The texts of pieces in the order of their numbers, and the end of each number's.
fn by_number<'a>(pieces: impl Iterator<Item = (&'a str, u32)>, largest: usize) -> (String, Vec<u32>) {
    let mut of_number: Vec<&str> = vec![""; largest + 1];
    for (text, number) in pieces {
        if let Some(place) = of_number.get_mut(number as usize) {
            *place = text;
        }
    }
    let end = |end: &mut u32, text: &&str| {
        // The file of the vocabulary is not longer than u32 counts.
        *end += text.len() as u32;
        Some(*end)
    };
    let ends = of_number.iter().scan(0, end).collect();
    (of_number.concat(), ends)
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::LazyLock;

    use proptest::prelude::*;

    use super::*;

    static SHIPPED: LazyLock<WordPiece> = LazyLock::new(|| {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/all-MiniLM-L6-v2/tokenizer.json");
        WordPiece::read(&std::fs::read(file).unwrap()).unwrap()
    });

    fn ids(text: &str, limit: usize) -> Vec<u32> {
        let mut ids = vec![7];
        SHIPPED.encode(text, limit, &mut ids);
        assert_eq!(ids.remove(0), 7);
        ids
    }

    #[test]
    fn words_are_cut_into_the_longest_pieces() {
        let pieces = |text: &str| -> Vec<&str> {
            ids(text, usize::MAX).into_iter().map(|id| SHIPPED.piece(id).unwrap()).collect()
        };
        assert_eq!(pieces("Embeddings, \0café"), ["em", "##bed", "##ding", "##s", ",", "cafe"]);
        assert_eq!(pieces("x[SEP]y \u{302e}"), ["x", "[SEP]", "y", "[UNK]"]);
        assert_eq!(pieces(&"a".repeat(101)), ["[UNK]"]);
        assert_eq!((SHIPPED.piece(30_522), SHIPPED.vocabulary()), (None, 30_522));
    }

    proptest! {
        #[test]
        fn the_first_pieces_are_those_of_the_whole(
            text in "([a-dé猫\u{300}\u{302e}\u{1d165} ,]|\\PC|\\[SEP\\]|embeddings){0,20}",
            limit in 0usize..12,
        ) {
            let mut whole = ids(&text, usize::MAX);
            let mut count = Count::default();
            SHIPPED.encode(&text, usize::MAX, &mut count);
            prop_assert_eq!(count.0, whole.len());
            whole.truncate(limit);
            prop_assert_eq!(ids(&text, limit), whole);
        }
    }
}
