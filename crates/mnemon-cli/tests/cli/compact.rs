//! `compact` and `summarize`: conversations in, shorter ones out.

use serde_json::{Value, json};

use crate::home::{CHAT, Home, Ran};
use crate::model_server::ModelServer;

const KEY: &str = "sk-0123456789abcdef";

/// A conversation with a tool call, an image and fields that nobody knows.
fn openai(exchanges: usize) -> Value {
    let mut messages = vec![json!({"role": "system", "content": "You help with boats.", "x": 1})];
    for n in 0..exchanges {
        messages
            .push(json!({"role": "user", "content": format!("On 3 May boat {n} left Oslo with {} people.", n * 3)}));
        messages.push(json!({"role": "assistant", "content": "That sounds great!"}));
    }
    messages.push(json!({"role": "user", "content": [
        {"type": "text", "text": "What is on this picture?"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA", "detail": "low"}},
    ], "x_client": {"n": 1}}));
    messages.push(json!({"role": "assistant", "content": null, "tool_calls": [
        {"id": "c1", "type": "function", "function": {"name": "look", "arguments": "{\"at\": \"picture\"}"}},
    ]}));
    messages.push(json!({"role": "tool", "tool_call_id": "c1", "content": "A red boat."}));
    messages.push(json!({"role": "assistant", "content": "A red boat."}));
    json!({"model": "gpt-5", "messages": messages, "tools": [{"type": "function"}]})
}

fn anthropic(exchanges: usize) -> Value {
    let mut messages = Vec::new();
    for n in 0..exchanges {
        messages
            .push(json!({"role": "user", "content": format!("On 3 May boat {n} left Oslo with {} people.", n * 3)}));
        messages.push(json!({"role": "assistant", "content": [{"type": "text", "text": "That sounds great!"}]}));
    }
    messages.push(json!({"role": "user", "content": "Look at the harbour."}));
    messages.push(json!({"role": "assistant", "content": [
        {"type": "thinking", "thinking": "I look.", "signature": "s"},
        {"type": "tool_use", "id": "t1", "name": "look", "input": {"at": "harbour"}},
    ]}));
    messages.push(json!({"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": [
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}},
    ]}]}));
    messages.push(json!({"role": "assistant", "content": "A red boat."}));
    json!({"model": "claude", "system": "You help with boats.", "messages": messages})
}

/// Standard output as JSON, and the report of `--json`.
#[track_caller]
fn compact(home: &Home, arguments: &[&str]) -> (Value, Value) {
    let ran = home.run(&[&["compact", "--json"], arguments].concat());
    assert_eq!(ran.code, 0, "{arguments:?}: {ran:?}");
    (serde_json::from_str(&ran.stdout).unwrap(), serde_json::from_str(&ran.stderr).unwrap())
}

fn is_subsequence(part: &[Value], whole: &[Value]) -> bool {
    let mut left = whole.iter();
    part.iter().all(|message| left.any(|other| other == message))
}

#[test]
fn both_shapes_come_out_as_they_went_in_and_shorter() {
    let home = Home::new();
    for (document, format, most) in [(openai(30), "openai", "600"), (anthropic(30), "anthropic", "2100")] {
        home.write("chat.json", document.to_string());
        let (out, report) = compact(&home, &["chat.json", "--max-tokens", most, "--keep-recent", "4"]);
        let (before, after) = (document["messages"].as_array().unwrap(), out["messages"].as_array().unwrap());
        assert_eq!(report["format"], format);
        assert_eq!(report["strategy"], "salient");
        assert!(report["tokens_after"].as_u64().unwrap() <= most.parse().unwrap(), "{report}");
        assert!(after.len() < before.len());
        assert_eq!(
            (report["messages_before"].as_u64(), report["messages_after"].as_u64()),
            (Some(before.len() as u64), Some(after.len() as u64))
        );
        for field in ["model", "system", "tools"] {
            assert_eq!(out.get(field), document.get(field));
        }
        // The call and what is around it; the question before became one turn with those that it came behind.
        assert!(after.ends_with(&before[before.len() - 3..]), "{format}: {out}");
        let asked = after[after.len() - 4].to_string();
        let parts = if format == "openai" {
            ["data:image/png;base64,AAAA", "What is on this picture?", "x_client"]
        } else {
            ["Look at the harbour.", "On 3 May boat", "user"]
        };
        assert!(parts.iter().all(|part| asked.contains(part)), "{asked}");
        let kept: Vec<Value> =
            report["kept"].as_array().unwrap().iter().map(|at| before[at.as_u64().unwrap() as usize].clone()).collect();
        assert_eq!(kept.len() + report["dropped"].as_array().unwrap().len(), before.len());
        if kept.len() == after.len() {
            assert!(is_subsequence(after, before), "{format}");
        }
    }
}

