//! What each provider is sent, and what is read from its answer.

use mnemon_core::{Generated, LanguageModel, Prompt};
use mnemon_llm::{Model, ModelConfig, Provider};
use serde_json::{Value, json};

use crate::server::{Reply, Request, Server};

/// An answer as OpenAI sends it, with a reason for its end.
pub(crate) fn openai(text: &str, finish_reason: &str) -> Value {
    json!({
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "gpt-4o-mini-2024-07-18",
        "choices": [{
            "index": 0, "finish_reason": finish_reason, "logprobs": null,
            "message": {"role": "assistant", "content": text, "refusal": null},
        }],
        "usage": {"prompt_tokens": 21, "completion_tokens": 8, "total_tokens": 29},
    })
}

/// An answer as Anthropic sends it, with a reason for its end.
pub(crate) fn anthropic(text: &str, stop_reason: &str) -> Value {
    json!({
        "id": "msg_1", "type": "message", "role": "assistant", "model": "claude-haiku-4-5",
        "content": [{"type": "text", "text": text}],
        "stop_reason": stop_reason, "stop_sequence": null,
        "usage": {"input_tokens": 21, "output_tokens": 8},
    })
}

/// An answer as Ollama sends it, with a reason for its end.
pub(crate) fn ollama(text: &str, done_reason: &str) -> Value {
    json!({
        "model": "llama3.2", "created_at": "2025-01-01T00:00:00Z",
        "message": {"role": "assistant", "content": text},
        "done": true, "done_reason": done_reason, "total_duration": 5, "load_duration": 1,
        "prompt_eval_count": 21, "prompt_eval_duration": 1, "eval_count": 8, "eval_duration": 1,
    })
}

pub(crate) fn config(provider: Provider, server: &Server) -> ModelConfig {
    let config = ModelConfig::new(provider, "the-model").base_url(&server.url);
    if provider == Provider::Ollama { config } else { config.key("sk-0123456789abcdef") }
}

pub(crate) fn answered(text: &str, is_cut: bool) -> Generated {
    Generated { text: text.to_owned(), is_cut, prompt_tokens: Some(21), answer_tokens: Some(8) }
}

fn prompt() -> Prompt {
    Prompt::new("Ann moved to Lisbon.").told("Summarise.").max_tokens(50)
}

fn messages() -> Value {
    json!([{"role": "system", "content": "Summarise."}, {"role": "user", "content": "Ann moved to Lisbon."}])
}

/// Asks once, and gives what came back and what had come.
fn ask(provider: Provider, answer: &Value, with: impl FnOnce(ModelConfig) -> ModelConfig) -> (Generated, Request) {
    let server = Server::start([Reply::json(answer)]);
    let model = Model::new(&with(config(provider, &server))).unwrap();
    (model.generate(&prompt()).unwrap(), server.request())
}

#[test]
fn openai_is_asked_in_its_format() {
    for provider in [Provider::OpenAi, Provider::Compatible] {
        let (answer, request) = ask(provider, &openai("She moved.", "stop"), |config| config);
        assert_eq!(answer, answered("She moved.", false));
        assert_eq!((request.method.as_str(), &*request.path), ("POST", "/chat/completions"));
        assert_eq!(request.header("authorization"), Some("Bearer sk-0123456789abcdef"));
        assert_eq!(request.header("content-type"), Some("application/json"));
        let expected = json!({"model": "the-model", "stream": false, "messages": messages(), "max_tokens": 50});
        assert_eq!(request.body, expected);
    }
}

#[test]
fn anthropic_is_asked_in_its_format() {
    let (answer, request) = ask(Provider::Anthropic, &anthropic("She moved.", "end_turn"), |config| config);
    assert_eq!(answer, answered("She moved.", false));
    assert_eq!((request.method.as_str(), &*request.path), ("POST", "/messages"));
    assert_eq!(request.header("x-api-key"), Some("sk-0123456789abcdef"));
    assert_eq!(request.header("anthropic-version"), Some("2023-06-01"));
    assert_eq!(request.header("authorization"), None);
    let user = json!([{"role": "user", "content": "Ann moved to Lisbon."}]);
    let expected =
        json!({"model": "the-model", "stream": false, "system": "Summarise.", "messages": user, "max_tokens": 50});
    assert_eq!(request.body, expected);
}

#[test]
fn ollama_is_asked_in_its_format() {
    let (answer, request) = ask(Provider::Ollama, &ollama("She moved.", "stop"), |config| config);
    assert_eq!(answer, answered("She moved.", false));
    assert_eq!((request.method.as_str(), &*request.path), ("POST", "/api/chat"));
    assert_eq!(request.header("authorization"), None);
    let options = json!({"num_predict": 50});
    let expected = json!({"model": "the-model", "stream": false, "messages": messages(), "options": options});
    assert_eq!(request.body, expected);
    // Behind a gateway it has a key as well.
    let (_, request) = ask(Provider::Ollama, &ollama("x", "stop"), |config| config.key("gate"));
    assert_eq!(request.header("authorization"), Some("Bearer gate"));
}

