//! What is particular to a language, as data.
//!
//! A language that has no data here is no error: its texts have no cues, the stages that read cues say nothing about
//! them, and what remains (vectors, words, neighbours, sessions, speakers) ranks alone.

mod detect;
mod english;

use std::collections::HashSet;
use std::sync::LazyLock;

use regex::Regex;

pub(crate) use detect::is_english;

use crate::terms::{Term, term};

/// The patterns and word lists of one language. A pattern is looked for in a text as it was written.
pub(crate) struct Language {
    stop_words: HashSet<&'static str>,
    /// Terms that frame what is said and add nothing to it.
    fillers: HashSet<Term>,
    /// In a memory: it names a time.
    pub(crate) time: Regex,
    /// In a memory: it names a number.
    pub(crate) number: Regex,
    /// In a memory: who speaks, speaks of themselves.
    pub(crate) first_person: Regex,
    /// In a memory of the user: an order that stands for all time, such as "always answer in German".
    pub(crate) standing_order: Regex,
    /// In a memory of the user: a preference.
    pub(crate) preference: Regex,
    /// In a memory: it says that something is not so.
    pub(crate) negation: Regex,
    /// In a question: it asks for a time.
    pub(crate) asks_when: Regex,
    /// In a question: it asks for a quantity.
    pub(crate) asks_quantity: Regex,
    /// In a question: who asks, asks about themselves.
    pub(crate) about_me: Regex,
    /// In a question: it asks what the assistant said.
    pub(crate) about_you: Regex,
    /// In a question: it is about what was, not about what to do.
    pub(crate) about_past: Regex,
    /// In a question: it wants a yes or a no.
    pub(crate) yes_or_no: Regex,
}

impl Language {
    /// The language of a text, where it is one that has data.
    pub(crate) fn of(text: &str) -> Option<&'static Self> {
        ENGLISH.as_ref().filter(|_| is_english(text))
    }

    fn new(data: &Data) -> Result<Self, regex::Error> {
        Ok(Self {
            stop_words: data.stop_words.split_ascii_whitespace().collect(),
            fillers: data.fillers.split_ascii_whitespace().map(term).collect(),
            time: Regex::new(data.time)?,
            number: Regex::new(data.number)?,
            first_person: Regex::new(data.first_person)?,
            standing_order: Regex::new(data.standing_order)?,
            preference: Regex::new(data.preference)?,
            negation: Regex::new(data.negation)?,
            asks_when: Regex::new(data.asks_when)?,
            asks_quantity: Regex::new(data.asks_quantity)?,
            about_me: Regex::new(data.about_me)?,
            about_you: Regex::new(data.about_you)?,
            about_past: Regex::new(data.about_past)?,
            yes_or_no: Regex::new(data.yes_or_no)?,
        })
    }
}

/// A language as it is written down. Regular expressions in the syntax of the crate `regex`.
struct Data {
    stop_words: &'static str,
    fillers: &'static str,
    time: &'static str,
    number: &'static str,
    first_person: &'static str,
    standing_order: &'static str,
    preference: &'static str,
    negation: &'static str,
    asks_when: &'static str,
    asks_quantity: &'static str,
    about_me: &'static str,
    about_you: &'static str,
    about_past: &'static str,
    yes_or_no: &'static str,
}

/// `None` would need a pattern that does not compile, which a test rules out.
static ENGLISH: LazyLock<Option<Language>> = LazyLock::new(|| Language::new(&english::DATA).ok());

/// Whether a word, in lower case, is in so many English texts that it says nothing.
///
/// Words are dropped whatever the language of a text, because a memory and a question have to agree on them: few of
/// them mean anything elsewhere.
pub(crate) fn is_stop_word(word: &str) -> bool {
    ENGLISH.as_ref().is_some_and(|english| english.stop_words.contains(word))
}

/// Whether a term only frames what is said, as "remember" does.
pub(crate) fn is_filler(term: Term) -> bool {
    ENGLISH.as_ref().is_some_and(|english| english.fillers.contains(&term))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_patterns_compile() {
        Language::new(&english::DATA).unwrap();
    }

    #[test]
    fn patterns_say_what_their_names_say() {
        let english = ENGLISH.as_ref().unwrap();
        let check = |pattern: &Regex, yes: &[&str], no: &[&str]| {
            yes.iter().for_each(|text| assert!(pattern.is_match(text), "{text:?} {pattern}"));
            no.iter().for_each(|text| assert!(!pattern.is_match(text), "{text:?} {pattern}"));
        };
        check(&english.time, &["We met last week", "in 1999", "since then"], &["The lasting oak", "Weekly"]);
        check(&english.number, &["I have two", "about 40 %", "A few"], &["Tone", "someone"]);
        check(&english.first_person, &["I'm here", "It is my car"], &["It is here", "Iran"]);
        check(&english.standing_order, &["Always use metres.", "Ok. From now on be brief"], &["I always do"]);
        check(&english.preference, &["I'd rather walk", "I really prefer tea"], &["Do you prefer tea?"]);
        check(&english.negation, &["I do not eat it", "It isn’t here", "No, never"], &["A knot", "Note it"]);
        check(&english.asks_when, &["When did it start?", "How long was it?"], &["Who knows when?"]);
        check(&english.asks_quantity, &["So how many are there?", "What score did it get?"], &["Who is there?"]);
        check(&english.about_me, &["What is my name?", "Where do I live?"], &["Where does Ann live?"]);
        check(&english.about_you, &["What did you recommend?", "your advice on it"], &["What is it?"]);
        check(&english.about_past, &["What did we discuss?", "How many are there?"], &["How should I begin?"]);
        check(&english.yes_or_no, &["Have I been there?"], &["Where have I been?"]);
    }
}
