//! Settings: from a struct, a TOML file and the environment, resolved once when a memory is opened.

use std::fmt::{Display, Formatter};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use mnemon_guard::{GuardError, RedactionConfig, Redactor};
use mnemon_long_term::{Diversity, Level, RecallQuery};
use mnemon_short_term::Eviction;
use mnemon_store::{Durability, StoreOptions};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::Summaries;
use crate::tokens::Tokenizer;

/// Every setting. The defaults suit a model with a window of 8,000 tokens or more.
///
/// In TOML the names are those of the fields; in the environment they are in capitals behind `MNEMON_`, as in
/// `MNEMON_PROMPT_TOKEN_BUDGET=2000`. The environment goes before the file, the file before the defaults.
///
/// ```
/// use mnemon::Config;
/// let config = Config::from_toml("prompt_token_budget = 2000\neviction = \"lru\"")?;
/// assert_eq!(config.prompt_token_budget, 2000);
/// assert_eq!(config.recent_k, Config::default().recent_k);
/// # Ok::<(), mnemon::ConfigError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Config {
    /// At most so many turns of the conversation are shown as recent. From 0 to 10,000.
    pub recent_k: usize,
    /// At most so many memories are recalled. From 0 to 10,000.
    pub ltm_hits_k: usize,
    /// The tokens that the window of recent turns holds; beyond it the oldest move to long-term memory. At least 1.
    pub stm_capacity: usize,
    /// The tokens that leave the window at once. From 1 to `stm_capacity`.
    pub chunk_size: usize,
    /// When what left the window is summarised.
    #[serde(deserialize_with = "word")]
    pub summaries: Summaries,
    /// The most tokens of a summary: of `chunk_size` tokens of turns, or of four summaries. At least 16.
    pub summary_tokens: usize,
    /// The most tokens that a context may have, counted by `tokenizer`. At least 1.
    pub prompt_token_budget: usize,
    /// How much work recall does: `thorough` compares the pieces of each memory too. It finds more, and takes more time
    /// and space; docs/DESIGN.md has the figures.
    #[serde(deserialize_with = "word")]
    pub recall: Level,
    /// An answer of a lower relevance has no hits: nothing here is about the question. From 0 (any has) to 1.
    pub relevance_floor: f32,
    /// How recalled memories that are like one another are treated: `redundancy` leaves out what a better one says
    /// already, `none` only equal texts, `mmr` (or `mmr:0.7`) and `k-means` choose what differs most.
    #[serde(deserialize_with = "word", serialize_with = "as_word")]
    pub diversity: Diversity,
    /// Which turns leave the window first.
    #[serde(deserialize_with = "word")]
    pub eviction: Eviction,
    /// How tokens are counted.
    pub tokenizer: Tokenizer,
    /// Which secrets are taken out of what is stored: a table with the fields of [`RedactionConfig`], or only `true` or
    /// `false`, as in the environment.
    #[serde(deserialize_with = "secrets")]
    pub secrets: RedactionConfig,
    /// Whether turns of the assistant and of tools that only repeat what was recalled are found again like any other. Then
    /// each recall makes what it found stronger.
    pub find_echoes: bool,
    /// The bytes beside the file that are given up when the disk is full, so that something can still be deleted. 0 keeps
    /// none.
    pub ballast_bytes: u64,
    /// The folder of an embedding model. `None` looks in the usual places: the data directory, the repository, the
    /// program itself.
    pub model: Option<PathBuf>,
    /// When a write counts as done.
    #[serde(deserialize_with = "word")]
    pub durability: Durability,
    /// How long to wait for another process that writes, in milliseconds.
    pub busy_timeout_ms: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            recent_k: 10,
            ltm_hits_k: 100,
            stm_capacity: 8_000,
            chunk_size: 2_000,
            summaries: Summaries::default(),
            summary_tokens: 250,
            prompt_token_budget: 4_000,
            recall: Level::Thorough,
            relevance_floor: RecallQuery::RELEVANCE_FLOOR,
            diversity: Diversity::Redundancy,
            eviction: Eviction::Fifo,
            tokenizer: Tokenizer::default(),
            secrets: RedactionConfig::default(),
            find_echoes: false,
            ballast_bytes: StoreOptions::default().ballast,
            model: None,
            durability: Durability::Full,
            busy_timeout_ms: 10_000,
        }
    }
}

