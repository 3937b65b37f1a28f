//! Looking at the words of a question: what stands at a place, before it and after it.

use std::ops::Range;

use super::token::{Suffix, Token, TokenKind, tokens};
use super::words::{List, Table, TimeWords, Unit};

/// A question in tokens, and the words of its language.
pub(super) struct Reader {
    pub(super) tokens: Vec<Token>,
    pub(super) words: &'static TimeWords,
}

impl Reader {
    pub(super) fn new(question: &str, words: &'static TimeWords) -> Self {
        Self { tokens: tokens(question), words }
    }

    /// The bytes of some tokens, `None` for no token.
    pub(super) fn bytes(&self, tokens: &Range<usize>) -> Option<Range<usize>> {
        let tokens = self.tokens.get(tokens.clone())?;
        Some(tokens.first()?.range.start..tokens.last()?.range.end)
    }

    pub(super) fn kind(&self, at: usize) -> Option<TokenKind> {
        self.tokens.get(at).map(|t| t.kind)
    }

    pub(super) fn glued(&self, at: usize) -> bool {
        self.tokens.get(at).is_some_and(|t| t.glued)
    }

    pub(super) fn capital(&self, at: usize) -> bool {
        matches!(self.kind(at), Some(TokenKind::Word { capital: true }))
    }

    /// The token before a place, unless the place is the first.
    pub(super) fn previous(&self, at: usize) -> Option<usize> {
        at.checked_sub(1)
    }

    /// The end of an entry that begins at a place.
    pub(super) fn entry(&self, at: usize, entry: &str) -> Option<usize> {
        // Nearly all entries end here: a question is compared with hundreds of them at each of its words.
        if !entry.starts_with(self.tokens.get(at)?.word.as_str()) {
            return None;
        }
        entry.split(' ').try_fold(at, |at, word| (self.tokens.get(at)?.word == word).then_some(at + 1))
    }

    /// The end of the longest entry that begins at a place.
    pub(super) fn any(&self, at: usize, list: List) -> Option<usize> {
        list.iter().filter_map(|entry| self.entry(at, entry)).max()
    }

    /// What the longest entry that begins at a place means, and its end.
    pub(super) fn lookup<T: Copy>(&self, at: usize, table: Table<T>) -> Option<(T, usize)> {
        let hits = table.iter().filter_map(|(entry, value)| Some((*value, self.entry(at, entry)?)));
        hits.max_by_key(|(_, end)| *end)
    }

    /// The place after an entry, or the place itself.
    pub(super) fn skip(&self, at: usize, list: List) -> usize {
        self.any(at, list).unwrap_or(at)
    }

    pub(super) fn skip_mark(&self, at: usize, mark: char) -> usize {
        if self.is_mark(at, mark) { at + 1 } else { at }
    }

    pub(super) fn is_mark(&self, at: usize, mark: char) -> bool {
        self.kind(at) == Some(TokenKind::Mark(mark))
    }

    /// The beginning of the longest entry that ends just before a place.
    pub(super) fn behind(&self, at: usize, list: List) -> Option<usize> {
        list.iter().filter_map(|entry| self.entry_behind(at, entry)).min()
    }

    /// What the longest entry that ends just before a place means.
    pub(super) fn lookup_behind<T: Copy>(&self, at: usize, table: Table<T>) -> Option<T> {
        let hits = table.iter().filter_map(|(entry, value)| Some((*value, self.entry_behind(at, entry)?)));
        hits.min_by_key(|(_, start)| *start).map(|(value, _)| value)
    }

    fn entry_behind(&self, at: usize, entry: &str) -> Option<usize> {
        if !entry.ends_with(self.tokens.get(at.checked_sub(1)?)?.word.as_str()) {
            return None;
        }
        let start = at.checked_sub(entry.split(' ').count())?;
        (self.entry(start, entry)? == at).then_some(start)
    }

    /// The place before an article and a word for roughly, if they end just before a place.
    pub(super) fn before_article(&self, at: usize) -> usize {
        let at = self.behind(at, self.words.article).unwrap_or(at);
        self.behind(at, self.words.roughly).unwrap_or(at)
    }

    /// Whether a phrase that ends before a place can end there: the text ends, or a mark, a number or a word without
    /// content follows.
    pub(super) fn closes(&self, at: usize) -> bool {
        match self.kind(at) {
            Some(TokenKind::Word { .. }) => self.any(at, self.words.function).is_some(),
            Some(TokenKind::Mark('-' | '.' | '\'' | '\u{2019}')) => !self.glued(at) || !self.glued(at + 1),
            _ => true,
        }
    }

