//! From what a question says to days of the calendar.

use jiff::civil::{Date, Weekday};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Span, Timestamp};

use super::Grain;
use super::phrase::{Nth, Phrase, Step, Which, Yearly};
use super::words::{Holiday, Part, Shift, Unit};

/// When a question asks.
pub(super) struct Asked<'a> {
    pub(super) at: Timestamp,
    pub(super) zone: &'a TimeZone,
    today: Date,
}

/// The days that a phrase means: from the first up to, and without, the last. Never empty.
#[derive(Debug, Clone, Copy)]
pub(super) struct Days {
    pub(super) from: Date,
    pub(super) to: Date,
    pub(super) grain: Grain,
    pub(super) year_known: bool,
    pub(super) relative: bool,
    pub(super) approximate: bool,
}

impl Days {
    fn new(from: Date, to: Date, grain: Grain) -> Option<Self> {
        let days = Self { from, to, grain, year_known: true, relative: false, approximate: false };
        (from < to).then_some(days)
    }

    fn relative(self) -> Self {
        Self { relative: true, ..self }
    }

    fn approximate(self, approximate: bool) -> Self {
        Self { approximate, ..self }
    }

    /// The same knowledge of other days.
    fn narrowed(self, from: Date, to: Date, grain: Grain) -> Option<Self> {
        (from < to).then_some(Self { from, to, grain, ..self })
    }

    fn length(&self) -> i64 {
        days_between(self.from, self.to)
    }
}

impl<'a> Asked<'a> {
    pub(super) fn new(at: Timestamp, zone: &'a TimeZone) -> Self {
        Self { at, zone, today: at.to_zoned(zone.clone()).date() }
    }

    /// The days that a phrase means, `None` for a day that does not exist or lies outside the calendar.
    pub(super) fn resolve(&self, phrase: &Phrase) -> Option<Days> {
        match phrase {
            Phrase::Yearly { what, which } => self.yearly(*what, *which),
            Phrase::Year(year) => years(*year, 1, Grain::Year),
            Phrase::Decade(year) => years(*year, 10, Grain::Decade),
            Phrase::ShortDecade(digits) => {
                let now = self.today.year();
                let century = now.checked_sub(now.rem_euclid(100))?.checked_add(*digits)?;
                years(if century > now { century.checked_sub(100)? } else { century }, 10, Grain::Decade)
            }
            Phrase::Weekday(weekday, shift) => Some(self.weekday(*weekday, *shift)?.relative()),
            Phrase::Unit(unit, shift) => self.unit(*unit, *shift),
            Phrase::Today(days) => Some(one_day(add(self.today, Unit::Day, *days)?)?.relative()),
            Phrase::Ago { count, half, unit } => self.ago(*count, *half, *unit),
            Phrase::Rolling { count, unit } => self.rolling(*count, *unit),
            Phrase::Part { part, of } => stretch(self.resolve(of)?, *part),
            Phrase::Nth { nth, what, of } => nth_of(self.resolve(of)?, *nth, *what),
            Phrase::Around { unit, of } => {
                let of = self.resolve(of)?;
                let monday = monday(of.from)?;
                match unit {
                    Unit::Weekend => of.narrowed(plus(monday, 5)?, plus(monday, 7)?, Grain::Day),
                    _ => of.narrowed(monday, plus(monday, 7)?, Grain::Week),
                }
            }
            Phrase::Beside { count, what, after, of } => beside(self.resolve(of)?, *count, *what, *after),
            Phrase::Between(first, second) => self.between(first, second),
            Phrase::Either(..) => None,
        }
    }

    fn yearly(&self, what: Yearly, which: Which) -> Option<Days> {
        let now = self.today.year();
        // Eight years reach over the longest gap between two leap days.
        let back = || (now.saturating_sub(8)..=now).rev().filter_map(|year| in_year(what, year));
        match which {
            Which::Year(year) => in_year(what, year),
            Which::YearShift(shift) => {
                Some(in_year(what, now.checked_add(i16::try_from(steps(shift)).ok()?)?)?.relative())
            }
            Which::Any => {
                let nearest = back().find(|days| days.from <= self.today)?;
                Some(Days { year_known: false, ..nearest })
            }
            Which::Shift(Shift::Next) => {
                let found = (now..=now.saturating_add(8)).filter_map(|year| in_year(what, year));
                Some(found.into_iter().find(|days| days.from > self.today)?.relative())
            }
            Which::Shift(Shift::This | Shift::Nearest) => {
                let current = back().find(|days| days.from <= self.today && self.today < days.to);
                Some(current.or_else(|| in_year(what, now))?.relative())
            }
            Which::Shift(shift @ (Shift::Last | Shift::BeforeLast)) => {
                let skipped = usize::from(shift == Shift::BeforeLast);
                Some(back().filter(|days| days.to <= self.today).nth(skipped)?.relative())
            }
        }
    }

