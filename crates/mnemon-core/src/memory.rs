//! Memories: what is remembered, and what is known about it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{MemoryId, Scope, SessionId, Slot, State, Trust};

/// What a user knows about a memory beside its text: any JSON object.
pub type Metadata = serde_json::Map<String, serde_json::Value>;

/// A word that is none of those expected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected a {what} ({expected}), got {got:?}")]
pub struct ParseWordError {
    pub(crate) what: &'static str,
    pub(crate) expected: String,
    pub(crate) got: String,
}

/// An enum that is written as one word in files, rows and on command lines, and as a small number in the store.
macro_rules! words {
    ($name:ident, $what:literal, { $($variant:ident = $code:literal $word:literal),+ $(,)? }) => {
        impl $name {
            /// Every value, in the order of their codes.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The word for it.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }

            /// The number that stands for it in a database. It never changes.
            #[must_use]
            pub fn code(self) -> i64 {
                match self { $(Self::$variant => $code),+ }
            }

            /// The value of a number that [`Self::code`] gave.
            #[must_use]
            pub fn from_code(code: i64) -> Option<Self> {
                match code { $($code => Some(Self::$variant),)+ _ => None }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::ParseWordError;

            fn from_str(s: &str) -> Result<Self, $crate::ParseWordError> {
                match s.trim().to_ascii_lowercase().as_str() {
                    $($word => Ok(Self::$variant),)+
                    _ => Err($crate::ParseWordError {
                        what: $what,
                        expected: [$($word),+].join(", "),
                        got: s.chars().take(80).collect(),
                    }),
                }
            }
        }
    };
}

pub(crate) use words;

/// What kind of thing is remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Kind {
    /// What one speaker said at one point of a conversation.
    Turn,
    /// Something that holds, such as a preference or a date of birth.
    Fact,
    /// Anything else that somebody wanted to be remembered.
    Note,
    /// A text from outside of the conversation.
    Document,
    /// What stands for several turns or summaries.
    Summary,
}

words!(Kind, "kind of memory", {
    Turn = 1 "turn", Fact = 2 "fact", Note = 3 "note", Document = 4 "document", Summary = 5 "summary",
});

/// Who speaks, as language models name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Role {
    /// The person.
    User,
    /// The model.
    Assistant,
    /// Whoever wrote the instructions.
    System,
    /// A tool that answers the model.
    Tool,
}

words!(Role, "role", { User = 1 "user", Assistant = 2 "assistant", System = 3 "system", Tool = 4 "tool" });

/// Where a turn is *active* for packing: in exactly one of two places. It is stored and findable in both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Placement {
    /// Recalled when it is relevant.
    LongTerm,
    /// Part of the window of recent turns of its session.
    Window,
}

words!(Placement, "placement", { LongTerm = 0 "long_term", Window = 1 "window" });

/// What only a turn has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Turn {
    /// The conversation that it is part of.
    pub session: SessionId,
    /// Its place in that conversation, from 0, without gaps when it was written.
    pub position: u32,
    /// Who speaks, as a language model names it.
    pub role: Role,
    /// Who speaks, by name, where the name is known.
    pub speaker: Option<String>,
    /// Where it is active for packing.
    pub placement: Placement,
}

/// By which path a memory came. With [`Memory::speaker`], [`Memory::origin`], [`Memory::time`] and [`Memory::stored_at`]
/// its provenance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Via {
    /// It was part of a conversation that the engine followed.
    Observed,
    /// Somebody added it by hand or by a program.
    Added,
    /// It came from a source that has a name: a file, another engine.
    Imported,
    /// It was made out of other memories.
    Derived,
}

words!(Via, "way of a memory", { Observed = 1 "observed", Added = 2 "added", Imported = 3 "imported", Derived = 4 "derived" });

/// Where a memory came from, so that importing the same thing twice stores it once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The source, such as `locomo:conv-26` or `file:notes.md`.
    pub source: String,
    /// The name of this piece inside the source, such as `D1:3`.
    pub id: String,
}

