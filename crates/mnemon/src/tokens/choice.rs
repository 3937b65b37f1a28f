//! Which tokenizer counts.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use mnemon_core::{EstimateCounter, TokenCounter};
use serde::de::{MapAccess, Visitor, value::MapAccessDeserializer};
use serde::{Deserialize, Deserializer, Serialize};

use super::{FileCounter, TokenizerError};

/// Whose tokens are counted: those of the model that will read the prompt.
///
/// In a configuration it is one of the words `"o200k_base"`, `"cl100k_base"` and `"estimate"`, or
/// `{ file = "path/to/tokenizer.json" }`, or that path alone. A word with a slash, a backslash or the ending `.json` is
/// taken for a path.
///
/// ```
/// use mnemon::tokens::Tokenizer;
/// let counter = "estimate".parse::<Tokenizer>()?.resolve()?;
/// assert_eq!(counter.name(), "estimate");
/// assert_eq!("my/tokenizer.json".parse::<Tokenizer>()?, Tokenizer::File("my/tokenizer.json".into()));
/// assert!("gpt".parse::<Tokenizer>().is_err());
/// # Ok::<(), mnemon::tokens::TokenizerError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Tokenizer {
    /// GPT-4o and everything of OpenAI since, exactly. The default where the feature `openai-tokens` is on.
    #[cfg_attr(feature = "openai-tokens", default)]
    O200kBase,
    /// GPT-4 and GPT-3.5, exactly.
    Cl100kBase,
    /// [`EstimateCounter`], which mostly counts too many.
    #[cfg_attr(not(feature = "openai-tokens"), default)]
    Estimate,
    /// The tokenizer of this tokenizer.json, exactly.
    File(PathBuf),
}

impl Tokenizer {
    /// The counter itself. Reads the file of [`Tokenizer::File`]; the others cost nothing until the first count.
    ///
    /// # Errors
    /// When the file cannot be read or is no tokenizer, or when this build lacks the feature `openai-tokens` and so
    /// the vocabulary.
    pub fn resolve(&self) -> Result<Arc<dyn TokenCounter>, TokenizerError> {
        match self {
            #[cfg(feature = "openai-tokens")]
            Self::O200kBase => Ok(Arc::new(super::OpenAiCounter::O200kBase)),
            #[cfg(feature = "openai-tokens")]
            Self::Cl100kBase => Ok(Arc::new(super::OpenAiCounter::Cl100kBase)),
            #[cfg(not(feature = "openai-tokens"))]
            Self::O200kBase => Err(TokenizerError::NotBuilt { name: "o200k_base" }),
            #[cfg(not(feature = "openai-tokens"))]
            Self::Cl100kBase => Err(TokenizerError::NotBuilt { name: "cl100k_base" }),
            Self::Estimate => Ok(Arc::new(EstimateCounter)),
            Self::File(path) => Ok(Arc::new(FileCounter::open(path)?)),
        }
    }
}

impl FromStr for Tokenizer {
    type Err = TokenizerError;

    fn from_str(s: &str) -> Result<Self, TokenizerError> {
        match s.trim() {
            "o200k_base" => Ok(Self::O200kBase),
            "cl100k_base" => Ok(Self::Cl100kBase),
            "estimate" => Ok(Self::Estimate),
            path if path.contains(['/', '\\']) || path.ends_with(".json") => Ok(Self::File(path.into())),
            _ => Err(TokenizerError::Unknown { got: s.chars().take(80).collect() }),
        }
    }
}

impl fmt::Display for Tokenizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::O200kBase => f.pad("o200k_base"),
            Self::Cl100kBase => f.pad("cl100k_base"),
            Self::Estimate => f.pad("estimate"),
            Self::File(path) => path.display().fmt(f),
        }
    }
}

impl<'de> Deserialize<'de> for Tokenizer {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(WordOrFile)
    }
}

struct WordOrFile;

impl<'de> Visitor<'de> for WordOrFile {
    type Value = Tokenizer;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("o200k_base, cl100k_base, estimate or the path of a tokenizer.json as `tokenizer`")
    }

    fn visit_str<E: serde::de::Error>(self, word: &str) -> Result<Tokenizer, E> {
        word.parse().map_err(E::custom)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Tokenizer, A::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Fields {
            file: PathBuf,
        }
        Fields::deserialize(MapAccessDeserializer::new(map)).map(|fields| Tokenizer::File(fields.file))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_choice_survives_text_and_serde() {
        let choices =
            [Tokenizer::O200kBase, Tokenizer::Cl100kBase, Tokenizer::Estimate, Tokenizer::File("a/b.json".into())];
        for choice in choices {
            assert_eq!(choice.to_string().parse::<Tokenizer>().unwrap(), choice);
            let value = serde_json::to_value(&choice).unwrap();
            assert_eq!(serde_json::from_value::<Tokenizer>(value).unwrap(), choice);
        }
        assert_eq!(serde_json::to_value(Tokenizer::O200kBase).unwrap(), "o200k_base");
        assert_eq!(serde_json::to_value(Tokenizer::File("x.json".into())).unwrap(), json!({"file": "x.json"}));
        assert_eq!(serde_json::from_value::<Tokenizer>(json!("x.json")).unwrap(), Tokenizer::File("x.json".into()));
        // A file may have any name when it is called one.
        assert_eq!(serde_json::from_value::<Tokenizer>(json!({"file": "x"})).unwrap(), Tokenizer::File("x".into()));
    }

    #[test]
    fn what_is_no_choice_is_refused_with_what_is_allowed() {
        let allowed = "o200k_base, cl100k_base, estimate or the path of a tokenizer.json as `tokenizer`";
        let error = |value| serde_json::from_value::<Tokenizer>(value).unwrap_err().to_string();
        assert_eq!(error(json!("gpt-4o")), format!("expected {allowed}, got \"gpt-4o\""));
        assert_eq!(error(json!(7)), format!("invalid type: integer `7`, expected {allowed}"));
        assert_eq!(error(json!({"path": "x"})), "unknown field `path`, expected `file`");
        assert_eq!(error(json!({})), "missing field `file`");
        assert!(matches!("".parse::<Tokenizer>(), Err(TokenizerError::Unknown { .. })));
    }

    #[test]
    fn a_choice_becomes_a_counter() {
        let name = |choice: Tokenizer| choice.resolve().map(|counter| counter.name().to_owned());
        assert_eq!(name(Tokenizer::Estimate).unwrap(), "estimate");
        assert!(matches!(name(Tokenizer::File("does/not/exist.json".into())), Err(TokenizerError::Read { .. })));
        assert!(Tokenizer::default().resolve().is_ok(), "the default is part of the build");

        if cfg!(feature = "openai-tokens") {
            assert_eq!(name(Tokenizer::O200kBase).unwrap(), "o200k_base");
            assert_eq!(name(Tokenizer::Cl100kBase).unwrap(), "cl100k_base");
        } else {
            let error = name(Tokenizer::O200kBase).unwrap_err().to_string();
            assert!(error.contains("`openai-tokens`") && error.contains("\"o200k_base\""), "{error}");
        }
    }
}
