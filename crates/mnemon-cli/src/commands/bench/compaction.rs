//! `mnemon bench compaction`

use std::io;

use mnemon_bench::{AtRatio, CompactionOptions, CompactionReport, Way};

use super::args::Compaction;
use super::progress::BenchProgress;
use super::sheet::{Sheet, three};
use crate::app::App;
use crate::error::{CliError, Outcome};
use crate::output::{Output, count, plural, safe_line};

/// What is shown of each way at each ratio.
type Figure = (&'static str, fn(&AtRatio) -> String);

const FIGURES: [Figure; 5] = [
    ("evidence left, %", |at| format!("{:.1}", at.evidence)),
    ("words of the answer left, %", |at| format!("{:.1}", at.answer)),
    ("questions with all of it, %", |at| format!("{:.1}", at.whole)),
    ("tokens left, %", |at| format!("{:.1}", at.tokens)),
    ("time of a conversation, ms", |at| three(at.ms)),
];

pub(super) fn run(app: &mut App, args: &Compaction) -> Result<Outcome, CliError> {
    let bench = super::prepare(app, &args.plot)?;
    let options = CompactionOptions {
        conversations: args.conversations.clone(),
        ratios: args.ratios.clone(),
        seeds: args.seeds,
        ways: if args.ways.is_empty() { Way::ALL.to_vec() } else { args.ways.clone() },
    };
    let mut progress = BenchProgress::new(&app.out);
    let report = mnemon_bench::compaction(&bench, &args.data, &options, &mut |step| progress.update(step));
    progress.end();
    super::show(app, &report?, &args.plot, CompactionReport::draw, show)
}

fn show(out: &mut Output, report: &CompactionReport) -> io::Result<()> {
    let messages: usize = report.conversations.iter().map(|it| it.messages).sum();
    let tokens: usize = report.conversations.iter().map(|it| it.tokens).sum();
    let questions: usize = report.conversations.iter().map(|it| it.questions).sum();
    let line = format!(
        "{}: {}, {} of {} tokens, {}",
        report.data,
        plural(report.conversations.len() as u64, "conversation", "conversations"),
        plural(messages as u64, "message", "messages"),
        count(tokens as u64),
        plural(questions as u64, "question", "questions"),
    );
    out.line(out.bold(safe_line(&line)))?;
    if report.without_evidence > 0 {
        let more = plural(report.without_evidence as u64, "question names", "questions name");
        out.line(out.dim(format!("{more} no turn as evidence: not counted")))?;
    }
    out.line(out.dim(safe_line(&format!("{}, tokens in {}", report.machine.line(), report.tokens))))?;
    for (name, figure) in FIGURES {
        let columns = report.ratios.iter().map(|ratio| format!("at {:.0} %", 100.0 * ratio));
        let mut sheet = Sheet::new(columns);
        for way in &report.ways {
            let mark = if way.is_baseline { " *" } else { "" };
            sheet.row(format!("{}{mark}", way.way), way.at.iter().map(figure));
        }
        out.line("")?;
        out.line(out.bold(name))?;
        sheet.show(out)?;
    }
    out.line("")?;
    let seeds = plural(report.seeds as u64, "seed", "seeds");
    out.line(out.dim(format!("* for comparison; what is random is the mean of {seeds}")))
}
