//! What a writer does: random operations over everything that writes.

use mnemon::{Kind, MemoryId, Role};
use serde::{Deserialize, Serialize};

use crate::random::Random;

/// One call that writes, or may write.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum Operation {
    /// Turns of one exchange, in one call: all or none.
    Say {
        /// The name of the session.
        session: String,
        /// What was said.
        turns: Vec<Spoken>,
    },
    /// Memories that are no turns: all or none.
    Add {
        /// What is noted.
        memories: Vec<Noted>,
    },
    /// Another text, mark or pin for a memory.
    Change {
        /// Which.
        id: MemoryId,
        /// Another text.
        text: Option<String>,
        /// Another mark in its metadata.
        mark: Option<u64>,
        /// Pinned or not.
        pinned: Option<bool>,
    },
    /// One memory is deleted.
    Delete {
        /// Which.
        id: MemoryId,
    },
    /// The whole scope is.
    Clear,
    /// A conversation from a file, small enough to be stored in one transaction.
    Import {
        /// Its session, and its source.
        name: String,
        /// What was said.
        turns: Vec<Spoken>,
        /// What is noted beside.
        memories: Vec<Noted>,
    },
    /// A session without a name and without turns.
    Begin,
    /// What waits is embedded, graphs are built, indexes are saved.
    Maintain,
    /// A question. It changes no memory; the next turn stores which were read.
    Ask {
        /// The question.
        text: String,
    },
    /// A memory does not hold any more from a time on that is over.
    Expire {
        /// Which.
        id: MemoryId,
    },
    /// What has expired is deleted, unless it is pinned or stands in a window.
    Forget,
    /// One memory takes the place of another.
    Supersede {
        /// The one that ends.
        old: MemoryId,
        /// The one that goes on.
        new: MemoryId,
    },
    /// Memories that say the same become one.
    Merge,
    /// Memories are erased: all or none.
    Erase {
        /// Which.
        ids: Vec<MemoryId>,
    },
    /// A session is erased with its turns.
    EraseSession {
        /// Its name.
        session: String,
    },
    /// The file is copied, in place of the copy before.
    Backup,
    /// The whole file is checked.
    Check,
}

/// A turn.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Spoken {
    /// Who speaks.
    pub(crate) role: Role,
    /// What is said.
    pub(crate) text: String,
}

/// A memory that is no turn.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Noted {
    /// What it is.
    pub(crate) kind: Kind,
    /// What is noted.
    pub(crate) text: String,
    /// A mark in its metadata.
    pub(crate) mark: u64,
    /// Pinned or not.
    pub(crate) pinned: bool,
}

/// Thinks of operations on one scope. No text comes twice.
#[derive(Debug)]
pub(crate) struct Author {
    random: Random,
    name: String,
    serial: u64,
    repertoire: Repertoire,
}

/// What an author thinks of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Repertoire {
    /// What is written every day.
    Daily,
    /// Forgetting, erasing, copying and checking too.
    Wide,
    /// And texts that come twice, and are merged.
    Widest,
}

const WORDS: [&str; 40] = [
    "heron",
    "plover",
    "turnstone",
    "curlew",
    "estuary",
    "ferry",
    "tram",
    "boiler",
    "peanut",
    "tomato",
    "garden",
    "daughter",
    "birthday",
    "allergy",
    "doctor",
    "passport",
    "invoice",
    "budget",
    "deadline",
    "kernel",
    "sqlite",
    "branch",
    "review",
    "harbour",
    "lantern",
    "violin",
    "monday",
    "friday",
    "march",
    "october",
    "paris",
    "tokyo",
    "lisbon",
    "coffee",
    "bicycle",
    "window",
    "cellar",
    "orchard",
    "雨が降る",
    "鳥を見る",
];
const SESSIONS: u64 = 2;
/// A scope that is larger is cleared, or memories are deleted more often.
const ENOUGH: usize = 150;

impl Author {
    /// An author for a scope; the name makes its texts differ from those of others.
    #[must_use]
    pub(crate) fn new(name: impl Into<String>, random: Random) -> Self {
        Self { random, name: name.into(), serial: 0, repertoire: Repertoire::Daily }
    }

    /// The same author, who forgets, erases, copies and checks too.
    #[must_use]
    pub(crate) fn who_erases(self) -> Self {
        Self { repertoire: Repertoire::Wide, ..self }
    }

    /// The same author, who does all that there is: some texts come twice.
    #[must_use]
    pub(crate) fn who_does_all(self) -> Self {
        Self { repertoire: Repertoire::Widest, ..self }
    }

