//! The file format of LongMemEval: an array of questions, each with a history of its own.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use mnemon::import::{Conversation, Format, Import, ImportedSession};
use mnemon::{NewTurn, Origin, Role, Scope, Timestamp};
use serde::Deserialize;

use super::metrics::Corpus;
use crate::BenchError;

/// A question as it stands in the file.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Entry {
    #[serde(rename = "question_id")]
    pub(super) id: String,
    #[serde(rename = "question_type")]
    pub(super) kind: String,
    pub(super) question: String,
    #[serde(rename = "haystack_session_ids")]
    session_ids: Vec<String>,
    #[serde(rename = "haystack_dates")]
    dates: Vec<String>,
    #[serde(rename = "haystack_sessions")]
    sessions: Vec<Vec<Turn>>,
    #[serde(rename = "answer_session_ids", default)]
    answers: Vec<String>,
}

#[derive(Debug, Clone, Deserialize)]
struct Turn {
    role: Role,
    content: String,
    #[serde(default)]
    has_answer: Option<bool>,
}

/// The turns of a history that count, and where each stands among them.
#[derive(Debug, Default)]
pub(super) struct View {
    pub(super) corpus: Corpus,
    places: HashMap<String, usize>,
}

impl View {
    /// A ranking of turns by the ids of their origins, as one of places; others are left out.
    pub(super) fn ranking<'a>(&self, ids: impl Iterator<Item = &'a str>) -> Vec<usize> {
        ids.filter_map(|id| self.places.get(id).copied()).collect()
    }
}

impl Entry {
    /// Reads the questions of a file.
    pub(super) fn parse(bytes: &[u8], path: &Path) -> Result<Vec<Self>, BenchError> {
        let read: Vec<Self> = serde_json::from_slice(bytes)
            .map_err(|source| BenchError::LongMemEval { path: path.to_owned(), source })?;
        read.iter().try_for_each(Self::check)?;
        Ok(read)
    }

    /// Whether it asks for what was never said.
    pub(super) fn is_abstention(&self) -> bool {
        self.id.contains("_abs")
    }

    /// The history as one conversation. Sessions are named and dated as in the file; a date that cannot be read leaves
    /// its session without one.
    pub(super) fn import(&self) -> Import {
        let sessions = self.sessions.iter().zip(&self.dates).enumerate();
        let sessions = sessions.map(|(number, (turns, date))| {
            let started_at = time(date);
            let turns = turns.iter().enumerate().map(|(at, turn)| {
                let mut new = NewTurn::new(turn.role, turn.content.as_str());
                new.origin = Some(Origin { source: "longmemeval".to_owned(), id: origin(number, at) });
                // A second for each turn before it, as the engine dates turns that have no time of their own.
                new.occurred_at = started_at
                    .zip(i64::try_from(at).ok())
                    .and_then(|(start, at)| start.checked_add(jiff::SignedDuration::from_secs(at)).ok());
                new
            });
            ImportedSession { name: Some(format!("session_{number}")), started_at, turns: turns.collect() }
        });
        let conversation = Conversation {
            scope: Some(Scope::default()),
            source: "longmemeval".to_owned(),
            sessions: sessions.collect(),
            memories: Vec::new(),
        };
        Import {
            format: Format::Jsonl,
            conversations: vec![conversation],
            lines: 0,
            skipped: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// The turns of these roles.
    pub(super) fn view(&self, counts: impl Fn(Role) -> bool) -> View {
        let mut view = View::default();
        // As in the official evaluation, sessions are known by their ids.
        let mut numbers: HashMap<&str, usize> = HashMap::new();
        for (number, (turns, id)) in self.sessions.iter().zip(&self.session_ids).enumerate() {
            let session = *numbers.entry(id).or_insert(number);
            for (at, turn) in turns.iter().enumerate().filter(|(_, turn)| counts(turn.role)) {
                view.places.insert(origin(number, at), view.corpus.turns.len());
                view.corpus.turns.push((session, turn.has_answer.unwrap_or(false)));
            }
        }
        let answers = self.answers.iter().filter_map(|id| numbers.get(id.as_str()).copied());
        view.corpus.answers = answers.collect::<HashSet<usize>>();
        view
    }

    pub(super) fn turns(&self) -> usize {
        self.sessions.iter().map(Vec::len).sum()
    }

    fn check(&self) -> Result<(), BenchError> {
        for (field, got) in [("dates", self.dates.len()), ("session_ids", self.session_ids.len())] {
            if got != self.sessions.len() {
                let question = self.id.chars().take(80).collect();
                return Err(BenchError::Haystack { question, field, sessions: self.sessions.len(), got });
            }
        }
        Ok(())
    }
}

fn origin(session: usize, turn: usize) -> String {
    format!("{session}:{turn}")
}

/// A time such as `2023/05/20 (Sat) 02:21`, taken as UTC.
fn time(text: &str) -> Option<Timestamp> {
    let formats = ["%Y/%m/%d (%a) %H:%M", "%Y/%m/%d %H:%M", "%Y/%m/%d"];
    let civil = formats.into_iter().find_map(|format| match DateTime::strptime(format, text.trim()) {
        Ok(time) => Some(time),
        Err(_) => jiff::civil::Date::strptime(format, text.trim()).ok().map(|date| date.at(0, 0, 0, 0)),
    })?;
    TimeZone::UTC.to_timestamp(civil).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read() {
        let check = |text: &str, expected: Option<&str>| {
            assert_eq!(time(text).map(|time| time.to_string()).as_deref(), expected, "{text}");
        };
        check("2023/05/20 (Sat) 02:21", Some("2023-05-20T02:21:00Z"));
        check("2023/05/20 02:21", Some("2023-05-20T02:21:00Z"));
        check("2023/05/20", Some("2023-05-20T00:00:00Z"));
        check("2023/05/20 (Mon) 02:21", None);
        check("yesterday", None);
    }

    #[test]
    fn what_is_no_file_of_questions_is_refused() {
        let parse = |text: &str| Entry::parse(text.as_bytes(), Path::new("data/q.json")).unwrap_err().to_string();
        assert_eq!(parse("{}"), "expected an array of questions of LongMemEval in data/q.json");
        let question = r#"[{"question_id": "q", "question_type": "t", "question": "?", "haystack_session_ids": ["a"],
            "haystack_dates": [], "haystack_sessions": [[]]}]"#;
        let expected = "expected as many haystack_dates as haystack_sessions (1) for question \"q\", got 0";
        assert_eq!(parse(question), expected);
    }
}
