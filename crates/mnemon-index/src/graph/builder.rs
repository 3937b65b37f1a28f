//! hnsw_rs behind a wall: it finds out who is whose neighbour, roughly and in all layers, and is dropped.
//!
//! What has to be kept from it (version 0.3.5): a distance that is NaN or below zero panics, more than 256 neighbours call
//! `exit(1)`, iterating over an empty graph panics, and `modify_level_scale`, `dump_layer_info` and the functions for
//! files print to stdout. `new` and `insert` print nothing; dropping the graph runs on the rayon pool.

use hnsw_rs::prelude::{Distance, Hnsw};
use rayon::prelude::*;

use super::params::{GraphParams, MAX_LAYERS};
use crate::codes::{Chunk, similarity};

/// Nodes inserted one after the other before parallel insertion begins. Threads that start on an empty graph do not see
/// each other's nodes and leave some of them without a way in.
const SEED_NODES: usize = 1000;

/// How many nodes are looked at for a new one. The neighbours are chosen anew afterwards, which makes up for it: ten times
/// as many take ten times as long and end with the same recall.
const EFFORT: usize = 24;

/// Who is whose neighbour.
#[derive(Debug, Default)]
pub(super) struct Neighbourhood {
    /// By node: the neighbours in each layer that the node is in, from the lowest up; at least one layer.
    pub(super) layers: Vec<Vec<Vec<u32>>>,
    /// Where a search begins: a node of the highest layer. `None` in a graph of nothing.
    pub(super) entry: Option<u32>,
}

/// What hnsw_rs stores for a node is its number: the vectors stay where they are.
struct Cosine<'a> {
    nodes: &'a Chunk,
    width: usize,
}

impl Distance<u32> for Cosine<'_> {
    /// One minus the cosine, never below zero and never NaN: scales are finite and products are integers.
    fn eval(&self, a: &[u32], b: &[u32]) -> f32 {
        let row = |point: &[u32]| self.nodes.row(self.width, *point.first()? as usize);
        match (row(a), row(b)) {
            (Some(a), Some(b)) => (1.0 - similarity(a, b)).max(0.0),
            _ => 2.0,
        }
    }
}

/// Builds a graph over `nodes` of `width` blocks, no two of which have the same codes.
pub(super) fn build(nodes: &Chunk, width: usize, params: &GraphParams) -> Neighbourhood {
    let count = nodes.len();
    if count == 0 {
        return Neighbourhood::default();
    }
    let effort = EFFORT.clamp(params.m, params.ef_construction);
    let graph = Hnsw::new(params.m, count, MAX_LAYERS, effort, Cosine { nodes, width });
    let insert = |node: u32| graph.insert_slice((&[node], node as usize));
    let alone = if params.parallel { count.min(SEED_NODES) } else { count };
    (0..alone as u32).for_each(insert);
    (alone as u32..count as u32).into_par_iter().for_each(insert);
    read_out(&graph, count)
}

fn read_out(graph: &Hnsw<'_, u32, Cosine<'_>>, count: usize) -> Neighbourhood {
    let mut layers: Vec<Vec<Vec<u32>>> = vec![vec![Vec::new()]; count];
    let mut entry: Option<(u8, i32, u32)> = None;
    for point in graph.get_point_indexation() {
        let (layer, rank) = (point.get_point_id().0, point.get_point_id().1);
        let node = point.get_origin_id() as u32;
        // The entry point is the first node that was put in the highest layer.
        if entry.is_none_or(|(highest, first, _)| layer > highest || layer == highest && rank < first) {
            entry = Some((layer, rank, node));
        }
        if let Some(own) = layers.get_mut(node as usize) {
            // Above its own layer a node has a neighbour too, but is nobody's neighbour.
            let neighbours = point.get_neighborhood_id().into_iter().take(usize::from(layer) + 1);
            *own = neighbours.map(|n| n.into_iter().map(|n| n.d_id as u32).collect()).collect();
        }
    }
    Neighbourhood { layers, entry: entry.map(|(_, _, node)| node) }
}
