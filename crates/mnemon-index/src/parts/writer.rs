//! From an index to bytes.

use std::borrow::Cow;
use std::collections::VecDeque;

use super::header::{Header, Section};
use super::{ALIGN, FORMAT, FRAME, MAGIC, PAYLOAD, checksum};
use crate::graph::Web;
use crate::kernel::Block;
use crate::rows::Rows;

/// The parts of an index, made by [`VectorIndex::to_parts`](crate::VectorIndex::to_parts): an iterator that makes each of
/// them when it is asked for, of at most 4 MiB and a little.
#[derive(Debug)]
pub struct Parts<'a> {
    header: Header,
    columns: VecDeque<Column<'a>>,
    number: u32,
    count: u32,
    /// The checksum of the part before.
    seed: u64,
}

/// Values that come one after the other in the stream.
#[derive(Debug)]
enum Column<'a> {
    Blocks(&'a [Block]),
    F32(&'a [f32]),
    I64(&'a [i64]),
    U64(&'a [u64]),
    U32(Cow<'a, [u32]>),
    Zeros(usize),
}

impl<'a> Parts<'a> {
    pub(crate) fn new(dimension: usize, rows: &'a Rows, web: Option<&'a Web>) -> Self {
        let web = web.filter(|web| web.links.nodes > 0);
        let order = rows.order();
        let mut header = Header {
            dimension: dimension as u32,
            slots: rows.slots() as u32,
            live: order.len() as u32,
            ..Header::default()
        };
        if let Some(Web { links, copies, ef_search }) = web {
            header.nodes = links.nodes as u32;
            header.copies = copies.len() as u32;
            header.entry = links.entry;
            header.ef_search = *ef_search as u32;
            header.room = links.lowest.room as u32;
            header.upper = links.upper.iter().map(|l| (l.nodes.len() as u32, l.lists.room as u32)).collect();
        }
        let count = header.extent().1 as u32;
        let mut parts = Self { header, columns: VecDeque::new(), number: 0, count, seed: 0 };
        let (mut order, covered) = (Some(order), parts.header.covered());
        for (section, count) in parts.header.sections() {
            match section {
                Section::BaseCodes | Section::BaseScales => {
                    let base = rows.codes().base();
                    // Without a graph all rows are the rest, wherever they lie.
                    match section {
                        _ if covered == 0 => {}
                        Section::BaseCodes => parts.columns.push_back(Column::Blocks(&base.blocks)),
                        _ => parts.columns.push_back(Column::F32(&base.scales)),
                    }
                }
                Section::RestCodes | Section::RestScales => {
                    for chunk in rows.codes().pieces().skip(usize::from(covered > 0)) {
                        parts.columns.push_back(match section {
                            Section::RestCodes => Column::Blocks(&chunk.blocks),
                            _ => Column::F32(&chunk.scales),
                        });
                    }
                }
                Section::Ids => parts.columns.push_back(Column::I64(rows.ids())),
                Section::Partitions => parts.columns.push_back(Column::U32(rows.partitions().into())),
                Section::Live => parts.columns.push_back(Column::U64(rows.live().words())),
                Section::Order => parts.columns.extend(order.take().map(|order| Column::U32(order.into()))),
                Section::Copies => parts.columns.extend(web.map(|web| Column::U32((&web.copies).into()))),
                Section::Lowest => {
                    parts.columns.extend(web.map(|web| Column::U32((&web.links.lowest.neighbours).into())));
                }
                Section::Nodes(layer) | Section::Upper(layer) => {
                    let layer = web.and_then(|web| web.links.upper.get(layer));
                    parts.columns.extend(layer.map(|layer| match section {
                        Section::Nodes(_) => Column::U32((&layer.nodes).into()),
                        _ => Column::U32((&layer.lists.neighbours).into()),
                    }));
                }
            }
            let bytes = count * section.size();
            parts.columns.push_back(Column::Zeros(bytes.next_multiple_of(ALIGN) - bytes));
        }
        parts
    }

    fn payload(&mut self, part: &mut Vec<u8>) {
        let end = FRAME + PAYLOAD;
        part.reserve(PAYLOAD);
        while part.len() < end
            && let Some(column) = self.columns.front_mut()
        {
            if !column.write(part, end - part.len()) {
                self.columns.pop_front();
            }
        }
    }
}

impl Iterator for Parts<'_> {
    type Item = Vec<u8>;

    fn next(&mut self) -> Option<Vec<u8>> {
        if self.number == self.count {
            return None;
        }
        let mut part = vec![0; FRAME - MAGIC.len() - 4 * size_of::<u32>()];
        part.extend(MAGIC);
        part.extend([FORMAT, self.number, self.count, 0].into_iter().flat_map(u32::to_le_bytes));
        if self.number == 0 {
            part.extend(self.header.to_bytes());
        } else {
            self.payload(&mut part);
        }
        if let Some((seal, rest)) = part.split_first_chunk_mut() {
            self.seed = checksum(self.seed, rest);
            *seal = self.seed.to_le_bytes();
        }
        self.number += 1;
        Some(part)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = (self.count - self.number) as usize;
        (left, Some(left))
    }
}

impl ExactSizeIterator for Parts<'_> {}

impl Column<'_> {
    /// Appends as many values as fit into `room` bytes, which is a multiple of the size of each; whether any are left.
    fn write(&mut self, part: &mut Vec<u8>, room: usize) -> bool {
        match self {
            Self::Blocks(blocks) => {
                let written = blocks.split_off(..blocks.len().min(room / 64)).unwrap_or_default();
                written.iter().for_each(|block| part.extend(block.0.map(i8::cast_unsigned)));
                !blocks.is_empty()
            }
            Self::F32(values) => put(part, values, room, |x| x.to_le_bytes()),
            Self::I64(values) => put(part, values, room, |x| x.to_le_bytes()),
            Self::U64(values) => put(part, values, room, |x| x.to_le_bytes()),
            Self::U32(Cow::Borrowed(values)) => put(part, values, room, |x| x.to_le_bytes()),
            Self::U32(Cow::Owned(values)) => {
                let rest = values.split_off(values.len().min(room / 4));
                put(part, &mut &values[..], room, |x| x.to_le_bytes());
                *values = rest;
                !values.is_empty()
            }
            Self::Zeros(count) => {
                let written = room.min(*count);
                part.resize(part.len() + written, 0);
                *count -= written;
                *count > 0
            }
        }
    }
}

fn put<T: Copy, const N: usize>(
    part: &mut Vec<u8>,
    values: &mut &[T],
    room: usize,
    bytes: impl Fn(T) -> [u8; N],
) -> bool {
    let written = values.split_off(..values.len().min(room / N)).unwrap_or_default();
    let start = part.len();
    part.resize(start + written.len() * N, 0);
    let places = part.get_mut(start..).unwrap_or_default().as_chunks_mut::<N>().0;
    for (place, value) in places.iter_mut().zip(written) {
        *place = bytes(*value);
    }
    !values.is_empty()
}
