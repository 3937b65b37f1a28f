//! Quantised vectors: int8 codes and one scale a vector, in chunks that a snapshot shares.

use std::sync::Arc;

use crate::IndexError;
use crate::kernel::{Block, DOTS, LANES};

/// Sums of products of codes stay within an `i32` up to this dimension.
pub(crate) const MAX_DIMENSION: usize = 32_768;

/// Chunks have this many rows: 384 KiB at 384 dimensions, which is what the first write after a snapshot copies.
const CHUNK_ROWS: usize = 1024;

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
        check_vector(dimension, vector)?;
        let largest = vector.iter().fold(0f32, |largest, x| largest.max(x.abs()));
        let mut blocks = vec![Block([0; LANES]); dimension.div_ceil(LANES)];
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

/// Whether `vector` can be compared with others of `dimension` values.
pub(crate) fn check_vector(dimension: usize, vector: &[f32]) -> Result<(), IndexError> {
    if vector.len() != dimension {
        return Err(IndexError::Dimension { expected: dimension, got: vector.len() });
    }
    if let Some((position, &value)) = vector.iter().enumerate().find(|(_, x)| !x.is_finite()) {
        return Err(IndexError::NotFinite { position, value });
    }
    if vector.iter().all(|x| *x == 0.0) {
        return Err(IndexError::Zero { dimension });
    }
    Ok(())
}

/// Rows of codes by slot. Cloning shares the chunks; a chunk that is shared is copied before it is written to.
#[derive(Debug, Clone)]
pub(crate) struct Codes {
    /// Blocks a row.
    width: usize,
    len: usize,
    chunks: Vec<Arc<Chunk>>,
}

#[derive(Debug, Clone)]
struct Chunk {
    blocks: Vec<Block>,
    scales: Vec<f32>,
}

impl Codes {
    pub(crate) fn new(dimension: usize) -> Self {
        Self { width: dimension.div_ceil(LANES).max(1), len: 0, chunks: Vec::new() }
    }

    /// No rows, of the width of `other`.
    pub(crate) fn empty_like(other: &Self) -> Self {
        Self { width: other.width, len: 0, chunks: Vec::new() }
    }

    /// How many rows there are.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Appends a row of `width` blocks.
    pub(crate) fn push(&mut self, blocks: &[Block], scale: f32) {
        debug_assert_eq!(blocks.len(), self.width);
        if self.len == self.chunks.len() * CHUNK_ROWS {
            // The first chunk grows as it fills, so that a small index is small; later ones are allocated whole.
            let rows = if self.len == 0 { 0 } else { CHUNK_ROWS };
            let chunk = Chunk { blocks: Vec::with_capacity(rows * self.width), scales: Vec::with_capacity(rows) };
            self.chunks.push(Arc::new(chunk));
        }
        if let Some(chunk) = self.chunks.last_mut() {
            let chunk = Arc::make_mut(chunk);
            chunk.blocks.extend_from_slice(blocks);
            chunk.scales.push(scale);
            self.len += 1;
        }
    }

    /// The codes and the scale of the row at `slot`.
    pub(crate) fn row(&self, slot: u32) -> Option<(&[Block], f32)> {
        let slot = slot as usize;
        let chunk = self.chunks.get(slot / CHUNK_ROWS)?;
        let row = slot % CHUNK_ROWS;
        Some((chunk.blocks.get(row * self.width..(row + 1) * self.width)?, *chunk.scales.get(row)?))
    }

    /// Calls `each(slot, similarity)` for the rows `start..end`, in order.
    pub(crate) fn scan(&self, query: &Quantised, start: u32, end: u32, mut each: impl FnMut(u32, f32)) {
        const BATCH: usize = 128;
        let dots = *DOTS;
        let mut products = [0i32; BATCH];
        let (mut at, end) = (start as usize, (end as usize).min(self.len));
        while at < end {
            let (chunk, row) = (at / CHUNK_ROWS, at % CHUNK_ROWS);
            let count = BATCH.min(end - at).min(CHUNK_ROWS - row);
            let Some(chunk) = self.chunks.get(chunk) else { return };
            let Some(blocks) = chunk.blocks.get(row * self.width..(row + count) * self.width) else { return };
            dots(&query.blocks, blocks, &mut products[..count]);
            for (i, (product, scale)) in products[..count].iter().zip(&chunk.scales[row..]).enumerate() {
                each((at + i) as u32, *product as f32 * (scale * query.scale));
            }
            at += count;
        }
    }

    /// Bytes of codes and scales.
    pub(crate) fn memory_bytes(&self) -> usize {
        let chunk = |chunk: &Arc<Chunk>| chunk.blocks.capacity() * size_of::<Block>() + chunk.scales.capacity() * 4;
        self.chunks.iter().map(chunk).sum()
    }
}

/// The cosine of two rows.
pub(crate) fn similarity(a: (&[Block], f32), b: (&[Block], f32)) -> f32 {
    let mut product = [0i32];
    (*DOTS)(a.0, b.0, &mut product);
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
        let mut codes = Codes::new(70);
        let row = |x| [Block([x; LANES]); 2];
        for i in 0..CHUNK_ROWS + 10 {
            codes.push(&row((i % 100) as i8), i as f32);
        }
        let snapshot = codes.clone();
        codes.push(&row(5), -1.0);
        assert_eq!(snapshot.len(), CHUNK_ROWS + 10);
        assert_eq!(snapshot.row(CHUNK_ROWS as u32 + 10), None);
        assert_eq!(codes.row(CHUNK_ROWS as u32 + 10), Some((&row(5)[..], -1.0)));
        for i in [0, 1, CHUNK_ROWS - 1, CHUNK_ROWS, CHUNK_ROWS + 9] {
            assert_eq!(snapshot.row(i as u32), Some((&row((i % 100) as i8)[..], i as f32)));
            assert_eq!(snapshot.row(i as u32), codes.row(i as u32));
        }
    }

    #[test]
    fn a_scan_of_any_range_gives_what_single_rows_give() {
        let mut codes = Codes::new(3);
        let vector = |i: u32| Quantised::new(3, &[(i as f32).sin(), (i as f32).cos(), 0.3]).unwrap();
        for i in 0..2500 {
            let row = vector(i);
            codes.push(&row.blocks, row.scale);
        }
        let query = vector(7);
        for (start, end) in [(0, 0), (0, 1), (5, 4), (1000, 1100), (0, 2500), (2400, 9999), (3000, 3001)] {
            let mut seen = Vec::new();
            codes.scan(&query, start, end, |slot, similarity| seen.push((slot, similarity)));
            let expected: Vec<(u32, f32)> = (start..end.min(2500))
                .map(|slot| (slot, similarity(codes.row(slot).unwrap(), (&query.blocks, query.scale))))
                .collect();
            assert_eq!(seen, expected);
        }
    }
}
