//! A long conversation of two people, made from a seed: every run of every machine searches the same texts.
//!
//! The words are those of this project's own documents in the order of their frequency, drawn by Zipf's law, as they are
//! in any text: a few stand in every turn, most in one of many. A third of a session's words come from a few that are its
//! subject, so that what is said together is about something. The sentences say nothing, and nothing here depends on it.

use mnemon::{NewTurn, Role, Timestamp};
use rand_xoshiro::SplitMix64;
use rand_xoshiro::rand_core::{RngCore, SeedableRng};

/// Turns of a session.
pub const SESSION: usize = 30;
/// The words of a turn: most are short.
const SHORTEST: usize = 5;
const LONGEST: usize = 40;
const USER: (Role, &str) = (Role::User, "Nora");
const ASSISTANT: (Role, &str) = (Role::Assistant, "Felix");
/// The words before it are those of which every text is full.
const FIRST_OF_CONTENT: usize = 90;
const SUBJECT_WORDS: usize = 30;
/// 1 January 2022, and how long they talk.
const BEGIN: i64 = 1_640_995_200;
const THREE_YEARS: i64 = 3 * 365 * 86_400;

/// Two people who talk.
#[derive(Debug)]
pub struct Talk {
    seed: u64,
    words: Vec<&'static str>,
    /// How likely a word or one before it is.
    likely: Vec<f64>,
    sessions: usize,
}

impl Talk {
    /// One of so many turns, rounded up to whole sessions.
    #[must_use]
    pub fn new(turns: usize) -> Self {
        Self::seeded(turns, 0)
    }

    /// Another talk for each seed.
    #[must_use]
    pub fn seeded(turns: usize, seed: u64) -> Self {
        let words: Vec<&str> = include_str!("words.txt").split_ascii_whitespace().collect();
        let mut sum = 0.0;
        let mut likely: Vec<f64> = Vec::with_capacity(words.len());
        for rank in 0..words.len() {
            // Mandelbrot's form of the law.
            sum += 1.0 / (rank as f64 + 2.7);
            likely.push(sum);
        }
        likely.iter_mut().for_each(|value| *value /= sum);
        // Spread over all bits: the numbers of sessions are mixed in, and two seeds should share no session.
        let seed = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        Self { seed, words, likely, sessions: turns.div_ceil(SESSION) }
    }

    /// How many sessions it has.
    #[must_use]
    pub fn sessions(&self) -> usize {
        self.sessions
    }

    /// When a session begins.
    #[must_use]
    pub fn begins(&self, session: usize) -> Timestamp {
        self.time(session, 0)
    }

    /// The [`SESSION`] turns of a session, in order. Any number has a session, beyond the last too.
    #[must_use]
    pub fn session(&self, session: usize) -> Vec<NewTurn> {
        let mut random = SplitMix64::seed_from_u64(self.seed ^ session as u64);
        let subject: Vec<usize> = (0..SUBJECT_WORDS)
            .map(|_| FIRST_OF_CONTENT + below(&mut random, self.words.len() - FIRST_OF_CONTENT))
            .collect();
        let turn = |position: usize| {
            let (role, speaker) = if position.is_multiple_of(2) { USER } else { ASSISTANT };
            let text = self.sentence(&subject, &mut random);
            let occurred_at = Some(self.time(session, position));
            NewTurn { speaker: Some(speaker.to_owned()), occurred_at, ..NewTurn::new(role, text) }
        };
        (0..SESSION).map(turn).collect()
    }

    /// A question about something that was said: a few words of a turn, mostly with the name of who said it, and some
    /// with a time.
    #[must_use]
    pub fn question(&self, number: usize) -> String {
        let mut random = SplitMix64::seed_from_u64(self.seed ^ 0x9E37_79B9 ^ number as u64);
        let turns = self.session(below(&mut random, self.sessions));
        let Some(turn) = turns.get(below(&mut random, turns.len())) else { return String::new() };
        let is_content =
            |word: &&str| self.words.iter().position(|known| known == word).is_some_and(|at| at >= FIRST_OF_CONTENT);
        let mut words: Vec<&str> = turn.text.trim_end_matches(['.', '?']).split(' ').filter(is_content).collect();
        while words.len() > 2 + number % 4 {
            words.remove(below(&mut random, words.len()));
        }
        let (name, words) = (turn.speaker.as_deref().unwrap_or_default(), words.join(" "));
        match number % 8 {
            0 => format!("When did {name} talk about the {words}?"),
            1 => format!("What did {name} say about the {words}?"),
            2 => format!("How many {words} does {name} have?"),
            3 => format!("Which {words} did {name} like last year?"),
            4 => format!("Did Nora and Felix both want the {words}?"),
            5 => format!("Where was {name} in May 2023 with the {words}?"),
            6 => format!("What is known of the {words}?"),
            _ => format!("Why would {name} need a {words}?"),
        }
    }

    fn sentence(&self, subject: &[usize], random: &mut SplitMix64) -> String {
        let length = SHORTEST + (uniform(random).powi(2) * (LONGEST - SHORTEST + 1) as f64) as usize;
        let mut text = String::new();
        for place in 0..length {
            let word = match below(random, 100) {
                0..2 => (2 + below(random, 98)).to_string(),
                2..34 => self.word(subject.get(below(random, subject.len())).copied().unwrap_or_default()).to_owned(),
                _ => self.drawn(random).to_owned(),
            };
            match place {
                0 => text.extend(word.chars().take(1).flat_map(char::to_uppercase).chain(word.chars().skip(1))),
                _ => text.extend([" ", &word]),
            }
        }
        text.push(if below(random, 6) == 0 { '?' } else { '.' });
        text
    }

    fn drawn(&self, random: &mut SplitMix64) -> &'static str {
        let value = uniform(random);
        self.word(self.likely.partition_point(|likely| *likely < value).min(self.words.len() - 1))
    }

    fn word(&self, rank: usize) -> &'static str {
        self.words.get(rank).copied().unwrap_or_default()
    }

    fn time(&self, session: usize, position: usize) -> Timestamp {
        let second = BEGIN + THREE_YEARS * session as i64 / self.sessions.max(1) as i64 + 20 * position as i64;
        Timestamp::from_second(second).unwrap_or_default()
    }
}

fn uniform(random: &mut SplitMix64) -> f64 {
    (random.next_u64() >> 11) as f64 / (1u64 << 53) as f64
}

fn below(random: &mut SplitMix64, end: usize) -> usize {
    (random.next_u64() % end.max(1) as u64) as usize
}
