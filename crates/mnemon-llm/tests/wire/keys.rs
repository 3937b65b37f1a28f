//! A key is sent to its server, and shown to nobody.

use std::error::Error;
use std::time::Duration;

use mnemon_core::{GenerateError, LanguageModel, Prompt};
use mnemon_llm::{Model, ModelConfig, Provider};
use serde_json::json;

use crate::server::{Reply, Server, raw_server};

const KEY: &str = "sk-live-9fK2mQ7xW4tZ";

/// Everything that can be printed of an error, with those underneath.
fn everything(error: &GenerateError) -> String {
    let mut text = format!("{error} {error:?} {error:#?}");
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(&format!(" {error} {error:?}"));
        source = error.source();
    }
    text
}

fn check(text: &str) {
    for start in 0..=KEY.len() - 8 {
        let piece = &KEY[start..start + 8];
        assert!(!text.contains(piece), "{piece} is shown in {text}");
    }
}

#[test]
fn no_error_shows_a_key_that_the_server_echoes() {
    for provider in [Provider::OpenAi, Provider::Anthropic, Provider::Ollama, Provider::Compatible] {
        for status in [200, 302, 400, 401, 403, 404, 422, 429, 500, 503] {
            let cut = &KEY[..KEY.len() - 4];
            for reply in [
                Reply::status(status, &json!({"error": {"message": format!("Incorrect API key: {KEY}, {cut}****")}})),
                Reply::status(status, &json!({"error": format!("Bearer {KEY}"), "message": KEY})),
                Reply::text(status, "text/plain", format!("x-api-key: {KEY}")),
                Reply::text(status, &format!("text/{KEY}"), KEY),
                Reply::text(status, "application/json", format!("{{\"{KEY}")),
                Reply::status(status, &json!({})).header("location", format!("/{KEY}")),
            ] {
                let server = Server::start([reply]);
                let config = ModelConfig::new(provider, "m").base_url(&server.url).key(KEY).max_attempts(1);
                let model = Model::new(&config).unwrap();
                check(&everything(&model.generate(&Prompt::new("Hi")).unwrap_err()));
                check(&format!("{model:?} {config:?} {}", model.name()));
                let request = server.request();
                let sent = request.header("x-api-key").or(request.header("authorization")).unwrap();
                assert!(sent.ends_with(KEY), "{provider}");
            }
        }
    }
}

#[test]
fn no_error_shows_a_key_in_the_address() {
    let (url, thread) = raw_server(vec![Vec::new()]);
    let config = ModelConfig::compatible(format!("{url}/v1?key={KEY}"), "m").max_attempts(1);
    let model = Model::new(&config).unwrap();
    let error = model.generate(&Prompt::new("Hi")).unwrap_err();
    assert!(error.source().is_some());
    check(&everything(&error));
    check(&format!("{model:?} {config:?}"));
    thread.join().unwrap();
    let error = Model::new(&ModelConfig::compatible(format!("http://u:{KEY}@h:x/"), "m")).unwrap_err();
    check(&format!("{error} {error:?}"));
}

#[test]
fn a_redirect_is_not_followed_with_the_key() {
    let thief = Server::start([]);
    let redirect = Reply::status(307, &json!({})).header("location", format!("{}/steal", thief.url));
    let server = Server::start([redirect]);
    let config = ModelConfig::new(Provider::Anthropic, "m").base_url(&server.url).key(KEY);
    let error = Model::new(&config).unwrap().generate(&Prompt::new("Hi")).unwrap_err();
    assert_eq!(error.to_string(), "the language model anthropic/m gave no answer: its server answered 307: {}");
    assert_eq!((server.requests().len(), thief.requests().len()), (1, 0));
}

#[test]
fn a_key_of_the_environment_is_sent() {
    let server = Server::start([Reply::status(401, &json!({}))]);
    let config = ModelConfig::new(Provider::OpenAi, "m")
        .base_url(&server.url)
        .key_env("CARGO_PKG_NAME")
        .timeout(Duration::from_secs(30));
    let error = Model::new(&config).unwrap().generate(&Prompt::new("Hi")).unwrap_err();
    assert!(error.to_string().ends_with("expected a key that is accepted, and it was refused"), "{error}");
    assert_eq!(server.request().header("authorization"), Some("Bearer mnemon-llm"));
}
