//! Conversations of both shapes, good and bad, come out as their providers take them.

use std::collections::BTreeSet;

use mnemon::EstimateCounter;
use mnemon_compact::{CompressionConfig, Extractive, Goal, HybridMode, Means, StrategyName, check_order, count_tokens};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn read(text: &str) -> Chat<'_> {
    Chat::read(text, "x.json", None, &EstimateCounter).unwrap()
}

/// Compacts, and gives what came of it and the JSON of that.
fn compact(chat: &Chat<'_>, strategies: &[StrategyName], goal: &Goal) -> (Compacted, String) {
    let extractive = Extractive::default();
    let counter = ChatCounter(&EstimateCounter);
    let means = Means { counter: &counter, vectors: None, summarizer: &extractive };
    let config = CompressionConfig {
        strategies: strategies.to_vec(),
        mode: HybridMode::Chained,
        ..CompressionConfig::default()
    };
    let compacted =
        config.strategy().plan(&chat.messages, goal, &means).unwrap().apply(&chat.messages, &means).unwrap();
    let (text, count) = chat.write(&compacted);
    assert_eq!(messages(&serde_json::from_str(&text).unwrap()).len(), count);
    (compacted, text)
}

fn messages(document: &Value) -> &Vec<Value> {
    document.get("messages").unwrap_or(document).as_array().unwrap()
}

/// What OpenAI refuses, and what strict templates of open models refuse beside it.
fn refused_by_openai(messages: &[Value]) -> Option<String> {
    let mut pending: Vec<String> = Vec::new();
    let mut before = "";
    for (at, message) in messages.iter().enumerate() {
        let role = message["role"].as_str()?;
        let calls: Vec<String> =
            message["tool_calls"].as_array().into_iter().flatten().map(|call| call["id"].to_string()).collect();
        if role == "tool" {
            let id = message["tool_call_id"].to_string();
            match pending.iter().position(|call| *call == id) {
                Some(place) => drop(pending.remove(place)),
                None => return Some(format!("{at}: a result without its call")),
            }
            before = "tool";
            continue;
        }
        if !pending.is_empty() {
            return Some(format!("{at}: calls without results"));
        }
        if ["system", "developer"].contains(&role) {
            continue;
        }
        if before.is_empty() && role != "user" || before == role {
            return Some(format!("{at}: {role} after {before:?}"));
        }
        let says_nothing = match &message["content"] {
            Value::String(text) => text.is_empty(),
            Value::Array(parts) => parts.is_empty(),
            other => !other.is_null() || calls.is_empty(),
        };
        if says_nothing && calls.is_empty() {
            return Some(format!("{at}: empty"));
        }
        (pending, before) = (calls, role);
    }
    None
}

/// What Anthropic refuses.
fn refused_by_anthropic(messages: &[Value]) -> Option<String> {
    let mut pending: BTreeSet<String> = BTreeSet::new();
    for (at, message) in messages.iter().enumerate() {
        let expected = if at % 2 == 0 { "user" } else { "assistant" };
        if message["role"] != expected {
            return Some(format!("{at}: {} in place of {expected}", message["role"]));
        }
        let empty = Vec::new();
        let parts = message["content"].as_array().unwrap_or(&empty);
        if message["content"] == "" || message["content"].is_array() && parts.is_empty() {
            return Some(format!("{at}: empty"));
        }
        let of = |kind: &str, id: &str| -> Vec<String> {
            parts.iter().filter(|part| part["type"] == kind).map(|part| part[id].to_string()).collect()
        };
        let results = of("tool_result", "tool_use_id");
        let answered: BTreeSet<String> = results.iter().cloned().collect();
        if answered.len() != results.len() || answered != std::mem::take(&mut pending) {
            return Some(format!("{at}: results {answered:?}"));
        }
        if parts.iter().take(results.len()).any(|part| part["type"] != "tool_result") {
            return Some(format!("{at}: results do not come first"));
        }
        pending = of("tool_use", "id").into_iter().collect();
        let thought = parts.iter().position(|part| part["type"] == "thinking");
        if thought.is_some_and(|place| place > 0) {
            return Some(format!("{at}: a thought after words"));
        }
    }
    None
}

/// One step of a conversation: its kind, its number of calls, whether there is an image, and words.
type Row = (u8, usize, bool, String);

