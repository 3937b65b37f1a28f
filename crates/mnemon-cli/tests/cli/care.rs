//! `doctor`, `backup` and `restore`: what is sound, what is not, what is mended, and what is kept elsewhere.

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

#[test]
fn a_backup_is_restored() {
    let home = Home::new();
    let id = home.add(&["Ann grows tomatoes", "--scope", "ann"]);
    let report = home.json(&["backup", "b.db"]);
    assert_eq!((&report["memories"], &report["damaged_memories"]), (&json!(1), &json!(0)));
    home.ok(&["delete", &id, "--scope", "ann"]);
    for arguments in [&["backup", "b.db"][..], &["restore", "b.db"], &["doctor", "--repair", "b.db"]] {
        let refused = home.run(arguments);
        assert_eq!(refused.code, 1, "{refused:?}");
        assert!(refused.stderr.contains("expected no file at"), "{refused:?}");
    }
    assert_eq!(home.run(&["restore", "none.db", "--replace"]).code, 1);
    assert!(home.ok(&["restore", "b.db", "--replace"]).starts_with("restored 1 memory to "));
    assert_eq!(home.json(&["show", &id, "--scope", "ann"])["text"], "Ann grows tomatoes");
    assert_ne!(home.json(&["backup", "b.db", "--replace"])["uuid"], report["uuid"]);
    assert_eq!(home.json(&["doctor"])["damage"], json!([]));
}

#[test]
fn what_is_sound_in_a_damaged_file_is_repaired() {
    let home = Home::new();
    let ids: Vec<String> =
        (0..3).map(|n| home.add(&[&format!("number {n} of the garden"), "--scope", "ann"])).collect();
    let sound = home.json(&["doctor", "--repair", "sound.db"]);
    assert_eq!(sound["lost"], json!([]));
    let conn = rusqlite::Connection::open(home.path("m.db")).unwrap();
    // What says nothing of the text leaves the passage and its vector alone.
    conn.execute("UPDATE memory SET occurred_at = 77 WHERE id = 2", []).unwrap();
    conn.execute("UPDATE vector SET data = zeroblob(length(data)) WHERE id = ((1 << 51) | (3 << 8))", []).unwrap();
    drop(conn);
    let report = home.run(&["doctor"]);
    assert_eq!(report.code, 4, "{report:?}");
    assert!(report.stdout.contains(&format!("memories: 1 do not fit their checksum: {}", ids[1])), "{report:?}");
    let repaired = home.run(&["doctor", "--repair", "new.db"]);
    assert_eq!(repaired.code, 4, "{repaired:?}");
    assert!(
        repaired.stdout.contains(&format!("✗ lost {} (row 2): it does not fit its checksum", ids[1])),
        "{repaired:?}"
    );
    let fixed = home.json(&["--db", "new.db", "doctor", "--fix"]);
    assert_eq!((&fixed["damage"], &fixed["memories"], &fixed["without_vector"]), (&json!([]), &json!(2), &json!(0)));
    // One had lost its vector, and both the vectors of their pieces.
    assert_eq!(fixed["embedded"], 2, "{fixed}");
    let found = home.json(&["--db", "new.db", "--scope", "ann", "search", "garden"]);
    assert_eq!(found["hits"].as_array().unwrap().len(), 2);
    // Vectors alone are mended in place.
    let fixed = home.run(&["doctor", "--fix"]);
    assert!(fixed.stdout.contains("memories: 1 do not") && !fixed.stdout.contains("seal"), "{fixed:?}");
}
