//! Fields: what of a memory a condition speaks of.

use std::fmt;
use std::str::FromStr;

use super::error::cut;
use super::text::{Scanner, is_word_char, quoted};
use super::{Bounds, Filter, FilterError, Value};
use crate::{Kind, Role, SessionId, Trust};

/// What of a memory a condition speaks of.
///
/// | name | compared with | missing |
/// |---|---|---|
/// | `kind` | a [`Kind`], as its word | never |
/// | `role` | a [`Role`], as its word | for what is no turn |
/// | `speaker` | the name of who said it, a text | where no name is known |
/// | `session` | a [`SessionId`], as text | for what is no turn |
/// | `pinned` | true or false | never |
/// | `trust` | a [`Trust`], as its word; ordered from `untrusted` to `user` | never |
/// | `importance` | a number from 0 to 1, as a number of 32 bits | never |
/// | `source` | the source of its origin, a text | without an origin |
/// | `occurred_at` | a time | where it is not known |
/// | `time` | a time: `occurred_at`, or else `stored_at` | never |
/// | `stored_at` | a time | never |
/// | `metadata.a.b` | a text, a number, true, false or null | where the path leads nowhere |
///
/// As text, any other name than these is a key of the metadata, and keys with dots, spaces or signs stand in quotes:
/// `metadata."a.b"`. What is written by [`Display`](fmt::Display) always begins with `metadata.`.
///
/// ```
/// use mnemon_core::Field;
/// assert_eq!("topic".parse(), Ok(Field::metadata(["topic"])));
/// assert_eq!("metadata.kind".parse(), Ok(Field::metadata(["kind"])));
/// assert_eq!(r#"a."b.c""#.parse(), Ok(Field::metadata(["a", "b.c"])));
/// assert_eq!(Field::metadata(["a", "b.c"]).to_string(), r#"metadata.a."b.c""#);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Field {
    /// What its metadata has at the end of these keys, each leading into an object.
    Metadata(Vec<String>),
    /// [`Memory::kind`](crate::Memory::kind).
    Kind,
    /// [`Turn::role`](crate::Turn::role).
    Role,
    /// [`Turn::speaker`](crate::Turn::speaker).
    Speaker,
    /// [`Turn::session`](crate::Turn::session).
    Session,
    /// [`Memory::pinned`](crate::Memory::pinned).
    Pinned,
    /// [`Memory::trust`](crate::Memory::trust).
    Trust,
    /// [`State::importance`](crate::State::importance).
    Importance,
    /// [`Origin::source`](crate::Origin::source).
    Source,
    /// [`Memory::occurred_at`](crate::Memory::occurred_at).
    OccurredAt,
    /// [`Memory::time`](crate::Memory::time).
    Time,
    /// [`Memory::stored_at`](crate::Memory::stored_at).
    StoredAt,
}

/// What the values of a field are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Holds {
    Json,
    Text,
    Kind,
    Role,
    Session,
    Bool,
    Trust,
    Importance,
    Time,
}

/// The fields that have a name of their own.
const NAMES: [(&str, Field); 11] = [
    ("kind", Field::Kind),
    ("role", Field::Role),
    ("speaker", Field::Speaker),
    ("session", Field::Session),
    ("pinned", Field::Pinned),
    ("trust", Field::Trust),
    ("importance", Field::Importance),
    ("source", Field::Source),
    ("occurred_at", Field::OccurredAt),
    ("time", Field::Time),
    ("stored_at", Field::StoredAt),
];
const METADATA: &str = "metadata";
/// Metadata is never nested deeper.
const MAX_KEYS: usize = 100;

impl Field {
    /// What metadata has at the end of a path of keys.
    #[must_use]
    pub fn metadata<K: Into<String>>(path: impl IntoIterator<Item = K>) -> Self {
        Self::Metadata(path.into_iter().map(Into::into).collect())
    }

    /// It has this value.
    #[must_use]
    pub fn eq(self, value: impl Into<Value>) -> Filter {
        Filter::Eq(self, value.into())
    }

    /// It has not this value, or is missing.
    #[must_use]
    pub fn ne(self, value: impl Into<Value>) -> Filter {
        !self.eq(value)
    }

    /// It has one of these values.
    #[must_use]
    pub fn one_of<V: Into<Value>>(self, values: impl IntoIterator<Item = V>) -> Filter {
        Filter::In(self, values.into_iter().map(Into::into).collect())
    }

    /// It is there.
    #[must_use]
    pub fn exists(self) -> Filter {
        Filter::Exists(self)
    }

    /// It is greater than, or later than.
    #[must_use]
    pub fn gt(self, value: impl Into<Value>) -> Filter {
        Filter::Range(self, Bounds { gt: Some(value.into()), ..Bounds::default() })
    }

    /// It is as great as this, or greater.
    #[must_use]
    pub fn gte(self, value: impl Into<Value>) -> Filter {
        Filter::Range(self, Bounds { gte: Some(value.into()), ..Bounds::default() })
    }

    /// It is less than, or earlier than.
    #[must_use]
    pub fn lt(self, value: impl Into<Value>) -> Filter {
        Filter::Range(self, Bounds { lt: Some(value.into()), ..Bounds::default() })
    }

    /// It is as great as this, or less.
    #[must_use]
    pub fn lte(self, value: impl Into<Value>) -> Filter {
        Filter::Range(self, Bounds { lte: Some(value.into()), ..Bounds::default() })
    }

