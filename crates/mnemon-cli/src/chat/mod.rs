//! Chat messages as JSON, in the shape of OpenAI and in that of Anthropic: read for compaction, and written again.
//!
//! What is kept goes out as the very text that came in, fields and parts that nobody here knows included. Only what
//! compaction writes is new: summaries, and turns that became one because what stood between them left.

mod anthropic;
mod content;
mod cost;
mod error;
mod openai;
mod raw;
#[cfg(test)]
mod tests;
mod turn;

use std::collections::BTreeSet;

use clap::ValueEnum;
use mnemon::TokenCounter;
use mnemon_compact::{Compacted, Message, MessageKind, Method, Quality, SummaryMeta};
use serde::Serialize;
use serde_json::value::RawValue;

pub(crate) use cost::{ChatCounter, without_marks};
pub(crate) use error::ChatError;

use content::Content;
use raw::{Fields, Reader, quoted};

/// Whose messages they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Shape {
    /// Chat completions of OpenAI, and of all that speak as it does
    #[value(name = "openai")]
    OpenAi,
    /// Messages of Anthropic
    Anthropic,
}

/// A conversation of chat messages, and what it was read from.
#[derive(Debug)]
pub(crate) struct Chat<'a> {
    pub(crate) shape: Shape,
    /// The messages as compaction knows them. In Anthropic's shape a JSON message can be several of them.
    pub(crate) messages: Vec<Message>,
    /// Where each of them is from.
    pieces: Vec<Piece<'a>>,
    /// The JSON messages.
    sources: Vec<Source<'a>>,
    /// The object around them; `None` where there is only the array.
    envelope: Option<Fields<'a>>,
}

/// A JSON message.
#[derive(Debug)]
struct Source<'a> {
    raw: &'a RawValue,
    fields: Fields<'a>,
    /// Whether it can go out as it came in when all of it is kept: its parts are in an order that its provider accepts.
    is_sound: bool,
}

/// What a message of compaction is of a JSON message.
#[derive(Debug)]
struct Piece<'a> {
    /// Which; `None` for the instructions beside the messages.
    source: Option<usize>,
    content: Content<'a>,
    /// Of a result in Anthropic's shape the part that it is; what it says is in `content`.
    block: Option<&'a RawValue>,
    /// The calls, as they stand beside the content.
    calls: Vec<&'a RawValue>,
}

impl<'a> Chat<'a> {
    /// Whether a text is meant to be chat messages: an object with `messages`, or an array whose first element has a
    /// `role`.
    pub(crate) fn is_in(text: &str) -> bool {
        let reader = Reader { name: "", text };
        let Ok(whole) = reader.whole() else { return false };
        if let Ok(object) = reader.object(whole, "") {
            return object.get("messages").is_some();
        }
        let first = reader.array(whole, "").ok().and_then(|values| values.first().copied());
        first.and_then(|first| reader.object(first, "").ok()).is_some_and(|object| object.get("role").is_some())
    }

    /// Reads a conversation; without a shape it is told by what only one of them has. `name` is what errors call it.
    ///
    /// # Errors
    /// Where it is no JSON, or something else than its shape asks for.
    pub(crate) fn read(
        text: &'a str,
        name: &'a str,
        shape: Option<Shape>,
        counter: &dyn TokenCounter,
    ) -> Result<Self, ChatError> {
        let reader = Reader { name, text };
        let whole = reader.whole()?;
        let (envelope, list) = if whole.get().starts_with('[') {
            (None, whole)
        } else if whole.get().starts_with('{') {
            let object = reader.object(whole, "the whole file")?;
            let Some(list) = object.get("messages") else {
                let expected = "an array of messages, or an object with \"messages\"".to_owned();
                return Err(reader.shape(whole, "the whole file", expected, "an object without".to_owned()));
            };
            (Some(object), list)
        } else {
            return Err(reader.wrong(whole, "the whole file", "an array of messages, or an object with \"messages\""));
        };
        let mut sources = Vec::new();
        for (at, raw) in reader.array(list, "messages")?.into_iter().enumerate() {
            let fields = reader.object(raw, &format!("messages[{at}]"))?;
            sources.push(Source { raw, fields, is_sound: true });
        }
        let shape = match shape {
            Some(shape) => shape,
            None => Self::shape_of(envelope.as_ref(), &sources),
        };
        let mut chat = Self { shape, messages: Vec::new(), pieces: Vec::new(), sources, envelope };
        match shape {
            Shape::OpenAi => openai::read(&mut chat, reader, counter)?,
            Shape::Anthropic => anthropic::read(&mut chat, reader, counter)?,
        }
        chat.name();
        chat.know_again();
        Ok(chat)
    }

    /// How many JSON messages there are.
    pub(crate) fn len(&self) -> usize {
        self.sources.len()
    }

    /// Marks a JSON message, by its place from 0, as one that stays.
    pub(crate) fn keep(&mut self, place: usize) {
        for (message, piece) in self.messages.iter_mut().zip(&self.pieces) {
            message.critical |= piece.source == Some(place);
        }
    }

