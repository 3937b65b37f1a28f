//! Anthropic's shape: instructions beside a list of turns of the user and the assistant, in which calls and results are
//! parts of the content.

use std::collections::BTreeSet;

use mnemon::{Role, TokenCounter};
use mnemon_compact::{Compacted, Message, MessageKind};

use super::content::{Content, Part};
use super::raw::{Reader, array, object, quoted};
use super::turn::NewPart;
use super::{Chat, ChatError, Piece};

/// The fields that a new message gets of its own.
const KNOWN: [&str; 2] = ["role", "content"];

/// Reads a turn of the assistant as one message, and one of the user as a message for each result and one for the rest.
pub(super) fn read<'a>(chat: &mut Chat<'a>, reader: Reader<'a>, counter: &dyn TokenCounter) -> Result<(), ChatError> {
    if let Some(system) = chat.envelope.as_ref().and_then(|envelope| envelope.get("system")) {
        let content = Content::read(Some(system), "system", reader)?;
        chat.messages.push(Message::system(content.words(counter)));
        chat.pieces.push(Piece { source: None, content, block: None, calls: Vec::new() });
    }
    for (place, source) in chat.sources.iter_mut().enumerate() {
        let path = format!("messages[{place}]");
        let role = reader.field(&source.fields, "role", source.raw, &path)?;
        let path = format!("{path}.content");
        let content = Content::read(source.fields.get("content"), &path, reader)?;
        let mut piece = Piece { source: Some(place), content: Content::Nothing, block: None, calls: Vec::new() };
        match role.as_str() {
            "user" => {
                let Content::Parts(parts) = content else {
                    chat.messages.push(Message::user(content.words(counter)));
                    chat.pieces.push(Piece { content, ..piece });
                    continue;
                };
                let mut rest = Vec::new();
                for (at, part) in parts.into_iter().enumerate() {
                    let path = format!("{path}[{at}]");
                    if part.kind != "tool_result" {
                        no_call(&part, "tool_use", &path, reader)?;
                        rest.push(part);
                        continue;
                    }
                    // Results come first in a turn.
                    source.is_sound &= rest.is_empty();
                    let call = reader.field(&part.fields, "tool_use_id", part.raw, &path)?;
                    let content = Content::read(part.fields.get("content"), &format!("{path}.content"), reader)?;
                    chat.messages.push(Message::tool(call, content.words(counter)));
                    chat.pieces.push(Piece { source: Some(place), content, block: Some(part.raw), calls: Vec::new() });
                }
                if !rest.is_empty() {
                    piece.content = Content::Parts(rest);
                    chat.messages.push(Message::user(piece.content.words(counter)));
                    chat.pieces.push(piece);
                }
            }
            "assistant" => {
                let mut message = Message::assistant("");
                piece.content = content;
                if let Content::Parts(parts) = &mut piece.content {
                    for (at, part) in parts.iter_mut().enumerate() {
                        let path = format!("{path}[{at}]");
                        no_call(part, "tool_result", &path, reader)?;
                        if part.kind != "tool_use" {
                            continue;
                        }
                        part.call = Some(message.tool_calls.len());
                        let call = reader.field(&part.fields, "id", part.raw, &path)?;
                        let name = reader.field(&part.fields, "name", part.raw, &path)?;
                        let input = part.fields.get("input").map_or("{}", |input| input.get());
                        message = message.calling(call, name, input);
                    }
                }
                message.content = piece.content.words(counter);
                chat.messages.push(message);
                chat.pieces.push(piece);
            }
            got => {
                let path = format!("messages[{place}].role");
                return Err(reader.shape(source.raw, &path, "user or assistant".to_owned(), format!("{got:?}")));
            }
        }
    }
    Ok(())
}

fn no_call(part: &Part<'_>, kind: &str, path: &str, reader: Reader<'_>) -> Result<(), ChatError> {
    if part.kind != kind {
        return Ok(());
    }
    let (expected, got) = match kind {
        "tool_use" => ("a part of a user's turn", "a tool_use, which is the assistant's"),
        _ => ("a part of an assistant's turn", "a tool_result, which is the user's"),
    };
    Err(reader.shape(part.raw, path, expected.to_owned(), got.to_owned()))
}

