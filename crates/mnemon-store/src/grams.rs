//! Scripts that write no spaces between words (Chinese, Japanese, Thai, …) or glue endings to them (Korean).
//!
//! No dictionary is carried. Text of such scripts is indexed as pairs of neighbouring characters, as Lucene's
//! CJKAnalyzer does: every word of two characters is one entry, longer words are several. The last character of a run
//! is indexed alone too, so that a query of one character, asked as a prefix, finds it everywhere.

use mnemon_core::is_unsegmented;

/// A term to search for in the index of grams.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct GramTerm {
    pub(crate) text: String,
    /// A single character stands for every pair that begins with it.
    pub(crate) prefix: bool,
}

/// What the index of grams holds for these texts; empty when none of them has an unsegmented script. Pieces of other
/// scripts that are glued to such a run (`東京Tower`) are kept whole, because the index of words cannot split them.
pub(crate) fn grams<'a>(texts: impl Iterator<Item = &'a str>) -> String {
    let mut out = String::new();
    for text in texts.filter(|text| text.contains(is_unsegmented)) {
        for word in text.split(|c: char| !is_word(c)).filter(|word| word.contains(is_unsegmented)) {
            for piece in pieces(word) {
                let mut push = |gram: &str| {
                    out.push_str(gram);
                    out.push(' ');
                };
                if piece.contains(is_unsegmented) {
                    pairs(piece).chain(last_char(piece)).for_each(&mut push);
                } else {
                    push(piece);
                }
            }
        }
    }
    out
}

/// The terms that find a query in the index of grams, apart from its words of other scripts.
pub(crate) fn gram_terms(query: &str) -> Vec<GramTerm> {
    let words = query.split(|c: char| !is_word(c)).flat_map(pieces).filter(|piece| piece.contains(is_unsegmented));
    let mut terms = Vec::new();
    for piece in words {
        let before = terms.len();
        terms.extend(pairs(piece).map(|pair| GramTerm { text: pair.to_owned(), prefix: false }));
        if terms.len() == before {
            terms.push(GramTerm { text: piece.to_owned(), prefix: true });
        }
    }
    terms
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || is_unsegmented(c)
}

/// Splits a word where it changes between an unsegmented script and another one.
fn pieces(word: &str) -> impl Iterator<Item = &str> {
    let mut rest = word;
    std::iter::from_fn(move || {
        let first = is_unsegmented(rest.chars().next()?);
        let end = rest.find(|c| is_unsegmented(c) != first).unwrap_or(rest.len());
        let (piece, tail) = rest.split_at(end);
        rest = tail;
        Some(piece)
    })
}

fn pairs(run: &str) -> impl Iterator<Item = &str> {
    let ends = run.char_indices().map(|(start, c)| start + c.len_utf8()).skip(1);
    run.char_indices().zip(ends).map(|((start, _), end)| &run[start..end])
}

fn last_char(run: &str) -> Option<&str> {
    run.char_indices().next_back().map(|(start, _)| &run[start..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, indexed: &str, asked: &str) {
        assert_eq!(grams([text].into_iter()).trim_end(), indexed);
        let terms: Vec<String> =
            gram_terms(text).into_iter().map(|term| term.text + if term.prefix { "*" } else { "" }).collect();
        assert_eq!(terms.join(" "), asked);
    }

    #[test]
    fn runs_become_pairs() {
        check("plain English, naïve café", "", "");
        check("我喜欢北京", "我喜 喜欢 欢北 北京 京", "我喜 喜欢 欢北 北京");
        check("猫", "猫", "猫*");
        check("東京Tower, 2階", "東京 京 Tower 2 階", "東京 階*");
        check("안녕 세상", "안녕 녕 세상 상", "안녕 세상");
        check("", "", "");
    }
}
