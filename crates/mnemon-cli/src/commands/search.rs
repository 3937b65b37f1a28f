//! `mnemon search`

use std::collections::HashMap;
use std::io;
use std::time::Instant;

use mnemon::{Hit, Recall, SessionId};
use serde_json::json;

use crate::app::{App, Need, scope_name, session_names};
use crate::args::Search;
use crate::error::{CliError, Outcome};
use crate::input::text_of;
use crate::output::{Entry, Output, cut, milliseconds, plural, remark, safe_line, score_bar, style, width, wrap};

/// Columns before the text of a hit.
const INDENT: usize = 5;
/// Columns of a score's bar.
const BAR: usize = 8;
/// Lines of a text that are shown.
const LINES: usize = 2;

pub(crate) fn run(app: &mut App, args: &Search) -> Result<Outcome, CliError> {
    let query = args.question.query(text_of(&args.question.query)?);
    let memory = app.open(Need::Read)?;
    let start = Instant::now();
    let recall = memory.query_memory(query.clone(), args.hits)?;
    let micros = u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX);
    if app.out.is_json {
        let hits: Vec<_> = recall
            .hits
            .iter()
            .map(
                |hit| json!({"score": hit.score, "signals": hit.signals, "passage": hit.passage, "memory": hit.memory}),
            )
            .collect();
        app.out.json(&json!({
            "query": query.text, "scope": memory.scope(), "relevance": recall.relevance, "hits": hits, "degraded": recall.degraded, "micros": micros,
        }))?;
    } else {
        if let Some(degraded) = &recall.degraded {
            remark(&app.out, &format!("note: {degraded}"));
        }
        if recall.hits.is_empty() {
            remark(&app.out, &format!("nothing found in {}{}", scope_name(memory.scope()), nearly(&recall)));
        } else {
            let names = session_names(&memory)?;
            for (at, hit) in recall.hits.iter().enumerate() {
                show(&mut app.out, at + 1, hit, &names)?;
            }
            let hits = plural(recall.hits.len() as u64, "memory", "memories");
            let line = app.out.dim(format!("{hits} in {}", milliseconds(micros)));
            app.out.say(line)?;
        }
    }
    Ok(if recall.hits.is_empty() { Outcome::NothingFound } else { Outcome::Done })
}

/// What was below the floor.
fn nearly(recall: &Recall) -> String {
    let relevance = recall.relevance.filter(|relevance| *relevance > 0.0);
    relevance.map_or(String::new(), |relevance| format!(": the best has a relevance of {relevance:.2}"))
}

fn show(out: &mut Output, rank: usize, hit: &Hit, names: &HashMap<SessionId, String>) -> io::Result<()> {
    let entry = Entry::of_memory(&hit.memory, names);
    let bar = out.paint(style::NAME, score_bar(hit.score, BAR));
    let who = cut(&entry.who, 20);
    // What stands before the place: rank, bar, score and day take 34 columns.
    let room = out.width.saturating_sub(34 + width(&who) + 4);
    let from = if room >= 4 { cut(&entry.from, room) } else { String::new() };
    let line =
        format!("{rank:>3}  {bar} {:.2}  {}  {}  {}", hit.score, out.dim(&entry.date), out.bold(who), out.dim(from));
    out.line(line.trim_end())?;
    let text = if hit.passage.is_some() { safe_line(hit.text()) } else { entry.text.clone() };
    for line in wrap(&text, out.width.saturating_sub(INDENT), LINES) {
        out.line(format!("{:INDENT$}{line}", ""))?;
    }
    let mut parts = vec![hit.memory.id.to_string()];
    if hit.memory.pinned {
        parts.push("pinned".to_owned());
    }
    parts.extend(hit.signals.cosine.map(|cosine| format!("cosine {cosine:.2}")));
    parts.extend(hit.signals.text.map(|text| format!("words {text:.2}")));
    while parts.len() > 1 && width(&parts.join(" · ")) + INDENT > out.width {
        parts.pop();
    }
    out.line(format!("{:INDENT$}{}", "", out.dim(safe_line(&parts.join(" · ")))))
}
