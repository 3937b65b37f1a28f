//! A summary out of the sentences of its source.

use std::collections::{BTreeSet, HashMap, HashSet};

use mnemon_core::{Role, Timestamp, TokenCounter};

use super::{Method, Summarizer, Summary, SummaryRequest};
use crate::cues::Finder;
use crate::salience::{Candidate, Line, Salience, voice};
use crate::sentences::{is_question, sentences};
use crate::terms::terms;
use crate::{CompactError, Cues, Message, MessageKind};

/// Takes the sentences that say most for their tokens, word for word, in the order of the source, behind the name of who
/// said them and under the date on which it was said.
///
/// Which those are is decided as [`crate::Salient`] decides about messages (terms, names, numbers and dates that were
/// not said yet, cues, centrality, and what vectors say about repetition); beside that the first and the last message
/// weigh more, and so do what a person says and a question that nobody answered. It needs no model; with an embedder it tells repetition
/// by meaning too. The same input gives the same summary.
///
/// The text is never longer than asked for, counted as a whole by the counter of the request. When no sentence fits, the
/// beginning of the most telling one is taken.
#[derive(Debug, Clone, Default)]
pub struct Extractive {
    /// The cues.
    pub cues: Cues,
}

/// The share by which sentences of the first and the last message weigh more: there people say what they want, and what
/// came of it.
const EDGE: f32 = 0.3;
/// The share by which a question without an answer weighs more. Its terms count a quarter of those of a statement.
const OPEN_QUESTION: f32 = 7.0;
/// Whether a question was answered is looked for in so many messages after it.
const ANSWER_WITHIN: usize = 3;
/// A call of a tool is told in so many characters.
const CALL_CHARS: usize = 160;
/// What the first sentence of a message costs beside its text and the name of who said it: the marks of a line and its
/// share of a date. It keeps short phrases, which are seldom worth a line, from looking cheap, and what was said together
/// from being torn apart: the next sentence of the same message costs its text alone.
const LINE_TOKENS: usize = 4;
/// As many sentences that were left out are tried once more when there is room at the end.
const LAST_TRIES: usize = 24;

struct Sentence<'a> {
    text: std::borrow::Cow<'a, str>,
    speaker: String,
    date: Option<String>,
    weight: f32,
    /// Sentences of one message that stand behind one name have the same.
    line: usize,
}

impl Summarizer for Extractive {
    fn summarise(&self, request: &SummaryRequest<'_>) -> Result<Summary, CompactError> {
        let finder = Finder::new(&self.cues);
        let sentences = collect(&request.messages, &finder);
        if sentences.is_empty() {
            return Err(CompactError::NothingToSummarise { got: format!("{} without text", request.messages.len()) });
        }
        let texts: Vec<&str> = sentences.iter().map(|sentence| sentence.text.as_ref()).collect();
        let rows = request.vectors.map(|vectors| vectors.rows(&texts)).transpose()?;
        let mut names = Names { counter: request.counter, counted: HashMap::new() };
        let candidates: Vec<Candidate<'_>> = sentences
            .iter()
            .map(|sentence| Candidate {
                text: &sentence.text,
                cost: request.counter.count(&sentence.text),
                weight: sentence.weight,
                line: Some(Line { number: sentence.line, cost: LINE_TOKENS + names.tokens(&sentence.speaker) }),
            })
            .collect();
        let salience = Salience::new(&candidates, &finder, rows);
        // Sentences cost less together than they are taken to: what fits is found by rendering.
        let mut order = salience.choose(&[], request.max_tokens.saturating_mul(2));
        let fits = |chosen: &BTreeSet<usize>| request.counter.count(&render(&sentences, chosen)) <= request.max_tokens;
        let first = |count: usize| -> BTreeSet<usize> { order.iter().take(count).copied().collect() };
        let (mut fitting, mut too_many) = (0, order.len() + 1);
        while fitting + 1 < too_many {
            let middle = usize::midpoint(fitting, too_many);
            if fits(&first(middle)) {
                fitting = middle;
            } else {
                too_many = middle;
            }
        }
        let mut chosen = first(fitting);
        order.truncate(fitting);
        for index in salience.choose(&order, usize::MAX / 2).into_iter().take(LAST_TRIES) {
            chosen.insert(index);
            if !fits(&chosen) {
                chosen.remove(&index);
            }
        }
        let text = if chosen.is_empty() {
            let best =
                (0..sentences.len()).max_by(|&a, &b| salience.worth(a).total_cmp(&salience.worth(b)).then(b.cmp(&a)));
            let best = best.and_then(|best| texts.get(best)).copied().unwrap_or_default();
            beginning(best, request.max_tokens, request.counter)
                .ok_or(CompactError::NoRoom { max_tokens: request.max_tokens })?
        } else {
            render(&sentences, &chosen)
        };
        Summary::new(text, request, Method::Extractive)
    }
}

