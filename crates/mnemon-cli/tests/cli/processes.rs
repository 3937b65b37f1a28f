//! Several processes on one file, and a process that is killed.

use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use crate::home::Home;

fn spawn(home: &Home, arguments: &[&str]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_mnemon"))
        .args(arguments)
        .env_clear()
        .envs(home.environment())
        .current_dir(home.path(""))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

#[test]
fn processes_write_one_file_at_once() {
    let home = Home::new();
    let adders: Vec<Child> = (0..6).map(|n| spawn(&home, &["add", &format!("fact number {n}")])).collect();
    for adder in adders {
        let output = adder.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    let list = home.json(&["list"]);
    let mut texts: Vec<&str> =
        list["memories"].as_array().unwrap().iter().map(|it| it["text"].as_str().unwrap()).collect();
    texts.sort_unstable();
    assert_eq!(texts, (0..6).map(|n| format!("fact number {n}")).collect::<Vec<_>>());
    assert_eq!(home.json(&["doctor"])["damage"], json!([]));
}

#[test]
fn a_locked_file_is_waited_for_and_then_given_up() {
    let home = Home::new();
    home.add(&["before"]);
    let other = rusqlite::Connection::open(home.path("m.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let output = home.command().args(["add", "during"]).env("MNEMON_BUSY_TIMEOUT_MS", "50").output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.starts_with("error: the memory file is locked by another process"), "{stderr}");
    assert!(stderr.contains("\nhint: ") && stderr.contains("MNEMON_BUSY_TIMEOUT_MS"), "{stderr}");
    // Who only reads does not wait.
    assert_eq!(home.json(&["list"])["total"], 1);
    assert!(home.ok(&["search", "before"]).contains("before"));
    other.execute_batch("ROLLBACK").unwrap();
    home.add(&["after"]);
    assert_eq!(home.json(&["list"])["total"], 2);
}

#[test]
fn an_import_that_is_killed_goes_on_where_it_was() {
    const TURNS: usize = 700;
    let home = Home::new();
    let lines: Vec<String> = (0..TURNS)
        .map(
            |n| json!({"role": "user", "session": "s", "id": format!("t{n}"), "text": format!("item {n} of the list")}),
        )
        .map(|line| line.to_string())
        .collect();
    home.write("long.jsonl", lines.join("\n"));
    let mut import = spawn(&home, &["import", "long.jsonl"]);
    // Killed as soon as something is there: while it stores or embeds.
    while import.try_wait().unwrap().is_none() {
        let ran = home.run(&["scopes", "--json"]);
        let stored =
            serde_json::from_str::<Value>(&ran.stdout).is_ok_and(|it| it["scopes"][0]["memories"].as_u64() > Some(0));
        if stored {
            break;
        }
    }
    import.kill().unwrap();
    import.wait().unwrap();
    assert_eq!(home.json(&["doctor"])["damage"], json!([]));

    let before = home.json(&["stats"]);
    let (known, vectors) = (&before["store"]["memories"], before["long_term"]["vectors"].as_u64().unwrap());
    let resumed = home.json(&["import", "long.jsonl"]);
    assert_eq!(&resumed["stored"]["known"], known);
    assert_eq!(resumed["stored"]["turns"], TURNS as u64 - known.as_u64().unwrap());
    assert_eq!(resumed["embedded"], TURNS as u64 - vectors);
    let after = home.json(&["stats"]);
    assert_eq!((&after["store"]["memories"], &after["long_term"]["vectors"]), (&json!(TURNS), &json!(TURNS)));
}
