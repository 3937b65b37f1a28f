//! How many of everything a saved index holds, and in which sections.

use super::{ALIGN, PAYLOAD};
use crate::IndexError;
use crate::codes::{MAX_DIMENSION, width};
use crate::graph::{MAX_LAYERS, MAX_ROOM};
use crate::rows::MAX_SLOTS;
use crate::search::MAX_EF;

/// The counts. In the file: these fields as `u32`, in this order, then the number of layers and the two of each layer.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Header {
    pub(super) dimension: u32,
    pub(super) slots: u32,
    pub(super) live: u32,
    /// 0 without a graph; then all of the following are 0.
    pub(super) nodes: u32,
    pub(super) copies: u32,
    pub(super) entry: u32,
    pub(super) ef_search: u32,
    /// Places for neighbours of a node.
    pub(super) room: u32,
    /// Nodes, and places for neighbours, of each layer above the lowest.
    pub(super) upper: Vec<(u32, u32)>,
}

/// What one stretch of the stream holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Section {
    /// Codes and scales of the rows in the graph, and of the others.
    BaseCodes,
    BaseScales,
    RestCodes,
    RestScales,
    Ids,
    Partitions,
    /// A bit for each slot, in words of 64.
    Live,
    /// The live slots in the order of their ids.
    Order,
    Copies,
    Lowest,
    /// Of the layer with this number above the lowest.
    Nodes(usize),
    Upper(usize),
}

impl Section {
    /// Bytes of one value.
    pub(super) fn size(self) -> usize {
        match self {
            Self::BaseCodes | Self::RestCodes => 64,
            Self::Ids | Self::Live => 8,
            _ => 4,
        }
    }
}

impl Header {
    /// Rows in the graph.
    pub(super) fn covered(&self) -> usize {
        self.nodes as usize + self.copies as usize
    }

    /// The sections in order, with the number of values in each.
    pub(super) fn sections(&self) -> Vec<(Section, usize)> {
        let (slots, covered, width) = (self.slots as usize, self.covered(), width(self.dimension as usize));
        let mut sections = vec![
            (Section::BaseCodes, covered * width),
            (Section::BaseScales, covered),
            (Section::RestCodes, (slots - covered) * width),
            (Section::RestScales, slots - covered),
            (Section::Ids, slots),
            (Section::Partitions, slots),
            (Section::Live, slots.div_ceil(64)),
            (Section::Order, self.live as usize),
            (Section::Copies, self.copies as usize),
            (Section::Lowest, self.nodes as usize * self.room as usize),
        ];
        for (layer, (nodes, room)) in self.upper.iter().enumerate() {
            sections.push((Section::Nodes(layer), *nodes as usize));
            sections.push((Section::Upper(layer), *nodes as usize * *room as usize));
        }
        sections
    }

    /// Bytes of the stream, zeros included, and the parts it takes with that of the header.
    pub(super) fn extent(&self) -> (u64, u64) {
        let padded = |(section, count): (Section, usize)| (count * section.size()).next_multiple_of(ALIGN) as u64;
        let bytes: u64 = self.sections().into_iter().map(padded).sum();
        (bytes, 1 + bytes.div_ceil(PAYLOAD as u64))
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let fixed = [
            self.dimension,
            self.slots,
            self.live,
            self.nodes,
            self.copies,
            self.entry,
            self.ef_search,
            self.room,
            self.upper.len() as u32,
        ];
        let layers = self.upper.iter().flat_map(|(nodes, room)| [*nodes, *room]);
        fixed.into_iter().chain(layers).flat_map(u32::to_le_bytes).collect()
    }

    /// Reads a header and checks that its numbers can belong to one index.
    pub(super) fn from_bytes(bytes: &[u8]) -> Result<Self, IndexError> {
        const WHOLE: IndexError = IndexError::Damaged { expected: "a whole header" };
        let (words, rest) = bytes.as_chunks::<4>();
        let words: Vec<u32> = words.iter().map(|word| u32::from_le_bytes(*word)).collect();
        let Some((&[dimension, slots, live, nodes, copies, entry, ef_search, room, layers], upper)) =
            words.split_first_chunk()
        else {
            return Err(WHOLE);
        };
        let (upper, odd) = upper.as_chunks::<2>();
        if !rest.is_empty() || !odd.is_empty() || upper.len() != layers as usize {
            return Err(WHOLE);
        }
        let upper = upper.iter().map(|[nodes, room]| (*nodes, *room)).collect();
        let header = Self { dimension, slots, live, nodes, copies, entry, ef_search, room, upper };
        if header.is_sane() { Ok(header) } else { Err(IndexError::Damaged { expected: "counts that fit each other" }) }
    }

    fn is_sane(&self) -> bool {
        let in_layer = |(nodes, room): &(u32, u32)| *nodes <= self.nodes && *room as usize <= MAX_ROOM;
        let graph = if self.nodes == 0 {
            self.copies == 0 && self.upper.is_empty() && self.room == 0
        } else {
            self.entry < self.nodes
                && (1..=MAX_EF).contains(&(self.ef_search as usize))
                && self.room as usize <= MAX_ROOM
                && self.upper.len() < MAX_LAYERS
                && self.upper.iter().all(in_layer)
        };
        graph
            && (1..=MAX_DIMENSION).contains(&(self.dimension as usize))
            && self.slots as usize <= MAX_SLOTS
            && self.live <= self.slots
            && self.covered() <= self.slots as usize
    }
}
