//! `mnemon history`

use mnemon::Slot;
use serde_json::json;

use crate::app::{App, Need, scope_name};
use crate::args::History;
use crate::error::{CliError, Outcome};
use crate::output::{minute, remark, safe_line, style};

pub(crate) fn run(app: &mut App, args: &History) -> Result<Outcome, CliError> {
    let memory = app.open_without_model(Need::Read)?;
    let about = Slot::new(&args.subject, &args.slot);
    let history = memory.history(&about)?;
    let outcome = if history.is_empty() { Outcome::NothingFound } else { Outcome::Done };
    if app.out.is_json {
        app.out.json(&json!({"scope": memory.scope(), "about": about, "memories": history}))?;
        return Ok(outcome);
    }
    let out = &mut app.out;
    for memory in &history {
        let until = match memory.state.ended {
            Some(ended) => format!("until {} ({})", minute(ended.at), ended.why),
            None => "holds".to_owned(),
        };
        out.line(format!("{}  {}  {}", out.dim(memory.id), minute(memory.time()), out.paint(style::NAME, until)))?;
        out.line(format!("  {}", safe_line(&memory.text)))?;
    }
    if history.is_empty() {
        let about = format!("{} of {}", args.slot, args.subject);
        remark(out, &format!("nothing about the {} in {}", safe_line(&about), scope_name(memory.scope())));
    }
    Ok(outcome)
}
