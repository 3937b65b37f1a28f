//! `mnemon bench vectors`

use std::io;

use mnemon_bench::{VectorOptions, VectorsReport, WayTimes};

use super::args::Vectors;
use super::progress::BenchProgress;
use super::sheet::{Sheet, three};
use crate::app::App;
use crate::error::{CliError, Outcome};
use crate::output::{Output, count, safe_line};

pub(super) fn run(app: &mut App, args: &Vectors) -> Result<Outcome, CliError> {
    let bench = super::prepare(app, &args.made.plot)?;
    let options = VectorOptions { vectors: args.n, seed: args.made.seed, texts: args.texts.clone() };
    let mut progress = BenchProgress::new(&app.out);
    let report = mnemon_bench::vectors(&bench, &options, &mut |step| progress.update(step));
    progress.end();
    super::show(app, &report?, &args.made.plot, VectorsReport::draw, show)
}

fn show(out: &mut Output, report: &VectorsReport) -> io::Result<()> {
    let vectors = count(report.vectors as u64);
    let title = format!("{vectors} vectors of {} values ({})", report.dimension, report.data);
    out.line(out.bold(safe_line(&title)))?;
    out.line(out.dim(safe_line(&report.machine.line())))?;
    let mut sheet = Sheet::new(["p50 ms", "p99 ms", "of the f32 scan", "recall@10", "bytes a vector"]);
    let scan = report.f32_scan_ms;
    let f32_bytes = (report.dimension * size_of::<f32>()) as f64;
    sheet.row(
        "scan in f32",
        [three(scan.p50), three(scan.p99), "1.00".to_owned(), "100.0 %".to_owned(), three(f32_bytes)],
    );
    let mut way = |name: &str, way: &WayTimes, bytes: f64| {
        let times = way.search_ms;
        let figures = [three(times.p50), three(times.p99), three(times.p50 / scan.p50)];
        sheet.row(name, figures.into_iter().chain([format!("{:.1} %", way.recall), three(bytes)]));
    };
    way("exact", &report.exact, report.bytes_a_vector);
    if let (Some(graph), Some(bytes)) = (&report.graph, report.graph_bytes_a_vector) {
        way("graph", graph, bytes);
    }
    sheet.show(out)?;
    out.line("")?;
    out.line(format!("  inserting a vector: {} µs", three(report.insert_us)))?;
    if let Some(seconds) = report.graph_seconds {
        let threads = report.machine.threads;
        out.line(format!("  building the graph: {} s on {threads} threads", three(seconds)))?;
    }
    let from = count(report.graph_from as u64);
    out.line(
        out.dim(format!("  the engine searches exactly up to {from} vectors, and through the graph from there on")),
    )
}
