//! The question: what of it is compared with memories, and what it asks for.

use std::ops::Range;

use jiff::tz::TimeZone;
use mnemon_core::Timestamp;

use crate::analysis::is_name;
use crate::language::{Language, is_english};
use crate::terms::{Term, spelled_terms, terms, words};
use crate::time::{TimeExpression, TimeWords, expressions};

/// More terms than a question has. A pasted page would make recall slow and its ranking no better.
const MAX_TERMS: usize = 64;

/// A question as recall reads it.
#[derive(Debug, Clone, PartialEq)]
pub struct Question {
    text: String,
    without_names: String,
    terms: Vec<Term>,
    words: Vec<String>,
    /// All terms in their order, repeats kept.
    sequence: Vec<Term>,
    name_terms: Vec<Term>,
    speakers: Vec<String>,
    dates: Vec<TimeExpression>,
    pub(crate) asks: Asks,
}

/// What a question asks for, as far as its language shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Asks {
    /// For a time.
    pub(crate) when: bool,
    /// For a quantity.
    pub(crate) quantity: bool,
    /// About who asks.
    pub(crate) about_me: bool,
    /// For what the assistant said.
    pub(crate) about_you: bool,
    /// For help with something that is to be done.
    pub(crate) for_help: bool,
}

impl Question {
    /// Reads a question to a scope in which these speakers speak. `asked_at` is the time from which it looks back:
    /// "last week" is the week before that.
    #[must_use]
    pub fn new(text: &str, speakers: &[String], asked_at: Timestamp) -> Self {
        let mentions = mentions(text, speakers);
        let mut named: Vec<String> = Vec::new();
        for mention in &mentions {
            if !named.iter().any(|name| name.eq_ignore_ascii_case(&mention.speaker)) {
                named.push(mention.speaker.clone());
            }
        }
        let (mut distinct, mut spelled) = (Vec::new(), Vec::new());
        let mut sequence = Vec::new();
        for (word, term) in spelled_terms(text) {
            if sequence.len() < MAX_TERMS {
                sequence.push(term);
            }
            if !distinct.contains(&term) && distinct.len() < MAX_TERMS {
                distinct.push(term);
                spelled.push(word);
            }
        }
        Self {
            without_names: without(text, mentions.iter().map(|mention| mention.range.clone())),
            terms: distinct,
            words: spelled,
            sequence,
            name_terms: speakers.iter().filter(|name| is_name(name)).flat_map(|name| terms(name)).collect(),
            dates: expressions(text, asked_at, &TimeZone::UTC, time_words(text)),
            asks: Asks::of(text, named.is_empty()),
            speakers: named,
            text: text.to_owned(),
        }
    }

    /// The question as it was asked.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What of it is embedded: names of speakers stand in nearly every memory of theirs, and would decide alone which
    /// vectors are near. On conversations of two people, leaving them out lifts recall@10 of the vectors from 39 to 56.
    #[must_use]
    pub fn embedded(&self) -> &str {
        if self.without_names.is_empty() { &self.text } else { &self.without_names }
    }

    /// Its distinct terms, in its order, names among them.
    #[must_use]
    pub fn terms(&self) -> &[Term] {
        &self.terms
    }

    /// The word of each term, in lower case, as it stood there first.
    #[must_use]
    pub fn words(&self) -> &[String] {
        &self.words
    }

    /// The speakers that it names, as they are spelled in the scope.
    #[must_use]
    pub fn speakers(&self) -> &[String] {
        &self.speakers
    }

    /// The times that it names.
    #[must_use]
    pub fn dates(&self) -> &[TimeExpression] {
        &self.dates
    }

    /// Whether these terms, but for the name of a speaker before them, are those of the question.
    pub(crate) fn is_text(&self, terms: &[Term]) -> bool {
        let named = terms.iter().take_while(|term| self.is_name_term(**term)).count();
        self.sequence.len() >= 2 && (terms == self.sequence || terms.get(named..) == Some(&self.sequence[..]))
    }

    /// Whether a term is part of the name of a speaker of the scope.
    pub(crate) fn is_name_term(&self, term: Term) -> bool {
        self.name_terms.contains(&term)
    }
}

impl Asks {
    fn of(text: &str, nobody_named: bool) -> Self {
        let Some(language) = Language::of(text) else { return Self::default() };
        let question = text.trim_start();
        Self {
            when: language.asks_when.is_match(question),
            quantity: language.asks_quantity.is_match(question),
            // "I" and "you" are the user and the assistant only where people have no names.
            about_me: nobody_named && language.about_me.is_match(question),
            about_you: nobody_named && language.about_you.is_match(question),
            for_help: nobody_named && !language.about_past.is_match(question) && !language.yes_or_no.is_match(question),
        }
    }
}

/// Dates in digits are read in any language.
fn time_words(text: &str) -> &'static TimeWords {
    if is_english(text) { TimeWords::ENGLISH } else { TimeWords::NONE }
}

/// Where a question names a speaker.
struct Mention {
    range: Range<usize>,
    speaker: String,
}

