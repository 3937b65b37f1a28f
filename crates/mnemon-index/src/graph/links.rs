//! The links of a graph in flat arrays, and the way through them.

use super::builder::Neighbourhood;
use super::pool::Pool;
use crate::bits::Bits;
use crate::codes::Chunk;
use crate::kernel::{self, KERNEL};
use crate::query::Coarse;

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
    pub(super) fn new(lists: &[Vec<u32>]) -> Self {
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

    /// The list at `place`.
    pub(super) fn of(&self, place: u32) -> &[u32] {
        let list = self.get(place as usize);
        let end = list.iter().position(|node| *node == NOBODY).unwrap_or(list.len());
        list.get(..end).unwrap_or_default()
    }
}

impl Layer {
    fn neighbours(&self, node: u32) -> &[u32] {
        self.nodes.binary_search(&node).map_or(&[], |place| self.lists.get(place))
    }
}

impl Links {
    /// Flattens a neighbourhood. Nodes keep their numbers.
    pub(super) fn new(neighbourhood: &Neighbourhood) -> Self {
        let nodes = neighbourhood.layers.len();
        let layer = |number: usize| -> (Vec<u32>, Vec<Vec<u32>>) {
            let lists = (0..).zip(&neighbourhood.layers);
            lists.filter_map(|(node, layers)| Some((node, layers.get(number)?.clone()))).unzip()
        };
        let lowest = Lists::new(&layer(0).1);
        let layers = (1..).map(layer).take_while(|(nodes, _)| !nodes.is_empty());
        let upper = layers.map(|(nodes, lists)| Layer { nodes, lists: Lists::new(&lists) }).collect();
        Self { nodes, entry: neighbourhood.entry.unwrap_or_default(), lowest, upper }
    }

    /// The same with nodes numbered in the order in which a walk from the entry meets them in the lowest layer, so that
    /// neighbours are near to each other in memory, and without the nodes that it does not meet; also the old number of
    /// each node.
    pub(super) fn ordered(&self) -> (Self, Vec<u32>) {
        let order = self.walk(&mut Bits::none(self.nodes), self.entry);
        let mut names = vec![NOBODY; self.nodes];
        for (new, old) in (0..).zip(&order) {
            if let Some(name) = names.get_mut(*old as usize) {
                *name = new;
            }
        }
        let name = |old: &u32| names.get(*old as usize).copied().filter(|new| *new != NOBODY);
        let renamed = |list: &[u32]| list.iter().filter_map(name).collect::<Vec<u32>>();
        let lowest: Vec<Vec<u32>> = order.iter().map(|old| renamed(self.lowest.of(*old))).collect();
        let upper = self.upper.iter().map(|layer| {
            let places = (0..).zip(&layer.nodes).filter_map(|(place, old)| Some((name(old)?, place)));
            let mut places: Vec<(u32, u32)> = places.collect();
            places.sort_unstable();
            let lists: Vec<Vec<u32>> = places.iter().map(|(_, place)| renamed(layer.lists.of(*place))).collect();
            Layer { nodes: places.into_iter().map(|(new, _)| new).collect(), lists: Lists::new(&lists) }
        });
        let links = Self { nodes: order.len(), entry: 0, lowest: Lists::new(&lowest), upper: upper.collect() };
        (links, order)
    }

    /// The nodes that can be reached from `start` in the lowest layer, in the order in which they are met first, but for
    /// those that were met before.
    fn walk(&self, met: &mut Bits, start: u32) -> Vec<u32> {
        let mut order: Vec<u32> = Some(start).into_iter().filter(|start| met.enter(*start)).collect();
        let mut at = 0;
        while let Some(node) = order.get(at) {
            let new = self.lowest.of(*node).iter().copied().filter(|neighbour| met.enter(*neighbour));
            let new: Vec<u32> = new.collect();
            order.extend(new);
            at += 1;
        }
        order
    }

    /// Finds up to `ef` nodes near to `query`, which are left in the pool. Similarities are coarse.
    ///
    /// `rows` are the vectors of the nodes, of `width` blocks each, and perhaps others behind them.
    pub(crate) fn search(&self, query: Coarse<'_>, rows: &Chunk, width: usize, ef: usize, pool: &mut Pool) {
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
            (KERNEL.gather)(query.blocks, &rows.blocks, fresh, products);
            for at in 0..pool.fresh.len() {
                let (Some(node), Some(product)) = (pool.fresh.get(at), pool.products.get(at)) else { break };
                let Some(scale) = rows.scales.get(*node as usize) else { continue };
                let (node, similarity) = (*node, query.similarity(*product, *scale));
                if pool.offer(similarity, node) {
                    kernel::prefetch(self.lowest.get(node as usize));
                }
            }
        }
    }

    /// The node that the layers above lead to.
    fn descend(&self, query: Coarse<'_>, rows: &Chunk, pool: &mut Pool) -> Option<(f32, u32)> {
        let mut similarities = |nodes: &[u32]| -> Option<(f32, u32)> {
            let end = nodes.iter().position(|node| *node == NOBODY).unwrap_or(nodes.len());
            let nodes = nodes.get(..end)?;
            pool.products.resize(nodes.len(), 0);
            (KERNEL.gather)(query.blocks, &rows.blocks, nodes, &mut pool.products);
            let scaled = nodes.iter().zip(&pool.products).filter_map(|(node, product)| {
                let scale = rows.scales.get(*node as usize)?;
                Some((query.similarity(*product, *scale), *node))
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