    /// The JSON messages, by their places from 0, that these messages of compaction are of.
    pub(crate) fn places(&self, messages: impl IntoIterator<Item = usize>) -> BTreeSet<usize> {
        messages.into_iter().filter_map(|at| self.pieces.get(at)?.source).collect()
    }

    /// The compacted conversation in the shape of this one, one message a line, and how many messages there are.
    pub(crate) fn write(&self, compacted: &Compacted) -> (String, usize) {
        let messages = match self.shape {
            Shape::OpenAi => openai::write(self, compacted),
            Shape::Anthropic => anthropic::write(self, compacted),
        };
        (self.in_envelope(&messages), messages.len())
    }

    fn in_envelope(&self, messages: &[String]) -> String {
        let list = |indent: &str| match messages {
            [] => "[]".to_owned(),
            _ => format!("[\n{indent}  {}\n{indent}]", messages.join(&format!(",\n{indent}  "))),
        };
        let Some(envelope) = &self.envelope else { return format!("{}\n", list("")) };
        let fields: Vec<String> = envelope
            .iter()
            .map(|(name, value)| match name {
                "messages" => format!("  {}: {}", quoted(name), list("  ")),
                _ => format!("  {}: {}", quoted(name), value.get()),
            })
            .collect();
        format!("{{\n{}\n}}\n", fields.join(",\n"))
    }

    /// What only one of the shapes has decides. Where there is nothing of that kind they are the same.
    fn shape_of(envelope: Option<&Fields<'a>>, sources: &[Source<'a>]) -> Shape {
        const OPENAI_ROLES: [&str; 4] = ["\"system\"", "\"developer\"", "\"tool\"", "\"function\""];
        const OPENAI_FIELDS: [&str; 4] = ["tool_calls", "function_call", "tool_call_id", "refusal"];
        const OPENAI_PARTS: [&str; 4] = ["\"image_url\"", "\"input_audio\"", "\"file\"", "\"refusal\""];
        if envelope.is_some_and(|envelope| envelope.get("system").is_some()) {
            return Shape::Anthropic;
        }
        for source in sources {
            let is_one_of =
                |value: Option<&RawValue>, words: &[&str]| value.is_some_and(|value| words.contains(&value.get()));
            if is_one_of(source.fields.get("role"), &OPENAI_ROLES)
                || OPENAI_FIELDS.iter().any(|field| source.fields.get(field).is_some())
            {
                return Shape::OpenAi;
            }
            let parts: Vec<Fields<'_>> = source
                .fields
                .get("content")
                .and_then(|content| serde_json::from_str(content.get()).ok())
                .unwrap_or_default();
            for part in parts {
                let kind = part.get("type");
                if is_one_of(kind, &OPENAI_PARTS) {
                    return Shape::OpenAi;
                }
                if kind.is_some_and(|kind| kind.get() != "\"text\"") || part.get("cache_control").is_some() {
                    return Shape::Anthropic;
                }
            }
        }
        Shape::OpenAi
    }

    /// Gives the first message of each JSON message the id of that, or else its place from 0: summaries list them.
    fn name(&mut self) {
        let mut before = None;
        for (message, piece) in self.messages.iter_mut().zip(&self.pieces) {
            if let Some((place, source)) = piece.source.and_then(|at| Some((at, self.sources.get(at)?)))
                && before != Some(place)
            {
                let own = source.fields.get("id").and_then(|id| serde_json::from_str::<String>(id.get()).ok());
                message.id = Some(own.unwrap_or_else(|| place.to_string()));
                before = Some(place);
            }
        }
    }

    /// Summaries of an earlier compaction, and the words that it put between turns, are known by their text, so that
    /// summaries are summarised again as what they are.
    fn know_again(&mut self) {
        let mut is_after_summary = false;
        for message in &mut self.messages {
            let is_text = without_marks(&message.content).len() == message.content.len();
            let is_plain = is_text && message.tool_calls.is_empty() && message.tool_call_id.is_none();
            let covered = summary_head(&message.content).filter(|_| is_plain && message.role == mnemon::Role::User);
            if let Some(messages) = covered {
                message.kind = MessageKind::Summary(Box::new(SummaryMeta {
                    ids: Vec::new(),
                    ranges: Vec::new(),
                    messages,
                    from: None,
                    until: None,
                    tokens_before: 0,
                    tokens_after: 0,
                    method: Method::Extractive,
                    fallback: None,
                    quality: Quality::default(),
                    depth: 1,
                }));
            } else if is_plain
                && ((is_after_summary && message.role == mnemon::Role::Assistant && message.content == BRIDGE)
                    || (message.role == mnemon::Role::User && message.content == OPENING))
            {
                message.kind = MessageKind::Bridge;
            }
            is_after_summary = covered.is_some();
        }
    }
}

/// What `mnemon_compact` puts between a summary and a turn of the person.
const BRIDGE: &str = "Understood.";
/// What it puts first where an answer would be.
const OPENING: &str = "[Earlier messages were left out.]";

/// For how many messages a summary says that it stands.
fn summary_head(content: &str) -> Option<usize> {
    let (count, _) = content.strip_prefix("[Summary of ")?.split_once(" earlier messages]\n")?;
    count.parse().ok()
}
