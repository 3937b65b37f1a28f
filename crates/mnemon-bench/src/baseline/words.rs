//! Texts as stemmed words, for BM25.

use std::collections::HashSet;
use std::sync::LazyLock;

use rust_stemmers::{Algorithm, Stemmer};

static STOP_WORDS: LazyLock<HashSet<&str>> =
    LazyLock::new(|| include_str!("stop_words.txt").split_ascii_whitespace().collect());

/// The stems (Snowball, English) of the words of a text that are no stop words, in order. A word is a run of ASCII
/// letters and digits in lower case; `'s` before a space is left out.
pub(crate) fn stems(text: &str) -> Vec<String> {
    let stemmer = Stemmer::create(Algorithm::English);
    let text = text.to_lowercase().replace("'s ", " ");
    text.split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty() && !STOP_WORDS.contains(word))
        .map(|word| stemmer.stem(word).into_owned())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_becomes_its_stems() {
        let check = |text: &str, expected: &[&str]| assert_eq!(stems(text), expected, "{text}");
        check("Running, ran; the RUNNERS", &["run", "ran", "runner"]);
        check("Ann's bees aren’t hers", &["ann", "bee", "aren"]);
        check("1:56 pm on 8 May, 2023", &["1", "56", "pm", "8", "may", "2023"]);
        check("Is it? It is", &[]);
        check("", &[]);
    }
}
