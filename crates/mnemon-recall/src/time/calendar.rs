//! Phrases that name a place in the calendar: days, months, seasons, holidays, weekdays, decades and years.

use super::parse::Read;
use super::phrase::{Phrase, Which, Yearly};
use super::reader::Reader;
use super::token::{Suffix, TokenKind};
use super::words::{Shift, Trust, Unit};

/// A list of months is no longer than a year.
const MAX_LIST: usize = 12;

impl Reader {
    /// `2021-03-03` and `2021-03`
    pub(super) fn iso(&self, at: usize) -> Read {
        let part = |at: usize| match self.kind(at)? {
            TokenKind::Number { value, digits: 2, suffix: Suffix::None } if self.glued(at) => i8::try_from(value).ok(),
            _ => None,
        };
        let dash = |at| self.is_mark(at, '-') && self.glued(at);
        let TokenKind::Number { value, digits: 4, suffix: Suffix::None } = self.kind(at)? else { return None };
        let which = Which::Year(i16::try_from(value).ok()?);
        if self.continued(at) || !dash(at + 1) {
            return None;
        }
        let month = part(at + 2).filter(|month| (1..=12).contains(month))?;
        if dash(at + 3) && self.glued(at + 4) {
            let day = part(at + 4).filter(|day| (1..=31).contains(day))?;
            let ends = !dash(at + 5);
            return ends.then_some((Phrase::Yearly { what: Yearly::Day { month, day }, which }, at + 5));
        }
        Some((Phrase::Yearly { what: Yearly::Month(month), which }, at + 3))
    }

    /// `3/14/2021`, `2021/3/14` and `14.3.2021`
    pub(super) fn numeric(&self, at: usize) -> Read {
        if !self.words.slashes || self.continued(at) {
            return None;
        }
        if let TokenKind::Dotted { day, month, year } = self.kind(at)? {
            return Some((exact_day(year, month, day)?, at + 1));
        }
        let number = |at: usize| match self.kind(at)? {
            TokenKind::Number { value, digits, suffix: Suffix::None } => Some((value, digits)),
            _ => None,
        };
        let slash = |at| self.is_mark(at, '/') && self.glued(at) && self.glued(at + 1);
        let (first, first_digits) = number(at)?;
        if !slash(at + 1) || !slash(at + 3) || (self.is_mark(at + 5, '/') && self.glued(at + 5)) {
            return None;
        }
        let ((second, 1..=2), (third, third_digits)) = (number(at + 2)?, number(at + 4)?) else { return None };
        let phrase = match (first_digits, third_digits) {
            (4, 1..=2) => exact_day(first, second, third)?,
            (1..=2, 4) => match (exact_day(third, first, second), exact_day(third, second, first)) {
                (Some(a), Some(b)) if a != b => Phrase::Either(Box::new(a), Box::new(b)),
                (a, b) => a.or(b)?,
            },
            _ => return None,
        };
        Some((phrase, at + 5))
    }

    /// "3 March 2021", "the 3rd of March", "March 3rd"
    pub(super) fn day_of_month(&self, at: usize) -> Read {
        if let Some((day, ordinal, end)) = self.day(at).filter(|_| !self.continued(at)) {
            let (of, end) = self.any(end, self.words.of).map_or((false, end), |end| (true, end));
            let start = end;
            let (month, trust, end) = self.month(end)?;
            let year = self.year_after(end);
            let (which, end) = year.unwrap_or((Which::Any, end));
            let sure = trust != Trust::Common
                || of
                || ordinal
                || year.is_some()
                || self.capital(start)
                || self.behind(at, self.words.on).is_some();
            let word = self.lookup(at, self.words.ordinals).is_some();
            return (sure && (of || !word))
                .then_some((Phrase::Yearly { what: Yearly::Day { month, day }, which }, end));
        }
        let (month, trust, end) = self.month(at)?;
        let (day, ordinal, end) = self.day(self.skip(end, self.words.article))?;
        let clock = self.glued(end) && (self.is_mark(end, ':') || self.is_mark(end, '%'));
        let year = self.year_after(end);
        let (which, end) = year.unwrap_or((Which::Any, end));
        // "may 3 people come" counts them, "my May 3 appointment" is a day.
        let starts =
            self.previous(at).is_none_or(|before| matches!(self.kind(before), Some(TokenKind::Mark('.' | '?' | '!'))));
        let verb = trust == Trust::Common && (starts || !self.capital(at)) && self.counts_something(end);
        let sure = ordinal || year.is_some() || !verb;
        (sure && !clock).then_some((Phrase::Yearly { what: Yearly::Day { month, day }, which }, end))
    }

