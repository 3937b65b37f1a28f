//! One conversation of the data, ready to be asked about.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::time::Duration;

use mnemon::import::Conversation;
use mnemon::import::locomo::{Question, Sample};
use mnemon::{NewTurn, Scope, TokenCounter};

use super::Conversation as Summary;
use crate::baseline::Text;
use crate::scores::{Found, Line, Outcome};

/// A conversation, its turns by their place (from 0, over all sessions), and the questions that count.
pub(super) struct Talk {
    number: usize,
    name: String,
    pub(super) conversation: Conversation,
    lines: Vec<Line>,
    /// The word pieces of the header of each session.
    headers: Vec<usize>,
    /// The place of the turn of each id.
    places: HashMap<String, usize>,
    /// What baselines see of each turn.
    pub(super) texts: Vec<Text>,
    pub(super) questions: Vec<Asked>,
    pub(super) without_evidence: usize,
}

/// A question and the places of the turns that answer it.
pub(super) struct Asked {
    pub(super) text: String,
    category: i64,
    pub(super) evidence: HashSet<usize>,
}

impl Talk {
    pub(super) fn new(number: usize, sample: Sample, categories: &BTreeSet<i64>, counter: &dyn TokenCounter) -> Self {
        let name = sample.id.unwrap_or_else(|| format!("conversation-{number}"));
        let mut conversation = sample.conversation;
        // The file may give it none, and the name of one that is made up holds nothing that a scope does not allow.
        conversation.scope = conversation.scope.or_else(|| Scope::user_scope(&*name).ok());
        let (mut lines, mut headers, mut places, mut texts) = (Vec::new(), Vec::new(), HashMap::new(), Vec::new());
        for (session, of) in conversation.sessions.iter().enumerate() {
            let date = of.started_at.map(|at| at.strftime("%-I:%M %P on %-d %B, %Y").to_string()).unwrap_or_default();
            headers.push(counter.count(&header(&date)));
            for turn in &of.turns {
                if let Some(origin) = &turn.origin {
                    places.entry(origin.id.clone()).or_insert(lines.len());
                }
                lines.push(Line { session, pieces: counter.count(&packed(turn)) });
                texts.push(text(turn, &date));
            }
        }
        let asked = sample.questions.into_iter().filter(|question| categories.contains(&question.category));
        let (questions, without): (Vec<Asked>, Vec<Asked>) =
            asked.map(|question| Asked::new(question, &places)).partition(|question| !question.evidence.is_empty());
        let without_evidence = without.len();
        Self { number, name, conversation, lines, headers, places, texts, questions, without_evidence }
    }

    pub(super) fn scope(&self) -> Scope {
        self.conversation.scope.clone().unwrap_or_default()
    }

    pub(super) fn place_of(&self, id: &str) -> Option<usize> {
        self.places.get(id).copied()
    }

    /// What a ranking of places found of the evidence.
    pub(super) fn outcome(&self, question: &Asked, ranking: &[usize], time: Duration) -> Outcome {
        Outcome {
            category: question.category,
            conversation: self.name.clone(),
            time,
            found: Found::new(ranking, &question.evidence, &self.lines, &self.headers),
        }
    }

    pub(super) fn summary(&self) -> Summary {
        Summary {
            number: self.number,
            name: self.name.clone(),
            sessions: self.headers.len(),
            turns: self.lines.len(),
            questions: self.questions.len(),
        }
    }
}

impl Asked {
    fn new(question: Question, places: &HashMap<String, usize>) -> Self {
        let evidence = question.evidence.iter().filter_map(|id| places.get(id).copied()).collect();
        Self { text: question.question, category: question.category, evidence }
    }
}

/// What stands before the turns of a session in a budget.
fn header(date: &str) -> String {
    format!("[session of {date}]")
}

/// A turn as it takes room in a budget.
fn packed(turn: &NewTurn) -> String {
    let caption = turn.caption.as_ref().map(|caption| format!(" [shares {caption}]")).unwrap_or_default();
    format!("{}: {}{caption}", speaker(turn), turn.text)
}

fn text(turn: &NewTurn, date: &str) -> Text {
    let line = format!("{}: {} {}", speaker(turn), turn.text, turn.caption.as_deref().unwrap_or_default());
    Text { bare: turn.text.clone(), line, date: date.to_owned() }
}

fn speaker(turn: &NewTurn) -> &str {
    turn.speaker.as_deref().unwrap_or(turn.role.as_str())
}

#[cfg(test)]
mod tests {
    use mnemon::import::Options;
    use mnemon::import::locomo::samples;

    use super::*;

    /// Counts characters, so that figures can be checked by eye.
    struct Characters;

    impl TokenCounter for Characters {
        fn name(&self) -> &str {
            "characters"
        }

        fn count(&self, text: &str) -> usize {
            text.chars().count()
        }
    }

    #[test]
    fn a_conversation_is_laid_out_by_place() {
        let file = r#"[{"sample_id": "x", "conversation": {"speaker_a": "Ann", "speaker_b": "Ben",
            "session_1_date_time": "6:05 pm on 2 March, 2025",
            "session_1": [{"speaker": "Ann", "dia_id": "D1:1", "text": "Look!", "blip_caption": "a heron"}],
            "session_2": [{"speaker": "Ben", "dia_id": "D2:1", "text": "Hi"}, {"speaker": "Ann", "dia_id": "D2:2", "text": "Yo"}]},
          "qa": [{"question": "What?", "category": 4, "evidence": ["D1:1; D2:2", "D9:9"]},
                 {"question": "Never?", "category": 4, "evidence": ["D9:9"]},
                 {"question": "Other?", "category": 5, "evidence": ["D1:1"]}]}]"#;
        let sample = samples(file.as_bytes(), "x", &Options::default()).unwrap().pop().unwrap();
        let talk = Talk::new(3, sample, &BTreeSet::from([4]), &Characters);
        let lines: Vec<_> = talk.lines.iter().map(|line| (line.session, line.pieces)).collect();
        assert_eq!(lines, [(0, "Ann: Look! [shares a heron]".len()), (1, "Ben: Hi".len()), (1, "Ann: Yo".len())]);
        assert_eq!(talk.headers, ["[session of 6:05 pm on 2 March, 2025]".len(), "[session of ]".len()]);
        assert_eq!((talk.texts[0].bare.as_str(), talk.texts[0].line.as_str()), ("Look!", "Ann: Look! a heron"));
        assert_eq!(talk.texts[0].date, "6:05 pm on 2 March, 2025");
        assert_eq!((talk.questions.len(), talk.without_evidence), (1, 1));
        assert_eq!(talk.questions[0].evidence, HashSet::from([0, 2]));
        assert_eq!(talk.place_of("D2:1"), Some(1));
        assert_eq!((talk.summary().number, talk.scope().user()), (3, "x"));
    }
}