    fn weekday(&self, weekday: Weekday, shift: Shift) -> Option<Days> {
        let date = match shift {
            Shift::Nearest | Shift::Last => before(self.today, weekday)?,
            Shift::BeforeLast => plus(before(self.today, weekday)?, -7)?,
            Shift::This => plus(monday(self.today)?, weekday.to_monday_zero_offset().into())?,
            Shift::Next => from(plus(self.today, 1)?, weekday)?,
        };
        one_day(date)
    }

    fn unit(&self, unit: Unit, shift: Shift) -> Option<Days> {
        let steps = steps(shift);
        let today = self.today;
        let (from, length, grain) = match unit {
            Unit::Minute | Unit::Hour | Unit::Day => (plus(today, steps)?, (Unit::Day, 1), Grain::Day),
            Unit::Week => (add(monday(today)?, Unit::Week, steps)?, (Unit::Week, 1), Grain::Week),
            Unit::Weekend => {
                let saturday = plus(monday(today)?, 5)?;
                let steps = if shift == Shift::Nearest && saturday > today { -1 } else { steps };
                (add(saturday, Unit::Week, steps)?, (Unit::Day, 2), Grain::Day)
            }
            Unit::Month => (add(today.first_of_month(), unit, steps)?, (unit, 1), Grain::Month),
            Unit::Year => (add(today.first_of_year(), unit, steps)?, (unit, 1), Grain::Year),
            Unit::Decade => {
                let year = today.year().checked_sub(today.year().rem_euclid(10))?;
                (add(Date::new(year, 1, 1).ok()?, unit, steps)?, (unit, 1), Grain::Decade)
            }
        };
        let days = Days::new(from, add(from, length.0, length.1)?, grain)?;
        Some(days.relative().approximate(steps < 0))
    }

    fn ago(&self, count: i64, half: bool, unit: Unit) -> Option<Days> {
        let seconds = match unit {
            Unit::Minute => Some(60),
            Unit::Hour => Some(3600),
            _ => None,
        };
        if let Some(seconds) = seconds {
            let back = SignedDuration::from_secs(count.checked_mul(seconds)?);
            let then = self.at.checked_sub(back).ok()?.to_zoned(self.zone.clone()).date();
            return Some(one_day(then)?.relative().approximate(true));
        }
        // A half is counted in the next smaller unit.
        let (count, unit) = match unit {
            Unit::Decade if half => (count.checked_mul(10)?.checked_add(5)?, Unit::Year),
            Unit::Year if half => (count.checked_mul(12)?.checked_add(6)?, Unit::Month),
            Unit::Month if half => (count.checked_mul(4)?.checked_add(2)?, Unit::Week),
            Unit::Week if half => (count.checked_mul(7)?.checked_add(3)?, Unit::Day),
            _ => (count, unit),
        };
        if unit == Unit::Weekend {
            let last = self.unit(unit, Shift::Last)?;
            let weeks = count.checked_sub(1)?.checked_neg()?;
            return last.narrowed(add(last.from, Unit::Week, weeks)?, add(last.to, Unit::Week, weeks)?, Grain::Day);
        }
        Some(around(add(self.today, unit, count.checked_neg()?)?, unit)?.relative().approximate(true))
    }

    fn rolling(&self, count: i64, unit: Unit) -> Option<Days> {
        let from = match unit {
            Unit::Minute | Unit::Hour => return self.rolling(1, Unit::Day),
            Unit::Weekend => add(self.today, Unit::Week, count.checked_neg()?)?,
            _ => add(self.today, unit, count.checked_neg()?)?,
        };
        Some(Days::new(from, plus(self.today, 1)?, grain(unit))?.relative().approximate(true))
    }

