//! The file format of the LoCoMo benchmark (Maharana et al., 2024, "Evaluating Very Long-Term Conversational Memory of
//! LLM Agents"): conversations of several dated sessions between two speakers, and questions about them.
//!
//! A file is an array of conversations, or one of them:
//!
//! ```json
//! {"sample_id": "conv-1", "conversation": {
//!    "speaker_a": "Ann", "speaker_b": "Ben",
//!    "session_1_date_time": "6:05 pm on 2 March, 2025",
//!    "session_1": [{"speaker": "Ann", "dia_id": "D1:1", "text": "Look!", "blip_caption": "a photo of a heron"}]},
//!  "qa": [{"question": "What did Ann see?", "answer": "a heron", "category": 4, "evidence": ["D1:1"]}]}
//! ```
//!
//! A conversation gets the scope `user=<sample_id>`, and a turn the origin `locomo:<sample_id>` with its `dia_id`.
//! Speakers called `user` and `assistant` have that role; otherwise `speaker_a` is the user and everybody else the
//! assistant. A turn is dated to the time of its session and a second for each turn before it. `blip_caption` becomes
//! the caption and `img_url` metadata; what else a turn has, and the summaries and observations of a conversation, are
//! not taken, because they were made from the conversation. A time that cannot be read leaves the session without one,
//! with a note; so does a `dia_id` that is missing or comes twice, which is replaced by one that is unique.

use std::collections::{BTreeMap, HashMap, HashSet};

use mnemon_core::{NewTurn, Origin, Role, Scope};
use serde_json::Value;

use super::content::Content;
use super::error::{Place, Problem, Report, excerpt};
use super::json::{self, Fields};
use super::roles::{role_of_label, speaker_of};
use super::{Conversation, Format, Import, ImportError, ImportedSession, Options, time};

/// A conversation with its questions.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// Its `sample_id`, where it has one.
    pub id: Option<String>,
    /// What was said.
    pub conversation: Conversation,
    /// What is asked about it.
    pub questions: Vec<Question>,
}

/// A question about a conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// The question.
    pub question: String,
    /// The answer; questions about what was never said have none.
    pub answer: Option<String>,
    /// The kind of question. LoCoMo: 4 single hop, 1 multi-hop, 2 temporal, 3 open domain, 5 adversarial.
    pub category: i64,
    /// The ids of the turns that hold the answer, such as `D3:12`, repaired by [`repair_evidence`]. They may name turns
    /// that the conversation does not have.
    pub evidence: Vec<String>,
}

/// Reads conversations and their questions, for benchmarks. `name` is what errors call the file.
///
/// # Errors
/// As [`super::parse`], and when a question has not the form of one.
pub fn samples(bytes: &[u8], name: &str, options: &Options) -> Result<Vec<Sample>, ImportError> {
    let content = Content::new(bytes, name, options.source.clone())?;
    let mut reader = Reader::new(&content, options);
    let mut samples = Vec::new();
    for (pointer, value) in reader.conversations()? {
        let read = reader.sample(&pointer, value)?;
        let Some((id, conversation, mut rest)) = read else { continue };
        let questions = reader.questions(&mut rest)?;
        samples.push(Sample { id, conversation, questions });
    }
    Ok(samples)
}

/// Takes the ids of turns out of what stands as evidence: `D8:6; D9:17` are two, `D:11:26` is `D11:26`, `D30:05` is
/// `D30:5`, and `D` is none. Each id comes once.
#[must_use]
pub fn repair_evidence(text: &str) -> Vec<String> {
    let mut ids = Vec::new();
    let words = text.split(|c: char| !(c.is_ascii_digit() || matches!(c, 'D' | 'd' | ':')));
    for word in words.flat_map(|word| word.split(['D', 'd']).skip(1)) {
        let numbers = word.strip_prefix(':').unwrap_or(word);
        let mut parts = numbers.split(':').map(|part| part.parse::<u64>().ok());
        if let (Some(Some(session)), Some(Some(turn))) = (parts.next(), parts.next()) {
            let id = format!("D{session}:{turn}");
            if !ids.contains(&id) {
                ids.push(id);
            }
        }
    }
    ids
}

pub(super) fn parse(content: &Content<'_>, options: &Options) -> Result<Import, ImportError> {
    let mut reader = Reader::new(content, options);
    let mut conversations = Vec::new();
    for (pointer, value) in reader.conversations()? {
        conversations.extend(reader.sample(&pointer, value)?.map(|(_, conversation, _)| conversation));
    }
    Ok(Import {
        format: Format::Locomo,
        conversations,
        lines: content.line_count(),
        skipped: reader.report.skipped,
        notes: reader.report.notes,
    })
}

struct Reader<'a> {
    content: &'a Content<'a>,
    options: &'a Options,
    report: Report<'a>,
    ids: HashSet<Option<String>>,
}

