//! Plain chat transcripts, as people copy them out of programs.
//!
//! A transcript is read in one style, that which its lines show best:
//!
//! | style | a turn starts with |
//! |---|---|
//! | with times | `[2025-03-02 18:05] Nora: text`, `2025-03-02 18:05 - Nora: text`, `[18:05] Nora: text` |
//! | bold | `**Nora:** text`, `**User**: text` |
//! | headings | `## User`, `### Assistant:` |
//! | plain | `Nora: text` |
//!
//! All other lines belong to the turn above, blank ones between its paragraphs too. Dates may be written as
//! `2025-03-02`, `02.03.2025`, `02/03/2025` (see [`Options::day_first`](super::Options::day_first)), hours with am and
//! pm. Times without an offset are UTC.
//!
//! A line of only a date (also `--- 2025-03-02 ---`, `# 2 March 2025`) or `# Session 3`, `Session 3 (2025-03-02)`
//! starts a session. A transcript with times and without such lines is divided at long pauses
//! ([`Options::session_gap`](super::Options::session_gap)). A turn without a time is dated to the date of its session
//! and a second for each turn before it.
//!
//! Names decide about roles: `user`, `human`, `me` and `you` are the user, `assistant`, `ai`, `bot`, `chatgpt`,
//! `claude` and `model` the assistant. Of other names the first is the user, if nobody else is, and the rest are the
//! assistant, unless [`Options::roles`](super::Options::roles) says otherwise.
//!
//! Without times, `Note: ...` looks as if somebody called Note spoke. So a name counts when it is one of those above or
//! is given in the options; where the transcript has not both a user and an assistant by these names, a name counts
//! also when it starts at least two lines, or when no more than two names start lines, or none starts two. Headings
//! count only with names of the first sort. A line that looks like a turn and is not one stays in the text of the turn
//! above, with a note.
//!
//! What stands before the first turn, a line with a time and no name (`Messages are end-to-end encrypted`), and a turn
//! without text are left out with a note. A file that is not blank and has no turn is an error.

use std::collections::{BTreeMap, HashMap, HashSet};

use jiff::civil::{Date, Time};
use jiff::{SignedDuration, Timestamp};
use mnemon_core::{NewTurn, Role};

use super::content::{Content, line_text};
use super::error::{Place, Problem, Report, excerpt};
use super::roles::{Roles, role_of_label, speaker_of};
use super::{Conversation, Format, Import, ImportError, ImportedSession, Options, time};

use marks::{Header, Mark, SessionDate, Stamp, Style, mark};

mod marks;

pub(super) fn parse(content: &Content<'_>, options: &Options) -> Result<Import, ImportError> {
    let mut report = Report::new(content.name(), options.skip_invalid);
    let mut lines = Vec::new();
    for (line, bytes) in content.lines() {
        if let Some(text) = report.keep(line_text(line, bytes))? {
            lines.push(Line { number: line, text, mark: mark(text) });
        }
    }
    let speakers = choose(&lines, options);
    let day_first = day_first(&lines, options, &mut report);
    let mut writer = Writer::new(content, options, &lines, speakers, day_first);
    for line in &lines {
        writer.line(line, &mut report);
    }
    writer.end_turn(&mut report);
    let sessions = writer.finish();

    let first = lines.iter().find(|line| !line.text.trim().is_empty());
    if let Some(first) = first.filter(|_| sessions.is_empty()) {
        let expected = "a turn such as `Name: text` or `[2025-03-02 18:05] Name: text` in some line";
        let got = format!("none; this is the first line: {:?}", excerpt(first.text));
        report.keep::<()>(Err(Problem::new(Place::Line(first.number), expected, got)))?;
    }
    let conversation =
        Conversation { scope: None, source: content.hash_source().to_owned(), sessions, memories: Vec::new() };
    let is_empty = conversation.sessions.is_empty();
    Ok(Import {
        format: Format::Transcript,
        conversations: if is_empty { Vec::new() } else { vec![conversation] },
        lines: content.line_count(),
        skipped: report.skipped,
        notes: report.notes,
    })
}

struct Line<'a> {
    number: usize,
    text: &'a str,
    mark: Mark<'a>,
}

impl<'a> Line<'a> {
    fn header(&self, style: Style) -> Option<&Header<'a>> {
        match &self.mark {
            Mark::Turn(header) if header.style == style => Some(header),
            _ => None,
        }
    }
}

