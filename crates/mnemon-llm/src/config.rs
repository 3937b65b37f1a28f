//! How a model is reached and how patiently.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{ModelError, Secret};

/// Whose wire format a server speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Provider {
    /// OpenAI's chat completions, at its own address; the key is in `OPENAI_API_KEY` where nothing else is said.
    OpenAi,
    /// Anthropic's messages; the key is in `ANTHROPIC_API_KEY` where nothing else is said.
    Anthropic,
    /// Ollama's chat, at `http://localhost:11434`, without a key.
    Ollama,
    /// A server that speaks as OpenAI does (LM Studio, llama.cpp, vLLM and many more): it needs a base URL and often
    /// no key.
    Compatible,
}

impl Provider {
    /// Its name in configurations.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OpenAi => "openai",
            Self::Anthropic => "anthropic",
            Self::Ollama => "ollama",
            Self::Compatible => "compatible",
        }
    }
}

impl fmt::Display for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Provider {
    type Err = ModelError;

    fn from_str(text: &str) -> Result<Self, ModelError> {
        [Self::OpenAi, Self::Anthropic, Self::Ollama, Self::Compatible]
            .into_iter()
            .find(|provider| provider.as_str() == text)
            .ok_or_else(|| ModelError::BadProvider { got: text.to_owned() })
    }
}

/// What makes a [`Model`](crate::Model). Times are seconds where it is written or read.
///
/// It shows no key: neither where it is printed nor where it is written, so that a key has to be given again, or named
/// by its environment variable, to what was written.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ModelConfig {
    /// Whose wire format it speaks.
    pub provider: Provider,
    /// The model, as its server names it.
    pub model: String,
    /// Where its server is, such as `http://localhost:1234/v1`; `None` is the provider's own address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_url: Option<String>,
    /// The key. It goes before `key_env`; an empty one is none.
    #[serde(default, skip_serializing)]
    pub key: Option<Secret>,
    /// The environment variable that holds the key, read when the model is made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_env: Option<String>,
    /// The time for one answer, with everything that is tried for it. A prompt with its own time goes before.
    #[serde(default = "default_timeout", with = "seconds")]
    pub timeout: Duration,
    /// The time for one attempt; `None` is all that is left. A slow answer is asked for again only where this is
    /// shorter than `timeout`, and a server that is slow from load then has two to write.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "maybe_seconds")]
    pub attempt_timeout: Option<Duration>,
    /// How often it is asked at most: 1 to 100.
    #[serde(default = "default_max_attempts")]
    pub max_attempts: u32,
    /// The wait before the second attempt, an hour at most. It doubles with each, up to [`Self::LONGEST_DELAY`], and up to as much again
    /// is added by chance, so that many who were turned away do not come back together. A server that says how long to
    /// wait is waited for so long, or given up where there is not the time.
    #[serde(default = "default_retry_delay", with = "seconds")]
    pub retry_delay: Duration,
    /// The most tokens of any answer, as the model counts them; a prompt may ask for fewer. `None` leaves it to the
    /// model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<usize>,
    /// The tokens that the model has for prompt and answer together. A prompt that leaves no room for its answer is
    /// refused before it is sent. `None` leaves that to the server: most then refuse, but Ollama drops the start of the
    /// prompt without a word, so set this to its context length (`OLLAMA_CONTEXT_LENGTH`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context_tokens: Option<usize>,
    /// How freely it chooses words: 0 to 2, low for summaries. `None` leaves it to the model; some models accept
    /// nothing else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
}

impl ModelConfig {
    /// The longest wait between two attempts, before chance is added and where the server does not ask for more.
    pub const LONGEST_DELAY: Duration = Duration::from_secs(20);

    /// A model of a provider.
    #[must_use]
    pub fn new(provider: Provider, model: impl Into<String>) -> Self {
        Self {
            provider,
            model: model.into(),
            base_url: None,
            key: None,
            key_env: None,
            timeout: default_timeout(),
            attempt_timeout: None,
            max_attempts: default_max_attempts(),
            retry_delay: default_retry_delay(),
            max_tokens: None,
            context_tokens: None,
            temperature: None,
        }
    }

    /// A model at a server that speaks as OpenAI does.
    #[must_use]
    pub fn compatible(base_url: impl Into<String>, model: impl Into<String>) -> Self {
        Self::new(Provider::Compatible, model).base_url(base_url)
    }

    /// The same at another address.
    #[must_use]
    pub fn base_url(self, url: impl Into<String>) -> Self {
        Self { base_url: Some(url.into()), ..self }
    }

    /// The same with a key.
    #[must_use]
    pub fn key(self, key: impl Into<Secret>) -> Self {
        Self { key: Some(key.into()), ..self }
    }

    /// The same with the key of an environment variable.
    #[must_use]
    pub fn key_env(self, variable: impl Into<String>) -> Self {
        Self { key_env: Some(variable.into()), ..self }
    }

    /// The same with so much time for one answer.
    #[must_use]
    pub fn timeout(self, time: Duration) -> Self {
        Self { timeout: time, ..self }
    }