/// Results and what the user says after them are one turn.
pub(super) fn write(chat: &Chat<'_>, compacted: &Compacted) -> Vec<String> {
    let mut turns: Vec<Vec<(&Message, &[usize])>> = Vec::new();
    for (out, origins) in compacted.messages.iter().zip(&compacted.origins) {
        if out.role == Role::System {
            continue;
        }
        let of_user = |role: Role| role != Role::Assistant;
        match turns.last_mut() {
            Some(turn) if turn.last().is_some_and(|(last, _)| of_user(last.role) && of_user(out.role)) => {
                turn.push((out, origins));
            }
            _ => turns.push(vec![(out, origins)]),
        }
    }
    turns.iter().map(|turn| write_turn(chat, turn)).collect()
}

fn write_turn(chat: &Chat<'_>, turn: &[(&Message, &[usize])]) -> String {
    if let Some(whole) = whole_source(chat, turn) {
        return whole;
    }
    let mut parts: Vec<NewPart<'_, '_>> = Vec::new();
    let mut results: Vec<String> = Vec::new();
    let mut text: Option<&str> = None;
    let mut sources = BTreeSet::new();
    for (out, origins) in turn {
        if out.kind == MessageKind::Said {
            sources.extend(chat.places(origins.iter().copied()));
        }
        let unchanged = chat.unchanged(out, origins).and_then(|at| chat.pieces.get(at));
        if let Some(block) = unchanged.and_then(|piece| piece.block) {
            results.push(block.get().to_owned());
            continue;
        }
        let new = chat.turn(out, origins);
        text = Some(out.content.as_str()).filter(|_| new.is_text && turn.len() == 1);
        parts.extend(new.parts);
    }
    let is_assistant = turn.iter().any(|(out, _)| out.role == Role::Assistant);
    if is_assistant && turn.iter().any(|(_, origins)| origins.len() > 1) {
        parts = thoughts_first(chat, turn, parts);
    }
    let content = match text {
        Some(text) => quoted(text),
        None => {
            results.extend(parts.iter().map(NewPart::json));
            array(&results)
        }
    };
    let role = if is_assistant { "assistant" } else { "user" };
    let mut fields = vec![("role", quoted(role)), ("content", content)];
    fields.extend(chat.other_fields(sources, &KNOWN));
    object(fields)
}

/// The JSON message that a turn is all of, as it came in.
fn whole_source(chat: &Chat<'_>, turn: &[(&Message, &[usize])]) -> Option<String> {
    let kept: Option<Vec<usize>> = turn.iter().map(|(out, origins)| chat.unchanged(out, origins)).collect();
    let kept = kept?;
    let place = chat.pieces.get(*kept.first()?)?.source?;
    let all = chat.pieces.iter().enumerate().filter(|(_, piece)| piece.source == Some(place)).map(|(at, _)| at);
    let source = chat.sources.get(place).filter(|source| source.is_sound)?;
    kept.into_iter().eq(all).then(|| source.raw.get().to_owned())
}

/// Where several turns became one, what the model thought for the last of them comes first, as the provider asks for a
/// turn whose calls it goes on with; what it thought for the others is of no more use to it.
fn thoughts_first<'c, 'a>(
    chat: &Chat<'a>,
    turn: &[(&Message, &[usize])],
    parts: Vec<NewPart<'c, 'a>>,
) -> Vec<NewPart<'c, 'a>> {
    let last = turn.last().and_then(|(_, origins)| origins.last()).and_then(|&at| chat.pieces.get(at));
    let of_last = |part: &Part<'_>| {
        last.is_some_and(|piece| piece.content.parts().iter().any(|own| std::ptr::eq(own.raw, part.raw)))
    };
    let is_thought = |part: &NewPart<'_, '_>| matches!(part, NewPart::Old(part) if part.is_thought());
    let (thoughts, rest): (Vec<_>, Vec<_>) = parts.into_iter().partition(is_thought);
    let thoughts = thoughts.into_iter().filter(|part| matches!(part, NewPart::Old(part) if of_last(part)));
    thoughts.chain(rest).collect()
}
