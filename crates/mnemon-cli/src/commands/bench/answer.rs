//! `mnemon bench answer`: asks a memory in a process of its own, so that what filling it left in memory is not counted.
//!
//! It reads one line of JSON, what is asked, and writes lines of JSON: how far it has come, and at the end what was
//! measured.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use mnemon::Config;
use mnemon_bench::{Answered, Asking, Progress};
use serde::{Deserialize, Serialize};

use crate::app::App;
use crate::error::{CliError, Outcome};

/// What the process is told.
#[derive(Serialize, Deserialize)]
struct Told {
    config: Config,
    asking: Asking,
}

/// What it says.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Said {
    Progress(Progress),
    Answered(Box<Answered>),
}

type Failed = Box<dyn std::error::Error + Send + Sync>;

/// Has memories asked by processes of their own.
pub(super) struct Answerer {
    program: PathBuf,
    config: Config,
}

impl Answerer {
    pub(super) fn new(config: &Config) -> Result<Self, CliError> {
        Ok(Self { program: std::env::current_exe()?, config: config.clone() })
    }

    /// Has one memory asked.
    pub(super) fn ask(&self, asking: &Asking, progress: &mut dyn FnMut(Progress)) -> Result<Answered, Failed> {
        let mut process = Command::new(&self.program)
            .args(["bench", "answer"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        if let Some(mut stdin) = process.stdin.take() {
            let told = Told { config: self.config.clone(), asking: asking.clone() };
            // One that ended at once says why on its other end.
            let _ = stdin.write_all(serde_json::to_string(&told)?.as_bytes());
        }
        let mut answered = None;
        for line in process.stdout.take().map(BufReader::new).into_iter().flat_map(BufRead::lines) {
            match serde_json::from_str(&line?)? {
                Said::Progress(step) => progress(step),
                Said::Answered(answer) => answered = Some(*answer),
            }
        }
        let mut said = String::new();
        if let Some(mut stderr) = process.stderr.take() {
            stderr.read_to_string(&mut said)?;
        }
        let status = process.wait()?;
        match answered {
            Some(answered) if status.success() => Ok(answered),
            _ => Err(format!("it ended with {status}: {}", said.trim()).into()),
        }
    }
}

pub(super) fn run(app: &mut App) -> Result<Outcome, CliError> {
    let mut told = String::new();
    std::io::stdin().read_to_string(&mut told).map_err(|source| CliError::Stdin { source })?;
    let Told { config, asking } = serde_json::from_str(&told).map_err(CliError::Told)?;
    app.config = config;
    let bench = super::prepare(app, [])?;
    let mut written = Ok(());
    let answered = mnemon_bench::answer(&bench, &asking, &mut |progress| {
        // A few hundred lines are enough.
        if written.is_ok() && progress.done.is_multiple_of(16) {
            written = say(app, &Said::Progress(progress));
        }
    });
    let answered = answered?;
    written?;
    say(app, &Said::Answered(Box::new(answered)))?;
    Ok(Outcome::Done)
}

fn say(app: &mut App, said: &Said) -> std::io::Result<()> {
    let line = serde_json::to_string(said).map_err(std::io::Error::from)?;
    app.out.line(line)?;
    app.out.flush()
}
