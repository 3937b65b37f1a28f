//! The words of a text that say what it is about, and the details that nobody can guess: names, numbers, identifiers.

use std::collections::{BTreeSet, HashSet};
use std::sync::LazyLock;

use mnemon_core::is_unsegmented;
use unicode_segmentation::UnicodeSegmentation;

/// Words that say nothing by themselves. What other languages have of them is found by how often it comes: a term weighs
/// less the more texts have it.
const STOP_WORDS: &str = "a about after again all also am an and any are aren as at be because been before being but by \
    can could couldn d did didn do does doesn doing don down during each few for from further get got had hadn has hasn \
    have haven having he her here hers him his how i if in into is isn it its itself just know ll let like m me might \
    more most mustn my myself no nor not now of off oh ok okay on once one only or other our ours out over own re really \
    s same shan she should shouldn so some such t than that the their them then there these they thing things this those \
    through to too under until up ve very was wasn we well were weren what when where which while who whom why will with \
    won would wouldn yeah yes you your yours";

/// The terms of a text: lower-case words that are no stop words, without the mark of a plural; pairs of neighbours where
/// a script writes no spaces.
pub(crate) fn terms(text: &str) -> Vec<String> {
    let mut terms = Vec::new();
    for word in text.unicode_words() {
        if word.chars().any(is_unsegmented) {
            continue;
        }
        let word = word.to_lowercase();
        for part in word.split(['\'', '’', '.', '_']).filter(|part| !part.is_empty()) {
            if !is_stop_word(part) && (part.chars().count() > 1 || part.chars().all(char::is_numeric)) {
                terms.push(stem(part).to_owned());
            }
        }
    }
    let mut before: Option<char> = None;
    for c in text.chars() {
        let unsegmented = is_unsegmented(c);
        if let Some(before) = before.filter(|_| unsegmented) {
            terms.push([before, c].iter().collect());
        }
        before = Some(c).filter(|_| unsegmented);
    }
    terms
}

fn is_stop_word(word: &str) -> bool {
    static WORDS: LazyLock<HashSet<&str>> = LazyLock::new(|| STOP_WORDS.split_whitespace().collect());
    WORDS.contains(word)
}

fn stem(word: &str) -> &str {
    match word.strip_suffix('s') {
        Some(stem) if word.len() > 3 && !stem.ends_with('s') => stem,
        _ => word,
    }
}

/// What a text names that cannot be guessed from the rest.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Details {
    /// Names: words with a capital that do not begin a sentence, words in capitals, identifiers, addresses of pages.
    /// Lower case.
    pub(crate) entities: BTreeSet<String>,
    /// Words with a digit: amounts, dates, versions. Without thousands separators.
    pub(crate) numbers: BTreeSet<String>,
}

impl Details {
    pub(crate) fn of(text: &str) -> Self {
        let mut details = Self::default();
        let mut begins = true;
        for raw in text.split_whitespace() {
            let word =
                raw.trim_matches(|c: char| !c.is_alphanumeric() && !matches!(c, '%' | '$' | '€' | '£' | '/' | '#'));
            if !word.is_empty() {
                details.add(word, begins);
            }
            begins =
                raw.trim_end_matches(['"', '\'', ')', '”', '’', '*', '_']).ends_with(['.', '!', '?', ':', '…', '。'])
                    || (word.is_empty() && begins)
                    || word.is_empty() && raw.starts_with(['-', '*', '#', '>', '|']);
        }
        details
    }

    fn add(&mut self, word: &str, begins: bool) {
        let bare = word.strip_suffix("'s").or_else(|| word.strip_suffix("’s")).unwrap_or(word);
        if bare.contains(|c: char| c.is_ascii_digit()) {
            self.numbers.insert(bare.replace(',', "").to_lowercase());
            return;
        }
        let letters = bare.chars().filter(|c| c.is_alphabetic()).count();
        let capitals = bare.chars().filter(|c| c.is_uppercase()).count();
        let is_identifier = letters > 2
            && (bare.contains("://") || bare.contains("::") || bare.contains(['_', '@', '\\']) || is_dotted(bare));
        let is_capitals = capitals > 1 && capitals == letters;
        let is_name = bare.chars().next().is_some_and(char::is_uppercase) && letters > 1 && !begins;
        let has_inner = capitals > 0 && bare.chars().skip(1).any(char::is_uppercase) && letters > 2;
        if is_identifier || ((is_capitals || is_name || has_inner) && !is_pronoun(bare)) {
            self.entities.insert(bare.to_lowercase());
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &str> {
        self.entities.iter().chain(&self.numbers).map(String::as_str)
    }
}

/// `main.rs` and `a.b.c`, and no end of a sentence without a space.
fn is_dotted(word: &str) -> bool {
    word.contains('/')
        || word.split('.').count() > 1
            && word.split('.').all(|part| !part.is_empty() && !part.chars().any(char::is_uppercase))
}

/// English writes the first person with a capital.
fn is_pronoun(word: &str) -> bool {
    matches!(word, "I" | "I'm" | "I've" | "I'll" | "I'd" | "I’m" | "I’ve" | "I’ll" | "I’d" | "OK")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_say_what_a_text_is_about() {
        assert_eq!(terms("The cats aren't in Ann's boats, it's 7."), ["cat", "ann", "boat", "7"]);
        assert_eq!(terms("我喜欢 tea"), ["tea", "我喜", "喜欢"]);
        assert_eq!(terms("glass I a"), ["glass"]);
    }

    #[test]
    fn details_are_names_numbers_and_identifiers() {
        #[track_caller]
        fn check(text: &str, entities: &[&str], numbers: &[&str]) {
            let details = Details::of(text);
            assert_eq!(details.entities.iter().collect::<Vec<_>>(), entities, "{text:?}");
            assert_eq!(details.numbers.iter().collect::<Vec<_>>(), numbers, "{text:?}");
        }
        check("Yesterday I met Ann in Oslo. She paid $1,200 on 3 May!", &["ann", "may", "oslo"], &["$1200", "3"]);
        check("see src/main.rs and std::fs, or MAX_LEN", &["max_len", "src/main.rs", "std::fs"], &[]);
        check("Hello. World is fine.", &[], &[]);
        check("The HTTP server of GitHub's", &["github", "http"], &[]);
        check("- Begin here", &[], &[]);
    }
}