    /// Whether a lower-case word with content follows: one that a number could count.
    pub(super) fn counts_something(&self, at: usize) -> bool {
        matches!(self.kind(at), Some(TokenKind::Word { capital: false })) && !self.closes(at)
    }

    /// A number of at most two digits from 1 to 31, as a day of the month; whether it is an ordinal.
    pub(super) fn day(&self, at: usize) -> Option<(i8, bool, usize)> {
        if let Some((day, end)) = self.lookup(at, self.words.ordinals) {
            return Some((i8::try_from(day).ok()?, true, end));
        }
        match self.kind(at)? {
            TokenKind::Number {
                value: value @ 1..=31,
                digits: 1..=2,
                suffix: suffix @ (Suffix::None | Suffix::Ordinal),
            } => Some((i8::try_from(value).ok()?, suffix == Suffix::Ordinal, at + 1)),
            _ => None,
        }
    }

    /// A year of four digits from 1900 to 2100 that is no part of a longer number or name.
    pub(super) fn year_number(&self, at: usize) -> Option<(i16, usize)> {
        let TokenKind::Number { value: value @ 1900..=2100, digits: 4, suffix } = self.kind(at)? else { return None };
        // 2021's is the year, 2020s the decade.
        let plain = suffix == Suffix::None || (suffix == Suffix::Decade && value % 10 != 0);
        (plain && !self.continues(at + 1)).then_some((i16::try_from(value).ok()?, at + 1))
    }

    /// Whether what stands at a place is glued to a mark and a number before it.
    pub(super) fn continued(&self, at: usize) -> bool {
        let Some(before) = self.previous(at) else { return false };
        self.glued(at)
            && match self.kind(before) {
                Some(TokenKind::Mark('(' | '[' | '{' | '"' | '\'' | ',' | ';' | '?' | '!')) => false,
                Some(TokenKind::Mark(c)) => c.is_ascii(),
                _ => true,
            }
    }

    /// Whether a number ends a choice of two: "2-3 weeks".
    fn ends_choice(&self, at: usize) -> bool {
        let (Some(dash), Some(first)) = (at.checked_sub(1), at.checked_sub(2)) else { return false };
        self.is_mark(dash, '-')
            && matches!(self.kind(first), Some(TokenKind::Number { digits: 1..=2, suffix: Suffix::None, .. }))
            && !self.continued(first)
    }

    /// Whether a number that ends before a place goes on as something longer: `2021/03`, `2021-555`, `2000%`.
    fn continues(&self, at: usize) -> bool {
        if !self.glued(at) {
            return false;
        }
        match self.kind(at) {
            Some(TokenKind::Mark('%' | '\u{b0}' | '$' | '\u{20ac}' | '\u{a3}')) => true,
            Some(TokenKind::Mark('-')) => {
                matches!(self.kind(at + 1), Some(TokenKind::Number { digits, .. }) if digits != 4 && self.glued(at + 1))
            }
            Some(TokenKind::Mark('/' | '.' | ':' | '_' | '@')) => self.glued(at + 1) && !self.is_mark_at(at + 1),
            Some(TokenKind::Mark(_)) | None => false,
            _ => true,
        }
    }

    fn is_mark_at(&self, at: usize) -> bool {
        matches!(self.kind(at), None | Some(TokenKind::Mark(_)))
    }

    /// How many, and the end of the words that say it.
    pub(super) fn count(&self, at: usize) -> Option<(i64, usize)> {
        match self.kind(at)? {
            TokenKind::Number { value: 1.., suffix: Suffix::None, .. }
                if self.continued(at) && !self.ends_choice(at) =>
            {
                None
            }
            TokenKind::Number { value: value @ 1.., suffix: Suffix::None, .. } => Some((value.into(), at + 1)),
            _ => self.lookup(at, self.words.counts),
        }
    }

    /// A unit in the singular (or in any number), how many of it one is, and the end.
    pub(super) fn unit(&self, at: usize, singular: bool) -> Option<(Unit, i64, usize)> {
        let fits = |one: &str, many: &str| self.entry(at, one).or_else(|| self.entry(at, many).filter(|_| !singular));
        self.words.units.iter().find_map(|(one, many, unit, times)| Some((*unit, *times, fits(one, many)?)))
    }
}