impl<'a> Reader<'a> {
    fn new(content: &'a Content<'a>, options: &'a Options) -> Self {
        let report = Report::new(content.name(), options.skip_invalid);
        Self { content, options, report, ids: HashSet::new() }
    }

    /// The conversations of the file with their JSON pointers. Text that is not JSON cannot be left out in part.
    fn conversations(&mut self) -> Result<Vec<(String, Value)>, ImportError> {
        let expected = "an array of conversations, or one of them";
        let value = self.content.text().and_then(|text| match text.trim().is_empty() {
            true => Ok(Value::Array(Vec::new())),
            false => json::parse(1, expected, text),
        });
        Ok(match value.map_err(|problem| problem.in_file(self.content.name()))? {
            Value::Array(values) => {
                values.into_iter().enumerate().map(|(index, value)| (format!("/{index}"), value)).collect()
            }
            value => vec![(String::new(), value)],
        })
    }

    /// One conversation, and what is left of its object.
    fn sample(
        &mut self,
        pointer: &str,
        value: Value,
    ) -> Result<Option<(Option<String>, Conversation, Fields)>, ImportError> {
        let head = self.head(pointer, value);
        let Some((id, scope, mut talk, rest)) = self.report.keep(head)? else { return Ok(None) };
        let source = id.as_ref().map_or_else(|| self.content.hash_source().to_owned(), |id| format!("locomo:{id}"));
        let names = Names { a: talk.take_text("speaker_a").ok().flatten() };

        let mut dates = BTreeMap::new();
        let mut sessions = BTreeMap::new();
        let place = talk.place();
        let place_of = |key: &str| talk_place(&place, key);
        for (key, value) in talk.rest() {
            let Some(number) = key.strip_prefix("session_") else { continue };
            match number.strip_suffix("_date_time") {
                Some(number) => {
                    number.parse::<u64>().ok().and_then(|number| dates.insert(number, (place_of(&key), value)))
                }
                None => {
                    let session = number.parse::<u64>().ok().map(|number| (number, (place_of(&key), value)));
                    sessions.extend(session);
                    None
                }
            };
        }

        let mut conversation = Conversation { scope, source, ..Conversation::default() };
        let mut ids = HashMap::new();
        for (number, (place, value)) in sessions {
            let turns = match value {
                Value::Array(turns) => Ok(turns),
                other => Err(Problem::new(place.clone(), "an array of turns", json::describe(&other))),
            };
            let Some(turns) = self.report.keep(turns)? else { continue };
            let started_at = dates.remove(&number).and_then(|(place, date)| {
                let read = date.as_str().and_then(time::spelled);
                if read.is_none() {
                    let got = json::describe(&date);
                    self.report.note(
                        place,
                        format!("the session has no time, because {got} is none such as \"1:56 pm on 8 May, 2023\""),
                    );
                }
                read
            });
            let mut session =
                ImportedSession { name: Some(format!("session_{number}")), started_at, turns: Vec::new() };
            for (position, value) in turns.into_iter().enumerate() {
                let place = talk_place(&place, &position.to_string());
                let turn = turn(place.clone(), value, &names, self.options);
                let Some((mut turn, id)) = self.report.keep(turn)? else { continue };
                if turn.text.trim().is_empty() && turn.caption.is_none() {
                    self.report.note(place, "left out because it has neither text nor caption");
                    continue;
                }
                let id = self.unique(id, &mut ids, number, position, &place);
                turn.origin = Some(Origin { source: conversation.source.clone(), id });
                turn.occurred_at = time::nth_turn(started_at, position);
                session.turns.push(turn);
            }
            if !session.turns.is_empty() {
                conversation.sessions.push(session);
            }
        }
        Ok(Some((id, conversation, rest)))
    }

    /// What a conversation says about itself, and its object with the sessions.
    fn head(
        &mut self,
        pointer: &str,
        value: Value,
    ) -> Result<(Option<String>, Option<Scope>, Fields, Fields), Problem> {
        let expected = "a conversation: an object with `sample_id` and `conversation`";
        let mut fields = Fields::new(Place::Pointer(pointer.to_owned()), expected, value)?;
        let id = fields.take_name("sample_id")?;
        let scope = match &id {
            Some(id) => Some(Scope::user_scope(id.as_str()).map_err(|error| {
                fields.wrong("sample_id", "the name of a user", &Value::String(id.clone())).because(error)
            })?),
            None => None,
        };
        let place = fields.place_of("conversation");
        let talk = match fields.take("conversation") {
            Some(talk) => Fields::new(place, "an object with sessions", talk)?,
            None => return Err(Problem::new(fields.place(), expected, fields.describe())),
        };
        // A second conversation of the same name would be taken for the first, and its turns for those already there.
        if !self.ids.insert(id.clone()) {
            let got = id.map_or_else(|| "a second without any".to_owned(), |id| format!("{:?} again", excerpt(&id)));
            return Err(Problem::new(fields.place_of("sample_id"), "a `sample_id` of its own", got));
        }
        Ok((id, scope, talk, fields))
    }

