//! What can go wrong with long-term memory.

use mnemon_core::ModelId;
use mnemon_index::IndexError;
use mnemon_select::SelectError;
use mnemon_store::StoreError;

/// What can go wrong with long-term memory. A model that fails is no error: see
/// [`Degradation`](crate::Degradation).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LongTermError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A vector that was read from the store does not fit the index.
    #[error("the vector index refused what the store holds")]
    Index(#[from] IndexError),
    /// The hits cannot be chosen as asked.
    #[error("the hits cannot be chosen")]
    Select(#[from] SelectError),
    /// The file serves with another model. Vectors of two models cannot be compared.
    #[error(
        "expected the embedding model of the memory file, {file} ({expected} values), got {model} ({got} values): open it with \
         that model, or change the file to this one with `re_embed` or `mnemon model change`"
    )]
    OtherModel {
        /// The model that the file serves with.
        file: Box<ModelId>,
        /// The dimension of its vectors.
        expected: usize,
        /// The model that came.
        model: Box<ModelId>,
        /// The dimension of its vectors.
        got: usize,
    },
    /// A model has the name of the one that the file serves with, and vectors of another dimension.
    #[error(
        "expected vectors of {expected} values from the embedding model {model}, as the memory file has them, got {got}: open \
         it with the model that made them, or give this one a name or revision of its own and change the file to it with \
         `re_embed`"
    )]
    WrongDimension {
        /// The model.
        model: Box<ModelId>,
        /// The dimension of the vectors in the file.
        expected: usize,
        /// The dimension of the model that came.
        got: usize,
    },
    /// A change to another model came to a stop, because that model failed. What it embedded is kept.
    #[error("the memory file serves with its old embedding model still, because {model} failed: {problem}")]
    ModelFailed {
        /// The new model.
        model: Box<ModelId>,
        /// What it did wrong.
        problem: String,
    },
    /// A change to another model ended, because somebody began a change to a third one meanwhile.
    #[error("the change to the embedding model {model} was given up: somebody began a change to another one meanwhile")]
    OtherChange {
        /// The model that is not changed to any more.
        model: Box<ModelId>,
    },
}