    /// A year that only one of two times has is the other's too: "between March and May 2021".
    fn between(&self, first: &Phrase, second: &Phrase) -> Option<Days> {
        let (a, b) = (self.resolve(first)?, self.resolve(second)?);
        let (a, b) = match (unyeared(first), unyeared(second)) {
            (Some(what), None) => {
                let same = in_year(what, b.from.year());
                let earlier = || in_year(what, b.from.year().checked_sub(1)?);
                (same.filter(|a| a.from <= b.from).or_else(earlier)?, b)
            }
            (None, Some(what)) => {
                let same = in_year(what, a.from.year());
                let later = || in_year(what, a.from.year().checked_add(1)?);
                (a, same.filter(|b| a.from <= b.from).or_else(later)?)
            }
            (Some(what), Some(_)) if a.from > b.from => {
                let earlier = in_year(what, a.from.year().checked_sub(1)?)?;
                (Days { year_known: false, ..earlier }, b)
            }
            (None, None)
                if a.from > b.from && matches!((first, second), (Phrase::Weekday(..), Phrase::Weekday(..))) =>
            {
                (a.narrowed(plus(a.from, -7)?, plus(a.to, -7)?, a.grain)?, b)
            }
            _ => (a, b),
        };
        Some(Days {
            from: a.from.min(b.from),
            to: a.to.max(b.to),
            grain: a.grain.max(b.grain),
            year_known: a.year_known && b.year_known,
            relative: a.relative || b.relative,
            approximate: a.approximate || b.approximate,
        })
    }
}

fn unyeared(phrase: &Phrase) -> Option<Yearly> {
    match phrase {
        Phrase::Yearly { what, which: Which::Any } => Some(*what),
        _ => None,
    }
}

fn steps(shift: Shift) -> i64 {
    match shift {
        Shift::BeforeLast => -2,
        Shift::Last => -1,
        Shift::Nearest | Shift::This => 0,
        Shift::Next => 1,
    }
}

fn grain(unit: Unit) -> Grain {
    match unit {
        Unit::Minute | Unit::Hour | Unit::Day | Unit::Weekend => Grain::Day,
        Unit::Week => Grain::Week,
        Unit::Month => Grain::Month,
        Unit::Year => Grain::Year,
        Unit::Decade => Grain::Decade,
    }
}

fn in_year(what: Yearly, year: i16) -> Option<Days> {
    match what {
        Yearly::Day { month, day } => one_day(Date::new(year, month, day).ok()?),
        Yearly::Month(month) => {
            let first = Date::new(year, month, 1).ok()?;
            Days::new(first, add(first, Unit::Month, 1)?, Grain::Month)
        }
        Yearly::Season(month) => {
            let first = Date::new(year, month, 1).ok()?;
            Days::new(first, add(first, Unit::Month, 3)?, Grain::Season)
        }
        Yearly::Holiday(Holiday::Fixed { month, day }) => one_day(Date::new(year, month, day).ok()?),
        Yearly::Holiday(Holiday::Nth { month, nth, weekday }) => {
            one_day(Date::new(year, month, 1).ok()?.nth_weekday_of_month(nth, weekday).ok()?)
        }
        Yearly::Holiday(Holiday::Easter(after)) => one_day(plus(easter(year)?, after)?),
    }
}

/// Easter Sunday in the Gregorian calendar (Meeus, Jones, Butcher: Astronomical Algorithms, 1991, chapter 8).
fn easter(year: i16) -> Option<Date> {
    if year < 1583 {
        return None;
    }
    let y = i32::from(year);
    let (a, b, c) = (y % 19, y / 100, y % 100);
    let g = (8 * b + 13) / 25;
    let h = (19 * a + b - b / 4 - g + 15) % 30;
    let l = (32 + 2 * (b % 4) + 2 * (c / 4) - h - c % 4) % 7;
    let m = (a + 11 * h + 22 * l) / 451;
    let n = h + l - 7 * m + 114;
    Date::new(year, i8::try_from(n / 31).ok()?, i8::try_from(n % 31 + 1).ok()?).ok()
}

fn years(first: i16, count: i64, grain: Grain) -> Option<Days> {
    let first = Date::new(first, 1, 1).ok()?;
    Days::new(first, add(first, Unit::Year, count)?, grain)
}

fn one_day(date: Date) -> Option<Days> {
    Days::new(date, plus(date, 1)?, Grain::Day)
}

/// Half a unit on either side of a day.
fn around(day: Date, unit: Unit) -> Option<Days> {
    match unit {
        Unit::Minute | Unit::Hour | Unit::Day | Unit::Weekend => one_day(day),
        Unit::Week => Days::new(plus(day, -3)?, plus(day, 4)?, Grain::Week),
        Unit::Month => Days::new(plus(day, -15)?, plus(day, 15)?, Grain::Month),
        Unit::Year => Days::new(add(day, Unit::Month, -6)?, add(day, Unit::Month, 6)?, Grain::Year),
        Unit::Decade => Days::new(add(day, Unit::Year, -5)?, add(day, Unit::Year, 5)?, Grain::Decade),
    }
}