    /// The id of a turn, or one in its place that no other turn of the conversation has.
    fn unique(
        &mut self,
        id: Option<String>,
        ids: &mut HashMap<String, u64>,
        session: u64,
        position: usize,
        place: &Place,
    ) -> String {
        let wanted = match id {
            Some(id) => id,
            None => format!("session_{session}/{position}"),
        };
        // How often an id was given is counted, so that a file of equal ids takes no longer than another.
        let mut count = *ids.entry(wanted.clone()).and_modify(|count| *count += 1).or_insert(1);
        if count == 1 {
            return wanted;
        }
        let mut numbered = format!("{wanted}#{count}");
        while ids.contains_key(&numbered) {
            count += 1;
            numbered = format!("{wanted}#{count}");
        }
        ids.insert(wanted.clone(), count);
        ids.insert(numbered.clone(), 1);
        let text = format!("the id {:?} was given before and is stored as {:?}", excerpt(&wanted), excerpt(&numbered));
        self.report.note(place.clone(), text);
        numbered
    }

    fn questions(&mut self, rest: &mut Fields) -> Result<Vec<Question>, ImportError> {
        let place = rest.place_of("qa");
        let list = match rest.take("qa") {
            None | Some(Value::Null) => Ok(Vec::new()),
            Some(Value::Array(list)) => Ok(list),
            Some(other) => Err(Problem::new(place.clone(), "an array of questions", json::describe(&other))),
        };
        let mut questions = Vec::new();
        for (index, value) in self.report.keep(list)?.unwrap_or_default().into_iter().enumerate() {
            let question = question(talk_place(&place, &index.to_string()), value);
            questions.extend(self.report.keep(question)?);
        }
        Ok(questions)
    }
}

/// The place of a member of the value at `place`. Keys of sessions and indices need no escape.
fn talk_place(place: &Place, member: &str) -> Place {
    match place {
        Place::Pointer(pointer) => Place::Pointer(format!("{pointer}/{member}")),
        place => place.clone(),
    }
}

struct Names {
    a: Option<String>,
}

impl Names {
    fn role(&self, speaker: &str, options: &Options) -> Role {
        let given = options.roles.iter().find(|(name, _)| name.eq_ignore_ascii_case(speaker)).map(|(_, role)| *role);
        let by_place = || if self.a.as_deref() == Some(speaker) { Role::User } else { Role::Assistant };
        given.or_else(|| role_of_label(speaker)).unwrap_or_else(by_place)
    }
}

fn turn(place: Place, value: Value, names: &Names, options: &Options) -> Result<(NewTurn, Option<String>), Problem> {
    let mut fields = Fields::new(place, "a turn: an object with `speaker` and `text`", value)?;
    let missing = |fields: &Fields, field: &str| Problem::new(fields.place(), format!("a string as `{field}`"), "none");
    let speaker = fields.take_name("speaker")?.ok_or_else(|| missing(&fields, "speaker"))?;
    let caption = fields.take_text("blip_caption")?.filter(|caption| !caption.trim().is_empty());
    let text = match fields.take_text("text")? {
        Some(text) => text,
        None if caption.is_some() => String::new(),
        None => return Err(missing(&fields, "text")),
    };
    let id = fields.take_name("dia_id")?;
    let mut turn = NewTurn::new(names.role(&speaker, options), text);
    turn.speaker = speaker_of(&speaker);
    turn.caption = caption;
    if let Some(url) = fields.take("img_url").filter(|url| !url.is_null()) {
        turn.metadata.insert("img_url".to_owned(), url);
    }
    Ok((turn, id))
}

fn question(place: Place, value: Value) -> Result<Question, Problem> {
    let mut fields = Fields::new(place, "a question: an object with `question` and `category`", value)?;
    let Some(question) = fields.take_text("question")? else {
        return Err(Problem::new(fields.place(), "a string as `question`", "none"));
    };
    let answer = match fields.take("answer") {
        None | Some(Value::Null) => None,
        Some(Value::String(answer)) => Some(answer),
        Some(value @ (Value::Number(_) | Value::Bool(_))) => Some(value.to_string()),
        Some(other) => return Err(fields.wrong("answer", "a string or a number", &other)),
    };
    let category = match fields.take("category") {
        Some(value) => value.as_i64().ok_or_else(|| fields.wrong("category", "a whole number", &value))?,
        None => return Err(Problem::new(fields.place(), "a whole number as `category`", "none")),
    };
    let raw = match fields.take("evidence") {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Array(raw)) => raw,
        Some(one @ Value::String(_)) => vec![one],
        Some(other) => return Err(fields.wrong("evidence", "an array of ids", &other)),
    };
    let mut evidence: Vec<String> = Vec::new();
    for id in raw.iter().filter_map(Value::as_str).flat_map(repair_evidence) {
        if !evidence.contains(&id) {
            evidence.push(id);
        }
    }
    Ok(Question { question, answer, category, evidence })
}

#[cfg(test)]
mod tests;
