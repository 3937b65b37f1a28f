//! Vector search in memory: an exact scan over int8 codes while vectors are few, and a graph (HNSW) over most of them,
//! merged with a scan of the rest, when they are many.
//!
//! The index is a cache over a store that holds the full vectors. It does no IO and knows no SQL. It starts no thread;
//! building a graph runs on the rayon pool of the thread that builds it, unless told otherwise. What a caller may not see
//! is named by partition, and is left out inside the search, never after ranking.
//!
//! Similarities come from int8 codes, ranked by a query of 15 bits a value: good to about 0.0005. They are the same on
//! every processor. A whole index can be turned into bytes and back.
//!
//! ```
//! use mnemon_index::{GraphParams, Search, VectorIndex, oversample, rerank};
//!
//! let vectors = [[0.9, 0.1, 0.0], [0.8, 0.2, 0.1], [0.0, 0.0, 1.0], [1.0, 0.0, 0.0]];
//! let mut index = VectorIndex::new(3)?;
//! for (id, vector) in (1..).zip(&vectors) {
//!     index.insert(id, if id == 4 { 8 } else { 7 }, vector)?;
//! }
//!
//! // Row 4 would be nearest, but it is in partition 8.
//! let query = [1.0, 0.0, 0.0];
//! let search = Search { partitions: Some(&[7]), ..Search::new(&query, oversample(2)) };
//! let candidates = index.search(&search)?;
//! let fetched = candidates.iter().map(|c| (c.id, vectors[c.id as usize - 1]));
//! let best = rerank(&query, 2, fetched)?;
//! assert_eq!(best.iter().map(|c| c.id).collect::<Vec<_>>(), [1, 2]);
//!
//! // When `graph_due` says so, the owner builds a graph, best on another thread.
//! assert!(!index.graph_due());
//! let job = index.graph_job(GraphParams::default())?;
//! let graph = std::thread::spawn(move || job.build()).join().unwrap();
//! index.insert(5, 7, &[0.5, 0.5, 0.0])?;
//! index.install(graph)?;
//! assert_eq!(index.stats().in_graph, 4);
//!
//! // Saved, and read again: checked, and as fast as a copy.
//! let saved: Vec<Vec<u8>> = index.to_parts().collect();
//! assert_eq!(VectorIndex::from_parts(&saved)?.search(&search)?, index.search(&search)?);
//! # Ok::<(), mnemon_index::IndexError>(())
//! ```

mod bits;
mod codes;
mod error;
mod graph;
mod ids;
mod index;
mod kernel;
mod parts;
mod query;
mod rerank;
mod rows;
mod search;
mod terms;
mod top;

pub use error::IndexError;
pub use graph::{Graph, GraphJob, GraphParams};
pub use index::{IndexStats, VectorIndex};
pub use kernel::kernel_name;
pub use parts::{Parts, PartsReader};
pub use query::PreparedQuery;
pub use rerank::{oversample, rerank};
pub use search::{Method, Search};
pub use terms::{TermHit, TermIndex};
pub use top::Candidate;
