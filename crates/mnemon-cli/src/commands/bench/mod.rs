//! `mnemon bench`: retrieval benchmarks on data of the user's own.

mod args;
mod fit;
mod locomo;
mod longmemeval;
mod progress;
mod table;

pub(crate) use args::Bench;

use mnemon::embed::LocateOptions;
use mnemon_bench::Picture;

use crate::app::App;
use crate::error::{CliError, Outcome};
use crate::output::remark;
use crate::place;
use args::Benchmark;

pub(crate) fn run(app: &mut App, args: &Bench) -> Result<Outcome, CliError> {
    match &args.benchmark {
        Benchmark::Locomo(args) => locomo::run(app, args),
        Benchmark::Longmemeval(args) => longmemeval::run(app, args),
        Benchmark::Fit(args) => fit::run(app, args),
    }
}

/// The settings and the model, as every other command finds them. A picture that cannot be made is found out before
/// the work is done.
fn prepare(app: &App, picture: Option<&Picture>) -> Result<mnemon_bench::Bench, CliError> {
    picture.map_or(Ok(()), Picture::check)?;
    let mut places = LocateOptions::from_env();
    places.data_dir = place::data_dir().ok();
    Ok(mnemon_bench::Bench::load(app.config.clone(), places)?)
}

fn drawn(app: &App, picture: &Picture) {
    remark(&app.out, &format!("drawn in {}", picture.path().display()));
}
