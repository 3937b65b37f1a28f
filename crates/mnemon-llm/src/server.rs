//! One question to a server, in its own wire format.
//!
//! The bodies of requests and answers are genai's. Address, headers and TLS are ours: so the key is in one header that
//! is marked as sensitive, and goes to the one address that was given, whatever a server answers.

use std::sync::Arc;
use std::time::Duration;

use genai::adapter::AdapterKind;
use genai::chat::{ChatMessage, ChatOptions, ChatRequest, ChatResponse, StopReason};
use genai::resolver::{AuthData, Endpoint};
use genai::{Client, Headers, ModelIden, ServiceTarget};
use mnemon_core::{GenerateProblem, Generated, Prompt};
use reqwest::Url;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use reqwest::redirect::Policy;
use rustls::ClientConfig as TlsConfig;
use rustls::RootCertStore;
use rustls_platform_verifier::BuilderVerifierExt;
use serde_json::json;

use crate::failure::Failure;
use crate::{ModelConfig, ModelError, Provider, Secret};

/// A model at its address.
pub(crate) struct Server {
    client: Client,
    target: ServiceTarget,
    /// What every question is asked with.
    options: ChatOptions,
    /// Only to be hidden in what the server says.
    key: Option<Secret>,
}

impl Server {
    pub(crate) fn new(config: &ModelConfig) -> Result<Self, ModelError> {
        let provider = config.provider;
        let base = base_url(config)?;
        let key = config.find_key()?;
        let http = http_client(&base, headers(provider, key.as_ref())?)?;
        let client = Client::builder().with_reqwest(http).build().map_err(|e| ModelError::Client(Box::new(e)))?;
        let (adapter, path) = match provider {
            Provider::OpenAi | Provider::Compatible => (AdapterKind::OpenAI, "chat/completions"),
            Provider::Anthropic => (AdapterKind::Anthropic, "messages"),
            Provider::Ollama => (AdapterKind::Ollama, "api/chat"),
        };
        let url = base.join(path).map_err(|e| ModelError::BadUrl { got: format!("one that has no paths: {e}") })?;
        let target = ServiceTarget {
            endpoint: Endpoint::from_owned(base.as_str()),
            auth: AuthData::RequestOverride { url: with_query(url, &base).into(), headers: Headers::default() },
            model: ModelIden::new(adapter, name_for_genai(provider, &config.model)),
        };
        let mut options = ChatOptions::default().with_capture_raw_body(true).with_normalize_reasoning_content(true);
        options.temperature = config.temperature;
        if provider != Provider::Ollama {
            options.extra_body = Some(json!({ "model": config.model }));
        }
        Ok(Self { client, target, options, key })
    }

    /// Its address without what may hold a key.
    pub(crate) fn shown_url(&self) -> &str {
        crate::config::shown_url(self.target.endpoint.base_url())
    }

    /// Asks once.
    pub(crate) async fn ask(&self, prompt: &Prompt, max_tokens: Option<u32>) -> Result<Generated, Failure> {
        let mut request = ChatRequest::from_messages(vec![ChatMessage::user(prompt.user.as_str())]);
        request.system = prompt.system.clone();
        let options = ChatOptions { max_tokens, ..self.options.clone() };
        let answer = self.client.exec_chat(self.target.clone(), request, Some(&options)).await;
        self.read(answer.map_err(|error| Failure::from_genai(error, self.key.as_ref()))?)
    }

    fn read(&self, answer: ChatResponse) -> Result<Generated, Failure> {
        let is_cut = answer.stop_reason.as_ref().is_some_and(StopReason::is_max_tokens);
        let text: String = answer.content.texts().concat();
        if let Some(StopReason::ContentFilter(reason)) = &answer.stop_reason {
            return Err(Failure::from(GenerateProblem::Declined(format!("it stopped for {reason}"))));
        }
        if text.trim().is_empty() {
            let error = answer.captured_raw_body.as_ref().and_then(|b| Failure::from_error_body(b, self.key.as_ref()));
            return Err(match error {
                Some(failure) => failure,
                // Asked again it would think as long again.
                None if is_cut => {
                    Failure::from(GenerateProblem::Other("its tokens ran out before its answer began".to_owned()))
                }
                None => Failure::bad_answer("no text"),
            });
        }
        let tokens = |count: Option<i32>| count.and_then(|count| u64::try_from(count).ok());
        Ok(Generated {
            text,
            is_cut,
            prompt_tokens: tokens(answer.usage.prompt_tokens),
            answer_tokens: tokens(answer.usage.completion_tokens),
        })
    }
}

/// Longer than it takes to reach any server that is there.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// The version of the messages that genai reads and writes.
const ANTHROPIC_VERSION: &str = "2023-06-01";

/// Where a model is, with a slash at the end of the path so that more can be joined.
fn base_url(config: &ModelConfig) -> Result<Url, ModelError> {
    let text = match (&config.base_url, config.provider) {
        (Some(url), _) => url,
        (None, Provider::OpenAi) => "https://api.openai.com/v1/",
        (None, Provider::Anthropic) => "https://api.anthropic.com/v1/",
        (None, Provider::Ollama) => "http://localhost:11434/",
        (None, Provider::Compatible) => return Err(ModelError::NoUrl),
    };
    let bad = |got: &str| ModelError::BadUrl { got: got.to_owned() };
    let mut url = Url::parse(text.trim()).map_err(|e| bad(&format!("one that cannot be read: {e}")))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(bad(&format!("one of the scheme {:?}", url.scheme())));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(bad("one with a user or a password, where a key belongs in the settings"));
    }
    if !url.path().ends_with('/') {
        let path = format!("{}/", url.path());
        url.set_path(&path);
    }
    Ok(url)
}

