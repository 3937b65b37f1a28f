//! Standard output: text for people, JSON for programs.

mod bar;
mod entry;
mod json;
mod numbers;
mod packed;
mod progress;
pub(crate) mod style;
mod text;

use std::fmt::Display;
use std::io::{self, BufWriter, IsTerminal, StdoutLock, Write};

use anstream::AutoStream;
use anstyle::Style;
use serde::Serialize;

pub(crate) use bar::{budget_bar, score_bar};
pub(crate) use entry::Entry;
pub(crate) use json::json_text;
pub(crate) use numbers::{bytes, count, date, milliseconds, minute, plural};
pub(crate) use packed::{Packed, show as show_packed};
pub(crate) use progress::{ImportProgress, StepProgress, Waiting};
pub(crate) use text::{around, cut, find_ignoring_case, pad, pad_left, safe_block, safe_line, width, wrap};

use crate::args::Global;

/// Where output is no terminal and nothing says how wide it is.
const USUAL_WIDTH: usize = 100;
/// Below it, tables would have no room for their text.
const MIN_WIDTH: usize = 40;
/// Above it, lines are hard to read.
const MAX_WIDTH: usize = 140;

/// Standard output of one command. Lines go through a large buffer: whoever ends a command flushes it.
pub(crate) struct Output {
    sink: BufWriter<AutoStream<StdoutLock<'static>>>,
    /// Columns of a line.
    pub(crate) width: usize,
    pub(crate) is_json: bool,
    pub(crate) is_quiet: bool,
    pub(crate) is_terminal: bool,
    has_color: bool,
}

impl Output {
    pub(crate) fn new(global: &Global) -> Self {
        let stdout = io::stdout();
        let is_terminal = stdout.is_terminal();
        let has_color = AutoStream::choice(&stdout) != anstream::ColorChoice::Never;
        // It never takes anything out: exact text goes through it too. What has no colour is written without.
        let sink = BufWriter::with_capacity(1 << 16, AutoStream::always(stdout.lock()));
        let (is_json, is_quiet) = (global.json, global.quiet);
        Self { sink, width: columns(is_terminal), is_json, is_quiet, is_terminal, has_color }
    }

    /// A line of text for people. What comes from memory in it has to be made safe before.
    pub(crate) fn line(&mut self, line: impl Display) -> io::Result<()> {
        writeln!(self.sink, "{line}")
    }

    /// A confirmation: a line that is left out when it should be quiet.
    pub(crate) fn say(&mut self, line: impl Display) -> io::Result<()> {
        if self.is_quiet { Ok(()) } else { self.line(line) }
    }

    /// Exact text.
    pub(crate) fn raw(&mut self, text: &str) -> io::Result<()> {
        self.sink.write_all(text.as_bytes())
    }

    /// The one JSON document of the command.
    pub(crate) fn json(&mut self, document: &impl Serialize) -> io::Result<()> {
        let text = json_text(document);
        self.line(text)
    }

    /// Lines that are a JSON document each.
    pub(crate) fn json_lines(&mut self, lines: &str) -> io::Result<()> {
        self.raw(&json::escaped(lines))
    }

    /// The text in this style where there are colours.
    pub(crate) fn paint(&self, style: Style, text: impl Display) -> String {
        if self.has_color { format!("{style}{text}{style:#}") } else { text.to_string() }
    }

    pub(crate) fn dim(&self, text: impl Display) -> String {
        self.paint(style::DIM, text)
    }

    pub(crate) fn bold(&self, text: impl Display) -> String {
        self.paint(style::BOLD, text)
    }

    pub(crate) fn flush(&mut self) -> io::Result<()> {
        self.sink.flush()
    }
}

/// A remark on standard error, for people only.
pub(crate) fn remark(out: &Output, text: &str) {
    if !out.is_quiet && !out.is_json {
        let _ = writeln!(io::stderr(), "{}", safe_line(text));
    }
}

fn columns(is_terminal: bool) -> usize {
    let terminal = || terminal_size::terminal_size_of(io::stdout()).map(|(width, _)| usize::from(width.0));
    let variable = || std::env::var("COLUMNS").ok()?.trim().parse::<usize>().ok();
    let found = if is_terminal { terminal().or_else(variable) } else { variable() };
    found.filter(|&columns| columns > 0).unwrap_or(USUAL_WIDTH).clamp(MIN_WIDTH, MAX_WIDTH)
}
