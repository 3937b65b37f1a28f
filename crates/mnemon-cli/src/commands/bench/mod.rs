//! `mnemon bench`: retrieval benchmarks on data of the user's own, and how fast the engine is on their machine.

mod answer;
mod args;
mod compaction;
mod context;
mod embed;
mod fit;
mod growth;
mod locomo;
mod longmemeval;
mod progress;
mod sheet;
mod table;
mod vectors;

pub(crate) use args::Bench;

use std::io;

use mnemon::embed::LocateOptions;
use mnemon_bench::{BenchError, Picture};
use serde::Serialize;

use crate::app::App;
use crate::error::{CliError, Outcome};
use crate::output::{Output, remark};
use crate::place;
use args::Benchmark;

pub(crate) fn run(app: &mut App, args: &Bench) -> Result<Outcome, CliError> {
    match &args.benchmark {
        Benchmark::Locomo(args) => locomo::run(app, args),
        Benchmark::Longmemeval(args) => longmemeval::run(app, args),
        Benchmark::Fit(args) => fit::run(app, args),
        Benchmark::Compaction(args) => compaction::run(app, args),
        Benchmark::Embed(args) => embed::run(app, args),
        Benchmark::Vectors(args) => vectors::run(app, args),
        Benchmark::Context(args) => context::run(app, args),
        Benchmark::Growth(args) => growth::run(app, args),
        Benchmark::Answer => answer::run(app),
    }
}

/// The settings and the model, as every other command finds them. A picture that cannot be made is found out before
/// the work is done.
fn prepare<'a>(app: &App, pictures: impl IntoIterator<Item = &'a Picture>) -> Result<mnemon_bench::Bench, CliError> {
    pictures.into_iter().try_for_each(Picture::check)?;
    let mut places = LocateOptions::from_env();
    places.data_dir = place::data_dir().ok();
    Ok(mnemon_bench::Bench::load(app.config.clone(), places)?)
}

/// Draws each picture, then shows the report as people or programs read it.
fn show<T: Serialize>(
    app: &mut App,
    report: &T,
    pictures: &[Picture],
    draw: impl Fn(&T, &Picture) -> Result<(), BenchError>,
    text: impl Fn(&mut Output, &T) -> io::Result<()>,
) -> Result<Outcome, CliError> {
    for picture in pictures {
        draw(report, picture)?;
        drawn(app, picture);
    }
    if app.out.is_json {
        app.out.json(report)?;
    } else {
        text(&mut app.out, report)?;
    }
    Ok(Outcome::Done)
}

fn drawn(app: &App, picture: &Picture) {
    remark(&app.out, &format!("drawn in {}", picture.path().display()));
}