/// A setting that is not allowed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A value is outside of what is allowed.
    #[error("expected {allowed} as {field}, got {value}")]
    Value {
        /// The field.
        field: &'static str,
        /// What is allowed.
        allowed: String,
        /// What came.
        value: String,
    },
    /// What is to be redacted is not allowed.
    #[error(transparent)]
    Secrets(#[from] GuardError),
    /// A file or a variable cannot be read as settings. The message names it, the field and what was expected.
    #[error("the settings cannot be read")]
    Read(#[source] config::ConfigError),
}

impl Config {
    /// The settings of a file, where one is given, and of the environment.
    ///
    /// # Errors
    /// When the file is not there or is no TOML, for a field that does not exist and for a value that is not allowed.
    pub fn load(file: Option<&Path>) -> Result<Self, ConfigError> {
        let variables =
            std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        Self::load_from(file, variables)
    }

    /// The same with an environment of the caller's.
    pub(crate) fn load_from(
        file: Option<&Path>,
        variables: impl Iterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        // Other variables may begin like ours; only those that are fields count.
        let ours = variables.filter(|(name, _)| {
            name.strip_prefix("MNEMON_")
                .is_some_and(|field| Self::FIELDS.contains(&field.to_ascii_lowercase().as_str()))
        });
        let environment = config::Environment::with_prefix("MNEMON")
            .prefix_separator("_")
            .ignore_empty(true)
            .try_parsing(true)
            .source(Some(ours.collect()));
        let mut builder = config::Config::builder();
        if let Some(file) = file {
            builder = builder.add_source(config::File::from(file).format(config::FileFormat::Toml));
        }
        Self::read(builder.add_source(environment))
    }

    /// The settings of a TOML text, without the environment.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn from_toml(text: &str) -> Result<Self, ConfigError> {
        Self::read(config::Config::builder().add_source(config::File::from_str(text, config::FileFormat::Toml)))
    }

    fn read(builder: config::ConfigBuilder<config::builder::DefaultState>) -> Result<Self, ConfigError> {
        let read: Self = builder.build().and_then(config::Config::try_deserialize).map_err(ConfigError::Read)?;
        read.validate()?;
        Ok(read)
    }

    /// Says whether every value is allowed.
    ///
    /// # Errors
    /// [`ConfigError::Value`] for the first that is not.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let range = |field, value: usize, min: usize, max: usize| {
            if (min..=max).contains(&value) {
                return Ok(());
            }
            let allowed = if max == usize::MAX { format!("{min} or more") } else { format!("{min} to {max}") };
            Err(ConfigError::Value { field, allowed, value: value.to_string() })
        };
        range("recent_k", self.recent_k, 0, 10_000)?;
        range("ltm_hits_k", self.ltm_hits_k, 0, 10_000)?;
        range("stm_capacity", self.stm_capacity, 1, usize::MAX)?;
        range("chunk_size", self.chunk_size, 1, self.stm_capacity)?;
        range("summary_tokens", self.summary_tokens, 16, usize::MAX)?;
        Redactor::new(self.secrets.clone())?;
        range("prompt_token_budget", self.prompt_token_budget, 1, usize::MAX)?;
        if !(0.0..=1.0).contains(&self.relevance_floor) {
            return Err(ConfigError::Value {
                field: "relevance_floor",
                allowed: "a number from 0 to 1".into(),
                value: self.relevance_floor.to_string(),
            });
        }
        Ok(())
    }

    pub(crate) fn busy_timeout(&self) -> Duration {
        Duration::from_millis(self.busy_timeout_ms)
    }

    const FIELDS: [&str; 18] = [
        "recent_k",
        "ltm_hits_k",
        "stm_capacity",
        "chunk_size",
        "summaries",
        "summary_tokens",
        "prompt_token_budget",
        "recall",
        "relevance_floor",
        "diversity",
        "eviction",
        "tokenizer",
        "secrets",
        "find_echoes",
        "ballast_bytes",
        "model",
        "durability",
        "busy_timeout_ms",
    ];
}

/// Reads a word through its `FromStr`, whose error lists the words that are allowed.
fn word<'de, D: Deserializer<'de>, T: FromStr<Err: Display>>(deserializer: D) -> Result<T, D::Error> {
    String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
}