    pub(super) fn month_alone(&self, at: usize, cued: bool) -> Read {
        let (month, trust, end) = self.month(at)?;
        let what = Yearly::Month(month);
        if let Some((which, after)) = self.year_after(end) {
            let sure = cued || trust != Trust::Common || matches!(which, Which::Year(_)) || self.capital(at);
            return sure.then_some((Phrase::Yearly { what, which }, after));
        }
        (cued || self.month_stands(at, end, trust, true)).then_some((Phrase::Yearly { what, which: Which::Any }, end))
    }

    /// Whether a month without a day and a year means a month.
    fn month_stands(&self, at: usize, end: usize, trust: Trust, lists: bool) -> bool {
        if trust == Trust::Sure || self.behind(at, self.words.cues).is_some() {
            return true;
        }
        let loosely = self.lookup_behind(at, self.words.relations).is_some() && self.closes(end);
        let owned = trust == Trust::Name
            && (self.behind(at, self.words.possessives).is_some() || self.behind(at, self.words.article).is_some());
        loosely || owned || (lists && self.in_list(at, end))
    }

    /// "June, July and August 2021", "in March or May": a month in a list with a sure one is one.
    fn in_list(&self, at: usize, end: usize) -> bool {
        let next = |end| self.any(end, self.words.and).or_else(|| self.any(end, self.words.to));
        let mut later = end;
        for _ in 0..MAX_LIST {
            let Some((_, trust, end)) = next(later).and_then(|next| self.month(next)) else { break };
            if trust == Trust::Sure || self.year_after(end).is_some() {
                return true;
            }
            later = end;
        }
        let before = self.behind(at, self.words.and).or_else(|| self.behind(at, self.words.to));
        before.and_then(|before| self.previous(before)).is_some_and(|before| {
            self.month(before).is_some_and(|(_, trust, end)| self.month_stands(before, end, trust, false))
        })
    }

    /// A month, how sure it is, and its end; the point of a short form belongs to it.
    pub(super) fn month(&self, at: usize) -> Option<(i8, Trust, usize)> {
        let ((month, trust), end) = self.lookup(at, self.words.months)?;
        let short = self.is_mark(end, '.') && self.glued(end) && self.day(end + 1).is_some();
        Some((month, trust, if short { end + 1 } else { end }))
    }

    /// The year after a day, a month, a season or a holiday.
    pub(super) fn year_after(&self, at: usize) -> Option<(Which, usize)> {
        let at = self.skip(self.skip_mark(at, ','), self.words.of_in);
        if let Some((year, end)) = self.year_number(at) {
            return Some((Which::Year(year), end));
        }
        let (shift, end) = self.lookup(at, self.words.shifts)?;
        let (Unit::Year, 1, end) = self.unit(end, true)? else { return None };
        Some((Which::YearShift(shift), end))
    }

    pub(super) fn season(&self, at: usize, cued: bool) -> Read {
        let ((month, trust), end) = self.lookup(at, self.words.seasons)?;
        let what = Yearly::Season(month);
        if let Some((which, end)) = self.year_after(end) {
            return Some((Phrase::Yearly { what, which }, end));
        }
        let start = self.behind(at, self.words.article).unwrap_or(at);
        let behind = self.behind(start, self.words.cues).is_some()
            || (trust == Trust::Sure
                && (self.behind(start, self.words.loose_cues).is_some()
                    || self.lookup_behind(start, self.words.relations).is_some()));
        // "since the fall" dates from an accident.
        let accident = trust == Trust::Common && self.lookup_behind(start, self.words.relations).is_some();
        let of = self.any(end, self.words.of).is_some();
        ((cued || behind) && !accident && !of && self.closes(end))
            .then_some((Phrase::Yearly { what, which: Which::Any }, end))
    }