/// One thing that is remembered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Memory {
    /// Its identity.
    pub id: MemoryId,
    /// Whose it is.
    pub scope: Scope,
    /// What it is.
    pub kind: Kind,
    /// What is remembered, exactly as it was given.
    pub text: String,
    /// What an attachment shows (a picture, say), in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caption: Option<String>,
    /// Present exactly when `kind` is [`Kind::Turn`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub turn: Option<Turn>,
    /// Pinned memories are part of every context.
    pub pinned: bool,
    /// How much it should stay in the window, for the priority policy. 1 is normal.
    pub priority: f32,
    /// Whatever else the user knows about it.
    #[serde(default, skip_serializing_if = "Metadata::is_empty")]
    pub metadata: Metadata,
    /// Where it came from, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
    /// When it happened or was said, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub occurred_at: Option<Timestamp>,
    /// When it was stored.
    pub stored_at: Timestamp,
    /// When its text or metadata last changed.
    pub updated_at: Timestamp,
    /// How far it may be believed.
    pub trust: Trust,
    /// How much it matters, how long it holds, how it was used.
    #[serde(default, skip_serializing_if = "State::is_default")]
    pub state: State,
}

impl Memory {
    /// The time that a reader would give it: when it happened, else when it was stored.
    #[must_use]
    pub fn time(&self) -> Timestamp {
        self.occurred_at.unwrap_or(self.stored_at)
    }

    /// By which path it came.
    #[must_use]
    pub fn via(&self) -> Via {
        match (&self.origin, self.kind) {
            (Some(_), _) => Via::Imported,
            (None, Kind::Turn) => Via::Observed,
            (None, Kind::Summary) => Via::Derived,
            (None, _) => Via::Added,
        }
    }

    /// The name to show for who said it: the speaker, else the role.
    #[must_use]
    pub fn speaker(&self) -> Option<&str> {
        self.turn.as_ref().map(|turn| turn.speaker.as_deref().unwrap_or(turn.role.as_str()))
    }
}

/// A memory that is about to be stored.
#[derive(Debug, Clone, PartialEq)]
pub struct NewMemory {
    /// What it is. A [`Kind::Turn`] is written as a [`NewTurn`] instead, because it needs a session.
    pub kind: Kind,
    /// What is to be remembered.
    pub text: String,
    /// What an attachment shows, in words.
    pub caption: Option<String>,
    /// Whether it is part of every context.
    pub pinned: bool,
    /// How much it should stay in the window: 1 is normal, infinity keeps it there, NaN is refused.
    pub priority: f32,
    /// Whatever else is known about it.
    pub metadata: Metadata,
    /// Where it came from.
    pub origin: Option<Origin>,
    /// When it happened.
    pub occurred_at: Option<Timestamp>,
    /// How far it may be believed, where that is not as [`Trust::of`] says. What a tool said is never believed more.
    pub trust: Option<Trust>,
    /// How much it matters, how long it holds.
    pub state: State,
}

impl NewMemory {
    /// A memory of this kind and text, and nothing else known about it.
    #[must_use]
    pub fn new(kind: Kind, text: impl Into<String>) -> Self {
        Self {
            kind,
            text: text.into(),
            caption: None,
            pinned: false,
            priority: 1.0,
            metadata: Metadata::new(),
            origin: None,
            occurred_at: None,
            trust: None,
            state: State::default(),
        }
    }

    /// The same, pinned or not.
    #[must_use]
    pub fn pinned(self, pinned: bool) -> Self {
        Self { pinned, ..self }
    }

    /// The same, with metadata.
    #[must_use]
    pub fn with_metadata(self, metadata: Metadata) -> Self {
        Self { metadata, ..self }
    }

    /// The same, having happened at this time.
    #[must_use]
    pub fn at(self, occurred_at: Timestamp) -> Self {
        Self { occurred_at: Some(occurred_at), ..self }
    }

    /// The same, with its origin.
    #[must_use]
    pub fn from_origin(self, source: impl Into<String>, id: impl Into<String>) -> Self {
        Self { origin: Some(Origin { source: source.into(), id: id.into() }), ..self }
    }

    /// The same, believed so far.
    #[must_use]
    pub fn trusted(self, trust: Trust) -> Self {
        Self { trust: Some(trust), ..self }
    }