fn rows() -> impl Strategy<Value = Vec<Row>> {
    let words =
        ["boat", "Oslo", "I decided", "error", "3 May", "wow", "rope 17", "great", "[Summary of 3 earlier messages]\n"];
    let text = prop::collection::vec(prop::sample::select(words.to_vec()), 1..7).prop_map(|words| words.join(" "));
    prop::collection::vec((0u8..6, 1usize..4, any::<bool>(), text), 0..24)
}

fn openai(rows: &[Row]) -> Value {
    let mut list = vec![json!({"role": "developer", "content": "Be kind."})];
    for (at, (kind, calls, has_image, words)) in rows.iter().enumerate() {
        let image = json!({"type": "image_url", "image_url": {"url": format!("data:{at}")}});
        let content = match has_image {
            true => json!([{"type": "text", "text": words}, image]),
            false => json!(words),
        };
        list.push(json!({"role": "user", "content": content, format!("x{at}"): at}));
        if *kind < 3 {
            let ids: Vec<String> = (0..*calls).map(|call| format!("c{at}.{call}")).collect();
            let calls: Vec<Value> = ids.iter().map(|id| {
                json!({"id": id, "type": "function", "function": {"name": "look", "arguments": "{\"n\": 1.0}"}})
            }).collect();
            let said = if *kind == 0 { json!(null) } else { json!(words) };
            list.push(json!({"role": "assistant", "content": said, "tool_calls": calls, format!("y{at}"): 1}));
            list.extend(ids.iter().map(|id| json!({"role": "tool", "tool_call_id": id, "content": words})));
        }
        if *kind != 1 {
            list.push(json!({"role": "assistant", "content": words, "refusal": null}));
        } else if at + 1 < rows.len() {
            list.push(json!({"role": "assistant", "content": [{"type": "text", "text": "Well."}]}));
        }
    }
    json!({"model": "m", "messages": list, "temperature": 0.25})
}

