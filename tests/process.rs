//! A process of its own with a memory file open, driven over its standard input: this test program, started again.

use std::io::{BufRead, BufReader, Lines, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use mnemon::{Config, ContextManager, Role};

const FILE: &str = "MNEMON_TEST_FILE";
const SESSION: &str = "MNEMON_TEST_SESSION";
const WITH_MODEL: &str = "MNEMON_TEST_WITH_MODEL";

/// What stands before every answer: the test harness of the process prints too.
const ANSWER: &str = "answer: ";

/// The answer to an exchange with this text.
pub(crate) fn reply_to(text: &str) -> String {
    format!("I have noted {text}")
}

/// A window so small that turns leave it all the time.
fn open(path: &Path, session: &str, with_model: bool) -> ContextManager {
    let mut config = Config::default();
    config.stm_capacity = 120;
    config.chunk_size = 40;
    config.busy_timeout_ms = 60_000;
    let builder = ContextManager::builder().config(config);
    let builder = if with_model { builder } else { builder.without_model() };
    builder.open(path).unwrap().in_session(session)
}

/// Reads commands until they end, and answers each when it is done:
///
/// ```text
/// observe TEXT   an exchange that begins with TEXT
/// find TEXT      "yes" when a query for TEXT gives a user's turn with exactly it (at any rank), else "no"
/// ```
fn serve(memory: &ContextManager, commands: impl BufRead, mut answers: impl Write) {
    for command in commands.lines() {
        let command = command.unwrap();
        let answer = match command.split_once(' ') {
            Some(("observe", text)) => {
                memory.observe(text, reply_to(text)).unwrap();
                format!("observed {text}")
            }
            Some(("find", text)) => {
                let recall = memory.query_memory(text, 1_000).unwrap();
                let is_it = |memory: &mnemon::Memory| {
                    memory.text == text && memory.turn.as_ref().is_some_and(|turn| turn.role == Role::User)
                };
                if recall.hits.iter().any(|hit| is_it(&hit.memory)) { "yes".to_owned() } else { "no".to_owned() }
            }
            _ => panic!("expected a command, got {command:?}"),
        };
        writeln!(answers, "\n{ANSWER}{answer}").unwrap();
        answers.flush().unwrap();
    }
}

/// In a process that [`Process::start`] made this is the whole program; otherwise it tests the same in this process.
#[test]
fn a_process_answers_each_command() {
    if let Some(path) = std::env::var_os(FILE) {
        let session = std::env::var(SESSION).unwrap();
        let memory = open(Path::new(&path), &session, std::env::var_os(WITH_MODEL).is_some());
        serve(&memory, std::io::stdin().lock(), std::io::stdout());
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let memory = open(&folder.path().join("m.db"), "alone", false);
    let mut answers = Vec::new();
    serve(&memory, &b"find the heron\nobserve the heron\nfind the heron\n"[..], &mut answers);
    assert_eq!(String::from_utf8(answers).unwrap(), "\nanswer: no\n\nanswer: observed the heron\n\nanswer: yes\n");
}

/// A child process with the file open. It ends with the value.
pub(crate) struct Process {
    child: Child,
    commands: Option<ChildStdin>,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Process {
    pub(crate) fn start(path: &Path, session: &str, with_model: bool) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .args(["--exact", "process::a_process_answers_each_command", "--nocapture", "--test-threads=1"])
            .env(FILE, path)
            .env(SESSION, session)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        if with_model {
            command.env(WITH_MODEL, "1");
        } else {
            command.env_remove(WITH_MODEL);
        }
        let mut child = command.spawn().unwrap();
        let commands = child.stdin.take();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, commands, lines }
    }

    /// Sends a command without waiting for its answer. At most some hundred: a pipe holds 64 KiB.
    pub(crate) fn send(&mut self, command: &str) {
        let commands = self.commands.as_mut().expect("the commands have not ended");
        commands.write_all(format!("{command}\n").as_bytes()).unwrap();
        commands.flush().unwrap();
    }

    /// The next answer; `None` when the process has ended.
    pub(crate) fn answer(&mut self) -> Option<String> {
        // Killed in the middle of a line it has not given that answer.
        self.lines.by_ref().map_while(Result::ok).find_map(|line| Some(line.strip_prefix(ANSWER)?.to_owned()))
    }

    pub(crate) fn ask(&mut self, command: &str) -> String {
        self.send(command);
        self.answer().expect("the process answers")
    }

    /// Kills it with a signal that no process can handle. What it has answered can still be read.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Lets it end by itself.
    pub(crate) fn finish(mut self) {
        self.commands = None;
        while self.answer().is_some() {}
        assert!(self.child.wait().unwrap().success());
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
