//! candle's own BERT in f32, used as its examples use it: padded batches, a mask, the mean of the pieces.

use std::path::Path;

use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;
use candle_transformers::models::bert::{BertModel, Config};
use tokenizers::{PaddingParams, Tokenizer, TruncationParams};

use super::{Encoder, by_length};
use crate::error::Error;

pub(super) struct Stock {
    model: BertModel,
    tokenizer: Tokenizer,
}

const MAX_PIECES: usize = 256;
const DIMENSION: usize = 384;

impl Stock {
    pub(super) fn load(folder: &Path) -> Result<Self, Error> {
        let weights = std::fs::read(folder.join("model.safetensors"));
        let weights = weights.map_err(|source| Error::File { file: folder.join("model.safetensors"), source })?;
        let config = std::fs::read_to_string(folder.join("config.json"));
        let config = config.map_err(|source| Error::File { file: folder.join("config.json"), source })?;
        let config: Config = serde_json::from_str(&config).map_err(Error::of("serde_json"))?;
        let weights = VarBuilder::from_buffered_safetensors(weights, DType::F32, &Device::Cpu);
        let model = BertModel::load(weights.map_err(Error::of("candle"))?, &config).map_err(Error::of("candle"))?;
        let mut tokenizer = Tokenizer::from_file(folder.join("tokenizer.json")).map_err(Error::of("tokenizers"))?;
        tokenizer.with_padding(Some(PaddingParams::default()));
        let truncation = TruncationParams { max_length: MAX_PIECES, ..TruncationParams::default() };
        tokenizer.with_truncation(Some(truncation)).map_err(Error::of("tokenizers"))?;
        Ok(Self { model, tokenizer })
    }

    fn forward(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>, Error> {
        let encoded = self.tokenizer.encode_batch(texts.to_vec(), true).map_err(Error::of("tokenizers"))?;
        let width = encoded.first().map_or(0, |encoding| encoding.len());
        let ids: Vec<u32> = encoded.iter().flat_map(|encoding| encoding.get_ids().to_vec()).collect();
        let mask: Vec<u32> = encoded.iter().flat_map(|encoding| encoding.get_attention_mask().to_vec()).collect();
        let pooled = || -> candle_core::Result<Vec<Vec<f32>>> {
            let shape = (texts.len(), width);
            let ids = Tensor::from_vec(ids, shape, &Device::Cpu)?;
            let mask = Tensor::from_vec(mask, shape, &Device::Cpu)?;
            let rows = self.model.forward(&ids, &ids.zeros_like()?, Some(&mask))?;
            let mask = mask.to_dtype(DType::F32)?.unsqueeze(2)?;
            let mean = rows.broadcast_mul(&mask)?.sum(1)?.broadcast_div(&mask.sum(1)?)?;
            mean.broadcast_div(&mean.sqr()?.sum_keepdim(1)?.sqrt()?)?.to_vec2()
        };
        pooled().map_err(Error::of("candle"))
    }
}

impl Encoder for Stock {
    fn batch_sizes(&self) -> &'static [usize] {
        &[1, 4, 16]
    }

    fn encode(&self, texts: &[&str], batch: usize) -> Result<Vec<f32>, Error> {
        let mut values = vec![0.0; texts.len() * DIMENSION];
        for group in by_length(texts).chunks(batch) {
            let group_texts: Vec<&str> = group.iter().filter_map(|&text| texts.get(text).copied()).collect();
            for (&text, vector) in group.iter().zip(self.forward(&group_texts)?) {
                if let Some(row) = values.get_mut(text * DIMENSION..(text + 1) * DIMENSION) {
                    row.copy_from_slice(&vector);
                }
            }
        }
        Ok(values)
    }
}
