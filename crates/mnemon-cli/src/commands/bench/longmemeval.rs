//! `mnemon bench longmemeval`

use std::io;

use mnemon_bench::{LONGMEMEVAL_RANKS, LevelScores, LongMemEvalOptions, LongMemEvalReport, QuestionScores, ViewScores};

use super::args::LongMemEval;
use super::progress::BenchProgress;
use super::table::{Row, Table};
use crate::app::App;
use crate::error::{CliError, Outcome};
use crate::output::{Output, plural, safe_line};

/// A figure of a level, and how its columns are called.
type Figure = (&'static str, fn(&LevelScores) -> Vec<f64>);

const FIGURES: [Figure; 3] = [
    ("any@", |level| level.recall_any.values().copied().collect()),
    ("all@", |level| level.recall_all.values().copied().collect()),
    ("ndcg@", |level| level.ndcg_any.values().copied().collect()),
];

pub(super) fn run(app: &mut App, args: &LongMemEval) -> Result<Outcome, CliError> {
    let bench = super::prepare(app, &args.plot)?;
    let options = LongMemEvalOptions { questions: args.questions.clone() };
    let mut progress = BenchProgress::new(&app.out);
    let report = mnemon_bench::longmemeval(&bench, &args.data, &options, &mut |step| progress.update(step));
    progress.end();
    let report = report?;
    if let Some(picture) = &args.plot {
        report.draw(picture)?;
        super::drawn(app, picture);
    }
    if app.out.is_json {
        app.out.json(&report)?;
    } else {
        show(&mut app.out, &report)?;
    }
    Ok(Outcome::Done)
}

fn show(out: &mut Output, report: &LongMemEvalReport) -> io::Result<()> {
    let measured = &report.measured;
    let line = format!(
        "{}: {}, {} in their histories",
        measured.data,
        plural(measured.questions as u64, "question", "questions"),
        plural(measured.turns as u64, "turn", "turns"),
    );
    out.line(out.bold(safe_line(&line)))?;
    if measured.abstentions > 0 {
        let more = plural(measured.abstentions as u64, "question has no answer", "questions have no answer");
        out.line(out.dim(format!("{more} (_abs), not asked")))?;
    }
    let engine = &measured.engine;
    out.line(out.dim(safe_line(&format!("mnemon {}, {}", engine.mnemon, engine.model))))?;
    view(out, "turns of the user", &report.user_turns)?;
    view(out, "all turns", &report.all_turns)?;
    let times = &report.latency_ms;
    out.line("")?;
    out.line(out.dim(format!("  {:.2} ms a question (p50), {:.2} ms (p99)", times.p50, times.p99)))
}

fn view(out: &mut Output, name: &str, view: &ViewScores) -> io::Result<()> {
    out.line("")?;
    out.line(out.bold(format!("  {name}")))?;
    if view.without_evidence > 0 {
        let more = plural(view.without_evidence as u64, "question has", "questions have");
        out.line(out.dim(format!("  {more} no evidence among them, not counted")))?;
    }
    for (prefix, figure) in FIGURES {
        let row = |name: &str, level: &LevelScores| Row {
            name: name.to_owned(),
            questions: view.scores.questions,
            figures: figure(level),
        };
        let rows = vec![row("turns", &view.scores.turn), row("sessions", &view.scores.session)];
        table("level", prefix, rows).show(out)?;
    }
    let kind = |(kind, scores): (&String, &QuestionScores)| {
        let figures = scores.session.recall_all.values().copied().collect();
        Row { name: kind.clone(), questions: scores.questions, figures }
    };
    table("sessions by type", "all@", view.by_type.iter().map(kind).collect()).show(out)
}

fn table(title: &str, prefix: &str, rows: Vec<Row>) -> Table {
    let columns = LONGMEMEVAL_RANKS.iter().map(|k| format!("{prefix}{k}")).collect();
    Table { title: title.to_owned(), columns, rows }
}
