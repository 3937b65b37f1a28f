//! Benchmarks on small data of our own.

use std::path::Path;

use serde_json::{Value, json};

use crate::home::Home;

/// Copies a file of the crate that measures into the home.
fn data(home: &Home, name: &str) {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("../mnemon-bench/tests/data").join(name);
    std::fs::copy(from, home.path(name)).unwrap();
}

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().unwrap_or_else(|| panic!("{value} is no object")).keys().map(String::as_str).collect()
}

/// The shape of what one way of ranking found.
#[track_caller]
fn check_scores(scores: &Value, questions: u64) {
    assert_eq!(scores["questions"], questions, "{scores}");
    for field in ["recall", "all"] {
        let ranks = keys(&scores[field]);
        assert_eq!([ranks.len(), ranks.iter().filter(|k| ["5", "10", "25", "50"].contains(*k)).count()], [4, 4]);
    }
    for field in ["budget", "budget_all"] {
        let budgets = keys(&scores[field]);
        assert_eq!([budgets.len(), budgets.iter().filter(|it| ["1000", "2000", "4000"].contains(*it)).count()], [3, 3]);
    }
    for (all, some) in [("all", "recall"), ("budget_all", "budget")] {
        for (key, value) in scores[some].as_object().unwrap() {
            let (all, some) = (scores[all][key].as_f64().unwrap(), value.as_f64().unwrap());
            assert!((0.0..=100.0).contains(&some) && all <= some, "{key}: {all} and {some}");
        }
    }
}

#[test]
fn locomo_is_measured_beside_its_baselines() {
    let home = Home::new();
    data(&home, "garden.locomo.json");
    let report = home.json(&["bench", "locomo", "--data", "garden.locomo.json", "--baseline", "dense,bm25,rrf"]);
    assert_eq!((&report["bench"], &report["measured"]["data"]), (&json!("locomo"), &json!("garden.locomo.json")));
    assert_eq!(report["measured"]["categories"], json!([1, 2, 4]));
    assert_eq!(report["measured"]["without_evidence"], 1);
    assert_eq!(report["measured"]["conversations"][1]["turns"], 8);
    assert!(report["measured"]["engine"]["model"].as_str().unwrap().starts_with("all-MiniLM-L6-v2@"));
    assert_eq!(report["measured"]["engine"]["mnemon"], env!("CARGO_PKG_VERSION"));
    let systems = ["dense", "bm25", "rrf"].map(|name| &report["baselines"][name]);
    for system in systems.into_iter().chain([&report]) {
        check_scores(system, 6);
        assert_eq!(keys(&system["by_category"]), ["1", "2", "4"]);
        check_scores(&system["by_category"]["4"], 4);
        assert_eq!(keys(&system["by_conversation"]), ["garden-1", "garden-2"]);
        check_scores(&system["by_conversation"]["garden-1"], 4);
        assert!(system["latency_ms"]["p50"].as_f64().unwrap() <= system["latency_ms"]["p99"].as_f64().unwrap());
    }
    assert_eq!(report["recall"]["25"], 100.0);
    assert!(!home.path("m.db").exists(), "the memory of the user was touched");
}

#[test]
fn a_part_can_be_asked_for() {
    let home = Home::new();
    data(&home, "garden.locomo.json");
    let asked = ["bench", "locomo", "--data", "garden.locomo.json", "--conversations", "1", "--categories", "4-5"];
    let report = home.json(&asked);
    check_scores(&report, 3);
    assert_eq!(report["measured"]["categories"], json!([4, 5]));
    assert_eq!(report["measured"]["conversations"][0]["name"], "garden-2");
    assert_eq!(report["baselines"], json!({}));
    let text = home.ok(&[&asked[..], &["--baseline", "bm25"]].concat());
    for part in ["garden.locomo.json: 1 conversation, 8 turns, 3 questions of categories 4, 5", "R@10", "all@50", "2k"]
    {
        assert!(text.contains(part), "{part} is not in {text}");
    }
    for name in ["mnemon", "bm25", "category 5", "garden-2"] {
        assert!(text.lines().any(|line| line.trim_start().starts_with(name)), "{name} has no line in {text}");
    }
    let narrow = home.command().args(asked).env("COLUMNS", "60").output().unwrap();
    for line in String::from_utf8(narrow.stdout).unwrap().lines().filter(|line| !line.contains('@')) {
        assert!(line.chars().count() <= 80, "{line}");
    }
}

