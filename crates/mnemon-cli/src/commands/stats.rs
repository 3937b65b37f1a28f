//! `mnemon stats`

use std::io;

use mnemon::{Session, Stats};
use serde_json::json;

use crate::app::{App, Need, bare_scope_name};
use crate::error::{CliError, Outcome};
use crate::output::{Output, bytes, count, cut, date, pad, pad_left, plural, safe_line, score_bar, style};

/// Sessions that are listed; JSON has them all.
const SESSIONS: usize = 12;

pub(crate) fn run(app: &mut App) -> Result<Outcome, CliError> {
    let memory = app.open_with_any_model(Need::Read)?;
    let stats = memory.get_stats()?;
    let sessions = memory.sessions()?;
    if app.out.is_json {
        let mut document = serde_json::to_value(&stats).unwrap_or_default();
        if let Some(fields) = document.as_object_mut() {
            fields.insert("sessions".to_owned(), json!(sessions));
        }
        app.out.json(&document)?;
    } else {
        show(&mut app.out, &stats, &sessions)?;
    }
    Ok(Outcome::Done)
}

fn show(out: &mut Output, stats: &Stats, sessions: &[Session]) -> io::Result<()> {
    let store = &stats.store;
    let field = |out: &mut Output, name: &str, value: String| {
        let value = cut(&safe_line(&value), out.width.saturating_sub(14));
        out.line(format!("{}  {value}", out.dim(format!("{name:>12}"))))
    };
    if let Some(path) = &store.path {
        field(out, "file", path.display().to_string())?;
    }
    let schema = format!("{}, schema {}, SQLite {}", bytes(store.bytes), store.schema_version, store.sqlite_version);
    field(out, "size", schema)?;
    field(out, "scope", bare_scope_name(&stats.scope))?;
    let others = store.memories - store.turns.min(store.memories);
    let turns = plural(store.turns, "turn", "turns");
    field(out, "memories", format!("{} ({turns}, {} beside)", count(store.memories), count(others)))?;
    if store.summaries > 0 {
        let summaries = plural(store.summaries, "summary", "summaries");
        field(out, "made", format!("{summaries} of what left the window; `mnemon list --kind summary`"))?;
    }
    let window = &stats.short_term;
    let (tokens, capacity) = (count(window.tokens as u64), count(window.capacity as u64));
    let bar = score_bar(window.utilization as f32, 10);
    field(
        out,
        "window",
        format!("▕{bar}▏ {} in {tokens} of {capacity} tokens", plural(window.turns as u64, "turn", "turns")),
    )?;
    match &stats.long_term.model {
        Some(model) => {
            let share = stats.long_term.vectors as f64 / store.memories.max(1) as f64;
            let bar = score_bar(share as f32, 10);
            field(
                out,
                "vectors",
                format!("▕{bar}▏ {} of {} have one", count(stats.long_term.vectors), count(store.memories)),
            )?;
            field(out, "model", model.to_string())?;
        }
        None => field(out, "model", "none: only words are compared".to_owned())?,
    }
    if let Some(next) = &store.next_model {
        field(out, "changing to", format!("{next}; `mnemon model` shows how far it is"))?;
    }
    for (model, vectors) in store.vectors.iter().filter(|(of, _)| Some(of) != stats.long_term.model.as_ref()) {
        field(out, "also", format!("{} of {model}", plural(*vectors, "vector", "vectors")))?;
    }
    if !sessions.is_empty() {
        out.line("")?;
        out.line(out.dim(format!("{:>12}  {:>6}  session", "begun", "turns")))?;
    }
    let first = sessions.len().saturating_sub(SESSIONS);
    if first > 0 {
        out.line(out.dim(format!("{:>12}  ... {} before", "", plural(first as u64, "session", "sessions"))))?;
    }
    for session in sessions.iter().skip(first) {
        let name = session.name.as_deref().map_or_else(|| session.id.to_string(), safe_line);
        let (begun, turns) = (pad_left(&date(session.started_at), 12), pad_left(&count(session.turns), 6));
        let name = pad(&name, width_of_name(out)).trim_end().to_owned();
        out.line(format!("{}  {turns}  {}", out.dim(begun), out.paint(style::NAME, name)))?;
    }
    Ok(())
}

fn width_of_name(out: &Output) -> usize {
    out.width.saturating_sub(22)
}
