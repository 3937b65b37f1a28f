//! Packing: large matrices become int8, the rest stays as it is, and the header says where all of it came from.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};

use crate::error::ToolError;
use crate::quantize::{Quantized, quantize};
use crate::sums::{self, FILES};

const WEIGHTS: &str = "model.safetensors";
const PACKED: &str = "model.int8.safetensors";
const WORDS: &str = "embeddings.word_embeddings.weight";

/// Packs the model of one folder into another. What the encoder does not use (position numbers, the pooler of the
/// pre-training) is left out.
pub(crate) fn pack(from: &Path, to: &Path, name: &str) -> Result<String, ToolError> {
    let path = from.join(WEIGHTS);
    let source = sums::read(&path)?;
    let broken = |source| ToolError::Safetensors { path: path.clone(), source };
    let tensors = SafeTensors::deserialize(&source).map_err(broken)?;
    let parts = parts(&tensors)?;
    let is_layer = |name: &str| name.starts_with("encoder.layer.") && name.ends_with("_scale");
    if !parts.iter().any(|part| part.name == WORDS) || !parts.iter().any(|part| is_layer(&part.name)) {
        return Err(ToolError::NotAnEncoder { path });
    }
    let mut views = Vec::with_capacity(parts.len());
    for part in &parts {
        let view = TensorView::new(part.dtype, part.shape.clone(), &part.bytes).map_err(broken)?;
        views.push((part.name.as_str(), view));
    }
    let metadata = HashMap::from([
        ("format".to_owned(), "mnemon-int8".to_owned()),
        ("format_version".to_owned(), "1".to_owned()),
        ("name".to_owned(), name.to_owned()),
        ("source".to_owned(), format!("sentence-transformers/{name}")),
        ("source_sha256".to_owned(), sums::sha256(&source)),
        ("weights_sha256".to_owned(), sums::sha256(&parts.iter().flat_map(Part::summed).collect::<Vec<u8>>())),
    ]);
    let packed = sorted(safetensors::serialize(views, Some(metadata)).map_err(broken)?)
        .map_err(|source| ToolError::Json { path: path.clone(), source })?;
    write(&to.join(PACKED), &packed)?;
    for file in FILES.into_iter().filter(|file| from.join(file).is_file()) {
        write(&to.join(file), &sums::read(&from.join(file))?)?;
    }
    Ok(format!("packed {} tensors of {name}: {} bytes became {}", parts.len(), source.len(), packed.len()))
}

struct Part {
    name: String,
    dtype: Dtype,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

impl Part {
    fn summed(&self) -> impl Iterator<Item = u8> + '_ {
        self.name.bytes().chain(self.bytes.iter().copied())
    }
}

/// The tensors of the packed file, sorted by name, so that the same source always gives the same file.
fn parts(tensors: &SafeTensors<'_>) -> Result<Vec<Part>, ToolError> {
    let mut parts = Vec::new();
    let used = |name: &str| !name.starts_with("pooler.") && !name.ends_with("position_ids");
    for (name, view) in tensors.iter().filter(|(name, _)| used(name)) {
        let values = floats(name, &view)?;
        let shape = view.shape().to_vec();
        let width = shape.last().copied().unwrap_or(0);
        let is_matrix = name == WORDS || (name.starts_with("encoder.") && shape.len() == 2);
        if is_matrix {
            let Quantized { codes, scales } = quantize(&values, width);
            let scale = Part {
                name: format!("{name}_scale"),
                dtype: Dtype::F32,
                shape: vec![scales.len()],
                bytes: scales.iter().flat_map(|scale| scale.to_le_bytes()).collect(),
            };
            let bytes = codes.iter().map(|code| code.cast_unsigned()).collect();
            parts.extend([Part { name: name.to_owned(), dtype: Dtype::I8, shape, bytes }, scale]);
        } else {
            parts.push(Part { name: name.to_owned(), dtype: Dtype::F32, shape, bytes: view.data().to_vec() });
        }
    }
    parts.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(parts)
}

