//! What a person sees of the demo.

use std::collections::HashMap;
use std::io;
use std::path::Path;

use anstyle::Style;
use mnemon::{ContextManager, Item, Observed, Scope, SessionId};

use super::answer::Answer;
use super::data::LIVE;
use super::{Place, Remembered, Summary};
use crate::app::App;
use crate::error::CliError;
use crate::output::{
    Entry, Output, Packed, around, bytes, count, milliseconds, pad, plural, safe_line, show_packed, style, width, wrap,
};

/// Items of each context that are listed beside its evidence.
const ROWS: usize = 4;

type Names = HashMap<SessionId, String>;

pub(super) fn title(app: &mut App, place: &Place) -> io::Result<()> {
    let out = &mut app.out;
    if out.is_json {
        return Ok(());
    }
    heading(out, "remember")?;
    paragraph(
        out,
        "Nora has talked to an assistant for a year. Flats, jobs, plans and a diagnosis change on the way. Her conversation is part of this program; it is stored and embedded on this machine, with no network.",
    )?;
    out.line(out.dim(format!("  file {}", safe_line(&place.path.display().to_string()))))?;
    if !place.is_kept {
        out.line(out.dim("  which goes away at the end, unless --keep is given"))?;
    }
    out.flush()
}

pub(super) fn remembered(app: &mut App, remembered: &Remembered) -> io::Result<()> {
    let out = &mut app.out;
    if out.is_json {
        return Ok(());
    }
    let stored = &remembered.stored;
    let turns = plural(stored.turns as u64, "turn", "turns");
    let known = match stored.known {
        0 => String::new(),
        known => format!(" ({} known from before)", count(known as u64)),
    };
    let sessions = plural(stored.sessions as u64, "session", "sessions");
    let time = milliseconds(remembered.micros);
    let done = format!("{turns} of {sessions} stored{known}, {} embedded, in {time}", count(remembered.embedded));
    done_line(out, &done)
}

pub(super) fn reopened(app: &mut App, memory: &ContextManager, micros: u64) -> Result<(), CliError> {
    if app.out.is_json {
        return Ok(());
    }
    let stats = memory.get_stats()?;
    let out = &mut app.out;
    let (size, memories) = (bytes(stats.store.bytes), plural(stats.store.memories, "memory", "memories"));
    let model = stats.long_term.model.map_or("no model".to_owned(), |model| model.name);
    let line = format!("closed and opened again: {memories}, {size}, model {model}, in {}", milliseconds(micros));
    Ok(done_line(out, &line)?)
}

pub(super) fn answer(app: &mut App, name: &str, answer: &Answer, names: &Names) -> io::Result<()> {
    let out = &mut app.out;
    if out.is_json {
        return Ok(());
    }
    heading(out, name)?;
    out.line(format!("  {}", out.bold(safe_line(&answer.question))))?;
    for evidence in &answer.evidence {
        match answer.item(&evidence.id) {
            Some(item) => show_evidence(out, answer, item, names)?,
            None => {
                let line = format!("✗ the turn {} is not in the context", safe_line(&evidence.id));
                out.line(format!("  {}", out.paint(style::BAD, line)))?;
            }
        }
    }
    let marked: Vec<String> = answer.evidence.iter().map(|evidence| evidence.id.clone()).collect();
    show_packed(out, &Packed { context: &answer.context, names, rows: ROWS, with_dropped: false, marked: &marked })
}

/// The turn that holds the answer, with the piece of the answer marked.
fn show_evidence(out: &mut Output, answer: &Answer, item: &Item, names: &Names) -> io::Result<()> {
    let Some(source) = &item.source else { return Ok(()) };
    let entry = Entry::of_source(source, &item.text, names);
    let label = format!("{} {} {}:", entry.date, entry.from, entry.who);
    let columns = out.width.saturating_sub(width(&label) + 5);
    let range = answer.piece_in(&entry.text).unwrap_or(0..0);
    let (piece, at) = around(&entry.text, range, columns);
    let part = |range: std::ops::Range<usize>| piece.get(range).unwrap_or_default().to_owned();
    let (before, found, after) = (part(0..at.start), part(at.clone()), part(at.end..piece.len()));
    let found = if found.is_empty() { found } else { out.paint(style::MARK, found) };
    out.line(format!("  {} {} {before}{found}{after}", out.paint(style::GOOD, "✓"), out.dim(label)))
}

