//! Quantised vectors: int8 codes and one scale a vector.

use std::sync::Arc;

use crate::IndexError;
use crate::kernel::{self, Block, KERNEL, LANES};
use crate::query::{Coarse, PreparedQuery};

/// Sums of products of codes stay within an `i32` up to this dimension.
pub(crate) const MAX_DIMENSION: usize = 32_768;

/// Chunks have this many rows: 384 KiB at 384 dimensions, which is what the first write after a snapshot copies.
const CHUNK_ROWS: usize = 1024;

/// Blocks of one row of `dimension` codes.
pub(crate) fn width(dimension: usize) -> usize {
    dimension.div_ceil(LANES).max(1)
}

/// One vector as int8 codes: `code = round(value * 127 / largest absolute value)`.
///
/// The scale is one over the length of the codes, so that `scale * scale * inner product` is the cosine of the two
/// quantised vectors: never above 1 beyond rounding, and 1 for a vector with itself.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Quantised {
    pub(crate) blocks: Vec<Block>,
    pub(crate) scale: f32,
}

impl Quantised {
    /// Checks a vector and quantises it. Its length does not matter, only its direction does.
    pub(crate) fn new(dimension: usize, vector: &[f32]) -> Result<Self, IndexError> {
        let largest = check_vector(dimension, vector)?;
        let mut blocks = vec![Block([0; LANES]); width(dimension)];
        let mut square = 0i32;
        for (code, x) in blocks.iter_mut().flat_map(|block| &mut block.0).zip(vector) {
            // Divided first, because 127 over a subnormal number is infinite. Rounded by hand, because `round` is a call
            // for every value where the compiler may not assume SSE4.1.
            let value = x / largest * 127.0;
            *code = (value + 0.5f32.copysign(value)) as i8;
            square += i32::from(*code) * i32::from(*code);
        }
        Ok(Self { blocks, scale: 1.0 / (square as f32).sqrt() })
    }
}

/// Whether `vector` can be compared with others of `dimension` values; its largest absolute value.
pub(crate) fn check_vector(dimension: usize, vector: &[f32]) -> Result<f32, IndexError> {
    if vector.len() != dimension {
        return Err(IndexError::Dimension { expected: dimension, got: vector.len() });
    }
    // The bits of a number without its sign are ordered as magnitudes are, with what is not finite above all others; and
    // the maximum of integers is taken of many at once.
    let largest = vector.iter().fold(0, |largest, x| largest.max(x.abs().to_bits().cast_signed()));
    let largest = f32::from_bits(largest.cast_unsigned());
    if let Some((position, &value)) = vector.iter().enumerate().find(|(_, x)| !largest.is_finite() && !x.is_finite()) {
        return Err(IndexError::NotFinite { position, value });
    }
    if largest == 0.0 { Err(IndexError::Zero { dimension }) } else { Ok(largest) }
}

/// Rows of codes by slot: first a base that never changes, then chunks that grow. Cloning shares both; a chunk that is
/// shared is copied before it is written to.
#[derive(Debug, Clone)]
pub(crate) struct Codes {
    /// Blocks a row.
    width: usize,
    len: usize,
    base: Arc<Chunk>,
    chunks: Vec<Arc<Chunk>>,
}

/// Rows one after the other.
#[derive(Debug, Clone, Default)]
pub(crate) struct Chunk {
    pub(crate) blocks: Vec<Block>,
    pub(crate) scales: Vec<f32>,
}

impl Chunk {
    /// Room for `rows` rows of `width` blocks.
    pub(crate) fn with_capacity(rows: usize, width: usize) -> Self {
        Self { blocks: Vec::with_capacity(rows * width), scales: Vec::with_capacity(rows) }
    }

    pub(crate) fn push(&mut self, blocks: &[Block], scale: f32) {
        self.blocks.extend_from_slice(blocks);
        self.scales.push(scale);
    }

    /// How many rows there are.
    pub(crate) fn len(&self) -> usize {
        self.scales.len()
    }

    pub(crate) fn row(&self, width: usize, row: usize) -> Option<(&[Block], f32)> {
        Some((self.blocks.get(row * width..(row + 1) * width)?, *self.scales.get(row)?))
    }

    fn memory_bytes(&self) -> usize {
        self.blocks.capacity() * size_of::<Block>() + self.scales.capacity() * size_of::<f32>()
    }
}

