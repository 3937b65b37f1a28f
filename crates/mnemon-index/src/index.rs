//! The index: rows, and a graph over most of them when there are many.

use std::fmt;

use crate::bits::Bits;
use crate::codes::{Codes, MAX_DIMENSION, Quantised, similarity};
use crate::error::check_range;
use crate::graph::{Graph, GraphJob, GraphParams, Numbering, Pool, Web};
use crate::parts::{Parts, PartsReader};
use crate::query::{Coarse, PreparedQuery};
use crate::rows::{Chosen, Columns, Rows};
use crate::search::Search;
use crate::top::{Near, Top};
use crate::{Candidate, IndexError, oversample};

/// A graph is due for rebuilding when one in this many of its rows is gone.
const GONE_SHARE: usize = 4;

/// The vectors of one embedding model, in memory, as int8 codes.
///
/// It is a cache: its owner keeps it in step with the store. Every vector has an id, which is unique in the index, and
/// belongs to one partition. Searching needs `&self` only and may run on many threads at once.
///
/// Memory: the dimension rounded up to 64, plus about 35 bytes, a vector; with a graph about 165 more.
pub struct VectorIndex {
    dimension: usize,
    rows: Rows,
    /// Changes whenever slots get other numbers.
    numbering: Numbering,
    graph: Option<Installed>,
}

/// A graph and how much of it still holds. Its rows are the first slots and lie in the order of its nodes, so that each of
/// them is stored once; every other row is found by scanning the slots behind. Each row is in exactly one of the two.
struct Installed {
    web: Web,
    /// Rows in the graph that are gone. Their nodes still lead to others.
    gone: usize,
}

/// How an index is made up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IndexStats {
    /// Vectors that can be found.
    pub rows: usize,
    /// Removed or replaced vectors that still take memory.
    pub dead: usize,
    /// Rows that are found through the graph.
    pub in_graph: usize,
    /// Bytes held, in part estimated.
    pub memory_bytes: usize,
}

impl VectorIndex {
    /// From this many rows on a graph is worth its memory and the time to build it. At 10,000 rows the exact scan takes
    /// 0.14 ms and finds everything; a graph takes half of that and finds 0.997.
    pub const GRAPH_FROM: usize = 12_000;

    /// A graph is due for rebuilding when more than this many rows are not in it, and more than one row in
    /// [`Self::DELTA_SHARE`]: they are scanned with every search.
    pub const MAX_DELTA: usize = 10_000;

    /// See [`Self::MAX_DELTA`]. To build a graph of a million rows takes minutes, and some of many rows have no path to them
    /// and are scanned even when it is new.
    pub const DELTA_SHARE: usize = 16;

    /// An empty index for vectors of `dimension` values, from 1 to 32,768.
    ///
    /// # Errors
    /// For another dimension.
    pub fn new(dimension: usize) -> Result<Self, IndexError> {
        check_range("dimension", dimension, 1, MAX_DIMENSION)?;
        Ok(Self { dimension, rows: Rows::new(dimension), numbering: Numbering::new(), graph: None })
    }

    /// How many values a vector has.
    #[must_use]
    pub fn dimension(&self) -> usize {
        self.dimension
    }

    /// How many vectors there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is no vector.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether there is a vector for `id`.
    #[must_use]
    pub fn contains(&self, id: i64) -> bool {
        self.rows.find(id).is_some()
    }

    /// The codes of the vector of `id`, zeros at the end, and what to multiply them with so that they are of unit length.
    #[must_use]
    pub fn codes(&self, id: i64) -> Option<(&[i8], f32)> {
        let (blocks, scale) = self.rows.codes().row(self.rows.find(id)?)?;
        Some((crate::kernel::as_codes(blocks), scale))
    }

    /// Sets the vector and the partition of `id`. The next search finds it. Any length will do, but zero: only the
    /// direction is kept. Takes about a microsecond; now and then it moves all rows, to take out dead ones.
    ///
    /// # Errors
    /// When the vector has another dimension, a value that is not finite or no direction, or when there are 2^31
    /// slots. What was stored for `id` before then stays.
    pub fn insert(&mut self, id: i64, partition: u32, vector: &[f32]) -> Result<(), IndexError> {
        let vector = Quantised::new(self.dimension, vector)?;
        if let Some(slot) = self.rows.find(id) {
            let same_partition = self.rows.known(slot).is_some_and(|(_, known)| known == partition);
            let same_vector = self.rows.codes().row(slot).is_some_and(|(blocks, _)| blocks == vector.blocks);
            if same_partition && same_vector {
                return Ok(());
            }
            self.rows.check_room()?;
            self.remove(id);
        }
        self.rows.push(id, partition, &vector.blocks, vector.scale)
    }

