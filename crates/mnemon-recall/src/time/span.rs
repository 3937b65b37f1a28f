//! Spans of time and what an expression says about them.

use std::fmt;

use jiff::Timestamp;

/// A stretch of time: from its first instant up to, and without, its last.
///
/// A span that [`expressions`](crate::expressions) returns is never empty: `from < to`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TimeSpan {
    /// The first instant that belongs to the span.
    pub from: Timestamp,
    /// The first instant after the span.
    pub to: Timestamp,
}

impl TimeSpan {
    /// Whether an instant lies in the span.
    #[must_use]
    pub fn contains(&self, time: Timestamp) -> bool {
        self.from <= time && time < self.to
    }
}

/// `2021-03-01T00:00:00Z..2021-04-01T00:00:00Z`
impl fmt::Display for TimeSpan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}..{}", self.from, self.to)
    }
}

/// On which side of the named time (or event) the question looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Relation {
    /// In it: "in March", "during the trip", "when we moved".
    During,
    /// Earlier than its beginning: "before June 2021", "until the wedding".
    Before,
    /// Later than its end: "after Christmas".
    After,
    /// From its beginning on: "since January".
    Since,
}

/// How finely an expression names its time: the unit in which it is exact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Grain {
    /// A day, or a few that are named one by one. Hours and parts of a day count as their day.
    Day,
    /// A week, or a part of a month.
    Week,
    /// A month.
    Month,
    /// A season, or a part of a year.
    Season,
    /// A year.
    Year,
    /// Ten years.
    Decade,
}

impl Grain {
    /// The usual length in days.
    pub(super) fn days(self) -> f32 {
        match self {
            Self::Day => 1.0,
            Self::Week => 7.0,
            Self::Month => 30.0,
            Self::Season => 91.0,
            Self::Year => 365.0,
            Self::Decade => 3652.0,
        }
    }
}
