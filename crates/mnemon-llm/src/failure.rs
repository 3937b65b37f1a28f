//! Why one attempt gave no answer, and whether another may.

use std::error::Error;
use std::time::Duration;

use genai::webc;
use jiff::Timestamp;
use jiff::fmt::rfc2822;
use mnemon_core::GenerateProblem;
use reqwest::StatusCode;
use reqwest::header::{HeaderMap, RETRY_AFTER};
use serde_json::Value;

use crate::Secret;

/// One attempt without an answer. No part of it holds the key.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) problem: GenerateProblem,
    /// How long the server wants to be left alone.
    pub(crate) retry_after: Option<Duration>,
    pub(crate) source: Option<Box<dyn Error + Send + Sync>>,
}

impl Failure {
    /// From what genai says. Its errors hold whole answers of servers, so they go no further than here.
    pub(crate) fn from_genai(error: genai::Error, key: Option<&Secret>) -> Self {
        use genai::Error as E;
        match error {
            E::WebModelCall { webc_error, .. } | E::WebAdapterCall { webc_error, .. } => match webc_error {
                webc::Error::ResponseFailedStatus { status, body, headers } => {
                    Self::from_status(status, &body, &headers, key)
                }
                webc::Error::ResponseFailedInvalidJson { .. } => Self::bad_answer("JSON that cannot be read"),
                webc::Error::ResponseFailedNotJson { content_type, .. } => {
                    Self::bad_answer(&shown(&format!("the type {content_type:?} where JSON belongs"), key))
                }
                webc::Error::JsonValueExt(_) => Self::bad_answer("JSON of another form"),
                webc::Error::Reqwest(error) => Self::from_reqwest(error),
            },
            E::HttpError { status, body, headers, .. } => Self::from_status(status, &body, &headers, key),
            E::ChatResponseGeneration { .. }
            | E::InvalidJsonResponseElement { .. }
            | E::NoChatResponse { .. }
            | E::JsonValueExt(_)
            | E::SerdeJson(_) => Self::bad_answer("JSON of another form"),
            other => Self::from(GenerateProblem::Other(shown(&other.to_string(), key))),
        }
    }

    /// From a status that is no success.
    pub(crate) fn from_status(status: StatusCode, body: &str, headers: &HeaderMap, key: Option<&Secret>) -> Self {
        let said = said(body, key);
        let problem = match status.as_u16() {
            // What the server says about a key may hold a part of it that no search finds.
            401..=403 => GenerateProblem::Refused,
            // No money left on the account is told with the status of too many requests, and does not pass.
            429 if body.contains("insufficient_quota") => GenerateProblem::Refused,
            429 => GenerateProblem::RateLimited,
            413 => GenerateProblem::TooLong,
            400 | 422 if is_too_long(body) => GenerateProblem::TooLong,
            408 | 500..=599 => GenerateProblem::Unavailable(format!("its server answered {}{said}", status.as_u16())),
            code => GenerateProblem::Other(format!("its server answered {code}{said}")),
        };
        Self { retry_after: retry_after(headers, Timestamp::now()), ..Self::from(problem) }
    }

    /// From an error that a server tells with the status of a success.
    pub(crate) fn from_error_body(body: &Value, key: Option<&Secret>) -> Option<Self> {
        let error = body.get("error").filter(|error| !error.is_null())?;
        let status = error.get("code").and_then(Value::as_u64).and_then(|code| u16::try_from(code).ok());
        let status = status.and_then(|code| StatusCode::from_u16(code).ok()).filter(|status| !status.is_success());
        let text = body.to_string();
        Some(match status {
            Some(status) => Self::from_status(status, &text, &HeaderMap::new(), key),
            None => Self::bad_answer(&format!("an error{}", said(&text, key))),
        })
    }

