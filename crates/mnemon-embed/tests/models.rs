//! Models of other forms than MiniLM, models that are damaged, and texts that nobody would write.
//!
//! fixtures/make_tiny.py made the tiny models and the vectors that sentence-transformers gives with them.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

use std::error::Error;
use std::path::{Path, PathBuf};

use mnemon_core::{Embedder, Purpose, TokenCounter};
use mnemon_embed::{ModelError, ModelSource, SentenceTransformer, verify};
use tempfile::TempDir;

/// The tiny model compares with its expected vectors; the texts are embedded in one batch.
#[track_caller]
fn check_tiny(name: &str, max_pieces: usize) {
    let folder = fixtures().join(name);
    let model = SentenceTransformer::load(&ModelSource::Folder(folder.clone())).unwrap();
    assert_eq!((model.max_pieces(), model.dimension(), model.model().name.as_str()), (max_pieces, 16, name));
    let expected: serde_json::Value =
        serde_json::from_slice(&std::fs::read(folder.join("expected.json")).unwrap()).unwrap();
    let texts: Vec<&str> = expected["texts"].as_array().unwrap().iter().map(|text| text.as_str().unwrap()).collect();
    for (purpose, key) in [(Purpose::Query, "query"), (Purpose::Passage, "passage")] {
        let vectors: Vec<Vec<f32>> = serde_json::from_value(expected[key].clone()).unwrap();
        let got = model.embed(&texts, purpose).unwrap();
        assert_eq!(got.len(), texts.len());
        for ((text, got), expected) in texts.iter().zip(got.rows()).zip(&vectors) {
            for (a, b) in got.iter().zip(expected) {
                assert!((a - b).abs() < 2e-5, "{key} {text:?}: {got:?} is not {expected:?}");
            }
        }
    }
}

#[test]
fn bert_with_f16_weights_cls_pooling_prompts_and_tanh() {
    check_tiny("tiny-bert", 20);
}

#[test]
fn roberta_with_max_pooling_relu_and_no_normalize() {
    check_tiny("tiny-roberta", 20);
}

/// A copy of the tiny BERT in which one file is another; `None` takes it away.
fn damaged(file: &str, content: Option<&[u8]>) -> (TempDir, Result<SentenceTransformer, ModelError>) {
    let folder = tempfile::tempdir().unwrap();
    for name in ["config.json", "tokenizer.json", "model.safetensors", "modules.json", "1_Pooling/config.json"] {
        std::fs::create_dir_all(folder.path().join("1_Pooling")).unwrap();
        std::fs::copy(fixtures().join("tiny-bert").join(name), folder.path().join(name)).unwrap();
    }
    match content {
        Some(content) => std::fs::write(folder.path().join(file), content).unwrap(),
        None => std::fs::remove_file(folder.path().join(file)).unwrap(),
    }
    let loaded = SentenceTransformer::load(&ModelSource::Folder(folder.path().to_owned()));
    (folder, loaded)
}

/// The message of the error and its sources, with `…` for the folder.
#[track_caller]
fn check_damaged(file: &str, content: Option<&[u8]>, expected: &str) {
    let (folder, loaded) = damaged(file, content);
    let error = loaded.err().unwrap();
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(&format!(": {cause}"));
        source = cause.source();
    }
    let text = text.replace(&format!("{}{}", folder.path().display(), std::path::MAIN_SEPARATOR), "…");
    assert!(text.contains(expected), "expected {expected:?} in {text:?}");
}

