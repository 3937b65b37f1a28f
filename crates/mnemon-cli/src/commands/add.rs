//! `mnemon add`

use mnemon::NewMemory;
use serde_json::json;

use crate::app::{App, Need, scope_name};
use crate::args::Add;
use crate::error::{CliError, Outcome};
use crate::input::text_of;

pub(crate) fn run(app: &mut App, args: Add) -> Result<Outcome, CliError> {
    let text = text_of(&args.text)?;
    if text.trim().is_empty() {
        return Err(CliError::NoText);
    }
    let mut new = NewMemory::new(args.kind, text).pinned(args.pin).with_metadata(args.meta.into_iter().collect());
    new.occurred_at = args.at;
    new.trust = args.trust;
    new.state.about = args.about;
    new.state.expires_at = args.expires;
    new.state.importance = args.importance.unwrap_or(new.state.importance);
    let memory = app.open(Need::Make)?;
    let ids = memory.add(&[new])?;
    for id in ids {
        if app.out.is_json {
            app.out.json(&json!({"id": id, "scope": memory.scope(), "kind": args.kind, "pinned": args.pin}))?;
        } else {
            let what = if args.pin { format!("pinned {}", args.kind) } else { args.kind.to_string() };
            let line = format!("remembered a {what} in {}: {}", scope_name(memory.scope()), app.out.dim(id));
            app.out.say(line)?;
        }
    }
    Ok(Outcome::Done)
}