    /// The next operation on a scope that holds these memories.
    pub(crate) fn next(&mut self, known: &[MemoryId]) -> Operation {
        if self.repertoire != Repertoire::Daily && self.random.percent(18) {
            return self.rare(known);
        }
        let choice = self.random.below(if known.len() > ENOUGH { 130 } else { 100 });
        let id = self.random.choose(known).copied();
        match (choice, id) {
            (0..=29, _) => {
                let session = self.session();
                let user = Spoken { role: Role::User, text: self.text() };
                let assistant = Spoken { role: Role::Assistant, text: self.text() };
                Operation::Say { session, turns: vec![user, assistant] }
            }
            (30..=37, _) => Operation::Say { session: self.session(), turns: self.turns(1, 5) },
            (38..=52, _) => Operation::Add { memories: self.memories(1, 4) },
            (53..=54, _) => {
                let text = (0..12).map(|_| self.text()).collect::<Vec<_>>().join(". ");
                Operation::Add { memories: vec![Noted { kind: Kind::Document, text, mark: 0, pinned: false }] }
            }
            (55..=69, Some(id)) => {
                let text = self.random.percent(70).then(|| self.text());
                let mark = self.random.percent(50).then(|| self.random.below(1000));
                let pinned = self.random.percent(20).then(|| self.random.percent(50));
                Operation::Change { id, text, mark, pinned }
            }
            (70..=81, Some(id)) => Operation::Delete { id },
            (82..=86, _) => {
                let (turns, memories) = (self.turns(0, 12), self.memories(1, 4));
                Operation::Import { name: format!("import {} {}", self.name, self.serial), turns, memories }
            }
            (87, _) => Operation::Begin,
            (88..=91, _) => Operation::Maintain,
            (92..=97, _) => Operation::Ask { text: self.text() },
            (98, _) | (125.., _) => Operation::Clear,
            (99..=124, Some(id)) => Operation::Delete { id },
            _ => Operation::Add { memories: self.memories(1, 4) },
        }
    }

    /// What is done now and then.
    fn rare(&mut self, known: &[MemoryId]) -> Operation {
        let choice = self.random.below(if self.repertoire == Repertoire::Widest { 26 } else { 20 });
        let (one, other) = (self.random.choose(known).copied(), self.random.choose(known).copied());
        match (choice, one, other) {
            (0..=4, Some(id), _) => Operation::Expire { id },
            (5..=7, ..) => Operation::Forget,
            (8..=11, Some(old), Some(new)) if old != new => Operation::Supersede { old, new },
            (12..=14, Some(one), Some(other)) => Operation::Erase { ids: vec![one, other] },
            (15, ..) => Operation::EraseSession { session: self.session() },
            (16..=17, ..) => Operation::Backup,
            (18..=19, ..) => Operation::Check,
            (20..=23, ..) => {
                let text = self.text();
                let noted = |mark| Noted { kind: Kind::Fact, text: text.clone(), mark, pinned: false };
                Operation::Add { memories: vec![noted(1), noted(2)] }
            }
            (24..=25, ..) => Operation::Merge,
            _ => Operation::Add { memories: self.memories(1, 4) },
        }
    }

    /// A text that nobody else has.
    pub(crate) fn text(&mut self) -> String {
        self.serial += 1;
        let mut text = format!("{} {}:", self.name, self.serial);
        // Some have more words than a passage of a turn is known by.
        let words = if self.random.percent(4) { 64 } else { 3 + self.random.below(12) };
        for _ in 0..words {
            text.push(' ');
            text.push_str(self.random.choose(&WORDS).copied().unwrap_or_default());
        }
        text
    }

    fn session(&mut self) -> String {
        format!("session {}", self.random.below(SESSIONS))
    }

    fn turns(&mut self, from: u64, to: u64) -> Vec<Spoken> {
        const ROLES: [Role; 4] = [Role::User, Role::Assistant, Role::Tool, Role::System];
        let count = from + self.random.below(to - from + 1);
        // Turns that the user does not begin would be part of the exchange before, and that could outgrow the window.
        let turn = |number| {
            let role = if number == 0 { Role::User } else { self.random.choose(&ROLES).copied().unwrap_or(Role::User) };
            Spoken { role, text: self.text() }
        };
        (0..count).map(turn).collect()
    }

    fn memories(&mut self, from: u64, to: u64) -> Vec<Noted> {
        const KINDS: [Kind; 4] = [Kind::Note, Kind::Fact, Kind::Document, Kind::Summary];
        let count = from + self.random.below(to - from + 1);
        let memory = |_| Noted {
            kind: self.random.choose(&KINDS).copied().unwrap_or(Kind::Note),
            text: self.text(),
            mark: self.random.below(1000),
            pinned: self.random.percent(10),
        };
        (0..count).map(memory).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_seed_thinks_of_everything_and_of_the_same_again() {
        let think = |seed| {
            let mut author = Author::new("ann", Random::new(seed)).who_does_all();
            let known = [MemoryId::from_bytes([1; 16]), MemoryId::from_bytes([2; 16])];
            (0..1_000).map(|_| author.next(&known)).collect::<Vec<_>>()
        };
        let operations = think(3);
        assert_eq!(operations, think(3));
        assert_ne!(operations, think(4));
        let kinds: BTreeSet<String> = operations
            .iter()
            .map(|operation| format!("{operation:?}").chars().take_while(|c| c.is_alphanumeric()).collect())
            .collect();
        let all = [
            "Add",
            "Ask",
            "Backup",
            "Begin",
            "Change",
            "Check",
            "Clear",
            "Delete",
            "Erase",
            "EraseSession",
            "Expire",
            "Forget",
            "Import",
            "Maintain",
            "Merge",
            "Say",
            "Supersede",
        ];
        assert_eq!(kinds.iter().map(String::as_str).collect::<Vec<_>>(), all);
        let mut author = Author::new("ann", Random::new(3));
        let texts: BTreeSet<String> = (0..500).map(|_| author.text()).collect();
        assert_eq!(texts.len(), 500);
    }
}
