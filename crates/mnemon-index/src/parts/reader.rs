//! From bytes to an index. Nothing that is read is trusted.

use super::header::{Header, Section};
use super::{ALIGN, FORMAT, FRAME, MAGIC, PAYLOAD, checksum};
use crate::bits::Bits;
use crate::codes::{Chunk, Codes, width};
use crate::graph::{Layer, Links, Lists, NOBODY, Web};
use crate::kernel::{Block, LANES};
use crate::rows::{Columns, Rows};
use crate::{IndexError, VectorIndex};

/// Reads the parts of a saved index one by one, so that they need not be in memory together:
/// [`push`](Self::push) each of them in order, then [`finish`](Self::finish).
#[derive(Debug)]
pub struct PartsReader {
    /// Whether checksums must hold. Tests switch them off, to get at what lies behind them.
    verify: bool,
    number: u32,
    count: u32,
    /// The checksum of the part before.
    seed: u64,
    header: Header,
    /// The sections that are to be read: the values and the zeros left in each.
    sections: std::vec::IntoIter<(Section, usize)>,
    section: Option<(Section, usize, usize)>,
    content: Content,
}

/// What has been read.
#[derive(Debug, Default)]
struct Content {
    base: Chunk,
    rest: Chunk,
    ids: Vec<i64>,
    partitions: Vec<u32>,
    live: Vec<u64>,
    order: Vec<u32>,
    copies: Vec<u32>,
    lowest: Vec<u32>,
    upper: Vec<(Vec<u32>, Vec<u32>)>,
}

impl Default for PartsReader {
    fn default() -> Self {
        Self::new()
    }
}

impl PartsReader {
    /// Expects the first part.
    #[must_use]
    pub fn new() -> Self {
        Self {
            verify: true,
            number: 0,
            count: 0,
            seed: 0,
            header: Header::default(),
            sections: Vec::new().into_iter(),
            section: None,
            content: Content::default(),
        }
    }

    #[cfg(test)]
    pub(super) fn unverified() -> Self {
        Self { verify: false, ..Self::new() }
    }

    /// Reads the next part. Costs a checksum and a copy.
    ///
    /// # Errors
    /// When it is not the next part of one saved index, in the format of this version. The reader is of no use then.
    pub fn push(&mut self, part: &[u8]) -> Result<(), IndexError> {
        let payload = self.open(part)?;
        if self.number == 0 {
            self.begin(payload)?;
        } else {
            self.read(payload)?;
        }
        self.number += 1;
        Ok(())
    }

    /// The index, once all parts were read.
    ///
    /// # Errors
    /// When parts are missing, or their content is not that of an index.
    pub fn finish(mut self) -> Result<VectorIndex, IndexError> {
        if self.count == 0 || self.number != self.count || !self.advance()? {
            return damaged("all of its parts");
        }
        let Self { header, mut content, .. } = self;
        content.check(&header)?;
        let Content { base, rest, ids, partitions, live, order, copies, lowest, upper } = content;
        let width = width(header.dimension as usize);
        let codes = if header.nodes == 0 {
            Codes::with_base(width, rest)
        } else {
            let mut codes = Codes::with_base(width, base);
            rest.blocks.chunks_exact(width).zip(&rest.scales).for_each(|(row, scale)| codes.push(row, *scale));
            codes
        };
        let live = Bits::from_words(live, ids.len());
        let rows = Rows::from_columns(codes, Columns { ids, partitions, live, order });
        let lists = |room: u32, neighbours| Lists { room: room as usize, neighbours };
        let layers = upper.into_iter().zip(&header.upper);
        let links = Links {
            nodes: header.nodes as usize,
            entry: header.entry,
            lowest: lists(header.room, lowest),
            upper: layers.map(|((nodes, own), (_, room))| Layer { nodes, lists: lists(*room, own) }).collect(),
        };
        let web = Web { links, copies, ef_search: header.ef_search as usize };
        Ok(VectorIndex::restored(header.dimension as usize, rows, (header.nodes > 0).then_some(web)))
    }

    /// Checks the frame of a part and takes it off.
    fn open<'a>(&mut self, part: &'a [u8]) -> Result<&'a [u8], IndexError> {
        const WHOLE: &str = "whole parts";
        let Some((frame, payload)) = part.split_first_chunk::<FRAME>() else { return damaged(WHOLE) };
        let Some((seal, sealed)) = part.split_first_chunk() else { return damaged(WHOLE) };
        let [_, _, magic @ .., format, number, count, _] = frame.as_chunks::<4>().0 else { return damaged(WHOLE) };
        if magic.as_flattened() != MAGIC {
            return damaged("the mark of one in each part");
        }
        let [format, number, count] = [format, number, count].map(|field| u32::from_le_bytes(*field));
        if format != FORMAT {
            return Err(IndexError::Format { expected: FORMAT, got: format });
        }
        let own = checksum(self.seed, sealed);
        if self.verify && u64::from_le_bytes(*seal) != own {
            return damaged("matching checksums");
        }
        self.seed = own;
        if number != self.number || self.number > 0 && count != self.count || number >= count {
            return damaged("its parts in order");
        }
        self.count = count;
        Ok(payload)
    }

    fn begin(&mut self, payload: &[u8]) -> Result<(), IndexError> {
        self.header = Header::from_bytes(payload)?;
        if self.header.extent().1 != u64::from(self.count) {
            return damaged("as many parts as its counts call for");
        }
        self.content.upper = vec![<(Vec<u32>, Vec<u32>)>::default(); self.header.upper.len()];
        self.sections = self.header.sections().into_iter();
        Ok(())
    }

    fn read(&mut self, mut payload: &[u8]) -> Result<(), IndexError> {
        // Of the last part only what there is: `finish` sees to it that nothing is missing.
        if payload.len() > PAYLOAD || self.number + 1 < self.count && payload.len() != PAYLOAD {
            return damaged("full parts");
        }
        while !payload.is_empty() {
            if self.advance()? {
                return damaged("nothing behind its sections");
            }
            let Some((section, values, zeros)) = &mut self.section else { continue };
            if *values > 0 {
                let count = (payload.len() / section.size()).min(*values);
                let Some(bytes) = payload.split_off(..count * section.size()).filter(|_| count > 0) else {
                    return damaged("whole values");
                };
                self.content.append(*section, bytes);
                *values -= count;
            } else {
                let count = payload.len().min(*zeros);
                payload = payload.get(count..).unwrap_or_default();
                *zeros -= count;
            }
        }
        Ok(())
    }

    /// Goes on to the next section when this one is read; whether there is none left.
    fn advance(&mut self) -> Result<bool, IndexError> {
        while self.section.is_none_or(|(_, values, zeros)| values + zeros == 0) {
            let Some((section, count)) = self.sections.next() else { return Ok(true) };
            self.content.reserve(section, count)?;
            let bytes = count * section.size();
            self.section = Some((section, count, bytes.next_multiple_of(ALIGN) - bytes));
        }
        Ok(false)
    }
}

