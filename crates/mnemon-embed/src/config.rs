//! What the JSON files of a sentence-transformer say about it.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::ModelError;
use crate::ops::Activation;
use crate::pooling::Pooling;
use crate::source::{CONFIG, ModelSource};

const MODULES: &str = "modules.json";
const SENTENCE_BERT: &str = "sentence_bert_config.json";
const PROMPTS: &str = "config_sentence_transformers.json";
const TOKENIZER_CONFIG: &str = "tokenizer_config.json";

/// The most pieces that any model of this family takes; also what stands in tokenizer configurations for "no limit".
const MAX_PIECES: usize = 8192;

/// A sentence-transformer, as its files describe it.
#[derive(Debug)]
pub(crate) struct Config {
    pub(crate) bert: BertConfig,
    pub(crate) pooling: Pooling,
    /// Whether the vectors are scaled to unit length.
    pub(crate) normalize: bool,
    /// How many pieces are read of a text, the special ones included.
    pub(crate) max_pieces: usize,
    /// Whether texts are put in lower case before the tokenizer.
    pub(crate) lower_case: bool,
    /// What goes before a text that is searched for, and before one that asks.
    pub(crate) passage_prompt: String,
    pub(crate) query_prompt: String,
}

/// The shape of the encoder.
#[derive(Debug)]
pub(crate) struct BertConfig {
    pub(crate) hidden: usize,
    pub(crate) layers: usize,
    pub(crate) heads: usize,
    pub(crate) intermediate: usize,
    pub(crate) vocabulary: usize,
    pub(crate) positions: usize,
    /// The position of the first piece.
    pub(crate) first_position: usize,
    pub(crate) types: usize,
    pub(crate) activation: Activation,
    pub(crate) epsilon: f64,
    /// The name of the model that this one was made from, where it says so.
    pub(crate) origin: Option<String>,
}

impl Config {
    pub(crate) fn read(source: &ModelSource) -> Result<Self, ModelError> {
        let bert = BertConfig::read(source)?;
        let modules: Option<Vec<Module>> = json(source, MODULES)?;
        let folder = |module: &Module, file: &str| match module.path.trim_matches('/') {
            "" => file.to_owned(),
            path => format!("{path}/{file}"),
        };
        let mut pooling = Pooling::Mean;
        let mut normalize = false;
        let mut sentence_file = SENTENCE_BERT.to_owned();
        for module in modules.iter().flatten() {
            match module.kind.rsplit('.').next().unwrap_or_default() {
                "Transformer" => sentence_file = folder(module, SENTENCE_BERT),
                "Pooling" => pooling = read_pooling(source, &folder(module, "config.json"), bert.hidden)?,
                "Normalize" => normalize = true,
                _ => return Err(unusable(source, MODULES, "type", "Transformer, Pooling or Normalize", &module.kind)),
            }
        }
        let sentence: SentenceBert = json(source, &sentence_file)?.unwrap_or_default();
        let prompts: Prompts = json(source, PROMPTS)?.unwrap_or_default();
        Ok(Self {
            max_pieces: max_pieces(source, &sentence_file, &sentence, &bert)?,
            bert,
            pooling,
            normalize,
            lower_case: sentence.do_lower_case,
            passage_prompt: prompts.first(&["document", "passage", "corpus"]),
            query_prompt: prompts.first(&["query"]),
        })
    }
}

