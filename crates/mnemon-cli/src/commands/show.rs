//! `mnemon show`

use mnemon::Memory;
use serde::Serialize;
use serde_json::json;

use crate::app::{App, Need, bare_scope_name, scope_name, session_names};
use crate::args::One;
use crate::error::{CliError, Outcome};
use crate::output::{minute, plural, safe_block, safe_line, style};

/// A memory, and what it was made of where the engine made it.
#[derive(Serialize)]
struct Shown<'a> {
    #[serde(flatten)]
    memory: &'a Memory,
    #[serde(skip_serializing_if = "Option::is_none")]
    made: Option<serde_json::Value>,
}

pub(crate) fn run(app: &mut App, args: &One) -> Result<Outcome, CliError> {
    let memory = app.open_without_model(Need::Read)?;
    let Some(found) = memory.get(args.id)? else {
        return Err(CliError::NoMemory { id: args.id, scope: scope_name(memory.scope()) });
    };
    let made = memory.summary(args.id)?;
    let parts = if made.is_some() { memory.summary_parts(args.id)? } else { Vec::new() };
    if app.out.is_json {
        let parts: Vec<_> = parts.iter().map(|part| part.id).collect();
        let made = made.map(|made| json!({"depth": made.depth, "parts": parts}));
        app.out.json(&Shown { memory: &found, made })?;
        return Ok(Outcome::Done);
    }
    let names = session_names(&memory)?;
    let mut fields =
        vec![("id", found.id.to_string()), ("kind", found.kind.to_string()), ("scope", bare_scope_name(&found.scope))];
    if let Some(turn) = &found.turn {
        let session = names.get(&turn.session).cloned().unwrap_or_else(|| turn.session.to_string());
        fields.push(("session", format!("{session}, turn {}", turn.position + 1)));
        fields.push((
            "said by",
            match &turn.speaker {
                Some(speaker) => format!("{speaker} ({})", turn.role),
                None => turn.role.to_string(),
            },
        ));
        fields.push((
            "active in",
            match turn.placement {
                mnemon::Placement::Window => "the window of recent turns".to_owned(),
                mnemon::Placement::LongTerm => "long-term memory".to_owned(),
            },
        ));
    }
    fields.push(("came", found.via().to_string()));
    if let Some(origin) = &found.origin {
        fields.push(("from", format!("{} of {}", origin.id, origin.source)));
    }
    fields.extend(found.occurred_at.map(|time| ("happened", format!("{} UTC", minute(time)))));
    fields.push(("stored", format!("{} UTC", minute(found.stored_at))));
    if found.updated_at != found.stored_at {
        fields.push(("changed", format!("{} UTC", minute(found.updated_at))));
    }
    fields.push(("trust", found.trust.to_string()));
    fields.extend(found.state.about.as_ref().map(|about| ("about", format!("{} of {}", about.slot, about.subject))));
    fields.extend(found.state.expires_at.map(|time| ("expires", format!("{} UTC", minute(time)))));
    if let Some(ended) = &found.state.ended {
        let by = ended.by.map(|by| format!(" by {by}")).unwrap_or_default();
        fields.push(("ended", format!("{} UTC, {}{by}", minute(ended.at), ended.why)));
    }
    if found.state.importance != 0.5 {
        fields.push(("matters", found.state.importance.to_string()));
    }
    if let Some(last) = found.state.last_used {
        fields.push(("used", format!("{} times, last {} UTC", found.state.uses, minute(last))));
    }
    if found.pinned {
        fields.push(("pinned", "yes".to_owned()));
    }
    if found.priority != 1.0 {
        fields.push(("priority", found.priority.to_string()));
    }
    if let Some(made) = &made {
        let of = if made.depth == 1 { "turn" } else { "summary" };
        let turns = made.meta.as_ref().map_or(0, |meta| meta.messages) as u64;
        fields.push(("made of", format!("{} ({} below)", parts.len(), plural(turns, "turn", "turns"))));
        fields.extend(parts.iter().map(|part| (of, part.id.to_string())));
    }
    for (key, value) in found.metadata.iter().filter(|_| made.is_none()) {
        fields.push(("metadata", format!("{key} = {value}")));
    }
    fields.extend(found.caption.clone().map(|caption| ("shows", caption)));
    let out = &mut app.out;
    for (name, value) in fields {
        out.line(format!("{} {}", out.paint(style::DIM, format!("{name:>9}")), safe_line(&value)))?;
    }
    out.line("")?;
    out.line(safe_block(&found.text))?;
    Ok(Outcome::Done)
}
