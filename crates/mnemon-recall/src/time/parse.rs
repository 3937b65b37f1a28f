//! Finding phrases of time among the words of a question.

use std::ops::Range;

use super::Relation;
use super::phrase::{Phrase, Which, Yearly};
use super::reader::Reader;
use super::token::TokenKind;
use super::words::Unit;

/// Phrases within phrases: "the first week of early May of last year" has three.
const DEPTH: u8 = 4;

/// A phrase and where it stands.
#[derive(Debug)]
pub(super) struct Found {
    /// The tokens of the phrase, without the article, preposition and relation before it.
    pub(super) tokens: Range<usize>,
    pub(super) phrase: Phrase,
    pub(super) relation: Relation,
    /// The question says "around".
    pub(super) roughly: bool,
}

/// A phrase that begins at a token, and the token after it.
pub(super) type Read = Option<(Phrase, usize)>;

impl Reader {
    /// All phrases of time, in order and without overlap.
    pub(super) fn found(&self) -> Vec<Found> {
        let mut out: Vec<Found> = Vec::new();
        let mut at = 0;
        while at < self.tokens.len() {
            let phrase = if self.opens(at) { self.phrase(at) } else { None };
            let Some((phrase, mut end)) = phrase.filter(|(_, end)| *end > at) else {
                at += 1;
                continue;
            };
            if matches!(phrase, Phrase::Ago { .. }) {
                // "a year ago today"
                end = self.lookup(end, self.words.days).filter(|(days, _)| *days == 0).map_or(end, |(_, after)| after);
            }
            let bare = self.behind(at, self.words.article).unwrap_or(at);
            let roughly = self.behind(bare, self.words.roughly).is_some();
            out.push(Found { tokens: at..end, phrase, relation: self.relation(at, end), roughly });
            at = end;
        }
        self.share_years(out)
    }

    /// Whether a phrase can begin at a place. Few words can, and trying all forms of phrases is slower.
    fn opens(&self, at: usize) -> bool {
        let words = self.words;
        match self.kind(at) {
            Some(TokenKind::Number { .. } | TokenKind::Dotted { .. }) => true,
            Some(TokenKind::Word { .. }) => {
                (words
                    .units
                    .iter()
                    .any(|(one, many, ..)| self.entry(at, one).is_some() || self.entry(at, many).is_some()))
                    || [words.final_one, words.rolling].iter().any(|list| self.any(at, list).is_some())
                    || self.lookup(at, words.counts).is_some()
                    || self.lookup(at, words.months).is_some()
                    || self.lookup(at, words.weekdays).is_some()
                    || self.lookup(at, words.seasons).is_some()
                    || self.lookup(at, words.holidays).is_some()
                    || self.lookup(at, words.ordinals).is_some()
                    || self.lookup(at, words.decades).is_some()
                    || self.lookup(at, words.days).is_some()
                    || self.lookup(at, words.parts).is_some()
                    || self.lookup(at, words.shifts).is_some()
            }
            _ => false,
        }
    }

    fn relation(&self, at: usize, end: usize) -> Relation {
        let start = self.before_article(at);
        if let Some(relation) = self.lookup_behind(start, self.words.relations) {
            return relation;
        }
        let open = self.any(end, self.words.onwards).is_some_and(|end| self.closes(end) && !self.is_article(end));
        if open && self.behind(start, self.words.from).is_some() { Relation::Since } else { Relation::During }
    }

    fn is_article(&self, at: usize) -> bool {
        self.any(at, self.words.events.determiners).is_some()
    }

    /// Gives a month without a year the year that the question names: in a list ("in March and April 2021"), or alone
    /// ("in 2021, what did I do in March?"), where the year is no time of its own then.
    fn share_years(&self, mut found: Vec<Found>) -> Vec<Found> {
        let list = |from: usize, to: usize| {
            let mut at = self.any(from, self.words.and)?;
            at = self.skip(self.skip(at, self.words.cues), self.words.article);
            (at == to).then_some(())
        };
        for i in (0..found.len().saturating_sub(1)).rev() {
            let (Some(this), Some(next)) = (found.get(i), found.get(i + 1)) else { continue };
            let which = match next.phrase {
                Phrase::Yearly { which: which @ (Which::Year(_) | Which::YearShift(_)), .. } => which,
                _ => continue,
            };
            let listed = list(this.tokens.end, next.tokens.start).is_some();
            if let (true, Some(this)) = (listed, found.get_mut(i)) {
                set_year(this, which);
            }
        }
        let years: Vec<usize> = (0..found.len()).filter(|i| found.get(*i).and_then(year_of).is_some()).collect();
        let ([source], true) = (years.as_slice(), found.iter().any(lacks_year)) else { return found };
        let Some(which) = found.get(*source).and_then(year_of) else { return found };
        found.iter_mut().for_each(|f| set_year(f, which));
        found.remove(*source);
        found
    }