    pub(super) fn holiday(&self, at: usize, cued: bool) -> Read {
        let (holiday, end) = self.lookup(at, self.words.holidays)?;
        let what = Yearly::Holiday(holiday);
        if let Some((which, end)) = self.year_after(end) {
            return Some((Phrase::Yearly { what, which }, end));
        }
        let start = self.behind(at, self.words.article).unwrap_or(at);
        let behind = self.behind(start, self.words.cues).is_some()
            || self.behind(start, self.words.loose_cues).is_some()
            || self.lookup_behind(start, self.words.relations).is_some();
        ((cued || behind) && self.closes(end)).then_some((Phrase::Yearly { what, which: Which::Any }, end))
    }

    /// "on Monday", "Monday, 3 March"
    pub(super) fn weekday(&self, at: usize, cued: bool) -> Read {
        let ((weekday, trust), end) = self.lookup(at, self.words.weekdays)?;
        if self.behind(at, self.words.foreign).or_else(|| self.behind(at, self.words.recurring)).is_some() {
            return None;
        }
        if let Some(date) = self.day_of_month(self.skip(self.skip_mark(end, ','), self.words.article)) {
            return Some(date);
        }
        let part = self.any(end, self.words.day_parts);
        let on = self.behind(at, self.words.on).is_some();
        let behind = on
            || self.behind(at, self.words.cues).is_some()
            || self.behind(at, self.words.loose_cues).is_some()
            || self.lookup_behind(at, self.words.relations).is_some();
        let sure = match trust {
            Trust::Sure => cued || behind || part.is_some() || self.closes(end),
            _ => cued || (behind && self.closes(end)),
        };
        sure.then_some((Phrase::Weekday(weekday, Shift::Nearest), part.unwrap_or(end)))
    }

    /// "the 90s", "the 1990s", "the nineties"
    pub(super) fn decade(&self, at: usize, cued: bool) -> Read {
        let quoted = self.previous(at).filter(|before| {
            self.glued(at) && matches!(self.kind(*before), Some(TokenKind::Mark('\'' | '\u{2019}' | '\u{2018}')))
        });
        let named = cued || self.behind(quoted.unwrap_or(at), self.words.article).is_some();
        match self.kind(at)? {
            TokenKind::Number { value: value @ 1900..=2100, digits: 4, suffix: Suffix::Decade } if value % 10 == 0 => {
                Some((Phrase::Decade(i16::try_from(value).ok()?), at + 1))
            }
            TokenKind::Number { value: value @ 0..=90, digits: 2, suffix: Suffix::Decade } if value % 10 == 0 => {
                let shown = named || quoted.is_some();
                (shown && !self.words.decades.is_empty())
                    .then_some((Phrase::ShortDecade(i16::try_from(value).ok()?), at + 1))
            }
            _ => {
                let (digits, end) = self.lookup(at, self.words.decades)?;
                named.then_some((Phrase::ShortDecade(i16::try_from(digits).ok()?), end))
            }
        }
    }

    pub(super) fn year(&self, at: usize, cued: bool) -> Read {
        let (year, end) = self.year_number(at)?;
        if !cued && self.continued(at) {
            return None;
        }
        // "2000 calories" are counted, "my 2022 holiday" is a year.
        let plural = self.counts_something(end) && self.tokens.get(end).is_some_and(|next| next.word.ends_with('s'));
        let named = self.behind(at, self.words.year_cues).is_some() && !plural;
        let neutral = self.words.function.is_empty();
        (cued || named || neutral || !self.counts_something(end)).then_some((Phrase::Year(year), end))
    }
}

fn exact_day(year: u32, month: u32, day: u32) -> Option<Phrase> {
    let (month, day) = (i8::try_from(month).ok()?, i8::try_from(day).ok()?);
    let what = Yearly::Day { month, day };
    let possible = (1..=12).contains(&month) && (1..=31).contains(&day);
    possible.then_some(Phrase::Yearly { what, which: Which::Year(i16::try_from(year).ok()?) })
}
