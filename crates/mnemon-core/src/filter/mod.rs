//! Filters: which memories are meant, by what is known about them.

mod error;
mod field;
mod json;
mod text;
mod value;

#[cfg(test)]
mod tests;

use std::ops::Not;

use crate::{Memory, Metadata};
use value::Found;

pub use error::FilterError;
pub use field::Field;
pub use value::{Bounds, Value};

/// A condition on what is known about a memory: a small typed language, the same in lists, counts and questions.
///
/// It is built by functions, read from a line of text ([`FromStr`](std::str::FromStr)) or read from JSON
/// ([`Filter::from_json`], or serde):
///
/// ```
/// use mnemon_core::{Field, Filter, Kind};
///
/// let built = Field::metadata(["topic"]).eq("garden")
///     .and(Field::metadata(["year"]).gte(2020))
///     .and(!Field::metadata(["private"]).exists())
///     .and(Field::Kind.one_of([Kind::Fact, Kind::Note]));
/// let text = r#"topic = "garden" and year >= 2020 and not exists(private) and kind in (fact, note)"#;
/// let json = serde_json::json!({"AND": [
///     {"topic": {"eq": "garden"}}, {"year": {"gte": 2020}}, {"NOT": {"private": {"exists": true}}},
///     {"kind": {"in": ["fact", "note"]}},
/// ]});
/// assert_eq!(text.parse(), Ok(built.clone()));
/// assert_eq!(Filter::from_json(&json), Ok(built));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # What a filter means
///
/// [`Filter::matches`] defines it; a store gives exactly the same. There is no third truth value: each condition holds or
/// does not.
///
/// - A field that is **missing** (no such key, no origin, no turn) makes `eq`, `in`, a range and `exists` false, and so the
///   negation of each true.
/// - A **path** into metadata leads through objects only. What it ends at may be anything; `null` is a value that is there.
/// - `eq` and `in` compare values of one type: a text with a text, byte by byte; a bool with a bool; null with null; a
///   number with a number, by its value: 1 equals 1.0, and -0.0 equals 0. Whole numbers are compared exactly, also with
///   floating-point ones, from -2⁶³ to 2⁶⁴-1, which is what JSON holds exactly here.
/// - An **array** in metadata matches `eq` and `in` when any of its elements does (elements that are arrays do not). An
///   object equals nothing.
/// - A **range** holds for a number between its bounds, and for a time where the field is a time. It is false of anything
///   else, arrays among it.
/// - `And` of nothing is true, `Or` of nothing is false, `in` of nothing is false.
///
/// # The line of text
///
/// ```text
/// kind = fact and (topic = "garden" or tags in (garden, "house plants")) and not exists(private)
/// time >= 2025-03-02 and time < 2025-03-09T12:00:00Z and metadata."odd.key".inner != null
/// ```
///
/// `=` or `==`, `!=` or `<>` (`not` of `=`), `<`, `<=`, `>`, `>=`, `in (…)`, `not in (…)`, `exists(…)`, `not`, `and`, `or`,
/// parentheses; `not` binds closest, then `and`. A name is a field of a memory (see [`Field`]) or else a key of its
/// metadata; `metadata.` before it makes it a key in any case. Texts stand in quotes, or are a single word.
///
/// # The JSON
///
/// As mem0 and Chroma have it: `{"AND": […]}`, `{"OR": […]}`, `{"NOT": {…}}`, and `{"field": {"eq": value}}` with the
/// operators `eq`, `ne`, `in`, `nin`, `gt`, `gte`, `lt`, `lte` and `exists` (true or false). A `$` before a word is allowed,
/// `{"field": value}` stands for `eq`, and several entries of an object have to hold together.
///
/// # Limits
///
/// See [`Filter::check`]. What is read from text or JSON was checked; reading never recurses deeper than the limit. A filter
/// that was built by hand beyond the limits is refused by whoever runs it; `matches` itself recurses as deep as it is.
#[derive(Debug, Clone, PartialEq)]
pub enum Filter {
    /// The field has this value, or is an array with an element that has it.
    Eq(Field, Value),
    /// The field has one of these values.
    In(Field, Vec<Value>),
    /// The field lies between bounds.
    Range(Field, Bounds),
    /// The field is there, whatever its value.
    Exists(Field),
    /// All of them hold.
    And(Vec<Filter>),
    /// At least one of them holds.
    Or(Vec<Filter>),
    /// It does not hold.
    Not(Box<Filter>),
}

impl Filter {
    /// The most levels, a single condition being one: two levels of JSON each, of which serde_json reads 127.
    pub const MAX_DEPTH: usize = 60;
    /// The most conditions and combinations together.
    pub const MAX_NODES: usize = 1_000;
    /// The most values of one list.
    pub const MAX_LIST: usize = 1_000;
    /// The most values of all lists together.
    pub const MAX_VALUES: usize = 10_000;
    /// The longest line of text, in bytes.
    pub const MAX_TEXT_BYTES: usize = 1 << 20;

