//! What a question says of a time, before it is known when it asks.

use jiff::civil::Weekday;

use super::words::{Holiday, Part, Shift, Unit};

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Phrase {
    /// What each year has once.
    Yearly {
        what: Yearly,
        which: Which,
    },
    Year(i16),
    /// By its first year.
    Decade(i16),
    /// By the last two digits of its first year.
    ShortDecade(i16),
    Weekday(Weekday, Shift),
    Unit(Unit, Shift),
    /// So many days from today.
    Today(i64),
    /// "two weeks ago"
    Ago {
        count: i64,
        half: bool,
        unit: Unit,
    },
    /// "the past two months"
    Rolling {
        count: i64,
        unit: Unit,
    },
    /// "early June"
    Part {
        part: Part,
        of: Box<Phrase>,
    },
    /// "the first week of May"
    Nth {
        nth: Nth,
        what: Step,
        of: Box<Phrase>,
    },
    /// "the week of 3 March": the calendar's week or weekend around a day.
    Around {
        unit: Unit,
        of: Box<Phrase>,
    },
    /// "the week before 3 March", and "two weeks before" it when a count is given.
    Beside {
        count: Option<i64>,
        what: Step,
        after: bool,
        of: Box<Phrase>,
    },
    /// From the beginning of the one to the end of the other.
    Between(Box<Phrase>, Box<Phrase>),
    /// 3/4/2021: the month first, the day first.
    Either(Box<Phrase>, Box<Phrase>),
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Yearly {
    Day {
        month: i8,
        day: i8,
    },
    Month(i8),
    /// By its first month.
    Season(i8),
    Holiday(Holiday),
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Which {
    /// No year is named.
    Any,
    Year(i16),
    /// "May of last year"
    YearShift(Shift),
    /// "last May"
    Shift(Shift),
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Nth {
    /// Counted from 1.
    From(i64),
    Last,
}

/// What is counted within a time, or from it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Step {
    Unit(Unit),
    Weekday(Weekday),
}
