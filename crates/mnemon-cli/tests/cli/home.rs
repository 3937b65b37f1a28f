//! A home of its own for each test: nothing of the user's environment reaches the binary.

use std::path::{Path, PathBuf};

use assert_cmd::Command;
use serde_json::Value;
use tempfile::TempDir;

pub(crate) struct Home {
    folder: TempDir,
}

/// What a run of the binary left.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Home {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    /// The environment of a run: this home, and no variable of the caller's.
    pub(crate) fn environment(&self) -> [(&'static str, PathBuf); 5] {
        [
            ("HOME", self.path("")),
            ("XDG_DATA_HOME", self.path("data")),
            ("XDG_CONFIG_HOME", self.path("config")),
            ("MNEMON_DB", self.path("m.db")),
            ("PATH", PathBuf::from("/usr/bin:/bin")),
        ]
    }

    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mnemon"));
        command.env_clear().envs(self.environment()).current_dir(self.folder.path());
        command
    }

    #[track_caller]
    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        ran(self.command().args(arguments))
    }

    #[track_caller]
    pub(crate) fn run_with(&self, stdin: &str, arguments: &[&str]) -> Ran {
        ran(self.command().args(arguments).write_stdin(stdin))
    }

    /// Runs a command that succeeds; its standard output.
    #[track_caller]
    pub(crate) fn ok(&self, arguments: &[&str]) -> String {
        let ran = self.run(arguments);
        assert_eq!(ran.code, 0, "{arguments:?}: {ran:?}");
        ran.stdout
    }

    /// Runs a command that succeeds with `--json`; its one document.
    #[track_caller]
    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        let stdout = self.ok(&[arguments, &["--json"]].concat());
        serde_json::from_str(&stdout).unwrap_or_else(|error| panic!("{arguments:?}: {error}: {stdout}"))
    }

    /// Adds a fact; its id.
    #[track_caller]
    pub(crate) fn add(&self, arguments: &[&str]) -> String {
        self.json(&[&["add"], arguments].concat())["id"].as_str().unwrap().to_owned()
    }
}

#[track_caller]
fn ran(command: &mut Command) -> Ran {
    let output = command.output().unwrap();
    Ran {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Two sessions, as a file for `import`.
pub(crate) const CHAT: &str = r#"{"type":"session","name":"one","time":"2025-03-02T18:05:00Z"}
{"type":"turn","session":"one","id":"one:1","time":"2025-03-02T18:05:00Z","role":"user","speaker":"Nora","text":"My sister keeps bees behind the mill."}
{"type":"turn","session":"one","id":"one:2","time":"2025-03-02T18:06:00Z","role":"assistant","text":"How many hives does she have?"}
{"type":"session","name":"two","time":"2025-04-02T09:00:00Z"}
{"type":"turn","session":"two","id":"two:1","time":"2025-04-02T09:00:00Z","role":"user","speaker":"Nora","text":"The tram to work takes 22 minutes."}
{"type":"fact","id":"fact:1","text":"Nora is allergic to walnuts","pinned":true}
"#;