    pub(super) fn holds(&self) -> Holds {
        match self {
            Self::Metadata(_) => Holds::Json,
            Self::Kind => Holds::Kind,
            Self::Role => Holds::Role,
            Self::Speaker | Self::Source => Holds::Text,
            Self::Session => Holds::Session,
            Self::Pinned => Holds::Bool,
            Self::Trust => Holds::Trust,
            Self::Importance => Holds::Importance,
            Self::OccurredAt | Self::Time | Self::StoredAt => Holds::Time,
        }
    }

    /// The field of these segments, each with whether it stood in quotes.
    pub(super) fn of_segments(segments: Vec<(String, bool)>) -> Result<Self, FilterError> {
        let refused = |expected, got: &str| Err(FilterError::Field { expected, got: format!("`{}`", cut(got)) });
        let is_bare = |name: &str| segments.first().is_some_and(|(first, quoted)| !quoted && first == name);
        if is_bare(METADATA) {
            if segments.len() < 2 {
                return refused("a key behind `metadata.`", METADATA);
            }
            return Ok(Self::metadata(segments.into_iter().skip(1).map(|(key, _)| key)));
        }
        match NAMES.iter().find(|(name, _)| is_bare(name)) {
            Some((_, field)) if segments.len() == 1 => Ok(field.clone()),
            Some((name, _)) => {
                refused("no key behind a field of the memory itself (`metadata.` before it makes it a key)", name)
            }
            None => Ok(Self::metadata(segments.into_iter().map(|(key, _)| key))),
        }
    }

    pub(super) fn check_path(&self) -> Result<(), FilterError> {
        match self {
            Self::Metadata(path) if path.is_empty() || path.len() > MAX_KEYS => {
                Err(FilterError::Field { expected: "1 to 100 keys behind `metadata.`", got: path.len().to_string() })
            }
            _ => Ok(()),
        }
    }

    /// Whether the field can ever have this value.
    pub(super) fn check_value(&self, value: &Value) -> Result<(), FilterError> {
        self.check_path()?;
        let (fits, expected) = match (self.holds(), value) {
            (Holds::Json, value) => (
                value.is_json(),
                "a text, a number that JSON can hold, true, false or null (only fields of the memory itself are times)",
            ),
            (Holds::Text, value) => (matches!(value, Value::Text(_)), "a text"),
            (Holds::Kind, value) => (value.word::<Kind>().is_some(), "turn, fact, note, document or summary"),
            (Holds::Role, value) => (value.word::<Role>().is_some(), "user, assistant, system or tool"),
            (Holds::Session, value) => (value.word::<SessionId>().is_some(), "the id of a session"),
            (Holds::Bool, value) => (matches!(value, Value::Bool(_)), "true or false"),
            (Holds::Trust, value) => (value.word::<Trust>().is_some(), TRUST),
            (Holds::Importance, value) => (value.as_f32().is_some(), "a number"),
            (Holds::Time, value) => (matches!(value, Value::Time(_)), TIME),
        };
        self.refuse_unless(fits, expected, value)
    }

    /// Whether the field can be ordered, and the bounds are of its type.
    pub(super) fn check_bounds(&self, bounds: &Bounds) -> Result<(), FilterError> {
        self.check_path()?;
        if bounds.given().next().is_none() {
            return Err(FilterError::Value {
                field: self.to_string(),
                expected: "at least one bound",
                got: "none".to_owned(),
            });
        }
        for (_, bound) in bounds.given() {
            self.check_bound(bound)?;
        }
        Ok(())
    }

    pub(super) fn check_bound(&self, bound: &Value) -> Result<(), FilterError> {
        let (fits, expected) = match self.holds() {
            Holds::Json | Holds::Importance => (bound.as_f32().is_some(), "a number as a bound"),
            Holds::Trust => (bound.word::<Trust>().is_some(), TRUST),
            Holds::Time => (matches!(bound, Value::Time(_)), TIME),
            _ => (false, "no bounds, because it has no order"),
        };
        self.refuse_unless(fits, expected, bound)
    }

    fn refuse_unless(&self, fits: bool, expected: &'static str, got: &Value) -> Result<(), FilterError> {
        if fits {
            Ok(())
        } else {
            Err(FilterError::Value { field: self.to_string(), expected, got: cut(&got.to_string()) })
        }
    }
}

const TRUST: &str = "untrusted, external, assistant or user";
pub(super) const TIME: &str = "a time such as 2025-03-02, 2025-03-02T18:05 or 2025-03-02T18:05:00Z";

impl FromStr for Field {
    type Err = FilterError;

    /// Reads a name. More is allowed than in a line of text: what stands between two dots is one key, spaces and all.
    fn from_str(name: &str) -> Result<Self, FilterError> {
        let refused = |expected| FilterError::Field { expected, got: format!("`{}`", cut(name)) };
        let mut segments = Vec::new();
        let mut scanner = Scanner::new(name);
        loop {
            segments.push(match scanner.peek() {
                Some('"') => (scanner.quoted().map_err(|_| refused("a text in quotes that ends"))?, true),
                _ => match scanner.take_while(|c| c != '.' && c != '"') {
                    "" => return Err(refused("names with dots between them")),
                    word => (word.to_owned(), false),
                },
            });
            match scanner.peek() {
                None => return Self::of_segments(segments),
                Some('.') => scanner.skip(),
                Some(_) => return Err(refused("names with dots between them")),
            }
        }
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Metadata(path) = self else {
            let name = NAMES.iter().find(|(_, field)| field == self).map_or("", |(name, _)| name);
            return f.write_str(name);
        };
        f.write_str(METADATA)?;
        for key in path {
            let is_bare = !key.is_empty() && key.chars().all(is_word_char);
            if is_bare { write!(f, ".{key}")? } else { write!(f, ".{}", quoted(key))? }
        }
        Ok(())
    }
}