    /// The same with so much time for one attempt.
    #[must_use]
    pub fn attempt_timeout(self, time: Duration) -> Self {
        Self { attempt_timeout: Some(time), ..self }
    }

    /// The same, asked so often at most.
    #[must_use]
    pub fn max_attempts(self, attempts: u32) -> Self {
        Self { max_attempts: attempts, ..self }
    }

    /// The same with so long a wait before the second attempt.
    #[must_use]
    pub fn retry_delay(self, time: Duration) -> Self {
        Self { retry_delay: time, ..self }
    }

    /// The same with at most so many tokens in an answer.
    #[must_use]
    pub fn max_tokens(self, tokens: usize) -> Self {
        Self { max_tokens: Some(tokens), ..self }
    }

    /// The same with so many tokens for prompt and answer together.
    #[must_use]
    pub fn context_tokens(self, tokens: usize) -> Self {
        Self { context_tokens: Some(tokens), ..self }
    }

    /// The same, choosing words so freely.
    #[must_use]
    pub fn temperature(self, temperature: f64) -> Self {
        Self { temperature: Some(temperature), ..self }
    }

    /// What is out of its range.
    pub(crate) fn check(&self) -> Result<(), ModelError> {
        if self.model.trim().is_empty() {
            return Err(ModelError::NoName);
        }
        let numbers = [
            ("max_attempts", Some(f64::from(self.max_attempts)), 1.0..=100.0),
            ("temperature", self.temperature, 0.0..=2.0),
            ("timeout", Some(self.timeout.as_secs_f64()), SHORTEST..=f64::INFINITY),
            ("attempt_timeout", self.attempt_timeout.map(|time| time.as_secs_f64()), SHORTEST..=f64::INFINITY),
            ("retry_delay", Some(self.retry_delay.as_secs_f64()), 0.0..=3600.0),
            ("max_tokens", self.max_tokens.map(|tokens| tokens as f64), 1.0..=f64::from(u32::MAX)),
        ];
        for (what, got, expected) in numbers {
            if let Some(got) = got.filter(|got| !expected.contains(got)) {
                return Err(ModelError::OutOfRange { what, expected, got });
            }
        }
        Ok(())
    }

    /// The key that it is asked with.
    pub(crate) fn find_key(&self) -> Result<Option<Secret>, ModelError> {
        if let Some(key) = self.key.as_ref().filter(|key| !key.reveal().is_empty()) {
            return Ok(Some(key.clone()));
        }
        let usual = match self.provider {
            Provider::OpenAi => Some("OPENAI_API_KEY"),
            Provider::Anthropic => Some("ANTHROPIC_API_KEY"),
            Provider::Ollama | Provider::Compatible => None,
        };
        let Some(variable) = self.key_env.as_deref().or(usual) else { return Ok(None) };
        match std::env::var(variable) {
            Ok(key) if !key.trim().is_empty() => Ok(Some(Secret::new(key.trim()))),
            _ => Err(ModelError::NoKey { variable: shown_variable(variable).to_owned() }),
        }
    }
}

impl fmt::Debug for ModelConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ModelConfig")
            .field("provider", &self.provider)
            .field("model", &self.model)
            .field("base_url", &self.base_url.as_deref().map(shown_url))
            .field("key", &self.key)
            .field("key_env", &self.key_env.as_deref().map(shown_variable))
            .field("timeout", &self.timeout)
            .field("attempt_timeout", &self.attempt_timeout)
            .field("max_attempts", &self.max_attempts)
            .field("retry_delay", &self.retry_delay)
            .field("max_tokens", &self.max_tokens)
            .field("context_tokens", &self.context_tokens)
            .field("temperature", &self.temperature)
            .finish()
    }
}

/// A millisecond: less is a mistake in the unit.
const SHORTEST: f64 = 0.001;

/// Long answers of slow models take a minute or two; whoever waits longer says so.
fn default_timeout() -> Duration {
    Duration::from_secs(120)
}

fn default_max_attempts() -> u32 {
    3
}

fn default_retry_delay() -> Duration {
    Duration::from_millis(500)
}

/// A URL without what may hold a key: its user, its password and its query.
pub(crate) fn shown_url(url: &str) -> &str {
    let plain = url.split(['?', '#']).next().unwrap_or_default();
    if plain.contains('@') { "[a URL with a user]" } else { plain }
}

/// The name of a variable, unless it looks as if the key itself was put in its place.
fn shown_variable(name: &str) -> &str {
    let is_name = name.len() <= 64 && name.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_');
    if is_name { name } else { "[not shown, as it does not look like the name of one]" }
}

mod seconds {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer, de};

    pub(super) fn serialize<S: Serializer>(time: &Duration, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_f64(time.as_secs_f64())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        Duration::try_from_secs_f64(f64::deserialize(from)?).map_err(de::Error::custom)
    }
}