impl BertConfig {
    fn read(source: &ModelSource) -> Result<Self, ModelError> {
        let bytes = source.require(CONFIG)?;
        let kind: Kind = parse(source, CONFIG, &bytes)?;
        let first_position = |raw: &RawBert| match kind.model_type.as_deref() {
            Some("bert") => Ok(0),
            // These count positions from the number of the padding piece on.
            Some("roberta" | "xlm-roberta" | "camembert") => Ok(raw.pad_token_id.unwrap_or(1).saturating_add(1)),
            other => Err(unusable(
                source,
                CONFIG,
                "model_type",
                "bert, roberta, xlm-roberta or camembert",
                other.unwrap_or("none"),
            )),
        };
        // The type is looked at before the other keys: a model of another family has other keys.
        first_position(&RawBert::default())?;
        let raw: RawBert = parse(source, CONFIG, &bytes)?;
        let positive = |setting, value: usize| match value {
            0 => Err(unusable(source, CONFIG, setting, "a number of at least 1", "0")),
            value => Ok(value),
        };
        if let Some(kind) = raw.position_embedding_type.as_deref().filter(|kind| *kind != "absolute") {
            return Err(unusable(source, CONFIG, "position_embedding_type", "absolute", kind));
        }
        let hidden = positive("hidden_size", raw.hidden_size)?;
        let heads = positive("num_attention_heads", raw.num_attention_heads)?;
        if hidden % heads != 0 {
            let expected = format!("a divisor of hidden_size {hidden}");
            return Err(unusable(source, CONFIG, "num_attention_heads", &expected, &heads.to_string()));
        }
        if !(raw.layer_norm_eps.is_finite() && raw.layer_norm_eps > 0.0) {
            let got = raw.layer_norm_eps.to_string();
            return Err(unusable(source, CONFIG, "layer_norm_eps", "a small number above 0", &got));
        }
        let activation = match raw.hidden_act.as_str() {
            "gelu" | "gelu_python" => Activation::Gelu,
            "gelu_new" | "gelu_fast" | "gelu_pytorch_tanh" => Activation::GeluTanh,
            "relu" => Activation::Relu,
            other => {
                let expected = "gelu, gelu_new, gelu_fast, gelu_pytorch_tanh or relu";
                return Err(unusable(source, CONFIG, "hidden_act", expected, other));
            }
        };
        Ok(Self {
            hidden,
            layers: raw.num_hidden_layers,
            heads,
            intermediate: positive("intermediate_size", raw.intermediate_size)?,
            vocabulary: positive("vocab_size", raw.vocab_size)?,
            positions: positive("max_position_embeddings", raw.max_position_embeddings)?,
            first_position: first_position(&raw)?,
            types: raw.type_vocab_size,
            activation,
            epsilon: raw.layer_norm_eps,
            origin: raw.name_or_path.filter(|name| !name.is_empty()),
        })
    }
}

/// The smallest of what the files allow.
fn max_pieces(
    source: &ModelSource,
    file: &str,
    sentence: &SentenceBert,
    bert: &BertConfig,
) -> Result<usize, ModelError> {
    let room = bert.positions.saturating_sub(bert.first_position).min(MAX_PIECES);
    let wanted = match sentence.max_seq_length {
        Some(length) => length,
        None => {
            let tokenizer: TokenizerConfig = json(source, TOKENIZER_CONFIG)?.unwrap_or_default();
            // Files without a limit hold a number such as 1e30.
            tokenizer
                .model_max_length
                .filter(|length| *length < MAX_PIECES as f64)
                .map_or(room, |length| length as usize)
        }
    };
    let pieces = wanted.min(room);
    // Two special pieces and one of the text.
    if pieces < 3 {
        let got = format!("{wanted} with {room} positions");
        return Err(unusable(source, file, "max_seq_length", "room for at least 3 pieces", &got));
    }
    Ok(pieces)
}

fn read_pooling(source: &ModelSource, file: &str, hidden: usize) -> Result<Pooling, ModelError> {
    let raw: RawPooling = json(source, file)?.ok_or_else(|| ModelError::MissingFile {
        expected: "the config.json of the pooling",
        place: source.describe(file),
    })?;
    if let Some(width) = raw.word_embedding_dimension.or(raw.embedding_dimension).filter(|width| *width != hidden) {
        let expected = format!("hidden_size {hidden}");
        return Err(unusable(source, file, "word_embedding_dimension", &expected, &width.to_string()));
    }
    if raw.include_prompt == Some(false) {
        return Err(unusable(source, file, "include_prompt", "true", "false"));
    }
    let mut modes: Vec<&str> = match &raw.pooling_mode {
        Some(Modes::One(mode)) => vec![mode],
        Some(Modes::Many(modes)) => modes.iter().map(String::as_str).collect(),
        None => Vec::new(),
    };
    let flags = raw.flags.iter().filter(|(_, on)| **on == serde_json::Value::Bool(true));
    modes.extend(flags.filter_map(|(flag, _)| flag.strip_prefix("pooling_mode_")));
    match modes.as_slice() {
        ["mean" | "mean_tokens"] | [] => Ok(Pooling::Mean),
        ["cls" | "cls_token"] => Ok(Pooling::Cls),
        ["max" | "max_tokens"] => Ok(Pooling::Max),
        other => Err(unusable(source, file, "pooling_mode", "one of mean, cls and max", &other.join(", "))),
    }
}

fn json<T: DeserializeOwned>(source: &ModelSource, file: &str) -> Result<Option<T>, ModelError> {
    source.read(file)?.map(|bytes| parse(source, file, &bytes)).transpose()
}

fn parse<T: DeserializeOwned>(source: &ModelSource, file: &str, bytes: &[u8]) -> Result<T, ModelError> {
    serde_json::from_slice(bytes).map_err(|error| ModelError::Json { file: source.describe(file), source: error })
}

