//! Servers that fail.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use mnemon_core::{GenerateProblem, Generated, LanguageModel, Prompt, TokenCounter};
use mnemon_llm::{Model, ModelConfig, Provider};
use serde_json::{Value, json};

use crate::providers::{answered, anthropic, config, ollama, openai};
use crate::server::{Reply, Server, raw_server};

const ALL: [Provider; 3] = [Provider::OpenAi, Provider::Anthropic, Provider::Ollama];

fn fine(provider: Provider) -> Value {
    match provider {
        Provider::Anthropic => anthropic("Fine.", "end_turn"),
        Provider::Ollama => ollama("Fine.", "stop"),
        _ => openai("Fine.", "stop"),
    }
}

/// How a provider tells an error.
fn error_body(provider: Provider, message: &str) -> Value {
    match provider {
        Provider::Anthropic => json!({"type": "error", "error": {"type": "some_error", "message": message}}),
        Provider::Ollama => json!({"error": message}),
        _ => json!({"error": {"message": message, "type": "some_error", "param": null, "code": null}}),
    }
}

/// Asks a server of these replies with short waits: what comes of it, and after how many requests.
fn ask(provider: Provider, replies: Vec<Reply>) -> (Result<Generated, GenerateProblem>, usize) {
    let server = Server::start(replies);
    let model = Model::new(&quick(config(provider, &server))).unwrap();
    let result = model.generate(&Prompt::new("How are you?")).map_err(|error| error.problem);
    (result, server.requests().len())
}

fn quick(config: ModelConfig) -> ModelConfig {
    config.retry_delay(Duration::from_millis(1)).timeout(Duration::from_secs(30))
}

fn fine_answer() -> Result<Generated, GenerateProblem> {
    Ok(answered("Fine.", false))
}

#[test]
fn a_failed_server_is_asked_again() {
    for provider in ALL {
        for status in [500, 502, 503, 529, 408] {
            let fault = Reply::status(status, &error_body(provider, "oh"));
            assert_eq!(ask(provider, vec![fault.clone(), Reply::json(&fine(provider))]), (fine_answer(), 2));
            let problem = GenerateProblem::Unavailable(format!("its server answered {status}: oh"));
            assert_eq!(ask(provider, vec![fault; 9]), (Err(problem), 3), "{provider}");
        }
    }
}

#[test]
fn a_request_that_cannot_succeed_is_not_sent_again() {
    for provider in ALL {
        for (status, message, problem) in [
            (400, "no", GenerateProblem::Other("its server answered 400: no".to_owned())),
            (404, "no", GenerateProblem::Other("its server answered 404: no".to_owned())),
            (401, "no", GenerateProblem::Refused),
            (403, "no", GenerateProblem::Refused),
            (413, "no", GenerateProblem::TooLong),
            (400, "prompt is too long: 250000 tokens > 200000 maximum", GenerateProblem::TooLong),
        ] {
            let replies = vec![Reply::status(status, &error_body(provider, message)), Reply::json(&fine(provider))];
            assert_eq!(ask(provider, replies), (Err(problem), 1), "{provider} {status}");
        }
    }
}

#[test]
fn too_many_requests_are_waited_for_as_long_as_the_server_says() {
    for provider in ALL {
        let limited = Reply::status(429, &error_body(provider, "slow")).header("retry-after", "1");
        let server = Server::start([limited, Reply::json(&fine(provider))]);
        let model = Model::new(&quick(config(provider, &server))).unwrap();
        assert_eq!(model.generate(&Prompt::new("Hi")).unwrap().text, "Fine.");
        let requests = server.requests();
        assert_eq!(requests.len(), 2);
        let waited = requests[1].at - requests[0].at;
        assert!(waited >= Duration::from_secs(1), "{provider} was asked again after {waited:?}");
    }
}

#[test]
fn a_wait_beyond_the_time_is_not_begun() {
    let limited = Reply::status(429, &json!({})).header("retry-after", "3600");
    let (result, requests) = ask(Provider::OpenAi, vec![limited, Reply::json(&fine(Provider::OpenAi))]);
    assert_eq!((result, requests), (Err(GenerateProblem::RateLimited), 1));
}

