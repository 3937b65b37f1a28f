//! `mnemon doctor`

use std::error::Error;
use std::io;
use std::path::PathBuf;

use mnemon::embed::{LocateOptions, ModelSource, SentenceTransformer, locate};
use mnemon::{ContextManager, Damage, Embedded, Embedder, Progress, Purpose, Step};
use serde::Serialize;

use super::repair;
use crate::app::{App, Need};
use crate::args::Doctor;
use crate::error::{CliError, Outcome};
use crate::output::{ImportProgress, Output, bytes, count, milliseconds, plural, safe_line, style};
use crate::place;

/// Everything that was looked at.
#[derive(Debug, Serialize)]
struct Report {
    file: File,
    model: Model,
    tokenizer: Tokenizer,
    config: Option<PathBuf>,
    damage: Vec<Damage>,
    /// Memories of the whole file.
    memories: u64,
    /// Those without a vector of the model, where there is one.
    without_vector: Option<u64>,
    /// Memories that were embedded now, with `--fix`.
    embedded: u64,
}

#[derive(Debug, Serialize)]
struct File {
    path: PathBuf,
    bytes: u64,
    schema_version: i64,
    sqlite_version: &'static str,
    scopes: usize,
    /// The embedding model that the file serves with.
    model: Option<String>,
}

#[derive(Debug, Default, Serialize)]
struct Model {
    /// Where it was found: a folder, or `inside the program`.
    found: Option<String>,
    id: Option<String>,
    dimension: Option<usize>,
    /// How long it takes to embed a short question, in microseconds.
    query_us: Option<u64>,
    problem: Option<String>,
}

#[derive(Debug, Serialize)]
struct Tokenizer {
    name: String,
    problem: Option<String>,
}

pub(crate) fn run(app: &mut App, args: &Doctor) -> Result<Outcome, CliError> {
    if let Some(to) = &args.repair {
        return repair::run(app, to);
    }
    let path = app.path()?;
    let model = look_at_model(app);
    let tokenizer = look_at_tokenizer(app);
    // A model or tokenizer that cannot be loaded must not hide what the file is like.
    let sound = model.problem.is_none() && tokenizer.problem.is_none();
    if tokenizer.problem.is_some() {
        app.config.tokenizer = mnemon::tokens::Tokenizer::Estimate;
    }
    let need = if args.fix { Need::Write } else { Need::Read };
    let memory = if model.problem.is_none() { app.open_with_any_model(need)? } else { app.open_without_model(need)? };
    let mut damage = memory.check()?;
    if args.fix && damage.iter().any(|damage| damage.part == "vectors") {
        memory.drop_damaged()?;
        damage = memory.check()?;
    }
    let embedded = if args.fix && damage.is_empty() { embed(app, &memory)? } else { 0 };
    let (memories, without, scopes) = coverage(&memory)?;
    let without_vector = model.problem.is_none().then_some(without);
    let store = memory.get_stats()?.store;
    let file = File {
        path,
        bytes: store.bytes,
        schema_version: store.schema_version,
        sqlite_version: store.sqlite_version,
        scopes,
        model: store.serving_model.as_ref().map(ToString::to_string),
    };
    let fits = model.id.is_none() || file.model.is_none() || model.id == file.model;
    let config = place::config_file(&app.global);
    let report = Report { file, model, tokenizer, config, damage, memories, without_vector, embedded };
    if app.out.is_json {
        app.out.json(&report)?;
    } else {
        show(&mut app.out, &report)?;
    }
    Ok(match (report.damage.is_empty(), sound && fits) {
        (false, _) => Outcome::Damaged,
        (true, false) => Outcome::Unwell,
        (true, true) => Outcome::Done,
    })
}

fn look_at_model(app: &App) -> Model {
    let mut places = LocateOptions::from_env();
    places.path.clone_from(&app.config.model);
    places.data_dir = place::data_dir().ok();
    let mut model = Model::default();
    let loaded = locate(&places).and_then(|source| {
        model.found = Some(match &source {
            ModelSource::Folder(folder) => folder.display().to_string(),
            _ => "inside the program".to_owned(),
        });
        SentenceTransformer::load(&source)
    });
    match loaded {
        Ok(loaded) => {
            model.id = Some(loaded.model().to_string());
            model.dimension = Some(loaded.dimension());
            let start = std::time::Instant::now();
            match loaded.embed(&["Does it run?"], Purpose::Query) {
                Ok(_) => model.query_us = u64::try_from(start.elapsed().as_micros()).ok(),
                Err(error) => model.problem = Some(whole(&error)),
            }
        }
        Err(error) => model.problem = Some(whole(&error)),
    }
    model
}

