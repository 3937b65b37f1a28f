//! Memories by hand: add, list, show, pin, delete, clear, scopes, stats.

use serde_json::{Value, json};

use crate::home::Home;

#[test]
fn a_memory_is_added_shown_pinned_and_deleted() {
    let home = Home::new();
    let id = home.add(&[
        "Ann",
        "grows",
        "tomatoes",
        "--kind",
        "fact",
        "--meta",
        "where=garden",
        "--meta",
        "n=3",
        "--at",
        "2025-03-02",
    ]);
    let shown = home.json(&["show", &id]);
    assert_eq!(shown["text"], "Ann grows tomatoes");
    assert_eq!(shown["kind"], "fact");
    assert_eq!(shown["metadata"], json!({"where": "garden", "n": 3}));
    assert_eq!(shown["occurred_at"], "2025-03-02T00:00:00Z");
    assert_eq!(shown["pinned"], false);

    assert_eq!(home.json(&["pin", &id])["pinned"], json!([id]));
    assert_eq!(home.json(&["show", &id])["pinned"], true);
    let text = home.ok(&["show", &id]);
    assert!(text.ends_with("\n\nAnn grows tomatoes\n") && text.contains("happened 2025-03-02 00:00 UTC"), "{text}");
    assert!(text.contains("pinned yes") && text.contains("where = \"garden\""), "{text}");
    assert_eq!(home.ok(&["unpin", &id]), "unpinned 1 memory\n");
    assert_eq!(home.json(&["show", &id])["pinned"], false);

    assert_eq!(home.ok(&["delete", &id]), "deleted 1 memory\n");
    let again = home.run(&["delete", &id]);
    assert_eq!((again.code, again.stdout.as_str()), (3, ""));
    assert!(again.stderr.contains(&id));
    assert_eq!(home.run(&["show", &id]).code, 3);
    let other = home.add(&["Ben cycles"]);
    let both = home.run(&["delete", &id, &other, "--json"]);
    assert_eq!(both.code, 3);
    assert_eq!(serde_json::from_str::<Value>(&both.stdout).unwrap(), json!({"deleted": [other], "unknown": [id]}));
}

#[test]
fn a_fact_takes_the_place_of_the_one_before_and_what_expires_goes() {
    let home = Home::new();
    let about = |text: &str| home.add(&[text, "--kind", "fact", "--about", "Ann/address", "--at", "2025-03-02"]);
    let lyon = about("Ann lives in Lyon");
    let nice = home.add(&["Ann lives in Nice", "--kind", "fact", "--about", "Ann/address", "--at", "2025-06-01"]);
    let found = home.json(&["search", "Where does Ann live?"]);
    assert_eq!(found["hits"].as_array().unwrap().len(), 1);
    assert_eq!(found["hits"][0]["memory"]["id"], json!(nice));
    let then = home.json(&["search", "Where does Ann live?", "--as-of", "2025-05-01"]);
    assert_eq!(then["hits"][0]["memory"]["id"], json!(lyon));
    let history = home.json(&["history", "Ann", "address"]);
    assert_eq!(history["memories"][0]["state"]["ended"]["by"], json!(nice));
    assert!(home.ok(&["history", "Ann", "address"]).contains("until 2025-06-01 00:00 (superseded)"));
    assert_eq!(home.run(&["history", "Ann", "shoes"]).code, 3);

    let old = home.add(&["The code is blue", "--expires", "2025-01-01", "--trust", "untrusted"]);
    assert_eq!(home.run(&["search", "Which code is it?"]).code, 3);
    assert_eq!(home.json(&["show", &old])["trust"], "untrusted");
    assert_eq!(home.ok(&["forget"]), "1 memory expired, and deleted\n");
    assert_eq!(home.ok(&["forget"]), "nothing to forget in the unnamed scope\n");
    home.add(&["Ann is allergic to peanuts", "--kind", "fact"]);
    home.add(&["Ann is ALLERGIC to peanuts!", "--kind", "fact"]);
    let forgotten = home.json(&["forget", "--merge", "--half-life", "1y", "--capacity", "2"]);
    assert_eq!(forgotten["merged"].as_array().unwrap().len(), 1);
    assert_eq!(forgotten["forgotten"], json!({"expired": 0, "weak": 0, "over_capacity": 0}));
    for wrong in [["--half-life", "0s"], ["--half-life", "soon"], ["--least-strength", "0.5"], ["--capacity", "-1"]] {
        assert_eq!(home.run(&["forget", wrong[0], wrong[1]]).code, 2, "{wrong:?}");
    }
    assert_eq!(home.run(&["add", "x", "--about", "Ann"]).code, 2);
}

