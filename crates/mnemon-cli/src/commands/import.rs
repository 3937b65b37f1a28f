//! `mnemon import`

use std::path::Path;
use std::time::Instant;

use mnemon::ContextManager;
use mnemon::import::{self, Import, Options};
use serde_json::{Value, json};

use crate::app::{App, Need, scope_name};
use crate::args;
use crate::error::{CliError, Outcome};
use crate::output::{ImportProgress, milliseconds, plural, remark, safe_line, style};

/// Remarks about a file that are shown; JSON has them all.
const REMARKS: usize = 10;

pub(crate) fn run(app: &mut App, args: &args::Import) -> Result<Outcome, CliError> {
    let options =
        Options { format: args.format, skip_invalid: args.skip_invalid, most_trust: args.trust, ..Options::default() };
    let read = if args.file == Path::new("-") {
        import::read_from(std::io::stdin().lock(), "standard input", &options)?
    } else {
        import::read(&args.file, &options)?
    };
    show_remarks(app, &read);

    let memory = app.open(Need::Make)?;
    let start = Instant::now();
    let mut progress = ImportProgress::new(&app.out);
    let imported = memory.import(&read, &mut |step| progress.update(step));
    progress.end();
    let ingested = imported?;
    let micros = u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX);
    let (mut conversations, mut without_vector) = (Vec::new(), 0);
    for conversation in &read.conversations {
        let target = match &conversation.scope {
            Some(scope) => memory.in_scope(scope.clone()),
            None => memory.clone(),
        };
        without_vector += without_vectors(&target)?;
        let turns: usize = conversation.sessions.iter().map(|session| session.turns.len()).sum();
        conversations.push((target.scope().clone(), conversation.sessions.len(), turns, conversation.memories.len()));
    }
    if app.out.is_json {
        let conversations: Vec<Value> = conversations
            .iter()
            .map(|(scope, sessions, turns, memories)| {
                json!({"scope": scope, "sessions": sessions, "turns": turns, "memories": memories})
            })
            .collect();
        app.out.json(&json!({
            "format": read.format.as_str(),
            "conversations": conversations,
            "stored": ingested,
            "embedded": progress.embedded,
            "without_vector": without_vector,
            "skipped": read.skipped.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "notes": read.notes.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "micros": micros,
        }))?;
        return Ok(Outcome::Done);
    }
    let out = &mut app.out;
    for (scope, sessions, turns, memories) in &conversations {
        let mut line = format!(
            "{}  {}, {}",
            out.paint(style::NAME, safe_line(&scope_name(scope))),
            plural(*sessions as u64, "session", "sessions"),
            plural(*turns as u64, "turn", "turns"),
        );
        if *memories > 0 {
            line.push_str(&format!(", {}", plural(*memories as u64, "memory", "memories")));
        }
        out.say(line)?;
    }
    let known = match ingested.known {
        0 => String::new(),
        known => format!(", {} known already", plural(known as u64, "was", "were")),
    };
    let stored = plural((ingested.turns + ingested.memories) as u64, "new memory", "new memories");
    let embedded = plural(progress.embedded, "embedded", "embedded");
    let time = milliseconds(micros);
    out.say(format!("stored {stored}{known}; {embedded}, in {time}"))?;
    if ingested.redacted > 0 {
        let texts = plural(ingested.redacted as u64, "memory", "memories");
        out.say(out.paint(style::WARN, format!("secrets in {texts} were redacted")))?;
    }
    if without_vector > 0 {
        let line = plural(without_vector, "memory has no vector and is", "memories have no vector and are");
        out.say(out.paint(style::WARN, format!("{line} found by words only: see `mnemon doctor`")))?;
    }
    Ok(Outcome::Done)
}

/// Memories of the scope that have no vector of the present model.
fn without_vectors(memory: &ContextManager) -> Result<u64, CliError> {
    let stats = memory.get_stats()?;
    Ok(stats.store.memories.saturating_sub(stats.long_term.vectors))
}

fn show_remarks(app: &App, read: &Import) {
    let skipped = read.skipped.iter().map(|problem| format!("left out: {problem}"));
    let notes = read.notes.iter().map(|note| format!("note: {note}"));
    let remarks: Vec<String> = skipped.chain(notes).collect();
    for text in remarks.iter().take(REMARKS) {
        remark(&app.out, text);
    }
    if remarks.len() > REMARKS {
        remark(&app.out, &format!("... and {} more, which --json lists", remarks.len() - REMARKS));
    }
}
