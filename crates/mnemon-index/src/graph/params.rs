//! How a graph is built.

use crate::IndexError;
use crate::error::check_range;

/// The most layers that hnsw_rs can have. Another number breaks its files, and fewer gain nothing.
pub(crate) const MAX_LAYERS: usize = 16;

/// The largest [`GraphParams::m`].
const MAX_M: usize = 64;

/// The most neighbours that a node can have in one layer.
pub(crate) const MAX_ROOM: usize = 2 * MAX_M;

/// The parameters of a graph (Malkov and Yashunin, "Efficient and robust approximate nearest neighbor search using
/// Hierarchical Navigable Small World graphs", 2016).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GraphParams {
    /// Neighbours of a node in the upper layers; twice as many in the lowest. From 2 to 64.
    pub m: usize,
    /// How many nodes are looked at to choose the neighbours of each. From `m` to 2,000.
    pub ef_construction: usize,
    /// How many nodes a search keeps where the request does not say. From 1 to 4,096.
    pub ef_search: usize,
    /// Whether to build on all threads of the rayon pool. Such a graph is as good, but differs from run to run.
    pub parallel: bool,
}

impl Default for GraphParams {
    fn default() -> Self {
        Self { m: 20, ef_construction: 128, ef_search: 96, parallel: true }
    }
}

impl GraphParams {
    /// Refuses what hnsw_rs answers with an exit or a graph in which little can be found.
    pub(crate) fn check(&self) -> Result<(), IndexError> {
        check_range("m", self.m, 2, MAX_M)?;
        check_range("ef_construction", self.ef_construction, self.m, 2000)?;
        check_range("ef_search", self.ef_search, 1, 4096)
    }
}
