//! `mnemon clear`

use std::io::{BufRead, IsTerminal, Write};

use mnemon::ListFilter;
use serde_json::json;

use crate::app::{App, Need, scope_name};
use crate::args::Clear;
use crate::error::{CliError, Outcome};
use crate::output::{plural, safe_line};

pub(crate) fn run(app: &mut App, args: &Clear) -> Result<Outcome, CliError> {
    let memory = app.open_without_model(Need::Write)?;
    let scope = scope_name(memory.scope());
    if !args.yes {
        let memories = plural(memory.count(&ListFilter::default())?, "memory", "memories");
        let path = app.path()?.display().to_string();
        confirm(&format!("Forget all {memories} of {scope} in {path}? Type yes: "))?;
    }
    let forgotten = memory.clear_memory()?;
    if app.out.is_json {
        app.out.json(&json!({"scope": memory.scope(), "forgotten": forgotten}))?;
    } else {
        app.out.say(format!("forgot {} of {}", plural(forgotten, "memory", "memories"), safe_line(&scope)))?;
    }
    Ok(Outcome::Done)
}

/// Asks on the terminal; anything but `yes` is an error.
pub(super) fn confirm(question: &str) -> Result<(), CliError> {
    let (stdin, mut stderr) = (std::io::stdin(), std::io::stderr());
    if !stdin.is_terminal() || !stderr.is_terminal() {
        return Err(CliError::NeedsYes);
    }
    write!(stderr, "{}", safe_line(question)).and_then(|()| stderr.flush())?;
    let mut answer = String::new();
    stdin.lock().read_line(&mut answer).map_err(|source| CliError::Stdin { source })?;
    if answer.trim().eq_ignore_ascii_case("yes") { Ok(()) } else { Err(CliError::NotConfirmed) }
}
