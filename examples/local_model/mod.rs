//! A small language model behind HTTP, for examples that have to run anywhere: it speaks as OpenAI, Anthropic and Ollama
//! do, and what it answers comes from what it is sent and from nowhere else.
//!
//! It knows three things: to summarise (with the sentences that say most), to answer a question (with the line that shares
//! most words with it), and to take note. A prompt over its context is refused, and a wrong key too.

use std::error::Error;
use std::net::TcpListener as StdListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use axum::{Json, Router};
use mnemon_compact::{Extractive, Message, Summarizer, SummaryRequest};
use mnemon_core::{EstimateCounter, Role, TokenCounter};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

/// A server on a free port of this machine. It ends when it is dropped.
pub(crate) struct LocalModel {
    /// Where it is, without a path.
    pub(crate) url: String,
    state: Arc<Shared>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    context_tokens: usize,
    requests: AtomicUsize,
    is_down: AtomicBool,
}

/// The key that it accepts, beside none.
pub(crate) const KEY: &str = "sk-local-0123456789";

impl LocalModel {
    /// A model that reads and writes so many tokens.
    pub(crate) fn start(context_tokens: usize) -> Result<Self, Box<dyn Error + Send + Sync>> {
        let listener = StdListener::bind("127.0.0.1:0")?;
        listener.set_nonblocking(true)?;
        let url = format!("http://{}", listener.local_addr()?);
        let requests = AtomicUsize::new(0);
        let state = Arc::new(Shared { context_tokens, requests, is_down: AtomicBool::new(false) });
        let router = Router::new()
            .route("/v1/chat/completions", post(openai))
            .route("/v1/messages", post(anthropic))
            .route("/api/chat", post(ollama))
            .with_state(Arc::clone(&state));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (stop, stopped) = oneshot::channel::<()>();
        let thread = thread::Builder::new().name("local model".into()).spawn(move || {
            runtime.block_on(async {
                let Ok(listener) = TcpListener::from_std(listener) else { return };
                tokio::select! {
                    _ = async { axum::serve(listener, router).await } => {}
                    _ = stopped => {}
                }
            });
        })?;
        Ok(Self { url, state, stop: Some(stop), thread: Some(thread) })
    }

    /// How often it was asked.
    #[allow(dead_code, reason = "not every example counts")]
    pub(crate) fn requests(&self) -> usize {
        self.state.requests.load(Ordering::Relaxed)
    }

    /// From now on it fails, or works again.
    #[allow(dead_code, reason = "not every example needs a failure")]
    pub(crate) fn set_down(&self, is_down: bool) {
        self.state.is_down.store(is_down, Ordering::Relaxed);
    }
}

impl Drop for LocalModel {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// An answer, and the tokens that were read and written.
struct Answer {
    text: String,
    read: usize,
    written: usize,
}

type Reply = (StatusCode, Json<Value>);

async fn openai(State(state): State<Arc<Shared>>, headers: HeaderMap, body: Bytes) -> Reply {
    let key = headers.get("authorization").and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    reply(&state, key, &body, "max_tokens", |model, answer| {
        json!({
            "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": model,
            "choices": [{
                "index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": answer.text},
            }],
            "usage": {
                "prompt_tokens": answer.read, "completion_tokens": answer.written,
                "total_tokens": answer.read + answer.written,
            },
        })
    })
}

async fn anthropic(State(state): State<Arc<Shared>>, headers: HeaderMap, body: Bytes) -> Reply {
    let key = headers.get("x-api-key").and_then(|value| value.to_str().ok());
    reply(&state, key, &body, "max_tokens", |model, answer| {
        json!({
            "id": "msg_1", "type": "message", "role": "assistant", "model": model,
            "content": [{"type": "text", "text": answer.text}], "stop_reason": "end_turn", "stop_sequence": null,
            "usage": {"input_tokens": answer.read, "output_tokens": answer.written},
        })
    })
}

async fn ollama(State(state): State<Arc<Shared>>, body: Bytes) -> Reply {
    reply(&state, None, &body, "/options/num_predict", |model, answer| {
        json!({
            "model": model, "created_at": "2026-01-01T00:00:00Z",
            "message": {"role": "assistant", "content": answer.text}, "done": true, "done_reason": "stop",
            "prompt_eval_count": answer.read, "eval_count": answer.written,
        })
    })
}

