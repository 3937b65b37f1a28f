//! hnsw_rs behind a wall: it builds the graph and, for now, searches it.
//!
//! What has to be kept from it (version 0.3.5): a distance that is NaN or below zero panics, more than 256 neighbours call
//! `exit(1)`, iterating over an empty graph panics, and `modify_level_scale`, `dump_layer_info` and the functions for
//! files print to stdout. `new`, `insert` and `search` print nothing; dropping the graph runs on the rayon pool.

use std::fmt;
use std::sync::Arc;

use hnsw_rs::prelude::Distance;
use rayon::prelude::*;

use super::GraphParams;
use crate::codes::{Codes, Quantised, similarity};
use crate::kernel::Block;

/// The most layers that hnsw_rs can have. Another number breaks its files, and fewer gain nothing.
const MAX_LAYER: usize = 16;

/// Nodes inserted one after the other before parallel insertion begins. Threads that start on an empty graph do not see
/// each other's nodes and leave some of them without a way in.
const SEED_NODES: usize = 1000;

/// What hnsw_rs stores for a node, and what it is asked with: the vectors stay in the [`Codes`] that the index shares.
#[derive(Clone)]
enum Point {
    Node(u32),
    Query(Arc<Quantised>),
}

/// One minus the cosine, never below zero and never NaN: scales are finite and products are integers.
struct Cosine {
    codes: Codes,
    /// The slot of each node.
    nodes: Vec<u32>,
}

impl Cosine {
    fn row(&self, node: u32) -> Option<(&[Block], f32)> {
        self.codes.row(*self.nodes.get(node as usize)?)
    }

    fn vector<'a>(&'a self, point: &'a [Point]) -> Option<(&'a [Block], f32)> {
        match point.first()? {
            Point::Node(node) => self.row(*node),
            Point::Query(query) => Some((&query.blocks, query.scale)),
        }
    }
}

impl Distance<Point> for Cosine {
    fn eval(&self, a: &[Point], b: &[Point]) -> f32 {
        match (self.vector(a), self.vector(b)) {
            (Some(a), Some(b)) => (1.0 - similarity(a, b)).max(0.0),
            _ => 2.0,
        }
    }
}

pub(super) struct Hnsw {
    graph: hnsw_rs::prelude::Hnsw<'static, Point, Cosine>,
    /// Whether the lowest layer has a path from the entry point to the node.
    reachable: Vec<bool>,
    links: usize,
    ef_search: usize,
}

impl fmt::Debug for Hnsw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hnsw").field("nodes", &self.reachable.len()).field("links", &self.links).finish_non_exhaustive()
    }
}

impl Hnsw {
    /// `nodes` gives the slot in `codes` of each node; no two of them have the same codes.
    pub(super) fn build(codes: Codes, nodes: Vec<u32>, params: &GraphParams) -> Self {
        let count = nodes.len();
        let distance = Cosine { codes, nodes };
        let graph = hnsw_rs::prelude::Hnsw::new(params.m, count.max(1), MAX_LAYER, params.ef_construction, distance);
        let insert = |node: u32| graph.insert_slice((&[Point::Node(node)], node as usize));
        let alone = if params.parallel { count.min(SEED_NODES) } else { count };
        (0..alone as u32).for_each(insert);
        (alone as u32..count as u32).into_par_iter().for_each(insert);
        let (reachable, links) = explore(&graph, count);
        Self { graph, reachable, links, ef_search: params.ef_search }
    }

    pub(super) fn search(&self, query: &Quantised, ef: usize) -> Vec<(u32, f32)> {
        let point = [Point::Query(Arc::new(query.clone()))];
        let found = self.graph.search(&point, ef, ef).into_iter().map(|n| n.d_id as u32);
        let distance = self.graph.get_distance();
        // The distances found are rounded differently from the similarities of a scan, and the two are merged.
        found.filter_map(|n| Some((n, similarity(distance.row(n)?, (&query.blocks, query.scale))))).collect()
    }

    pub(super) fn reachable(&self, node: u32) -> Option<(&[Block], f32)> {
        if !*self.reachable.get(node as usize)? {
            return None;
        }
        self.graph.get_distance().row(node)
    }

    pub(super) fn ef_search(&self) -> usize {
        self.ef_search
    }

    /// hnsw_rs keeps an `Arc` of its own for every link and a vector for each of 16 layers of every node.
    pub(super) fn memory_bytes(&self) -> usize {
        const LINK: usize = 8 + 16 + 16;
        const NODE: usize = MAX_LAYER * 24 + 200;
        self.links * LINK + self.reachable.len() * (NODE + 5)
    }
}

/// Walks the lowest layer from the entry point: which nodes can be reached, and how many links there are.
///
/// When a list of neighbours is full hnsw_rs drops the farthest without asking whether it was the last way to that node.
fn explore(graph: &hnsw_rs::prelude::Hnsw<'static, Point, Cosine>, count: usize) -> (Vec<bool>, usize) {
    let mut neighbours: Vec<Vec<u32>> = vec![Vec::new(); count];
    let mut entry: Option<(u8, i32, usize)> = None;
    let mut links = 0;
    if count == 0 {
        return (Vec::new(), links);
    }
    for point in graph.get_point_indexation() {
        let (layer, rank) = (point.get_point_id().0, point.get_point_id().1);
        // The entry point is the first node that was put in the highest layer.
        if entry.is_none_or(|(highest, first, _)| layer > highest || layer == highest && rank < first) {
            entry = Some((layer, rank, point.get_origin_id()));
        }
        let layers = point.get_neighborhood_id();
        links += layers.iter().map(Vec::len).sum::<usize>();
        if let (Some(own), Some(lowest)) = (neighbours.get_mut(point.get_origin_id()), layers.first()) {
            own.extend(lowest.iter().map(|n| n.d_id as u32));
        }
    }
    let mut reachable = vec![false; count];
    let mut open: Vec<usize> = entry.map(|(_, _, node)| node).into_iter().collect();
    while let Some(node) = open.pop() {
        if let Some(seen) = reachable.get_mut(node)
            && !std::mem::replace(seen, true)
            && let Some(next) = neighbours.get(node)
        {
            open.extend(next.iter().map(|n| *n as usize));
        }
    }
    (reachable, links)
}