/// Reads a switch, or a table.
fn secrets<'de, D: Deserializer<'de>>(deserializer: D) -> Result<RedactionConfig, D::Error> {
    struct SwitchOrTable;

    impl<'de> Visitor<'de> for SwitchOrTable {
        type Value = RedactionConfig;

        fn expecting(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
            f.write_str("true, false or a table of what is redacted")
        }

        fn visit_bool<E>(self, enabled: bool) -> Result<RedactionConfig, E> {
            let mut config = RedactionConfig::default();
            config.enabled = enabled;
            Ok(config)
        }

        fn visit_map<A: MapAccess<'de>>(self, table: A) -> Result<RedactionConfig, A::Error> {
            RedactionConfig::deserialize(MapAccessDeserializer::new(table))
        }
    }

    deserializer.deserialize_any(SwitchOrTable)
}

fn as_word<T: Display, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(error: &dyn std::error::Error) -> String {
        error.source().map_or(error.to_string(), |source| format!("{error}: {source}"))
    }

    #[track_caller]
    fn check(toml: &str, variables: &[(&str, &str)], expected: Result<Config, &str>) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("mnemon.toml");
        std::fs::write(&file, toml).unwrap();
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        match (Config::load_from(Some(&file), variables), expected) {
            (Ok(config), Ok(expected)) => assert_eq!(config, expected),
            (Err(error), Err(part)) => assert!(message(&error).contains(part), "{}", message(&error)),
            (got, expected) => panic!("expected {expected:?}, got {got:?}"),
        }
    }

    #[test]
    fn the_environment_goes_before_the_file() {
        let default = Config::default();
        check("", &[("MNEMON_DB", "x"), ("PATH", "y"), ("MNEMON_RECENT_K", "")], Ok(default.clone()));
        check("recent_k = 3", &[], Ok(Config { recent_k: 3, ..default.clone() }));
        check("recent_k = 3", &[("MNEMON_RECENT_K", "4")], Ok(Config { recent_k: 4, ..default.clone() }));
        check(
            "eviction = \"lru\"",
            &[("MNEMON_MODEL", "some/folder"), ("MNEMON_RELEVANCE_FLOOR", "0.25")],
            Ok(Config {
                eviction: Eviction::Lru,
                model: Some("some/folder".into()),
                relevance_floor: 0.25,
                ..default.clone()
            }),
        );
    }

    #[test]
    fn what_is_redacted_is_a_switch_or_a_table() {
        let with = |change: fn(&mut RedactionConfig)| {
            let mut config = Config::default();
            change(&mut config.secrets);
            config
        };
        check("secrets = false", &[], Ok(with(|secrets| secrets.enabled = false)));
        check("", &[("MNEMON_SECRETS", "false")], Ok(with(|secrets| secrets.enabled = false)));
        check("[secrets]\nallow = [\"x\"]", &[], Ok(with(|secrets| secrets.allow = vec!["x".into()])));
        check("secrets = 3", &[], Err("true, false or a table"));
        check("[secrets]\nkind = []", &[], Err("kind"));
        check("[[secrets.patterns]]\nname = 'badge'\nregex = '('", &[], Err("badge"));
    }

    #[test]
    fn a_wrong_setting_is_named_with_what_is_allowed() {
        check("recent_k = 3\nresent_k = 4", &[], Err("resent_k"));
        check("", &[("MNEMON_RECENT_K", "many")], Err("recent_k"));
        check("eviction = \"random\"", &[], Err("expected an eviction policy (fifo, lru, priority), got \"random\""));
        check("durability = \"some\"", &[], Err("expected a durability (full, normal), got \"some\""));
        check("chunk_size = 9000", &[], Err("expected 1 to 8000 as chunk_size, got 9000"));
        check("prompt_token_budget = 0", &[], Err("expected 1 or more as prompt_token_budget, got 0"));
        check("relevance_floor = 1.5", &[], Err("expected a number from 0 to 1 as relevance_floor, got 1.5"));
        check("relevance_floor = nan", &[], Err("relevance_floor"));
        check("recent_k = ", &[], Err("cannot be read"));
    }

    #[test]
    fn every_field_has_its_variable() {
        let all = serde_json::to_value(Config::default()).unwrap();
        let mut fields: Vec<&str> = all.as_object().unwrap().keys().map(String::as_str).collect();
        fields.sort_unstable();
        let mut known = Config::FIELDS.to_vec();
        known.sort_unstable();
        assert_eq!(fields, known);
    }
}