    fn from_reqwest(error: reqwest::Error) -> Self {
        if is_certificate(&error) {
            let problem = GenerateProblem::Other("expected a server with a certificate that is trusted".to_owned());
            return Self { source: Some(Box::new(error.without_url())), ..Self::from(problem) };
        }
        let what = if error.is_timeout() {
            "its server does not take the connection in time"
        } else if error.is_connect() {
            "its server takes no connection"
        } else if error.is_body() || error.is_decode() {
            "its answer broke off"
        } else if error.is_builder() {
            let problem = GenerateProblem::Other("its request cannot be made".to_owned());
            return Self { source: Some(Box::new(error.without_url())), ..Self::from(problem) };
        } else {
            "the connection broke off"
        };
        let problem = GenerateProblem::Unavailable(what.to_owned());
        // A URL may hold a key.
        Self { source: Some(Box::new(error.without_url())), ..Self::from(problem) }
    }

    pub(crate) fn bad_answer(got: &str) -> Self {
        Self::from(GenerateProblem::BadAnswer(got.to_owned()))
    }

    pub(crate) fn is_bad_answer(&self) -> bool {
        matches!(self.problem, GenerateProblem::BadAnswer(_))
    }
}

impl From<GenerateProblem> for Failure {
    fn from(problem: GenerateProblem) -> Self {
        Self { problem, retry_after: None, source: None }
    }
}