impl Content {
    /// Allocates a section at once, and fails where a damaged count asks for more memory than there can be.
    fn reserve(&mut self, section: Section, count: usize) -> Result<(), IndexError> {
        let reserved = match section {
            Section::BaseCodes => self.base.blocks.try_reserve_exact(count),
            Section::RestCodes => self.rest.blocks.try_reserve_exact(count),
            Section::BaseScales => self.base.scales.try_reserve_exact(count),
            Section::RestScales => self.rest.scales.try_reserve_exact(count),
            Section::Ids => self.ids.try_reserve_exact(count),
            Section::Live => self.live.try_reserve_exact(count),
            _ => self.numbers(section).map_or(Ok(()), |list| list.try_reserve_exact(count)),
        };
        reserved.or_else(|_| damaged("a size that fits in memory"))
    }

    fn append(&mut self, section: Section, bytes: &[u8]) {
        match section {
            Section::BaseCodes => extend(&mut self.base.blocks, bytes, block),
            Section::RestCodes => extend(&mut self.rest.blocks, bytes, block),
            Section::BaseScales => extend(&mut self.base.scales, bytes, f32::from_le_bytes),
            Section::RestScales => extend(&mut self.rest.scales, bytes, f32::from_le_bytes),
            Section::Ids => extend(&mut self.ids, bytes, i64::from_le_bytes),
            Section::Live => extend(&mut self.live, bytes, u64::from_le_bytes),
            _ => {
                if let Some(list) = self.numbers(section) {
                    extend(list, bytes, u32::from_le_bytes);
                }
            }
        }
    }

    fn numbers(&mut self, section: Section) -> Option<&mut Vec<u32>> {
        match section {
            Section::Partitions => Some(&mut self.partitions),
            Section::Order => Some(&mut self.order),
            Section::Copies => Some(&mut self.copies),
            Section::Lowest => Some(&mut self.lowest),
            Section::Nodes(layer) => self.upper.get_mut(layer).map(|(nodes, _)| nodes),
            Section::Upper(layer) => self.upper.get_mut(layer).map(|(_, lists)| lists),
            _ => None,
        }
    }

    /// Whether this can be searched and changed: numbers name what there is, and what must be sorted is.
    fn check(&mut self, header: &Header) -> Result<(), IndexError> {
        // One over the length of codes of which the largest is 127, or of whatever a damaged file has.
        let is_scale = |scale: &f32| *scale > 0.0 && *scale <= 1.0;
        if !self.base.scales.iter().chain(&self.rest.scales).all(is_scale) {
            return damaged("scales from 0 to 1");
        }
        let live = Bits::from_words(std::mem::take(&mut self.live), self.ids.len());
        let ids = |slot: &u32| self.ids.get(*slot as usize).filter(|_| live.has(*slot));
        let ascending = self.order.iter().map(ids).is_sorted_by(|a, b| a.is_some() && a < b);
        if !ascending || !self.order.first().is_none_or(|slot| live.has(*slot)) || live.count() != self.order.len() {
            return damaged("each live row once in the order of ids");
        }
        self.live = live.into_words();
        let nodes = header.nodes;
        if !self.copies.is_sorted() || self.copies.last().is_some_and(|node| *node >= nodes) {
            return damaged("copies of its nodes");
        }
        for (own, _) in &self.upper {
            if !own.is_sorted_by(|a, b| a < b) || own.last().is_some_and(|node| *node >= nodes) {
                return damaged("layers of its nodes");
            }
        }
        let lists = self.upper.iter().map(|(_, lists)| lists).chain([&self.lowest]);
        // Without a branch, so that the compiler can take many at once.
        let strangers = |list: &Vec<u32>| list.iter().fold(false, |s, n| s | (*n >= nodes) & (*n != NOBODY));
        if lists.into_iter().any(strangers) {
            return damaged("neighbours among its nodes");
        }
        Ok(())
    }
}

fn block(bytes: [u8; LANES]) -> Block {
    Block(bytes.map(u8::cast_signed))
}

fn extend<T, const N: usize>(list: &mut Vec<T>, bytes: &[u8], value: impl Fn([u8; N]) -> T) {
    list.extend(bytes.as_chunks::<N>().0.iter().map(|bytes| value(*bytes)));
}

fn damaged<T>(expected: &'static str) -> Result<T, IndexError> {
    Err(IndexError::Damaged { expected })
}