/// A part of a time of a week or more; what is shorter has no parts.
fn stretch(of: Days, part: Part) -> Option<Days> {
    let length = of.length();
    if length < 7 {
        return Some(of);
    }
    let at = |twelfths: u8| match of.grain {
        Grain::Year => add(of.from, Unit::Month, twelfths.into()),
        Grain::Decade => add(of.from, Unit::Month, i64::from(twelfths) * 10),
        _ => plus(of.from, length * i64::from(twelfths) / 12),
    };
    let grain = match of.grain {
        Grain::Day | Grain::Week => Grain::Day,
        Grain::Month => Grain::Week,
        Grain::Season => Grain::Month,
        Grain::Year => Grain::Season,
        Grain::Decade => Grain::Year,
    };
    of.narrowed(at(part.from)?, at(part.to)?, grain)
}

fn nth_of(of: Days, nth: Nth, what: Step) -> Option<Days> {
    let (first, last, length, grain) = match what {
        Step::Weekday(weekday) => (from(of.from, weekday)?, before(of.to, weekday)?, (Unit::Day, 1), Grain::Day),
        Step::Unit(Unit::Weekend) => {
            let last = before(plus(of.to, -1)?, Weekday::Saturday)?;
            (from(of.from, Weekday::Saturday)?, last, (Unit::Day, 2), Grain::Day)
        }
        Step::Unit(Unit::Day) => (of.from, plus(of.to, -1)?, (Unit::Day, 1), Grain::Day),
        Step::Unit(Unit::Week) => (of.from, plus(of.to, -7)?, (Unit::Week, 1), Grain::Week),
        Step::Unit(Unit::Month) => (of.from, add(of.to, Unit::Month, -1)?, (Unit::Month, 1), Grain::Month),
        Step::Unit(_) => return None,
    };
    let step = match what {
        Step::Unit(unit @ (Unit::Day | Unit::Month)) => unit,
        _ => Unit::Week,
    };
    let start = match nth {
        Nth::From(n) => add(first, step, n.checked_sub(1)?)?,
        Nth::Last => last,
    };
    let inside = of.from <= start && start < of.to && of.length() >= 7;
    of.narrowed(start, add(start, length.0, length.1)?, grain).filter(|_| inside)
}

fn beside(of: Days, count: Option<i64>, what: Step, after: bool) -> Option<Days> {
    let unit = match (what, count) {
        (Step::Unit(unit), _) => unit,
        (Step::Weekday(weekday), None) => {
            let day = if after { from(of.to, weekday)? } else { before(of.from, weekday)? };
            return of.narrowed(day, plus(day, 1)?, Grain::Day);
        }
        (Step::Weekday(_), Some(_)) => return None,
    };
    match count {
        Some(count) => {
            let signed = if after { count } else { count.checked_neg()? };
            let point = around(add(of.from, unit, signed)?, unit)?;
            Some(of.narrowed(point.from, point.to, point.grain)?.approximate(unit != Unit::Day))
        }
        None if unit == Unit::Weekend => {
            let saturday = if after { from(of.to, Weekday::Saturday)? } else { before(of.from, Weekday::Saturday)? };
            of.narrowed(saturday, plus(saturday, 2)?, Grain::Day)
        }
        None if after => of.narrowed(of.to, add(of.to, unit, 1)?, grain(unit)),
        None => of.narrowed(add(of.from, unit, -1)?, of.from, grain(unit)),
    }
}

fn add(date: Date, unit: Unit, count: i64) -> Option<Date> {
    let span = match unit {
        Unit::Minute | Unit::Hour | Unit::Day => Span::new().try_days(count),
        Unit::Week | Unit::Weekend => Span::new().try_weeks(count),
        Unit::Month => Span::new().try_months(count),
        Unit::Year => Span::new().try_years(count),
        Unit::Decade => Span::new().try_years(count.checked_mul(10)?),
    };
    date.checked_add(span.ok()?).ok()
}

fn plus(date: Date, days: i64) -> Option<Date> {
    add(date, Unit::Day, days)
}

fn monday(date: Date) -> Option<Date> {
    plus(date, -i64::from(date.weekday().to_monday_zero_offset()))
}

/// The last such weekday that is earlier than a date.
fn before(date: Date, weekday: Weekday) -> Option<Date> {
    let back = i64::from(date.weekday().since(weekday));
    plus(date, if back == 0 { -7 } else { -back })
}

/// The first such weekday that is not earlier than a date.
fn from(date: Date, weekday: Weekday) -> Option<Date> {
    plus(date, date.weekday().until(weekday).into())
}

/// Whole days from one date to another.
pub(super) fn days_between(from: Date, to: Date) -> i64 {
    to.duration_since(from).as_hours() / 24
}
