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

/// Two times of which the first is the median.
#[track_caller]
fn check_latency(times: &Value) {
    let [p50, p99] = ["p50", "p99"].map(|name| times[name].as_f64().unwrap());
    assert!(0.0 < p50 && p50 <= p99, "{times}");
}

#[test]
fn the_model_is_timed() {
    let home = Home::new();
    let report = home.json(&["bench", "embed", "--n", "2", "--plot", "e.svg"]);
    assert_eq!((&report["bench"], &report["texts"]), (&json!("embed"), &json!(2)));
    let pieces: Vec<_> = report["rates"].as_array().unwrap().iter().map(|rate| rate["pieces"].as_u64()).collect();
    assert_eq!(pieces, [12, 40, 200].map(Some));
    check_latency(&report["question_ms"]);
    assert!(report["batch_cosine"].as_f64().unwrap() > 0.9999, "{report}");
    assert!(report["machine"]["threads"].as_u64().unwrap() >= 1);
    assert!(std::fs::read_to_string(home.path("e.svg")).unwrap().contains("Texts a second"));
}

#[test]
fn vectors_are_searched_exactly_and_through_a_graph() {
    let home = Home::new();
    let report = home.json(&["bench", "vectors", "--n", "1500", "--plot", "v.png"]);
    for way in ["exact", "graph"] {
        check_latency(&report[way]["search_ms"]);
        let recall = report[way]["recall"].as_f64().unwrap();
        assert!((95.0..=100.0).contains(&recall), "{way}: {recall}");
    }
    assert_eq!((&report["data"], &report["dimension"]), (&json!("made"), &json!(384)));
    assert!(report["graph_bytes_a_vector"].as_f64().unwrap() > report["bytes_a_vector"].as_f64().unwrap());
    assert!(std::fs::read(home.path("v.png")).unwrap().starts_with(b"\x89PNG"));
    let lines: String = (0..203).map(|number| format!("Text number {number} is short\n\n")).collect();
    home.write("texts.txt", lines);
    let report = home.json(&["bench", "vectors", "--n", "3", "--texts", "texts.txt"]);
    assert_eq!((&report["data"], &report["graph"]), (&json!("texts.txt"), &Value::Null));
    assert_eq!(report["exact"]["recall"], 100.0);
}

#[test]
fn a_memory_is_filled_and_asked() {
    let home = Home::new();
    let report = home.json(&["bench", "context", "--n", "70", "--questions", "3", "--plot", "c.svg"]);
    assert_eq!((&report["filled"]["memories"], &report["filled"]["sessions"]), (&json!(70), &json!(3)));
    assert_eq!((&report["filled"]["read"], &report["filled"]["composed"]), (&json!(70), &json!(0)));
    for (answered, level) in report["levels"].as_array().unwrap().iter().zip(["thorough", "fast"]) {
        assert_eq!(answered["level"], level);
        for times in ["observe_ms", "search_ms", "context_ms"] {
            check_latency(&answered[times]);
        }
        assert!(answered["recalled"].as_f64().unwrap() > 0.0, "{answered}");
        assert!(answered["open_ms"].as_f64().unwrap() < answered["first_answer_ms"].as_f64().unwrap());
        let stages: Vec<_> = answered["stages"].as_array().unwrap().iter().map(|it| it["stage"].as_str()).collect();
        assert_eq!(stages[0], Some("embedding"));
        assert_eq!(stages.contains(&Some("late_interaction")), level == "thorough", "{stages:?}");
    }
    assert!(std::fs::read_to_string(home.path("c.svg")).unwrap().contains("Where the time of a question goes"));
    assert!(!home.path("m.db").exists(), "the memory of the user was touched");
    let text = home.ok(&["bench", "context", "--n", "5", "--questions", "1", "--level", "fast"]);
    for part in ["5 memories of 1 session", "every text read by the model", "observe an exchange", "embedding"] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
    assert!(!text.contains("late_interaction"), "{text}");
}

#[test]
fn growth_is_measured_at_each_size_and_drawn() {
    let home = Home::new();
    let asked = ["bench", "growth", "--sizes", "40,10", "--thorough-to", "10", "--questions", "2"];
    let report = home.json(&[&asked[..], &["--plot", "g.svg", "--plot", "g.png"]].concat());
    let sizes = report["sizes"].as_array().unwrap();
    let levels = |size: &Value| size["levels"].as_array().unwrap().iter().map(|it| it["level"].clone()).collect();
    let found: Vec<(u64, Vec<Value>)> =
        sizes.iter().map(|size| (size["filled"]["memories"].as_u64().unwrap(), levels(size))).collect();
    assert_eq!(found, [(10, vec![json!("thorough"), json!("fast")]), (40, vec![json!("fast")])]);
    let svg = std::fs::read_to_string(home.path("g.svg")).unwrap();
    for text in ["build_context", "observe fast", "Space, MB"] {
        assert!(svg.contains(text), "{text} is not in the picture");
    }
    assert!(std::fs::read(home.path("g.png")).unwrap().starts_with(b"\x89PNG"));
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
    check(&["embed", "--n", "0"], 2, "expected from 1 to 100000 texts, got 0");
    check(&["vectors", "--n", "0"], 2, "expected from 1 to 5000000 vectors, got 0");
    check(&["vectors", "--n", "-3"], 2, "-3");
    check(
        &["vectors", "--n", "9", "--texts", "empty.json"],
        1,
        "expected at least 209 lines of text in empty.json, got 1",
    );
    check(&["context", "--n", "6000000"], 2, "expected from 1 to 5000000 memories, got 6000000");
    check(&["context", "--n", "5", "--questions", "0"], 2, "expected from 1 to 100000 questions, got 0");
    check(&["growth", "--sizes", "10,0"], 2, "expected from 1 to 5000000 memories, got 0");
    check(&["growth", "--sizes", "ten"], 2, "ten");
    check(&["answer"], 1, "this command is not for people");
    check(&["locomo"], 2, "--data");
    check(&["squad"], 2, "squad");
}
