//! Phrases that count or cut time in units: "two weeks ago", "the first week of May", "last month".

use super::parse::Read;
use super::phrase::{Nth, Phrase, Step, Which, Yearly};
use super::reader::Reader;
use super::words::{Shift, Trust, Unit};

impl Reader {
    /// "the week before 3 March", "two days after Christmas", "the Sunday before June 5"
    pub(super) fn beside(&self, at: usize, depth: u8) -> Read {
        let (count, next) = self.count(at).map_or((None, at), |(count, end)| (Some(count), end));
        let next = match self.lookup(next, self.words.shifts) {
            Some((Shift::Last, end)) if count.is_none() => end,
            _ => next,
        };
        let (what, times, end) = self.step(next, count.is_none())?;
        let (after, end) = self.lookup(end, self.words.beside)?;
        let (of, end) = self.single(self.skip(end, self.words.article), true, depth)?;
        let count = count.map(|count| count.saturating_mul(times));
        let small = matches!(what, Step::Unit(Unit::Minute | Unit::Hour)) || (times > 1 && count.is_none());
        let half = self.behind(at, self.words.half).is_some();
        (!small && !half).then(|| (Phrase::Beside { count, what, after, of: Box::new(of) }, end))
    }

    pub(super) fn ago(&self, at: usize) -> Read {
        let (count, end) = self.count(at)?;
        let half_of = count == 1 && self.behind(at, self.words.half).is_some();
        let (with_half, end) = self.any(end, self.words.and_half).map_or((false, end), |end| (true, end));
        let (unit, times, end) = self.unit(end, false)?;
        let (and_half, end) = self.any(end, self.words.and_half).map_or((with_half, end), |end| (true, end));
        let end = self.any(end, self.words.ago)?;
        let count = if half_of { 0 } else { count.saturating_mul(times) };
        Some((Phrase::Ago { count, half: half_of || and_half, unit }, end))
    }

    /// "early June", "mid-2022", "the end of the year"
    pub(super) fn part(&self, at: usize, depth: u8) -> Read {
        let (part, end) = self.lookup(at, self.words.parts)?;
        let end = if self.is_mark(end, '-') && self.glued(end) { end + 1 } else { end };
        let article = self.any(end, self.words.article);
        let bare = article.unwrap_or(end);
        if let Some((of, end)) = self.single(bare, true, depth) {
            // "in my late 20s" is an age.
            let age = matches!(of, Phrase::ShortDecade(_)) && self.behind(at, self.words.possessives).is_some();
            return (!age).then(|| (Phrase::Part { part, of: Box::new(of) }, end));
        }
        let (unit, 1, end) = self.unit(bare, true)? else { return None };
        let calendar = matches!(unit, Unit::Week | Unit::Month | Unit::Year);
        let of = Box::new(Phrase::Unit(unit, Shift::This));
        (calendar && article.is_some() && self.closes(end)).then_some((Phrase::Part { part, of }, end))
    }

    /// "the first week of May", "the last Sunday in June"
    pub(super) fn nth(&self, at: usize, depth: u8) -> Read {
        let (nth, end) = match self.any(at, self.words.final_one) {
            Some(end) => (Nth::Last, end),
            None => {
                let (nth, true, end) = self.day(at)? else { return None };
                (Nth::From(nth.into()), end)
            }
        };
        let (what, 1, end) = self.step(end, true)? else { return None };
        let end = self.skip(self.any(end, self.words.of_in)?, self.words.article);
        let (of, end) = self.single(end, true, depth)?;
        let divisible = match &of {
            Phrase::Yearly { what: Yearly::Month(_) | Yearly::Season(_), .. } => true,
            Phrase::Unit(unit, _) => matches!(unit, Unit::Month | Unit::Year),
            Phrase::Year(_) | Phrase::Part { .. } => true,
            _ => false,
        };
        divisible.then(|| (Phrase::Nth { nth, what, of: Box::new(of) }, end))
    }

    /// "the week of 3 March", "the month of May"
    pub(super) fn unit_of(&self, at: usize, depth: u8) -> Read {
        let (unit, 1, end) = self.unit(at, true)? else { return None };
        let end = self.skip(self.any(end, self.words.of)?, self.words.article);
        let (of, end) = self.single(end, true, depth)?;
        match (unit, &of) {
            (Unit::Month, Phrase::Yearly { what: Yearly::Month(_), .. }) => Some((of, end)),
            (Unit::Year, Phrase::Year(_)) => Some((of, end)),
            (Unit::Week | Unit::Weekend, Phrase::Yearly { what: Yearly::Day { .. } | Yearly::Holiday(_), .. }) => {
                Some((Phrase::Around { unit, of: Box::new(of) }, end))
            }
            _ => None,
        }
    }

