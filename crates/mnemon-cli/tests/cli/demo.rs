//! The demo: from a conversation to packed contexts whose evidence is there.

use serde_json::{Value, json};

use crate::home::Home;

#[test]
fn the_demo_finds_its_evidence_and_leaves_nothing_behind() {
    let home = Home::new();
    let scratch = home.path("scratch");
    std::fs::create_dir(&scratch).unwrap();
    let output = home.command().args(["demo", "--json"]).env("TMPDIR", &scratch).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    let summary = &document["summary"];
    assert_eq!((&summary["evidence_found"], &summary["evidence"]), (&json!(9), &json!(9)), "{summary}");
    assert_eq!((&summary["questions_answered"], &summary["questions"]), (&json!(6), &json!(6)), "{summary}");
    assert_eq!(document["remembered"]["stored"]["turns"], 277);
    assert_eq!(document["remembered"]["embedded"], 277);

    // What the summary says is what the contexts hold.
    let (mut found, mut largest) = (0, 0);
    for answer in document["questions"].as_array().unwrap() {
        let manifest = &answer["context"]["manifest"];
        assert!(manifest["tokens"].as_u64() <= summary["budget"].as_u64());
        largest = largest.max(manifest["tokens"].as_u64().unwrap());
        for evidence in answer["evidence"].as_array().unwrap() {
            let items = manifest["items"].as_array().unwrap().iter();
            let item =
                items.filter(|it| it["fate"] == "included").find(|it| it["source"]["origin"]["id"] == evidence["id"]);
            assert_eq!(evidence["found"], item.is_some(), "{evidence}");
            found += u64::from(item.is_some());
        }
        assert_eq!(answer["pieces_found"], answer["pieces"], "{}", answer["question"]);
    }
    assert_eq!(
        (summary["evidence_found"].as_u64(), summary["largest_context_tokens"].as_u64()),
        (Some(found), Some(largest))
    );
    assert_eq!(document["live"]["answer"]["evidence"], json!([{"id": "live:1", "found": true}]));

    assert_eq!(std::fs::read_dir(&scratch).unwrap().count(), 0, "the temporary file is still there");
    assert!(!home.path("m.db").exists(), "the demo wrote into the file of MNEMON_DB");
}

#[test]
fn a_demo_that_is_kept_can_be_asked() {
    let home = Home::new();
    let text = home.ok(&["demo", "--db", "nora.db", "--budget", "300"]);
    for part in
        ["✓ 277 turns of 11 sessions stored", "closed and opened again", "WBK 20817 H", "/ 300 tokens", "Try next"]
    {
        assert!(text.contains(part), "{part} is not in {text}");
    }
    // A small budget cannot hold everything, and the demo says so.
    assert!(text.contains("✗ the turn ") && !text.contains("9 of 9"), "{text}");
    let again = home.json(&["demo", "--db", "nora.db"]);
    assert_eq!((&again["remembered"]["stored"]["known"], &again["remembered"]["embedded"]), (&json!(277), &json!(0)));
    // What was said in the demo before is in the memory too, and takes part.
    assert!(again["summary"]["evidence_found"].as_u64() >= Some(8), "{again}");
    // The commands that it names work.
    let lines = text.lines().skip_while(|line| !line.contains("Try next")).skip(1);
    let mut tried = 0;
    for line in lines {
        let words: Vec<&str> = line.trim().trim_end_matches('"').split('"').collect();
        let mut arguments: Vec<&str> = words[0].split_whitespace().skip(1).collect();
        arguments.extend(words.get(1));
        home.ok(&arguments);
        tried += 1;
    }
    assert_eq!(tried, 2, "{text}");
}
