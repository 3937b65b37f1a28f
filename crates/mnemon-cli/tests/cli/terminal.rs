//! Output that is not for a terminal, and text that wants to trick one.

use std::process::{Command, Stdio};

use crate::home::{CHAT, Home};

/// Runs a line of a shell in the environment of a home, with the binary as `$M`.
fn shell(home: &Home, line: &str) -> (i32, String, String) {
    let output = Command::new("bash")
        .args(["-c", &format!("set -o pipefail; {line}")])
        .env_clear()
        .envs(home.environment())
        .env("M", env!("CARGO_BIN_EXE_mnemon"))
        .current_dir(home.path(""))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().unwrap_or(-1), text(&output.stdout), text(&output.stderr))
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let home = Home::new();
    store_without_vectors(&home);
    for command in ["list --limit 9999", "list --limit 9999 --json", "export", "--help"] {
        let (code, stdout, stderr) = shell(&home, &format!("$M {command} | head -1"));
        assert_eq!((code, stderr.as_str()), (0, ""), "{command}");
        assert_eq!(stdout.lines().count(), 1, "{command}");
    }
}

/// Many memories in no time: an import of them would embed them all.
fn store_without_vectors(home: &Home) {
    let memory = mnemon::ContextManager::builder().without_model().open(home.path("m.db")).unwrap();
    let note = |n: usize| mnemon::NewMemory::new(mnemon::Kind::Note, format!("note {n} {}", "0".repeat(120)));
    memory.add(&(0..3000).map(note).collect::<Vec<_>>()).unwrap();
}

#[test]
fn colours_are_for_terminals_or_for_those_who_ask() {
    let home = Home::new();
    home.write("chat.jsonl", CHAT);
    home.ok(&["import", "chat.jsonl"]);
    let commands: [&[&str]; 8] = [
        &["context", "What does my sister keep?"],
        &["search", "bees"],
        &["list"],
        &["stats"],
        &["scopes"],
        &["doctor"],
        &["context", "bees", "--messages"],
        &["--help"],
    ];
    for command in commands {
        let plain = home.run(command);
        assert!(!plain.stdout.contains('\x1b') && !plain.stderr.contains('\x1b'), "{command:?}: {plain:?}");
        let never = home.ok(&[command, &["--color", "never"]].concat());
        assert!(!never.contains('\x1b'), "{command:?}");
    }
    assert!(home.ok(&["search", "bees", "--color", "always"]).contains("\x1b["));
    assert!(!home.ok(&["search", "bees", "--color", "always", "--json"]).contains('\x1b'));
    for command in &commands[..5] {
        let narrow = home.command().args(*command).env("COLUMNS", "60").output().unwrap();
        for line in String::from_utf8(narrow.stdout).unwrap().lines().filter(|line| !line.contains("m.db")) {
            assert!(line.chars().count() <= 60, "{command:?}: {line}");
        }
    }
}

#[test]
fn stored_text_cannot_write_to_the_terminal() {
    let home = Home::new();
    let evil = "bees \x1b[2J\x1b]0;title\x07 \u{9b}31m \u{202e}reversed\nerror: forged\r\n  2  forged";
    let ran = home.run_with(evil, &["add", "-", "--pin", "--meta", "note=\"\u{1b}[31m\""]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let id = home.json(&["list"])["memories"][0]["id"].as_str().unwrap().to_owned();
    assert_eq!(home.json(&["show", &id])["text"], evil, "the text itself is as it was given");
    let speaker = "{\"role\":\"user\",\"speaker\":\"\\u001b[31mEve\",\"text\":\"bees\"}\n";
    assert_eq!(home.run_with(speaker, &["observe", "--session", "s\x1b[1m"]).code, 0);
    let commands: [&[&str]; 8] = [
        &["list"],
        &["search", "bees"],
        &["context", "bees"],
        &["context", "bees", "--messages"],
        &["show", &id],
        &["stats"],
        &["export"],
        &["list", "--json"],
    ];
    for command in commands {
        let out = home.ok(command);
        let bad = out.chars().find(|&c| (c.is_control() && c != '\n') || c == '\u{202e}');
        assert_eq!(bad, None, "{command:?}: {out:?}");
    }
    assert!(!home.ok(&["list"]).lines().any(|line| line.starts_with("error") || line.starts_with("  2  forged")));
    // Nor can what is recalled write to the terminal behind a program that asked for the exact prompt.
    assert!(!home.ok(&["context", "bees", "--recent-k", "0", "--text"]).contains("\x1b[2J"));
}

#[test]
fn quiet_leaves_out_what_was_not_asked_for() {
    let home = Home::new();
    assert_eq!(home.ok(&["add", "x", "--quiet"]), "");
    assert_eq!(home.ok(&["observe", "--user", "x", "-q"]), "");
    let found = home.ok(&["search", "x", "-q"]);
    assert!(!found.contains(" in ") && found.contains("1.00"), "{found}");
}

#[test]
fn every_shell_gets_its_completions() {
    let home = Home::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = home.ok(&["completions", shell]);
        assert!(script.contains("mnemon") && script.contains("context"), "{shell}");
        assert_eq!(home.json(&["completions", shell])["script"], script);
    }
    assert_eq!(home.run(&["completions", "dos"]).code, 2);
}