    /// Removes the vector of `id`; says whether there was one. Its codes stay in memory until the slots are compacted, or
    /// the graph is built anew.
    pub fn remove(&mut self, id: i64) -> bool {
        let Some(slot) = self.rows.remove(id) else { return false };
        let covered = self.covered();
        if let Some(installed) = &mut self.graph
            && (slot as usize) < covered
        {
            installed.gone += 1;
            // Few rows are scanned as fast, and a graph that is half empty holds the memory of twice as many.
            if installed.gone * 2 >= covered && self.rows.len() < Self::GRAPH_FROM {
                self.forget_graph();
                self.compact(0);
                return true;
            }
        }
        let gone = self.graph.as_ref().map_or(0, |installed| installed.gone);
        if Rows::compaction_due(self.rows.dead() - gone, self.rows.slots() - self.covered()) {
            self.compact(self.covered());
        }
        true
    }

    /// Removes everything, the graph included, and frees the memory.
    pub fn clear(&mut self) {
        self.rows = Rows::new(self.dimension);
        self.numbering = Numbering::new();
        self.graph = None;
    }

    /// Finds the nearest rows: the most similar first, equal ones by id. The same index gives the same answer every time.
    ///
    /// Rows are searched by int8 products, and the best of them, [`oversample`]`(k)`, are ordered by the cosine of the
    /// query in full and the int8 codes of the row: within 0.0004 of the true one as a rule, 0.002 at most, at 384
    /// dimensions. To get the true order ask for `oversample(k)` rows and give their stored vectors to [`rerank`](crate::rerank).
    ///
    /// Cost at 384 dimensions: about 10 ns for each row that qualifies, or a search of the graph and 10 ns for each row
    /// that is not in it.
    ///
    /// # Errors
    /// When the vector has another dimension, a value that is not finite or no direction, or when `ef` is out of range.
    pub fn search(&self, search: &Search<'_>) -> Result<Vec<Candidate>, IndexError> {
        search.check()?;
        let query = self.prepare(search.vector)?;
        let (chosen, eligible) = self.rows.choose(search.partitions);
        let k = search.k.min(eligible);
        if k == 0 {
            return Ok(Vec::new());
        }
        let near = match &self.graph {
            Some(installed) => self.search_graph(installed, search, query.coarse(), &chosen, eligible, k),
            None => None,
        };
        let near = near.unwrap_or_else(|| {
            let mut top = Top::new(oversample(k), eligible);
            self.rows.scan(query.coarse(), &chosen, eligible, |id| search.allows(id), &mut top);
            top.into_rows()
        });
        let mut found = self.refine(&query, near);
        found.truncate(k);
        Ok(found)
    }

    /// Prepares a vector for [`Self::similarity`] with many rows. Takes less than a microsecond.
    ///
    /// # Errors
    /// When the vector has another dimension, a value that is not finite or no direction.
    pub fn prepare(&self, vector: &[f32]) -> Result<PreparedQuery, IndexError> {
        PreparedQuery::new(self.dimension, vector)
    }

    /// The cosine of a query and the row of `id`, as [`Self::search`] gives it; `None` without such a row, or for a query
    /// that was prepared by an index of another dimension.
    #[must_use]
    pub fn similarity(&self, id: i64, query: &PreparedQuery) -> Option<f32> {
        if query.dimension() != self.dimension {
            return None;
        }
        let row = self.rows.codes().row(self.rows.find(id)?)?;
        Some(query.similarity(row).clamp(-1.0, 1.0))
    }

    /// The cosine of `vector` and each of many rows, in the order of `ids`, as [`Self::search`] gives it; `None` where
    /// there is no such row. Takes about 50 ns a row.
    ///
    /// # Errors
    /// When the vector has another dimension, a value that is not finite or no direction.
    pub fn similarities(
        &self,
        vector: &[f32],
        ids: impl IntoIterator<Item = i64>,
    ) -> Result<Vec<Option<f32>>, IndexError> {
        let query = self.prepare(vector)?;
        let slots: Vec<u32> = ids.into_iter().map(|id| self.rows.find(id).unwrap_or(u32::MAX)).collect();
        let mut similarities = vec![None; slots.len()];
        self.rows.codes().refine(&query, &slots, |at, similarity| {
            if let Some(place) = similarities.get_mut(at) {
                *place = Some(similarity.clamp(-1.0, 1.0));
            }
        });
        Ok(similarities)
    }

    /// The cosine of two rows, from the codes of both: within 0.0005 of the true one as a rule, 0.003 at most, at 384
    /// dimensions. `None` where one is missing.
    #[must_use]
    pub fn between(&self, a: i64, b: i64) -> Option<f32> {
        let row = |id| self.rows.codes().row(self.rows.find(id)?);
        Some(similarity(row(a)?, row(b)?).clamp(-1.0, 1.0))
    }

