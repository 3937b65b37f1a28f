//! Conversations: observe, import, export, context.

use serde_json::{Value, json};

use crate::home::{CHAT, Home};

fn items<'a>(context: &'a Value, block: &str) -> Vec<&'a str> {
    let items = context["manifest"]["items"].as_array().unwrap().iter();
    let included = items.filter(|item| item["fate"] == "included" && item["block"] == block);
    included.map(|item| item["text"].as_str().unwrap()).collect()
}

#[test]
fn what_is_observed_is_recent_and_then_remembered() {
    let home = Home::new();
    let observed = home.json(&["observe", "--user", "I live in Lyon", "--assistant", "Noted.", "--session", "a"]);
    assert_eq!(observed["turns"].as_array().unwrap().len(), 2);
    assert_eq!(observed["moved"], 0);
    let lines = "{\"role\":\"user\",\"text\":\"yes\"}\n{\"role\":\"assistant\",\"text\":\"Good.\"}\n";
    for _ in 0..2 {
        // Said twice is said twice.
        let ran = home.run_with(lines, &["observe", "--session", "a"]);
        assert_eq!(ran.code, 0, "{ran:?}");
        assert!(ran.stdout.starts_with("remembered 2 turns; "), "{ran:?}");
    }
    let context = home.json(&["context", "Where do I live?", "--session", "a"]);
    assert_eq!(items(&context, "recent").len(), 6);
    let other = home.json(&["context", "Where do I live?", "--session", "b", "--hits", "1"]);
    assert_eq!((items(&other, "recent").len(), items(&other, "recalled")), (0, vec!["I live in Lyon"]));
    let ran = home.run_with("said at the door\n", &["observe", "--user", "-", "--session", "b"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(home.json(&["list", "--newest", "--limit", "1"])["memories"][0]["text"], "said at the door");
}

#[test]
fn what_left_the_window_is_summarised_and_shown_with_what_it_was_made_of() {
    let home = Home::new();
    let settings = home.write("mnemon.toml", "stm_capacity = 300\nchunk_size = 100\nsummary_tokens = 40\n");
    let settings = ["--config", settings.to_str().unwrap()];
    let turn =
        |n: usize| format!("{{\"role\":\"user\",\"text\":\"On day {n} the boat Aurora-{n} sailed to harbour {n}\"}}");
    let lines: Vec<String> = (0..60).map(turn).collect();
    let mut said = String::new();
    for ten in lines.chunks(10) {
        let ran = home.run_with(&ten.join("\n"), &[&["observe"], &settings[..]].concat());
        assert_eq!(ran.code, 0, "{ran:?}");
        said.push_str(&ran.stdout);
    }
    assert!(said.contains("moved to long-term memory and 1 summary written"), "{said}");
    assert_eq!(home.json(&["list"])["total"], 60);
    let listed = home.json(&["list", "--kind", "summary"]);
    let summary = &listed["memories"][0];
    assert!(summary["text"].as_str().unwrap().contains("Aurora-"), "{listed}");
    let id = summary["id"].as_str().unwrap();
    let shown = home.json(&["show", id]);
    assert_eq!(shown["made"]["depth"], 1);
    let first = shown["made"]["parts"][0].as_str().unwrap();
    assert!(home.ok(&["show", first]).contains("Aurora-0 "));
    let shown = home.ok(&["show", id]);
    assert!(shown.contains("made of") && shown.contains(first), "{shown}");
    assert!(home.ok(&["stats"]).contains("of what left the window"));
    let context = home.json(&[&["context", "Where are we?"], &settings[..]].concat());
    assert!(!items(&context, "summary").is_empty(), "{context}");
    // Erasing what was said first leaves no summary that tells of it.
    home.ok(&["delete", first]);
    let left = home.json(&["list", "--kind", "summary", "--limit", "1000"]);
    assert!(!left.to_string().contains("Aurora-0 "), "{left}");
}

#[test]
fn observe_takes_turns_of_one_conversation() {
    let home = Home::new();
    let check = |stdin: &str, arguments: &[&str], code, part: &str| {
        let ran = home.run_with(stdin, &[&["observe"], arguments].concat());
        assert_eq!(ran.code, code, "{ran:?}");
        assert!(ran.stderr.contains(part), "{ran:?}");
    };
    check("", &[], 2, "expected --user, --assistant, or turns");
    check("x", &["--user", "-", "--assistant", "-"], 2, "at most one");
    check("{\"type\":\"fact\",\"text\":\"x\"}", &[], 2, "memory that is none");
    check("{\"role\":\"user\",\"text\":\"x\",\"scope\":\"ann\"}", &[], 2, "names a scope");
    check("{\"role\":\"user\",\"text\":\"x\",\"session\":\"s\"}", &[], 2, "names a session");
    check("{\"role\":\"user\"}", &[], 1, "standard input, line 1: expected a string as `text`");
    check("not json", &[], 1, "standard input, line 1");
    assert!(!home.path("m.db").exists(), "a refused turn made a file");
}

#[test]
fn an_import_is_stored_once_and_comes_out_as_it_went_in() {
    let home = Home::new();
    let chat = home.write("chat.jsonl", CHAT);
    let chat = chat.to_str().unwrap();
    let imported = home.json(&["import", chat]);
    assert_eq!(imported["conversations"], json!([{"scope": "", "sessions": 2, "turns": 3, "memories": 1}]));
    assert_eq!((&imported["stored"]["turns"], &imported["embedded"]), (&json!(3), &json!(4)));
    assert_eq!(imported["without_vector"], 0);
    let again = home.ok(&["import", chat]);
    assert!(again.contains("stored 0 new memories, 4 were known already; 0 embedded"), "{again}");

    let exported = home.ok(&["export"]);
    assert_eq!(exported.lines().count(), CHAT.lines().count());
    let read = |text: &str| -> Vec<Value> { text.lines().map(|line| serde_json::from_str(line).unwrap()).collect() };
    for (mut out, original) in read(&exported).into_iter().zip(read(CHAT)) {
        if let Some(source) = out.as_object_mut().unwrap().remove("source") {
            assert_eq!(source, "file:chat.jsonl");
        }
        assert_eq!(out, original);
    }
    // A second file holds the same, and exports the same.
    home.write("exported.jsonl", &exported);
    home.ok(&["import", "exported.jsonl", "--db", "other.db"]);
    assert_eq!(home.ok(&["export", "--db", "other.db", "--json"]), exported);

    let listed = home.json(&["list", "--session", "one"]);
    assert_eq!(listed["total"], 2);
    assert_eq!(home.run(&["list", "--session", "three"]).code, 3);
    let stats = home.json(&["stats"]);
    assert_eq!(stats["sessions"].as_array().unwrap().len(), 2);
    assert_eq!(stats["long_term"]["vectors"], 4);
    let text = home.ok(&["stats"]);
    assert!(text.contains("4 (3 turns, 1 beside)") && text.contains("4 of 4 have one"), "{text}");
}

#[test]
fn an_import_reads_standard_input_and_other_formats() {
    let home = Home::new();
    let ran =
        home.run_with("Nora: The ferry leaves at noon.\nAssistant: Noted.\n", &["import", "-", "--scope", "nora"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(
        ran.stdout.starts_with("scope user=nora  1 session, 2 turns\nstored 2 new memories; 2 embedded, in "),
        "{ran:?}"
    );
    let broken = "{\"role\":\"user\",\"text\":\"kept\"}\n{\"role\":\"user\"}\n";
    let refused = home.run_with(broken, &["import", "-", "--format", "jsonl", "--scope", "x"]);
    assert_eq!(refused.code, 1);
    assert!(refused.stderr.contains("line 2") && refused.stderr.contains("--skip-invalid"), "{refused:?}");
    assert_eq!(home.json(&["stats", "--scope", "x"])["store"]["memories"], 0, "half a file was stored");
    let skipped = home.run_with(broken, &["import", "-", "--format", "jsonl", "--skip-invalid", "--scope", "x"]);
    assert_eq!(skipped.code, 0);
    assert!(skipped.stderr.contains("left out: line 2: expected a string as `text`"), "{skipped:?}");
    assert_eq!(home.json(&["stats", "--scope", "x"])["store"]["memories"], 1);
}

#[test]
fn a_context_shows_what_went_in_and_keeps_to_its_budget() {
    let home = Home::new();
    home.write("chat.jsonl", CHAT);
    home.ok(&["import", "chat.jsonl"]);
    let question = "What does my sister keep?";
    let context = home.json(&["context", question, "--budget", "120"]);
    let manifest = &context["manifest"];
    assert!(manifest["tokens"].as_u64().unwrap() <= 120 && manifest["budget"] == 120, "{manifest}");
    assert_eq!(items(&context, "pinned"), ["Nora is allergic to walnuts"]);
    assert_eq!(items(&context, "recalled")[0], "My sister keeps bees behind the mill.");
    assert_eq!(context["messages"].as_array().unwrap().last().unwrap()["content"], question);

    let text = home.ok(&["context", question, "--budget", "120", "--text"]);
    assert_eq!(text, format!("{}\n", context["text"].as_str().unwrap()), "--text is the prompt and nothing else");
    let messages = home.ok(&["context", question, "--messages"]);
    assert!(messages.starts_with("[system]\nPinned:\n- Nora is allergic to walnuts\n"), "{messages}");
    assert!(messages.ends_with(&format!("[user]\n{question}\n")), "{messages}");
    let shown = home.ok(&["context", question, "--budget", "120"]);
    let sum = format!("{} / 120 tokens", manifest["tokens"]);
    assert!(shown.lines().next().unwrap().ends_with(&sum), "{shown}");
    for part in ["▓", "2025-03-02 Nora", "one:1", "My sister keeps bees", "░ free"] {
        assert!(shown.contains(part), "{part} is not in {shown}");
    }
    let small = home.ok(&["context", question, "--budget", "60", "--all"]);
    assert!(small.contains("left out ") && small.contains("over the budget: "), "{small}");
}
