//! A process that writes until it is killed, and what its parent hears of it.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use mnemon::Scope;
use serde::{Deserialize, Serialize};

use crate::Result;
use crate::actor::{Actor, Opening};
use crate::operation::{Author, Operation};
use crate::random::Random;
use crate::report::chain;
use crate::room::Done;

/// A line that a writer writes. It is in the pipe, whole or not at all, before the next thing happens.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Line {
    /// The file is about to be opened.
    Opening,
    /// It is open.
    Opened,
    /// An operation is about to begin.
    Begin(Operation),
    /// It returned.
    Done(Done),
    /// It, or opening, failed: nothing may.
    Failed(String),
}

/// What a writer is told.
#[derive(Debug, Clone, clap::Args)]
pub struct Orders {
    /// The file.
    #[arg(long)]
    pub file: PathBuf,
    /// The user whose scope it writes to.
    #[arg(long)]
    pub(crate) user: String,
    /// The seed of its operations.
    #[arg(long)]
    pub(crate) seed: u64,
    /// Works without a model.
    #[arg(long)]
    pub(crate) without_model: bool,
    /// Acknowledges each operation before it is done.
    #[arg(long)]
    pub(crate) boast: bool,
    /// Only opens and closes the file.
    #[arg(long)]
    pub(crate) only_open: bool,
}

impl Orders {
    /// Does what was ordered, for ever.
    ///
    /// # Errors
    /// When an operation fails, and when nobody listens any more.
    pub fn carry_out(&self) -> Result<()> {
        let mut out = std::io::stdout().lock();
        let mut say = |line: &Line| -> Result<()> {
            // One write for one line: a pipe takes it as a whole, or the reader sees that it has no end.
            let mut text = serde_json::to_string(line)?;
            text.push('\n');
            out.write_all(text.as_bytes())?;
            Ok(out.flush()?)
        };
        let scope = Scope::user_scope(&self.user)?;
        let opening = Opening { with_model: !self.without_model, ..Opening::default() };
        let mut random = Random::new(self.seed);
        loop {
            say(&Line::Opening)?;
            let actor = match Actor::open(&self.file, &scope, opening) {
                Ok(actor) => actor,
                Err(error) => return say(&Line::Failed(format!("opening failed: {}", chain(&error)))),
            };
            say(&Line::Opened)?;
            if self.only_open {
                continue;
            }
            let mut known = actor.ids()?;
            let author = Author::new(format!("{} {:x}", self.user, random.next() >> 40), random.clone());
            let mut author = author.who_erases();
            // Now and then the file is closed, which is a moment of its own.
            for _ in 0..30 + random.below(200) {
                let operation = author.next(&known);
                say(&Line::Begin(operation.clone()))?;
                if self.boast {
                    say(&Line::Done(Done::default()))?;
                }
                match actor.run(&operation) {
                    Ok(done) => {
                        if !self.boast {
                            say(&Line::Done(done.clone()))?;
                        }
                        match &operation {
                            Operation::Delete { id } => known.retain(|known| known != id),
                            Operation::Clear => known.clear(),
                            Operation::Erase { ids } => known.retain(|known| !ids.contains(known)),
                            Operation::Forget | Operation::EraseSession { .. } => known = actor.ids()?,
                            _ => known.extend(done.ids),
                        }
                    }
                    Err(error) => return say(&Line::Failed(format!("{operation:?} failed: {}", chain(&error)))),
                }
            }
        }
    }
}

/// What a writer did in its life.
#[derive(Debug, Default)]
pub(crate) struct Life {
    /// How often it began to open the file.
    pub(crate) openings: u64,
    /// How often the file was open.
    pub(crate) opened: u64,
    /// What it did, and what was acknowledged of it. Only the last can lack that.
    pub(crate) steps: Vec<(Operation, Option<Done>)>,
    /// What failed.
    pub(crate) failed: Option<String>,
}

impl Life {
    fn hear(&mut self, line: Line) {
        match line {
            Line::Opening => self.openings += 1,
            Line::Opened => self.opened += 1,
            Line::Begin(operation) => self.steps.push((operation, None)),
            Line::Done(done) => {
                if let Some((_, last)) = self.steps.last_mut() {
                    *last = Some(done);
                }
            }
            Line::Failed(text) => self.failed = Some(text),
        }
    }

    /// How many operations were acknowledged.
    #[must_use]
    pub(crate) fn acknowledged(&self) -> usize {
        self.steps.iter().filter(|(_, done)| done.is_some()).count()
    }
}

/// A running writer.
#[derive(Debug)]
pub(crate) struct Writer {
    child: Child,
    lines: Receiver<Line>,
    life: Life,
}

/// No writer takes so long for anything.
const PATIENCE: Duration = Duration::from_secs(180);

impl Writer {
    /// Starts this program again with orders.
    ///
    /// # Errors
    /// When it cannot be started.
    pub(crate) fn start(orders: &Orders) -> Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("writer").arg("--file").arg(as_path(&orders.file));
        command.args(["--user", &orders.user, "--seed", &orders.seed.to_string()]);
        command.args(orders.without_model.then_some("--without-model"));
        command.args(orders.boast.then_some("--boast"));
        command.args(orders.only_open.then_some("--only-open"));
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn()?;
        let out = child.stdout.take().ok_or("the writer has no output")?;
        let (sender, lines) = channel();
        // It ends with the pipe, and the pipe with the process.
        std::thread::spawn(move || {
            let mut reader = BufReader::new(out);
            let mut text = Vec::new();
            while reader.read_until(b'\n', &mut text).is_ok_and(|read| read > 0) {
                // Killed in the middle of a line it has not said it.
                if text.last() == Some(&b'\n')
                    && let Ok(line) = serde_json::from_slice(&text)
                    && sender.send(line).is_err()
                {
                    break;
                }
                text.clear();
            }
        });
        Ok(Self { child, lines, life: Life::default() })
    }

    /// Waits until something is true of its life.
    ///
    /// # Errors
    /// When it ended, or did nothing for minutes.
    pub(crate) fn wait_until(&mut self, is_so: impl Fn(&Life) -> bool) -> Result<()> {
        while !is_so(&self.life) {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(line) => self.life.hear(line),
                Err(error) => {
                    let last = self.life.steps.last();
                    return Err(
                        format!("a writer did nothing more ({error}) after {last:?}: {:?}", self.life.failed).into()
                    );
                }
            }
        }
        Ok(())
    }

    /// Kills it with a signal that no process can handle.
    ///
    /// # Errors
    /// When it cannot be killed.
    pub(crate) fn kill(&mut self) -> Result<()> {
        self.child.kill()?;
        Ok(())
    }

    /// Waits for its end, and tells what it did.
    ///
    /// # Errors
    /// When its end cannot be seen.
    pub(crate) fn end(mut self) -> Result<Life> {
        self.child.wait()?;
        let mut life = std::mem::take(&mut self.life);
        while let Ok(line) = self.lines.recv() {
            life.hear(line);
        }
        Ok(life)
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn as_path(path: &Path) -> &std::ffi::OsStr {
    path.as_os_str()
}
