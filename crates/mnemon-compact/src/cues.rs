//! Words that show what a text is for.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use unicode_segmentation::UnicodeSegmentation;

/// Words and phrases by which texts that matter are known, in lower case. The default is English; every list can be
/// replaced or added to, in any language.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Cues {
    /// Something went wrong or must not be forgotten.
    pub important: Vec<String>,
    /// Something was decided or promised.
    pub decision: Vec<String>,
    /// Something is still to be found out.
    pub open: Vec<String>,
    /// Somebody speaks of themselves.
    pub first_person: Vec<String>,
    /// A time is named.
    pub time: Vec<String>,
    /// A number is named in words.
    pub number: Vec<String>,
}

impl Default for Cues {
    fn default() -> Self {
        let list = |words: &str| words.split(',').map(|word| word.trim().to_owned()).collect();
        Self {
            important: list(
                "error, errors, bug, bugs, issue, issues, fix, fixed, important, importantly, critical, urgent, must, \
                 never, always, warning, failed, failure, broken, blocked, blocker, remember, don't forget, do not \
                 forget, note that, deadline, password, allergic, required, requirement, root cause",
            ),
            decision: list(
                "decided, decide, decision, agreed, agree to, chose, chosen, choose, we will, we'll, i will, i'll, going \
                 to, let's go with, go with, settled on, plan to, planning to, plans to, approved, rejected, confirmed, \
                 conclusion, committed to, promise, promised, instead of, switched to, prefer, prefers, signed up, booked, \
                 scheduled",
            ),
            open: list(
                "todo, to do, open question, not sure yet, still unclear, unclear, to be decided, tbd, need to find out, \
                 have to find out, need to check, don't know yet, undecided, pending, waiting for, follow up, next step, \
                 next steps, unresolved",
            ),
            first_person: list("i, i'm, i've, i'd, i'll, my, me, mine, myself, we, we're, we've, our, ours, us"),
            time: list(
                "yesterday, today, tomorrow, tonight, last, next, ago, week, weeks, weekend, month, months, year, years, \
                 monday, tuesday, wednesday, thursday, friday, saturday, sunday, january, february, march, april, june, \
                 july, august, september, october, november, december, morning, afternoon, evening, since, recently, \
                 o'clock, noon, midnight, spring, summer, autumn, winter, birthday, anniversary",
            ),
            number: list(
                "two, three, four, five, six, seven, eight, nine, ten, eleven, twelve, dozen, hundred, thousand, million, \
                 half, third, first, second, twice, once, percent, couple",
            ),
        }
    }
}

/// Which cues a text has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Found {
    pub(crate) important: bool,
    pub(crate) decision: bool,
    pub(crate) open: bool,
    pub(crate) first_person: bool,
    pub(crate) time: bool,
    pub(crate) number: bool,
}

/// Cues made ready to look for.
pub(crate) struct Finder {
    lists: [List; 6],
}

#[derive(Default)]
struct List {
    words: BTreeSet<String>,
    /// Of more than one word, with a space around.
    phrases: Vec<String>,
    /// Of a script without spaces: found anywhere.
    anywhere: Vec<String>,
}

impl Finder {
    pub(crate) fn new(cues: &Cues) -> Self {
        let lists = [&cues.important, &cues.decision, &cues.open, &cues.first_person, &cues.time, &cues.number];
        Self { lists: lists.map(|cues| List::new(cues)) }
    }

    pub(crate) fn find(&self, text: &str) -> Found {
        let lower = text.to_lowercase().replace('’', "'");
        let words: BTreeSet<&str> = lower.unicode_words().collect();
        let mut spaced = String::with_capacity(lower.len() + 2);
        spaced.push(' ');
        for word in lower.unicode_words() {
            spaced.push_str(word);
            spaced.push(' ');
        }
        let [important, decision, open, first_person, time, number] =
            self.lists.each_ref().map(|list| list.is_in(&words, &spaced, &lower));
        Found { important, decision, open, first_person, time, number }
    }
}

impl List {
    fn new(cues: &[String]) -> Self {
        let mut list = Self::default();
        for cue in cues {
            let cue = cue.trim().to_lowercase().replace('’', "'");
            if cue.is_empty() {
                continue;
            }
            if cue.chars().any(mnemon_core::is_unsegmented) {
                list.anywhere.push(cue);
            } else if cue.unicode_words().eq([cue.as_str()]) {
                list.words.insert(cue);
            } else {
                let words: Vec<&str> = cue.unicode_words().collect();
                // A cue of marks alone is looked for as it is.
                if words.is_empty() {
                    list.anywhere.push(cue);
                } else {
                    list.phrases.push(format!(" {} ", words.join(" ")));
                }
            }
        }
        list
    }

    fn is_in(&self, words: &BTreeSet<&str>, spaced: &str, text: &str) -> bool {
        words.iter().any(|word| self.words.contains(*word))
            || self.phrases.iter().any(|phrase| spaced.contains(phrase.as_str()))
            || self.anywhere.iter().any(|cue| text.contains(cue.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cues_are_whole_words_and_phrases() {
        let finder = Finder::new(&Cues::default());
        assert_eq!(finder.find("The prefix of a terror."), Found::default());
        assert!(finder.find("A BUG!").important);
        assert!(finder.find("So we’ll take the boat").decision);
        assert!(finder.find("Still an open question, I think").open);
        assert!(finder.find("My boat").first_person && !finder.find("Army boat").first_person);
        assert!(finder.find("two of them, last May").time);
        assert!(finder.find("Twice.").number);
    }

    #[test]
    fn cues_can_be_of_any_language() {
        let cues = Cues { important: vec!["重要".into(), "!!".into(), "nicht vergessen".into()], ..Cues::default() };
        let finder = Finder::new(&cues);
        assert!(finder.find("这很重要。").important);
        assert!(finder.find("Bitte nicht  vergessen").important);
        assert!(finder.find("stop!!").important && !finder.find("a bug").important);
    }
}