#[test]
fn every_strategy_answers_and_the_report_says_which() {
    let home = Home::new();
    home.write("chat.json", openai(40).to_string());
    for (arguments, strategy) in [
        (&["--strategy", "truncate"][..], "truncate"),
        (&["--strategy", "salient"], "salient"),
        (&["--strategy", "salient", "--embed"], "salient"),
        (&["--strategy", "salient-and-summary", "--summary-max-tokens", "80"], "salient_and_summary"),
        (&["--strategy", "semantic"], "semantic"),
        (&["--strategy", "recent-and-important"], "recent_and_important"),
        (&["--strategy", "summarize", "--summary-max-tokens", "80"], "summarise"),
        (
            &["--strategy", "recent-and-important,truncate", "--mode", "chained", "--max-tokens", "200"],
            "recent_and_important",
        ),
    ] {
        let (out, report) = compact(&home, &[&["chat.json", "--keep-recent", "4"], arguments].concat());
        assert_eq!(report["strategy"], strategy, "{arguments:?}");
        assert_eq!(out["messages"][0], openai(40)["messages"][0], "the instructions");
        assert!(report["ratio"].as_f64().unwrap() < 0.8, "{arguments:?}: {report}");
        let summaries = report["summaries"].as_array().unwrap();
        assert_eq!(summaries.len(), usize::from(strategy.contains("summar")), "{arguments:?}");
        for summary in summaries {
            let text = summary["text"].as_str().unwrap();
            let is_there = |message: &Value| message["content"].as_str().is_some_and(|content| content.contains(text));
            assert!(out["messages"].as_array().unwrap().iter().any(is_there));
            assert!(summary["meta"]["tokens_after"].as_u64().unwrap() <= 80);
        }
    }
    // The first is too long for the limit; the second answers, and the report says why.
    let (_, report) =
        compact(&home, &["chat.json", "--strategy", "semantic,truncate", "--max-tokens", "100", "--keep-recent", "0"]);
    assert_eq!(report["strategy"], "truncate");
    assert_eq!(report["attempts"][0]["strategy"], "semantic");
    assert!(report["attempts"][0]["why"].as_str().unwrap().contains("expected at most 100 tokens"), "{report}");
}