fn anthropic(rows: &[Row]) -> Value {
    let mut list: Vec<Value> = Vec::new();
    // The results that wait for a turn of the user.
    let mut results: Vec<Value> = Vec::new();
    for (at, (kind, calls, has_image, words)) in rows.iter().enumerate() {
        let image =
            json!({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": format!("d{at}")}});
        let mut content = std::mem::take(&mut results);
        content.push(json!({"type": "text", "text": words, "cache_control": {"type": "ephemeral"}}));
        if *has_image {
            content.push(image.clone());
        }
        let content = if *kind == 5 && content.len() == 1 { json!(words) } else { json!(content) };
        list.push(json!({"role": "user", "content": content, format!("x{at}"): at}));
        if *kind >= 3 {
            list.push(json!({"role": "assistant", "content": words}));
            continue;
        }
        let ids: Vec<String> = (0..*calls).map(|call| format!("t{at}.{call}")).collect();
        let thought = json!({"type": "thinking", "thinking": words, "signature": format!("s{at}")});
        let mut content = vec![thought, json!({"type": "text", "text": words})];
        content.extend(ids.iter().map(|id| json!({"type": "tool_use", "id": id, "name": "look", "input": {"n": 1.5}})));
        list.push(json!({"role": "assistant", "content": content}));
        results = ids.iter().map(|id| {
            json!({"type": "tool_result", "tool_use_id": id, "content": [{"type": "text", "text": words}, image]})
        }).collect();
        if *kind == 0 {
            list.push(json!({"role": "user", "content": std::mem::take(&mut results)}));
            list.push(json!({"role": "assistant", "content": [{"type": "text", "text": words}]}));
        }
    }
    if !results.is_empty() {
        list.push(json!({"role": "user", "content": results}));
    }
    json!({"model": "m", "system": [{"type": "text", "text": "Be kind."}], "messages": list})
}

const ALL: [&[StrategyName]; 6] = [
    &[StrategyName::Salient],
    &[StrategyName::SalientAndSummary],
    &[StrategyName::Truncate],
    &[StrategyName::Summarise],
    &[StrategyName::RecentAndImportant, StrategyName::Truncate],
    &[StrategyName::RecentAndImportant, StrategyName::Summarise],
];

/// What holds for any valid conversation after any strategy.
fn check_valid(document: &Value, goal: &Goal) {
    let text = document.to_string();
    for strategies in ALL {
        let chat = read(&text);
        assert_eq!(check_order(&chat.messages), Ok(()), "{text}");
        let (compacted, written) = compact(&chat, strategies, goal);
        let parsed: Value = serde_json::from_str(&written).unwrap();
        let refused = |document: &Value| match chat.shape {
            Shape::OpenAi => refused_by_openai(messages(document)),
            Shape::Anthropic => refused_by_anthropic(messages(document)),
        };
        assert_eq!(refused(document), None, "the test's own conversation: {text}");
        assert_eq!(refused(&parsed), None, "{strategies:?}\n{text}\n{written}");
        assert!(!written.contains('\u{fdd0}'));
        for field in ["model", "system", "temperature"] {
            assert_eq!(parsed.get(field), document.get(field));
        }
        // What stays is there with all its parts and fields.
        for (out, origins) in compacted.messages.iter().zip(&compacted.origins) {
            if out.kind != MessageKind::Said {
                continue;
            }
            for (n, &at) in origins.iter().enumerate() {
                let piece = &chat.pieces[at];
                for part in piece.content.parts() {
                    let is_old_thought = part.is_thought() && n + 1 < origins.len();
                    assert!(is_old_thought || written.contains(part.raw.get()), "{}", part.raw);
                }
                for (name, value) in piece.source.iter().flat_map(|&source| chat.sources[source].fields.iter()) {
                    let field = format!("{}:{}", quoted(name), value.get());
                    assert!(!name.starts_with(['x', 'y']) || written.contains(&field), "{field} is not in {written}");
                }
            }
        }
        // What was written is a conversation that can be compacted again, of the same tokens but for joints.
        if !messages(&parsed).is_empty() {
            let again = Chat::read(&written, "y.json", Some(chat.shape), &EstimateCounter).unwrap();
            let tokens = count_tokens(&again.messages, &ChatCounter(&EstimateCounter));
            let thoughts = if chat.shape == Shape::Anthropic { compacted.tokens_after } else { 0 };
            assert!(tokens <= compacted.tokens_after + 2 * messages(&parsed).len(), "{tokens} {written}");
            assert!(tokens + thoughts + 2 * messages(&parsed).len() >= compacted.tokens_after, "{tokens} {written}");
            let (_, twice) = compact(&again, strategies, goal);
            assert_eq!(refused(&serde_json::from_str(&twice).unwrap()), None, "{written}\n{twice}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn conversations_of_openai_stay_valid(rows in rows(), ratio in 0.05f64..1.0, recent in 0usize..8) {
        let goal = Goal { target_ratio: ratio, keep_recent: recent, summary_max_tokens: 40, ..Goal::default() };
        check_valid(&openai(&rows), &goal);
    }

    #[test]
    fn conversations_of_anthropic_stay_valid(rows in rows(), ratio in 0.05f64..1.0, recent in 0usize..8) {
        let goal = Goal { target_ratio: ratio, keep_recent: recent, summary_max_tokens: 40, ..Goal::default() };
        check_valid(&anthropic(&rows), &goal);
    }

    #[test]
    fn nothing_that_is_read_panics(text in "\\PC{0,60}|[\\[\\]{}\":,a-z0-9]{0,40}") {
        let _ = Chat::is_in(&text);
        let _ = Chat::read(&text, "x", None, &EstimateCounter);
        for (shape, field) in [(Shape::OpenAi, "tool_calls"), (Shape::Anthropic, "content")] {
            let text = json!([{"role": "assistant", "content": "x", field: text}]).to_string();
            let _ = Chat::read(&text, "x", Some(shape), &EstimateCounter);
        }
    }
}

/// Keeps everything, which only mends.
fn mended(document: &Value) -> Vec<Value> {
    let text = document.to_string();
    let (_, written) = compact(&read(&text), &[StrategyName::Truncate], &Goal::tokens(100_000));
    messages(&serde_json::from_str(&written).unwrap()).clone()
}

#[test]
fn what_is_kept_is_the_text_that_came_in() {
    let text = concat!(
        "{\"b\":1,\n \"messages\": [{\"content\" : \"one\\u002e\",  \"role\":\"user\", \"n\": 1.00e30},\n",
        "{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{\"id\":\"a\",\"function\":{\"name\":\"f\",\"arguments\":\"\"}}]}],",
        "\"a\": 123456789012345678901234567890 }"
    );
    let (_, written) = compact(&read(text), &[StrategyName::Truncate], &Goal::tokens(100_000));
    for part in ["{\"content\" : \"one\\u002e\",  \"role\":\"user\", \"n\": 1.00e30}", "123456789012345678901234567890"]
    {
        assert!(written.contains(part), "{written}");
    }
    let at = |part: &str| written.find(part).unwrap();
    assert!(at("\"b\"") < at("\"messages\"") && at("\"messages\"") < at("\"a\": 1"));
}

#[test]
fn a_broken_conversation_of_openai_is_mended() {
    let call = |id: &str| json!({"id": id, "type": "function", "function": {"name": "f", "arguments": "{}"}});
    let image = json!({"type": "image_url", "image_url": {"url": "u", "detail": "low"}});
    let found = mended(&json!([
        {"role": "user", "content": "a", "name": "Ann"},
        {"role": "user", "content": [image], "name": "Bob", "x": 1},
        {"role": "assistant", "content": "b", "tool_calls": [call("1"), call("2")]},
        {"role": "tool", "tool_call_id": "2", "content": ""},
        {"role": "user", "content": "c"},
        {"role": "tool", "tool_call_id": "9", "content": "late"},
    ]));
    let expected = json!([
        {"role": "user", "content": [{"type": "text", "text": "Ann:"}, {"type": "text", "text": "a"},
            {"type": "text", "text": "Bob:"}, image], "x": 1},
        {"role": "assistant", "content": "b\n\n[Called f with {}; no result came]", "tool_calls": [call("2")]},
        {"role": "tool", "tool_call_id": "2", "content": ""},
        {"role": "user", "content": "c\n\n[Result of a tool]\nlate"},
    ]);
    assert_eq!(json!(found), expected);
    assert_eq!(refused_by_openai(&found), None);
}

#[test]
fn calls_of_the_old_kind_and_of_custom_tools_are_known() {
    let old = json!([
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": null, "function_call": {"name": "f", "arguments": "{}"}},
        {"role": "function", "name": "f", "content": "1"},
        {"role": "assistant", "content": null, "refusal": "I will not."},
    ]);
    assert_eq!(json!(mended(&old)), old);
    let custom = json!([
        {"role": "user", "content": "a"},
        {"role": "assistant", "tool_calls": [{"id": "1", "type": "custom", "custom": {"name": "f", "input": "text"}}]},
        {"role": "tool", "tool_call_id": "1", "content": [{"type": "text", "text": "1"}]},
        {"role": "assistant", "content": null, "audio": {"id": "a1"}},
    ]);
    assert_eq!(json!(mended(&custom)), custom);
}

#[test]
fn a_broken_conversation_of_anthropic_is_mended() {
    let usage = |id: &str| json!({"type": "tool_use", "id": id, "name": "f", "input": {"k": 1}});
    let text = |text: &str| json!({"type": "text", "text": text});
    let thought = |text: &str| json!({"type": "thinking", "thinking": text, "signature": text});
    let result = |id: &str| json!({"type": "tool_result", "tool_use_id": id, "content": "r", "is_error": true});
    let found = mended(&json!({"system": "s", "messages": [
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": [thought("1"), text("b"), usage("1"), usage("2")], "x": 1},
        // Results come first in a turn.
        {"role": "user", "content": [text("c"), result("2")]},
        {"role": "assistant", "content": [thought("2"), text("d")]},
        {"role": "assistant", "content": [thought("3"), text("e"), usage("3")]},
        {"role": "user", "content": [result("3"), result("4")]},
    ]}));
    let expected = json!([
        {"role": "user", "content": "a"},
        {"role": "assistant", "content":
            [thought("1"), text("b"), text("[Called f with {\"k\":1}; no result came]"), usage("2")], "x": 1},
        {"role": "user", "content": [result("2"), text("c")]},
        {"role": "assistant", "content": [thought("3"), text("d"), text("e"), usage("3")]},
        {"role": "user", "content": [result("3"), text("[Result of a tool]"), text("r")]},
    ]);
    assert_eq!(json!(found), expected);
    assert_eq!(refused_by_anthropic(&found), None);
}

#[test]
fn summaries_are_known_again() {
    let rows: Vec<Value> = (0..40)
        .map(|at| json!({"role": if at % 2 == 0 { "user" } else { "assistant" }, "content": format!("On day {at} boat {at} left Oslo.")}))
        .collect();
    let text = json!(rows).to_string();
    let goal = Goal { summary_max_tokens: 60, ..Goal::tokens(180).keep_recent(4) };
    let (_, once) = compact(&read(&text), &[StrategyName::Summarise], &goal);
    let first: Value = serde_json::from_str(&once).unwrap();
    assert!(first[0]["content"].as_str().unwrap().starts_with("[Summary of 36 earlier messages]\n"), "{once}");
    let mut longer = messages(&first).clone();
    longer.extend(rows);
    let text = json!(longer).to_string();
    let (compacted, twice) = compact(&read(&text), &[StrategyName::Summarise], &goal);
    assert_eq!((compacted.summaries[0].meta.depth, compacted.summaries[0].meta.messages), (2, 76));
    assert_eq!(twice.matches("[Summary of").count(), 1);
    assert_eq!(twice.matches("Understood.").count(), once.matches("Understood.").count());
}

#[test]
fn shapes_are_told_by_what_only_one_has() {
    #[track_caller]
    fn check(document: Value, expected: Shape) {
        assert_eq!(read(&document.to_string()).shape, expected, "{document}");
    }
    let with = |message: Value| json!([{"role": "user", "content": "a"}, message]);
    check(json!([]), Shape::OpenAi);
    check(with(json!({"role": "assistant", "content": "b"})), Shape::OpenAi);
    check(with(json!({"role": "tool", "content": "b", "tool_call_id": "1"})), Shape::OpenAi);
    check(with(json!({"role": "user", "content": [{"type": "image_url", "image_url": {"url": "u"}}]})), Shape::OpenAi);
    check(
        with(json!({"role": "assistant", "content": [{"type": "thinking", "thinking": "x", "signature": "y"}]})),
        Shape::Anthropic,
    );
    check(json!({"system": "s", "messages": []}), Shape::Anthropic);
    for (text, expected) in [
        ("{\"messages\":[]}", true),
        ("[{\"role\":\"user\"}]", true),
        ("[]", false),
        ("{\"type\":\"turn\"}", false),
        ("[{\"conversation\":{}}]", false),
        ("Ann: hi", false),
    ] {
        assert_eq!(Chat::is_in(text), expected, "{text}");
    }
}

#[test]
fn what_is_wrong_is_told_with_its_place() {
    #[track_caller]
    fn check(text: &str, shape: Shape, expected: &str) {
        let error = Chat::read(text, "x.json", Some(shape), &EstimateCounter).unwrap_err();
        let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
        assert_eq!(format!("{error}{cause}"), expected);
    }
    let open = Shape::OpenAi;
    check("[{]", open, "x.json: expected JSON: key must be a string at line 1 column 3");
    check(
        "7",
        open,
        "x.json, line 1: expected an array of messages, or an object with \"messages\" as the whole file, got a number",
    );
    check("{\"messages\":\n 3}", open, "x.json, line 2: expected an array as messages, got a number");
    check("[\n3]", open, "x.json, line 2: expected an object as messages[0], got a number");
    check(
        "[\n\n{\"content\":\"a\"}]",
        open,
        "x.json, line 3: expected an object with \"role\" as messages[0], got one without",
    );
    check(
        "[{\"role\":\"robot\"}]",
        open,
        "x.json, line 1: expected system, developer, user, assistant, tool or function as messages[0].role, got \"robot\"",
    );
    check(
        "[{\"role\":\"user\",\n\"content\":{}}]",
        open,
        "x.json, line 2: expected a string or an array as messages[0].content, got an object",
    );
    check(
        "[{\"role\":\"user\",\"content\":[\n{\"type\":\"text\"}]}]",
        open,
        "x.json, line 2: expected an object with \"text\" as messages[0].content[0], got one without",
    );
    check(
        "[{\"role\":\"assistant\",\"tool_calls\":[{\"id\":\"a\",\"function\":\n{\"name\":1}}]}]",
        open,
        "x.json, line 2: expected a string as messages[0].tool_calls[0].function.name, got a number",
    );
    check(
        "[{\"role\":\"user\",\"role\":\"user\"}]",
        open,
        "x.json, line 1: messages[0] cannot be read: expected the field \"role\" once, got it twice at line 1 column 29",
    );
    check(
        "[{\"role\":\"user\",\"content\":\"\\ud800\"}]",
        open,
        "x.json, line 1: messages[0].content cannot be read: unexpected end of hex escape at line 1 column 8",
    );
    let other = Shape::Anthropic;
    check(
        "[{\"role\":\"system\",\"content\":\"a\"}]",
        other,
        "x.json, line 1: expected user or assistant as messages[0].role, got \"system\"",
    );
    check(
        "[{\"role\":\"user\",\"content\":[{\"type\":\"tool_use\"}]}]",
        other,
        "x.json, line 1: expected a part of a user's turn as messages[0].content[0], got a tool_use, which is the assistant's",
    );
}
