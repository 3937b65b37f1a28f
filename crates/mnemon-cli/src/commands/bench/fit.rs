//! `mnemon bench fit`

use mnemon_bench::fit::FitOptions;

use super::args::Fit;
use super::progress::BenchProgress;
use crate::app::App;
use crate::error::{CliError, Outcome};
use crate::output::plural;

pub(super) fn run(app: &mut App, args: &Fit) -> Result<Outcome, CliError> {
    if let Some(level) = args.level {
        app.config.recall = level;
    }
    let bench = super::prepare(app, None)?;
    let options = FitOptions { data: args.data.clone(), l2: args.ridge };
    let mut progress = BenchProgress::new(&app.out);
    let fitted = mnemon_bench::fit_weights(&bench, &options, &mut |step| progress.update(step));
    progress.end();
    let fitted = fitted?;
    if app.out.is_json {
        app.out.json(&fitted)?;
        return Ok(Outcome::Done);
    }
    let questions = plural(fitted.questions as u64, "question", "questions");
    let line = app.out.bold(format!("level {}, fitted on {questions}", fitted.level));
    app.out.line(line)?;
    for (feature, weight) in &fitted.weights {
        app.out.line(format!("  {feature:<20} {weight:>6.2}"))?;
    }
    Ok(Outcome::Done)
}
