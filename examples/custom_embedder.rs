//! An embedding model of one's own: hashed character n-grams, which know no meaning but forgive every misspelling.
//!
//! ```text
//! cargo run -p mnemon-examples --example custom_embedder
//! ```
//!
//! Shows how a file is changed to another model, and what the engine does when a model goes wrong.
#![expect(clippy::print_stdout, reason = "an example prints what it shows")]

use std::error::Error;
use std::path::Path;
use std::sync::Arc;

use mnemon::{ContextManager, EmbedError, Embedder, Embeddings, Metadata, ModelId, Purpose, Recall};

/// Adds every run of `n` characters of a word to one of `dimension` buckets, with the sign that its hash says
/// (Weinberger et al., Feature Hashing for Large Scale Multitask Learning, 2009), and damps counts by a square root.
struct NGrams {
    model: ModelId,
    dimension: usize,
    n: usize,
}

impl NGrams {
    fn new(n: usize, dimension: usize) -> Arc<Self> {
        // The name must change with everything that changes the vectors.
        let model = ModelId { name: "n-grams".into(), revision: format!("{n}x{dimension}"), dtype: "f32".into() };
        Arc::new(Self { model, dimension, n })
    }

    fn vector(&self, text: &str) -> Vec<f32> {
        let mut vector = vec![0.0f32; self.dimension];
        for word in text.to_lowercase().split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()) {
            let framed: Vec<char> = "<".chars().chain(word.chars()).chain(">".chars()).collect();
            for gram in framed.windows(self.n.min(framed.len())) {
                let hash = fnv(gram);
                let sign = if hash >> 63 == 0 { 1.0 } else { -1.0 };
                if let Some(bucket) = vector.get_mut((hash % self.dimension as u64) as usize) {
                    *bucket += sign;
                }
            }
        }
        vector.iter_mut().for_each(|value| *value = value.signum() * value.abs().sqrt());
        vector
    }
}

fn fnv(gram: &[char]) -> u64 {
    gram.iter().fold(0xCBF2_9CE4_8422_2325, |hash, c| (hash ^ u64::from(*c)).wrapping_mul(0x100_0000_01B3))
}

impl Embedder for NGrams {
    fn model(&self) -> &ModelId {
        &self.model
    }

    fn dimension(&self) -> usize {
        self.dimension
    }

    fn embed(&self, texts: &[&str], _: Purpose) -> Result<Embeddings, EmbedError> {
        Ok(Embeddings::new(self.dimension, texts.iter().flat_map(|text| self.vector(text)).collect()))
    }
}

/// A model that forgets the last vector of every batch.
struct Forgetful(Arc<NGrams>);

impl Embedder for Forgetful {
    fn model(&self) -> &ModelId {
        self.0.model()
    }

    fn dimension(&self) -> usize {
        self.0.dimension()
    }

    fn embed(&self, texts: &[&str], purpose: Purpose) -> Result<Embeddings, EmbedError> {
        self.0.embed(texts.split_last().map_or(&[], |(_, rest)| rest), purpose)
    }
}

fn open(path: &Path, embedder: Arc<dyn Embedder>) -> Result<ContextManager, Box<dyn Error>> {
    Ok(ContextManager::builder().embedder(embedder).open(path)?)
}

fn cosine(recall: &Recall) -> Option<f32> {
    recall.hits.first().and_then(|hit| hit.signals.cosine)
}

fn main() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("memory.db");
    let expected = "Reisekrankenversicherung: police 4711, by Ingrid";

    let memory = open(&path, NGrams::new(3, 512))?;
    for text in [expected, "Ten litres of paint for the fence", "The tram to Connewitz leaves at ten past"] {
        memory.add_memory(text, Metadata::new())?;
    }
    // Not one word of it stands in the memory.
    let misspelled = "krankenversicherrung";
    let found = memory.query_memory(misspelled, 1)?;
    let best = found.hits.first().ok_or("expected a hit")?;
    println!("{misspelled}\n  -> {} (cosine {:.2})", best.memory.text, cosine(&found).unwrap_or_default());
    if best.memory.text != expected {
        return Err(format!("expected {expected:?}, got {:?}", best.memory.text).into());
    }

    let refused = open(&path, NGrams::new(4, 768)).err().ok_or("expected another model to be refused")?;
    println!("another model: {refused}");
    let new: Arc<dyn Embedder> = NGrams::new(4, 768);
    let change = memory.re_embed(&new, &mut |_| true)?;
    let after = cosine(&memory.query_memory("police 4711", 1)?);
    println!("{} texts embedded anew: cosine {after:?}", change.embedded);
    if !change.is_done || change.embedded != 3 || after.is_none() {
        return Err("expected every text to be embedded by the new model".into());
    }

    let memory = open(&path, Arc::new(Forgetful(NGrams::new(4, 768))))?;
    let context = memory.build_context("Which police did Ingrid get?")?;
    let degraded = context.manifest().degraded.as_ref().ok_or("expected the manifest to tell what went wrong")?;
    println!("a model that goes wrong: {degraded}");
    if !context.text().contains(expected) {
        return Err("expected the memory to be found by its words".into());
    }
    Ok(())
}
