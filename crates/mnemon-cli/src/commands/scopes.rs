//! `mnemon scopes`

use mnemon::Scope;
use serde_json::{Value, json};

use crate::app::{App, Need};
use crate::error::{CliError, Outcome};
use crate::output::{count, pad_left, remark, safe_line, style};

pub(crate) fn run(app: &mut App) -> Result<Outcome, CliError> {
    let memory = app.open_without_model(Need::Read)?;
    let scopes = memory.scopes()?;
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
        let name = if scope == Scope::default() { "(unnamed)".to_owned() } else { safe_line(&scope.to_string()) };
        out.line(format!("{}  {}", pad_left(&count(memories), 10), out.paint(style::NAME, name)))?;
    }
    Ok(Outcome::Done)
}
