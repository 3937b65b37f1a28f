//! Terms: the words of a text as recall compares them.

use std::sync::LazyLock;

use rust_stemmers::{Algorithm, Stemmer};
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use mnemon_core::is_unsegmented;

use crate::language::is_stop_word;

/// A word, stemmed and hashed. The lowest bit tells numbers from other words; the rest differs for different words, but
/// for about two pairs in a vocabulary of 100,000.
pub type Term = u32;

static STEMMER: LazyLock<Stemmer> = LazyLock::new(|| Stemmer::create(Algorithm::English));

/// The terms of a text in its order, repeats kept, stop words left out.
///
/// Words are runs of letters and digits in lower case without accents; English words are stemmed (Snowball). A run of a
/// script that writes no spaces becomes its pairs of characters. Question and memory are treated alike whatever their
/// language, so that a word finds itself in any.
pub fn terms(text: &str) -> impl Iterator<Item = Term> {
    spelled_terms(text).map(|(_, term)| term)
}

/// The same with the word of each, in lower case.
pub(crate) fn spelled_terms(text: &str) -> impl Iterator<Item = (String, Term)> {
    words(text).filter(|word| !is_stop_word(word)).map(|word| {
        let term = term(&word);
        (word, term)
    })
}

/// The term of one word in lower case.
pub(crate) fn term(word: &str) -> Term {
    let number = word.chars().any(char::is_numeric);
    let hash = if word.is_ascii() { hash(&STEMMER.stem(word)) } else { hash(word) };
    hash & !1 | u32::from(number)
}

/// Whether the word of a term has digits.
pub(crate) fn is_number(term: Term) -> bool {
    term & 1 == 1
}

/// Whether a piece of a model's vocabulary carries a meaning of its own: it is no stop word, no mark and none of the
/// pieces that a model puts around a text.
#[must_use]
pub fn is_content(piece: &str) -> bool {
    !(piece.starts_with(['[', '<']) && piece.ends_with([']', '>']))
        && piece.chars().any(char::is_alphanumeric)
        && !is_stop_word(piece.trim_start_matches(['Ġ', '▁']))
}

/// The words of a text in its order, in lower case without accents.
pub(crate) fn words(text: &str) -> impl Iterator<Item = String> {
    runs(text).flat_map(pieces)
}

/// How many words a text has.
pub(crate) fn count_words(text: &str) -> usize {
    runs(text).map(|run| if run.is_ascii() { 1 } else { pieces(run).count() }).sum()
}

fn runs(text: &str) -> impl Iterator<Item = &str> {
    let part_of_word = |c: char| c.is_alphanumeric() || is_unsegmented(c) || is_combining_mark(c);
    text.split(move |c| !part_of_word(c)).filter(|run| !run.is_empty())
}

/// Splits a run where a script without spaces begins or ends, and such scripts into pairs.
fn pieces(run: &str) -> impl Iterator<Item = String> {
    let mut pieces = Vec::new();
    let mut rest = run;
    while let Some(first) = rest.chars().next() {
        let unsegmented = is_unsegmented(first);
        let end = rest.find(|c| is_unsegmented(c) != unsegmented).unwrap_or(rest.len());
        let (piece, tail) = rest.split_at(end);
        rest = tail;
        if !unsegmented {
            pieces.push(folded(piece));
            continue;
        }
        let starts: Vec<usize> = piece.char_indices().map(|(at, _)| at).chain([piece.len()]).collect();
        match starts.as_slice() {
            [_, _] => pieces.push(piece.to_owned()),
            starts => pieces.extend(starts.windows(3).filter_map(|w| piece.get(w[0]..w[2])).map(ToOwned::to_owned)),
        }
    }
    pieces.into_iter().filter(|piece| !piece.is_empty())
}

fn folded(word: &str) -> String {
    if word.is_ascii() {
        return word.to_ascii_lowercase();
    }
    // Accents of Latin, Greek and Cyrillic letters; the marks of other scripts are vowels.
    word.nfkd().filter(|c| !('\u{300}'..='\u{36F}').contains(c)).flat_map(char::to_lowercase).collect()
}

/// FNV-1a of 32 bits.
fn hash(word: &str) -> u32 {
    word.bytes().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn same(a: &str, b: &str) {
        assert_eq!(terms(a).collect::<Vec<_>>(), terms(b).collect::<Vec<_>>(), "{a:?} {b:?}");
    }

    #[test]
    fn words_of_one_stem_are_one_term() {
        same("When did Caroline's groups meet?", "caroline group meeting");
        same("naïve CAFÉ", "naive cafe");
        same("the of and", "");
        same("it's 5 o'clock; don't", "5 o clock");
        assert_ne!(terms("ferry").next(), terms("fairy").next());
    }

    #[test]
    fn scripts_without_spaces_become_pairs() {
        assert_eq!(words("我喜欢北京").collect::<Vec<_>>(), ["我喜", "喜欢", "欢北", "北京"]);
        assert_eq!(words("猫 東京Tower").collect::<Vec<_>>(), ["猫", "東京", "tower"]);
        assert_eq!(count_words("two words, 東京タ"), 4);
        assert_eq!(words("Где мой велосипед").collect::<Vec<_>>(), ["где", "мои", "велосипед"]);
    }

    #[test]
    fn the_hash_is_fnv() {
        assert_eq!(hash(""), 0x811c_9dc5);
        assert_eq!(hash("foobar"), 0xbf9c_f968);
    }

    #[test]
    fn pieces_with_a_meaning_are_told() {
        let meant = ["group", "##ing", "▁Tower", "東", "7"].map(is_content);
        assert_eq!(meant, [true; 5]);
        assert_eq!(["[CLS]", "</s>", "the", "▁the", "?", "##'"].map(is_content), [false; 6]);
    }

    #[test]
    fn numbers_are_known() {
        let numbers: Vec<bool> = terms("twelve 12 3rd abc").map(is_number).collect();
        assert_eq!(numbers, [false, true, true, false]);
    }
}
