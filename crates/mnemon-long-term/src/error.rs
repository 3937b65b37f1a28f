//! What can go wrong with long-term memory.

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
}
