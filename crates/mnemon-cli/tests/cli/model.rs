//! `mnemon model`: what a file serves with, and changing it.

use serde_json::json;

use crate::home::Home;

/// Makes the file one of another edition of the model: what it holds is then of no use to the one inside the program.
fn of_another_model(home: &Home) {
    let conn = rusqlite::Connection::open(home.path("m.db")).unwrap();
    conn.execute("UPDATE model SET revision = 'before'", []).unwrap();
}

#[test]
fn a_file_of_another_model_is_refused_and_changed() {
    let home = Home::new();
    assert_eq!(home.run(&["model"]).code, 1, "there is no file");
    home.add(&["Ann grows tomatoes"]);
    home.add(&["The ferry leaves at noon"]);
    let status = home.json(&["model"]);
    assert_eq!(
        (&status["serving"]["passages"], &status["passages"], &status["next"]),
        (&json!(2), &json!(2), &json!(null))
    );
    assert_eq!(status["serving"]["dimension"], 384);
    let id = status["serving"]["model"].clone();

    of_another_model(&home);
    let refused = home.run(&["search", "vegetables"]);
    assert_eq!(refused.code, 1, "{refused:?}");
    assert!(refused.stderr.contains("@before/") && refused.stderr.contains("`mnemon model change`"), "{refused:?}");
    assert!(refused.stderr.contains("MNEMON_MODEL"), "{refused:?}");
    for sound in [&["model"][..], &["stats"], &["list"], &["export"]] {
        home.ok(sound);
    }
    let doctor = home.run(&["doctor"]);
    assert_eq!(doctor.code, 1, "{doctor:?}");
    assert!(doctor.stdout.contains("@before/") && doctor.stdout.contains("`mnemon model change`"), "{doctor:?}");

    // A change that was begun is told of.
    let conn = rusqlite::Connection::open(home.path("m.db")).unwrap();
    conn.execute_batch(
        "INSERT INTO model (name, revision, dtype, dimension) VALUES ('third', '1', 'f32', 3);
         UPDATE meta SET next_model_id = last_insert_rowid();",
    )
    .unwrap();
    drop(conn);
    assert!(home.ok(&["model"]).contains("changing to  third@1/f32"));
    assert!(home.ok(&["stats"]).contains("third@1/f32"));

    let changed = home.json(&["model", "change"]);
    assert_eq!((&changed["change"]["is_done"], &changed["change"]["embedded"]), (&json!(true), &json!(2)));
    let status = home.json(&["model"]);
    assert_eq!((&status["serving"]["model"], &status["next"]), (&id, &json!(null)));
    assert!(home.json(&["search", "vegetables"])["hits"][0]["signals"]["cosine"].is_number());
    home.ok(&["doctor"]);
    // Again there is nothing to do.
    assert_eq!(home.json(&["model", "change"])["change"]["embedded"], 0);
}
