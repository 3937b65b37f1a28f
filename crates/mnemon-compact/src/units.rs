//! What stays together: a message, or the calls of tools with their results.

use std::ops::Range;

use mnemon_core::Role;

use crate::{Message, MessageKind};

/// Messages that are kept, dropped or summarised together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unit {
    /// Their positions, ascending. A message of the system may stand between them.
    pub members: Vec<usize>,
    /// What they are.
    pub kind: UnitKind,
    /// Whether they have to be kept.
    pub is_protected: bool,
}

/// What the messages of a unit are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum UnitKind {
    /// Instructions.
    System,
    /// One message of the person or the model.
    Said,
    /// A message of the model that calls tools, and the results as far as they came before anybody else spoke.
    Exchange,
    /// The same at the very end, with results still to come. It has to be kept, and stays last.
    Open,
    /// A result without its call.
    Orphan,
    /// A summary of an earlier compaction.
    Summary,
    /// What compaction wrote to make roles alternate, or a message that says nothing. Always dropped.
    Nothing,
}

impl Unit {
    /// Where it begins.
    #[must_use]
    pub fn start(&self) -> usize {
        self.members.first().copied().unwrap_or(0)
    }
}

/// Splits a conversation into units, in the order of their first messages. Each message is in exactly one.
///
/// A result belongs to the nearest calls before it when no message of the person or the model stands between, it names
/// one of them, and no result before it does. Anything else that says it is a result is an orphan.
#[must_use]
pub fn units(messages: &[Message]) -> Vec<Unit> {
    let mut units: Vec<Unit> = Vec::new();
    // The unit whose calls can still be answered, and the calls.
    let mut waiting: Option<(usize, Vec<&str>)> = None;
    for (position, message) in messages.iter().enumerate() {
        let kind = match message.role {
            _ if message.kind == MessageKind::Bridge => UnitKind::Nothing,
            Role::Tool => {
                let call = message.tool_call_id.as_deref();
                if let Some((unit, calls)) = &mut waiting
                    && let Some(place) = calls.iter().position(|id| Some(*id) == call)
                {
                    calls.remove(place);
                    if let Some(unit) = units.get_mut(*unit) {
                        unit.members.push(position);
                        unit.is_protected |= message.critical;
                    }
                    continue;
                }
                if message.is_empty() { UnitKind::Nothing } else { UnitKind::Orphan }
            }
            _ if message.is_empty() => UnitKind::Nothing,
            Role::System => UnitKind::System,
            _ => {
                waiting = None;
                match (message.role, message.tool_calls.is_empty(), &message.kind) {
                    (Role::Assistant, false, _) => UnitKind::Exchange,
                    (_, _, MessageKind::Summary(_)) => UnitKind::Summary,
                    _ => UnitKind::Said,
                }
            }
        };
        if kind == UnitKind::Exchange {
            let calls = message.tool_calls.iter().map(|call| call.id.as_str()).collect();
            waiting = Some((units.len(), calls));
        }
        let is_protected = message.is_protected() && kind != UnitKind::Nothing;
        units.push(Unit { members: vec![position], kind, is_protected });
    }
    if let Some((place, calls)) = waiting
        && !calls.is_empty()
        && let Some(unit) = units.get_mut(place)
    {
        unit.kind = UnitKind::Open;
        unit.is_protected = true;
    }
    units
}

/// Ascending positions as ranges.
pub(crate) fn ranges(positions: impl IntoIterator<Item = usize>) -> Vec<Range<usize>> {
    let mut ranges: Vec<Range<usize>> = Vec::new();
    for position in positions {
        match ranges.last_mut() {
            Some(last) if last.end == position => last.end += 1,
            _ => ranges.push(position..position + 1),
        }
    }
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(messages: &[Message], expected: &[(&[usize], UnitKind)]) {
        let found = units(messages);
        let found: Vec<_> = found.iter().map(|unit| (unit.members.as_slice(), unit.kind)).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn results_stay_with_their_calls() {
        let call = || Message::assistant("").calling("a", "f", "{}").calling("b", "g", "{}");
        check(
            &[Message::user("hi"), call(), Message::tool("b", "2"), Message::system("s"), Message::tool("a", "1")],
            &[(&[0], UnitKind::Said), (&[1, 2, 4], UnitKind::Exchange), (&[3], UnitKind::System)],
        );
        // Answered twice, answered too late, never called.
        check(
            &[call(), Message::tool("a", "1"), Message::tool("a", "1"), Message::user("x"), Message::tool("b", "2")],
            &[
                (&[0, 1], UnitKind::Exchange),
                (&[2], UnitKind::Orphan),
                (&[3], UnitKind::Said),
                (&[4], UnitKind::Orphan),
            ],
        );
        check(
            &[Message::user("hi"), call(), Message::tool("a", "1")],
            &[(&[0], UnitKind::Said), (&[1, 2], UnitKind::Open)],
        );
        check(&[Message::user(" "), Message::tool("c", "")], &[(&[0], UnitKind::Nothing), (&[1], UnitKind::Nothing)]);
    }

    #[test]
    fn a_critical_result_protects_its_call() {
        let found = units(&[
            Message::assistant("").calling("a", "f", "{}"),
            Message::tool("a", "1").critical(),
            Message::system(""),
            Message::system("be kind"),
        ]);
        assert_eq!(found.iter().map(|unit| unit.is_protected).collect::<Vec<_>>(), [true, false, true]);
    }

    #[test]
    fn ranges_join_neighbours() {
        assert_eq!(ranges([0, 1, 4, 5, 6, 9]), [0..2, 4..7, 9..10]);
        assert_eq!(ranges([]), []);
    }
}
