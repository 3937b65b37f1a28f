//! The model: what a scope has to hold after the operations on it, and how what is found differs from that.

use mnemon::{Kind, MemoryId, Role};
use serde::{Deserialize, Serialize};

use crate::operation::{Noted, Operation, Spoken};

/// A memory as the model knows it, or as it was found.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Record {
    /// Its id; `None` in the model while nobody has said it.
    pub(crate) id: Option<MemoryId>,
    /// What it is.
    pub(crate) kind: Kind,
    /// Who speaks, of a turn.
    pub(crate) role: Option<Role>,
    /// The name of its session, of a turn.
    pub(crate) session: Option<String>,
    /// Its text.
    pub(crate) text: String,
    /// The mark in its metadata.
    pub(crate) mark: Option<u64>,
    /// Whether it is pinned.
    pub(crate) pinned: bool,
    /// Whether it holds up to a time that is over.
    pub(crate) expired: bool,
    /// Whether it ended: another one took its place.
    pub(crate) ended: bool,
    /// Whether it is active in the window of its session.
    pub(crate) in_window: bool,
    /// In the model: whether every passage must have its vector. As found: whether it does.
    pub(crate) embedded: bool,
}

impl Record {
    fn spoken(session: &str, turn: &Spoken, in_window: bool, embedded: bool) -> Self {
        let (kind, role, session) = (Kind::Turn, Some(turn.role), Some(session.to_owned()));
        let text = turn.text.clone();
        let (id, mark, pinned, expired, ended) = (None, None, false, false, false);
        Self { id, kind, role, session, text, mark, pinned, expired, ended, in_window, embedded }
    }

    fn noted(memory: &Noted, embedded: bool) -> Self {
        let (kind, pinned, text) = (memory.kind, memory.pinned, memory.text.clone());
        let (id, role, session, mark) = (None, None, None, Some(memory.mark));
        let (expired, ended, in_window) = (false, false, false);
        Self { id, kind, role, session, text, mark, pinned, expired, ended, in_window, embedded }
    }

    /// Whether what was found is this, its window aside.
    fn is(&self, found: &Self) -> bool {
        (self.id.is_none() || self.id == found.id)
            && (self.kind, self.role, self.mark, self.pinned) == (found.kind, found.role, found.mark, found.pinned)
            && (&self.session, &self.text) == (&found.session, &found.text)
            && (self.expired, self.ended) == (found.expired, found.ended)
            && (found.embedded || !self.embedded)
    }
}

/// What an operation said when it returned.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct Done {
    /// The ids of what was added, in order.
    pub(crate) ids: Vec<MemoryId>,
    /// How many turns left the window.
    pub(crate) moved: usize,
    /// Whether a model was there, so that what was written has vectors.
    pub(crate) embedded: bool,
    /// Whether an index was saved.
    #[serde(default)]
    pub(crate) saved: bool,
    /// What ended because others say the same: the one that goes on, then the one that ended.
    #[serde(default)]
    pub(crate) merged: Vec<(MemoryId, MemoryId)>,
    /// What was found to be damaged.
    #[serde(default)]
    pub(crate) damage: Option<String>,
}

/// The memories of a scope, in the order in which they were stored.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Room {
    /// In that order.
    pub(crate) records: Vec<Record>,
}

/// Which of the operations that never returned were done nevertheless.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Settled {
    /// The scope as it was found.
    pub(crate) room: Room,
    /// One entry for each of them.
    pub(crate) done: Vec<bool>,
}

