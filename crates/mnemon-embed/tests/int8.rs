//! The int8 encoder: one vector for a text, whichever processor and whatever batch.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use half::f16;
use mnemon_core::{Embedder, Purpose, TextRun};
use mnemon_embed::{Encoder, Kernel, LoadOptions, ModelError, ModelSource, SentenceTransformer};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};

const TEXTS: &str = include_str!("fixtures/parity.json");

#[test]
fn every_kernel_gives_the_same_bits() {
    let texts = texts();
    // Few for plain Rust, which takes its time; long and short ones.
    let texts: Vec<&str> = texts.iter().step_by(17).map(String::as_str).chain([""]).collect();
    let kernels = Kernel::available();
    let (first, others) = kernels.split_first().unwrap();
    let expected = load(Encoder::Int8(*first)).embed(&texts, Purpose::Passage).unwrap();
    for kernel in others {
        let model = load(Encoder::Int8(*kernel));
        assert_eq!(model.encoder(), Encoder::Int8(*kernel));
        let got = model.embed(&texts, Purpose::Passage).unwrap();
        for ((text, got), expected) in texts.iter().zip(got.rows()).zip(expected.rows()) {
            assert_eq!(bits(got), bits(expected), "{kernel} and {first} differ for {text:?}");
        }
    }
}

