//! The encoder for models that are packed as int8: whole numbers in all products, on the CPU.
//!
//! What candle's graph does with weights made f32 again, this does with the codes of the file as they are: activations are
//! rounded to 8 bits piece by piece ([`linear`]), attention runs in 16 bits ([`attention`]), and all between in f32. Every
//! processor gives the same bits ([`simd`]), and so does every batch: nothing in a text's vectors depends on the texts beside
//! it.

mod attention;
mod buffer;
mod kernel;
mod linear;
mod math;
mod simd;

use std::sync::{Mutex, PoisonError};

use attention::Heads;
use buffer::Buffer;
use linear::{Axis, Codes, Linear, Part, Then};
use math::Norm;
use simd::Simd;

pub use kernel::Kernel;

use kernel::Processor;

use crate::ModelError;
use crate::config::BertConfig;
use crate::ops::Activation;
use crate::table::Table;
use crate::weights::Weights;

/// How many pieces go through a feed-forward block at once, so that what lies between its two layers stays in the cache.
const BLOCK: usize = 128;

/// A BERT whose layers are whole numbers.
pub(crate) struct Int8Bert {
    words: Table,
    /// For each position its embedding plus that of the first type, padded.
    positions: Vec<f32>,
    norm: Norm,
    layers: Vec<Layer>,
    heads: Heads,
    hidden: Axis,
    activation: Activation,
    processor: Processor,
    /// Memory of calls that are over, for those to come: as many as ran side by side.
    scratch: Mutex<Vec<Scratch>>,
}

struct Layer {
    qkv: Linear,
    attention_out: Linear,
    attention_norm: Norm,
    up: Linear,
    down: Linear,
    out_norm: Norm,
}

#[derive(Default)]
struct Scratch {
    rows: Buffer<f32>,
    wide: Buffer<f32>,
    attended: Buffer<f32>,
    codes: Codes,
    attention: attention::Scratch,
}

impl Int8Bert {
    /// `None` where the weights are not int8, or of a shape for which sums could overflow.
    pub(crate) fn load(weights: &Weights<'_>, config: &BertConfig, kernel: Kernel) -> Result<Option<Self>, ModelError> {
        let Some(processor) = Processor::new(kernel) else { return Ok(None) };
        let width = config.hidden / config.heads.max(1);
        let hidden = Axis::new(1, config.hidden);
        let heads = Axis::new(config.heads, width);
        let wide = Axis::new(1, config.intermediate);
        let fits = [hidden, heads, wide].iter().all(|axis| axis.padded() <= linear::MAX_DEPTH)
            && config.positions <= attention::MAX_LENGTH
            && width <= attention::MAX_WIDTH;
        if !fits {
            return Ok(None);
        }
        let norm = |name: &str| -> Result<Norm, ModelError> {
            let (gamma, beta) = weights.norm_values(name, config.hidden)?;
            Ok(Norm::new(&gamma, &beta, hidden.padded(), config.epsilon as f32))
        };
        let mut layers = Vec::new();
        for number in 0..config.layers {
            let name = |part: &str| format!("encoder.layer.{number}.{part}");
            let linear = |names: &[&str], inputs: Axis, outputs: Axis| -> Result<Option<Linear>, ModelError> {
                let part = |part: &&str| part_of(weights, &name(part), outputs.length(), inputs.length());
                let parts = names.iter().map(part).collect::<Result<Option<Vec<_>>, _>>()?;
                Ok(parts.map(|parts| Linear::pack(&parts, inputs, outputs)))
            };
            let qkv = ["attention.self.query", "attention.self.key", "attention.self.value"];
            let (Some(qkv), Some(attention_out), Some(up), Some(down)) = (
                linear(&qkv, hidden, heads)?,
                linear(&["attention.output.dense"], heads, hidden)?,
                linear(&["intermediate.dense"], hidden, wide)?,
                linear(&["output.dense"], wide, hidden)?,
            ) else {
                return Ok(None);
            };
            layers.push(Layer {
                qkv,
                attention_out,
                attention_norm: norm(&name("attention.output.LayerNorm"))?,
                up,
                down,
                out_norm: norm(&name("output.LayerNorm"))?,
            });
        }
        Ok(Some(Self {
            words: weights.table("embeddings.word_embeddings.weight", config.vocabulary, config.hidden)?,
            positions: weights.positions(config)?,
            norm: norm("embeddings.LayerNorm")?,
            layers,
            heads: Heads::new(config.heads, width),
            hidden,
            activation: config.activation,
            processor,
            scratch: Mutex::default(),
        }))
    }