impl Room {
    /// Carries an operation out. Without [`Done`] it is one whose return nobody saw.
    pub(crate) fn apply(&mut self, operation: &Operation, done: Option<&Done>) {
        let first = self.records.len();
        let embedded = done.is_some_and(|done| done.embedded);
        match operation {
            Operation::Say { session, turns } => {
                self.records.extend(turns.iter().map(|turn| Record::spoken(session, turn, true, embedded)));
                let in_window = |record: &&mut Record| record.in_window && record.session.as_ref() == Some(session);
                // The default policy takes the oldest ones.
                let moved = done.map_or(0, |done| done.moved);
                self.records.iter_mut().filter(in_window).take(moved).for_each(|record| record.in_window = false);
            }
            Operation::Add { memories } => {
                self.records.extend(memories.iter().map(|memory| Record::noted(memory, embedded)));
            }
            Operation::Change { id, text, mark, pinned } => {
                if let Some(record) = self.record_mut(*id) {
                    record.mark = mark.or(record.mark);
                    record.pinned = pinned.unwrap_or(record.pinned);
                    if let Some(text) = text {
                        record.text.clone_from(text);
                        record.embedded = embedded;
                    }
                }
            }
            Operation::Delete { id } => self.records.retain(|record| record.id != Some(*id)),
            Operation::Clear => self.records.clear(),
            Operation::Import { name, turns, memories } => {
                self.records.extend(turns.iter().map(|turn| Record::spoken(name, turn, false, false)));
                self.records.extend(memories.iter().map(|memory| Record::noted(memory, false)));
            }
            Operation::Expire { id } => {
                self.record_mut(*id).into_iter().for_each(|record| record.expired = true);
            }
            Operation::Forget => {
                self.records.retain(|record| !record.expired || record.pinned || record.in_window);
            }
            Operation::Supersede { old, .. } => {
                self.record_mut(*old).into_iter().for_each(|record| record.ended = true);
            }
            Operation::Merge => {
                for (_, ended) in done.iter().flat_map(|done| &done.merged) {
                    self.record_mut(*ended).into_iter().for_each(|record| record.ended = true);
                }
            }
            Operation::Erase { ids } => {
                self.records.retain(|record| !record.id.is_some_and(|id| ids.contains(&id)));
            }
            Operation::EraseSession { session } => {
                self.records.retain(|record| record.session.as_ref() != Some(session));
            }
            Operation::Begin | Operation::Maintain | Operation::Ask { .. } | Operation::Backup | Operation::Check => {}
        }
        if let Some(done) = done {
            let new = self.records.get_mut(first..).into_iter().flatten();
            new.zip(&done.ids).for_each(|(record, id)| record.id = Some(*id));
            // An import embeds at its end; both do it for all that waits.
            if embedded && matches!(operation, Operation::Import { .. } | Operation::Maintain) {
                self.records.iter_mut().for_each(|record| record.embedded = true);
            }
        }
    }

    fn record_mut(&mut self, id: MemoryId) -> Option<&mut Record> {
        self.records.iter_mut().find(|record| record.id == Some(id))
    }

    /// Compares with what was found. Each of `open` is an operation that never returned, in their order: it has to be done
    /// as a whole or not at all.
    ///
    /// # Errors
    /// What differs, seen from the nearest state that could be.
    pub(crate) fn settle(&self, open: &[Operation], found: &[Record]) -> Result<Settled, String> {
        // Hardly ever more than one; the fewest first.
        let mut choices: Vec<u32> = (0..1 << open.len().min(8)).collect();
        choices.sort_by_key(|choice| choice.count_ones());
        let mut nearest: Option<(usize, String)> = None;
        for choice in choices {
            let mut room = self.clone();
            let chosen = open.iter().enumerate().filter(|(place, _)| choice >> place & 1 == 1);
            let mut spoken = Vec::new();
            for (_, operation) in chosen {
                room.apply(operation, None);
                if let Operation::Say { session, .. } = operation {
                    spoken.push(session.as_str());
                }
            }
            match room.differs(&spoken, found) {
                None => {
                    // What must be embedded stays so; what was found to be embedded without need is luck.
                    let mut records = found.to_vec();
                    for (record, expected) in records.iter_mut().zip(&room.records) {
                        record.embedded = expected.embedded;
                    }
                    let done = (0..open.len()).map(|place| choice >> place & 1 == 1).collect();
                    return Ok(Settled { room: Self { records }, done });
                }
                Some((count, text)) if nearest.as_ref().is_none_or(|(least, _)| count < *least) => {
                    nearest = Some((count, text));
                }
                Some(_) => {}
            }
        }
        Err(nearest.map_or_else(|| "no state was possible".to_owned(), |(_, text)| text))
    }