fn unusable(source: &ModelSource, file: &str, setting: &'static str, expected: &str, got: &str) -> ModelError {
    ModelError::Setting { file: source.describe(file), setting, expected: expected.to_owned(), got: got.to_owned() }
}

#[derive(Deserialize)]
struct Kind {
    model_type: Option<String>,
}

#[derive(Deserialize, Default)]
struct RawBert {
    hidden_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    intermediate_size: usize,
    vocab_size: usize,
    max_position_embeddings: usize,
    #[serde(default)]
    type_vocab_size: usize,
    #[serde(default = "default_activation")]
    hidden_act: String,
    #[serde(default = "default_epsilon")]
    layer_norm_eps: f64,
    position_embedding_type: Option<String>,
    pad_token_id: Option<usize>,
    #[serde(rename = "_name_or_path")]
    name_or_path: Option<String>,
}

fn default_activation() -> String {
    "gelu".to_owned()
}

fn default_epsilon() -> f64 {
    1e-12
}

#[derive(Deserialize)]
struct Module {
    #[serde(default)]
    path: String,
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Deserialize)]
struct RawPooling {
    word_embedding_dimension: Option<usize>,
    embedding_dimension: Option<usize>,
    include_prompt: Option<bool>,
    pooling_mode: Option<Modes>,
    #[serde(flatten)]
    flags: BTreeMap<String, serde_json::Value>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Modes {
    One(String),
    Many(Vec<String>),
}

#[derive(Deserialize, Default)]
struct SentenceBert {
    max_seq_length: Option<usize>,
    #[serde(default)]
    do_lower_case: bool,
}

#[derive(Deserialize, Default)]
struct TokenizerConfig {
    model_max_length: Option<f64>,
}

#[derive(Deserialize, Default)]
struct Prompts {
    #[serde(default)]
    prompts: BTreeMap<String, String>,
    default_prompt_name: Option<String>,
}

impl Prompts {
    /// The first of these prompts that is not empty (newer versions write an empty one for each that was not given); the
    /// default prompt where the files know none of the names.
    fn first(&self, names: &[&str]) -> String {
        let known = names.iter().filter_map(|name| self.prompts.get(*name));
        if known.clone().next().is_some() {
            return known.into_iter().find(|prompt| !prompt.is_empty()).cloned().unwrap_or_default();
        }
        let default = self.default_prompt_name.as_deref().and_then(|name| self.prompts.get(name));
        default.cloned().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    const BERT: &str = r#"{"model_type": "bert", "hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2,
        "intermediate_size": 16, "vocab_size": 30, "max_position_embeddings": 12"#;

    /// Reads a model of the given files; those named twice keep the last content.
    #[track_caller]
    fn check(files: &[(&str, &str)], expected: Expect) {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("1_Pooling")).unwrap();
        std::fs::write(folder.path().join(CONFIG), format!("{BERT}}}")).unwrap();
        for (name, content) in files {
            std::fs::write(folder.path().join(name), content).unwrap();
        }
        let got = match Config::read(&ModelSource::Folder(folder.path().to_owned())) {
            Ok(config) => format!(
                "{:?} normalize={} max={} lower={} passage={:?} query={:?} first={} {:?}",
                config.pooling,
                config.normalize,
                config.max_pieces,
                config.lower_case,
                config.passage_prompt,
                config.query_prompt,
                config.bert.first_position,
                config.bert.activation
            ),
            Err(error) => {
                let source = std::error::Error::source(&error).map(|source| format!(": {source}")).unwrap_or_default();
                format!("{error}{source}").replace(&folder.path().display().to_string(), "FOLDER")
            }
        };
        expected.assert_eq(&got);
    }

