//! Vectors against those of Python's sentence-transformers, on 1,000 varied texts.
//!
//! fixtures/make_parity.py made the fixture. The f32 weights (90 MB) are not part of the repository: models/fetch.sh
//! gets them once.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test fails by a panic, and prints what it measured")]

use std::path::{Path, PathBuf};

use half::f16;
use mnemon_core::{Embedder, Embeddings, Purpose};
use mnemon_embed::{Encoder, ModelSource, SentenceTransformer};
use safetensors::SafeTensors;

const TEXTS: &str = include_str!("fixtures/parity.json");
const VECTORS: &[u8] = include_bytes!("fixtures/parity.safetensors");

#[test]
fn f32_weights_give_the_vectors_of_sentence_transformers() {
    let folder = f32_folder();
    assert!(
        folder.join("model.safetensors").is_file(),
        "expected the f32 weights in {}: run models/fetch.sh, or name their folder in MNEMON_F32_MODEL",
        folder.display()
    );
    let model = SentenceTransformer::load(&ModelSource::Folder(folder)).unwrap();
    assert_eq!((model.max_pieces(), model.model().dtype.as_str()), (256, "f32"));
    // The fixture itself is rounded to f16, which costs about 1e-7.
    check(&model, 0.99999, 0.9999);
}

#[test]
fn the_shipped_model_stays_close_to_sentence_transformers() {
    let model = shipped();
    let id = model.model();
    assert_eq!((id.name.as_str(), id.dtype.as_str(), id.revision.len()), ("all-MiniLM-L6-v2", "int8", 12));
    assert!(matches!(model.encoder(), Encoder::Int8(_)), "it runs on {}", model.encoder());
    // Of this, the weights alone cost .0007 and .004.
    check(&model, 0.998, 0.99);
}

#[track_caller]
fn check(model: &SentenceTransformer, mean: f64, min: f64) {
    let texts = texts();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    assert_eq!(texts.len(), 1000);
    let expected = vectors();
    let got = model.embed(&texts, Purpose::Passage).unwrap();
    assert_eq!((got.len(), got.dimension()), (texts.len(), expected.dimension()));
    let cosines: Vec<f64> = got.rows().zip(expected.rows()).map(|(a, b)| cosine(a, b)).collect();
    for row in got.rows() {
        assert!((row.iter().map(|value| value * value).sum::<f32>() - 1.0).abs() < 1e-4, "a vector is not of length 1");
    }
    let found_mean = cosines.iter().sum::<f64>() / cosines.len() as f64;
    let (worst, found_min) = cosines.iter().copied().enumerate().min_by(|a, b| a.1.total_cmp(&b.1)).unwrap();
    println!("{}: mean cosine {found_mean:.6}, min {found_min:.6}", model.model());
    let start: String = texts[worst].chars().take(80).collect();
    assert!(found_mean >= mean, "mean cosine {found_mean}, expected {mean}");
    assert!(found_min >= min, "cosine {found_min} for {start:?}, expected {min}");
}

fn shipped() -> SentenceTransformer {
    SentenceTransformer::load(&ModelSource::Folder(models().join("all-MiniLM-L6-v2"))).unwrap()
}

fn f32_folder() -> PathBuf {
    let named = std::env::var_os("MNEMON_F32_MODEL").map(PathBuf::from);
    named.unwrap_or_else(|| models().join(".cache/all-MiniLM-L6-v2"))
}

fn models() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models")
}

fn texts() -> Vec<String> {
    serde_json::from_str(TEXTS).unwrap()
}

fn vectors() -> Embeddings {
    let tensors = SafeTensors::deserialize(VECTORS).unwrap();
    let view = tensors.tensor("vectors").unwrap();
    let values = view.data().chunks_exact(2).map(|bytes| f16::from_le_bytes([bytes[0], bytes[1]]).to_f32());
    Embeddings::new(view.shape()[1], values.collect())
}

fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}