/// The tokens of the names of speakers, each counted once.
struct Names<'a> {
    counter: &'a dyn TokenCounter,
    counted: HashMap<String, usize>,
}

impl Names<'_> {
    fn tokens(&mut self, name: &str) -> usize {
        if let Some(tokens) = self.counted.get(name) {
            return *tokens;
        }
        let tokens = self.counter.count(name);
        self.counted.insert(name.to_owned(), tokens);
        tokens
    }
}

/// The sentences of all messages, each once.
fn collect<'a>(messages: &[(usize, &'a Message)], finder: &Finder) -> Vec<Sentence<'a>> {
    let mut collected: Vec<Sentence<'a>> = Vec::new();
    let mut known: HashSet<String> = HashSet::new();
    let last = messages.len().saturating_sub(1);
    let mut number = 0;
    for (place, (_, message)) in messages.iter().enumerate() {
        if message.kind == MessageKind::Bridge || message.role == Role::System {
            continue;
        }
        let priority = if message.priority.is_finite() { message.priority.max(0.0) } else { 1.0 };
        let edge = if place == 0 || place == last { 1.0 + EDGE } else { 1.0 };
        let is_extract = matches!(&message.kind, MessageKind::Summary(meta) if meta.method == Method::Extractive);
        let mut date = message.at.map(day);
        let source = Summary::text_of(message).unwrap_or(&message.content);
        number += 1;
        for line in source.lines() {
            let mut speaker = if is_extract { "" } else { message.speaker() };
            let mut text = line;
            if is_extract {
                if let Some(found) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
                    date = Some(found.to_owned());
                    continue;
                }
                if let Some((name, said)) = line.split_once(": ") {
                    (speaker, text) = (name, said);
                }
                number += 1;
            }
            for sentence in sentences(text) {
                if !known.insert(sentence.to_lowercase()) {
                    continue;
                }
                let open = is_question(sentence)
                    && (finder.find(sentence).open || (!is_extract && is_unanswered(sentence, place, messages)));
                let weight = priority * edge * voice(speaker) * if open { 1.0 + OPEN_QUESTION } else { 1.0 };
                let (speaker, date) = (speaker.to_owned(), date.clone());
                collected.push(Sentence { text: sentence.into(), speaker, date, weight, line: number });
            }
        }
        for call in &message.tool_calls {
            let arguments: String = call.arguments.chars().take(CALL_CHARS).collect();
            let text = format!("called {}({arguments})", call.name);
            if known.insert(text.to_lowercase()) {
                let speaker = message.speaker().to_owned();
                let weight = priority * edge * voice(message.speaker());
                collected.push(Sentence { text: text.into(), speaker, date: date.clone(), weight, line: number });
            }
        }
    }
    collected
}

/// Whether nobody else takes up a term of the question soon after it, nor says anything at all.
fn is_unanswered(question: &str, place: usize, messages: &[(usize, &Message)]) -> bool {
    let Some((_, asker)) = messages.get(place) else { return false };
    let asked: BTreeSet<String> = terms(question).into_iter().collect();
    let mut others = messages
        .iter()
        .skip(place + 1)
        .map(|(_, message)| message)
        .filter(|message| message.speaker() != asker.speaker() && message.role != Role::System)
        .take(ANSWER_WITHIN)
        .peekable();
    if others.peek().is_none() {
        return true;
    }
    // A question of stop words alone cannot be told to be open.
    !asked.is_empty()
        && others.all(|message| {
            let said = sentences(&message.content);
            said.iter().all(|sentence| is_question(sentence)) || !said.iter().any(|s| terms(s).iter().any(|t| asked.contains(t)))
        })
        // Whoever speaks next with a statement of some length has most likely answered.
        && messages.get(place + 1).is_none_or(|(_, next)| {
            next.speaker() == asker.speaker() || sentences(&next.content).iter().all(|sentence| is_question(sentence))
        })
}