#[test]
fn a_damaged_model_is_an_error_that_says_what_was_expected() {
    let weights = std::fs::read(fixtures().join("tiny-bert/model.safetensors")).unwrap();
    let config = std::fs::read_to_string(fixtures().join("tiny-bert/config.json")).unwrap();
    let with = |from: &str, to: &str| {
        assert!(config.contains(from));
        config.replace(from, to).into_bytes()
    };
    assert!(damaged("README.md", Some(b"fine")).1.is_ok());
    check_damaged("config.json", None, "expected the model to hold config.json");
    check_damaged("tokenizer.json", None, "expected the model to hold tokenizer.json");
    check_damaged("model.safetensors", None, "model.safetensors or model.int8.safetensors");
    check_damaged("1_Pooling/config.json", None, "the config.json of the pooling");
    check_damaged("config.json", Some(b"{"), "…config.json of the model to be JSON of the known form: EOF");
    check_damaged("tokenizer.json", Some(b"{}"), "cannot use the tokenizer of …tokenizer.json");
    check_damaged("modules.json", Some(b"{}"), "…modules.json of the model to be JSON");
    check_damaged(
        "config.json",
        Some(&with("\"bert\"", "\"mpnet\"")),
        "expected bert, roberta, xlm-roberta or camembert as model_type in …config.json, got mpnet",
    );
    for length in [0, 7, 8, 100, weights.len() - 1] {
        check_damaged("model.safetensors", Some(&weights[..length]), "to be a whole safetensors file");
    }
    check_damaged("model.safetensors", Some(&[0xff; 64]), "to be a whole safetensors file");
    check_damaged(
        "config.json",
        Some(&with("\"intermediate_size\": 24", "\"intermediate_size\": 25")),
        "expected the tensor bert.encoder.layer.0.intermediate.dense.weight in …model.safetensors to have the shape [25, 16], found [24, 16]",
    );
    check_damaged(
        "config.json",
        Some(&with("\"num_hidden_layers\": 2", "\"num_hidden_layers\": 2000000000")),
        "expected the tensor bert.encoder.layer.2.attention.self.query.weight in …model.safetensors, found none",
    );
    check_damaged(
        "config.json",
        Some(&with("\"hidden_size\": 16", "\"hidden_size\": 4611686018427387904")),
        "expected hidden_size 4611686018427387904 as word_embedding_dimension",
    );
    for setting in ["\"intermediate_size\": 24", "\"vocab_size\": 20", "\"max_position_embeddings\": 24"] {
        let (name, _) = setting.split_once(' ').unwrap();
        check_damaged("config.json", Some(&with(setting, &format!("{name} 9223372036854775807"))), "to have the shape");
    }
    // A number of the first tensor becomes NaN, whichever that is.
    let header = u64::from_le_bytes(weights[..8].try_into().unwrap()) as usize;
    let mut broken = weights.clone();
    broken[8 + header..].fill(0xff);
    check_damaged("model.safetensors", Some(&broken), "expected finite numbers in the tensor");
    let tokenizer = std::fs::read_to_string(fixtures().join("tiny-bert/tokenizer.json")).unwrap();
    check_damaged(
        "tokenizer.json",
        Some(tokenizer.replace("\"red\": 19", "\"red\": 25").as_bytes()),
        "expected token numbers below 20, the rows of the word table, got 25",
    );
}

#[test]
fn a_file_that_is_not_packed_is_not_taken_for_packed() {
    let (folder, _) = damaged("README.md", Some(b""));
    std::fs::rename(folder.path().join("model.safetensors"), folder.path().join("model.int8.safetensors")).unwrap();
    let error = SentenceTransformer::load(&ModelSource::Folder(folder.path().to_owned())).unwrap_err().to_string();
    assert!(error.contains("to be packed in the format mnemon-int8 1, got none none"), "{error}");
}

#[test]
fn bits_that_flip_anywhere_in_the_header_never_panic() {
    let weights = std::fs::read(fixtures().join("tiny-bert/model.safetensors")).unwrap();
    let header = u64::from_le_bytes(weights[..8].try_into().unwrap()) as usize;
    let (folder, _) = damaged("README.md", Some(b""));
    for at in (0..header + 8).step_by(11) {
        let mut broken = weights.clone();
        broken[at] ^= 1 << (at % 8);
        std::fs::write(folder.path().join("model.safetensors"), broken).unwrap();
        // Most give an error; a flip inside metadata may give none.
        let _ = SentenceTransformer::load(&ModelSource::Folder(folder.path().to_owned()));
    }
}

#[test]
fn the_shipped_files_are_as_summed_and_a_changed_one_is_found() {
    let shipped = models().join("all-MiniLM-L6-v2");
    let checked = verify(&ModelSource::Folder(shipped.clone())).unwrap();
    assert!(checked.iter().any(|file| file == "model.int8.safetensors"), "{checked:?}");
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("1_Pooling")).unwrap();
    for file in checked.iter().map(String::as_str).chain(["SHA256SUMS"]) {
        std::fs::copy(shipped.join(file), folder.path().join(file)).unwrap();
    }
    std::fs::write(folder.path().join("modules.json"), "[]").unwrap();
    let error = verify(&ModelSource::Folder(folder.path().to_owned())).unwrap_err();
    assert!(matches!(&error, ModelError::Checksum { file, .. } if file.ends_with("modules.json")), "{error}");
}

