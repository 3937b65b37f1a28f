//! `mnemon list`

use mnemon::{ContextManager, ListFilter, SessionId};
use serde_json::json;

use crate::app::{App, Need, scope_name, session_names};
use crate::args::List;
use crate::error::{CliError, Outcome};
use crate::output::{Entry, count, cut, minute, plural, remark, safe_line, style};
use crate::place;

pub(crate) fn run(app: &mut App, args: &List) -> Result<Outcome, CliError> {
    let memory = app.open_without_model(Need::Read)?;
    let session = match place::session(&app.global) {
        Some(name) => Some(session_id(&memory, name)?),
        None => None,
    };
    let filter = ListFilter {
        kind: args.kind,
        session,
        pinned: args.pinned,
        filter: args.filter.clone(),
        limit: args.limit,
        offset: args.offset,
        newest_first: args.newest,
        ..ListFilter::default()
    };
    let (total, memories) = (memory.count(&filter)?, memory.list(&filter)?);
    if app.out.is_json {
        app.out.json(&json!({"scope": memory.scope(), "total": total, "offset": args.offset, "memories": memories}))?;
        return Ok(Outcome::Done);
    }
    let names = session_names(&memory)?;
    let out = &mut app.out;
    for memory in &memories {
        let entry = Entry::of_memory(memory, &names);
        let mut line =
            vec![out.dim(memory.id), out.dim(minute(memory.time())), out.paint(style::NAME, cut(&entry.who, 16))];
        if memory.pinned {
            line.push(out.paint(style::WARN, "pinned"));
        }
        // An id, a time and a name leave little of a narrow line.
        if out.width >= 80 {
            line.push(out.dim(cut(&entry.from, 16)));
        } else {
            line.remove(1);
        }
        out.line(line.join("  ").trim_end())?;
        out.line(format!("  {}", cut(&entry.text, out.width.saturating_sub(2))))?;
    }
    let scope = scope_name(memory.scope());
    if memories.is_empty() {
        remark(out, &format!("nothing to list in {scope}"));
    } else if (memories.len() as u64) < total {
        let shown = count(memories.len() as u64);
        let total = plural(total, "memory", "memories");
        let line = format!("{shown} of {total} in {}; --offset, --limit", safe_line(&scope));
        out.say(out.dim(cut(&line, out.width)))?;
    }
    Ok(Outcome::Done)
}

/// The session of this name, or of this id.
fn session_id(memory: &ContextManager, name: String) -> Result<SessionId, CliError> {
    let sessions = memory.sessions()?;
    let id = name.parse::<SessionId>().ok();
    let found = sessions.iter().find(|session| session.name.as_ref() == Some(&name) || Some(session.id) == id);
    match found {
        Some(session) => Ok(session.id),
        None => Err(CliError::NoSession { name, scope: scope_name(memory.scope()) }),
    }
}
