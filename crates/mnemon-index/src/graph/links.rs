//! The links of a graph in flat arrays, and the way through them.

use super::builder::Neighbourhood;
use super::pool::Pool;
use crate::bits::Bits;
use crate::codes::Chunk;
use crate::kernel::{self, KERNEL};
use crate::query::PreparedQuery;

/// Fills the places of a list that has fewer neighbours than there is room for. No node has this number.
pub(crate) const NOBODY: u32 = u32::MAX;

/// Links between nodes, which are numbered from 0. The vectors are not here.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Links {
    /// How many nodes there are.
    pub(crate) nodes: usize,
    /// Where a search begins: a node that is in every layer.
    pub(crate) entry: u32,
    /// Layer 0, which every node is in.
    pub(crate) lowest: Lists,
    /// The layers above, the lowest first. Each has fewer nodes than the one before.
    pub(crate) upper: Vec<Layer>,
}

/// Some of the nodes, and who is whose neighbour among them.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Layer {
    /// Ascending.
    pub(crate) nodes: Vec<u32>,
    /// In the order of `nodes`.
    pub(crate) lists: Lists,
}

/// Lists of neighbours that have the same room: `[NOBODY]` is what is left of it.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Lists {
    /// Places a list.
    pub(crate) room: usize,
    pub(crate) neighbours: Vec<u32>,
}

impl Lists {
    fn new(lists: &[Vec<u32>]) -> Self {
        let room = lists.iter().map(Vec::len).max().unwrap_or(0);
        let mut neighbours = Vec::with_capacity(lists.len() * room);
        for list in lists {
            neighbours.extend(list.iter().copied().chain(std::iter::repeat_n(NOBODY, room - list.len())));
        }
        Self { room, neighbours }
    }

    /// The list at `place`, unused places included.
    #[inline]
    fn get(&self, place: usize) -> &[u32] {
        self.neighbours.get(place * self.room..(place + 1) * self.room).unwrap_or_default()
    }
}

impl Layer {
    fn neighbours(&self, node: u32) -> &[u32] {
        self.nodes.binary_search(&node).map_or(&[], |place| self.lists.get(place))
    }
}

impl Links {
    /// Flattens a neighbourhood, without the nodes that have no path from the entry in layer 0: hnsw_rs drops the farthest
    /// of a full list without asking whether it was the last way to that node. Also the old number of each node.
    ///
    /// Nodes are numbered in the order in which a search from the entry meets them first, so that neighbours are near to
    /// each other in memory.
    pub(super) fn new(neighbourhood: &Neighbourhood) -> (Self, Vec<u32>) {
        let count = neighbourhood.layers.len();
        let list =
            |node: u32, layer: usize| neighbourhood.layers.get(node as usize).and_then(|layers| layers.get(layer));
        let mut met = Bits::none(count);
        let mut order: Vec<u32> = neighbourhood.entry.into_iter().filter(|entry| met.enter(*entry)).collect();
        let mut at = 0;
        while let Some(node) = order.get(at) {
            let new: Vec<u32> = list(*node, 0).into_iter().flatten().copied().filter(|n| met.enter(*n)).collect();
            order.extend(new);
            at += 1;
        }
        let mut renamed = vec![NOBODY; count];
        for (new, old) in (0..).zip(&order) {
            if let Some(name) = renamed.get_mut(*old as usize) {
                *name = new;
            }
        }
        let lists = |layer: usize| -> (Vec<u32>, Vec<Vec<u32>>) {
            let here = (0..).zip(&order).filter_map(|(new, old)| Some((new, list(*old, layer)?)));
            let rename = |old: &u32| renamed.get(*old as usize).copied().filter(|new| *new != NOBODY);
            // What a list names that is not in the layer is passed over.
            let there = |old: &&u32| list(**old, layer).is_some();
            here.map(|(new, list)| (new, list.iter().filter(there).filter_map(rename).collect())).unzip()
        };
        let lowest = Lists::new(&lists(0).1);
        let mut upper = Vec::new();
        loop {
            let (nodes, lists) = lists(upper.len() + 1);
            if nodes.is_empty() {
                break;
            }
            upper.push(Layer { nodes, lists: Lists::new(&lists) });
        }
        (Self { nodes: order.len(), entry: 0, lowest, upper }, order)
    }

    /// Finds up to `ef` nodes near to `query`, which are left in the pool. Similarities are coarse.
    ///
    /// `rows` are the vectors of the nodes, of `width` blocks each, and perhaps others behind them.
    pub(crate) fn search(&self, query: &PreparedQuery, rows: &Chunk, width: usize, ef: usize, pool: &mut Pool) {
        pool.begin(self.nodes, ef);
        let Some((similarity, start)) = self.descend(query, rows, pool) else { return };
        pool.visited.enter(start);
        pool.offer(similarity, start);
        while let Some(node) = pool.next() {
            let Pool { visited, fresh, products, .. } = pool;
            fresh.clear();
            for neighbour in self.lowest.get(node as usize) {
                if *neighbour == NOBODY {
                    break;
                }
                if visited.enter(*neighbour) {
                    fresh.push(*neighbour);
                    if let Some(row) = kernel::row(&rows.blocks, width, *neighbour) {
                        kernel::prefetch(row);
                    }
                }
            }
            products.resize(fresh.len(), 0);
            (KERNEL.gather)(query.coarse(), &rows.blocks, fresh, products);
            for at in 0..pool.fresh.len() {
                let (Some(node), Some(product)) = (pool.fresh.get(at), pool.products.get(at)) else { break };
                let Some(scale) = rows.scales.get(*node as usize) else { continue };
                let (node, similarity) = (*node, query.coarse_similarity(*product, *scale));
                if pool.offer(similarity, node) {
                    kernel::prefetch(self.lowest.get(node as usize));
                }
            }
        }
    }

    /// The node that the layers above lead to.
    fn descend(&self, query: &PreparedQuery, rows: &Chunk, pool: &mut Pool) -> Option<(f32, u32)> {
        let mut similarities = |nodes: &[u32]| -> Option<(f32, u32)> {
            let end = nodes.iter().position(|node| *node == NOBODY).unwrap_or(nodes.len());
            let nodes = nodes.get(..end)?;
            pool.products.resize(nodes.len(), 0);
            (KERNEL.gather)(query.coarse(), &rows.blocks, nodes, &mut pool.products);
            let scaled = nodes.iter().zip(&pool.products).filter_map(|(node, product)| {
                let scale = rows.scales.get(*node as usize)?;
                Some((query.coarse_similarity(*product, *scale), *node))
            });
            scaled.max_by(|a, b| a.0.total_cmp(&b.0))
        };
        let mut best = similarities(&[self.entry])?;
        for layer in self.upper.iter().rev() {
            while let Some(next) = similarities(layer.neighbours(best.1))
                && next.0 > best.0
            {
                best = next;
            }
        }
        Some(best)
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        let lists = |lists: &Lists| lists.neighbours.capacity() * size_of::<u32>();
        let layer = |layer: &Layer| layer.nodes.capacity() * size_of::<u32>() + lists(&layer.lists);
        lists(&self.lowest) + self.upper.iter().map(layer).sum::<usize>()
    }
}
