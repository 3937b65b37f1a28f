//! Erasing for good, and receipts.

use serde_json::json;

use crate::home::{CHAT, Home};

#[test]
fn what_is_erased_is_told_and_can_be_verified() {
    let home = Home::new();
    home.write("chat.jsonl", CHAT);
    home.ok(&["import", "chat.jsonl"]);
    let note = home.add(&["The spare key hangs in the blomkvarn cupboard"]);
    let on_disk =
        |word: &str| std::fs::read(home.path("m.db")).unwrap().windows(word.len()).any(|it| it == word.as_bytes());
    assert!(on_disk("blomkvarn") || home.path("m.db-wal").exists());

    let unasked = home.run(&["erase", "--id", &note]);
    assert_eq!(unasked.code, 2);
    assert!(unasked.stderr.contains("--yes"), "{unasked:?}");
    for (arguments, got) in [(&["erase", "--yes"][..], "0"), (&["erase", "--yes", "--all", "--session", "one"], "2")] {
        let refused = home.run(arguments);
        assert_eq!(refused.code, 2);
        assert!(refused.stderr.contains(&format!("got {got} of them")), "{refused:?}");
    }
    let unknown = home.run(&["erase", "--yes", "--id", "01890a5d-ac96-774b-bcce-b302099a8057"]);
    assert_eq!(unknown.code, 3, "{unknown:?}");
    assert_eq!(home.run(&["erase", "--yes", "--session", "nowhere"]).code, 3);
    assert_eq!(home.ok(&["erase", "--receipts"]), "");

    let erased = home.json(&["erase", "--yes", "--id", &note]);
    assert_eq!((&erased["ids"], &erased["pending"]), (&json!([note]), &json!(null)));
    let receipt = erased["receipt"]["id"].as_str().unwrap();
    assert_eq!(erased["receipt"]["digest"].as_str().unwrap().len(), 64);
    assert!(!on_disk("blomkvarn"));
    assert_eq!(home.json(&["erase", "--verify", receipt, "--id", &note])["holds"], true);
    let other = home.run(&["erase", "--verify", receipt, "--id", "01890a5d-ac96-774b-bcce-b302099a8057"]);
    assert_eq!(other.code, 1, "{other:?}");
    assert!(other.stdout.contains("the receipt is about these ids and no other   no"), "{other:?}");
    assert_eq!(home.run(&["erase", "--verify", &note, "--id", &note]).code, 3);

    assert!(home.ok(&["erase", "--yes", "--session", "one"]).starts_with("erased 2 memories of the unnamed scope"));
    assert!(home.ok(&["erase", "--yes", "--before", "2025-04-03"]).starts_with("erased 1 memory "));
    assert!(!on_disk("beekeep") && !on_disk("tram to work") && on_disk("walnuts"));
    let rest = home.json(&["list"]);
    let source = rest["memories"][0]["origin"]["source"].as_str().unwrap();
    assert!(home.ok(&["erase", "--yes", "--source", source]).starts_with("erased 1 memory "));
    assert_eq!(home.json(&["erase", "--yes", "--all"])["receipt"]["memories"], 0);
    let receipts = home.json(&["erase", "--receipts"]);
    assert_eq!(receipts["receipts"].as_array().unwrap().len(), 5);
    let text = home.ok(&["erase", "--receipts"]);
    assert!(text.lines().count() == 5 && text.contains("2 memories, no byte left since "), "{text}");
}