#[test]
fn the_model_inside_the_binary_is_the_shipped_one() {
    match SentenceTransformer::load(&ModelSource::Embedded) {
        Ok(embedded) => {
            let shipped = shipped();
            assert_eq!((embedded.model(), embedded.max_pieces()), (shipped.model(), shipped.max_pieces()));
            let embed = |model: &SentenceTransformer| model.embed(&["the cat sat"], Purpose::Query).unwrap();
            assert_eq!(embed(&embedded), embed(&shipped));
            assert!(verify(&ModelSource::Embedded).unwrap().len() >= 6);
        }
        Err(error) => assert!(cfg!(not(feature = "embedded-model")) && matches!(error, ModelError::NotEmbedded)),
    }
}

#[test]
fn any_text_has_a_vector_of_length_one() {
    let model = shipped();
    let long_word = "a".repeat(1_000_000);
    let huge = "The ferry leaves at noon. ".repeat(400_000);
    let texts = [
        "",
        " \t\n ",
        "\0\0\0",
        "a\0b",
        "🙂",
        "\u{202e}olleh\u{202c}",
        "\u{301}",
        "\u{fffd}",
        &long_word,
        &huge,
        "[CLS] [SEP]",
    ];
    let vectors = model.embed(&texts, Purpose::Passage).unwrap();
    assert_eq!((vectors.len(), vectors.dimension()), (texts.len(), 384));
    for (text, row) in texts.iter().zip(vectors.rows()) {
        let norm: f32 = row.iter().map(|value| value * value).sum();
        let start: String = text.chars().take(20).collect();
        assert!((norm - 1.0).abs() < 1e-4, "{norm} for {start:?}");
    }
    assert!(model.embed(&[], Purpose::Query).unwrap().is_empty());
    // White space and what the tokenizer drops are as nothing.
    let near = |a: usize, b: usize| {
        vectors.get(a).unwrap().iter().zip(vectors.get(b).unwrap()).map(|(a, b)| a * b).sum::<f32>() > 0.99999
    };
    assert!(near(0, 1) && near(0, 2) && !near(0, 4));
}

#[test]
fn cutting_changes_no_vector() {
    let model = shipped();
    let word = "a".repeat(500_000);
    let space = " ".repeat(500_000);
    let pairs = [
        (format!("{word} the cat sat on the mat"), format!("{} the cat sat on the mat", &word[..200])),
        (format!("{space}the{space}cat"), "the cat".to_owned()),
        ("The ferry leaves at noon. ".repeat(40_000), "The ferry leaves at noon. ".repeat(100)),
        ("猫".repeat(100_000), "猫".repeat(300)),
    ];
    for (long, short) in &pairs {
        let vectors = model.embed(&[long, short], Purpose::Passage).unwrap();
        let cosine: f32 = vectors.get(0).unwrap().iter().zip(vectors.get(1).unwrap()).map(|(a, b)| a * b).sum();
        let start: String = long.trim().chars().take(20).collect();
        assert!(cosine > 0.99999, "{cosine} for {start:?}");
    }
}

#[test]
fn word_pieces_are_counted_whole() {
    let counter = shipped().word_pieces();
    assert_eq!(counter.name(), "word pieces of all-MiniLM-L6-v2");
    assert_eq!([counter.count(""), counter.count(" \n\0"), counter.count("the cat sat")], [0, 0, 3]);
    assert_eq!(counter.count("embeddings"), 4);
    assert_eq!(counter.count(&"the cat, ".repeat(50_000)), 150_000);
    assert_eq!(counter.count(&"猫".repeat(100_000)), 100_000);
    assert_eq!(counter.count(&"a,".repeat(100_000)), 200_000);
}

fn shipped() -> SentenceTransformer {
    SentenceTransformer::load(&ModelSource::Folder(models().join("all-MiniLM-L6-v2"))).unwrap()
}

fn models() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models")
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}