fn look_at_tokenizer(app: &App) -> Tokenizer {
    let name = app.config.tokenizer.to_string();
    Tokenizer { name, problem: app.config.tokenizer.resolve().err().map(|error| whole(&error)) }
}

/// Embeds what has no vector; how many memories that were.
fn embed(app: &App, memory: &ContextManager) -> Result<u64, CliError> {
    let mut shown = ImportProgress::new(&app.out);
    let maintained = memory.maintain(&mut |Embedded { done, total }| {
        shown.update(Progress { step: Step::Embed, done, total });
        true
    });
    shown.end();
    Ok(maintained?.embedded)
}

/// Memories of all scopes, those without a vector, and how many scopes there are.
fn coverage(memory: &ContextManager) -> Result<(u64, u64, usize), CliError> {
    let (mut memories, mut without) = (0, 0);
    let scopes = memory.scopes()?;
    for (scope, _) in &scopes {
        let stats = memory.in_scope(scope.clone()).get_stats()?;
        memories += stats.store.memories;
        without += stats.store.memories.saturating_sub(stats.long_term.vectors);
    }
    Ok((memories, without, scopes.len()))
}

fn show(out: &mut Output, report: &Report) -> io::Result<()> {
    let file = &report.file;
    line(out, Health::Good, &format!("file       {}", file.path.display()))?;
    let size = format!(
        "           {}, schema {}, SQLite {}, {} in {}",
        bytes(file.bytes),
        file.schema_version,
        file.sqlite_version,
        plural(report.memories, "memory", "memories"),
        plural(file.scopes as u64, "scope", "scopes"),
    );
    line(out, Health::Detail, &size)?;
    if report.damage.is_empty() {
        line(out, Health::Good, "integrity  every page, index and reference is sound")?;
    }
    for damage in &report.damage {
        line(out, Health::Bad, &format!("integrity  {}: {}", damage.part, damage.detail))?;
    }
    match (&report.model.problem, &report.model.found) {
        (None, Some(found)) => {
            line(out, Health::Good, &format!("model      {}", report.model.id.as_deref().unwrap_or_default()))?;
            let time = report.model.query_us.map(milliseconds).unwrap_or_default();
            let dimension = report.model.dimension.unwrap_or_default();
            line(out, Health::Detail, &format!("           {found}"))?;
            line(out, Health::Detail, &format!("           {dimension} dimensions, {time} a question"))?;
        }
        (problem, _) => {
            let problem = problem.as_deref().unwrap_or("none was found");
            line(out, Health::Warn, &format!("model      {problem}; only words are compared"))?;
        }
    }
    if let (Some(own), Some(of_file)) = (&report.model.id, &file.model)
        && own != of_file
    {
        let told =
            format!("           the file has vectors of {of_file}; `mnemon model change` changes it to this one");
        line(out, Health::Warn, &told)?;
    }
    match &report.tokenizer.problem {
        None => line(out, Health::Good, &format!("tokenizer  {}", report.tokenizer.name))?,
        Some(problem) => line(out, Health::Warn, &format!("tokenizer  {problem}"))?,
    }
    match &report.config {
        Some(path) => line(out, Health::Good, &format!("settings   {}", path.display()))?,
        None => line(out, Health::Good, "settings   the defaults and the environment")?,
    }
    if report.embedded > 0 {
        line(out, Health::Good, &format!("embedded   {}", plural(report.embedded, "memory", "memories")))?;
    }
    match report.without_vector {
        None => Ok(()),
        Some(0) => line(out, Health::Good, "vectors    every memory has one"),
        Some(number) => {
            let (number, all) = (count(number), count(report.memories));
            line(
                out,
                Health::Warn,
                &format!("vectors    {number} of {all} have none; `mnemon doctor --fix` embeds them"),
            )
        }
    }
}

#[derive(Clone, Copy)]
enum Health {
    Good,
    Warn,
    Bad,
    Detail,
}

fn line(out: &mut Output, health: Health, text: &str) -> io::Result<()> {
    let mark = match health {
        Health::Good => out.paint(style::GOOD, "✓"),
        Health::Warn => out.paint(style::WARN, "!"),
        Health::Bad => out.paint(style::BAD, "✗"),
        Health::Detail => " ".to_owned(),
    };
    let text = safe_line(text);
    let text = if matches!(health, Health::Detail) { out.dim(text) } else { text };
    out.line(format!("{mark} {text}"))
}

/// An error with its causes.
fn whole(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(&format!(": {cause}"));
        source = cause.source();
    }
    text
}
