//! `mnemon bench growth`

use std::io;

use mnemon_bench::{GrowthOptions, GrowthReport, LevelTimes};

use super::answer::Answerer;
use super::args::Growth;
use super::context::{about, filled_with};
use super::progress::BenchProgress;
use super::sheet::{Sheet, three};
use crate::app::App;
use crate::error::{CliError, Outcome};
use crate::output::{Output, bytes, count, safe_line};

pub(super) fn run(app: &mut App, args: &Growth) -> Result<Outcome, CliError> {
    let bench = super::prepare(app, &args.made.plot)?;
    let options = GrowthOptions {
        sizes: args.sizes.clone(),
        thorough_to: args.thorough_to,
        seed: args.made.seed,
        questions: args.questions,
    };
    let answerer = Answerer::new(&app.config)?;
    let mut progress = BenchProgress::new(&app.out);
    let mut update = |step| progress.update(step);
    let report =
        mnemon_bench::growth(&bench, &options, &mut |asking, progress| answerer.ask(asking, progress), &mut update);
    progress.end();
    super::show(app, &report?, &args.made.plot, GrowthReport::draw, show)
}

fn show(out: &mut Output, report: &GrowthReport) -> io::Result<()> {
    out.line(out.bold("how it grows, ms (p50 / p99)"))?;
    out.line(out.dim(safe_line(&report.machine.line())))?;
    for LevelTimes { filled, .. } in &report.sizes {
        let [vectors, space] = about(filled);
        out.line(out.dim(format!("{}: {vectors}; {space}", filled_with(filled))))?;
    }
    let mut sheet = Sheet::new(["level", "observe", "search", "context", "beside", "first answer", "index", "memory"]);
    for size in &report.sizes {
        for answered in &size.levels {
            let both = |times: mnemon_bench::Latency| format!("{} / {}", three(times.p50), three(times.p99));
            sheet.row(
                count(size.filled.memories as u64),
                [
                    answered.level.to_string(),
                    both(answered.observe_ms),
                    both(answered.search_ms),
                    both(answered.context_ms),
                    three(answered.beside_recall_ms.p50),
                    three(answered.first_answer_ms),
                    bytes(answered.index_bytes as u64),
                    answered.resident_bytes.map_or_else(String::new, bytes),
                ],
            );
        }
    }
    sheet.show(out)
}