/// The style with times where there are such lines; else that with most lines by names that say their role; else
/// that of the first turn.
fn choose(lines: &[Line<'_>], options: &Options) -> Speakers {
    let [timed, others @ ..] = [Style::Timed, Style::Heading, Style::Bold, Style::Plain].map(|style| {
        let speakers = Speakers::of(lines, style, options);
        let headers = lines.iter().filter_map(|line| line.header(style).map(|header| (line.number, header)));
        let turns: Vec<_> = headers.filter(|(_, header)| speakers.speaks(header)).collect();
        let sure = turns.iter().filter(|(_, header)| speakers.is_sure(header.name)).count();
        (speakers, turns.len(), sure, turns.first().map(|(line, _)| *line))
    });
    if timed.1 >= 2 || timed.1 == 1 && others.iter().all(|(_, turns, ..)| *turns == 0) {
        return timed.0;
    }
    // Of equals, the first: a heading is a stronger mark than a word with a colon.
    let rank = |sure: usize, first: Option<usize>| {
        let line = first.unwrap_or(usize::MAX);
        (std::cmp::Reverse(sure), if sure > 0 { 0 } else { line })
    };
    let best = others.into_iter().min_by_key(|(_, _, sure, first)| rank(*sure, *first));
    best.map_or(timed.0, |(speakers, ..)| speakers)
}

/// Whose names start turns.
struct Speakers {
    style: Style,
    roles: Roles,
    names: HashSet<String>,
}

impl Speakers {
    fn of(lines: &[Line<'_>], style: Style, options: &Options) -> Self {
        let given = Roles::new(&options.roles);
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        let mut labels = HashSet::new();
        let mut roles = Roles::new(&options.roles);
        for header in lines.iter().filter_map(|line| line.header(style)) {
            labels.extend(role_of_label(header.name));
            *counts.entry(header.name.to_lowercase()).or_default() += 1;
        }
        let has_both = labels.contains(&Role::User) && labels.contains(&Role::Assistant);
        let nobody_twice = labels.is_empty() && counts.values().all(|count| *count == 1);
        let takes_all = counts.len() <= 2 || nobody_twice;
        let counts_by_itself = |name: &str| given.is_given(name) || role_of_label(name).is_some();
        let names: HashSet<String> = counts
            .into_iter()
            .filter(|(name, count)| match style {
                Style::Timed => true,
                Style::Heading => counts_by_itself(name),
                Style::Bold | Style::Plain => counts_by_itself(name) || !has_both && (*count >= 2 || takes_all),
            })
            .map(|(name, _)| name)
            .collect();
        for header in lines.iter().filter_map(|line| line.header(style)) {
            if names.contains(&header.name.to_lowercase()) {
                roles.see(Some(header.name), None);
            }
        }
        Self { style, roles, names }
    }

    fn speaks(&self, header: &Header<'_>) -> bool {
        header.style == self.style && self.names.contains(&header.name.to_lowercase())
    }

    fn is_sure(&self, name: &str) -> bool {
        role_of_label(name).is_some() || self.roles.is_given(name)
    }
}

/// Whether dates such as `02/03/2025` have the day first.
fn day_first(lines: &[Line<'_>], options: &Options, report: &mut Report<'_>) -> bool {
    if let Some(given) = options.day_first {
        return given;
    }
    let stamps = || {
        lines.iter().filter_map(|line| match &line.mark {
            Mark::Turn(Header { stamp: Some(stamp), .. }) | Mark::Nameless(stamp) => Some((line.number, stamp)),
            _ => None,
        })
    };
    if let Some(shown) = stamps().find_map(|(_, stamp)| stamp.date.and_then(time::NumericDate::shows_day_first)) {
        return shown;
    }
    let by_clock = !stamps().any(|(_, stamp)| stamp.is_half_day);
    if let Some((line, _)) = stamps().find(|(_, stamp)| stamp.date.is_some_and(time::NumericDate::is_open)) {
        let order = if by_clock { "the day" } else { "the month" };
        report
            .note(Place::Line(line), format!("no date of the file shows its order, so {order} is taken to come first"));
    }
    by_clock
}

/// Puts lines together into turns and sessions.
struct Writer<'a> {
    content: &'a Content<'a>,
    options: &'a Options,
    speakers: Speakers,
    day_first: bool,
    has_session_lines: bool,
    has_preamble: bool,
    doubtful: HashSet<String>,
    sessions: Vec<ImportedSession>,
    /// How many sessions have each name.
    names: HashMap<String, usize>,
    turn: Option<OpenTurn<'a>>,
    /// The day that times without a date belong to, and the last such time.
    day: Option<Date>,
    last_clock: Option<Time>,
    last_time: Option<Timestamp>,
}

struct OpenTurn<'a> {
    line: usize,
    name: &'a str,
    text: String,
    time: Option<Timestamp>,
}

impl<'a> Writer<'a> {
    fn new(
        content: &'a Content<'a>,
        options: &'a Options,
        lines: &[Line<'a>],
        speakers: Speakers,
        day_first: bool,
    ) -> Self {
        Self {
            content,
            options,
            speakers,
            day_first,
            has_session_lines: lines.iter().any(|line| matches!(line.mark, Mark::Session { .. })),
            has_preamble: false,
            doubtful: HashSet::new(),
            sessions: Vec::new(),
            names: HashMap::new(),
            turn: None,
            day: None,
            last_clock: None,
            last_time: None,
        }
    }

    fn line(&mut self, line: &Line<'a>, report: &mut Report<'_>) {
        match &line.mark {
            Mark::Turn(header) if self.speakers.speaks(header) => {
                self.end_turn(report);
                self.start_turn(line.number, header);
            }
            Mark::Session { name, date } => {
                self.end_turn(report);
                self.start_session(name.as_deref(), *date);
            }
            Mark::Nameless(_) if self.speakers.style == Style::Timed => {
                self.end_turn(report);
                let text = format!("left out because nobody says it: {:?}", excerpt(line.text));
                report.note(Place::Line(line.number), text);
            }
            mark => {
                if let Mark::Turn(header) = mark {
                    self.doubt(line, header, report);
                }
                self.go_on(line, report);
            }
        }
    }

    /// Remarks on a line that looks like a turn, once for each name.
    fn doubt(&mut self, line: &Line<'_>, header: &Header<'_>, report: &mut Report<'_>) {
        if header.style == self.speakers.style
            && self.turn.is_some()
            && self.doubtful.insert(header.name.to_lowercase())
        {
            let text = format!("{:?} is not taken as the name of a speaker", excerpt(header.name));
            report.note(Place::Line(line.number), text);
        }
    }

    fn go_on(&mut self, line: &Line<'_>, report: &mut Report<'_>) {
        match &mut self.turn {
            Some(turn) => {
                turn.text.push('\n');
                turn.text.push_str(line.text);
            }
            None if line.text.trim().is_empty() || self.has_preamble => {}
            None => {
                self.has_preamble = true;
                let text = format!("what stands before a turn is left out: {:?}", excerpt(line.text));
                report.note(Place::Line(line.number), text);
            }
        }
    }

    fn start_turn(&mut self, line: usize, header: &Header<'a>) {
        let time = header.stamp.as_ref().and_then(|stamp| self.time_of(stamp));
        if !self.has_session_lines && self.is_after_pause(time) {
            self.start_session(None, None);
        }
        self.last_time = time.or(self.last_time);
        self.turn = Some(OpenTurn { line, name: header.name, text: header.rest.to_owned(), time });
    }

    fn is_after_pause(&self, time: Option<Timestamp>) -> bool {
        let (Some(gap), Some(time), Some(last)) = (self.options.session_gap, time, self.last_time) else {
            return false;
        };
        time.duration_since(last) > gap
    }

    fn time_of(&mut self, stamp: &Stamp) -> Option<Timestamp> {
        if stamp.exact.is_some() {
            return stamp.exact;
        }
        let clock = stamp.clock.unwrap_or(Time::midnight());
        if let Some(date) = stamp.date {
            return time::utc(date.resolve(self.day_first)?.to_datetime(clock));
        }
        // Half a day back on the clock is midnight passed, and not a mistake.
        let is_next_day =
            self.last_clock.is_some_and(|last| last.duration_since(clock) > SignedDuration::from_hours(12));
        if is_next_day {
            self.day = self.day.and_then(|day| day.tomorrow().ok());
        }
        self.last_clock = Some(clock);
        time::utc(self.day?.to_datetime(clock))
    }

    fn start_session(&mut self, name: Option<&str>, date: Option<SessionDate>) {
        let started_at = date.and_then(|date| date.resolve(self.day_first));
        self.day = started_at.map(|at| at.to_zoned(jiff::tz::TimeZone::UTC).date());
        self.last_clock = None;
        // Two sessions of one name would become one where they are stored.
        let name = name.map(|name| {
            let count = self.names.entry(name.to_owned()).or_default();
            *count += 1;
            if *count == 1 { name.to_owned() } else { format!("{name} ({count})") }
        });
        self.sessions.push(ImportedSession { name, started_at, turns: Vec::new() });
    }

    fn end_turn(&mut self, report: &mut Report<'_>) {
        let Some(OpenTurn { line, name, text, time }) = self.turn.take() else { return };
        let text = text.trim_start_matches('\n').trim_end();
        if text.trim().is_empty() {
            report.note(Place::Line(line), "left out because it has no text");
            return;
        }
        if self.sessions.is_empty() {
            self.start_session(None, None);
        }
        let Some(session) = self.sessions.last_mut() else { return };
        let mut turn = NewTurn::new(self.speakers.roles.resolve(name), text);
        turn.speaker = speaker_of(name);
        turn.origin = Some(self.content.origin(line));
        turn.occurred_at = time.or_else(|| time::nth_turn(session.started_at, session.turns.len()));
        session.started_at = session.started_at.or(time);
        session.turns.push(turn);
    }

    fn finish(mut self) -> Vec<ImportedSession> {
        self.sessions.retain(|session| !session.turns.is_empty());
        self.sessions
    }
}

#[cfg(test)]
mod tests;
