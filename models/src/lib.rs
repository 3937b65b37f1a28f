//! The packed embedding model that ships with Mnemon, all-MiniLM-L6-v2, as bytes (feature `files`).
//!
//! This library depends on nothing and does nothing. The tool that packed the model is the binary of this package
//! (feature `tool`); the model itself, with its card, its licence and the description of the format, is the folder
//! `all-MiniLM-L6-v2` beside this source.

/// The files of all-MiniLM-L6-v2: name (with `/` between folder and file) and content.
#[cfg(feature = "files")]
pub const ALL_MINILM_L6_V2: &[(&str, &[u8])] = &[
    ("1_Pooling/config.json", include_bytes!("../all-MiniLM-L6-v2/1_Pooling/config.json")),
    ("SHA256SUMS", include_bytes!("../all-MiniLM-L6-v2/SHA256SUMS")),
    ("config.json", include_bytes!("../all-MiniLM-L6-v2/config.json")),
    ("config_sentence_transformers.json", include_bytes!("../all-MiniLM-L6-v2/config_sentence_transformers.json")),
    ("model.int8.safetensors", include_bytes!("../all-MiniLM-L6-v2/model.int8.safetensors")),
    ("modules.json", include_bytes!("../all-MiniLM-L6-v2/modules.json")),
    ("sentence_bert_config.json", include_bytes!("../all-MiniLM-L6-v2/sentence_bert_config.json")),
    ("tokenizer.json", include_bytes!("../all-MiniLM-L6-v2/tokenizer.json")),
    ("tokenizer_config.json", include_bytes!("../all-MiniLM-L6-v2/tokenizer_config.json")),
];
