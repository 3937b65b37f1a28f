//! What of a turn stands in what a way of compaction left.

use std::collections::HashSet;

use unicode_segmentation::UnicodeSegmentation;

use crate::baseline::stems;

/// The texts that are left of a conversation.
#[derive(Debug, Default)]
pub(super) struct Remains(Vec<(String, Cover)>);

/// Which turns a text was made from.
#[derive(Debug)]
pub(super) enum Cover {
    /// These.
    Turns(HashSet<usize>),
    /// Any: the text is of the whole conversation.
    All,
}

impl Remains {
    pub(super) fn add(&mut self, text: &str, cover: Cover) {
        self.0.push((spaced(text), cover));
    }

    /// Whether a text of the turn stands word for word in what was made from the turn. White space does not count.
    fn have(&self, turn: usize, text: &str) -> bool {
        self.0.iter().any(|(left, cover)| {
            let covers = match cover {
                Cover::Turns(turns) => turns.contains(&turn),
                Cover::All => true,
            };
            covers && left.contains(text)
        })
    }
}

/// The sentences of a turn.
#[derive(Debug)]
pub(super) struct Sentences(Vec<Sentence>);

#[derive(Debug)]
struct Sentence {
    text: String,
    words: usize,
    stems: Vec<String>,
    is_question: bool,
}

/// What is left of a turn.
#[derive(Debug, Clone, Default)]
pub(super) struct Survived {
    /// The share of its statements, from 0 to 1.
    pub(super) share: f64,
    /// The stems of all its sentences that are left.
    pub(super) stems: HashSet<String>,
}

impl Sentences {
    /// The sentences of a text by the rules of Unicode (UAX #29); every line ends one.
    pub(super) fn of(text: &str) -> Self {
        let pieces = text.lines().flat_map(|line| line.split_sentence_bounds());
        let sentence = |piece: &str| {
            let text = spaced(piece);
            let words = text.unicode_words().count();
            (words > 0).then(|| Sentence {
                words,
                stems: stems(&text),
                is_question: text.trim_end_matches(['"', '\'', ')', '”', '’', '*', ']']).ends_with(['?', '？', '؟']),
                text,
            })
        };
        Self(pieces.filter_map(sentence).collect())
    }

    /// The texts of the sentences.
    pub(super) fn texts(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|sentence| sentence.text.as_str())
    }

    pub(super) fn stems(&self) -> HashSet<&str> {
        self.0.iter().flat_map(|sentence| &sentence.stems).map(String::as_str).collect()
    }

    /// What is left of the turn at this place. A sentence weighs as many words as it has, so that an exclamation beside
    /// a fact is not half of a turn; questions weigh nothing, unless the turn only asks.
    pub(super) fn survived(&self, turn: usize, remains: &Remains) -> Survived {
        let only_asks = self.0.iter().all(|sentence| sentence.is_question);
        let (mut left, mut total, mut stems) = (0, 0, HashSet::new());
        for sentence in &self.0 {
            let weight = if sentence.is_question && !only_asks { 0 } else { sentence.words };
            total += weight;
            if remains.have(turn, &sentence.text) {
                left += weight;
                stems.extend(sentence.stems.iter().cloned());
            }
        }
        Survived { share: if total == 0 { 0.0 } else { left as f64 / total as f64 }, stems }
    }
}

/// The text with one space in place of white space.
fn spaced(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const TURN: &str = "Wow!  I moved to Oslo\nin 2021. Do you know it? [shares a red boat]";

    #[track_caller]
    fn check(left: &str, cover: Cover, share: f64, stems: &[&str]) {
        let mut remains = Remains::default();
        remains.add("Something else.", Cover::All);
        remains.add(left, cover);
        let survived = Sentences::of(TURN).survived(3, &remains);
        assert!((survived.share - share).abs() < 1e-9, "{left}: {}", survived.share);
        let mut found: Vec<&str> = survived.stems.iter().map(String::as_str).collect();
        found.sort_unstable();
        assert_eq!(found, stems);
    }

    #[test]
    fn statements_survive_word_for_word_and_weigh_their_words() {
        let all = ["2021", "boat", "know", "move", "oslo", "red", "share", "wow"];
        // 1 + 4 + 2 + 4 words; a line ends a sentence.
        check(TURN, Cover::All, 1.0, &all);
        check(TURN, Cover::Turns(HashSet::from([3])), 1.0, &all);
        check(TURN, Cover::Turns(HashSet::from([2])), 0.0, &[]);
        check(
            "Ann: I moved to  Oslo\n[shares a red boat]",
            Cover::All,
            8.0 / 11.0,
            &["boat", "move", "oslo", "red", "share"],
        );
        check("I moved to Bergen in 2021. Do you know it?", Cover::All, 2.0 / 11.0, &["2021", "know"]);
    }

    #[test]
    fn a_turn_that_only_asks_counts_its_questions() {
        let mut remains = Remains::default();
        remains.add("Why?", Cover::All);
        let share = Sentences::of("Why? And when will you come?").survived(0, &remains).share;
        assert!((share - 1.0 / 6.0).abs() < 1e-9, "{share}");
        assert!(Sentences::of(" … ").survived(0, &remains).share.abs() < 1e-9);
    }
}
