//! One conversation of the data as messages, and the questions whose evidence it holds.

use std::collections::{BTreeMap, HashMap, HashSet};

use mnemon::TokenCounter;
use mnemon::import::locomo::{Question, Sample};
use mnemon_compact::{Message, count_tokens};

use super::survival::{Remains, Sentences, Survived};
use crate::baseline::stems;

/// A conversation and what is asked about it. A way of compaction sees the messages and nothing else.
pub(super) struct Talk {
    pub(super) number: usize,
    pub(super) name: String,
    pub(super) messages: Vec<Message>,
    /// The tokens of the messages.
    pub(super) tokens: usize,
    pub(super) questions: Vec<Asked>,
    pub(super) without_evidence: usize,
    /// The sentences of the turns that are evidence, by their place.
    evidence: BTreeMap<usize, Sentences>,
}

/// A question.
pub(super) struct Asked {
    evidence: Vec<usize>,
    /// The stems of its answer that its evidence has.
    answer: Vec<String>,
}

/// What is left for a question, each from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Left {
    /// The share of its evidence.
    pub(super) evidence: f64,
    /// The share of the words of its answer, where the evidence has any.
    pub(super) answer: Option<f64>,
}

impl Talk {
    pub(super) fn new(number: usize, sample: Sample, counter: &dyn TokenCounter) -> Self {
        let name = sample.id.unwrap_or_else(|| format!("conversation-{number}"));
        let (mut messages, mut places) = (Vec::new(), HashMap::new());
        for turn in sample.conversation.sessions.into_iter().flat_map(|session| session.turns) {
            let caption = turn.caption.map(|caption| format!(" [shares {caption}]")).unwrap_or_default();
            let text = format!("{}{caption}", turn.text);
            let mut message = Message::new(turn.role, text.trim());
            message.name = turn.speaker;
            message.at = turn.occurred_at;
            if let Some(origin) = turn.origin {
                places.entry(origin.id.clone()).or_insert(messages.len());
                message = message.with_id(origin.id);
            }
            messages.push(message);
        }
        let mut evidence = BTreeMap::new();
        let (questions, without): (Vec<Asked>, Vec<Asked>) = sample
            .questions
            .into_iter()
            .map(|question| Asked::new(&question, &places, &messages, &mut evidence))
            .partition(|question| !question.evidence.is_empty());
        let tokens = count_tokens(&messages, counter);
        Self { number, name, messages, tokens, questions, without_evidence: without.len(), evidence }
    }

    /// What is left for each question.
    pub(super) fn left(&self, remains: &Remains) -> Vec<Left> {
        let survived: BTreeMap<usize, Survived> =
            self.evidence.iter().map(|(turn, sentences)| (*turn, sentences.survived(*turn, remains))).collect();
        self.questions.iter().map(|question| question.left(&survived)).collect()
    }
}

impl Asked {
    fn new(
        question: &Question,
        places: &HashMap<String, usize>,
        messages: &[Message],
        sentences: &mut BTreeMap<usize, Sentences>,
    ) -> Self {
        let evidence: Vec<usize> = question.evidence.iter().filter_map(|id| places.get(id).copied()).collect();
        let mut said: HashSet<&str> = HashSet::new();
        for &turn in &evidence {
            sentences.entry(turn).or_insert_with(|| Sentences::of(messages.get(turn).map_or("", |it| &it.content)));
        }
        for turn in &evidence {
            said.extend(sentences.get(turn).map(Sentences::stems).unwrap_or_default());
        }
        let mut answer = stems(question.answer.as_deref().unwrap_or_default());
        answer.sort_unstable();
        answer.dedup();
        answer.retain(|stem| said.contains(stem.as_str()));
        Self { evidence, answer }
    }

    fn left(&self, survived: &BTreeMap<usize, Survived>) -> Left {
        let turns = || self.evidence.iter().filter_map(|turn| survived.get(turn));
        let evidence = turns().map(|turn| turn.share).sum::<f64>() / self.evidence.len().max(1) as f64;
        let kept = self.answer.iter().filter(|stem| turns().any(|turn| turn.stems.contains(*stem))).count();
        let answer = (!self.answer.is_empty()).then(|| kept as f64 / self.answer.len() as f64);
        Left { evidence, answer }
    }
}

#[cfg(test)]
mod tests {
    use mnemon::EstimateCounter;
    use mnemon::import::Options;
    use mnemon::import::locomo::samples;

    use super::super::survival::Cover;
    use super::*;

    #[test]
    fn evidence_and_answers_are_measured_by_question() {
        let file = r#"[{"sample_id": "x", "conversation": {"speaker_a": "Ann", "speaker_b": "Ben",
            "session_1": [{"speaker": "Ann", "dia_id": "D1:1", "text": "Look! I bought a boat!", "blip_caption": "a heron"},
                          {"speaker": "Ben", "dia_id": "D1:2", "text": "In Oslo?"}]},
          "qa": [{"question": "What?", "answer": "a boat in Oslo, I think", "category": 4, "evidence": ["D1:1; D1:2", "D9:9"]},
                 {"question": "Never?", "answer": "a boat", "category": 4, "evidence": ["D9:9"]},
                 {"question": "Open?", "answer": "elephants", "category": 4, "evidence": ["D1:2"]}]}]"#;
        let sample = samples(file.as_bytes(), "x", &Options::default()).unwrap().pop().unwrap();
        let talk = Talk::new(2, sample, &EstimateCounter);
        assert_eq!((talk.questions.len(), talk.without_evidence, talk.number), (2, 1, 2));
        assert_eq!(talk.messages[0].content, "Look! I bought a boat! [shares a heron]");
        assert_eq!(talk.messages[0].name.as_deref(), Some("Ann"));
        let mut remains = Remains::default();
        remains.add("I bought a boat!", Cover::All);
        // 4 of 8 words of the first turn, none of the second; "boat" of "boat" and "oslo".
        let left = [Left { evidence: 0.25, answer: Some(0.5) }, Left { evidence: 0.0, answer: None }];
        assert_eq!(talk.left(&remains), left);
    }
}
