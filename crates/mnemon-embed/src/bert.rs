//! The encoder: word, position and type embeddings, then layers of attention and feed-forward blocks.
//!
//! The pieces of all texts of a batch lie one after the other in one matrix, without padding. Each layer multiplies it
//! with one fused matrix for query, key and value; weights are transposed once at load, so that products read them in
//! the order in which they lie in memory.

use candle_core::{Device, Tensor};

use crate::ModelError;
use crate::config::BertConfig;
use crate::kernels::Heads;
use crate::ops::{self, Activation};
use crate::table::Table;
use crate::weights::Weights;

pub(crate) struct Bert {
    words: Table,
    /// For each position, its embedding plus that of the first type: every piece of a text alone is of that type.
    positions: Vec<f32>,
    norm: Tensor,
    layers: Vec<Layer>,
    heads: usize,
    hidden: usize,
    activation: Activation,
    epsilon: f64,
    device: Device,
}

struct Layer {
    qkv: (Tensor, Tensor),
    attention_out: (Tensor, Tensor),
    attention_norm: Tensor,
    up: (Tensor, Tensor),
    down: (Tensor, Tensor),
    out_norm: Tensor,
}

impl Bert {
    pub(crate) fn load(weights: &Weights<'_>, config: &BertConfig, device: &Device) -> Result<Self, ModelError> {
        let hidden = config.hidden;
        let words = weights.table("embeddings.word_embeddings.weight", config.vocabulary, hidden)?;
        let layers = (0..config.layers).map(|number| Layer::load(weights, config, number));
        Ok(Self {
            words,
            positions: weights.positions(config)?,
            norm: weights.norm("embeddings.LayerNorm", hidden)?,
            layers: layers.collect::<Result<_, _>>()?,
            heads: config.heads,
            hidden,
            activation: config.activation,
            epsilon: config.epsilon,
            device: device.clone(),
        })
    }

    pub(crate) fn vocabulary(&self) -> usize {
        self.words.rows()
    }

    /// The vectors of all pieces, `[pieces, hidden]`, for texts given as the numbers of their pieces.
    pub(crate) fn forward(&self, texts: &[&[u32]]) -> Result<Vec<f32>, ModelError> {
        let lengths: Vec<usize> = texts.iter().map(|text| text.len()).collect();
        let inputs = self.embed(texts, lengths.iter().sum())?;
        self.encode(inputs, &lengths).map_err(|source| ModelError::Candle { doing: "run the encoder", source })
    }

    fn embed(&self, texts: &[&[u32]], pieces: usize) -> Result<Vec<f32>, ModelError> {
        let mut inputs = vec![0.0; pieces * self.hidden];
        let mut rows = inputs.chunks_exact_mut(self.hidden);
        for text in texts {
            for ((piece, position), row) in text.iter().zip(self.positions.chunks_exact(self.hidden)).zip(&mut rows) {
                self.words.gather(*piece, position, row)?;
            }
        }
        Ok(inputs)
    }

    fn encode(&self, inputs: Vec<f32>, lengths: &[usize]) -> candle_core::Result<Vec<f32>> {
        let pieces = lengths.iter().sum::<usize>();
        let inputs = Tensor::from_vec(inputs, (pieces, self.hidden), &self.device)?;
        let heads = Heads { lengths, heads: self.heads, hidden: self.hidden };
        let mut x = ops::add_norm(&inputs, &inputs.zeros_like()?, &self.norm, self.epsilon)?;
        for layer in &self.layers {
            let linear = |x: &Tensor, (weight, bias): &(Tensor, Tensor), act| ops::linear(x, weight, bias, act);
            let attended = ops::attention(&linear(&x, &layer.qkv, Activation::Identity)?, heads)?;
            let attended = linear(&attended, &layer.attention_out, Activation::Identity)?;
            x = ops::add_norm(&attended, &x, &layer.attention_norm, self.epsilon)?;
            let up = linear(&x, &layer.up, self.activation)?;
            let down = linear(&up, &layer.down, Activation::Identity)?;
            x = ops::add_norm(&down, &x, &layer.out_norm, self.epsilon)?;
        }
        x.flatten_all()?.to_vec1()
    }
}

impl Layer {
    fn load(weights: &Weights<'_>, config: &BertConfig, number: usize) -> Result<Self, ModelError> {
        let (hidden, wide) = (config.hidden, config.intermediate);
        let name = |part: &str| format!("encoder.layer.{number}.{part}");
        let qkv = ["query", "key", "value"].map(|part| name(&format!("attention.self.{part}")));
        Ok(Self {
            qkv: weights.linear(&qkv, hidden, hidden)?,
            attention_out: weights.linear(&[name("attention.output.dense")], hidden, hidden)?,
            attention_norm: weights.norm(&name("attention.output.LayerNorm"), hidden)?,
            up: weights.linear(&[name("intermediate.dense")], wide, hidden)?,
            down: weights.linear(&[name("output.dense")], hidden, wide)?,
            out_norm: weights.norm(&name("output.LayerNorm"), hidden)?,
        })
    }
}
