//! `mnemon bench embed`

use std::io;

use mnemon_bench::{EmbedOptions, EmbedReport};

use super::args::Embed;
use super::progress::BenchProgress;
use super::sheet::{Sheet, three};
use crate::app::App;
use crate::error::{CliError, Outcome};
use crate::output::{Output, count, safe_line};

pub(super) fn run(app: &mut App, args: &Embed) -> Result<Outcome, CliError> {
    let bench = super::prepare(app, &args.made.plot)?;
    let options = EmbedOptions { texts: args.n, seed: args.made.seed };
    let mut progress = BenchProgress::new(&app.out);
    let report = mnemon_bench::embed(&bench, &options, &mut |step| progress.update(step));
    progress.end();
    super::show(app, &report?, &args.made.plot, EmbedReport::draw, show)
}

fn show(out: &mut Output, report: &EmbedReport) -> io::Result<()> {
    out.line(out.bold(format!("{} texts of each length, medians of three rounds", count(report.texts as u64))))?;
    out.line(out.dim(safe_line(&report.machine.line())))?;
    let mut sheet = Sheet::new(["one thread, texts/s".to_owned(), format!("{} threads", report.machine.threads)]);
    for rate in &report.rates {
        sheet.row(format!("{} word pieces", rate.pieces), [rate.one_thread, rate.all_threads].map(three));
    }
    sheet.show(out)?;
    out.line("")?;
    let (p50, p99) = (three(report.question_ms.p50), three(report.question_ms.p99));
    out.line(format!("  a question of 12 word pieces: {p50} ms (p50), {p99} ms (p99), one thread"))?;
    let equal = if report.batch_equal { "equal bit for bit" } else { "not equal bit for bit" };
    out.line(format!("  a text alone and in a batch: cosine of at least {:.6}, {equal}", report.batch_cosine))
}
