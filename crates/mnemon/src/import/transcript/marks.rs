//! What a single line of a transcript may be.

use jiff::Timestamp;
use jiff::civil::{Date, Time};

use crate::import::time::{self, NumericDate};

/// How a turn starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    /// With a time before the name.
    Timed,
    /// With a heading that is the name.
    Heading,
    /// With a bold name.
    Bold,
    /// With a name and a colon.
    Plain,
}

/// What a line may be, looked at alone.
#[derive(Debug)]
pub(super) enum Mark<'a> {
    /// The first line of a turn.
    Turn(Header<'a>),
    /// A time and no name: a message of the program itself.
    Nameless(Stamp),
    /// The start of a session.
    Session { name: Option<String>, date: Option<SessionDate> },
    /// Part of a turn.
    Text,
}

/// The first line of a turn.
#[derive(Debug)]
pub(super) struct Header<'a> {
    pub(super) style: Style,
    pub(super) name: &'a str,
    pub(super) rest: &'a str,
    pub(super) stamp: Option<Stamp>,
}

/// A time before a name. With neither date nor an exact instant, it is an hour of the day of the session.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Stamp {
    pub(super) exact: Option<Timestamp>,
    pub(super) date: Option<NumericDate>,
    pub(super) clock: Option<Time>,
    /// Whether the hour is written with am or pm.
    pub(super) is_half_day: bool,
}

/// The date of a session.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum SessionDate {
    Exact(Timestamp),
    Numeric(NumericDate),
    Spelled(Date),
}

impl SessionDate {
    fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if text.len() > 64 || !text.contains(|c: char| c.is_ascii_digit()) {
            return None;
        }
        if let Some(date) = NumericDate::parse(text) {
            return Some(Self::Numeric(date));
        }
        // Every other form has a year of four digits; most lines are turned away here.
        if !text.as_bytes().windows(4).any(|four| four.iter().all(u8::is_ascii_digit)) {
            return None;
        }
        let spelled = || time::spelled_date(text).map(Self::Spelled);
        // A number alone would be read as a compact date.
        let exact = || text.contains(['-', ':']).then(|| time::spelled(text)).flatten().map(Self::Exact);
        spelled().or_else(exact)
    }

    pub(super) fn resolve(self, day_first: bool) -> Option<Timestamp> {
        let midnight = |date: Date| time::utc(date.to_datetime(Time::midnight()));
        match self {
            Self::Exact(at) => Some(at),
            Self::Numeric(date) => date.resolve(day_first).and_then(midnight),
            Self::Spelled(date) => midnight(date),
        }
    }
}

/// A name and a time are looked for in so many bytes only, so that a huge line costs no more than a small one.
const HEAD_BYTES: usize = 160;
const NAME_CHARS: usize = 60;

/// Looks at a line.
pub(super) fn mark(line: &str) -> Mark<'_> {
    // Programs put marks of direction before names of scripts that run from right to left, and elsewhere.
    let line = line.trim_start_matches(is_invisible).trim_start();
    if let Some((name, date)) = session(line) {
        return Mark::Session { name, date };
    }
    if let Some((stamp, rest)) = stamp(line) {
        return match named(rest, |_| true) {
            Some((name, rest)) => Mark::Turn(Header { style: Style::Timed, name, rest, stamp: Some(stamp) }),
            None => Mark::Nameless(stamp),
        };
    }
    let turn = |style, (name, rest)| Mark::Turn(Header { style, name, rest, stamp: None });
    if let Some(found) = heading(line) {
        return turn(Style::Heading, found);
    }
    if let Some(found) = bold(line) {
        return turn(Style::Bold, found);
    }
    named(line, is_plain_name).map_or(Mark::Text, |found| turn(Style::Plain, found))
}