fn floats(name: &str, view: &TensorView<'_>) -> Result<Vec<f32>, ToolError> {
    if view.dtype() != Dtype::F32 {
        return Err(ToolError::Dtype { tensor: name.to_owned(), found: format!("{:?}", view.dtype()) });
    }
    let values: Vec<f32> = view.data().as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
    match values.iter().find(|value| !value.is_finite()) {
        Some(&found) => Err(ToolError::NotFinite { tensor: name.to_owned(), found }),
        None => Ok(values),
    }
}

/// The same file with the keys of its header in order: safetensors writes its metadata in the order of a hash map, and
/// the same model must always give the same bytes.
fn sorted(file: Vec<u8>) -> Result<Vec<u8>, serde_json::Error> {
    let (length, rest) = file.split_at_checked(8).unwrap_or_default();
    let length = length.try_into().map_or(0, u64::from_le_bytes);
    let (header, data) = rest.split_at_checked(usize::try_from(length).unwrap_or(0)).unwrap_or_default();
    let header: BTreeMap<String, BTreeMap<String, serde_json::Value>> = serde_json::from_slice(header)?;
    let mut header = serde_json::to_vec(&header)?;
    // Data starts at a multiple of 64 bytes, as wide registers like it.
    header.resize((header.len() + 8).next_multiple_of(64) - 8, b' ');
    let mut out = (header.len() as u64).to_le_bytes().to_vec();
    out.extend_from_slice(&header);
    out.extend_from_slice(data);
    Ok(out)
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), ToolError> {
    let failed = |source| ToolError::Write { path: path.to_owned(), source };
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(failed)?;
    }
    std::fs::write(path, bytes).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model(folder: &Path, word: f32) {
        let words: Vec<u8> = [word, -2.0, 0.5, 1.0].iter().flat_map(|value: &f32| value.to_le_bytes()).collect();
        let view = |shape: Vec<usize>| TensorView::new(Dtype::F32, shape, &words).unwrap();
        let tensors = [
            (WORDS, view(vec![2, 2])),
            ("encoder.layer.0.output.dense.weight", view(vec![1, 4])),
            ("encoder.layer.0.output.dense.bias", view(vec![4])),
            ("pooler.dense.weight", view(vec![2, 2])),
        ];
        std::fs::write(folder.join(WEIGHTS), safetensors::serialize(tensors, None).unwrap()).unwrap();
        std::fs::write(folder.join("config.json"), "{}").unwrap();
    }

    #[test]
    fn a_model_is_packed_the_same_each_time() {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path(), folder.path().join("to"));
        model(from, 1.0);
        pack(from, &to, "tiny").unwrap();
        let first = std::fs::read(to.join(PACKED)).unwrap();
        pack(from, &to, "tiny").unwrap();
        assert_eq!(first, std::fs::read(to.join(PACKED)).unwrap());
        let packed = SafeTensors::deserialize(&first).unwrap();
        assert!(packed.tensor("pooler.dense.weight").is_err());
        let words = packed.tensor(WORDS).unwrap();
        assert_eq!((words.dtype(), words.data()), (Dtype::I8, &[64, 129, 64, 127][..]));
        assert_eq!(packed.tensor(&format!("{WORDS}_scale")).unwrap().shape(), [2]);
        assert_eq!(packed.tensor("encoder.layer.0.output.dense.bias").unwrap().dtype(), Dtype::F32);
        assert!(to.join("config.json").is_file());
    }

    #[test]
    fn what_is_no_encoder_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let packed = || pack(folder.path(), &folder.path().join("to"), "tiny").unwrap_err().to_string();
        assert!(packed().starts_with("cannot read"), "{}", packed());
        std::fs::write(folder.path().join(WEIGHTS), "no").unwrap();
        assert!(packed().ends_with("to be a whole safetensors file"), "{}", packed());
        model(folder.path(), f32::NAN);
        assert!(packed().ends_with("found NaN"), "{}", packed());
        let nothing: [(&str, TensorView<'_>); 0] = [];
        std::fs::write(folder.path().join(WEIGHTS), safetensors::serialize(nothing, None).unwrap()).unwrap();
        assert!(packed().starts_with("expected the table of words"), "{}", packed());
    }
}