    pub(crate) fn vocabulary(&self) -> usize {
        self.words.rows()
    }

    pub(crate) fn kernel(&self) -> Kernel {
        self.processor.kernel()
    }

    /// The vectors of all pieces, `[pieces, hidden]`, for texts given as the numbers of their pieces.
    pub(crate) fn forward(&self, texts: &[&[u32]]) -> Result<Vec<f32>, ModelError> {
        let pool = || self.scratch.lock().unwrap_or_else(PoisonError::into_inner);
        let mut scratch = pool().pop().unwrap_or_default();
        let rows = self.processor.run(self, texts, &mut scratch);
        pool().push(scratch);
        rows
    }

    fn encode<S: Simd>(&self, simd: S, texts: &[&[u32]], scratch: &mut Scratch) -> Result<Vec<f32>, ModelError> {
        let lengths: Vec<usize> = texts.iter().map(|text| text.len()).collect();
        let pieces = lengths.iter().sum::<usize>();
        let Scratch { rows, wide, attended, codes, attention } = scratch;
        let padded = self.hidden.padded();
        let rows = rows.take(pieces * padded);
        self.embed(texts, rows)?;
        self.norm.apply(simd, rows);
        for layer in &self.layers {
            let qkv = wide.take(pieces * layer.qkv.width());
            layer.qkv.apply(simd, rows, codes, Then::Store(Activation::Identity), qkv);
            let attended = attended.take(pieces * self.heads.width());
            self.heads.attend(simd, qkv, &lengths, attention, attended);
            layer.attention_out.apply(simd, attended, codes, Then::Add, rows);
            layer.attention_norm.apply(simd, rows);
            for rows in rows.chunks_mut(BLOCK * padded) {
                let up = wide.take(rows.len() / padded * layer.up.width());
                layer.up.apply(simd, rows, codes, Then::Store(self.activation), up);
                layer.down.apply(simd, up, codes, Then::Add, rows);
            }
            layer.out_norm.apply(simd, rows);
        }
        let hidden = self.hidden.length();
        if hidden == padded {
            return Ok(rows.to_vec());
        }
        Ok(rows.chunks_exact(padded).flat_map(|row| row.get(..hidden).unwrap_or_default()).copied().collect())
    }

    fn embed(&self, texts: &[&[u32]], rows: &mut [f32]) -> Result<(), ModelError> {
        let (hidden, padded) = (self.hidden.length(), self.hidden.padded());
        let mut rows = rows.chunks_exact_mut(padded);
        for text in texts {
            for ((piece, position), row) in text.iter().zip(self.positions.chunks_exact(hidden)).zip(&mut rows) {
                let (row, rest) = row.split_at_mut(hidden);
                self.words.gather(*piece, position, row)?;
                rest.fill(0.0);
            }
        }
        Ok(())
    }
}

fn part_of<'a>(
    weights: &Weights<'a>,
    name: &str,
    outputs: usize,
    inputs: usize,
) -> Result<Option<Part<'a>>, ModelError> {
    let Some((codes, scales)) = weights.codes(&format!("{name}.weight"), outputs, inputs)? else { return Ok(None) };
    Ok(Some(Part { codes, scales, bias: weights.floats(&format!("{name}.bias"), &[outputs])? }))
}