#[test]
fn text_comes_from_standard_input_too() {
    let home = Home::new();
    let ran = home.run_with("two\nlines\n", &["add", "-", "--pin"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.stdout.starts_with("remembered a pinned note in the unnamed scope: "), "{ran:?}");
    assert_eq!(home.json(&["list", "--pinned"])["memories"][0]["text"], "two\nlines");
    assert_eq!(home.run_with(" \n", &["add", "-"]).code, 2);
    assert_eq!(home.run_with("", &["add", ""]).code, 2);
}

#[test]
fn a_list_has_pages_and_filters() {
    let home = Home::new();
    for n in 0..5 {
        let kind = if n % 2 == 0 { "fact" } else { "note" };
        home.add(&[&format!("memory {n}"), "--kind", kind]);
    }
    let texts = |arguments: &[&str]| -> Vec<String> {
        let list = home.json(&[&["list"], arguments].concat());
        list["memories"].as_array().unwrap().iter().map(|it| it["text"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(texts(&["--limit", "2"]), ["memory 0", "memory 1"]);
    assert_eq!(texts(&["--limit", "2", "--offset", "1", "--newest"]), ["memory 3", "memory 2"]);
    assert_eq!(texts(&["--kind", "note"]), ["memory 1", "memory 3"]);
    assert_eq!(texts(&["--pinned"]), [""; 0]);
    assert_eq!(home.json(&["list", "--kind", "fact", "--limit", "1"])["total"], 3);
    let text = home.ok(&["list", "--limit", "2"]);
    assert_eq!(text.lines().count(), 5, "{text}");
    assert!(text.contains("\n  memory 1\n") && text.contains("2 of 5 memories"), "{text}");
    let nothing = home.run(&["list", "--kind", "turn"]);
    assert_eq!((nothing.code, nothing.stdout.as_str()), (0, ""));
}

#[test]
fn a_filter_narrows_lists_searches_and_contexts() {
    let home = Home::new();
    home.add(&["The hedge was cut in spring", "--meta", "topic=garden", "--meta", "year=2019"]);
    home.add(&["The hedge was cut again in autumn", "--meta", "topic=garden", "--meta", "year=2024"]);
    home.add(&["The hedge fund was cut", "--meta", "topic=money", "--kind", "fact"]);
    let filter = ["--filter", "topic = garden and year >= 2020"];
    let list = home.json(&[&["list"], &filter[..]].concat());
    assert_eq!(
        (&list["total"], &list["memories"][0]["text"]),
        (&json!(1), &json!("The hedge was cut again in autumn"))
    );
    assert_eq!(home.json(&["list", "--filter", "{\"kind\": {\"in\": [\"fact\"]}}"])["total"], 1);
    assert_eq!(home.json(&["list", "--filter", "not exists(year)"])["total"], 1);
    let question = ["The hedge was cut", "--floor", "0"];
    let found = home.json(&[&["search"], &question[..], &filter[..]].concat());
    assert_eq!(found["hits"].as_array().unwrap().len(), 1, "{found}");
    assert_eq!(found["hits"][0]["memory"]["metadata"]["year"], 2024);
    let explained = home.ok(&[&["explain"], &question[..], &filter[..]].concat());
    assert!(explained.contains("autumn") && !explained.contains("spring"), "{explained}");
    let context = home.ok(&["context", "The hedge was cut", "--text", "--filter", "topic = garden"]);
    assert!(context.contains("spring") && !context.contains("fund"), "{context}");
    let wrong = home.run(&["list", "--filter", "topic = "]);
    assert_eq!(wrong.code, 2);
    assert!(wrong.stderr.contains("expected a value at character 9 of the filter, got the end"), "{wrong:?}");
}

#[test]
fn scopes_are_walls_and_are_cleared_alone() {
    let home = Home::new();
    home.add(&["Ann likes tea", "--scope", "ann"]);
    home.add(&["Ben likes coffee", "--scope", "user=ben,project=x"]);
    home.add(&["nobody's note"]);
    let scopes = home.json(&["scopes"]);
    let scopes: Vec<&str> =
        scopes["scopes"].as_array().unwrap().iter().map(|it| it["scope"].as_str().unwrap()).collect();
    assert_eq!(scopes, ["", "user=ann", "user=ben,project=x"]);
    assert!(home.ok(&["scopes"]).contains("         1  user=ann\n"));
    assert!(home.ok(&["search", "coffee", "--scope", "ann"]).contains("Ann likes tea"));
    assert!(!home.ok(&["search", "coffee", "--scope", "ann"]).contains("Ben"));

    let unasked = home.run(&["clear", "--scope", "ann"]);
    assert_eq!(unasked.code, 2);
    assert!(unasked.stderr.contains("--yes"), "{unasked:?}");
    assert_eq!(home.json(&["stats", "--scope", "ann"])["store"]["memories"], 1);
    assert_eq!(home.json(&["clear", "--yes", "--scope", "ann"]), json!({"scope": "user=ann", "forgotten": 1}));
    assert_eq!(home.json(&["stats", "--scope", "ann"])["store"]["memories"], 0);
    assert_eq!(home.json(&["stats"])["store"]["memories"], 1);
    let ran = ["stats", "--json"];
    let by_variable = home.command().args(ran).env("MNEMON_SCOPE", "user=ben,project=x").output().unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&by_variable.stdout).unwrap()["store"]["memories"], 1);
}

#[test]
fn a_search_ranks_and_says_when_there_is_nothing() {
    let home = Home::new();
    home.add(&["The frame number of the bike is WBK 20817 H"]);
    home.add(&["Lentil soup wants cumin"]);
    let found = home.json(&["search", "Which number is on my bicycle?", "-k", "1"]);
    let hit = &found["hits"][0];
    assert!(hit["memory"]["text"].as_str().unwrap().contains("WBK"), "{found}");
    assert!(hit["signals"]["cosine"].as_f64().unwrap() > 0.2 && found["degraded"].is_null(), "{found}");
    assert_eq!(found["hits"].as_array().unwrap().len(), 1);
    let text = home.ok(&["search", "soup"]);
    assert!(text.lines().next().unwrap().starts_with("  1  ████████ 1.00"), "{text}");
    assert!(text.lines().nth(1).unwrap().ends_with("Lentil soup wants cumin"), "{text}");
    let nothing = home.run(&["search", "soup", "--scope", "nobody"]);
    assert_eq!((nothing.code, nothing.stdout.as_str()), (3, ""));
    assert!(nothing.stderr.contains("nothing found in scope user=nobody"), "{nothing:?}");
    let nothing = home.run(&["search", "soup", "--scope", "nobody", "--json"]);
    assert_eq!((nothing.code, nothing.stderr.as_str()), (3, ""));
    assert_eq!(serde_json::from_str::<Value>(&nothing.stdout).unwrap()["hits"], json!([]));
}

#[test]
fn without_options_the_file_is_in_the_data_directory() {
    let home = Home::new();
    let run = |arguments: &[&str]| home.command().env_remove("MNEMON_DB").args(arguments).output().unwrap();
    assert!(run(&["add", "hello"]).status.success());
    assert!(run(&["stats"]).status.success());
    if cfg!(target_os = "linux") {
        assert!(home.path("data/mnemon/memory.db").is_file());
    }
    assert!(!home.path("m.db").exists());
}