    /// Both hold.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        match self {
            Self::And(mut all) => {
                all.push(other);
                Self::And(all)
            }
            one => Self::And(vec![one, other]),
        }
    }

    /// At least one of both holds.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        match self {
            Self::Or(mut any) => {
                any.push(other);
                Self::Or(any)
            }
            one => Self::Or(vec![one, other]),
        }
    }

    /// Whether it is one that can be run: within the limits, each value of a type that its field can have, each bound a
    /// number or a time, and no combination or path empty. Of what is not, a store says so instead of finding nothing.
    ///
    /// # Errors
    /// [`FilterError`], which names what was expected and what came.
    pub fn check(&self) -> Result<(), FilterError> {
        let (mut nodes, mut values) = (0, 0);
        let mut open = vec![(self, 1)];
        while let Some((filter, depth)) = open.pop() {
            nodes += 1;
            if depth > Self::MAX_DEPTH {
                return Err(FilterError::TooDeep { max: Self::MAX_DEPTH });
            }
            if nodes > Self::MAX_NODES {
                return Err(FilterError::TooManyConditions { max: Self::MAX_NODES });
            }
            match filter {
                Self::Eq(field, value) => field.check_value(value)?,
                Self::In(field, list) => {
                    values += list.len();
                    if list.len() > Self::MAX_LIST || values > Self::MAX_VALUES {
                        return Err(FilterError::TooManyValues { max: Self::MAX_LIST, max_in_all: Self::MAX_VALUES });
                    }
                    field.check_path()?;
                    list.iter().try_for_each(|value| field.check_value(value))?;
                }
                Self::Range(field, bounds) => field.check_bounds(bounds)?,
                Self::Exists(field) => field.check_path()?,
                Self::And(parts) | Self::Or(parts) => {
                    if parts.is_empty() {
                        return Err(FilterError::Empty);
                    }
                    // One look at the lengths, so that no more than the limit is put aside.
                    if parts.len() > Self::MAX_NODES {
                        return Err(FilterError::TooManyConditions { max: Self::MAX_NODES });
                    }
                    open.extend(parts.iter().map(|part| (part, depth + 1)));
                }
                Self::Not(inner) => open.push((inner, depth + 1)),
            }
        }
        Ok(())
    }

    /// Whether it holds for a memory. This is what a filter means.
    #[must_use]
    pub fn matches(&self, memory: &Memory) -> bool {
        self.holds(&|field| Found::of(field, memory))
    }

    /// Whether it holds for a memory of which nothing but the metadata is known: every other field is missing.
    #[must_use]
    pub fn matches_metadata(&self, metadata: &Metadata) -> bool {
        self.holds(&|field| match field {
            Field::Metadata(path) => Found::at(path, metadata),
            _ => None,
        })
    }

    /// Whether it speaks of a field anywhere.
    #[must_use]
    pub fn names(&self, field: &Field) -> bool {
        match self {
            Self::Eq(own, _) | Self::In(own, _) | Self::Range(own, _) | Self::Exists(own) => own == field,
            Self::And(parts) | Self::Or(parts) => parts.iter().any(|part| part.names(field)),
            Self::Not(inner) => inner.names(field),
        }
    }

    /// Whether it speaks of metadata and of nothing else.
    #[must_use]
    pub fn is_about_metadata(&self) -> bool {
        match self {
            Self::Eq(field, _) | Self::In(field, _) | Self::Range(field, _) | Self::Exists(field) => {
                matches!(field, Field::Metadata(_))
            }
            Self::And(parts) | Self::Or(parts) => parts.iter().all(Self::is_about_metadata),
            Self::Not(inner) => inner.is_about_metadata(),
        }
    }

    fn holds<'m>(&self, find: &dyn Fn(&Field) -> Option<Found<'m>>) -> bool {
        match self {
            Self::Eq(field, value) => find(field).is_some_and(|found| found.equals(value)),
            Self::In(field, values) => find(field).is_some_and(|found| values.iter().any(|value| found.equals(value))),
            Self::Range(field, bounds) => find(field).is_some_and(|found| found.lies_in(bounds)),
            Self::Exists(field) => find(field).is_some(),
            Self::And(parts) => parts.iter().all(|part| part.holds(find)),
            Self::Or(parts) => parts.iter().any(|part| part.holds(find)),
            Self::Not(inner) => !inner.holds(find),
        }
    }
}

/// It does not hold.
impl Not for Filter {
    type Output = Self;

    fn not(self) -> Self {
        Self::Not(Box::new(self))
    }
}