    /// "the week before last"
    pub(super) fn before_last(&self, at: usize) -> Read {
        let (what, 1, end) = self.step(at, true)? else { return None };
        let end = self.any(end, self.words.before_last)?;
        Some((shifted_step(what, Shift::BeforeLast)?, end))
    }

    /// "the past two months", "the last year"
    pub(super) fn rolling(&self, at: usize) -> Read {
        let end = self.any(at, self.words.rolling)?;
        let (count, unit, end) = match self.count(end) {
            Some((count, end)) => {
                let (unit, times, end) = self.unit(end, false)?;
                (count.saturating_mul(times), unit, end)
            }
            None => {
                let (unit, times, end) = self.unit(end, true)?;
                let long = !matches!(unit, Unit::Minute | Unit::Hour | Unit::Day | Unit::Weekend);
                self.behind(at, self.words.article).filter(|_| long)?;
                (times, unit, end)
            }
        };
        self.any(end, self.words.of).is_none().then_some((Phrase::Rolling { count, unit }, end))
    }

    /// "last May", "this month", "next Friday"
    pub(super) fn shifted(&self, at: usize) -> Read {
        let (shift, end) = self.lookup(at, self.words.shifts)?;
        // "the next day" is told of another time.
        if shift == Shift::Next && self.behind(at, self.words.article).is_some() {
            return None;
        }
        let mine = self.behind(at, self.words.possessives).is_some();
        if let Some((what, 1, end)) = self.step(end, true) {
            let of = self.any(end, self.words.of).is_some();
            let end = if matches!(what, Step::Weekday(_)) { self.skip(end, self.words.day_parts) } else { end };
            return (!of && !mine).then_some((shifted_step(what, shift)?, end));
        }
        let doubtful = |trust| trust == Trust::Common && (mine || (shift == Shift::This && !self.capital(end)));
        if let Some((month, trust, after)) = self.month(end) {
            let day = self.day(self.skip(after, self.words.article)).filter(|(_, _, end)| !self.counts_something(*end));
            let (what, after) =
                day.map_or((Yearly::Month(month), after), |(day, _, end)| (Yearly::Day { month, day }, end));
            let (which, after) = self.year_after(after).unwrap_or((Which::Shift(shift), after));
            return (!doubtful(trust)).then_some((Phrase::Yearly { what, which }, after));
        }
        let which = Which::Shift(shift);
        if let Some(((month, trust), end)) = self.lookup(end, self.words.seasons) {
            let what = Yearly::Season(month);
            return (trust == Trust::Sure || !mine).then_some((Phrase::Yearly { what, which }, end));
        }
        let (holiday, end) = self.lookup(end, self.words.holidays)?;
        self.closes(end).then_some((Phrase::Yearly { what: Yearly::Holiday(holiday), which }, end))
    }

    /// "over the weekend"
    pub(super) fn weekend(&self, at: usize) -> Read {
        let (Unit::Weekend, 1, end) = self.unit(at, true)? else { return None };
        let start = self.behind(at, self.words.article)?;
        let cued = self.behind(start, self.words.cues).or_else(|| self.behind(start, self.words.loose_cues));
        (cued.is_some() && self.closes(end)).then_some((Phrase::Unit(Unit::Weekend, Shift::Nearest), end))
    }

    /// A unit or a weekday to count in.
    fn step(&self, at: usize, singular: bool) -> Option<(Step, i64, usize)> {
        if let Some((unit, times, end)) = self.unit(at, singular) {
            return Some((Step::Unit(unit), times, end));
        }
        let ((weekday, _), end) = self.lookup(at, self.words.weekdays)?;
        Some((Step::Weekday(weekday), 1, end))
    }
}

fn shifted_step(what: Step, shift: Shift) -> Option<Phrase> {
    match what {
        Step::Weekday(weekday) => Some(Phrase::Weekday(weekday, shift)),
        // The last day, hour and minute are those of something.
        Step::Unit(Unit::Minute | Unit::Hour | Unit::Day) => None,
        Step::Unit(unit) => Some(Phrase::Unit(unit, shift)),
    }
}
