//! Reading tensors from a safetensors file, in whatever numbers they are kept, as f32.
//!
//! A packed file (`model.int8.safetensors`) keeps each large matrix as int8, `[outputs, inputs]` row after row, and beside
//! it, under the name with `_scale` added, one f32 for each row: a weight is its int8 times the scale of its row.

use std::collections::HashMap;

use candle_core::{Device, Tensor};
use half::{bf16, f16};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};

use crate::ModelError;
use crate::config::BertConfig;
use crate::table::Table;

const FORMAT: &str = "mnemon-int8";
const FORMAT_VERSION: &str = "1";
const FLOATS: &str = "f32, f16, bf16, or int8 with scales";

/// The codes of a matrix, row after row, and the scale of each row.
pub(crate) type Codes<'a> = (&'a [u8], Vec<f32>);

/// The tensors of one file.
pub(crate) struct Weights<'a> {
    file: String,
    tensors: SafeTensors<'a>,
    metadata: HashMap<String, String>,
    prefix: &'static str,
    device: Device,
}

impl<'a> Weights<'a> {
    /// Reads the header; the sizes and places of all tensors are checked here.
    pub(crate) fn parse(file: String, bytes: &'a [u8], device: Device) -> Result<Self, ModelError> {
        let broken = |source| ModelError::Safetensors { file: file.clone(), source };
        let tensors = SafeTensors::deserialize(bytes).map_err(broken)?;
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(broken)?;
        let metadata = header.metadata().clone().unwrap_or_default();
        let known = "embeddings.word_embeddings.weight";
        let prefixes = ["", "bert.", "roberta.", "model.", "0.auto_model."];
        let prefix = prefixes.into_iter().find(|prefix| tensors.tensor(&format!("{prefix}{known}")).is_ok());
        Ok(Self { file, tensors, metadata, prefix: prefix.unwrap_or_default(), device })
    }

    /// Checks that the header names the packed format of this version.
    pub(crate) fn require_packed(&self) -> Result<(), ModelError> {
        let key = |key: &str| self.metadata.get(key).map_or("none", String::as_str);
        let (format, version) = (key("format"), key("format_version"));
        if (format, version) == (FORMAT, FORMAT_VERSION) {
            return Ok(());
        }
        let (expected, got) = (format!("{FORMAT} {FORMAT_VERSION}"), format!("{format} {version}"));
        Err(ModelError::Format { file: self.file.clone(), expected, got })
    }

    /// A value of the header.
    pub(crate) fn metadata(&self, key: &str) -> Option<&str> {
        self.metadata.get(key).map(String::as_str)
    }

    /// Several layers `[outputs, inputs]` side by side: their weights as one `[inputs, outputs of all]`, and their biases.
    pub(crate) fn linear(
        &self,
        names: &[String],
        outputs: usize,
        inputs: usize,
    ) -> Result<(Tensor, Tensor), ModelError> {
        let all = outputs.saturating_mul(names.len());
        // Sizes are from config.json: nothing is allocated before the file has proved to hold that much.
        let (mut weight, mut bias) = (Vec::new(), Vec::new());
        for (number, name) in names.iter().enumerate() {
            let values = self.floats(&format!("{name}.weight"), &[outputs, inputs])?;
            weight.resize(inputs * all, 0.0);
            transpose(&values, inputs, &mut weight, all, number * outputs);
            bias.extend(self.floats(&format!("{name}.bias"), &[outputs])?);
        }
        Ok((self.tensor(weight, &[inputs, all])?, self.tensor(bias, &[all])?))
    }