    /// Whether a graph should be built now: none is there and there are [`Self::GRAPH_FROM`] rows, a quarter of its rows is gone, or more
    /// than [`Self::MAX_DELTA`] rows, and one in [`Self::DELTA_SHARE`], are not in it.
    #[must_use]
    pub fn graph_due(&self) -> bool {
        graph_due(self.len(), self.graph.as_ref().map(|graph| (graph.web.covered(), graph.gone)))
    }

    /// Takes a snapshot to build a graph from. The vectors are shared with the index and not copied.
    ///
    /// # Errors
    /// When a parameter is out of range.
    pub fn graph_job(&self, params: GraphParams) -> Result<GraphJob, IndexError> {
        params.check()?;
        let (codes, rows) = (self.rows.codes().clone(), self.rows.live_slots().collect());
        Ok(GraphJob { dimension: self.dimension, numbering: self.numbering, codes, rows, params })
    }

    /// Puts a graph in the place of the one before, and the rows in the order of its nodes; dead slots are dropped. Rows
    /// that changed since its snapshot are found by scanning, as are rows to which the graph has no path. Takes about
    /// 0.1 µs a row.
    ///
    /// A graph of another index does no harm: where rows may have changed they are compared, and what the graph does not
    /// know is scanned.
    ///
    /// # Errors
    /// When the graph has another dimension. The graph before then stays.
    pub fn install(&mut self, graph: Graph) -> Result<(), IndexError> {
        if graph.dimension != self.dimension {
            return Err(IndexError::Dimension { expected: self.dimension, got: graph.dimension });
        }
        let codes = Codes::with_base(self.rows.codes().width(), graph.codes);
        let covered = graph.rows.len();
        let mut moved = Bits::none(self.rows.slots());
        let mut columns = Columns::with_capacity(covered);
        for (new, (old, id)) in (0..).zip(&graph.rows) {
            let same = if graph.numbering == self.numbering {
                // A slot never changes its vector.
                self.rows.known(*old).map(|(_, partition)| (*old, partition))
            } else {
                let slot = self.rows.find(*id);
                let same = slot.filter(|slot| {
                    let own = self.rows.codes().row(*slot);
                    own.is_some_and(|(own, _)| codes.row(new).is_some_and(|(blocks, _)| blocks == own))
                });
                same.and_then(|slot| Some((slot, self.rows.known(slot)?.1)))
            };
            // What is gone, or twice in a graph of another index, leaves a node without a row.
            let kept = same.filter(|(slot, _)| moved.enter(*slot));
            columns.push(*id, kept.map_or(0, |(_, partition)| partition), kept.is_some());
        }
        let gone = covered - columns.order.len();
        columns.sort();
        let mut rows = Rows::from_columns(codes, columns);
        for (slot, id) in self.rows.live_slots().filter(|(slot, _)| !moved.has(*slot)) {
            if let (Some((blocks, scale)), Some((_, partition))) = (self.rows.codes().row(slot), self.rows.known(slot))
            {
                rows.push(id, partition, blocks, scale)?;
            }
        }
        self.rows = rows;
        self.numbering = Numbering::new();
        self.graph = Some(Installed { web: graph.web, gone });
        Ok(())
    }

    /// Drops the graph: from now on every search scans.
    pub fn forget_graph(&mut self) {
        self.graph = None;
    }

