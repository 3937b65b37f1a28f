//! The order of roles that every provider accepts, and how a choice of messages is brought into it.

use mnemon_core::Role;
use serde::{Deserialize, Serialize};

use crate::{Message, MessageKind, Unit, UnitKind};

/// A conversation that some provider would refuse.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[error("expected {expected} at message {position}, got {got}")]
pub struct OrderError {
    /// Which message.
    pub position: usize,
    /// What the rule asks for.
    pub expected: String,
    /// What is there.
    pub got: String,
}

/// Checks the rule that holds after every strategy. It is what OpenAI, Anthropic and strict chat templates of open models
/// accept, without that an adapter has to merge or reorder turns:
///
/// 1. No message is empty: it has text or, of the assistant, tool calls.
/// 2. Messages of the system may stand anywhere, but not between a call and its results; the rest of the rule is about
///    the others alone.
/// 3. The first is the person's.
/// 4. No two messages of the person, and no two of the assistant, follow each other.
/// 5. Calls are followed at once by their results, each call by one, and there is no other result. At the very end
///    results may still be missing: the agent is about to send them.
///
/// After results either may speak. (For Anthropic results are content of a turn of the person: an adapter puts them and a
/// text of the person that follows into one turn, as each client of that API does. Several results in a row are one turn
/// there too.)
///
/// # Errors
/// The first message that breaks it.
pub fn check_order(messages: &[Message]) -> Result<(), OrderError> {
    let mut before: Option<Role> = None;
    let mut pending: Vec<&str> = Vec::new();
    for (position, message) in messages.iter().enumerate() {
        let wrong = |expected: &str, got: &str| {
            Err(OrderError { position, expected: expected.to_owned(), got: got.to_owned() })
        };
        if message.is_empty() || (!message.tool_calls.is_empty() && message.role != Role::Assistant) {
            return wrong("a message that says something", "an empty one");
        }
        if message.role == Role::Tool {
            let call = message.tool_call_id.as_deref().unwrap_or_default();
            let Some(place) = pending.iter().position(|id| *id == call) else {
                return wrong("the result of a call right before it", "a result without its call");
            };
            pending.remove(place);
            before = Some(Role::Tool);
            continue;
        }
        if !pending.is_empty() {
            return wrong("the result of a tool call", message.role.as_str());
        }
        if message.role == Role::System {
            continue;
        }
        if before.is_none() && message.role != Role::User {
            return wrong("the person to begin", message.role.as_str());
        }
        if before == Some(message.role) {
            return wrong("another role than before", message.role.as_str());
        }
        pending = message.tool_calls.iter().map(|call| call.id.as_str()).collect();
        before = Some(message.role);
    }
    Ok(())
}

/// Stands first where the person's words before an answer were left out.
const OPENING: &str = "[Earlier messages were left out.]";
/// Stands between a summary, or what is critical, and other words of the same role.
const BRIDGE: &str = "Understood.";
/// Stands for a result without text.
const NO_OUTPUT: &str = "[no output]";

/// Something that goes into the new conversation: a unit of the old one, or a message made for it.
pub(crate) enum Piece<'a> {
    Old(&'a Unit),
    New(Box<Message>, Vec<usize>),
}

/// A message of the new conversation, and the positions of the old messages that are in it word for word, or that it
/// summarises.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Placed {
    pub(crate) message: Message,
    pub(crate) origins: Vec<usize>,
}

/// Writes pieces in their order so that [`check_order`] holds: neighbours of one role become one message, a bridge is
/// put where a summary would meet one, and calls and results without each other become text.
pub(crate) fn arrange<'a>(messages: &[Message], pieces: impl IntoIterator<Item = Piece<'a>>) -> Vec<Placed> {
    let mut out = Arranged::default();
    let mut open: Option<&Unit> = None;
    for piece in pieces {
        match piece {
            Piece::New(message, origins) => out.say(*message, origins),
            Piece::Old(unit) if unit.kind == UnitKind::Open => open = Some(unit),
            Piece::Old(unit) => out.place(messages, unit),
        }
    }
    // Messages of the system that came after open calls stand before them.
    if let Some(unit) = open {
        out.place(messages, unit);
    }
    out.placed
}