    /// The codes of a layer, `[outputs, inputs]`, and the scale of each output; `None` where it is not kept as int8 between
    /// -127 and 127.
    pub(crate) fn codes(&self, name: &str, outputs: usize, inputs: usize) -> Result<Option<Codes<'a>>, ModelError> {
        let view = self.view(name, &[outputs, inputs])?;
        let lowest = i8::MIN.cast_unsigned();
        if view.dtype() != Dtype::I8 || view.data().iter().fold(false, |found, code| found | (*code == lowest)) {
            return Ok(None);
        }
        Ok(Some((view.data(), self.scales(name, outputs)?)))
    }

    /// For each position from the first on, its embedding plus that of the first type: every piece of a text alone is of
    /// that type.
    pub(crate) fn positions(&self, config: &BertConfig) -> Result<Vec<f32>, ModelError> {
        let hidden = config.hidden;
        let mut positions = self.floats("embeddings.position_embeddings.weight", &[config.positions, hidden])?;
        positions.drain(..config.first_position.saturating_mul(hidden).min(positions.len()));
        let types = "embeddings.token_type_embeddings.weight";
        if config.types > 0 && self.has(types) {
            let types = self.floats(types, &[config.types, hidden])?;
            for row in positions.chunks_exact_mut(hidden) {
                row.iter_mut().zip(&types).for_each(|(value, add)| *value += add);
            }
        }
        Ok(positions)
    }

    /// A layer norm as `[2, width]`: gamma, then beta.
    pub(crate) fn norm(&self, name: &str, width: usize) -> Result<Tensor, ModelError> {
        let (mut values, beta) = self.norm_values(name, width)?;
        values.extend(beta);
        self.tensor(values, &[2, width])
    }

    /// Gamma and beta of a layer norm.
    pub(crate) fn norm_values(&self, name: &str, width: usize) -> Result<(Vec<f32>, Vec<f32>), ModelError> {
        let either = |new: &str, old: &str| {
            let old = format!("{name}.{old}");
            // The names of the first BERT files.
            let name = if self.has(&old) { old } else { format!("{name}.{new}") };
            self.floats(&name, &[width])
        };
        Ok((either("weight", "gamma")?, either("bias", "beta")?))
    }

    /// A table whose rows are gathered one by one: int8 stays int8.
    pub(crate) fn table(&self, name: &str, rows: usize, width: usize) -> Result<Table, ModelError> {
        let view = self.view(name, &[rows, width])?;
        if view.dtype() != Dtype::I8 {
            return Ok(Table::F32 { values: self.floats(name, &[rows, width])?, width });
        }
        let codes = view.data().iter().map(|byte| byte.cast_signed()).collect();
        Ok(Table::Int8 { codes, scales: self.scales(name, rows)?, width })
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.tensors.tensor(&format!("{}{name}", self.prefix)).is_ok()
    }

    /// The values of a tensor, which must have this shape.
    pub(crate) fn floats(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>, ModelError> {
        let view = self.view(name, shape)?;
        let data = view.data();
        let values: Vec<f32> = match view.dtype() {
            Dtype::F32 => data.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect(),
            Dtype::F16 => data.as_chunks().0.iter().map(|bytes| f16::from_le_bytes(*bytes).to_f32()).collect(),
            Dtype::BF16 => data.as_chunks().0.iter().map(|bytes| bf16::from_le_bytes(*bytes).to_f32()).collect(),
            Dtype::I8 => {
                let scales = self.scales(name, shape.first().copied().unwrap_or(0))?;
                let width = data.len().checked_div(scales.len()).unwrap_or(0).max(1);
                let mut values = Vec::with_capacity(data.len());
                for (row, scale) in data.chunks_exact(width).zip(scales) {
                    values.extend(row.iter().map(|byte| f32::from(byte.cast_signed()) * scale));
                }
                values
            }
            other => return Err(self.dtype(name, FLOATS, other)),
        };
        if all_finite(&values) {
            return Ok(values);
        }
        let found = values.iter().copied().find(|value| !value.is_finite()).unwrap_or(f32::NAN);
        Err(ModelError::NotFinite { file: self.file.clone(), tensor: self.full(name), found })
    }

    fn scales(&self, name: &str, rows: usize) -> Result<Vec<f32>, ModelError> {
        let name = format!("{name}_scale");
        let dtype = self.view(&name, &[rows])?.dtype();
        if dtype != Dtype::F32 {
            return Err(self.dtype(&name, "f32", dtype));
        }
        self.floats(&name, &[rows])
    }

    fn view(&self, name: &str, shape: &[usize]) -> Result<TensorView<'a>, ModelError> {
        let full = self.full(name);
        let missing = |_| ModelError::MissingTensor { file: self.file.clone(), tensor: full.clone() };
        let view = self.tensors.tensor(&full).map_err(missing)?;
        if view.shape() != shape {
            let (expected, found) = (shape.to_vec(), view.shape().to_vec());
            return Err(ModelError::Shape { file: self.file.clone(), tensor: full, expected, found });
        }
        Ok(view)
    }

    fn tensor(&self, values: Vec<f32>, shape: &[usize]) -> Result<Tensor, ModelError> {
        Tensor::from_vec(values, shape, &self.device)
            .map_err(|source| ModelError::Candle { doing: "put the weights on the device", source })
    }

    fn dtype(&self, name: &str, expected: &'static str, found: Dtype) -> ModelError {
        let (file, tensor) = (self.file.clone(), self.full(name));
        ModelError::Dtype { file, tensor, expected, found: format!("{found:?}").to_lowercase() }
    }

    fn full(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }
}

/// Writes `[outputs, inputs]` into columns `at..` of `[inputs, width]`, a few outputs at a time so that they stay in cache.
fn transpose(from: &[f32], inputs: usize, into: &mut [f32], width: usize, at: usize) {
    const OUTPUTS: usize = 16;
    let inputs = inputs.max(1);
    for (block, rows) in from.chunks(inputs * OUTPUTS).enumerate() {
        for (input, out) in into.chunks_exact_mut(width.max(1)).take(inputs).enumerate() {
            let slots = out.iter_mut().skip(at + block * OUTPUTS);
            slots.zip(rows.iter().skip(input).step_by(inputs)).for_each(|(slot, value)| *slot = *value);
        }
    }
}

/// Compares bits, which the compiler makes wide comparisons of: a search for the first would go one by one.
fn all_finite(values: &[f32]) -> bool {
    let largest = values.iter().fold(0, |largest, value| (value.to_bits() & i32::MAX as u32).max(largest));
    largest < f32::INFINITY.to_bits()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transposing_puts_layers_side_by_side() {
        let (outputs, inputs) = (70, 33);
        let from: Vec<f32> = (0..outputs * inputs).map(|i| i as f32).collect();
        let width = 2 * outputs;
        let mut into = vec![-1.0; inputs * width];
        transpose(&from, inputs, &mut into, width, outputs);
        for input in 0..inputs {
            for output in 0..outputs {
                assert_eq!(into[input * width + outputs + output], from[output * inputs + input]);
                assert_eq!(into[input * width + output], -1.0);
            }
        }
    }
}
