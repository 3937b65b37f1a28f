//! Which rows of a matrix of vectors to take: k-means representatives, maximal marginal relevance, and what is
//! redundant with something that is kept already.
//!
//! Pure functions over [`ndarray`] views with one vector a row. Nothing here knows what a row stands for, embeds text
//! or keeps state; equal input and seed give equal output on every machine with IEEE arithmetic.
//! [`k_means_diverse`] shares its work among the threads of the current rayon pool, the others run on the caller's.
//!
//! A selection of `k` of `n` rows always has exactly `min(k, n)` distinct indices. An empty matrix, `k = 0`, rows
//! without columns and exact duplicates are no errors.
//!
//! ```
//! use mnemon_select::{drop_redundant, k_means_diverse};
//! use ndarray::array;
//!
//! let rows = array![[1.0, 0.0], [0.99, 0.1], [0.0, 1.0], [0.1, 0.99]];
//! let chosen = k_means_diverse(rows.view(), 2, 42)?;
//! assert!(chosen[0] < 2 && chosen[1] >= 2, "one of each pair, in the order of the rows");
//!
//! // Best first. Row 1 says what row 0 says already; the others stay.
//! let pruned = drop_redundant(rows.view(), &[0, 1, 2], 0.95)?;
//! assert_eq!(pruned.kept, [0, 2]);
//! assert_eq!(pruned.dropped[0].like, 0);
//! # Ok::<(), mnemon_select::SelectError>(())
//! ```

mod cosine;
mod diverse;
mod error;
mod mmr;
mod redundancy;

pub use diverse::k_means_diverse;
pub use error::SelectError;
pub use mmr::mmr;
pub use redundancy::{Dropped, Pruned, drop_redundant, mean_redundancy, redundancy};