#[test]
fn a_text_has_its_vector_in_any_batch() {
    let model = load(Encoder::Int8(Kernel::best()));
    let texts = texts();
    let texts: Vec<&str> = texts.iter().step_by(2).map(String::as_str).collect();
    let batch = model.embed(&texts, Purpose::Passage).unwrap();
    for (number, text) in texts.iter().enumerate().step_by(3) {
        let alone = model.embed(&[text], Purpose::Passage).unwrap();
        assert_eq!(bits(alone.as_slice()), bits(batch.get(number).unwrap()), "{text:?}");
    }
    // Many at once, each in memory that another has used before.
    let again: Vec<_> = std::thread::scope(|scope| {
        let embed = || model.embed(&texts, Purpose::Passage).unwrap();
        let threads: Vec<_> = (0..3).map(|_| scope.spawn(embed)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    for other in again {
        assert_eq!(bits(other.as_slice()), bits(batch.as_slice()));
    }
}

#[test]
fn texts_of_every_length_are_close_to_what_candle_makes_of_them() {
    let (int8, candle) = (load(Encoder::Int8(Kernel::best())), load(Encoder::Candle));
    assert_eq!(candle.encoder(), Encoder::Candle);
    assert_eq!(candle.model(), int8.model());
    let words = ["ferry", "noon", "she", "keeps", "bees", ",", "river", "12", "old", "honey", "Oslo", "late"];
    let text = |length: usize| (0..length).map(|at| words[at * (at + 5) % words.len()]).collect::<Vec<_>>().join(" ");
    let texts: Vec<String> = (0..36).chain((40..256).step_by(24)).chain([300]).map(text).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let (got, expected) = (int8.embed(&texts, Purpose::Query).unwrap(), candle.embed(&texts, Purpose::Query).unwrap());
    for ((text, got), expected) in texts.iter().zip(got.rows()).zip(expected.rows()) {
        let cosine = cosine(got, expected);
        assert!(cosine > 0.99, "{cosine} for {text:?}");
    }
}

#[test]
fn vectors_of_pieces_come_from_the_same_encoder() {
    let (int8, candle) = (load(Encoder::Int8(Kernel::best())), load(Encoder::Candle));
    let run = TextRun { texts: vec!["We sat by the river.", "The bank was muddy.", "She fell in."], own: 1..3 };
    let of =
        |model: &SentenceTransformer| model.token_embedder().unwrap().embed_runs(std::slice::from_ref(&run)).unwrap();
    let (got, expected) = (of(&int8), of(&candle));
    for (got, expected) in got.iter().zip(&expected) {
        assert_eq!(got.pieces(), expected.pieces());
        for (got, expected) in got.rows().zip(expected.rows()) {
            assert!(got != expected && cosine(got, expected) > 0.98, "{}", cosine(got, expected));
        }
    }
}

/// Models with heads of four values, sixteen of them in all, another activation, another pooling and another first position.
#[test]
fn small_models_run_on_whole_numbers_too() {
    for (name, least) in [("tiny-bert", 0.998), ("tiny-roberta", 0.995)] {
        let folder = packed(name);
        let load = |encoder| {
            SentenceTransformer::load_with(
                &ModelSource::Folder(folder.path().to_owned()),
                LoadOptions::default().encoder(encoder),
            )
            .unwrap()
        };
        let candle = load(Encoder::Candle);
        let texts = ["the cat sat on the mat", "a red dog", "", "the the the cat cat a on mat dog red", "on"];
        let expected = candle.embed(&texts, Purpose::Passage).unwrap();
        let models: Vec<SentenceTransformer> = Kernel::available().into_iter().map(Encoder::Int8).map(load).collect();
        let first = models[0].embed(&texts, Purpose::Passage).unwrap();
        for model in &models {
            assert!(matches!(model.encoder(), Encoder::Int8(_)), "{name} runs on {}", model.encoder());
            let got = model.embed(&texts, Purpose::Passage).unwrap();
            assert_eq!(bits(got.as_slice()), bits(first.as_slice()), "{name} with {}", model.encoder());
        }
        for (got, expected) in first.rows().zip(expected.rows()) {
            let cosine = cosine(got, expected);
            assert!(cosine > least, "{name}: {cosine}");
        }
    }
}

#[test]
fn what_does_not_suit_the_kernels_runs_on_candle() {
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tiny-bert");
    let options = LoadOptions::default().encoder(Encoder::Int8(Kernel::Plain));
    let floats = SentenceTransformer::load_with(&ModelSource::Folder(fixture), options).unwrap();
    assert_eq!(floats.encoder(), Encoder::Candle);
    // A packed file whose codes reach -128, which other packers write.
    let folder = packed("tiny-bert");
    let path = folder.path().join("model.int8.safetensors");
    let mut file = std::fs::read(&path).unwrap();
    let header = u64::from_le_bytes(file[..8].try_into().unwrap()) as usize;
    let tensors = SafeTensors::deserialize(&file).unwrap();
    let code = tensors.tensor("bert.encoder.layer.1.output.dense.weight").unwrap().data().as_ptr().addr()
        - file.as_ptr().addr();
    assert!(code > header);
    file[code] = 0x80;
    std::fs::write(&path, file).unwrap();
    let model =
        SentenceTransformer::load_with(&ModelSource::Folder(folder.path().to_owned()), LoadOptions::default()).unwrap();
    assert_eq!(model.encoder(), Encoder::Candle);
}

#[test]
fn an_encoder_that_cannot_run_is_an_error() {
    let foreign = if cfg!(target_arch = "aarch64") { Kernel::Avx2 } else { Kernel::Neon };
    let options = LoadOptions::default().encoder(Encoder::Int8(foreign));
    let error = SentenceTransformer::load_with(&shipped(), options).unwrap_err();
    assert!(matches!(&error, ModelError::Encoder { got, .. } if got == foreign.name()), "{error}");
    assert!(error.to_string().contains("plain as the encoder"), "{error}");
}

/// A fixture with its matrices as int8.
fn packed(name: &str) -> tempfile::TempDir {
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name);
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("1_Pooling")).unwrap();
    for file in ["config.json", "tokenizer.json", "modules.json", "1_Pooling/config.json"] {
        std::fs::copy(fixture.join(file), folder.path().join(file)).unwrap();
    }
    let file = std::fs::read(fixture.join("model.safetensors")).unwrap();
    let tensors = SafeTensors::deserialize(&file).unwrap();
    let mut parts: Vec<(String, Dtype, Vec<usize>, Vec<u8>)> = Vec::new();
    for (name, view) in tensors.iter() {
        let values: Vec<f32> = match view.dtype() {
            Dtype::F16 => view.data().as_chunks().0.iter().map(|bytes| f16::from_le_bytes(*bytes).to_f32()).collect(),
            Dtype::F32 => view.data().as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect(),
            _ => continue,
        };
        let bytes = |values: &[f32]| values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>();
        let shape = view.shape().to_vec();
        if shape.len() == 2 && !name.contains("position") && !name.contains("token_type") {
            let rows = values.chunks(shape[1]);
            let largest = |row: &[f32]| row.iter().fold(0f32, |largest, value| largest.max(value.abs()));
            let scales: Vec<f32> = rows.clone().map(|row| largest(row) / 127.0).collect();
            let code = |(value, scale): (&f32, f32)| ((value / scale.max(1e-30)).round() as i8).cast_unsigned();
            let codes =
                rows.zip(&scales).flat_map(|(row, scale)| row.iter().map(move |value| code((value, *scale)))).collect();
            parts.push((format!("{name}_scale"), Dtype::F32, vec![shape[0]], bytes(&scales)));
            parts.push((name.to_owned(), Dtype::I8, shape, codes));
        } else {
            parts.push((name.to_owned(), Dtype::F32, shape, bytes(&values)));
        }
    }
    let views =
        parts.iter().map(|(name, dtype, shape, bytes)| (name, TensorView::new(*dtype, shape.clone(), bytes).unwrap()));
    let header =
        [("format", "mnemon-int8"), ("format_version", "1")].map(|(key, value)| (key.to_owned(), value.to_owned()));
    let file = safetensors::serialize(views, Some(HashMap::from(header))).unwrap();
    std::fs::write(folder.path().join("model.int8.safetensors"), file).unwrap();
    folder
}

fn load(encoder: Encoder) -> SentenceTransformer {
    SentenceTransformer::load_with(&shipped(), LoadOptions::default().encoder(encoder)).unwrap()
}

fn shipped() -> ModelSource {
    ModelSource::Folder(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../models/all-MiniLM-L6-v2"))
}

fn texts() -> Vec<String> {
    serde_json::from_str(TEXTS).unwrap()
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

fn cosine(a: &[f32], b: &[f32]) -> f32 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}
