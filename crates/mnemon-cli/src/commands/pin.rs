//! `mnemon pin` and `mnemon unpin`

use mnemon::MemoryUpdate;
use serde_json::json;

use super::delete::each;
use crate::app::{App, Need};
use crate::args::Several;
use crate::error::{CliError, Outcome};
use crate::output::plural;

pub(crate) fn run(app: &mut App, args: &Several, pinned: bool) -> Result<Outcome, CliError> {
    let memory = app.open_without_model(Need::Write)?;
    let update = MemoryUpdate { pinned: Some(pinned), ..MemoryUpdate::default() };
    let (changed, unknown) = each(&app.out, &memory, &args.ids, |id| memory.update(id, &update))?;
    let word = if pinned { "pinned" } else { "unpinned" };
    if app.out.is_json {
        app.out.json(&json!({word: changed, "unknown": unknown}))?;
    } else if !changed.is_empty() {
        app.out.say(format!("{word} {}", plural(changed.len() as u64, "memory", "memories")))?;
    }
    Ok(if unknown.is_empty() { Outcome::Done } else { Outcome::NothingFound })
}