impl Codes {
    pub(crate) fn new(dimension: usize) -> Self {
        Self { width: width(dimension), len: 0, base: Arc::default(), chunks: Vec::new() }
    }

    /// The rows of `base`, of `width` blocks each.
    pub(crate) fn with_base(width: usize, base: Chunk) -> Self {
        Self { width, len: base.len(), base: Arc::new(base), chunks: Vec::new() }
    }

    /// The base alone. The chunks are dropped where nobody shares them.
    pub(crate) fn base_only(&self) -> Self {
        Self { width: self.width, len: self.base.len(), base: Arc::clone(&self.base), chunks: Vec::new() }
    }

    /// No rows, of the same width.
    pub(crate) fn empty(&self) -> Self {
        Self { width: self.width, len: 0, base: Arc::default(), chunks: Vec::new() }
    }

    /// How many rows there are.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Blocks a row.
    pub(crate) fn width(&self) -> usize {
        self.width
    }

    /// The rows that lie in one piece of memory, from the first on.
    pub(crate) fn base(&self) -> &Chunk {
        &self.base
    }

    /// All rows in order, in pieces.
    pub(crate) fn pieces(&self) -> impl Iterator<Item = &Chunk> {
        std::iter::once(&*self.base).chain(self.chunks.iter().map(|chunk| &**chunk))
    }

    /// Appends a row of `width` blocks.
    pub(crate) fn push(&mut self, blocks: &[Block], scale: f32) {
        debug_assert_eq!(blocks.len(), self.width);
        if self.len - self.base.len() == self.chunks.len() * CHUNK_ROWS {
            // The first chunk grows as it fills, so that a small index is small; later ones are allocated whole.
            let rows = if self.chunks.is_empty() { 0 } else { CHUNK_ROWS };
            self.chunks.push(Arc::new(Chunk::with_capacity(rows, self.width)));
        }
        if let Some(chunk) = self.chunks.last_mut() {
            Arc::make_mut(chunk).push(blocks, scale);
            self.len += 1;
        }
    }

    /// The codes and the scale of the row at `slot`.
    #[inline]
    pub(crate) fn row(&self, slot: u32) -> Option<(&[Block], f32)> {
        let slot = slot as usize;
        match slot.checked_sub(self.base.len()) {
            None => self.base.row(self.width, slot),
            Some(at) => self.chunks.get(at / CHUNK_ROWS)?.row(self.width, at % CHUNK_ROWS),
        }
    }

    /// Calls `each(slot, similarity)` for the rows `start..end`, in order.
    pub(crate) fn scan(&self, query: Coarse<'_>, start: u32, end: u32, mut each: impl FnMut(u32, f32)) {
        const BATCH: usize = 128;
        let mut products = [0i32; BATCH];
        let base = self.base.len();
        let (mut at, end) = (start as usize, (end as usize).min(self.len));
        while at < end {
            let (chunk, row, room) = match at.checked_sub(base) {
                None => (Some(&self.base), at, base - at),
                Some(at) => (self.chunks.get(at / CHUNK_ROWS), at % CHUNK_ROWS, CHUNK_ROWS - at % CHUNK_ROWS),
            };
            let count = BATCH.min(end - at).min(room);
            let Some(chunk) = chunk else { return };
            let Some(blocks) = chunk.blocks.get(row * self.width..(row + count) * self.width) else { return };
            let Some(scales) = chunk.scales.get(row..row + count) else { return };
            (KERNEL.dots)(query.blocks, blocks, &mut products);
            for (i, (product, scale)) in products.iter().zip(scales).enumerate() {
                each((at + i) as u32, query.similarity(*product, *scale));
            }
            at += count;
        }
    }

    /// Calls `each(slot, similarity)` for rows anywhere, in the order of `slots`; similarities are fine.
    pub(crate) fn refine(&self, query: &PreparedQuery, slots: &[u32], mut each: impl FnMut(usize, f32)) {
        /// Rows that are on their way from memory while one is worked on.
        const ON_THE_WAY: usize = 4;
        for at in 0..slots.len() {
            if let Some((blocks, _)) = slots.get(at + ON_THE_WAY).and_then(|slot| self.row(*slot)) {
                kernel::prefetch(blocks);
            }
            if let Some(row) = slots.get(at).and_then(|slot| self.row(*slot)) {
                each(at, query.similarity(row));
            }
        }
    }