#[test]
fn a_server_of_ones_own_needs_no_key() {
    let server = Server::start([Reply::json(&openai("She moved.", "stop"))]);
    let config = ModelConfig::compatible(format!("{}/v1?version=2", server.url), "the-model");
    Model::new(&config).unwrap().generate(&prompt()).unwrap();
    let request = server.request();
    assert_eq!(request.path, "/v1/chat/completions?version=2");
    assert_eq!(request.header("authorization"), None);
}

#[test]
fn an_answer_that_ran_out_of_tokens_is_cut() {
    for (provider, answer) in [
        (Provider::OpenAi, openai("She mo", "length")),
        (Provider::Anthropic, anthropic("She mo", "max_tokens")),
        (Provider::Ollama, ollama("She mo", "length")),
    ] {
        assert_eq!(ask(provider, &answer, |config| config).0, answered("She mo", true), "{provider}");
    }
}

#[test]
fn the_fewer_tokens_hold() {
    let sent = |prompt_tokens: Option<usize>, config_tokens: Option<usize>| {
        let server = Server::start([Reply::json(&openai("x", "stop"))]);
        let mut config = config(Provider::OpenAi, &server);
        config.max_tokens = config_tokens;
        let prompt = Prompt { max_tokens: prompt_tokens, ..prompt() };
        Model::new(&config).unwrap().generate(&prompt).unwrap();
        server.request().body.get("max_tokens").and_then(Value::as_u64)
    };
    assert_eq!(sent(Some(50), Some(30)), Some(30));
    assert_eq!(sent(Some(50), Some(90)), Some(50));
    assert_eq!(sent(None, Some(30)), Some(30));
    assert_eq!(sent(None, None), None);
}

#[test]
fn settings_reach_the_model() {
    for (provider, answer, at) in [
        (Provider::OpenAi, openai("x", "stop"), "/temperature"),
        (Provider::Anthropic, anthropic("x", "end_turn"), "/temperature"),
        (Provider::Ollama, ollama("x", "stop"), "/options/temperature"),
    ] {
        let (_, request) = ask(provider, &answer, |config| config.temperature(0.25));
        assert_eq!(request.body.pointer(at), Some(&json!(0.25)), "{provider}");
    }
}

#[test]
fn the_name_of_a_model_is_sent_as_it_is() {
    for name in ["qwen-max", "gpt-oss-20b-high", "org::model", "org/model:7b-none", "o3-mini"] {
        for (provider, answer) in
            [(Provider::Compatible, openai("x", "stop")), (Provider::Anthropic, anthropic("x", "end_turn"))]
        {
            let (_, request) = ask(provider, &answer, |mut config| {
                config.model = name.to_owned();
                config
            });
            assert_eq!(request.body["model"], name, "{provider}");
            for invented in ["reasoning_effort", "thinking", "output_config"] {
                assert_eq!(request.body.get(invented), None, "{provider} {name}");
            }
        }
    }
}

#[test]
fn thoughts_are_no_answer() {
    let thinking = "<think>Where did she go?</think>She moved.";
    assert_eq!(ask(Provider::Compatible, &openai(thinking, "stop"), |config| config).0.text, "She moved.");
    let mut answer = ollama("She moved.", "stop");
    answer["message"]["thinking"] = json!("Where did she go?");
    assert_eq!(ask(Provider::Ollama, &answer, |config| config).0.text, "She moved.");
    let mut answer = anthropic("She moved.", "end_turn");
    answer["content"] = json!([
        {"type": "thinking", "thinking": "Where did she go?", "signature": "s"},
        {"type": "text", "text": "She "}, {"type": "text", "text": "moved."},
    ]);
    assert_eq!(ask(Provider::Anthropic, &answer, |config| config).0.text, "She moved.");
}

#[test]
fn a_very_long_answer_arrives_whole() {
    // Every word is another, so that a lost or doubled piece is seen.
    let text = (0..400_000).map(|i| format!("word{i}")).collect::<Vec<_>>().join(" ");
    for (provider, answer) in [
        (Provider::OpenAi, openai(&text, "stop")),
        (Provider::Anthropic, anthropic(&text, "end_turn")),
        (Provider::Ollama, ollama(&text, "stop")),
    ] {
        assert!(ask(provider, &answer, |config| config).0.text == text, "{provider}");
    }
}

#[test]
fn an_answer_without_counts_has_none() {
    let mut answer = openai("She moved.", "stop");
    answer.as_object_mut().unwrap().remove("usage");
    let (generated, _) = ask(Provider::Compatible, &answer, |config| config);
    assert_eq!((generated.prompt_tokens, generated.answer_tokens), (None, None));
}