fn is_invisible(c: char) -> bool {
    matches!(c, '\u{feff}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn is_blank(c: char) -> bool {
    c.is_whitespace() || is_invisible(c)
}

/// The start of a line, cut between characters.
fn head(line: &str) -> &str {
    let end = (0..=HEAD_BYTES.min(line.len())).rev().find(|at| line.is_char_boundary(*at)).unwrap_or(0);
    line.get(..end).unwrap_or_default()
}

/// `[time] rest` or `time - rest`.
fn stamp(line: &str) -> Option<(Stamp, &str)> {
    let start = head(line);
    if let Some(inner) = start.strip_prefix('[') {
        let end = inner.find(']')?;
        let stamp = read_stamp(inner.get(..end)?)?;
        return Some((stamp, line.get(end + 2..)?.trim_start_matches(is_blank)));
    }
    if !start.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    [" - ", " \u{2013} "].into_iter().find_map(|dash| {
        let end = start.find(dash)?;
        let stamp = read_stamp(start.get(..end)?)?;
        Some((stamp, line.get(end + dash.len()..)?.trim_start_matches(is_blank)))
    })
}

fn read_stamp(text: &str) -> Option<Stamp> {
    let text = text.trim_matches(is_blank);
    let none = Stamp { exact: None, date: None, clock: None, is_half_day: false };
    if text.contains([':', 'T'])
        && text.contains('-')
        && let Some(exact) = time::iso(text)
    {
        return Some(Stamp { exact: Some(exact), ..none });
    }
    if let Some((clock, is_half_day)) = time::clock(text) {
        return Some(Stamp { clock: Some(clock), is_half_day, ..none });
    }
    if let Some(date) = NumericDate::parse(text) {
        return Some(Stamp { date: Some(date), ..none });
    }
    let (date, clock) = text.split_once(|c: char| c == ',' || c.is_whitespace())?;
    let (clock, is_half_day) = time::clock(clock.trim_matches(is_blank))?;
    Some(Stamp { date: Some(NumericDate::parse(date.trim())?), clock: Some(clock), is_half_day, exact: None })
}

/// `Name: rest`, with a colon of any width, where the name is one that `accepts` takes.
fn named(line: &str, accepts: impl Fn(&str) -> bool) -> Option<(&str, &str)> {
    let (at, colon) = head(line).char_indices().find(|(_, c)| matches!(c, ':' | '\u{ff1a}'))?;
    let name = line.get(..at)?.trim_matches(is_blank);
    let rest = line.get(at + colon.len_utf8()..)?;
    // `https://` and `10:30` are no names; after the wide colon no space is usual.
    let is_apart = colon != ':' || rest.is_empty() || rest.starts_with(is_blank);
    let fits = !name.is_empty() && name.chars().nth(NAME_CHARS).is_none();
    (is_apart && fits && accepts(name)).then(|| (name, rest.trim_start_matches([' ', '\t'])))
}

/// At most four words of letters, the first of which starts with one.
fn is_plain_name(name: &str) -> bool {
    let is_part = |c: char| {
        c.is_alphanumeric() || is_blank(c) || is_joiner(c) || matches!(c, '.' | '\'' | '\u{2019}' | '-' | '_')
    };
    name.starts_with(char::is_alphabetic) && name.split_whitespace().count() <= 4 && name.chars().all(is_part)
}

/// Marks that are part of letters in many scripts.
fn is_joiner(c: char) -> bool {
    matches!(c, '\u{0300}'..='\u{036f}' | '\u{0591}'..='\u{05c7}' | '\u{064b}'..='\u{0655}' | '\u{0900}'..='\u{0dff}' | '\u{200c}' | '\u{200d}')
}

/// `**Name:** rest`, `**Name**: rest`, or a name that says its role alone in bold.
fn bold(line: &str) -> Option<(&str, &str)> {
    let inner_start = line.strip_prefix("**")?;
    let end = head(inner_start).find("**")?;
    let (inner, after) = (inner_start.get(..end)?.trim(), inner_start.get(end + 2..)?);
    let (name, rest) = match (inner.strip_suffix(':'), after.strip_prefix(':')) {
        (Some(name), _) => (name, after),
        (None, Some(rest)) => (inner, rest),
        (None, None) if after.trim().is_empty() && crate::import::roles::role_of_label(inner).is_some() => {
            (inner, after)
        }
        (None, None) => return None,
    };
    let name = name.trim_matches(is_blank);
    is_plain_name(name).then(|| (name, rest.trim_start_matches([' ', '\t'])))
}

/// `## Name` or `## Name:`.
fn heading(line: &str) -> Option<(&str, &str)> {
    let name = line.strip_prefix('#')?.trim_start_matches('#');
    let name = head(name).len().eq(&name.len()).then(|| name.strip_prefix(' '))??;
    let name =
        name.trim_matches(|c| is_blank(c) || c == '*').trim_end_matches(':').trim_matches(|c| is_blank(c) || c == '*');
    is_plain_name(name).then_some((name, ""))
}

/// A date alone or the word session with a number, a date or both; with lines or hashes around it or not.
fn session(line: &str) -> Option<(Option<String>, Option<SessionDate>)> {
    if line.len() > HEAD_BYTES {
        return None;
    }
    let is_rule = |c: char| is_blank(c) || matches!(c, '-' | '=' | '_' | '*' | '#' | '~' | '\u{2013}' | '\u{2014}');
    let is_marked = line.starts_with(['#', '-', '=', '*', '\u{2014}']);
    let core = line.trim_matches(is_rule);
    if let Some(date) = SessionDate::parse(core) {
        return Some((None, Some(date)));
    }
    let word = core.get(..7)?;
    let rest = core.get(7..)?;
    if !word.eq_ignore_ascii_case("session") || rest.starts_with(char::is_alphanumeric) {
        return None;
    }
    let bare = |text: &str| text.trim_matches(|c| is_rule(c) || matches!(c, ':' | ',' | '(' | ')' | '#')).to_owned();
    let all = bare(rest);
    if let Some(date) = SessionDate::parse(&all) {
        return Some((None, Some(date)));
    }
    let is_short = |text: &str| !text.contains(char::is_whitespace);
    let is_number = |text: &str| is_short(text) && text.starts_with(|c: char| c.is_ascii_digit());
    for (at, mark) in
        rest.char_indices().filter(|(_, c)| matches!(c, '(' | ':' | ',' | '-' | '\u{2013}' | '\u{2014}' | ' '))
    {
        let (left, right) = (bare(rest.get(..at)?), bare(rest.get(at + mark.len_utf8()..)?));
        if let Some(date) = SessionDate::parse(&right).filter(|_| is_short(&left)) {
            return Some((Some(format!("{word} {left}").trim_end().to_owned()), Some(date)));
        }
        // `# Session 3: the move` has a title.
        if mark == ':' && is_marked && is_number(&left) {
            return Some((Some(core.to_owned()), None));
        }
    }
    let is_line = if is_marked { is_short(&all) } else { is_number(&all) };
    is_line.then(|| (Some(core.to_owned()), None))
}
