//! The graph: built from a snapshot, without the index, and searched by node.
//!
//! Only `hnsw.rs` knows the crate that builds it. What leaves this module is nodes, ids and similarities.

mod hnsw;
mod params;

use std::collections::HashMap;

use crate::codes::{Codes, Quantised};

use hnsw::Hnsw;
pub use params::GraphParams;

/// A snapshot of an index, ready to become a graph. Made by [`VectorIndex::graph_job`](crate::VectorIndex::graph_job).
///
/// It shares the memory of the vectors with the index and borrows nothing, so that it can be built on another thread
/// while the index is searched and changed.
#[derive(Debug)]
pub struct GraphJob {
    pub(crate) dimension: usize,
    pub(crate) codes: Codes,
    /// Slot in `codes` and id of each row.
    pub(crate) rows: Vec<(u32, i64)>,
    pub(crate) params: GraphParams,
}

/// A hierarchical navigable small world graph over the vectors of a snapshot, to be given to
/// [`VectorIndex::install`](crate::VectorIndex::install).
///
/// Vectors with the same codes share one node: a thousand copies of one vector would otherwise fill each other's lists
/// of neighbours and cut the rest of the graph off.
#[derive(Debug)]
pub struct Graph {
    dimension: usize,
    hnsw: Hnsw,
    /// The ids of node `n` are `ids[starts[n]..starts[n + 1]]`.
    starts: Vec<u32>,
    ids: Vec<i64>,
}

impl GraphJob {
    /// How many rows the snapshot holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether the snapshot holds no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Builds the graph.
    ///
    /// Cost: 1 to 2 ms of one core a row (20,000 to 100,000 rows of 384 dimensions) at the default parameters. With [`GraphParams::parallel`] it runs on the
    /// rayon pool of the calling thread; without, on the calling thread, and gives the same graph every time.
    #[must_use]
    pub fn build(self) -> Graph {
        let mut node_of = HashMap::with_capacity(self.rows.len());
        let mut nodes: Vec<u32> = Vec::with_capacity(self.rows.len());
        let mut rows: Vec<(u32, i64)> = Vec::with_capacity(self.rows.len());
        for &(slot, id) in &self.rows {
            let Some((blocks, _)) = self.codes.row(slot) else { continue };
            let node = *node_of.entry(blocks).or_insert_with(|| {
                nodes.push(slot);
                nodes.len() as u32 - 1
            });
            rows.push((node, id));
        }
        drop(node_of);
        rows.sort_unstable();
        let mut starts = vec![0; nodes.len() + 1];
        for (node, _) in &rows {
            starts[*node as usize + 1] += 1;
        }
        for i in 1..starts.len() {
            starts[i] += starts[i - 1];
        }
        Graph {
            dimension: self.dimension,
            hnsw: Hnsw::build(self.codes, nodes, &self.params),
            starts,
            ids: rows.into_iter().map(|(_, id)| id).collect(),
        }
    }
}

impl Graph {
    pub(crate) fn dimension(&self) -> usize {
        self.dimension
    }

    /// How many different vectors the graph holds.
    #[must_use]
    pub fn nodes(&self) -> usize {
        self.starts.len() - 1
    }

    /// Bytes held beside the vectors themselves, estimated.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.hnsw.memory_bytes() + self.starts.capacity() * 4 + self.ids.capacity() * 8
    }

    /// The rows that a node stands for, as they were in the snapshot.
    pub(crate) fn ids(&self, node: u32) -> &[i64] {
        let node = node as usize;
        match (self.starts.get(node), self.starts.get(node + 1)) {
            (Some(start), Some(end)) => self.ids.get(*start as usize..*end as usize).unwrap_or_default(),
            _ => &[],
        }
    }

    /// The vector that a node stands for, or `None` where no search can reach the node.
    pub(crate) fn vector(&self, node: u32) -> Option<(&[crate::kernel::Block], f32)> {
        self.hnsw.reachable(node)
    }

    /// Up to `ef` nodes near to `query`, the nearest first, with their similarity.
    pub(crate) fn search(&self, query: &Quantised, ef: usize) -> Vec<(u32, f32)> {
        self.hnsw.search(query, ef)
    }

    /// The ef to search with where the request names none.
    pub(crate) fn ef_search(&self) -> usize {
        self.hnsw.ef_search()
    }
}
