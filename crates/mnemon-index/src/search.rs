//! What is searched for, and the choice between the two ways to find it.

use std::fmt;

use crate::IndexError;
use crate::error::check_range;

/// The largest [`Search::ef`]: above it the exact scan is faster on any index that fits in memory.
pub(crate) const MAX_EF: usize = 4096;

/// How many rows are scanned in the time that one more unit of ef takes in the graph. Measured at 384 dimensions: 0.6 µs a
/// unit of ef at 10,000 rows and 1.1 at 100,000, 14 ns a row.
const ROWS_PER_EF: usize = 60;

/// A request to [`VectorIndex::search`](crate::VectorIndex::search). Begin with [`Search::new`] and set what differs.
#[derive(Clone, Copy)]
pub struct Search<'a> {
    /// What to search for. Its length does not matter, only its direction does.
    pub vector: &'a [f32],
    /// How many rows to return. More than there are returns all.
    pub k: usize,
    /// Only rows of these partitions; `None` for all. Names of no row and repeated ones do no harm; an empty list finds
    /// nothing.
    pub partitions: Option<&'a [u32]>,
    /// Only rows for whose id this says yes. It is asked for the rows that would enter the result, not for all.
    pub allowed: Option<&'a (dyn Fn(i64) -> bool + Sync)>,
    /// How many nodes of the graph to keep while searching, from 1 to 4,096: more finds more and takes longer. `None`
    /// takes what the graph was built with. An exact scan does not need it.
    pub ef: Option<usize>,
    /// Which way to search.
    pub method: Method,
}

/// How to search.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Method {
    /// Whichever is faster: the exact scan where few rows qualify, else the graph.
    #[default]
    Auto,
    /// Compare with every row that qualifies.
    Exact,
    /// The graph, where there is one and it finds `k` rows that qualify; else an exact scan.
    Graph,
}

impl<'a> Search<'a> {
    /// The `k` rows of any partition that are nearest to `vector`.
    #[must_use]
    pub fn new(vector: &'a [f32], k: usize) -> Self {
        Self { vector, k, partitions: None, allowed: None, ef: None, method: Method::Auto }
    }

    pub(crate) fn check(&self) -> Result<(), IndexError> {
        self.ef.map_or(Ok(()), |ef| check_range("ef", ef, 1, MAX_EF))
    }

    pub(crate) fn allows(&self, id: i64) -> bool {
        self.allowed.is_none_or(|allowed| allowed(id))
    }

    /// The largest ef at which the graph is still faster than scanning `eligible` rows; 0 to scan at once.
    pub(crate) fn ef_budget(&self, eligible: usize) -> usize {
        match self.method {
            Method::Exact => 0,
            Method::Graph => MAX_EF,
            Method::Auto => (eligible / ROWS_PER_EF).min(MAX_EF),
        }
    }
}

impl fmt::Debug for Search<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Search")
            .field("dimension", &self.vector.len())
            .field("k", &self.k)
            .field("partitions", &self.partitions)
            .field("allowed", &self.allowed.map(|_| ".."))
            .field("ef", &self.ef)
            .field("method", &self.method)
            .finish()
    }
}
