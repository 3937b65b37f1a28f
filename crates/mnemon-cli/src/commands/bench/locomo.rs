//! `mnemon bench locomo`

use std::io;

use mnemon_bench::fit::FitOptions;
use mnemon_bench::{LocomoOptions, LocomoReport, Results, Scores};

use super::args::Locomo;
use super::progress::BenchProgress;
use super::table::{Row, Table};
use crate::app::App;
use crate::error::{CliError, Outcome};
use crate::output::{Output, count, plural, safe_line};

/// How the engine is called beside its baselines.
const ENGINE: &str = "mnemon";

pub(super) fn run(app: &mut App, args: &Locomo) -> Result<Outcome, CliError> {
    app.config.recall = args.level.unwrap_or(app.config.recall);
    app.config.relevance_floor = args.floor.unwrap_or(app.config.relevance_floor);
    app.config.diversity = args.diversity.unwrap_or(app.config.diversity);
    app.config.validate()?;
    let bench = super::prepare(app, &args.plot)?;
    let options = LocomoOptions {
        conversations: args.conversations.clone(),
        categories: args.categories.clone(),
        baselines: args.baseline.clone(),
        never_said: args.never_said.clone(),
        leave_one_out: args.leave_one_out.then(|| FitOptions::new(args.with.clone())),
    };
    let mut progress = BenchProgress::new(&app.out);
    let report = mnemon_bench::locomo(&bench, &args.data, &options, &mut |step| progress.update(step));
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

fn show(out: &mut Output, report: &LocomoReport) -> io::Result<()> {
    let measured = &report.measured;
    let turns: usize = measured.conversations.iter().map(|it| it.turns).sum();
    let categories: Vec<String> = measured.categories.iter().map(ToString::to_string).collect();
    let line = format!(
        "{}: {}, {}, {} of categories {}",
        measured.data,
        plural(measured.conversations.len() as u64, "conversation", "conversations"),
        plural(turns as u64, "turn", "turns"),
        plural(report.results.scores.questions as u64, "question", "questions"),
        categories.join(", ")
    );
    out.line(out.bold(safe_line(&line)))?;
    if measured.without_evidence > 0 {
        let more = plural(measured.without_evidence as u64, "question names", "questions name");
        out.line(out.dim(format!("{more} no turn as evidence: not counted")))?;
    }
    let engine = &measured.engine;
    out.line(out.dim(safe_line(&format!("mnemon {}, {}, budgets in {}", engine.mnemon, engine.model, engine.tokens))))?;

    let left_out = report.left_out.iter().flat_map(|it| [("left out", &it.leave_one_out), ("fitted", &it.fitted)]);
    let baselines = report.baselines.iter().map(|(name, it)| (*name, it));
    let systems: Vec<(&str, &Results)> =
        [(ENGINE, &report.results)].into_iter().chain(left_out).chain(baselines).collect();
    let rows = |row: fn(String, &Scores) -> Row| {
        systems.iter().map(|(name, results)| row((*name).to_owned(), &results.scores)).collect()
    };
    Table { title: "recall, %".to_owned(), columns: columns("R@", ""), rows: rows(recall) }.show(out)?;
    Table { title: "all of it, %".to_owned(), columns: columns("all@", ""), rows: rows(all) }.show(out)?;
    let results = &report.results;
    let groups = results.by_category.iter().map(|(category, scores)| recall(category_name(*category), scores));
    Table { title: "by category".to_owned(), columns: columns("R@", ""), rows: groups.collect() }.show(out)?;
    let groups = results.by_conversation.iter().map(|(name, scores)| recall(name.clone(), scores));
    Table { title: "by conversation".to_owned(), columns: columns("R@", ""), rows: groups.collect() }.show(out)?;
    if let Some(never_said) = &report.never_said {
        out.line("")?;
        let (silent, questions) = (never_said.silent, never_said.questions);
        out.line(format!("{silent:.1} % of {questions} questions about what was never said brought back nothing"))?;
    }
    out.line("")?;
    for (name, results) in &systems {
        let times = &results.latency_ms;
        let line = format!("  {name:<8} {:>8.2} ms a question (p50), {:>8.2} ms (p99)", times.p50, times.p99);
        out.line(out.dim(line))?;
    }
    Ok(())
}

fn columns(rank: &str, budget: &str) -> Vec<String> {
    let ranks = mnemon_bench::RANKS.iter().map(|k| format!("{rank}{k}"));
    let budgets = mnemon_bench::BUDGETS.iter().map(|tokens| format!("{budget}{}k", count(*tokens as u64 / 1000)));
    ranks.chain(budgets).collect()
}

fn recall(name: String, scores: &Scores) -> Row {
    let figures = scores.recall.values().chain(scores.budget.values()).copied().collect();
    Row { name, questions: scores.questions, figures }
}

fn all(name: String, scores: &Scores) -> Row {
    let figures = scores.all.values().chain(scores.budget_all.values()).copied().collect();
    Row { name, questions: scores.questions, figures }
}

fn category_name(category: i64) -> String {
    format!("category {category}")
}
