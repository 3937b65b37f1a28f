//! `mnemon model`

use std::io::{self, IsTerminal};

use mnemon::{Embedded, ModelCoverage, ModelStatus, Steps};
use serde_json::json;

use crate::app::{App, Need};
use crate::args::{Model, ModelAction};
use crate::error::{CliError, Outcome};
use crate::output::{Output, StepProgress, count, pad_left, plural, safe_line, style};

pub(crate) fn run(app: &mut App, args: &Model) -> Result<Outcome, CliError> {
    match args.action {
        None => {
            let status = app.open_without_model(Need::Read)?.model_status()?;
            if app.out.is_json {
                app.out.json(&json!({
                    "serving": status.serving, "next": status.next, "passages": status.passages,
                }))?;
            } else {
                show(&mut app.out, &status)?;
            }
            Ok(Outcome::Done)
        }
        Some(ModelAction::Change) => change(app),
    }
}

fn change(app: &mut App) -> Result<Outcome, CliError> {
    let memory = app.open_with_any_model(Need::Write)?;
    let new = memory.embedder().ok_or(CliError::NoModel)?;
    if !app.out.is_quiet && io::stderr().is_terminal() {
        let told = "the old vectors serve until all is done; Ctrl-C stops, and the same command goes on from there";
        anstream::eprintln!("{}", app.out.dim(told));
    }
    let mut shown = StepProgress::new(&app.out, "embedding");
    let changed = memory.re_embed(&new, &mut |Embedded { done, total }| {
        shown.update(Steps { done, total });
        true
    });
    shown.end();
    let change = changed?;
    if app.out.is_json {
        app.out.json(&json!({"model": new.model(), "dimension": new.dimension(), "change": change}))?;
    } else if !app.out.is_quiet {
        let embedded = plural(change.embedded, "passage", "passages");
        let name = app.out.paint(style::NAME, safe_line(&new.model().to_string()));
        app.out.line(format!("the file serves with {name}; embedded now: {embedded}"))?;
        if let Some(folder) = &app.config.model {
            let told = format!("from now on it wants --model {}, or MNEMON_MODEL", folder.display());
            let told = app.out.dim(safe_line(&told));
            app.out.line(told)?;
        }
    }
    Ok(Outcome::Done)
}

fn show(out: &mut Output, status: &ModelStatus) -> io::Result<()> {
    let field = |out: &mut Output, name: &str, value: String| {
        let name = out.dim(pad_left(name, 12));
        out.line(format!("{name}  {value}"))
    };
    match &status.serving {
        Some(serving) => {
            field(out, "model", safe_line(&serving.model.to_string()))?;
            field(out, "dimension", count(serving.dimension as u64))?;
            field(out, "vectors", of_passages(serving, status.passages))?;
        }
        None => field(out, "model", "none yet: the first that stores a vector".to_owned())?,
    }
    if let Some(next) = &status.next {
        field(out, "changing to", safe_line(&next.model.to_string()))?;
        field(out, "dimension", count(next.dimension as u64))?;
        field(out, "vectors", of_passages(next, status.passages))?;
    }
    Ok(())
}

fn of_passages(model: &ModelCoverage, passages: u64) -> String {
    format!("{} of {} have one", count(model.passages), plural(passages, "passage", "passages"))
}