/// One line a speaker as long as nobody else speaks, and a line for each date.
fn render(sentences: &[Sentence<'_>], chosen: &BTreeSet<usize>) -> String {
    let mut text = String::new();
    let mut before: Option<&Sentence<'_>> = None;
    for sentence in chosen.iter().filter_map(|&index| sentences.get(index)) {
        let is_new_day = sentence.date.is_some() && before.is_none_or(|before| before.date != sentence.date);
        if let Some(date) = sentence.date.as_deref().filter(|_| is_new_day) {
            new_line(&mut text);
            text.push('[');
            text.push_str(date);
            text.push(']');
        }
        if !is_new_day && before.is_some_and(|before| before.speaker == sentence.speaker) {
            text.push(' ');
        } else {
            new_line(&mut text);
            if !sentence.speaker.is_empty() {
                text.push_str(&sentence.speaker);
                text.push_str(": ");
            }
        }
        text.push_str(&sentence.text);
        before = Some(sentence);
    }
    text
}

fn new_line(text: &mut String) {
    if !text.is_empty() {
        text.push('\n');
    }
}

/// As many whole words from the beginning as fit.
fn beginning(text: &str, max_tokens: usize, counter: &dyn TokenCounter) -> Option<String> {
    let ends: Vec<usize> = text
        .char_indices()
        .filter(|(_, c)| c.is_whitespace() || mnemon_core::is_unsegmented(*c))
        .map(|(at, _)| at)
        .chain([text.len()])
        .filter(|end| *end > 0)
        .collect();
    // Counters grow with the text, but not strictly at every cut: the last one that fits is looked for from there on.
    let fits = |end: usize| text.get(..end).is_some_and(|text| counter.count(text) <= max_tokens);
    let mut fitting = ends.partition_point(|&end| fits(end));
    loop {
        let end = *ends.get(fitting.checked_sub(1)?)?;
        if fits(end) {
            return text.get(..end).map(|text| text.trim_end().to_owned()).filter(|text| !text.is_empty());
        }
        fitting -= 1;
    }
}

/// The date in UTC.
fn day(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d").to_string()
}

#[cfg(test)]
mod tests {
    use mnemon_core::EstimateCounter;
    use proptest::prelude::*;

    use super::*;
    use crate::Vectors;
    use crate::fixtures::WordEmbedder;

    /// A token for each byte: nothing is hidden by rounding.
    struct Bytes;

    impl TokenCounter for Bytes {
        fn name(&self) -> &str {
            "bytes"
        }

        fn count(&self, text: &str) -> usize {
            text.len()
        }
    }

    fn summarise(messages: &[Message], max_tokens: usize) -> Summary {
        Extractive::default().summarise(&SummaryRequest::of(messages, max_tokens, &EstimateCounter)).unwrap()
    }

    fn talk() -> Vec<Message> {
        let day = |day: &str| format!("{day}T12:00:00Z").parse::<Timestamp>().unwrap();
        vec![
            Message::user("Hi there! How are you? I moved to Oslo on 3 May.").named("Ann").said_at(day("2024-05-09")),
            Message::assistant("Wow, that is great to hear! Good for you.").said_at(day("2024-05-09")),
            Message::user("Thanks! We decided to sell the red boat for $1,200.")
                .named("Ann")
                .said_at(day("2024-05-10")),
            Message::assistant("Sounds good. I moved to Oslo on 3 May.").said_at(day("2024-05-10")),
            Message::user("Who pays the harbour fee to Dr. Berg?").named("Ann").said_at(day("2024-05-10")),
        ]
    }

    #[test]
    fn facts_decisions_and_open_questions_are_kept_with_speaker_and_date() {
        let summary = summarise(&talk(), 62);
        assert_eq!(
            summary.text,
            "[2024-05-09]\nAnn: Hi there! I moved to Oslo on 3 May.\n[2024-05-10]\nAnn: We decided to sell the red boat for $1,200. \
             Who pays the harbour fee to Dr. Berg?"
        );
        assert!(summary.meta.quality.details > 0.99 && summary.meta.tokens_after <= 62);
        let [from, until] = [summary.meta.from, summary.meta.until].map(|at| day(at.unwrap()));
        assert_eq!((from.as_str(), until.as_str()), ("2024-05-09", "2024-05-10"));
    }

    #[test]
    fn a_summary_of_a_summary_keeps_speakers_and_dates() {
        let first = summarise(&talk(), 70).into_message();
        let messages = [first, Message::user("Bob pays it, he promised.").named("Ben")];
        let second = summarise(&messages, 72);
        assert_eq!((second.meta.depth, second.meta.messages), (2, 6));
        for part in ["[2024-05-10]\nAnn: ", "We decided to sell the red boat", "Ben: Bob pays it"] {
            assert!(second.text.contains(part), "{part:?} is not in {:?}", second.text);
        }
    }

    #[test]
    fn vectors_tell_repetition_by_meaning() {
        let embedder = WordEmbedder::default();
        let messages = [
            Message::user("The red boat lies in Oslo harbour."),
            Message::user("In Oslo harbour lies the red boat, red."),
            Message::user("The mast of the old ship broke."),
        ];
        let request =
            SummaryRequest::of(&messages, 24, &EstimateCounter).with_vectors(Vectors::new(&embedder, &crate::NoCache));
        let text = Extractive::default().summarise(&request).unwrap().text;
        assert!(text.contains("mast") && text.matches("Oslo").count() == 1, "{text}");
    }

    #[test]
    fn what_is_too_long_is_cut_and_what_is_empty_is_told() {
        assert_eq!(summarise(&[Message::user("boats sail over wide seas")], 3).text, "boats sail over");
        let none = Extractive::default().summarise(&SummaryRequest::of(&[], 9, &EstimateCounter));
        assert!(matches!(none, Err(CompactError::NothingToSummarise { .. })));
        let messages = [Message::user("boats")];
        let none = Extractive::default().summarise(&SummaryRequest::of(&messages, 0, &EstimateCounter));
        assert!(matches!(none, Err(CompactError::NoRoom { max_tokens: 0 })));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        /// Never longer than asked for, never empty, word for word, in the order of the source.
        #[test]
        fn it_fits_and_is_in_order(
            texts in prop::collection::vec("[A-Za-z0-9 .?!,\n]{0,80}|[我喜欢茶。你好？]{1,20}", 1..12),
            max_tokens in 1usize..120,
            bytes: bool,
        ) {
            let messages: Vec<Message> = texts.iter().enumerate().map(|(i, text)| {
                if i % 2 == 0 { Message::user(text.as_str()) } else { Message::assistant(text.as_str()) }
            }).collect();
            let counter: &dyn TokenCounter = if bytes { &Bytes } else { &EstimateCounter };
            let Ok(summary) = Extractive::default().summarise(&SummaryRequest::of(&messages, max_tokens, counter)) else {
                return Ok(());
            };
            prop_assert!(counter.count(&summary.text) <= max_tokens && !summary.text.trim().is_empty());
            let mut places = Vec::new();
            for line in summary.text.lines() {
                let line = line.strip_prefix("user: ").or_else(|| line.strip_prefix("assistant: ")).unwrap_or(line);
                for sentence in sentences(line) {
                    // Two sentences of two messages may read as one behind each other.
                    let place = texts.iter().position(|text| text.contains(sentence));
                    places.extend(place);
                }
            }
            let unique: BTreeSet<&String> = texts.iter().collect();
            let is_plain = texts.iter().all(|text| text.ends_with(['.', '。']) && text.len() > 12) && unique.len() == texts.len();
            prop_assert!(!is_plain || places.is_sorted(), "{} of {:?}", summary.text, texts);
        }
    }
}