/// Whether a certificate was not trusted, which waiting does not change.
fn is_certificate(error: &(dyn Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(rustls::Error::InvalidCertificate(_)) = error.downcast_ref() {
            return true;
        }
        // An I/O error hides what it was made from: its source is one further.
        next = match error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref) {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    false
}

/// So many bytes of an answer are looked at for what it says, and so many characters of it are told.
const READ_BYTES: usize = 8192;
const TOLD_CHARS: usize = 300;

/// What a server says about an error, without the key, as the rest of a sentence.
fn said(body: &str, key: Option<&Secret>) -> String {
    let json: Option<Value> = serde_json::from_str(body).ok();
    let message = json.as_ref().and_then(|json| {
        let error = json.get("error").unwrap_or(json);
        error.get("message").unwrap_or(error).as_str()
    });
    let text = shown(message.unwrap_or(body), key);
    if text.is_empty() { text } else { format!(": {text}") }
}

/// The start of a text of somebody else: without the key, on one line.
fn shown(text: &str, key: Option<&Secret>) -> String {
    let mut end = READ_BYTES.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let text = text.get(..end).unwrap_or_default();
    let hidden = key.map_or_else(|| text.to_owned(), |key| key.hide_in(text));
    let words: Vec<&str> =
        hidden.split(|c: char| c.is_whitespace() || c.is_control()).filter(|w| !w.is_empty()).collect();
    let line = words.join(" ");
    match line.char_indices().nth(TOLD_CHARS) {
        Some((at, _)) => format!("{}…", line.get(..at).unwrap_or_default()),
        None => line,
    }
}

/// How OpenAI, Anthropic, vLLM, llama.cpp and LM Studio say that a prompt is too long.
fn is_too_long(body: &str) -> bool {
    let body = body.to_lowercase();
    [
        "context_length_exceeded",
        "prompt is too long",
        "maximum context length",
        "exceed_context_size",
        "exceeds the available context",
        "context length of",
        "exceed context limit",
    ]
    .iter()
    .any(|mark| body.contains(mark))
}

/// How long a server wants to be left alone: RFC 9110 10.2.3, and the milliseconds that some add.
fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let millis = headers.get("retry-after-ms").and_then(|value| value.to_str().ok()?.trim().parse::<f64>().ok());
    if let Some(time) = millis.and_then(|millis| Duration::try_from_secs_f64(millis / 1000.0).ok()) {
        return Some(time);
    }
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = value.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).ok();
    }
    let until = rfc2822::parse(value).ok()?.timestamp();
    Some(Duration::try_from(until.duration_since(now)).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderValue;

    use super::*;

    const KEY: &str = "sk-0123456789abcdef";

    #[test]
    fn a_status_becomes_a_problem() {
        let check = |status: u16, body: &str, expected: GenerateProblem| {
            let status = StatusCode::from_u16(status).unwrap();
            let failure = Failure::from_status(status, body, &HeaderMap::new(), Some(&Secret::new(KEY)));
            assert_eq!(failure.problem, expected, "{status} {body}");
        };
        let other = |text: &str| GenerateProblem::Other(text.to_owned());
        let unavailable = |text: &str| GenerateProblem::Unavailable(text.to_owned());
        check(401, &format!("the key {KEY} is wrong"), GenerateProblem::Refused);
        check(403, "", GenerateProblem::Refused);
        check(429, "", GenerateProblem::RateLimited);
        check(429, r#"{"error": {"code": "insufficient_quota"}}"#, GenerateProblem::Refused);
        check(413, "", GenerateProblem::TooLong);
        check(400, r#"{"error": {"code": "context_length_exceeded", "message": "no"}}"#, GenerateProblem::TooLong);
        check(400, r#"{"error": {"message": "no  such\nthing"}}"#, other("its server answered 400: no such thing"));
        check(404, r#"{"error": "model 'm' not found"}"#, other("its server answered 404: model 'm' not found"));
        check(400, &format!("bad header {KEY}"), other("its server answered 400: bad header [secret]"));
        check(307, "", other("its server answered 307"));
        check(500, r#"{"error": {"message": "oh"}}"#, unavailable("its server answered 500: oh"));
        check(529, "", unavailable("its server answered 529"));
        check(408, "<html>", unavailable("its server answered 408: <html>"));
    }

    #[test]
    fn what_a_server_says_is_cut_after_the_key_is_hidden() {
        let key = Secret::new(KEY);
        let text = shown(&format!("{} {KEY}", "é".repeat(295)), Some(&key));
        assert_eq!(text, format!("{} [sec…", "é".repeat(295)));
        // The key stands where the read part ends: what is left of it is shorter than a piece of a key.
        let text = shown(&format!("{}{KEY}", " ".repeat(READ_BYTES - 5)), Some(&key));
        assert_eq!(text, "sk-01");
        assert_eq!(shown(&"é".repeat(READ_BYTES), None).chars().count(), TOLD_CHARS + 1);
    }

    #[test]
    fn a_wait_is_read_in_each_of_its_forms() {
        let now: Timestamp = "2015-10-21T07:28:00Z".parse().unwrap();
        let check = |name: &'static str, value: &str, expected: Option<u64>| {
            let headers = HeaderMap::from_iter([(name.parse().unwrap(), HeaderValue::from_str(value).unwrap())]);
            assert_eq!(retry_after(&headers, now), expected.map(Duration::from_millis), "{name}: {value}");
        };
        check("retry-after", "3", Some(3000));
        check("retry-after", " 0.5 ", Some(500));
        check("retry-after", "Wed, 21 Oct 2015 07:28:30 GMT", Some(30_000));
        check("retry-after", "Wed, 21 Oct 2015 07:27:30 GMT", Some(0));
        check("retry-after", "soon", None);
        check("retry-after", "-3", None);
        check("retry-after", "1e300", None);
        check("retry-after-ms", "250", Some(250));
        check("other", "3", None);
    }

    #[test]
    fn a_certificate_is_found_inside_other_errors() {
        use std::io::{Error, ErrorKind};
        let certificate = || rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer);
        let wrapped = |error: rustls::Error| Error::other(Error::new(ErrorKind::InvalidData, error));
        assert!(is_certificate(&certificate()) && is_certificate(&wrapped(certificate())));
        assert!(!is_certificate(&wrapped(rustls::Error::DecryptError)) && !is_certificate(&Error::other("no")));
    }

    #[test]
    fn an_error_may_come_with_the_status_of_a_success() {
        let read = |text: &str| {
            let body: Value = serde_json::from_str(text).unwrap();
            Failure::from_error_body(&body, Some(&Secret::new(KEY))).map(|failure| failure.problem)
        };
        assert_eq!(read(r#"{"error": {"code": 429, "message": "slow"}}"#), Some(GenerateProblem::RateLimited));
        let expected = GenerateProblem::BadAnswer("an error: overloaded [secret]".to_owned());
        assert_eq!(read(&format!(r#"{{"error": {{"message": "overloaded {KEY}"}}}}"#)), Some(expected));
        assert_eq!(read(r#"{"error": null, "choices": []}"#), None);
        assert_eq!(read("[]"), None);
    }
}
