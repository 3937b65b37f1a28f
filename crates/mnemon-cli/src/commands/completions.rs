//! `mnemon completions`

use clap::CommandFactory;
use serde_json::json;

use crate::app::App;
use crate::args::{Cli, Completions};
use crate::error::{CliError, Outcome};

pub(crate) fn run(app: &mut App, args: &Completions) -> Result<Outcome, CliError> {
    // Into memory first: the generator panics where it cannot write.
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "mnemon", &mut script);
    let script = String::from_utf8_lossy(&script);
    if app.out.is_json {
        app.out.json(&json!({"shell": args.shell.to_string(), "script": script}))?;
    } else {
        app.out.raw(&script)?;
    }
    Ok(Outcome::Done)
}