mod maybe_seconds {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer, de};

    pub(super) fn serialize<S: Serializer>(time: &Option<Duration>, to: S) -> Result<S::Ok, S::Error> {
        match time {
            Some(time) => to.serialize_some(&time.as_secs_f64()),
            None => to.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
        let time = Option::<f64>::deserialize(from)?;
        time.map(|time| Duration::try_from_secs_f64(time).map_err(de::Error::custom)).transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "sk-0123456789abcdef";

    #[test]
    fn a_configuration_is_read_with_its_defaults() {
        let read: ModelConfig = serde_json::from_str(r#"{"provider": "openai", "model": "m"}"#).unwrap();
        assert_eq!(read, ModelConfig::new(Provider::OpenAi, "m"));
        let text = r#"{"provider": "compatible", "model": "m", "base_url": "http://h/v1", "key": "k", "timeout": 2.5,
                       "attempt_timeout": 1, "max_attempts": 5, "retry_delay": 0.1, "max_tokens": 9,
                       "context_tokens": 99, "temperature": 0.5, "key_env": "KEY"}"#;
        let expected = ModelConfig::compatible("http://h/v1", "m")
            .key("k")
            .key_env("KEY")
            .timeout(Duration::from_millis(2500))
            .attempt_timeout(Duration::from_secs(1))
            .max_attempts(5)
            .retry_delay(Duration::from_millis(100))
            .max_tokens(9)
            .context_tokens(99)
            .temperature(0.5);
        assert_eq!(serde_json::from_str::<ModelConfig>(text).unwrap(), expected);
        let wrong = r#"{"provider": "openai", "model": "m", "timeuot": 1}"#;
        assert!(serde_json::from_str::<ModelConfig>(wrong).unwrap_err().to_string().contains("timeuot"));
    }

    #[test]
    fn what_is_written_is_the_same_without_its_key() {
        let config = ModelConfig::compatible("http://h/v1", "m").attempt_timeout(Duration::from_secs(3)).key_env("K");
        let text = serde_json::to_string(&config.clone().key(KEY)).unwrap();
        assert!(!text.contains("sk-"), "{text}");
        assert_eq!(serde_json::from_str::<ModelConfig>(&text).unwrap(), config);
    }

    #[test]
    fn no_key_is_shown_wherever_it_was_put() {
        let config = ModelConfig::compatible(format!("http://u:{KEY}@h/v1"), "m").key(KEY).key_env(KEY);
        let shown = format!("{config:?} {:#?}", config.clone().base_url(format!("http://h/v1?key={KEY}")));
        assert!(!shown.contains("0123") && shown.contains("http://h/v1"), "{shown}");
    }

    #[test]
    fn a_key_comes_from_its_variable() {
        let read = |config: ModelConfig| config.find_key().map(|key| key.map(|key| key.reveal().to_owned()));
        let config = ModelConfig::new(Provider::Anthropic, "m");
        assert_eq!(read(config.clone().key_env("CARGO_PKG_NAME")).unwrap().unwrap(), "mnemon-llm");
        assert_eq!(read(config.clone().key_env("CARGO_PKG_NAME").key("k")).unwrap().unwrap(), "k");
        assert_eq!(read(config.clone().key_env("CARGO_PKG_NAME").key("")).unwrap().unwrap(), "mnemon-llm");
        assert_eq!(read(ModelConfig::new(Provider::Ollama, "m").key("")).unwrap(), None);
        let missing = read(config.clone().key_env("MNEMON_NO_SUCH_KEY")).unwrap_err().to_string();
        assert_eq!(missing, "expected a key in the environment variable MNEMON_NO_SUCH_KEY, and it is not set");
        let mistaken = read(config.key_env(KEY)).unwrap_err();
        assert!(!format!("{mistaken} {mistaken:?}").contains("0123"), "{mistaken}");
    }

    #[test]
    fn numbers_out_of_range_are_refused() {
        let config = || ModelConfig::new(Provider::Ollama, "m");
        let check = |config: ModelConfig, expected: &str| {
            assert_eq!(config.check().err().map(|e| e.to_string()).unwrap_or_default(), expected);
        };
        check(config(), "");
        check(config().max_attempts(0), "expected max_attempts of 1 to 100, got 0");
        check(config().temperature(f64::NAN), "expected temperature of 0 to 2, got NaN");
        check(config().timeout(Duration::ZERO), "expected timeout of 0.001 to inf, got 0");
        check(config().retry_delay(Duration::MAX), "expected retry_delay of 0 to 3600, got 18446744073709552000");
        check(config().max_tokens(0), "expected max_tokens of 1 to 4294967295, got 0");
        check(ModelConfig::new(Provider::Ollama, " "), "expected the name of a model, got none");
    }

    #[test]
    fn a_provider_is_read_as_it_is_written() {
        for provider in [Provider::OpenAi, Provider::Anthropic, Provider::Ollama, Provider::Compatible] {
            assert_eq!(provider.to_string().parse::<Provider>().unwrap(), provider);
            assert_eq!(serde_json::to_string(&provider).unwrap(), format!("\"{provider}\""));
        }
        assert!("azure".parse::<Provider>().unwrap_err().to_string().contains("\"azure\""));
    }
}