    fn phrase(&self, at: usize) -> Read {
        self.range(at).or_else(|| self.single(at, false, DEPTH))
    }

    /// "between March and May 2021", "from 3 to 5 March", "2019-2021"
    fn range(&self, at: usize) -> Read {
        let bare = self.behind(at, self.words.article).unwrap_or(at);
        let opened = self.behind(bare, self.words.between).is_some();
        let join = |end| self.any(end, self.words.to).or_else(|| self.any(end, self.words.and).filter(|_| opened));
        if let Some(days) = self.days(at, &join) {
            return Some(days);
        }
        let (first, end) = self.single(at, opened, DEPTH)?;
        let (second, end) = self.single(self.skip(join(end)?, self.words.article), true, DEPTH)?;
        let plain =
            |phrase: &Phrase| !matches!(phrase, Phrase::Ago { .. } | Phrase::Rolling { .. } | Phrase::Either(..));
        (plain(&first) && plain(&second)).then(|| (Phrase::Between(Box::new(first), Box::new(second)), end))
    }

    /// "3-5 March 2021", "March 3 to 5"
    fn days(&self, at: usize, join: &dyn Fn(usize) -> Option<usize>) -> Read {
        let both = |end| {
            let (first, _, end) = self.day(end)?;
            let (last, _, end) = self.day(self.skip(join(end)?, self.words.article))?;
            Some((first, last, end))
        };
        let (first, last, month, end) = match both(at) {
            Some((first, last, end)) => {
                let (month, _, end) = self.month(self.skip(end, self.words.of))?;
                (first, last, month, end)
            }
            None => {
                let (month, _, end) = self.month(at)?;
                let (first, last, end) = both(self.skip(end, self.words.article))?;
                if self.month(self.skip(end, self.words.of)).is_some() {
                    return None;
                }
                (first, last, month, end)
            }
        };
        let (which, end) = self.year_after(end).unwrap_or((Which::Any, end));
        let day = |day| Box::new(Phrase::Yearly { what: Yearly::Day { month, day }, which });
        (first <= last && !self.continued(at)).then(|| (Phrase::Between(day(first), day(last)), end))
    }

    /// One phrase. `cued`: what stands before it can only be followed by a time, so that doubtful words are one.
    pub(super) fn single(&self, at: usize, cued: bool, depth: u8) -> Read {
        let depth = depth.checked_sub(1)?;
        (self.iso(at).or_else(|| self.numeric(at)))
            .or_else(|| self.lookup(at, self.words.days).map(|(days, end)| (Phrase::Today(days), end)))
            .or_else(|| self.beside(at, depth))
            .or_else(|| self.ago(at))
            .or_else(|| self.part(at, depth))
            .or_else(|| self.nth(at, depth))
            .or_else(|| self.unit_of(at, depth))
            .or_else(|| self.before_last(at))
            .or_else(|| self.rolling(at))
            .or_else(|| self.shifted(at))
            .or_else(|| self.weekend(at))
            .or_else(|| self.day_of_month(at))
            .or_else(|| self.month_alone(at, cued))
            .or_else(|| self.season(at, cued))
            .or_else(|| self.holiday(at, cued))
            .or_else(|| self.weekday(at, cued))
            .or_else(|| self.decade(at, cued))
            .or_else(|| self.year(at, cued))
    }
}

/// The year of a phrase that is nothing else.
fn year_of(found: &Found) -> Option<Which> {
    match found.phrase {
        _ if found.relation != Relation::During => None,
        Phrase::Year(year) => Some(Which::Year(year)),
        Phrase::Unit(Unit::Year, shift) => Some(Which::YearShift(shift)),
        _ => None,
    }
}

/// Whether a phrase lies in what each year has once, and no year is named.
fn lacks_year(found: &Found) -> bool {
    fn lacks(phrase: &Phrase) -> bool {
        match phrase {
            Phrase::Part { of, .. } | Phrase::Nth { of, .. } => lacks(of),
            Phrase::Yearly { which, .. } => *which == Which::Any,
            _ => false,
        }
    }
    lacks(&found.phrase)
}

fn set_year(found: &mut Found, year: Which) {
    fn set(phrase: &mut Phrase, year: Which) {
        match phrase {
            Phrase::Part { of, .. } | Phrase::Nth { of, .. } => set(of, year),
            Phrase::Yearly { which: which @ Which::Any, .. } => *which = year,
            _ => {}
        }
    }
    set(&mut found.phrase, year);
}
