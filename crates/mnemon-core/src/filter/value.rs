//! Values, and how what is known compares with them.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde_json::Value as Json;

use super::Field;
use super::text::quoted;
use crate::{Kind, Memory, Metadata, Role, SessionId, Trust};

/// What a field is compared with.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Value {
    /// The `null` of JSON, which is there: not the same as a field that is missing.
    Null,
    /// True or false.
    Bool(bool),
    /// A whole number, from -2⁶³ to 2⁶⁴-1.
    Integer(i128),
    /// A floating-point number, finite.
    Float(f64),
    /// A text. Also the word of a kind, a role or a class of trust, and the id of a session.
    Text(String),
    /// A point in time.
    Time(Timestamp),
}

/// What a range lies between: bounds that all have to hold, of which at least one is given.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Bounds {
    /// Greater than this.
    pub gt: Option<Value>,
    /// This or greater.
    pub gte: Option<Value>,
    /// Less than this.
    pub lt: Option<Value>,
    /// This or less.
    pub lte: Option<Value>,
}

impl Bounds {
    /// The bounds that are given, each with the word for it: `gt`, `gte`, `lt` or `lte`.
    pub fn given(&self) -> impl Iterator<Item = (&'static str, &Value)> {
        let all = [("gt", &self.gt), ("gte", &self.gte), ("lt", &self.lt), ("lte", &self.lte)];
        all.into_iter().filter_map(|(word, bound)| Some((word, bound.as_ref()?)))
    }

    /// Whether something lies between them that compares with each so. What does not compare lies in no range.
    fn has(&self, compare: impl Fn(&Value) -> Option<Ordering>) -> bool {
        let holds = |bound: &Option<Value>, fits: fn(Ordering) -> bool| {
            bound.as_ref().is_none_or(|bound| compare(bound).is_some_and(fits))
        };
        holds(&self.gt, Ordering::is_gt)
            && holds(&self.gte, Ordering::is_ge)
            && holds(&self.lt, Ordering::is_lt)
            && holds(&self.lte, Ordering::is_le)
    }
}

impl Value {
    /// The value of this word, where it is a text and such a word.
    #[must_use]
    pub fn word<T: FromStr>(&self) -> Option<T> {
        match self {
            Self::Text(text) => text.parse().ok(),
            _ => None,
        }
    }

    /// Whether metadata can hold it.
    pub(super) fn is_json(&self) -> bool {
        match self {
            Self::Integer(number) => (i128::from(i64::MIN)..=i128::from(u64::MAX)).contains(number),
            Self::Float(number) => number.is_finite(),
            Self::Time(_) => false,
            Self::Null | Self::Bool(_) | Self::Text(_) => true,
        }
    }

    /// The number of 32 bits that is nearest, where it is a number that JSON can hold: what an importance compares with.
    #[must_use]
    pub fn as_f32(&self) -> Option<f32> {
        match self {
            Self::Integer(number) if self.is_json() => Some(*number as f32),
            Self::Float(number) if self.is_json() => Some(*number as f32),
            _ => None,
        }
    }

    /// The number of JSON, whole where it is written so.
    pub(super) fn number(number: &serde_json::Number) -> Option<Self> {
        let whole = number.as_i64().map(i128::from).or_else(|| number.as_u64().map(i128::from));
        whole.map(Self::Integer).or_else(|| number.as_f64().filter(|n| n.is_finite()).map(Self::Float))
    }
}

/// A time with an offset or zone, or a civil time or date, which is taken as UTC.
pub(super) fn time(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    let zoned = || text.parse::<jiff::Zoned>().ok().map(|zoned| zoned.timestamp());
    let civil = || TimeZone::UTC.to_timestamp(text.parse::<DateTime>().ok()?).ok();
    text.parse::<Timestamp>().ok().or_else(zoned).or_else(civil)
}

/// How a number compares with a value, exactly: no whole number is rounded on the way.
fn compare_number(number: &serde_json::Number, value: &Value) -> Option<Ordering> {
    match (Value::number(number)?, value) {
        (Value::Integer(a), Value::Integer(b)) => Some(a.cmp(b)),
        (Value::Integer(a), Value::Float(b)) => compare_whole(a, *b),
        (Value::Float(a), Value::Integer(b)) => compare_whole(*b, a).map(Ordering::reverse),
        (Value::Float(a), Value::Float(b)) => a.partial_cmp(b),
        _ => None,
    }
}

/// How a whole number compares with a floating-point one; `None` for NaN.
fn compare_whole(whole: i128, float: f64) -> Option<Ordering> {
    /// 2¹²⁷: no i128 is as great.
    const BEYOND: f64 = 170_141_183_460_469_231_731_687_303_715_884_105_728.0;
    if float.is_nan() {
        None
    } else if float >= BEYOND {
        Some(Ordering::Less)
    } else if float < -BEYOND {
        Some(Ordering::Greater)
    } else {
        // Exact: the float lies in the range of the type, and its whole part is a whole number.
        let truncated = float.trunc();
        Some(whole.cmp(&(truncated as i128)).then_with(|| truncated.total_cmp(&float)))
    }
}