#[derive(Default)]
struct Arranged {
    placed: Vec<Placed>,
    /// The last that is not the system's.
    last: Option<usize>,
}

impl Arranged {
    fn place(&mut self, messages: &[Message], unit: &Unit) {
        let mut members = unit.members.iter().filter_map(|&at| messages.get(at).map(|message| (at, message)));
        let Some((at, first)) = members.next() else { return };
        let mut first = first.clone();
        match unit.kind {
            UnitKind::Nothing => {}
            UnitKind::System => {
                calls_to_text(&mut first, |_| true);
                self.placed.push(Placed { message: first, origins: vec![at] });
            }
            UnitKind::Said | UnitKind::Summary => {
                // Calls are the assistant's; nobody else's can be sent.
                if first.role != Role::Assistant {
                    calls_to_text(&mut first, |_| true);
                }
                self.say(first, vec![at]);
            }
            UnitKind::Orphan => {
                let tool = first.name.take().unwrap_or_else(|| "a tool".to_owned());
                let content = format!("[Result of {tool}]\n{}", first.content);
                self.say(Message { role: Role::User, content, tool_call_id: None, ..first }, vec![at]);
            }
            UnitKind::Exchange | UnitKind::Open => {
                let results: Vec<(usize, Message)> = members.map(|(at, message)| (at, message.clone())).collect();
                if unit.kind == UnitKind::Exchange {
                    let mut answered: Vec<&str> =
                        results.iter().filter_map(|(_, result)| result.tool_call_id.as_deref()).collect();
                    calls_to_text(&mut first, |id| match answered.iter().position(|answer| *answer == id) {
                        Some(place) => {
                            answered.remove(place);
                            false
                        }
                        None => true,
                    });
                }
                self.say(first, vec![at]);
                for (at, mut result) in results {
                    calls_to_text(&mut result, |_| true);
                    if result.is_empty() {
                        result.content = NO_OUTPUT.to_owned();
                    }
                    self.last = Some(self.placed.len());
                    self.placed.push(Placed { message: result, origins: vec![at] });
                }
            }
        }
    }

    /// Adds a message of the person or the assistant.
    fn say(&mut self, message: Message, origins: Vec<usize>) {
        let last = self.last;
        match last.and_then(|last| self.placed.get_mut(last)) {
            None if message.role == Role::Assistant => self.bridge(Role::User, OPENING),
            Some(before) if before.message.role == message.role => {
                // What is critical does not make another message so by standing beside it.
                let same = before.message.critical == message.critical;
                if same && before.message.is_said() && message.is_said() {
                    before.origins.extend(origins);
                    let calls = !message.tool_calls.is_empty();
                    merge(&mut before.message, message);
                    // Messages of the system after it would come between the calls and their results.
                    if let Some(last) = last.filter(|_| calls) {
                        let before = self.placed.remove(last);
                        self.last = Some(self.placed.len());
                        self.placed.push(before);
                    }
                    return;
                }
                let other = if message.role == Role::User { Role::Assistant } else { Role::User };
                self.bridge(other, BRIDGE);
            }
            _ => {}
        }
        self.last = Some(self.placed.len());
        self.placed.push(Placed { message, origins });
    }

    fn bridge(&mut self, role: Role, content: &str) {
        let message = Message { kind: MessageKind::Bridge, ..Message::new(role, content) };
        self.last = Some(self.placed.len());
        self.placed.push(Placed { message, origins: Vec::new() });
    }
}

/// Turns the calls that cannot be sent into text.
fn calls_to_text(message: &mut Message, mut is_broken: impl FnMut(&str) -> bool) {
    let mut lines = Vec::new();
    message.tool_calls.retain(|call| {
        let broken = is_broken(&call.id);
        if broken {
            lines.push(format!("[Called {} with {}; no result came]", call.name, call.arguments));
        }
        !broken
    });
    if !lines.is_empty() {
        join(&mut message.content, &lines.join("\n"));
    }
}

