//! Cases that may take their process with them: they run in a process of their own, which tells what it does.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::report::Run;
use crate::{Result, scratch};

/// No case takes so long.
const PATIENCE: Duration = Duration::from_secs(120);

/// What a process tells that runs cases.
#[derive(Debug, Serialize, Deserialize)]
enum Said {
    /// A case begins; this is what it is.
    Begin(String),
    /// So many more of what the plan counts.
    Done(u64),
    /// Something is to be counted.
    Count(String, u64),
    /// Something was found that must not be.
    Found(String),
}

/// Tells the process that supervises this one.
#[derive(Debug, Default)]
pub(crate) struct Teller {
    case: String,
}

impl Teller {
    /// A case begins. Should the process end in it, this is what is said of it.
    pub(crate) fn begin(&mut self, case: String) -> Result<()> {
        self.case.clone_from(&case);
        say(&Said::Begin(case))
    }

    /// So many more of what the plan counts are done.
    pub(crate) fn done(&self, count: u64) -> Result<()> {
        say(&Said::Done(count))
    }

    /// Counts something.
    pub(crate) fn count(&self, name: &str, by: u64) -> Result<()> {
        if by == 0 { Ok(()) } else { say(&Said::Count(name.to_owned(), by)) }
    }

    /// Something must not be.
    pub(crate) fn find(&self, what: impl std::fmt::Display) -> Result<()> {
        say(&Said::Found(format!("{}: {what}", self.case)))
    }
}

fn say(said: &Said) -> Result<()> {
    let mut text = serde_json::to_string(said)?;
    text.push('\n');
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    Ok(out.flush()?)
}

/// Starts this program with arguments and takes what it tells into the run. A process that dies or does nothing for long
/// is a finding.
pub(crate) fn supervise(run: &Run, round: u64, arguments: &[String]) -> Result<()> {
    let folder = scratch::folder()?;
    let mut command = Command::new(std::env::current_exe()?);
    command.env(scratch::OWN_FOLDER, folder.path());
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit());
    let mut child = command.spawn()?;
    let out = child.stdout.take().ok_or("the process has no output")?;
    let (sender, lines) = channel();
    // It ends with the pipe, and the pipe with the process.
    let reader = std::thread::spawn(move || {
        for line in BufReader::new(out).lines().map_while(|line| line.ok()) {
            if let Ok(said) = serde_json::from_str(&line)
                && sender.send(said).is_err()
            {
                break;
            }
        }
    });
    let mut case = "before the first case".to_owned();
    loop {
        match lines.recv_timeout(PATIENCE) {
            Ok(Said::Begin(name)) => case = name,
            Ok(Said::Done(count)) => run.advance(count),
            Ok(Said::Count(name, by)) => run.count(&name, by),
            Ok(Said::Found(what)) => run.find(round, what),
            Err(RecvTimeoutError::Timeout) => {
                run.count("processes that hung", 1);
                run.find(round, format!("{case}: nothing happened for {} s", PATIENCE.as_secs()));
                break;
            }
            Err(RecvTimeoutError::Disconnected) => break,
        }
        if run.is_over() {
            break;
        }
    }
    let is_over = run.is_over();
    if is_over {
        // What it was about to do is not wanted any more.
        child.kill()?;
    }
    let mut status = child.try_wait()?;
    if status.is_none() && !is_over {
        // Its output has ended, so it is about to; if it hung, it ends now.
        std::thread::sleep(Duration::from_millis(200));
        status = child.try_wait()?;
    }
    if status.is_none() {
        child.kill()?;
        child.wait()?;
    }
    // The thread ends with the output.
    let _ = reader.join();
    if let Some(status) = status.filter(|status| !status.success() && !is_over) {
        run.count("processes that died", 1);
        run.find(round, format!("{case}: the process died: {status}"));
    }
    Ok(())
}
