//! Where the files of a model are read from.

use std::borrow::Cow;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::ModelError;

pub(crate) const F32_WEIGHTS: &str = "model.safetensors";
pub(crate) const INT8_WEIGHTS: &str = "model.int8.safetensors";
pub(crate) const CONFIG: &str = "config.json";
pub(crate) const TOKENIZER: &str = "tokenizer.json";
pub(crate) const SUMS: &str = "SHA256SUMS";

/// The name of the model that ships with Mnemon.
pub const DEFAULT_MODEL: &str = "all-MiniLM-L6-v2";

/// A place that holds a model.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ModelSource {
    /// A folder with config.json, tokenizer.json and model.safetensors (f32, f16 or bf16; taken first) or
    /// model.int8.safetensors.
    Folder(PathBuf),
    /// The packed MiniLM inside the binary. Needs the feature `embedded-model`.
    Embedded,
}

impl ModelSource {
    /// The bytes of a file; `None` where there is no such file.
    pub(crate) fn read(&self, name: &str) -> Result<Option<Cow<'static, [u8]>>, ModelError> {
        match self {
            Self::Folder(folder) => match std::fs::read(folder.join(name)) {
                Ok(bytes) => Ok(Some(Cow::Owned(bytes))),
                Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
                Err(source) => Err(ModelError::Read { file: self.describe(name), source }),
            },
            Self::Embedded => embedded(name),
        }
    }

    pub(crate) fn require(&self, name: &'static str) -> Result<Cow<'static, [u8]>, ModelError> {
        self.read(name)?.ok_or_else(|| ModelError::MissingFile { expected: name, place: self.describe("") })
    }

    /// The weights, and which of the two files they are.
    pub(crate) fn weights(&self) -> Result<(&'static str, Cow<'static, [u8]>), ModelError> {
        for name in [F32_WEIGHTS, INT8_WEIGHTS] {
            if let Some(bytes) = self.read(name)? {
                return Ok((name, bytes));
            }
        }
        let expected = "model.safetensors or model.int8.safetensors";
        Err(ModelError::MissingFile { expected, place: self.describe("") })
    }

    /// A file of this source in words, for messages.
    pub(crate) fn describe(&self, name: &str) -> String {
        match self {
            Self::Folder(folder) if name.is_empty() => folder.display().to_string(),
            Self::Folder(folder) => folder.join(name).display().to_string(),
            Self::Embedded if name.is_empty() => "the model inside the binary".to_owned(),
            Self::Embedded => format!("{name} inside the binary"),
        }
    }

    /// What people call the model: the name of its folder. In a cache of snapshots that are named by hashes, `None`.
    pub(crate) fn name(&self) -> Option<String> {
        match self {
            Self::Folder(folder) => {
                let name = folder.canonicalize().ok()?.file_name()?.to_string_lossy().into_owned();
                let is_hash = name.len() >= 32 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
                (!is_hash).then_some(name)
            }
            Self::Embedded => Some(DEFAULT_MODEL.to_owned()),
        }
    }
}

/// What a folder lacks to be a model; `None` when it lacks nothing.
pub(crate) fn lacks(folder: &Path) -> Option<String> {
    if !folder.is_dir() {
        return Some(if folder.exists() { "it is no folder".to_owned() } else { "it does not exist".to_owned() });
    }
    let missing = |name: &&&str| !folder.join(name).is_file();
    let mut lacking: Vec<&str> = [CONFIG, TOKENIZER].iter().filter(missing).copied().collect();
    if [F32_WEIGHTS, INT8_WEIGHTS].iter().all(|name| missing(&name)) {
        lacking.push("model.safetensors or model.int8.safetensors");
    }
    (!lacking.is_empty()).then(|| format!("it lacks {}", lacking.join(", ")))
}

#[cfg(feature = "embedded-model")]
fn embedded(name: &str) -> Result<Option<Cow<'static, [u8]>>, ModelError> {
    let file = mnemon_models::ALL_MINILM_L6_V2.iter().find(|(known, _)| *known == name);
    Ok(file.map(|(_, bytes)| Cow::Borrowed(*bytes)))
}

#[cfg(not(feature = "embedded-model"))]
fn embedded(_: &str) -> Result<Option<Cow<'static, [u8]>>, ModelError> {
    Err(ModelError::NotEmbedded)
}