/// Puts the second message at the end of the first. Speakers who differ are named in the text.
fn merge(into: &mut Message, next: Message) {
    let mut text = next.content;
    if into.name != next.name {
        if let Some(name) = into.name.take() {
            into.content = format!("{name}: {}", into.content);
        }
        if let Some(name) = next.name
            && !text.trim().is_empty()
        {
            text = format!("{name}: {text}");
        }
    }
    join(&mut into.content, &text);
    into.tool_calls.extend(next.tool_calls);
    into.priority = into.priority.max(next.priority);
    into.id = into.id.take().or(next.id);
    into.at = into.at.or(next.at);
    for (key, value) in next.metadata {
        into.metadata.entry(key).or_insert(value);
    }
}

fn join(into: &mut String, text: &str) {
    if !into.trim().is_empty() && !text.trim().is_empty() {
        into.push_str("\n\n");
    }
    into.push_str(text);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units;

    /// Arranges all units, and shows each message as role and text.
    #[track_caller]
    fn check(messages: &[Message], expected: &[&str]) {
        let units = units(messages);
        let placed = arrange(messages, units.iter().map(Piece::Old));
        let arranged: Vec<Message> = placed.iter().map(|placed| placed.message.clone()).collect();
        let shown: Vec<String> =
            arranged.iter().map(|m| format!("{}: {}{}", m.role, m.content, "()".repeat(m.tool_calls.len()))).collect();
        assert_eq!(shown, expected);
        check_order(&arranged).unwrap();
    }

    #[test]
    fn a_good_conversation_stays_as_it_is() {
        check(
            &[
                Message::system("s"),
                Message::user("u"),
                Message::assistant("").calling("a", "f", "{}"),
                Message::tool("a", "1"),
                Message::assistant("x"),
                Message::user("v"),
            ],
            &["system: s", "user: u", "assistant: ()", "tool: 1", "assistant: x", "user: v"],
        );
    }

    #[test]
    fn a_bad_one_is_mended() {
        check(&[Message::assistant("x")], &["user: [Earlier messages were left out.]", "assistant: x"]);
        check(
            &[Message::user("u").named("Ann"), Message::system("s"), Message::user("v").named("Bob")],
            &["user: Ann: u\n\nBob: v", "system: s"],
        );
        // What is critical stays so alone: joined with it, the other would never leave.
        check(
            &[Message::user("u").critical(), Message::user("v"), Message::user("w")],
            &["user: u", "assistant: Understood.", "user: v\n\nw"],
        );
        check(&[Message::tool("a", "1").named("f")], &["user: [Result of f]\n1"]);
        check(
            &[
                Message::user("u"),
                Message::assistant("").calling("a", "f", "{}").calling("b", "g", "{}"),
                Message::system("s"),
                Message::tool("b", ""),
                Message::user("v"),
            ],
            &[
                "user: u",
                "assistant: [Called f with {}; no result came]()",
                "tool: [no output]",
                "system: s",
                "user: v",
            ],
        );
        // The agent is about to answer.
        check(
            &[Message::user("u"), Message::assistant("").calling("a", "f", "{}"), Message::system("s")],
            &["user: u", "system: s", "assistant: ()"],
        );
    }

    #[test]
    fn every_clause_of_the_rule_is_checked() {
        let call = || Message::assistant("").calling("a", "f", "{}");
        let cases: [(&[Message], usize); 8] = [
            (&[Message::user("")], 0),
            (&[Message::assistant("x")], 0),
            (&[Message::user("u"), Message::user("v")], 1),
            (&[Message::user("u"), Message::assistant("x"), Message::system("s"), Message::assistant("y")], 3),
            (&[Message::user("u"), Message::tool("a", "1")], 1),
            (&[Message::user("u"), call(), Message::user("v")], 2),
            (&[Message::user("u"), call(), Message::system("s"), Message::tool("a", "1")], 2),
            (&[Message::user("u"), call(), Message::tool("a", "1"), Message::tool("a", "1")], 3),
        ];
        for (messages, position) in cases {
            assert_eq!(check_order(messages).unwrap_err().position, position, "{messages:?}");
        }
        check_order(&[]).unwrap();
        check_order(&[Message::user("u"), call(), Message::tool("a", "1"), Message::user("v")]).unwrap();
    }
}