#[test]
fn what_is_critical_stays() {
    let home = Home::new();
    let document = anthropic(40);
    home.write("chat.json", document.to_string());
    let arguments = ["chat.json", "--strategy", "truncate", "--ratio", "0.2"];
    let (out, report) = compact(&home, &[&arguments[..], &["--critical", "2-3,6"]].concat());
    for place in [2, 3, 6] {
        assert!(report["kept"].as_array().unwrap().contains(&json!(place)), "{report}");
        assert!(out["messages"].as_array().unwrap().contains(&document["messages"][place]), "{out}");
    }
    let (_, without) = compact(&home, &arguments);
    assert!(!without["kept"].as_array().unwrap().contains(&json!(3)));
    let ran = home.run(&["compact", "chat.json", "--critical", "84"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{ran:?}");
    assert!(ran.stderr.contains("less than, 84, got 84"), "{ran:?}");
}

#[test]
fn what_has_room_is_left_alone() {
    let home = Home::new();
    let text = format!("  {}\n\n", openai(20));
    home.write("chat.json", &text);
    for arguments in [&["--context-limit", "100000"][..], &["--max-tokens", "100000"]] {
        let ran = home.run(&[&["compact", "chat.json"], arguments].concat());
        assert_eq!((ran.code, ran.stdout.as_str()), (0, text.as_str()), "{ran:?}");
        assert!(ran.stderr.starts_with("nothing to do: 45 messages with "), "{ran:?}");
    }
    // At the threshold, to half of it.
    let (_, report) = compact(&home, &["chat.json", "--context-limit", "1200", "--threshold", "0.5"]);
    assert_eq!(report["compacted"], true);
    assert!(report["tokens_after"].as_u64().unwrap() <= 300, "{report}");
    assert_eq!(home.run_with("[]", &["compact", "-"]).stdout, "[]");
}

#[test]
fn files_are_written_whole_or_not_at_all() {
    let home = Home::new();
    home.write("chat.json", openai(20).to_string());
    let ran = home.run(&["compact", "chat.json", "-o", "out.json", "--report", "report.json", "--quiet"]);
    assert_eq!((ran.code, ran.stdout.as_str(), ran.stderr.as_str()), (0, "", ""), "{ran:?}");
    let read = |name: &str| -> Value { serde_json::from_slice(&std::fs::read(home.path(name)).unwrap()).unwrap() };
    assert_eq!(read("report.json")["messages_after"], json!(read("out.json")["messages"].as_array().unwrap().len()));

    #[track_caller]
    fn check(home: &Home, arguments: &[&str], code: i32, parts: &[&str]) {
        let ran: Ran = home.run(&[&["compact", "-o", "never.json"], arguments].concat());
        assert_eq!((ran.code, ran.stdout.as_str()), (code, ""), "{ran:?}");
        for part in parts {
            assert!(ran.stderr.contains(part), "{part:?} is not in {ran:?}");
        }
        assert!(!home.path("never.json").exists());
    }
    check(
        &home,
        &["chat.json", "--max-tokens", "3"],
        1,
        &["expected at most 3 tokens, and what has to stay comes to", "hint: instructions"],
    );
    home.write("bad.json", "[\n  {\"role\": \"user\", \"content\": \"a\"},\n  {\"role\": \"user\"\n]");
    check(&home, &["bad.json"], 1, &["bad.json: expected JSON", "line 4 column 1"]);
    home.write("shape.json", "[\n  {\"role\": \"user\",\n   \"content\": 7}\n]");
    check(
        &home,
        &["shape.json"],
        1,
        &[
            "shape.json, line 3: expected a string or an array as messages[0].content, got a number",
            "hint: chat messages",
        ],
    );
    home.write("bytes.json", b"[\xff]");
    check(&home, &["bytes.json"], 1, &["expected text in UTF-8 in bytes.json"]);
    check(&home, &["nothing.json"], 1, &["could not read nothing.json", "No such file"]);
    check(&home, &["chat.json", "--ratio", "0"], 2, &["above 0 and at most 1"]);
    check(&home, &["chat.json", "--ratio", "0.5", "--max-tokens", "9"], 2, &["cannot be used with"]);
    check(&home, &["chat.json", "--format", "anthropic"], 1, &["messages[0].role, got \"system\""]);
    let ran = home.run(&["compact", "chat.json", "-o", "./chat.json"]);
    assert_eq!(ran.code, 2, "{ran:?}");
    assert_eq!(read("chat.json"), openai(20));
    assert!(!home.path("m.db").exists(), "no memory file is needed");
}

#[test]
fn a_language_model_writes_the_summary() {
    let home = Home::new();
    for (server, model, document) in [
        (ModelServer::openai("Boats left Oslo on 3 May."), "any/name", openai(30)),
        (ModelServer::anthropic("Boats left Oslo on 3 May."), "anthropic/claude", anthropic(30)),
    ] {
        home.write("chat.json", document.to_string());
        let mut command = home.command();
        command.env("ANTHROPIC_API_KEY", KEY).args(["compact", "chat.json", "--strategy", "summarize", "--json"]);
        command.args([
            "--ratio",
            "0.9",
            "--summary-max-tokens",
            "80",
            "--llm",
            model,
            "--llm-url",
            &server.url,
            "--domain",
            "technical",
            "--task",
            "handover",
        ]);
        let output = command.output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{stderr}");
        let (out, report): (Value, Value) =
            (serde_json::from_slice(&output.stdout).unwrap(), serde_json::from_str(&stderr).unwrap());
        assert!(out.to_string().contains("Boats left Oslo on 3 May."), "{out}");
        assert!(report["summaries"][0]["meta"]["method"]["model"].as_str().unwrap().ends_with(model), "{report}");
        let asked = server.asked();
        let prompt = asked[0].1.to_string();
        assert!(prompt.contains("code, commands, files") && prompt.contains("another agent can take over"), "{prompt}");
        assert!(prompt.contains("boat 0 left Oslo") && !prompt.contains("boat 29"), "what stays is not summarised");
        assert_eq!(asked[0].0.contains(KEY), model.starts_with("anthropic"));
        assert!(!stderr.contains(KEY) && !prompt.contains('\u{fdd0}'));
    }
}

#[test]
fn when_the_model_fails_sentences_of_the_source_are_taken() {
    let home = Home::new();
    home.write("chat.json", openai(30).to_string());
    let refusing = ModelServer::start(401, &json!({"error": {"message": format!("bad key {KEY}")}}));
    let mut command = home.command();
    command.env("OPENAI_API_KEY", KEY).args(["compact", "chat.json", "--strategy", "summarize"]);
    let output = command.args(["--llm", "openai/gpt-5", "--llm-url", &refusing.url]).output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{stderr}");
    assert!(
        stderr.contains("note: sentences of the source were taken, because openai/gpt-5 failed")
            && stderr.contains("refused"),
        "{stderr}"
    );
    assert!(!stderr.contains(KEY));
    let out: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(out["messages"][1]["content"].as_str().unwrap().contains("user: On 3 May boat"), "{out}");

    // Nobody listens.
    let ran = home.run(&[
        "summarize",
        "chat.json",
        "--llm",
        "m",
        "--llm-url",
        "http://127.0.0.1:9/v1",
        "--llm-timeout",
        "2s",
    ]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.stderr.contains("because compatible/m failed") && ran.stdout.contains("boat"), "{ran:?}");

    // What was asked for and cannot be made is no fallback.
    let ran = home.run(&["summarize", "chat.json", "--llm", "openai/gpt-5"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{ran:?}");
    assert!(ran.stderr.contains("OPENAI_API_KEY"), "{ran:?}");
    let ran = home.run(&["summarize", "chat.json", "--llm", "gpt-5"]);
    assert_eq!(ran.code, 2, "{ran:?}");
}

#[test]
fn conversations_of_every_format_are_summarized() {
    let home = Home::new();
    home.write("chat.json", openai(30).to_string());
    home.write("other.json", anthropic(30).to_string());
    home.write("chat.jsonl", CHAT);
    home.write(
        "chat.txt",
        "[2025-03-02 18:05] Nora: The tram takes 22 minutes.\n[2025-03-02 18:06] Assistant: Noted.\n",
    );
    for (file, part) in [
        ("chat.json", "Oslo"),
        ("other.json", "Oslo"),
        ("chat.jsonl", "Nora: "),
        ("chat.txt", "[2025-03-02]\nNora: The tram"),
    ] {
        let text = home.ok(&["summarize", file, "--max-tokens", "60"]);
        assert!(text.contains(part), "{file}: {text}");
        let document = home.json(&["summarize", file, "--max-tokens", "60"]);
        assert_eq!(document["text"].as_str().unwrap(), text.trim_end());
        let meta = &document["meta"];
        assert!(meta["tokens_after"].as_u64().unwrap() <= 60, "{document}");
        assert_eq!((&meta["method"], &meta["fallback"]), (&json!("extractive"), &Value::Null));
        let quality = meta["quality"]["score"].as_f64().unwrap();
        assert!(quality > 0.0 && quality <= 1.0);
    }
    let document = home.json(&["summarize", "chat.jsonl"]);
    assert_eq!(document["meta"]["ids"], json!(["one:1", "one:2", "two:1"]));
    assert_eq!(document["meta"]["from"], "2025-03-02T18:05:00Z");
    let embedded = home.json(&["summarize", "chat.json", "--embed", "--max-tokens", "60"]);
    assert!(embedded["meta"]["quality"]["meaning"].as_f64().unwrap() > 0.1);

    let ratio = home.json(&["summarize", "chat.json", "--ratio", "0.1"]);
    let meta = &ratio["meta"];
    assert!(meta["tokens_after"].as_u64().unwrap() * 10 <= meta["tokens_before"].as_u64().unwrap(), "{ratio}");

    let both = r#"{"scope":"user=ann","type":"turn","role":"user","text":"One boat."}
{"scope":"user=bob","type":"turn","role":"user","text":"Two boats."}
"#;
    home.write("two.jsonl", both);
    let ran = home.run(&["summarize", "two.jsonl"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{ran:?}");
    let ran = home.run_with("[{\"role\":\"user\",\"content\":\" \"}]", &["summarize", "-"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.stderr.contains("expected text to summarise"), "{ran:?}");
}

#[test]
fn long_conversations_are_summarized_in_levels() {
    let home = Home::new();
    home.write("chat.json", openai(120).to_string());
    let arguments = ["summarize", "chat.json", "--max-tokens", "60", "--chunk-tokens", "400"];
    let document = home.json(&arguments);
    let levels = document["levels"].as_array().unwrap();
    assert!(levels.len() >= 3, "{} levels", levels.len());
    assert_eq!(levels.last().unwrap()[0]["text"], document["text"]);
    assert_eq!(document["meta"]["depth"], json!(levels.len()));
    let covered = document["meta"]["messages"].as_u64().unwrap();
    let shown = home.ok(&[&arguments[..], &["--levels"]].concat());
    assert_eq!(shown.matches("level ").count(), levels.len());
    assert!(shown.contains(&format!("--- of {covered} messages")), "{shown}");
    let ran = home.run(&["summarize", "chat.json", "--max-tokens", "200", "--chunk-tokens", "400"]);
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.stderr.contains("less than half of"), "{ran:?}");

    // A model is asked for each of them, and told which are summaries of summaries.
    let server = ModelServer::openai("Boats left.");
    let model = ["--llm", "m", "--llm-url", &server.url, "--domain", "business", "--json"];
    let ran = home.run(&[&arguments[..], &model].concat());
    let document: Value = serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {ran:?}"));
    let asked = server.asked();
    assert_eq!(
        asked.len(),
        document["levels"].as_array().unwrap().iter().map(|level| level.as_array().unwrap().len()).sum::<usize>()
    );
    assert!(asked.last().unwrap().1.to_string().contains("whose earlier parts are summaries"));
}