    #[test]
    fn defaults_are_those_of_sentence_transformers() {
        check(&[], expect![[r#"Mean normalize=false max=12 lower=false passage="" query="" first=0 Gelu"#]]);
        check(
            &[("tokenizer_config.json", r#"{"model_max_length": 10}"#)],
            expect![[r#"Mean normalize=false max=10 lower=false passage="" query="" first=0 Gelu"#]],
        );
        check(
            &[("tokenizer_config.json", r#"{"model_max_length": 1e30}"#)],
            expect![[r#"Mean normalize=false max=12 lower=false passage="" query="" first=0 Gelu"#]],
        );
    }

    #[test]
    fn modules_and_prompts_are_read() {
        let modules = r#"[{"path": "", "type": "sentence_transformers.models.Transformer"},
            {"path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
            {"path": "2_Normalize", "type": "sentence_transformers.models.Normalize"}]"#;
        let pooling =
            r#"{"word_embedding_dimension": 8, "pooling_mode_cls_token": true, "pooling_mode_mean_tokens": false}"#;
        check(
            &[
                (MODULES, modules),
                ("1_Pooling/config.json", pooling),
                (SENTENCE_BERT, r#"{"max_seq_length": 9, "do_lower_case": true}"#),
                (PROMPTS, r#"{"prompts": {"query": "query: ", "passage": "passage: "}}"#),
            ],
            expect![[r#"Cls normalize=true max=9 lower=true passage="passage: " query="query: " first=0 Gelu"#]],
        );
        check(
            &[
                (MODULES, modules),
                (
                    "1_Pooling/config.json",
                    r#"{"embedding_dimension": 8, "pooling_mode": "max", "include_prompt": true}"#,
                ),
                (PROMPTS, r#"{"prompts": {"document": "", "all": "any: "}, "default_prompt_name": "all"}"#),
            ],
            expect![[r#"Max normalize=true max=12 lower=false passage="" query="any: " first=0 Gelu"#]],
        );
        check(
            &[(MODULES, modules)],
            expect![
                "expected the model to hold the config.json of the pooling, found none in FOLDER/1_Pooling/config.json"
            ],
        );
        check(
            &[
                (MODULES, modules),
                ("1_Pooling/config.json", r#"{"pooling_mode_cls_token": true, "pooling_mode_mean_tokens": true}"#),
            ],
            expect![
                "expected one of mean, cls and max as pooling_mode in FOLDER/1_Pooling/config.json, got cls_token, mean_tokens"
            ],
        );
        check(
            &[(MODULES, r#"[{"type": "sentence_transformers.models.Dense"}]"#)],
            expect![
                "expected Transformer, Pooling or Normalize as type in FOLDER/modules.json, got sentence_transformers.models.Dense"
            ],
        );
    }

    #[test]
    fn roberta_counts_positions_from_its_padding_on() {
        check(
            &[(CONFIG, &format!("{}, \"pad_token_id\": 1}}", BERT.replace("\"bert\"", "\"roberta\"")))],
            expect![[r#"Mean normalize=false max=10 lower=false passage="" query="" first=2 Gelu"#]],
        );
    }

    #[test]
    fn what_cannot_be_used_is_named_with_what_could() {
        let with = |extra: &str| format!("{BERT}, {extra}}}");
        check(
            &[(CONFIG, r#"{"model_type": "mpnet"}"#)],
            expect!["expected bert, roberta, xlm-roberta or camembert as model_type in FOLDER/config.json, got mpnet"],
        );
        check(
            &[(CONFIG, "{}")],
            expect!["expected bert, roberta, xlm-roberta or camembert as model_type in FOLDER/config.json, got none"],
        );
        check(
            &[(CONFIG, r#"{"model_type": "bert"}"#)],
            expect![
                "expected FOLDER/config.json of the model to be JSON of the known form: missing field `hidden_size` at line 1 column 22"
            ],
        );
        check(
            &[(CONFIG, "{")],
            expect![
                "expected FOLDER/config.json of the model to be JSON of the known form: EOF while parsing an object at line 1 column 1"
            ],
        );
        check(
            &[(CONFIG, &format!("{}}}", BERT.replace("heads\": 2", "heads\": 3")))],
            expect!["expected a divisor of hidden_size 8 as num_attention_heads in FOLDER/config.json, got 3"],
        );
        check(
            &[(CONFIG, &format!("{}}}", BERT.replace("heads\": 2", "heads\": 0")))],
            expect!["expected a number of at least 1 as num_attention_heads in FOLDER/config.json, got 0"],
        );
        check(
            &[(CONFIG, &with("\"hidden_act\": \"swish\""))],
            expect![
                "expected gelu, gelu_new, gelu_fast, gelu_pytorch_tanh or relu as hidden_act in FOLDER/config.json, got swish"
            ],
        );
        check(
            &[(CONFIG, &with("\"position_embedding_type\": \"relative_key\""))],
            expect!["expected absolute as position_embedding_type in FOLDER/config.json, got relative_key"],
        );
        check(
            &[(CONFIG, &with("\"layer_norm_eps\": 0"))],
            expect!["expected a small number above 0 as layer_norm_eps in FOLDER/config.json, got 0"],
        );
        check(
            &[(SENTENCE_BERT, r#"{"max_seq_length": 2}"#)],
            expect![
                "expected room for at least 3 pieces as max_seq_length in FOLDER/sentence_bert_config.json, got 2 with 12 positions"
            ],
        );
    }
}