/// Reads a request, answers it and writes the answer as the provider does; `limit` is where the request says how long an
/// answer may be.
fn reply(
    state: &Shared,
    key: Option<&str>,
    body: &[u8],
    limit: &str,
    write: impl Fn(&Value, &Answer) -> Value,
) -> Reply {
    state.requests.fetch_add(1, Ordering::Relaxed);
    let error = |status, code: &str, message: String| {
        (status, Json(json!({"error": {"message": message, "type": code, "code": code}})))
    };
    if state.is_down.load(Ordering::Relaxed) {
        return error(StatusCode::SERVICE_UNAVAILABLE, "overloaded", "the model is down".into());
    }
    if let Some(key) = key.filter(|key| *key != KEY) {
        // Some servers say which key was wrong.
        return error(StatusCode::UNAUTHORIZED, "invalid_api_key", format!("Incorrect API key provided: {key}"));
    }
    let Ok(request) = serde_json::from_slice::<Value>(body) else {
        return error(StatusCode::BAD_REQUEST, "invalid_request_error", "expected JSON".into());
    };
    let mut told = request["system"].as_str().map(str::to_owned).unwrap_or_default();
    let mut asked = String::new();
    for message in request["messages"].as_array().into_iter().flatten() {
        let into = if message["role"] == "system" { &mut told } else { &mut asked };
        into.push_str(message["content"].as_str().unwrap_or_default());
    }
    let limit = if limit.starts_with('/') { request.pointer(limit) } else { request.get(limit) };
    let limit = limit.and_then(Value::as_u64).map_or(500, |tokens| tokens as usize);
    let read = EstimateCounter.count(&told) + EstimateCounter.count(&asked);
    if read >= state.context_tokens {
        let message =
            format!("This model's maximum context length is {} tokens, yours has {read}.", state.context_tokens);
        return error(StatusCode::BAD_REQUEST, "context_length_exceeded", message);
    }
    let text = answer(&told, &asked, limit.min(state.context_tokens - read));
    let written = EstimateCounter.count(&text);
    (StatusCode::OK, Json(write(&request["model"], &Answer { text, read, written })))
}

fn answer(told: &str, asked: &str, max_tokens: usize) -> String {
    if let Some((_, rest)) = asked.split_once("Summarise ") {
        let source = rest.split_once("<<<SOURCE").map_or("", |(_, source)| source);
        let source = source.split_once("SOURCE>>>").map_or(source, |(source, _)| source).trim();
        // An agent that is asked about its own session has it before its eyes.
        let source = if source.starts_with('[') && source.ends_with(']') { told } else { source };
        let words = rest.split_once("at most ").and_then(|(_, rest)| rest.split(' ').next()?.parse::<usize>().ok());
        let tokens = words.map_or(max_tokens, |words| (words * 4 / 3).min(max_tokens));
        return summarise(source, tokens);
    }
    if asked.trim_end().ends_with('?') {
        let wanted = words(asked);
        let said = told.lines().map(|line| line.trim_start_matches(['>', ' ', '-']));
        let said = said.filter(|line| !line.starts_with("assistant: ") && !line.ends_with('?'));
        let shared = |line: &str| words(line).iter().filter(|word| wanted.contains(word)).count();
        let best = said.rev().max_by_key(|line| shared(line)).filter(|line| shared(line) >= 2);
        return best.map_or_else(
            || "I don't know, nobody told me.".into(),
            |line| format!("You told me: {}", line.trim_start_matches("user: ")),
        );
    }
    let about: Vec<&str> = asked.split_whitespace().take(6).collect();
    format!("I've taken note of what you said about \"{} …\".", about.join(" "))
}

/// The sentences that say most, as many as fit.
fn summarise(source: &str, tokens: usize) -> String {
    let messages: Vec<Message> = source
        .lines()
        .map(|line| match line.split_once(": ") {
            Some(("assistant", said)) => Message::assistant(said),
            Some(("user", said)) => Message::user(said),
            _ => Message::new(Role::User, line),
        })
        .collect();
    let request = SummaryRequest::of(&messages, tokens.max(1), &EstimateCounter);
    Extractive::default().summarise(&request).map_or_else(|_| "Nothing was said.".into(), |summary| summary.text)
}

/// The words that carry meaning, roughly: those of four letters and more.
fn words(text: &str) -> Vec<String> {
    let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| word.chars().count() > 3);
    words.map(str::to_lowercase).filter(|word| !["what", "which", "with", "that", "this"].contains(&&**word)).collect()
}
