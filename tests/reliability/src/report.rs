//! What a run counted and found.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use crate::Result;

/// How much is done, from which seed.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Ends after so many of what the subcommand counts.
    pub count: u64,
    /// Ends after so long, whichever comes first.
    pub time: Duration,
    /// The seed of all choices.
    pub seed: u64,
    /// Only this round, for a replay.
    pub only: Option<u64>,
    /// Rounds that run at once.
    pub jobs: usize,
}

/// Something that must not be.
#[derive(Debug, Clone, Serialize)]
pub struct Finding {
    /// The round.
    pub round: u64,
    /// What was found.
    pub what: String,
    /// The command that does the same again.
    pub replay: String,
}

/// What a run came to.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// The subcommand with what was set.
    pub command: String,
    /// Its seed.
    pub seed: u64,
    /// How long it took.
    pub seconds: f64,
    /// What was counted.
    pub counts: BTreeMap<String, u64>,
    /// What must not be.
    pub findings: Vec<Finding>,
}

impl Report {
    /// Writes it, for people or for programs.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, to: &mut dyn Write, json: bool) -> Result<()> {
        if json {
            writeln!(to, "{}", serde_json::to_string(self)?)?;
            return Ok(());
        }
        writeln!(to, "{} --seed {}: {:.0} s", self.command, self.seed, self.seconds)?;
        for (name, count) in &self.counts {
            writeln!(to, "  {count:>10}  {name}")?;
        }
        for finding in &self.findings {
            writeln!(to, "FOUND in round {}: {}\n  replay: {}", finding.round, finding.what, finding.replay)?;
        }
        if self.findings.is_empty() {
            writeln!(to, "nothing found")?;
        }
        Ok(())
    }
}

/// A run in progress, shared by its threads.
pub(crate) struct Run {
    /// What it is to do.
    pub(crate) plan: Plan,
    command: String,
    start: Instant,
    next: AtomicU64,
    done: AtomicU64,
    counts: Mutex<BTreeMap<String, u64>>,
    findings: Mutex<Vec<Finding>>,
    bar: ProgressBar,
}

/// A run that found so much has found enough.
const ENOUGH_FINDINGS: usize = 20;

impl Run {
    /// A run of a subcommand. `command` is what it is called with, the common options aside.
    #[must_use]
    pub(crate) fn new(command: impl Into<String>, plan: Plan) -> Self {
        let bar = ProgressBar::new(plan.count);
        if let Ok(style) = ProgressStyle::with_template("{msg} {bar:30} {pos}/{len} {elapsed} (left: {eta})") {
            bar.set_style(style);
        }
        let command = command.into();
        bar.set_message(command.clone());
        Self {
            plan,
            command,
            start: Instant::now(),
            next: AtomicU64::new(0),
            done: AtomicU64::new(0),
            counts: Mutex::default(),
            findings: Mutex::default(),
            bar,
        }
    }

    /// Runs rounds, each with its number, on the threads of the plan until the plan is done. What a round fails with is a
    /// finding.
    pub(crate) fn rounds(&self, round: impl Fn(u64) -> Result<()> + Sync) {
        std::thread::scope(|threads| {
            for _ in 0..self.plan.jobs.max(1) {
                threads.spawn(|| {
                    while let Some(number) = self.next_round() {
                        if let Err(error) = round(number) {
                            self.find(number, format!("the round ended: {}", chain(&*error)));
                        }
                    }
                });
            }
        });
    }

    fn next_round(&self) -> Option<u64> {
        let number = self.next.fetch_add(1, Ordering::SeqCst);
        match self.plan.only {
            Some(only) => (number == 0).then_some(only),
            None => (!self.is_over()).then_some(number),
        }
    }

    /// Whether the plan is done. A replay ends by itself.
    #[must_use]
    pub(crate) fn is_over(&self) -> bool {
        if self.plan.only.is_some() {
            return false;
        }
        self.done.load(Ordering::SeqCst) >= self.plan.count
            || self.start.elapsed() >= self.plan.time
            || self.findings.lock().map_or(true, |findings| findings.len() >= ENOUGH_FINDINGS)
    }

    /// Counts what the plan counts.
    pub(crate) fn advance(&self, by: u64) {
        self.done.fetch_add(by, Ordering::SeqCst);
        self.bar.inc(by);
    }

    /// Counts something.
    pub(crate) fn count(&self, name: &str, by: u64) {
        if let Ok(mut counts) = self.counts.lock() {
            *counts.entry(name.to_owned()).or_default() += by;
        }
    }

    /// Notes something that must not be.
    pub(crate) fn find(&self, round: u64, what: impl Into<String>) {
        let what = what.into();
        let replay = format!("reliability {} --seed {} --only {round}", self.command, self.plan.seed);
        self.bar.suspend(|| {
            // Nobody may be there to read it.
            let _ = writeln!(std::io::stderr(), "FOUND in round {round}: {what}\n  replay: {replay}");
        });
        if let Ok(mut findings) = self.findings.lock() {
            findings.push(Finding { round, what, replay });
        }
    }

    /// The end of it.
    #[must_use]
    pub(crate) fn finish(self) -> Report {
        self.bar.finish_and_clear();
        Report {
            command: format!("reliability {}", self.command),
            seed: self.plan.seed,
            seconds: self.start.elapsed().as_secs_f64(),
            counts: self.counts.into_inner().unwrap_or_default(),
            findings: self.findings.into_inner().unwrap_or_default(),
        }
    }
}

/// An error with all that it comes from.
#[must_use]
pub(crate) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}