/// A speaker is named by the whole name, or by its first word where no other speaker has that. Where the question has
/// capitals the name must be written as it is: `will` is nobody, `Will` is.
fn mentions(text: &str, speakers: &[String]) -> Vec<Mention> {
    let exact = text.chars().skip(1).any(char::is_uppercase);
    let mut mentions: Vec<Mention> = Vec::new();
    let names: Vec<&str> = speakers.iter().map(|name| name.trim()).filter(|name| is_name(name)).collect();
    for name in &names {
        let first = name.split_whitespace().next().unwrap_or(name);
        let others = names.iter().filter(|other| *other != name);
        let unique = first != *name
            && first.chars().count() > 1
            && !others.into_iter().any(|other| other.split_whitespace().next() == Some(first));
        for form in [Some(*name), unique.then_some(first)].into_iter().flatten() {
            for range in occurrences(text, form, exact) {
                if !mentions.iter().any(|known| known.range.start < range.end && range.start < known.range.end) {
                    mentions.push(Mention { range, speaker: (*name).to_owned() });
                }
            }
        }
    }
    mentions
}

/// Where a name stands as a whole word, with its `'s` where it has one.
fn occurrences(text: &str, name: &str, exact: bool) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    for (start, _) in text.char_indices() {
        let Some(end) = match_at(text, start, name, exact) else { continue };
        let before = text.get(..start).and_then(|before| before.chars().next_back());
        let mut after = text.get(end..).unwrap_or_default();
        if before.is_some_and(char::is_alphanumeric) || after.chars().next().is_some_and(char::is_alphanumeric) {
            continue;
        }
        for genitive in ["'s", "’s"] {
            if let Some(rest) = after.strip_prefix(genitive)
                && !rest.chars().next().is_some_and(char::is_alphanumeric)
            {
                after = rest;
            }
        }
        found.push(start..text.len() - after.len());
    }
    found
}

/// The end of `name` where the text has it at `start`.
fn match_at(text: &str, start: usize, name: &str, exact: bool) -> Option<usize> {
    let mut rest = text.get(start..)?.chars();
    for expected in name.chars() {
        let got = rest.next()?;
        if got != expected && (exact || !got.to_lowercase().eq(expected.to_lowercase())) {
            return None;
        }
    }
    Some(text.len() - rest.as_str().len())
}

/// A text without some stretches of it, its spaces joined. Empty when no word is left.
fn without(text: &str, stretches: impl Iterator<Item = Range<usize>>) -> String {
    let mut left = text.to_owned();
    let mut stretches: Vec<_> = stretches.collect();
    stretches.sort_by_key(|stretch| std::cmp::Reverse(stretch.start));
    for stretch in stretches {
        left.replace_range(stretch, "");
    }
    if words(&left).next().is_none() {
        return String::new();
    }
    left.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ask(text: &str, speakers: &[&str]) -> Question {
        let speakers: Vec<String> = speakers.iter().map(|name| (*name).to_owned()).collect();
        Question::new(text, &speakers, Timestamp::UNIX_EPOCH)
    }

    #[track_caller]
    fn named(text: &str, speakers: &[&str], expected: &[&str], embedded: &str) {
        let question = ask(text, speakers);
        assert_eq!(question.speakers(), expected, "{text}");
        assert_eq!(question.embedded(), embedded);
    }

    #[test]
    fn speakers_are_found_and_taken_out() {
        named("When did Ann go to Ann's gym?", &["Ann", "Bo"], &["Ann"], "When did go to gym?");
        named("Do Ann and Bo like Annika?", &["Ann", "Bo"], &["Ann", "Bo"], "Do and like Annika?");
        named("when did ann go?", &["Ann"], &["Ann"], "when did go?");
        named("What will Will do?", &["Will"], &["Will"], "What will do?");
        named("What did the user say?", &["user", "assistant"], &[], "What did the user say?");
        named("Where does Ann Miller live?", &["Ann Miller", "Bo"], &["Ann Miller"], "Where does live?");
        named("Where does Ann live?", &["Ann Miller", "Bo"], &["Ann Miller"], "Where does live?");
        named("Where does Ann live?", &["Ann Miller", "Ann Smith"], &[], "Where does Ann live?");
        named("Ann?", &["Ann"], &["Ann"], "Ann?");
        named("Où est Zoë ?", &["Zoë"], &["Zoë"], "Où est ?");
    }

    #[test]
    fn terms_are_distinct_and_names_are_known() {
        let question = ask("Does Ann like the tea that Ann makes?", &["Ann Miller"]);
        assert_eq!(question.terms(), terms("ann like tea makes").collect::<Vec<_>>());
        assert_eq!(question.terms().iter().filter(|term| question.is_name_term(**term)).count(), 1);
        assert_eq!(ask(&(0..500).map(|n| format!("w{n} ")).collect::<String>(), &[]).terms().len(), MAX_TERMS);
    }

    #[test]
    fn what_is_asked_for_is_read() {
        let all = Asks::default();
        assert_eq!(ask("When did Ann go?", &["Ann"]).asks, Asks { when: true, ..all });
        assert_eq!(ask("How many did I buy?", &[]).asks, Asks { quantity: true, about_me: true, ..all });
        assert_eq!(ask("What did you suggest?", &[]).asks, Asks { about_you: true, ..all });
        assert_eq!(ask("How should I bake it?", &[]).asks, Asks { about_me: true, for_help: true, ..all });
        assert_eq!(ask("Wann war ich dort, und wie war es?", &[]).asks, all);
    }

    proptest! {
        #[test]
        fn any_text_is_a_question(text in "\\PC{0,60}", names in prop::collection::vec("\\PC{0,8}", 0..4)) {
            let question = Question::new(&text, &names, Timestamp::UNIX_EPOCH);
            prop_assert!(question.speakers().len() <= names.len());
        }
    }
}