#[test]
fn an_answer_beyond_the_time_is_given_up() {
    for provider in ALL {
        // Far longer than the test may take, so that only giving up ends it.
        let slow = || Reply::json(&fine(provider)).after(Duration::from_secs(600));
        let server = Server::start([slow(), slow(), slow()]);
        let time = Duration::from_millis(200);
        let model = Model::new(&quick(config(provider, &server)).timeout(time)).unwrap();
        let problem = model.generate(&Prompt::new("Hi")).unwrap_err().problem;
        assert_eq!(problem, GenerateProblem::TimedOut(time), "{provider}");
        assert_eq!(server.requests().len(), 1);
        // The prompt's own time goes before the model's.
        let time = Duration::from_millis(100);
        let model = Model::new(&config(provider, &server)).unwrap();
        let problem = model.generate(&Prompt::new("Hi").within(time)).unwrap_err().problem;
        assert_eq!(problem, GenerateProblem::TimedOut(time), "{provider}");
    }
}

#[test]
fn a_slow_attempt_is_followed_by_another() {
    let slow = Reply::json(&fine(Provider::OpenAi)).after(Duration::from_secs(600));
    let server = Server::start([slow, Reply::json(&fine(Provider::OpenAi))]);
    let config = quick(config(Provider::OpenAi, &server)).attempt_timeout(Duration::from_millis(500));
    assert_eq!(Model::new(&config).unwrap().generate(&Prompt::new("Hi")).unwrap().text, "Fine.");
    assert_eq!(server.requests().len(), 2);
}

#[test]
fn an_answer_that_breaks_off_is_asked_for_again() {
    for provider in ALL {
        let body = fine(provider).to_string();
        let whole = |length: usize, body: &str| {
            format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}")
                .into_bytes()
        };
        let cut = || whole(body.len(), &body[..body.len() / 2]);
        // Cut off in the body, in the head, and before everything.
        let answers = vec![cut(), b"HTTP/1.1 200 OK\r\ncontent-".to_vec(), Vec::new(), whole(body.len(), &body)];
        let (url, thread) = raw_server(answers);
        let config = quick(ModelConfig::new(provider, "m").key("k").base_url(url)).max_attempts(4);
        assert_eq!(Model::new(&config).unwrap().generate(&Prompt::new("Hi")).unwrap().text, "Fine.");
        assert_eq!(thread.join().unwrap(), 4, "{provider}");

        let (url, thread) = raw_server(vec![cut()]);
        let config = ModelConfig::new(provider, "m").key("k").base_url(url).max_attempts(1);
        let error = Model::new(&config).unwrap().generate(&Prompt::new("Hi")).unwrap_err();
        assert_eq!(error.problem, GenerateProblem::Unavailable("its answer broke off".to_owned()), "{provider}");
        assert!(error.source.is_some());
        assert_eq!(thread.join().unwrap(), 1);
    }
}

#[test]
fn nobody_at_the_address_is_unavailable() {
    // A port that was free a moment ago.
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for scheme in ["http", "https"] {
        let config = quick(ModelConfig::compatible(format!("{scheme}://{address}"), "m"));
        let error = Model::new(&config).unwrap().generate(&Prompt::new("Hi")).unwrap_err();
        assert_eq!(error.problem, GenerateProblem::Unavailable("its server takes no connection".to_owned()));
    }
}

#[test]
fn a_server_without_tls_is_not_trusted() {
    let server = Server::start([Reply::json(&fine(Provider::OpenAi))]);
    let config = quick(ModelConfig::compatible(server.url.replace("http:", "https:"), "m"));
    let problem = Model::new(&config).unwrap().generate(&Prompt::new("Hi")).unwrap_err().problem;
    assert!(matches!(problem, GenerateProblem::Unavailable(_)), "{problem}");
    assert_eq!(server.requests().len(), 0);
}

