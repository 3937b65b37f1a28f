//! Why a model could not be found, loaded or run.

use std::error::Error;
use std::fmt;
use std::path::PathBuf;

/// A model that could not be found, loaded or run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// No place holds a model.
    #[error("expected an embedding model in one of these places, found none: {looked}")]
    NotFound {
        /// Every place that was looked at, in that order, and why it would not do.
        looked: Places,
    },
    /// A place that somebody named holds no model.
    #[error(
        "expected a folder with config.json, tokenizer.json and model.safetensors or model.int8.safetensors as {named_by}, got {}: {why}",
        path.display()
    )]
    NotAModel {
        /// Who named it: the caller, or which variable.
        named_by: &'static str,
        /// The place.
        path: PathBuf,
        /// What is missing there.
        why: String,
    },
    /// The model that a build can carry inside was asked for, and this build does not carry it.
    #[error("expected a build with the feature embedded-model, got one that carries no model inside")]
    NotEmbedded,
    /// A file that cannot be read.
    #[error("cannot read {file} of the model")]
    Read {
        /// The file.
        file: String,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// A file that a model needs and this one lacks.
    #[error("expected the model to hold {expected}, found none in {place}")]
    MissingFile {
        /// Which file or files would do.
        expected: &'static str,
        /// Where it was looked for.
        place: String,
    },
    /// JSON that is not what it should be.
    #[error("expected {file} of the model to be JSON of the known form")]
    Json {
        /// The file.
        file: String,
        /// What the parser said, with line and column.
        #[source]
        source: serde_json::Error,
    },
    /// A setting whose value cannot be used.
    #[error("expected {expected} as {setting} in {file}, got {got}")]
    Setting {
        /// The file.
        file: String,
        /// The key.
        setting: &'static str,
        /// What would do.
        expected: String,
        /// What came.
        got: String,
    },
    /// A tokenizer that cannot be read, or that failed on a text.
    #[error("cannot use the tokenizer of {file}")]
    Tokenizer {
        /// The file.
        file: String,
        /// What the tokenizer said.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// A weights file that is truncated or is none.
    #[error("expected {file} to be a whole safetensors file")]
    Safetensors {
        /// The file.
        file: String,
        /// What the parser said.
        #[source]
        source: safetensors::SafeTensorError,
    },
    /// A packed file of a format that this version does not read.
    #[error("expected {file} to be packed in the format {expected}, got {got}")]
    Format {
        /// The file.
        file: String,
        /// What this version reads.
        expected: String,
        /// What the header says.
        got: String,
    },
    /// A tensor that the model needs and the file lacks.
    #[error("expected the tensor {tensor} in {file}, found none")]
    MissingTensor {
        /// The file.
        file: String,
        /// The tensor.
        tensor: String,
    },
    /// A tensor of another shape than config.json says.
    #[error("expected the tensor {tensor} in {file} to have the shape {expected:?}, found {found:?}")]
    Shape {
        /// The file.
        file: String,
        /// The tensor.
        tensor: String,
        /// The shape that follows from config.json.
        expected: Vec<usize>,
        /// The shape in the file.
        found: Vec<usize>,
    },
    /// A tensor of numbers that this crate does not read.
    #[error("expected the tensor {tensor} in {file} to hold {expected}, found {found}")]
    Dtype {
        /// The file.
        file: String,
        /// The tensor.
        tensor: String,
        /// The kinds that are read.
        expected: &'static str,
        /// The kind in the file.
        found: String,
    },
    /// Weights that are not numbers.
    #[error("expected finite numbers in the tensor {tensor} of {file}, found {found}")]
    NotFinite {
        /// The file.
        file: String,
        /// The tensor.
        tensor: String,
        /// The first value that is none.
        found: f32,
    },
    /// A file that is not the one that was summed up in SHA256SUMS.
    #[error("expected {file} to have the SHA-256 {expected}, found {found}")]
    Checksum {
        /// The file.
        file: String,
        /// The sum of SHA256SUMS.
        expected: String,
        /// The sum of the file.
        found: String,
    },
    /// A line of SHA256SUMS that is none.
    #[error("expected lines of 64 hexadecimal digits, two spaces and a file name in SHA256SUMS, got {got:?}")]
    ChecksumSyntax {
        /// The line.
        got: String,
    },
    /// An encoder that there is not, or that this processor cannot run.
    #[error("expected {expected} as the encoder, got {got}")]
    Encoder {
        /// What would do.
        expected: String,
        /// What was asked for.
        got: String,
    },
    /// A token that the table of the model does not have.
    #[error("expected token numbers below {rows}, the rows of the word table, got {token} from the tokenizer")]
    Token {
        /// The token.
        token: u32,
        /// How many rows the table has.
        rows: usize,
    },
    /// A vector that came out as not a number.
    #[error("expected finite vectors, got one that is not for text {text} of the batch: the weights are damaged")]
    Output {
        /// Which text of the batch.
        text: usize,
    },
    /// candle failed: a device that is not there, or no memory left.
    #[error("candle failed to {doing}")]
    Candle {
        /// What it was asked to do.
        doing: &'static str,
        /// What it said.
        #[source]
        source: candle_core::Error,
    },
}

/// Places that were looked at, each with what was wrong with it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Places(pub Vec<(String, String)>);

impl fmt::Display for Places {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, (place, why)) in self.0.iter().enumerate() {
            let separator = if number == 0 { "" } else { "; " };
            write!(f, "{separator}{place} ({why})")?;
        }
        Ok(())
    }
}