    /// How much differs and what first. Of the sessions in `spoken` any number of the oldest turns may have left the
    /// window.
    fn differs(&self, spoken: &[&str], found: &[Record]) -> Option<(usize, String)> {
        let mut problems = Vec::new();
        let same = |expected: &&Record| found.iter().any(|found| found.text == expected.text);
        let lost: Vec<&Record> = self.records.iter().filter(|record| !same(record)).collect();
        let expected = |found: &&Record| self.records.iter().any(|record| record.text == found.text);
        let strange: Vec<&Record> = found.iter().filter(|record| !expected(record)).collect();
        problems.extend(lost.iter().map(|record| format!("lost: {}", short(record))));
        problems.extend(strange.iter().map(|record| format!("nobody stored: {}", short(record))));
        if problems.is_empty() && self.records.len() != found.len() {
            problems.push(format!("{} memories where {} were stored", found.len(), self.records.len()));
        }
        if problems.is_empty() {
            let pairs = || self.records.iter().zip(found);
            problems.extend(
                pairs()
                    .filter(|(expected, found)| !expected.is(found))
                    .map(|(expected, found)| format!("expected {}, found {}", short(expected), short(found))),
            );
            let differ = pairs().filter(|(expected, found)| expected.in_window != found.in_window);
            let is_free = |record: &Record| record.session.as_deref().is_some_and(|name| spoken.contains(&name));
            // The oldest turns of a window may have left it, but neither all of them nor any behind one that stayed.
            let moved_wrongly = |(expected, record): &(&Record, &Record)| {
                let stays = |other: &&Record| other.session == record.session && other.in_window;
                let before = found.iter().take_while(|other| other.id != record.id).any(|other| stays(&other));
                !(is_free(expected) && expected.in_window && !before && found.iter().any(|other| stays(&other)))
            };
            problems.extend(
                differ
                    .filter(moved_wrongly)
                    .map(|(expected, found)| format!("window: expected {}, found {}", short(expected), short(found))),
            );
        }
        let count = problems.len();
        (count > 0).then(|| {
            problems.truncate(4);
            (count, format!("{count} differences: {}", problems.join("; ")))
        })
    }
}

fn short(record: &Record) -> String {
    let place = match (&record.session, record.in_window) {
        (Some(session), true) => format!(" in the window of {session:?}"),
        (Some(session), false) => format!(" of {session:?}"),
        (None, _) => String::new(),
    };
    let text: String = record.text.chars().take(60).collect();
    let id = record.id.map_or_else(|| "?".to_owned(), |id| id.to_string());
    let (mark, pinned) = (record.mark, if record.pinned { " pinned" } else { "" });
    let (expired, ended) = (if record.expired { " expired" } else { "" }, if record.ended { " ended" } else { "" });
    let embedded = if record.embedded { " embedded" } else { "" };
    format!("{} {id} {text:?}{place} mark {mark:?}{pinned}{expired}{ended}{embedded}", record.kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn say(texts: [&str; 2]) -> Operation {
        let turns = texts.map(|text| Spoken { role: Role::User, text: text.into() }).into();
        Operation::Say { session: "s".into(), turns }
    }

    fn room(operations: &[Operation]) -> Room {
        let mut room = Room::default();
        operations.iter().for_each(|operation| room.apply(operation, None));
        room
    }

    #[test]
    fn an_exchange_is_there_as_a_whole_or_not_at_all() {
        let (first, second) = (say(["a", "b"]), say(["c", "d"]));
        let base = room(std::slice::from_ref(&first));
        let both = room(&[first, second.clone()]).records;
        let open = [second];
        assert_eq!(base.settle(&open, &base.records).unwrap().done, [false]);
        assert_eq!(base.settle(&open, &both).unwrap().done, [true]);
        assert!(base.settle(&open, &both[..3]).unwrap_err().contains("differences"));
        assert!(base.settle(&[], &both).is_err());
        assert!(base.settle(&open, &both[..1]).unwrap_err().contains("lost"));
        let mut changed = both.clone();
        changed[0].text = "e".into();
        assert!(base.settle(&open, &changed).is_err());
        let mut swapped = both;
        swapped.swap(0, 1);
        assert!(base.settle(&open, &swapped).is_err());
    }

    #[test]
    fn the_oldest_turns_leave_the_window_and_no_others() {
        let (first, second) = (say(["a", "b"]), say(["c", "d"]));
        let base = room(std::slice::from_ref(&first));
        let mut found = room(&[first, second.clone()]).records;
        for (place, id) in found.iter_mut().zip(1..) {
            place.id = Some(MemoryId::from_bytes([id; 16]));
        }
        found[0].in_window = false;
        assert!(base.settle(std::slice::from_ref(&second), &found).is_ok());
        // Without an operation under way nothing leaves.
        assert!(base.settle(&[], &found[..2]).is_err());
        (found[0].in_window, found[1].in_window) = (true, false);
        assert!(base.settle(&[second], &found).is_err());
    }

    #[test]
    fn a_vector_that_was_promised_is_missed() {
        let mut base = room(&[say(["a", "b"])]);
        base.records[1].embedded = true;
        let mut found = base.records.clone();
        assert!(base.settle(&[], &found).is_ok());
        found[1].embedded = false;
        assert!(base.settle(&[], &found).is_err());
    }
}