/// What a memory has in a field.
#[derive(Debug, Clone, Copy)]
pub(super) enum Found<'m> {
    Json(&'m Json),
    Text(&'m str),
    Kind(Kind),
    Role(Role),
    Session(SessionId),
    Bool(bool),
    Trust(Trust),
    Importance(f32),
    Time(Timestamp),
}

impl<'m> Found<'m> {
    pub(super) fn of(field: &Field, memory: &'m Memory) -> Option<Self> {
        let turn = memory.turn.as_ref();
        Some(match field {
            Field::Metadata(path) => return Self::at(path, &memory.metadata),
            Field::Kind => Self::Kind(memory.kind),
            Field::Role => Self::Role(turn?.role),
            Field::Speaker => Self::Text(turn?.speaker.as_deref()?),
            Field::Session => Self::Session(turn?.session),
            Field::Pinned => Self::Bool(memory.pinned),
            Field::Trust => Self::Trust(memory.trust),
            Field::Importance => Self::Importance(memory.state.importance),
            Field::Source => Self::Text(&memory.origin.as_ref()?.source),
            Field::OccurredAt => Self::Time(memory.occurred_at?),
            Field::Time => Self::Time(memory.time()),
            Field::StoredAt => Self::Time(memory.stored_at),
        })
    }

    /// What stands at the end of a path, each key of which leads into an object.
    pub(super) fn at(path: &[String], metadata: &'m Metadata) -> Option<Self> {
        let (first, rest) = path.split_first()?;
        let found = rest.iter().try_fold(metadata.get(first)?, |value, key| value.as_object()?.get(key))?;
        Some(Self::Json(found))
    }

    pub(super) fn equals(self, value: &Value) -> bool {
        match (self, value) {
            (Self::Json(Json::Array(elements)), value) => elements.iter().any(|element| is_same(element, value)),
            (Self::Json(json), value) => is_same(json, value),
            (Self::Text(text), Value::Text(value)) => text == value,
            (Self::Kind(kind), value) => value.word() == Some(kind),
            (Self::Role(role), value) => value.word() == Some(role),
            (Self::Session(session), value) => value.word() == Some(session),
            (Self::Bool(found), Value::Bool(value)) => found == *value,
            (Self::Trust(trust), value) => value.word() == Some(trust),
            (Self::Importance(importance), value) => value.as_f32() == Some(importance),
            (Self::Time(time), Value::Time(value)) => time == *value,
            _ => false,
        }
    }

    pub(super) fn lies_in(self, bounds: &Bounds) -> bool {
        match self {
            Self::Json(Json::Number(number)) => bounds.has(|bound| compare_number(number, bound)),
            Self::Trust(trust) => bounds.has(|bound| Some(trust.cmp(&bound.word()?))),
            Self::Importance(importance) => bounds.has(|bound| importance.partial_cmp(&bound.as_f32()?)),
            Self::Time(time) => bounds.has(|bound| match bound {
                Value::Time(bound) => Some(time.cmp(bound)),
                _ => None,
            }),
            _ => false,
        }
    }
}

fn is_same(json: &Json, value: &Value) -> bool {
    match (json, value) {
        (Json::Null, Value::Null) => true,
        (Json::Bool(found), Value::Bool(value)) => found == value,
        (Json::String(found), Value::Text(value)) => found == value,
        (Json::Number(number), value) => compare_number(number, value) == Some(Ordering::Equal),
        _ => false,
    }
}

/// As a line of text has it.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool(value) => write!(f, "{value}"),
            Self::Integer(number) => write!(f, "{number}"),
            // With a point or an exponent, so that it is read back as what it is.
            Self::Float(number) => write!(f, "{number:?}"),
            Self::Text(text) => f.write_str(&quoted(text)),
            Self::Time(time) => write!(f, "{time}"),
        }
    }
}

macro_rules! from {
    ($($type:ty: $value:ident => $made:expr),+ $(,)?) => {
        $(impl From<$type> for Value {
            fn from($value: $type) -> Self {
                $made
            }
        })+
    };
}

from! {
    bool: value => Self::Bool(value),
    i32: value => Self::Integer(value.into()),
    i64: value => Self::Integer(value.into()),
    u32: value => Self::Integer(value.into()),
    u64: value => Self::Integer(value.into()),
    f32: value => Self::Float(value.into()),
    f64: value => Self::Float(value),
    &str: value => Self::Text(value.to_owned()),
    String: value => Self::Text(value),
    Timestamp: value => Self::Time(value),
    Kind: value => Self::Text(value.as_str().to_owned()),
    Role: value => Self::Text(value.as_str().to_owned()),
    Trust: value => Self::Text(value.as_str().to_owned()),
    SessionId: value => Self::Text(value.to_string()),
}
