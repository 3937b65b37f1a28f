//! Sentences of a text.

use unicode_segmentation::UnicodeSegmentation;

/// After these a full stop ends no sentence, even before a capital.
const ABBREVIATIONS: [&str; 32] = [
    "mr", "mrs", "ms", "dr", "prof", "st", "mt", "gen", "col", "sgt", "lt", "capt", "rev", "hon", "sr", "jr", "vs",
    "e.g", "i.e", "cf", "fig", "no", "nos", "vol", "approx", "ca", "dept", "est", "inc", "ltd", "bzw", "z.b",
];

/// The sentences of a text in their order, without the space around them. Each line ends one.
///
/// The boundaries are those of Unicode (UAX #29), less those after an abbreviation, an initial or a number of a list.
pub(crate) fn sentences(text: &str) -> Vec<&str> {
    let mut sentences = Vec::new();
    let mut start = 0;
    let mut pieces = text.split_sentence_bound_indices().peekable();
    while let Some((at, piece)) = pieces.next() {
        let end = at + piece.len();
        if pieces.peek().is_some() && !ends(piece) {
            continue;
        }
        let sentence = text.get(start..end).unwrap_or_default().trim();
        if sentence.contains(char::is_alphanumeric) {
            sentences.push(sentence);
        }
        start = end;
    }
    sentences
}

/// Whether a sentence ends with this piece of text.
fn ends(piece: &str) -> bool {
    if piece.ends_with(['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}']) {
        return true;
    }
    let Some(before) = piece.trim_end().strip_suffix('.') else { return true };
    let word = before.rsplit(|c: char| c.is_whitespace() || matches!(c, '(' | '"' | '“')).next().unwrap_or_default();
    let mut letters = word.chars();
    let first = letters.next();
    let is_single = letters.next().is_none();
    let is_initial = is_single && first.is_some_and(|c| c.is_uppercase() && c != 'I');
    let is_list_number = word == before.trim_start() && !word.is_empty() && word.chars().all(|c| c.is_ascii_digit());
    !(is_initial || is_list_number || ABBREVIATIONS.contains(&word.to_lowercase().as_str()))
}

/// Whether a sentence asks.
pub(crate) fn is_question(sentence: &str) -> bool {
    sentence.trim_end_matches(['"', '\'', ')', '”', '’', '*', ' ', '!']).ends_with(['?', '？', '؟'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &[&str]) {
        assert_eq!(sentences(text), expected);
    }

    #[test]
    fn sentences_end_where_they_end() {
        check("", &[]);
        check("One. Two! Three?", &["One.", "Two!", "Three?"]);
        check(
            "Dr. Smith met J. K. Rowling at 3.30 p.m. They spoke.",
            &["Dr. Smith met J. K. Rowling at 3.30 p.m.", "They spoke."],
        );
        check("So did I. Then we left, e.g. Bob", &["So did I.", "Then we left, e.g. Bob"]);
        check("No full stop\n\n- a point\n1. First thing\n---", &["No full stop", "- a point", "1. First thing"]);
        check("我喜欢茶。你呢？", &["我喜欢茶。", "你呢？"]);
        check("Version 1.2.3 is out. See a.b.c", &["Version 1.2.3 is out.", "See a.b.c"]);
    }

    #[test]
    fn questions_ask() {
        assert!(is_question("Is it (really)?)") && is_question("what?!") && !is_question("It is."));
    }
}