pub(super) fn live(app: &mut App, observed: &Observed, asked: &Answer, names: &Names) -> io::Result<()> {
    let out = &mut app.out;
    if out.is_json {
        return Ok(());
    }
    heading(out, "a turn that was said a moment ago")?;
    for (who, text) in ["user", "assistant"].iter().zip(LIVE) {
        indented(out, &format!("{who}: {text}"), 2, Style::new())?;
    }
    let (turns, tokens) = (plural(observed.turns.len() as u64, "turn", "turns"), count(observed.window_tokens as u64));
    indented(out, &format!("observed: {turns}, the window of recent turns has {tokens} tokens"), 2, style::DIM)?;
    out.line(format!("  {}", out.bold(&asked.question)))?;
    for item in asked.evidence.iter().filter_map(|evidence| asked.item(&evidence.id)) {
        show_evidence(out, asked, item, names)?;
    }
    let marked: Vec<String> = asked.evidence.iter().map(|evidence| evidence.id.clone()).collect();
    show_packed(out, &Packed { context: &asked.context, names, rows: 2, with_dropped: false, marked: &marked })
}

pub(super) fn summary(app: &mut App, place: &Place, summary: &Summary, scope: &Scope) -> io::Result<()> {
    let out = &mut app.out;
    if out.is_json {
        return Ok(());
    }
    heading(out, "in short")?;
    let all = summary.evidence_found == summary.evidence;
    let found = format!(
        "{} of {} turns that hold an answer are in the contexts; {} of {} questions have all of theirs",
        summary.evidence_found, summary.evidence, summary.questions_answered, summary.questions
    );
    field(out, "evidence", &found, if all { style::GOOD } else { style::WARN })?;
    let share = summary.largest_context_tokens as f64 * 100.0 / summary.conversation_tokens.max(1) as f64;
    let tokens = format!(
        "at most {} tokens each, {share:.0} % of the conversation's {}",
        count(summary.largest_context_tokens as u64),
        count(summary.conversation_tokens as u64)
    );
    field(out, "contexts", &tokens, Style::new())?;
    let time = format!("{} for a context (p50): embed, search, pack", milliseconds(summary.context_p50_us));
    field(out, "time", &time, Style::new())?;
    field(out, "file", &bytes(summary.file_bytes), Style::new())?;
    out.line("")?;
    out.line(out.bold("  Try next"))?;
    let (path, scope) = (quoted(&place.path), quoted(Path::new(&scope.to_string())));
    let lines = if place.is_kept {
        [
            format!("mnemon context --db {path} --scope {scope} \"What should I bring to Nora's dinner?\""),
            format!("mnemon search --db {path} --scope {scope} \"Japan\""),
        ]
    } else {
        [
            "mnemon demo --db nora.db".to_owned(),
            format!("mnemon context --db nora.db --scope {scope} \"What did the vet say about Pixel?\""),
        ]
    };
    lines.iter().try_for_each(|line| out.line(format!("    {line}")))
}

fn heading(out: &mut Output, text: &str) -> io::Result<()> {
    let rest = out.width.min(100).saturating_sub(width(text) + 4);
    out.line("")?;
    out.line(format!("{} {} {}", out.dim("──"), out.bold(text), out.dim("─".repeat(rest))))
}

fn paragraph(out: &mut Output, text: &str) -> io::Result<()> {
    indented(out, text, 2, Style::new())
}

fn indented(out: &mut Output, text: &str, indent: usize, style: Style) -> io::Result<()> {
    let lines = wrap(text, out.width.min(100).saturating_sub(indent), usize::MAX);
    lines.iter().try_for_each(|line| out.line(format!("{:indent$}{}", "", out.paint(style, line))))
}

fn done_line(out: &mut Output, text: &str) -> io::Result<()> {
    labelled(out, "✓", 1, style::GOOD, text, Style::new())
}

fn field(out: &mut Output, name: &str, value: &str, style: Style) -> io::Result<()> {
    labelled(out, name, 9, style::DIM, value, style)
}

/// A text beside a label of so many columns; further lines of it stand below the first.
fn labelled(
    out: &mut Output,
    label: &str,
    columns: usize,
    label_style: Style,
    text: &str,
    style: Style,
) -> io::Result<()> {
    let lines = wrap(&safe_line(text), out.width.min(100).saturating_sub(columns + 3), usize::MAX);
    for (at, line) in lines.iter().enumerate() {
        let label = pad(if at == 0 { label } else { "" }, columns);
        out.line(format!("  {} {}", out.paint(label_style, label), out.paint(style, line)))?;
    }
    Ok(())
}

/// A path as a shell takes it.
fn quoted(path: &Path) -> String {
    let text = safe_line(&path.display().to_string());
    let is_plain = |c: char| c.is_alphanumeric() || "/\\:._-+=,@%".contains(c);
    if text.chars().all(is_plain) { text } else { format!("'{}'", text.replace('\'', "'\\''")) }
}
