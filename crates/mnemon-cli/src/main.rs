//! The `mnemon` binary: long-term memory for agents on the command line. Everything it does is a call of the library
//! `mnemon`; here are only the command line, the output and the exit codes.

mod app;
mod args;
mod chat;
mod commands;
mod error;
mod input;
mod llm;
mod output;
mod place;

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;

use crate::app::App;
use crate::args::{Cli, Color};
use crate::error::{CliError, Outcome};
use crate::output::{Output, json_text, safe_line};

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return refuse(&error),
    };
    let choice = match cli.global.color {
        Color::Auto => anstream::ColorChoice::Auto,
        Color::Always => anstream::ColorChoice::Always,
        Color::Never => anstream::ColorChoice::Never,
    };
    choice.write_global();
    let json = cli.global.json;
    match run(cli) {
        Ok(Outcome::Done) => ExitCode::SUCCESS,
        Ok(Outcome::Unwell) => ExitCode::FAILURE,
        Ok(Outcome::NothingFound) => ExitCode::from(3),
        Ok(Outcome::Damaged) => ExitCode::from(4),
        // Whoever read the output has seen enough.
        Err(error) if error.is_broken_pipe() => ExitCode::SUCCESS,
        Err(error) => {
            report(&error, json);
            ExitCode::from(error.exit_code())
        }
    }
}

fn run(cli: Cli) -> Result<Outcome, CliError> {
    let out = Output::new(&cli.global);
    let mut app = App::new(cli.global, out)?;
    let outcome = commands::run(&mut app, cli.command)?;
    app.out.flush()?;
    Ok(outcome)
}

/// Says what is wrong with the command line, or shows the help that was asked for.
fn refuse(error: &clap::Error) -> ExitCode {
    let is_json = std::env::args_os().any(|argument| argument == "--json");
    if error.use_stderr() && is_json {
        let text = error.render().to_string();
        let message = text.trim().trim_start_matches("error: ");
        let document = serde_json::json!({"error": {"message": message, "causes": [], "hint": null}});
        let _ = writeln!(std::io::stderr(), "{}", json_text(&document));
    } else {
        // A help that nobody reads to its end is no failure.
        let _ = error.print();
    }
    ExitCode::from(if error.use_stderr() { 2 } else { 0 })
}

/// Standard error may be gone too; then there is nobody to tell.
fn report(error: &CliError, json: bool) {
    let mut stderr = anstream::stderr();
    if json {
        let _ = writeln!(stderr, "{}", json_text(&error.to_json()));
        return;
    }
    let (red, dim) = (output::style::BAD, output::style::DIM);
    let _ = writeln!(stderr, "{red}error:{red:#} {}", safe_line(&error.to_string()));
    for cause in error.causes() {
        let _ = writeln!(stderr, "  {}", safe_line(&cause));
    }
    if let Some(hint) = error.hint() {
        let _ = writeln!(stderr, "{dim}hint: {}{dim:#}", safe_line(&hint));
    }
}
