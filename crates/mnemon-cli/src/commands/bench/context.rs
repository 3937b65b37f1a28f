//! `mnemon bench context`

use std::io;

use mnemon::Level;
use mnemon_bench::{Answered, ContextOptions, ContextReport, Filled, Latency, LevelTimes};

use super::answer::Answerer;
use super::args::Context;
use super::progress::BenchProgress;
use super::sheet::{Sheet, three};
use crate::app::App;
use crate::error::{CliError, Outcome};
use crate::output::{Output, bytes, count, plural, safe_line};

pub(super) fn run(app: &mut App, args: &Context) -> Result<Outcome, CliError> {
    let bench = super::prepare(app, &args.made.plot)?;
    let levels = args.level.map_or_else(|| vec![Level::Thorough, Level::Fast], |level| vec![level]);
    let options = ContextOptions { memories: args.n, seed: args.made.seed, levels, questions: args.questions };
    let answerer = Answerer::new(&app.config)?;
    let mut progress = BenchProgress::new(&app.out);
    let mut update = |step| progress.update(step);
    let report =
        ContextReport::measure(&bench, &options, &mut |asking, progress| answerer.ask(asking, progress), &mut update);
    progress.end();
    super::show(app, &report?, &args.made.plot, ContextReport::draw, show)
}

fn show(out: &mut Output, report: &ContextReport) -> io::Result<()> {
    let LevelTimes { filled, levels, .. } = &report.measured;
    out.line(out.bold(filled_with(filled)))?;
    out.line(out.dim(safe_line(&report.machine.line())))?;
    for line in about(filled) {
        out.line(out.dim(line))?;
    }
    for answered in levels {
        out.line("")?;
        out.line(out.bold(format!("  {}", answered.level)))?;
        times(answered).show(out)?;
        let mut stages = Sheet::new(["p50 ms", "share"]);
        for stage in &answered.stages {
            stages.row(stage.stage.clone(), [three(stage.ms), format!("{:.1} %", stage.share)]);
        }
        stages.show(out)?;
    }
    Ok(())
}

pub(super) fn filled_with(filled: &Filled) -> String {
    let memories = plural(filled.memories as u64, "memory", "memories");
    format!("{memories} of {}, filled for {}", plural(filled.sessions as u64, "session", "sessions"), filled.level)
}

/// How the file was filled, in lines.
pub(super) fn about(filled: &Filled) -> [String; 2] {
    let vectors = if filled.composed > 0 {
        format!("vectors composed of those of {} texts that the model has read", count(filled.read as u64))
    } else {
        "every text read by the model".to_owned()
    };
    let rate = count((filled.memories as f64 / filled.seconds).round() as u64);
    let space = format!("{}, {} bytes a memory", bytes(filled.file_bytes), count(filled.bytes_a_memory.round() as u64));
    [vectors, format!("filled in {} s, {rate} a second; {space}", three(filled.seconds))]
}

fn times(answered: &Answered) -> Sheet {
    let mut sheet = Sheet::new(["p50 ms", "p99 ms"]);
    let mut latency = |name: &str, times: Latency| sheet.row(name, [three(times.p50), three(times.p99)]);
    latency("observe an exchange", answered.observe_ms);
    latency("search, 10 hits", answered.search_ms);
    latency(&format!("build a context, {:.0} tokens", answered.context_tokens), answered.context_ms);
    latency("  beside recall", answered.beside_recall_ms);
    sheet.row("open", [three(answered.open_ms)]);
    sheet.row("open to first answer", [three(answered.first_answer_ms)]);
    sheet.row("maintain after that", [three(1e3 * answered.maintain_seconds)]);
    if let (Some(at_end), Some(before)) = (answered.resident_bytes, answered.resident_before_bytes) {
        sheet.row(format!("memory, {} before", bytes(before)), [bytes(at_end)]);
    }
    sheet
}
