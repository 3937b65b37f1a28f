//! Why a model could not be packed or verified.

use std::path::PathBuf;

/// A model that could not be packed or verified.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum ToolError {
    #[error("cannot read {}", path.display())]
    Read { path: PathBuf, source: std::io::Error },
    #[error("cannot write {}", path.display())]
    Write { path: PathBuf, source: std::io::Error },
    #[error("expected {} to be a whole safetensors file", path.display())]
    Safetensors { path: PathBuf, source: safetensors::SafeTensorError },
    #[error("expected {} to be JSON", path.display())]
    Json { path: PathBuf, source: serde_json::Error },
    #[error("expected f32 in the tensor {tensor}, found {found}")]
    Dtype { tensor: String, found: String },
    #[error("expected finite numbers in the tensor {tensor}, found {found}")]
    NotFinite { tensor: String, found: f32 },
    #[error("expected the table of words and at least one layer in {}, found neither or only one", path.display())]
    NotAnEncoder { path: PathBuf },
    #[error("expected lines of 64 hexadecimal digits, two spaces and a file name in SHA256SUMS, got {got:?}")]
    Sums { got: String },
    #[error("expected {file} to have the SHA-256 {expected}, found {found}")]
    Checksum { file: String, expected: String, found: String },
}