    /// Bytes of codes and scales.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.pieces().map(Chunk::memory_bytes).sum()
    }
}

/// The cosine of two rows.
pub(crate) fn similarity(a: (&[Block], f32), b: (&[Block], f32)) -> f32 {
    let mut product = [0i32];
    (KERNEL.dots)(a.0, b.0, &mut product);
    product[0] as f32 * (a.1 * b.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(vector: &[f32], codes: &[i8]) {
        let quantised = Quantised::new(vector.len(), vector).unwrap();
        assert_eq!(&quantised.blocks[0].0[..codes.len()], codes, "{vector:?}");
        assert!(quantised.blocks[0].0[codes.len()..].iter().all(|c| *c == 0));
        let own = similarity((&quantised.blocks, quantised.scale), (&quantised.blocks, quantised.scale));
        assert!((own - 1.0).abs() < 1e-6, "{own}");
    }

    #[test]
    fn codes_keep_the_direction_at_any_length() {
        check(&[1.0, -0.5, 0.0], &[127, -64, 0]);
        check(&[f32::MAX, f32::MIN], &[127, -127]);
        check(&[f32::from_bits(1), 0.0], &[127, 0]);
        check(&[0.0, -1e-30], &[0, -127]);
    }

    #[test]
    fn a_snapshot_does_not_see_later_rows() {
        let row = |x| [Block([x; LANES]); 2];
        for base in [0, 1, 700] {
            let blocks = (0..base).flat_map(|_| row(-1)).collect();
            let mut codes = Codes::with_base(2, Chunk { blocks, scales: vec![-5.0; base] });
            for i in 0..CHUNK_ROWS + 10 {
                codes.push(&row((i % 100) as i8), i as f32);
            }
            let snapshot = codes.clone();
            codes.push(&row(5), -1.0);
            let at = |i| (base + i) as u32;
            assert_eq!(snapshot.len(), base + CHUNK_ROWS + 10);
            assert_eq!(snapshot.row(at(CHUNK_ROWS + 10)), None);
            assert_eq!(codes.row(at(CHUNK_ROWS + 10)), Some((&row(5)[..], -1.0)));
            assert_eq!(codes.row(at(0).wrapping_sub(1)).is_some(), base > 0);
            for i in [0, 1, CHUNK_ROWS - 1, CHUNK_ROWS, CHUNK_ROWS + 9] {
                assert_eq!(snapshot.row(at(i)), Some((&row((i % 100) as i8)[..], i as f32)));
                assert_eq!(snapshot.row(at(i)), codes.row(at(i)));
            }
        }
    }

    #[test]
    fn a_scan_of_any_range_gives_what_single_rows_give() {
        let vector = |i: u32| [(i as f32).sin(), (i as f32).cos(), 0.3];
        let mut codes = Codes::new(3);
        for base in [0, 300] {
            let mut chunk = Chunk::default();
            for i in 0..2500 {
                let row = Quantised::new(3, &vector(i)).unwrap();
                if i < base {
                    chunk.blocks.extend(row.blocks);
                    chunk.scales.push(row.scale);
                    codes = Codes::with_base(1, chunk.clone());
                } else {
                    codes.push(&row.blocks, row.scale);
                }
            }
            let query = PreparedQuery::new(3, &vector(7)).unwrap();
            for (start, end) in
                [(0, 0), (0, 1), (5, 4), (290, 310), (1000, 1100), (0, 2500), (2400, 9999), (3000, 3001)]
            {
                let mut seen = Vec::new();
                codes.scan(query.coarse(), start, end, |slot, similarity| seen.push((slot, similarity)));
                let slots: Vec<u32> = (start..end.min(2500)).collect();
                let mut fine = Vec::new();
                codes.refine(&query, &slots, |at, similarity| fine.push((slots[at], similarity)));
                assert_eq!(seen.iter().map(|s| s.0).collect::<Vec<_>>(), slots);
                assert_eq!(fine.iter().map(|s| s.0).collect::<Vec<_>>(), slots);
                for ((slot, coarse), (_, fine)) in seen.into_iter().zip(fine) {
                    assert!((coarse - fine).abs() < 0.01);
                    assert_eq!(fine, query.similarity(codes.row(slot).unwrap()));
                }
            }
            codes = codes.empty();
        }
    }
}
