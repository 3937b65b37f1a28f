//! What goes wrong says what, why and what to do, with an exit code of its own.

use serde_json::Value;

use crate::home::Home;

#[track_caller]
fn check(home: &Home, arguments: &[&str], code: i32, parts: &[&str]) {
    let ran = home.run(arguments);
    assert_eq!((ran.code, ran.stdout.as_str()), (code, ""), "{ran:?}");
    assert!(ran.stderr.starts_with("error: "), "{ran:?}");
    for part in parts {
        assert!(ran.stderr.contains(part), "{part:?} is not in {ran:?}");
    }
    let as_json = home.run(&[arguments, &["--json"]].concat());
    assert_eq!((as_json.code, as_json.stdout.as_str()), (code, ""), "{as_json:?}");
    let document: Value = serde_json::from_str(&as_json.stderr).unwrap_or_else(|error| panic!("{error}: {as_json:?}"));
    assert!(!document["error"]["message"].as_str().unwrap().is_empty());
    assert!(document["error"]["causes"].is_array());
}

#[test]
fn a_file_that_is_not_ours_is_left_alone() {
    let home = Home::new();
    let text =
        home.write("notes.txt", "just notes, longer than the header of a database would be, and then some more\n");
    check(&home, &["stats", "--db", "notes.txt"], 1, &["not a database: notes.txt", "hint: --db"]);
    check(&home, &["add", "x", "--db", "notes.txt"], 1, &["not a database"]);
    assert!(std::fs::read_to_string(text).unwrap().starts_with("just notes"));
    let other = rusqlite::Connection::open(home.path("other.db")).unwrap();
    other.execute_batch("CREATE TABLE t (x); PRAGMA application_id = 7").unwrap();
    check(&home, &["stats", "--db", "other.db"], 1, &["a database of another program"]);
    std::fs::create_dir(home.path("folder")).unwrap();
    check(&home, &["add", "x", "--db", "folder"], 1, &["cannot be opened"]);
}

#[test]
fn reading_makes_no_file() {
    let home = Home::new();
    for arguments in [&["stats"][..], &["search", "x"], &["context", "x"], &["list"], &["export"], &["doctor"]] {
        check(&home, arguments, 1, &["there is no memory file", "m.db", "mnemon import"]);
    }
    check(&home, &["clear", "--yes"], 1, &["there is no memory file"]);
    assert!(!home.path("m.db").exists());
    check(&home, &["import", "nothing.jsonl"], 1, &["could not read nothing.jsonl", "\n  No such file"]);
    assert!(!home.path("m.db").exists(), "an import that failed made a file");
}

#[test]
fn a_budget_is_never_passed() {
    let home = Home::new();
    home.add(&["x"]);
    check(&home, &["context", "hello", "--budget", "0"], 2, &["--budget", "expected a whole number of 1 or more"]);
    check(&home, &["context", "hello there", "--budget", "3"], 1, &["got a budget of 3", "hint: --budget "]);
    let ran = home.run(&["context", "hello there", "--budget", "3", "--json"]);
    let error: Value = serde_json::from_str(&ran.stderr).unwrap();
    let hint = error["error"]["hint"].as_str().unwrap();
    let least = hint.split(' ').nth(1).unwrap();
    home.ok(&["context", "hello there", "--budget", least]);
}

#[test]
fn settings_are_checked() {
    let home = Home::new();
    home.add(&["x"]);
    home.write("bad.toml", "resent_k = 3\n");
    check(&home, &["stats", "--config", "bad.toml"], 1, &["resent_k", "recent_k"]);
    check(&home, &["stats", "--config", "nowhere.toml"], 1, &["nowhere.toml"]);
    std::fs::create_dir_all(home.path("config/mnemon")).unwrap();
    home.write("config/mnemon/config.toml", "prompt_token_budget = 77\n");
    if cfg!(target_os = "linux") {
        assert_eq!(home.json(&["context", "hello"])["manifest"]["budget"], 77, "the usual file was not read");
    }
    let variable = home.command().args(["context", "hello", "--json"]).env("MNEMON_PROMPT_TOKEN_BUDGET", "88").output();
    let document: Value = serde_json::from_slice(&variable.unwrap().stdout).unwrap();
    assert_eq!(document["manifest"]["budget"], 88);
    let wrong = home.command().arg("stats").env("MNEMON_RECENT_K", "many").output().unwrap();
    assert_eq!(wrong.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("recent_k"));
}

#[test]
fn a_model_that_was_asked_for_is_not_passed_over() {
    let home = Home::new();
    home.add(&["x"]);
    std::fs::create_dir(home.path("empty")).unwrap();
    check(&home, &["search", "x", "--model", "empty"], 1, &["lacks config.json", "hint: without --model"]);
    let doctor = home.run(&["doctor", "--model", "empty"]);
    assert_eq!(doctor.code, 1, "{doctor:?}");
    assert!(doctor.stdout.contains("! model") && doctor.stdout.contains("✓ integrity"), "{doctor:?}");
    // What compares no meanings needs no model.
    home.ok(&["list", "--model", "empty"]);
}

#[test]
fn the_command_line_is_checked() {
    let home = Home::new();
    home.add(&["x"]);
    check(&home, &["stats", "--scope", "team=x"], 2, &["the part \"team\""]);
    check(&home, &["add", "x", "--kind", "poem"], 2, &["poem"]);
    check(&home, &["add", "x", "--kind", "turn"], 2, &["mnemon observe"]);
    check(&home, &["add", "x", "--meta", "novalue"], 2, &["KEY=VALUE"]);
    check(&home, &["add", "x", "--at", "yesterday"], 2, &["expected a time such as"]);
    check(&home, &["show", "not-an-id"], 2, &["expected a UUID"]);
    check(&home, &["show", "01890a5d-ac96-774b-bcce-b302099a8057"], 3, &["no memory 01890a5d", "hint: ids"]);
    check(&home, &["search"], 2, &["QUERY"]);
    check(&home, &["remember"], 2, &["remember"]);
    let variable = home.command().arg("stats").env("MNEMON_SCOPE", "team=x").output().unwrap();
    assert_eq!(variable.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&variable.stderr).contains("MNEMON_SCOPE"));
    let help = home.run(&["--help"]);
    assert_eq!(help.code, 0);
    assert!(help.stdout.contains("Exit codes:") && help.stderr.is_empty());
}

#[cfg(unix)]
#[test]
fn a_folder_that_cannot_be_written_is_an_error_and_can_be_read() {
    use std::os::unix::fs::PermissionsExt;
    let home = Home::new();
    home.add(&["hello", "--db", "closed/m.db"]);
    let mode = |mode| std::fs::set_permissions(home.path("closed"), std::fs::Permissions::from_mode(mode)).unwrap();
    let file_mode =
        |mode| std::fs::set_permissions(home.path("closed/m.db"), std::fs::Permissions::from_mode(mode)).unwrap();
    file_mode(0o444);
    mode(0o555);
    // Who may do everything is not stopped by modes.
    let is_root = std::fs::write(home.path("closed/probe"), "").is_ok();
    if !is_root {
        assert_eq!(home.json(&["list", "--db", "closed/m.db"])["total"], 1);
        let ran = home.run(&["add", "again", "--db", "closed/m.db"]);
        assert_eq!(ran.code, 1, "{ran:?}");
        assert!(ran.stderr.starts_with("error: the memory file"), "{ran:?}");
    }
    mode(0o755);
    file_mode(0o644);
    assert_eq!(home.json(&["list", "--db", "closed/m.db"])["total"], 1);
}