/// The query of the base URL belongs to every request (Azure names its version there).
fn with_query(mut url: Url, base: &Url) -> Url {
    url.set_query(base.query());
    url
}

/// Genai takes `-high` and the like off the end of a name, and what stands before `::`, and then asks for another
/// model. The name goes into the body beside it; here it must only end in nothing that it takes.
fn name_for_genai(provider: Provider, model: &str) -> String {
    match provider {
        Provider::Ollama => model.to_owned(),
        _ => format!("{model}-"),
    }
}

fn headers(provider: Provider, key: Option<&Secret>) -> Result<HeaderMap, ModelError> {
    let mut headers = HeaderMap::new();
    if provider == Provider::Anthropic {
        headers.insert(HeaderName::from_static("anthropic-version"), HeaderValue::from_static(ANTHROPIC_VERSION));
    }
    if let Some(key) = key {
        let (name, text) = match provider {
            Provider::Anthropic => (HeaderName::from_static("x-api-key"), key.reveal().to_owned()),
            _ => (AUTHORIZATION, format!("Bearer {}", key.reveal())),
        };
        if !key.reveal().bytes().all(|b| b.is_ascii_graphic()) {
            return Err(ModelError::BadKey);
        }
        let mut value = HeaderValue::try_from(text).map_err(|_| ModelError::BadKey)?;
        value.set_sensitive(true);
        headers.insert(name, value);
    }
    Ok(headers)
}

fn http_client(base: &Url, headers: HeaderMap) -> Result<reqwest::Client, ModelError> {
    let tls = TlsConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|e| ModelError::Client(Box::new(e)))?;
    let tls = if base.scheme() == "https" {
        tls.with_platform_verifier().map_err(|e| ModelError::Client(Box::new(e)))?.with_no_client_auth()
    } else {
        // Never used, and a machine without certificates can still ask a model of its own.
        tls.with_root_certificates(RootCertStore::empty()).with_no_client_auth()
    };
    let client = reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .default_headers(headers)
        .connect_timeout(CONNECT_TIMEOUT)
        // A redirect would carry the key to wherever a server points.
        .redirect(Policy::none());
    // A proxy is for what is elsewhere.
    let client = if is_local(base) { client.no_proxy() } else { client };
    client.build().map_err(|e| ModelError::Client(Box::new(e.without_url())))
}

fn is_local(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_made_from_what_is_given() {
        let check = |config: ModelConfig, expected: &str| {
            let server = Server::new(&config.key("k"));
            let url = match server.map(|server| server.target.auth) {
                Ok(AuthData::RequestOverride { url, .. }) => url,
                Ok(_) => String::new(),
                Err(error) => error.to_string(),
            };
            assert_eq!(url, expected);
        };
        let compatible = |url: &str| ModelConfig::compatible(url, "m");
        check(compatible("http://localhost:1234/v1"), "http://localhost:1234/v1/chat/completions");
        check(compatible("http://h/v1/?api-version=3"), "http://h/v1/chat/completions?api-version=3");
        check(ModelConfig::new(Provider::OpenAi, "m"), "https://api.openai.com/v1/chat/completions");
        check(ModelConfig::new(Provider::Anthropic, "m"), "https://api.anthropic.com/v1/messages");
        check(ModelConfig::new(Provider::Ollama, "m"), "http://localhost:11434/api/chat");
        let bad = |got: &str| format!("expected a base URL such as http://localhost:1234/v1, got {got}");
        check(compatible("localhost:1234"), &bad("one of the scheme \"localhost\""));
        check(compatible("v1"), &bad("one that cannot be read: relative URL without a base"));
        check(
            compatible("http://me:sk-1@h/"),
            &bad("one with a user or a password, where a key belongs in the settings"),
        );
        check(
            ModelConfig::new(Provider::Compatible, "m"),
            "expected a base URL, as servers that are compatible with another have none of their own",
        );
    }

    #[test]
    fn a_key_that_no_header_holds_is_refused() {
        for key in ["a\nb", "a b", "ключ"] {
            let error = Server::new(&ModelConfig::new(Provider::OpenAi, "m").key(key)).err().unwrap();
            assert!(matches!(error, ModelError::BadKey), "{error}");
            assert!(!format!("{error} {error:?}").contains(key));
        }
    }

    #[test]
    fn logs_show_no_key() {
        for provider in [Provider::OpenAi, Provider::Anthropic, Provider::Ollama, Provider::Compatible] {
            let headers = headers(provider, Some(&Secret::new("sk-1"))).unwrap();
            let shown = format!("{headers:?}");
            assert!(shown.contains("Sensitive") && !shown.contains("sk-1"), "{shown}");
        }
    }

    #[test]
    fn what_is_local_needs_no_proxy() {
        for (url, expected) in [
            ("http://localhost:1/", true),
            ("http://127.0.0.1/", true),
            ("http://[::1]:8080/", true),
            ("http://localhost.example.org/", false),
            ("http://10.0.0.1/", false),
        ] {
            assert_eq!(is_local(&Url::parse(url).unwrap()), expected, "{url}");
        }
    }
}
