//! Better neighbours for the lowest layer.
//!
//! hnsw_rs chooses the neighbours of a new node well, but when a list overflows it drops the farthest, which is often the
//! only way to another region; and the first nodes were linked when there were few to choose from. So each node is
//! searched for once more in the whole graph, its neighbours are chosen anew among what is found and what it had, and
//! links are made to go both ways, with the same choice where a list overflows (as in Vamana, Subramanya and others,
//! "DiskANN", 2019, section 2.3). It takes a fraction of the time of building, which in turn can be done with less effort.

use rayon::prelude::*;

use super::GraphParams;
use super::links::{Links, Lists};
use super::pool::Pool;
use crate::codes::Chunk;
use crate::kernel::{self, KERNEL};
use crate::query::Coarse;

/// A neighbour is left out where another one is nearer to it than the node by this factor of distance (one minus the
/// cosine): 1 is the rule of HNSW, more keeps more of them. Of 1.0, 1.06, 1.1, 1.15 and 1.2 this finds most in the same
/// time, at 10,000 and at 100,000 sentences.
const SLACK: f32 = 1.1;

/// A list of neighbours in the making: similarity to the node, and name.
type Candidates = Vec<(f32, u32)>;

/// The lists of the lowest layer, chosen anew among the `ef_construction` nearest that a search finds and those that a
/// node had. `rows` are the vectors of the nodes, of `width` blocks each.
pub(super) fn refine(links: &Links, rows: &Chunk, width: usize, params: &GraphParams) -> Lists {
    let GraphParams { ef_construction, parallel, .. } = *params;
    let near = Near { rows, width };
    let nodes = links.nodes as u32;
    let room = 2 * params.m;
    let choose = |node: u32| {
        let mut found: Candidates = Pool::with(|pool| {
            if let Some(query) = near.query(node) {
                links.search(query, rows, width, ef_construction, pool);
            }
            pool.found().filter(|(_, other)| *other != node).collect()
        });
        found.extend(near.similar(node, links.lowest.of(node)));
        near.choose(found, room)
    };
    let forward: Vec<Candidates> =
        if parallel { (0..nodes).into_par_iter().map(choose).collect() } else { (0..nodes).map(choose).collect() };
    let mut backward: Vec<Candidates> = vec![Vec::new(); forward.len()];
    for (node, list) in (0..).zip(&forward) {
        for (similarity, other) in list {
            if let Some(list) = backward.get_mut(*other as usize) {
                list.push((*similarity, node));
            }
        }
    }
    let join = |(mut forward, backward): (Candidates, Candidates)| -> Vec<u32> {
        forward.extend(backward);
        near.choose(forward, room).into_iter().map(|(_, node)| node).collect()
    };
    let lists: Vec<Vec<u32>> = if parallel {
        forward.into_par_iter().zip(backward).map(join).collect()
    } else {
        forward.into_iter().zip(backward).map(join).collect()
    };
    Lists::new(&lists)
}

struct Near<'a> {
    rows: &'a Chunk,
    width: usize,
}

impl<'a> Near<'a> {
    fn query(&self, node: u32) -> Option<Coarse<'a>> {
        let blocks = kernel::row(&self.rows.blocks, self.width, node)?;
        Some(Coarse { blocks, scale: *self.rows.scales.get(node as usize)? })
    }

    fn similar(&self, node: u32, others: &[u32]) -> Candidates {
        let mut products = vec![0; others.len()];
        let Some(query) = self.query(node) else { return Vec::new() };
        (KERNEL.gather)(query.blocks, &self.rows.blocks, others, &mut products);
        let scaled = others.iter().zip(products);
        scaled.filter_map(|(n, p)| Some((query.similarity(p, *self.rows.scales.get(*n as usize)?), *n))).collect()
    }

    /// The nearest, without those that are nearer to a nearer one than to the node: these are reached through it.
    fn choose(&self, mut candidates: Candidates, room: usize) -> Candidates {
        candidates.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        candidates.dedup_by_key(|(_, node)| *node);
        let mut chosen: Candidates = Vec::with_capacity(room);
        let mut names: Vec<u32> = Vec::with_capacity(room);
        let mut products = vec![0; room];
        for (similarity, node) in candidates {
            if chosen.len() == room {
                break;
            }
            let Some(query) = self.query(node) else { continue };
            let products = products.get_mut(..names.len()).unwrap_or_default();
            (KERNEL.gather)(query.blocks, &self.rows.blocks, &names, products);
            let reached = names.iter().zip(products).any(|(name, product)| {
                let scale = self.rows.scales.get(*name as usize).copied().unwrap_or_default();
                (1.0 - query.similarity(*product, scale)) * SLACK < 1.0 - similarity
            });
            if !reached {
                chosen.push((similarity, node));
                names.push(node);
            }
        }
        chosen
    }
}
