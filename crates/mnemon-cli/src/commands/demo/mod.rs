//! `mnemon demo`: the main job on real input, with nothing prepared. Everything that it prints is computed.

mod answer;
mod data;
mod report;

use std::path::PathBuf;
use std::time::Instant;

use mnemon::{ContextManager, Ingested, NewTurn, Observed, Role, Scope};
use serde::Serialize;
use tempfile::TempDir;

use crate::app::{App, Need, session_names};
use crate::args::Demo;
use crate::error::{CliError, Outcome};
use crate::output::ImportProgress;
use answer::Answer;
use data::{LIVE, LIVE_EXPECT, LIVE_QUESTION, Question};

/// The source of what is said while the demo runs, so that it is stored once in a file that is kept.
const LIVE_SOURCE: &str = "mnemon:demo";

/// What the demo found out.
#[derive(Debug, Serialize)]
struct Summary {
    questions: usize,
    /// Questions with all their evidence in the context.
    questions_answered: usize,
    evidence: usize,
    evidence_found: usize,
    budget: usize,
    /// Tokens of the whole conversation, for comparison.
    conversation_tokens: usize,
    largest_context_tokens: usize,
    context_p50_us: u64,
    file_bytes: u64,
}

/// Remembering the conversation.
#[derive(Debug, Serialize)]
struct Remembered {
    stored: Ingested,
    embedded: u64,
    micros: u64,
}

/// Where the file is, and what becomes of it.
struct Place {
    path: PathBuf,
    is_kept: bool,
    /// Takes the file away at the end.
    _folder: Option<TempDir>,
}

pub(crate) fn run(app: &mut App, args: &Demo) -> Result<Outcome, CliError> {
    let place = Place::new(app, args)?;
    app.global.db = Some(place.path.clone());
    if app.global.scope.is_none() {
        app.global.scope = Some(Scope::user_scope("nora").unwrap_or_default());
    }
    app.global.session = Some("live".to_owned());

    report::title(app, &place)?;
    let remembered = remember(app)?;
    report::remembered(app, &remembered)?;

    // The file was closed; what is known from here on was read from it.
    let start = Instant::now();
    let memory = app.open(Need::Write)?;
    let reopened_us = micros(start);
    report::reopened(app, &memory, reopened_us)?;

    let questions = data::questions()?;
    let names = session_names(&memory)?;
    let mut answers = Vec::new();
    let asked: Vec<&Question> = questions.iter().filter(|question| question.demo).collect();
    for (at, question) in asked.iter().enumerate() {
        let answer = Answer::new(&memory, question, args.budget)?;
        report::answer(app, &format!("question {} of {}", at + 1, asked.len()), &answer, &names)?;
        app.out.flush()?;
        answers.push(answer);
    }
    let live = live(&memory, args.budget)?;
    report::live(app, &live.0, &live.1, &session_names(&memory)?)?;
    let summary = summary(&memory, args.budget, &answers)?;
    report::summary(app, &place, &summary, memory.scope())?;
    if app.out.is_json {
        app.out.json(&serde_json::json!({
            "file": place.is_kept.then_some(&place.path),
            "scope": memory.scope(),
            "remembered": remembered,
            "reopened_us": reopened_us,
            "questions": answers,
            "live": {"observed": live.0, "answer": live.1},
            "summary": summary,
        }))?;
    }
    drop(memory);
    Ok(Outcome::Done)
}

impl Place {
    fn new(app: &App, args: &Demo) -> Result<Self, CliError> {
        if let Some(path) = &app.global.db {
            return Ok(Self { path: path.clone(), is_kept: true, _folder: None });
        }
        let mut folder = tempfile::Builder::new().prefix("mnemon-demo-").tempdir().map_err(CliError::Temporary)?;
        folder.disable_cleanup(args.keep);
        Ok(Self { path: folder.path().join("nora.db"), is_kept: args.keep, _folder: Some(folder) })
    }
}

/// Stores and embeds the conversation, and closes the file.
fn remember(app: &App) -> Result<Remembered, CliError> {
    let conversation = data::conversation()?;
    let memory = app.open(Need::Make)?;
    let start = Instant::now();
    let mut progress = ImportProgress::new(&app.out);
    let stored = memory.import(&conversation, &mut |step| progress.update(step));
    progress.end();
    Ok(Remembered { stored: stored?, embedded: progress.embedded, micros: micros(start) })
}

/// Says something new, and asks for it at once.
fn live(memory: &ContextManager, budget: usize) -> Result<(Observed, Answer), CliError> {
    let turns = [(Role::User, LIVE[0], "live:1"), (Role::Assistant, LIVE[1], "live:2")];
    let turns = turns.map(|(role, text, id)| NewTurn::new(role, text).from_origin(LIVE_SOURCE, id));
    let observed = memory.observe_turns(&turns)?;
    let question = Question {
        question: LIVE_QUESTION.to_owned(),
        answer: LIVE_EXPECT.to_owned(),
        expect: vec![LIVE_EXPECT.to_owned()],
        evidence: vec!["live:1".to_owned()],
        demo: true,
    };
    Ok((observed, Answer::new(memory, &question, budget)?))
}

fn summary(memory: &ContextManager, budget: usize, answers: &[Answer]) -> Result<Summary, CliError> {
    let counter = memory.config().tokenizer.resolve().map_err(mnemon::Error::from)?;
    let conversation = data::conversation()?;
    let turns = conversation.conversations.iter().flat_map(|it| &it.sessions).flat_map(|session| &session.turns);
    let mut times: Vec<u64> = answers.iter().map(|answer| answer.context.timings().total_us).collect();
    times.sort_unstable();
    Ok(Summary {
        questions: answers.len(),
        questions_answered: answers.iter().filter(|answer| answer.found() == answer.evidence.len()).count(),
        evidence: answers.iter().map(|answer| answer.evidence.len()).sum(),
        evidence_found: answers.iter().map(Answer::found).sum(),
        budget,
        conversation_tokens: turns.map(|turn| counter.count(&turn.text)).sum(),
        largest_context_tokens: answers.iter().map(|answer| answer.context.manifest().tokens).max().unwrap_or(0),
        context_p50_us: times.get(times.len() / 2).copied().unwrap_or(0),
        file_bytes: memory.get_stats()?.store.bytes,
    })
}

fn micros(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_micros()).unwrap_or(u64::MAX)
}