#[test]
fn longmemeval_is_measured_at_both_levels() {
    let home = Home::new();
    data(&home, "workshop.longmemeval.json");
    let asked = ["bench", "longmemeval", "--data", "workshop.longmemeval.json"];
    let report = home.json(&[&asked[..], &["--plot", "w.png"]].concat());
    assert_eq!(report["measured"]["questions"], 3);
    assert_eq!(report["measured"]["abstentions"], 1);
    assert_eq!((&report["user_turns"]["questions"], &report["user_turns"]["without_evidence"]), (&json!(2), &json!(1)));
    assert_eq!(report["all_turns"]["questions"], 3);
    for level in ["turn", "session"] {
        for figure in ["recall_any", "recall_all", "ndcg_any"] {
            let figures = &report["all_turns"]["by_type"]["multi-session"][level][figure];
            assert_eq!(figures.as_object().unwrap().len(), 6, "{level} {figure}");
        }
    }
    assert_eq!(report["all_turns"]["turn"]["recall_all"]["50"], 100.0);
    assert!(std::fs::read(home.path("w.png")).unwrap().starts_with(b"\x89PNG"));
    let text = home.ok(&[&asked[..], &["--questions", "0-1"]].concat());
    for part in ["2 questions, 16 turns", "turns of the user", "ndcg@10", "single-session-user"] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
}

#[test]
fn a_result_is_drawn() {
    let home = Home::new();
    data(&home, "garden.locomo.json");
    let asked = ["bench", "locomo", "--data", "garden.locomo.json", "--conversations", "0", "--baseline", "bm25"];
    let ran = home.run(&[&asked[..], &["--plot", "g.svg"]].concat());
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.stderr.contains("drawn in g.svg"), "{ran:?}");
    let svg = std::fs::read_to_string(home.path("g.svg")).unwrap();
    for text in ["<svg", "mnemon", "bm25", "by category", "tokens"] {
        assert!(svg.contains(text), "{text} is not in the picture");
    }
}

#[test]
fn what_cannot_be_measured_is_an_error() {
    let home = Home::new();
    data(&home, "garden.locomo.json");
    home.write("no.json", "[{\"sample_id\": 3}]");
    home.write("empty.json", "[]");
    let check = |arguments: &[&str], code: i32, part: &str| {
        let ran = home.run(&[&["bench"], arguments].concat());
        assert_eq!((ran.code, ran.stdout.as_str()), (code, ""), "{ran:?}");
        assert!(ran.stderr.starts_with("error: ") && ran.stderr.contains(part), "{part} is not in {ran:?}");
        let json = home.run(&[&["bench"], arguments, &["--json"]].concat());
        let error: Value = serde_json::from_str(&json.stderr).unwrap();
        assert!(!error["error"]["message"].as_str().unwrap().is_empty());
    };
    let garden = ["locomo", "--data", "garden.locomo.json"];
    let with = |more: &[&'static str]| [&garden[..], more].concat();
    check(&["locomo", "--data", "nowhere.json"], 1, "could not read nowhere.json");
    check(&["longmemeval", "--data", "nowhere.json"], 1, "could not read nowhere.json");
    check(&["locomo", "--data", "no.json"], 1, "no.json");
    check(&["locomo", "--data", "empty.json"], 1, "expected questions with evidence in empty.json, got none");
    check(&["longmemeval", "--data", "garden.locomo.json"], 1, "expected an array of questions of LongMemEval");
    check(&with(&["--conversations", "0-2"]), 2, "expected conversations from 0 to 1, got 2");
    check(&with(&["--categories", "3"]), 2, "expected categories of the data (1, 2, 4, 5), got 3");
    check(&with(&["--conversations", "0", "--categories", "5"]), 1, "expected questions with evidence");
    check(&with(&["--conversations", "a"]), 2, "expected numbers such as 1,2,4 or 0-4");
    check(&with(&["--baseline", "splade"]), 2, "expected baselines (dense, bm25, rrf)");
    check(&with(&["--plot", "g.gif"]), 2, "ends in .svg or .png");
    check(&with(&["--plot", "no/folder/g.svg"]), 1, "cannot write the picture no/folder/g.svg");
    check(&with(&["--model", "nowhere"]), 1, "without --model");
    check(&["locomo"], 2, "--data");
    check(&["squad"], 2, "squad");
}
