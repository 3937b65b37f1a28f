//! `mnemon delete`

use mnemon::{ContextManager, MemoryId, StoreError};
use serde_json::json;

use crate::app::{App, Need, scope_name};
use crate::args::Several;
use crate::error::{CliError, Outcome};
use crate::output::{Output, plural, remark};

pub(crate) fn run(app: &mut App, args: &Several) -> Result<Outcome, CliError> {
    let memory = app.open_without_model(Need::Write)?;
    let (deleted, unknown) = each(&app.out, &memory, &args.ids, |id| memory.delete(id))?;
    if app.out.is_json {
        app.out.json(&json!({"deleted": deleted, "unknown": unknown}))?;
    } else if !deleted.is_empty() {
        app.out.say(format!("deleted {}", plural(deleted.len() as u64, "memory", "memories")))?;
    }
    Ok(if unknown.is_empty() { Outcome::Done } else { Outcome::NothingFound })
}

/// Does something with each memory. Returns the ids with which it was done, and those that are not in the scope.
pub(super) fn each(
    out: &Output,
    memory: &ContextManager,
    ids: &[MemoryId],
    work: impl Fn(MemoryId) -> Result<(), mnemon::Error>,
) -> Result<(Vec<MemoryId>, Vec<MemoryId>), CliError> {
    let (mut done, mut unknown) = (Vec::new(), Vec::new());
    for &id in ids {
        match work(id) {
            Ok(()) => done.push(id),
            Err(mnemon::Error::Store(StoreError::NoMemory { .. })) => {
                remark(out, &format!("no memory {id} in {}", scope_name(memory.scope())));
                unknown.push(id);
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok((done, unknown))
}