    /// The whole index as bytes, the graph included, in parts of about 4 MiB: the same again with [`Self::from_parts`].
    /// Takes about 0.15 µs a row; each part is made when it is asked for.
    #[must_use]
    pub fn to_parts(&self) -> Parts<'_> {
        Parts::new(self.dimension, &self.rows, self.graph.as_ref().map(|installed| &installed.web))
    }

    /// The index that was saved with [`Self::to_parts`], from all of its parts in order. Takes about 0.35 µs a row: what is
    /// read is copied, and checked so far that no search can go wrong. [`PartsReader`] takes the parts one by one.
    ///
    /// # Errors
    /// When the parts are not all of one saved index, as they were, in the format of this version.
    pub fn from_parts<P: AsRef<[u8]>>(parts: impl IntoIterator<Item = P>) -> Result<Self, IndexError> {
        let mut reader = PartsReader::new();
        parts.into_iter().try_for_each(|part| reader.push(part.as_ref()))?;
        reader.finish()
    }

    /// From what was read. The rows of the graph are the base of `rows`, and the first slots.
    pub(crate) fn restored(dimension: usize, rows: Rows, web: Option<Web>) -> Self {
        let installed = |web: Web| {
            let covered = web.covered();
            let live = rows.live_slots().take_while(|(slot, _)| (*slot as usize) < covered).count();
            Installed { web, gone: covered - live }
        };
        let graph = web.map(installed);
        Self { dimension, rows, numbering: Numbering::new(), graph }
    }

    /// Counts and memory.
    #[must_use]
    pub fn stats(&self) -> IndexStats {
        let graph = self.graph.as_ref();
        IndexStats {
            rows: self.len(),
            dead: self.rows.dead(),
            in_graph: graph.map_or(0, |g| g.web.covered() - g.gone),
            memory_bytes: self.rows.memory_bytes() + graph.map_or(0, |g| g.web.memory_bytes()),
        }
    }

    /// How many slots belong to the graph.
    fn covered(&self) -> usize {
        self.graph.as_ref().map_or(0, |installed| installed.web.covered())
    }

    /// Searches the graph wider and wider until enough rows qualify, and scans the rest. `None` when an exact scan would
    /// be faster.
    fn search_graph(
        &self,
        installed: &Installed,
        search: &Search<'_>,
        query: Coarse<'_>,
        chosen: &Chosen<'_>,
        eligible: usize,
        k: usize,
    ) -> Option<Vec<Near>> {
        let budget = search.ef_budget(eligible);
        let wanted = oversample(k);
        // The last of those wanted are missed most often, so that a list no longer than `k` misses many.
        let base = search.ef.unwrap_or(installed.web.ef_search.max(k + k / 3)).max(k);
        // Nodes whose rows are gone or not chosen take places in the list, so it is made longer by their share.
        let mut ef = (base * installed.web.covered().max(eligible)).checked_div(eligible)?;
        let mut found: Vec<Near> = Vec::new();
        Pool::with(|pool| {
            loop {
                if ef > budget {
                    return None;
                }
                found.clear();
                let codes = self.rows.codes();
                installed.web.links.search(query, codes.base(), codes.width(), ef, pool);
                for (similarity, node) in pool.found() {
                    for slot in installed.web.slots(node) {
                        if let Some(id) = self.rows.qualifies(slot, chosen, |id| search.allows(id)) {
                            found.push(Near { similarity, id, slot });
                        }
                    }
                }
                if found.len() >= k.max(base / 2) {
                    return Some(());
                }
                ef *= 2;
            }
        })?;
        let mut top = Top::new(wanted, eligible);
        found.into_iter().for_each(|near| top.push(near));
        let rest = installed.web.covered() as u32;
        self.rows.scan_from(rest, query, chosen, |id| search.allows(id), &mut top);
        Some(top.into_rows())
    }

    /// The true similarities of rows, as far as codes tell them, and the order by these.
    fn refine(&self, query: &PreparedQuery, mut near: Vec<Near>) -> Vec<Candidate> {
        // In the order of memory.
        near.sort_unstable_by_key(|near| near.slot);
        let slots: Vec<u32> = near.iter().map(|near| near.slot).collect();
        let mut found = Vec::with_capacity(near.len());
        self.rows.codes().refine(query, &slots, |at, similarity| {
            if let Some(Near { id, .. }) = near.get(at) {
                found.push(Candidate { id: *id, similarity: similarity.clamp(-1.0, 1.0) });
            }
        });
        found.sort_unstable_by(Candidate::rank);
        found
    }

    fn compact(&mut self, keep: usize) {
        self.rows.compact(keep);
        self.numbering = Numbering::new();
    }
}

impl fmt::Debug for VectorIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VectorIndex").field("dimension", &self.dimension).field("stats", &self.stats()).finish()
    }
}

/// Whether `rows` need another graph than that which had `covered` rows, of which some are `gone`.
fn graph_due(rows: usize, graph: Option<(usize, usize)>) -> bool {
    match graph {
        _ if rows < VectorIndex::GRAPH_FROM => false,
        None => true,
        Some((covered, gone)) => {
            let most = VectorIndex::MAX_DELTA.max(rows / VectorIndex::DELTA_SHARE);
            gone * GONE_SHARE >= covered.max(1) || rows - (covered - gone) > most
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(rows: usize, graph: Option<(usize, usize)>, due: bool) {
        assert_eq!(graph_due(rows, graph), due, "{rows} rows, {graph:?} covered and gone");
    }

    #[test]
    fn a_graph_is_due_when_rows_are_many_gone_or_new() {
        let (from, delta) = (VectorIndex::GRAPH_FROM, VectorIndex::MAX_DELTA);
        check(0, None, false);
        check(from - 1, None, false);
        check(from, None, true);
        check(from, Some((from, 0)), false);
        check(from + delta, Some((from, 0)), false);
        check(from + delta + 1, Some((from, 0)), true);
        check(from * 2 - from / 2 + 1, Some((from * 2, from / 2 - 1)), false);
        check(from * 2 - from / 2, Some((from * 2, from / 2)), true);
        check(from - 1, Some((from * 2, from + 1)), false);
        check(from, Some((0, 0)), true);
        check(16 * delta, Some((15 * delta, 0)), false);
        check(160 * delta, Some((150 * delta, 0)), false);
        check(160 * delta, Some((150 * delta - 1, 0)), true);
    }
}
