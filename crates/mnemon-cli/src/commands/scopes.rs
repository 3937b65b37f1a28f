//! `mnemon scopes`

use serde_json::{Value, json};

use crate::app::{App, Need, bare_scope_name};
use crate::error::{CliError, Outcome};
use crate::output::{count, pad_left, remark, safe_line, style};

pub(crate) fn run(app: &mut App) -> Result<Outcome, CliError> {
    let memory = app.open_without_model(Need::Read)?;
    let mut scopes = memory.scopes()?;
    scopes.sort();
    let out = &mut app.out;
    if out.is_json {
        let scopes: Vec<Value> =
            scopes.iter().map(|(scope, memories)| json!({"scope": scope, "memories": memories})).collect();
        out.json(&json!({"scopes": scopes}))?;
        return Ok(Outcome::Done);
    }
    if scopes.is_empty() {
        remark(out, "nothing was ever stored in this file");
    }
    for (scope, memories) in scopes {
        let name = safe_line(&bare_scope_name(&scope));
        out.line(format!("{}  {}", pad_left(&count(memories), 10), out.paint(style::NAME, name)))?;
    }
    Ok(Outcome::Done)
}