#[test]
fn an_answer_that_cannot_be_read_is_asked_for_once_more() {
    for provider in ALL {
        let half = fine(provider).to_string();
        let half = &half[..half.len() / 2];
        for (bad, got) in [
            (Reply::text(200, "application/json", half), "JSON that cannot be read"),
            (Reply::text(200, "application/json", ""), "JSON that cannot be read"),
            (Reply::text(200, "text/html", "<html>"), "the type \"text/html\" where JSON belongs"),
        ] {
            let problem = GenerateProblem::BadAnswer(got.to_owned());
            assert_eq!(ask(provider, vec![bad.clone(); 3]), (Err(problem), 2), "{provider}");
            assert_eq!(ask(provider, vec![bad, Reply::json(&fine(provider))]), (fine_answer(), 2), "{provider}");
        }
    }
}

#[test]
fn an_answer_without_a_text_is_none() {
    let empty = [
        (Provider::OpenAi, json!({"choices": []})),
        (Provider::OpenAi, json!({})),
        (Provider::OpenAi, json!([1, 2])),
        (Provider::OpenAi, json!({"choices": [{"message": {"content": null}}]})),
        (Provider::OpenAi, json!({"choices": [{"message": {"content": 7}}]})),
        (Provider::OpenAi, openai("  \n", "stop")),
        (Provider::Anthropic, json!({"content": []})),
        (Provider::Anthropic, json!({})),
        (Provider::Anthropic, json!({"content": [{"type": "text"}]})),
        (Provider::Ollama, json!({})),
        (Provider::Ollama, json!({"message": {}})),
        (Provider::Ollama, ollama("", "stop")),
    ];
    for (provider, body) in empty {
        let (result, requests) = ask(provider, vec![Reply::json(&body); 3]);
        let problem = result.unwrap_err();
        assert!(matches!(problem, GenerateProblem::BadAnswer(_)), "{provider} {body}: {problem}");
        assert_eq!(requests, 2, "{provider} {body}");
    }
}

#[test]
fn thoughts_that_use_all_tokens_up_are_final() {
    let (result, requests) = ask(Provider::OpenAi, vec![Reply::json(&openai("", "length")); 3]);
    let problem = GenerateProblem::Other("its tokens ran out before its answer began".to_owned());
    assert_eq!((result, requests), (Err(problem), 1));
}

#[test]
fn a_refusal_to_answer_is_final() {
    for (provider, body, reason) in [
        (Provider::OpenAi, openai("I", "content_filter"), "content_filter"),
        (Provider::Anthropic, anthropic("", "refusal"), "refusal"),
    ] {
        let problem = GenerateProblem::Declined(format!("it stopped for {reason}"));
        assert_eq!(ask(provider, vec![Reply::json(&body); 3]), (Err(problem), 1));
    }
}

#[test]
fn an_error_with_the_status_of_a_success_is_an_error() {
    let limited = Reply::json(&json!({"error": {"code": 429, "message": "slow"}}));
    let replies = vec![limited, Reply::json(&fine(Provider::Compatible))];
    assert_eq!(ask(Provider::Compatible, replies), (fine_answer(), 2));
    let wrong = Reply::json(&json!({"error": {"code": 400, "message": "no such thing"}}));
    let problem = GenerateProblem::Other("its server answered 400: no such thing".to_owned());
    assert_eq!(ask(Provider::Compatible, vec![wrong; 3]), (Err(problem), 1));
}

#[test]
fn a_prompt_that_leaves_no_room_is_not_sent() {
    struct Words;
    impl TokenCounter for Words {
        fn name(&self) -> &str {
            "words"
        }
        fn count(&self, text: &str) -> usize {
            text.split(' ').count()
        }
    }
    let sent = |context: usize, max_tokens: Option<usize>| {
        let server = Server::start([Reply::json(&fine(Provider::Ollama))]);
        let mut config = config(Provider::Ollama, &server).context_tokens(context);
        config.max_tokens = max_tokens;
        let model = Model::new(&config).unwrap().with_counter(Arc::new(Words));
        let result = model.generate(&Prompt::new("one two three").told("four five"));
        (result.map(|_| ()).map_err(|error| error.problem), server.requests().len())
    };
    assert_eq!(sent(15, Some(10)), (Ok(()), 1));
    assert_eq!(sent(14, Some(10)), (Err(GenerateProblem::TooLong), 0));
    assert_eq!(sent(6, None), (Ok(()), 1));
    assert_eq!(sent(5, None), (Err(GenerateProblem::TooLong), 0));
}
