//! OpenAI's shape: a list of messages of the system, the user, the assistant and tools.

use mnemon::{Role, TokenCounter};
use mnemon_compact::{Compacted, Message};

use super::content::Content;
use super::raw::{Fields, Reader, array, object, quoted};
use super::{Chat, ChatError, Piece};

/// The fields that a new message gets of its own.
const KNOWN: [&str; 7] = ["role", "content", "name", "tool_calls", "tool_call_id", "function_call", "refusal"];

/// Reads every message as one.
pub(super) fn read<'a>(chat: &mut Chat<'a>, reader: Reader<'a>, counter: &dyn TokenCounter) -> Result<(), ChatError> {
    // The calls of `function_call` have no ids: a message of the role `function` answers the one before it.
    let mut called: Option<String> = None;
    for (place, source) in chat.sources.iter().enumerate() {
        let path = format!("messages[{place}]");
        let fields = &source.fields;
        let role = reader.field(fields, "role", source.raw, &path)?;
        let role = match role.as_str() {
            "system" | "developer" => Role::System,
            "user" => Role::User,
            "assistant" => Role::Assistant,
            "tool" | "function" => Role::Tool,
            got => {
                let expected = "system, developer, user, assistant, tool or function".to_owned();
                return Err(reader.shape(source.raw, &format!("{path}.role"), expected, format!("{got:?}")));
            }
        };
        let content = Content::read(fields.get("content"), &format!("{path}.content"), reader)?;
        let mut message = Message::new(role, content.words(counter));
        let string =
            |name: &str| fields.get(name).map(|value| reader.string(value, &format!("{path}.{name}"))).transpose();
        message.name = string("name")?;
        let mut content = content;
        let mut calls = Vec::new();
        match role {
            Role::Assistant => {
                if let Some(refusal) = string("refusal")?.filter(|_| message.content.is_empty()) {
                    message.content.clone_from(&refusal);
                    content = Content::Text(refusal);
                }
                if let Some(audio) = fields.get("audio").filter(|_| message.content.is_empty()) {
                    let audio = reader.object(audio, &format!("{path}.audio"))?;
                    let said = audio.get("transcript").and_then(|said| serde_json::from_str::<String>(said.get()).ok());
                    message.content = said.unwrap_or_else(|| "[sound]".to_owned());
                }
                if let Some(list) = fields.get("tool_calls") {
                    for (at, call) in reader.array(list, &format!("{path}.tool_calls"))?.into_iter().enumerate() {
                        message = read_call(message, reader, call, &format!("{path}.tool_calls[{at}]"))?;
                        calls.push(call);
                    }
                }
                called = None;
                if let Some(call) = fields.get("function_call") {
                    let path = format!("{path}.function_call");
                    let function = reader.object(call, &path)?;
                    let id = format!("function_call {place}");
                    message = message.calling(
                        id.clone(),
                        reader.field(&function, "name", call, &path)?,
                        reader.field(&function, "arguments", call, &path)?,
                    );
                    calls.push(call);
                    called = Some(id);
                }
            }
            Role::Tool if fields.get("tool_call_id").is_none() => message.tool_call_id = called.take(),
            Role::Tool => message.tool_call_id = Some(reader.field(fields, "tool_call_id", source.raw, &path)?),
            _ => {}
        }
        chat.pieces.push(Piece { source: Some(place), content, block: None, calls });
        chat.messages.push(message);
    }
    Ok(())
}

fn read_call<'a>(
    message: Message,
    reader: Reader<'a>,
    call: &'a serde_json::value::RawValue,
    path: &str,
) -> Result<Message, ChatError> {
    let fields = reader.object(call, path)?;
    let id = reader.field(&fields, "id", call, path)?;
    // A custom tool gets a text in place of arguments.
    let (kind, input) = if fields.get("custom").is_some() { ("custom", "input") } else { ("function", "arguments") };
    let path = format!("{path}.{kind}");
    let function: Fields<'a> = match fields.get(kind) {
        Some(function) => reader.object(function, &path)?,
        None => return Err(reader.shape(call, &path, "an object".to_owned(), "nothing".to_owned())),
    };
    let name = reader.field(&function, "name", call, &path)?;
    Ok(message.calling(id, name, reader.field(&function, input, call, &path)?))
}

/// Every message as one.
pub(super) fn write(chat: &Chat<'_>, compacted: &Compacted) -> Vec<String> {
    let places = compacted.messages.iter().zip(&compacted.origins);
    places.map(|(out, origins)| write_one(chat, out, origins)).collect()
}

fn write_one(chat: &Chat<'_>, out: &Message, origins: &[usize]) -> String {
    let source = |at: usize| chat.pieces.get(at)?.source;
    if let Some(source) = chat.unchanged(out, origins).and_then(source).and_then(|source| chat.sources.get(source)) {
        return source.raw.get().to_owned();
    }
    let turn = chat.turn(out, origins);
    let content = if !turn.is_text && !turn.parts.is_empty() {
        array(&turn.parts.iter().map(super::turn::NewPart::json).collect::<Vec<_>>())
    } else if out.content.trim().is_empty() {
        "null".to_owned()
    } else {
        quoted(&out.content)
    };
    let mut fields = vec![("role", quoted(out.role.as_str())), ("content", content)];
    if let Some(name) = &out.name {
        fields.push(("name", quoted(name)));
    }
    let calls: Vec<String> = turn.calls.iter().map(|call| call.get().to_owned()).collect();
    // A call of the old kind has no id.
    match turn.calls.as_slice() {
        [] => {}
        [call] if !Fields::is_with(call, "id") => fields.push(("function_call", call.get().to_owned())),
        _ => fields.push(("tool_calls", array(&calls))),
    }
    if out.kind == mnemon_compact::MessageKind::Said {
        fields.extend(chat.other_fields(origins.iter().copied().filter_map(source), &KNOWN));
    }
    object(fields)
}
