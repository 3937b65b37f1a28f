//! What a message of compaction is made of, where it is none of those that came in.

use mnemon::Role;
use mnemon_compact::{Message, MessageKind};
use serde_json::value::RawValue;

use super::content::{Content, Part};
use super::raw::{object, quoted};
use super::{Chat, Piece};

/// A new message: what it says, out of which parts, and which calls are left in it.
pub(super) struct Turn<'c, 'a> {
    pub(super) parts: Vec<NewPart<'c, 'a>>,
    /// The calls beside the content, as they came in.
    pub(super) calls: Vec<&'a RawValue>,
    /// Whether it is made of texts alone: then it is the text that compaction gave it.
    pub(super) is_text: bool,
}

pub(super) enum NewPart<'c, 'a> {
    Text(String),
    Old(&'c Part<'a>),
}

impl<'a> NewPart<'_, 'a> {
    pub(super) fn json(&self) -> String {
        match self {
            Self::Text(text) => object([("type", quoted("text")), ("text", quoted(text))]),
            Self::Old(part) => part.raw.get().to_owned(),
        }
    }
}

impl<'a> Chat<'a> {
    /// The message that came out as it went in.
    pub(crate) fn unchanged(&self, out: &Message, origins: &[usize]) -> Option<usize> {
        let [at] = origins else { return None };
        let message = self.messages.get(*at)?;
        // A result without text gets some words for those who must see one; providers need none.
        let is_result = message.role == Role::Tool && out.role == Role::Tool;
        (is_result || message == out).then_some(*at)
    }

    /// What a changed message is made of.
    pub(super) fn turn(&self, out: &Message, origins: &[usize]) -> Turn<'_, 'a> {
        let mut turn = Turn { parts: Vec::new(), calls: Vec::new(), is_text: true };
        let old: Vec<(&Message, &Piece<'a>)> =
            origins.iter().filter_map(|&at| Some((self.messages.get(at)?, self.pieces.get(at)?))).collect();
        if out.kind != MessageKind::Said || old.is_empty() {
            turn.parts.push(NewPart::Text(out.content.clone()));
            return turn;
        }
        let are_named = old.windows(2).any(|pair| matches!(pair, [a, b] if a.0.name != b.0.name));
        let mut left = out.tool_calls.iter().peekable();
        for (message, piece) in old {
            turn.is_text &= !matches!(piece.content, Content::Parts(_));
            match &message.name {
                _ if message.role == Role::Tool => {
                    let tool = message.name.as_deref().unwrap_or("a tool");
                    turn.parts.push(NewPart::Text(format!("[Result of {tool}]")));
                }
                Some(name) if are_named => turn.parts.push(NewPart::Text(format!("{name}:"))),
                _ => {}
            }
            // Calls that nobody answered became text; those that are left stand in their order.
            let is_left: Vec<bool> =
                message.tool_calls.iter().map(|call| left.next_if(|next| *next == call).is_some()).collect();
            let notes = message.tool_calls.iter().zip(&is_left).filter(|(_, is_left)| !**is_left);
            let notes =
                notes.map(|(call, _)| format!("[Called {} with {}; no result came]", call.name, call.arguments));
            let mut notes: Vec<NewPart<'_, 'a>> = notes.map(NewPart::Text).collect();
            turn.calls.extend(piece.calls.iter().zip(&is_left).filter(|(_, is_left)| **is_left).map(|(call, _)| *call));
            match &piece.content {
                Content::Nothing => {}
                Content::Text(text) if text.trim().is_empty() => {}
                Content::Text(text) => turn.parts.push(NewPart::Text(text.clone())),
                Content::Parts(parts) => {
                    for part in parts {
                        match part.call {
                            None => turn.parts.push(NewPart::Old(part)),
                            Some(call) => {
                                // Calls come last in a turn.
                                turn.parts.append(&mut notes);
                                if is_left.get(call) == Some(&true) {
                                    turn.parts.push(NewPart::Old(part));
                                }
                            }
                        }
                    }
                }
            }
            turn.parts.append(&mut notes);
        }
        turn
    }

    /// The fields that only this program does not know, of all JSON messages that went into a new one; of those that
    /// several have that of the first.
    pub(super) fn other_fields(&self, sources: impl IntoIterator<Item = usize>, known: &[&str]) -> Vec<(&str, String)> {
        let mut fields: Vec<(&str, String)> = Vec::new();
        for source in sources.into_iter().filter_map(|source| self.sources.get(source)) {
            for (name, value) in source.fields.iter() {
                if !known.contains(&name) && !fields.iter().any(|(there, _)| *there == name) {
                    fields.push((name, value.get().to_owned()));
                }
            }
        }
        fields
    }
}