    /// The same, with an importance from 0 (of none) to 1 (never forgotten); 0.5 is normal.
    #[must_use]
    pub fn important(self, importance: f32) -> Self {
        Self { state: State { importance, ..self.state }, ..self }
    }

    /// The same, not found any more from this time on.
    #[must_use]
    pub fn expires_at(self, time: Timestamp) -> Self {
        Self { state: State { expires_at: Some(time), ..self.state }, ..self }
    }
}

/// A turn that is about to be stored in a session.
#[derive(Debug, Clone, PartialEq)]
pub struct NewTurn {
    /// Who speaks, as a language model names it.
    pub role: Role,
    /// Who speaks, by name.
    pub speaker: Option<String>,
    /// What was said.
    pub text: String,
    /// What an attachment shows, in words.
    pub caption: Option<String>,
    /// How much it should stay in the window: 1 is normal, infinity keeps it there, NaN is refused.
    pub priority: f32,
    /// Whatever else is known about it.
    pub metadata: Metadata,
    /// Where it came from.
    pub origin: Option<Origin>,
    /// When it was said.
    pub occurred_at: Option<Timestamp>,
    /// How far it may be believed, where that is not as [`Trust::of`] says. What a tool said is never believed more.
    pub trust: Option<Trust>,
    /// How much it matters, how long it holds.
    pub state: State,
}

impl NewMemory {
    /// The same, about a slot of a subject: it supersedes the memory that was about it before.
    #[must_use]
    pub fn about(self, subject: impl Into<String>, slot: impl Into<String>) -> Self {
        Self { state: State { about: Some(Slot::new(subject, slot)), ..self.state }, ..self }
    }
}

impl NewTurn {
    /// A turn of this role and text, and nothing else known about it.
    #[must_use]
    pub fn new(role: Role, text: impl Into<String>) -> Self {
        Self {
            role,
            speaker: None,
            text: text.into(),
            caption: None,
            priority: 1.0,
            metadata: Metadata::new(),
            origin: None,
            occurred_at: None,
            trust: None,
            state: State::default(),
        }
    }

    /// The same, said by somebody with this name.
    #[must_use]
    pub fn by(self, speaker: impl Into<String>) -> Self {
        Self { speaker: Some(speaker.into()), ..self }
    }

    /// The same, said at this time.
    #[must_use]
    pub fn at(self, occurred_at: Timestamp) -> Self {
        Self { occurred_at: Some(occurred_at), ..self }
    }

    /// The same, with another priority.
    #[must_use]
    pub fn with_priority(self, priority: f32) -> Self {
        Self { priority, ..self }
    }

    /// The same, with its origin.
    #[must_use]
    pub fn from_origin(self, source: impl Into<String>, id: impl Into<String>) -> Self {
        Self { origin: Some(Origin { source: source.into(), id: id.into() }), ..self }
    }

    /// The same, believed so far.
    #[must_use]
    pub fn trusted(self, trust: Trust) -> Self {
        Self { trust: Some(trust), ..self }
    }

    /// The same, with an importance from 0 (of none) to 1 (never forgotten); 0.5 is normal.
    #[must_use]
    pub fn important(self, importance: f32) -> Self {
        Self { state: State { importance, ..self.state }, ..self }
    }

    /// The same, not found any more from this time on.
    #[must_use]
    pub fn expires_at(self, time: Timestamp) -> Self {
        Self { state: State { expires_at: Some(time), ..self.state }, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_codes_name_the_same_values() {
        for kind in Kind::ALL {
            assert_eq!(kind.as_str().parse(), Ok(*kind));
            assert_eq!(Kind::from_code(kind.code()), Some(*kind));
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
        }
        for role in Role::ALL {
            assert_eq!(Role::from_code(role.code()), Some(*role));
            assert_eq!(serde_json::to_value(role).unwrap(), role.as_str());
        }
        for placement in Placement::ALL {
            assert_eq!(Placement::from_code(placement.code()), Some(*placement));
        }
        assert_eq!(Kind::from_code(0), None);
        assert_eq!(
            "poem".parse::<Kind>().unwrap_err().to_string(),
            "expected a kind of memory (turn, fact, note, document, summary), got \"poem\""
        );
    }
}
