//! `doctor`: what is sound, what is not, and what it mends.

use std::fs::OpenOptions;
use std::io::{Seek, SeekFrom, Write};

use serde_json::json;

use crate::home::Home;

#[test]
fn a_sound_file_is_said_to_be_sound() {
    let home = Home::new();
    home.add(&["Ann grows tomatoes", "--scope", "ann"]);
    let report = home.json(&["doctor"]);
    assert_eq!(report["damage"], json!([]));
    assert_eq!((&report["memories"], &report["without_vector"]), (&json!(1), &json!(0)));
    assert_eq!(report["model"]["dimension"], 384);
    assert_eq!(report["tokenizer"], json!({"name": "o200k_base", "problem": null}));
    let text = home.ok(&["doctor"]);
    assert_eq!(text.lines().filter(|line| line.starts_with('✓')).count(), 6, "{text}");
}

#[test]
fn damage_has_an_exit_code_of_its_own() {
    let home = Home::new();
    for n in 0..4 {
        home.ok(&["observe", "--user", &format!("{n} {}", "some words to fill a page ".repeat(40)), "-q"]);
    }
    let path = home.path("m.db");
    let length = std::fs::metadata(&path).unwrap().len();
    let mut file = OpenOptions::new().write(true).open(&path).unwrap();
    // The first pages hold the schema, without which the file would not open at all.
    let start = length / 2 / 4096 * 4096;
    file.seek(SeekFrom::Start(start)).unwrap();
    file.write_all(&vec![0xAB; usize::try_from(length - start).unwrap()]).unwrap();
    drop(file);
    let ran = home.run(&["doctor"]);
    assert_eq!(ran.code, 4, "{ran:?}");
    assert!(ran.stdout.contains("✗ integrity") || ran.stderr.contains("damaged"), "{ran:?}");
}

#[test]
fn what_has_no_vector_is_found_and_embedded() {
    let home = Home::new();
    home.add(&["Ann grows tomatoes"]);
    home.add(&["The ferry leaves at noon"]);
    let conn = rusqlite::Connection::open(home.path("m.db")).unwrap();
    conn.execute("DELETE FROM vector", []).unwrap();
    drop(conn);
    let report = home.run(&["doctor"]);
    assert_eq!(report.code, 0, "a memory without a vector is no damage: {report:?}");
    assert!(report.stdout.contains("! vectors    2 of 2 have none; `mnemon doctor --fix`"), "{report:?}");
    let fixed = home.json(&["doctor", "--fix"]);
    assert_eq!((&fixed["embedded"], &fixed["without_vector"]), (&json!(2), &json!(0)));
    assert!(home.json(&["search", "vegetables"])["hits"][0]["signals"]["cosine"].is_number());
}
