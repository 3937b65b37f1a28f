//! The inner loop of late interaction: rows of 8 bits a coordinate against rows of 2 bits.
//!
//! All paths compute the same integers, so results do not depend on the processor but for the rounding of the sum.

use std::sync::LazyLock;

use simsimd::SpatialSimilarity;

use super::codes::{PER_BYTE, inverse_length, spread};
use crate::lanes::Lanes;

/// The pieces of a question, rounded to bytes.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Pieces {
    each: Vec<Piece>,
    /// The same side by side.
    lanes: Lanes<1>,
}

#[derive(Debug, Clone, PartialEq)]
struct Piece {
    /// Its coordinates, -127 to 127.
    codes: Vec<i8>,
    /// The sum of the codes.
    sum: i32,
}

impl Pieces {
    /// Adds a piece by its coordinates, as many as all others have.
    pub(super) fn push(&mut self, codes: Vec<i8>) {
        self.lanes.push(&codes);
        self.each.push(Piece { sum: codes.iter().map(|&code| i32::from(code)).sum(), codes });
    }
}

/// What is found out about a passage.
pub(super) struct Found<'a> {
    /// For each piece the largest inner product with a row of unit length, or what stood there where that is larger.
    pub(super) best: &'a mut [f32],
    /// The sum of the rows, each of unit length, where it is asked for. All zeros before.
    pub(super) sum: Option<&'a mut [f32]>,
}

/// Compares pieces with coded rows of `width` bytes each; a piece has four coordinates for each of these bytes.
pub(super) type Compare = fn(pieces: &Pieces, rows: &[u8], width: usize, found: Found<'_>);

/// The fastest kernel that this processor can run.
pub(super) static COMPARE: LazyLock<Compare> =
    LazyLock::new(|| available().first().map_or(portable as Compare, |&(_, compare)| compare));

/// All kernels that this processor can run, the fastest first.
fn available() -> Vec<(&'static str, Compare)> {
    let mut kernels: Vec<(&'static str, Compare)> = Vec::new();
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx512vnni")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx2")
        && is_x86_feature_detected!("popcnt")
    {
        kernels.push(("avx512", |pieces, rows, width, found| match width {
            // SAFETY: the processor has every feature that the kernel is compiled for.
            32 => unsafe { x86::avx2::<1, 4>(pieces, rows, found) },
            // SAFETY: as above.
            64 => unsafe { x86::avx512(pieces, rows, found) },
            _ => portable(pieces, rows, width, found),
        }));
    }
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("popcnt") {
        kernels.push(("avx2", |pieces, rows, width, found| match width {
            // SAFETY: the processor has every feature that the kernel is compiled for.
            32 => unsafe { x86::avx2::<1, 4>(pieces, rows, found) },
            // SAFETY: as above.
            64 => unsafe { x86::avx2::<2, 8>(pieces, rows, found) },
            _ => portable(pieces, rows, width, found),
        }));
    }
    kernels.push(("portable", portable));
    kernels
}

/// Spreads each row and lets simsimd choose the instructions: those for products of signed bytes on ARM, say.
fn portable(pieces: &Pieces, rows: &[u8], width: usize, found: Found<'_>) {
    let Found { best, mut sum } = found;
    let mut coordinates = vec![0; PER_BYTE * width];
    let mut scales = 0.0;
    for row in rows.chunks_exact(width.max(1)) {
        spread(row, &mut coordinates);
        let scale = inverse_length(row);
        for (piece, best) in pieces.each.iter().zip(best.iter_mut()) {
            let product = i8::dot(&piece.codes, &coordinates).map_or(0, |product| product as i32);
            *best = best.max(product as f32 * scale);
        }
        if let Some(sum) = &mut sum {
            add(row, scale, sum);
            scales += scale;
        }
    }
    correct(sum, scales);
}

/// Adds the codes of a row, 0 to 3, times `scale`.
#[inline(always)]
fn add(row: &[u8], scale: f32, sum: &mut [f32]) {
    for (number, part) in sum.chunks_exact_mut(row.len().max(1)).enumerate().take(PER_BYTE) {
        for (sum, byte) in part.iter_mut().zip(row) {
            *sum += f32::from(byte >> (2 * number) & 3) * scale;
        }
    }
}

/// From sums of codes to those of coordinates: a code of `c` stands for `2c - 3`.
fn correct(sum: Option<&mut [f32]>, scales: f32) {
    sum.into_iter().flatten().for_each(|sum| *sum = 2.0 * *sum - 3.0 * scales);
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    use super::{Found, Pieces, add, correct, inverse_length};
    use crate::lanes::{IN_LANE, TOGETHER};

    const LANES: usize = 32;

    /// Multiplies with the codes as they lie in their bytes, 0 to 3, and corrects the products. The products of unsigned by signed bytes are added up in 16 bits, which 8 × 2 × 3 × 127 does not fill.
    ///
    /// A row is `HALVES` times 32 bytes, and gives `VECTORS`, four times as many, of 32 codes.
    #[target_feature(enable = "avx2,popcnt")]
    pub(super) fn avx2<const HALVES: usize, const VECTORS: usize>(pieces: &Pieces, rows: &[u8], found: Found<'_>) {
        let Found { best, mut sum } = found;
        let mut scales = 0.0;
        let (two_bits, ones) = (_mm256_set1_epi8(3), _mm256_set1_epi16(1));
        for row in rows.chunks_exact(HALVES * LANES) {
            let mut vectors = [_mm256_setzero_si256(); VECTORS];
            let halves = row.as_chunks::<LANES>().0;
            for (number, vectors) in vectors.as_chunks_mut::<HALVES>().0.iter_mut().enumerate() {
                let shift = _mm_cvtsi32_si128(2 * number as i32);
                for (vector, half) in vectors.iter_mut().zip(halves) {
                    *vector = _mm256_and_si256(_mm256_srl_epi16(load(half), shift), two_bits);
                }
            }
            let scale = inverse_length(row);
            for (piece, best) in pieces.each.iter().zip(best.iter_mut()) {
                let Some(codes) = piece.codes.as_chunks::<LANES>().0.first_chunk::<VECTORS>() else { continue };
                let mut products = _mm256_setzero_si256();
                for (vector, codes) in vectors.iter().zip(codes) {
                    products = _mm256_add_epi16(products, _mm256_maddubs_epi16(*vector, load(codes)));
                }
                let product = reduce(_mm256_madd_epi16(products, ones));
                *best = best.max((2 * product - 3 * piece.sum) as f32 * scale);
            }
            if let Some(sum) = &mut sum {
                add(row, scale, sum);
                scales += scale;
            }
        }
        correct(sum, scales);
    }

    /// As [`avx2`], for rows of 64 bytes, whose products are added up in 32 bits at once. A lane belongs to a piece, so no
    /// sum goes across lanes: four coordinates of a row are multiplied with those of 16 pieces.
    #[target_feature(enable = "avx512f,avx512bw,avx512vnni,avx2,popcnt")]
    pub(super) fn avx512(pieces: &Pieces, rows: &[u8], found: Found<'_>) {
        const ROW: usize = 64;
        /// Rows that share what is loaded of the pieces: enough sums that none waits for its own last product.
        const ROWS: usize = 8;
        let Found { best, mut sum } = found;
        let mut scales = 0.0;
        let rows = rows.as_chunks::<ROW>().0;
        for rows in rows.chunks(ROWS) {
            let mut levels = [[0u8; 4 * ROW]; ROWS];
            let mut lengths = [0.0f32; ROWS];
            for ((row, levels), length) in rows.iter().zip(&mut levels).zip(&mut lengths) {
                let codes = load512(row);
                let [a, b, c, d] = levels.as_chunks_mut::<ROW>().0 else { continue };
                let two_bits = _mm512_set1_epi8(3);
                store512(a, _mm512_and_si512(codes, two_bits));
                store512(b, _mm512_and_si512(_mm512_srli_epi16::<2>(codes), two_bits));
                store512(c, _mm512_and_si512(_mm512_srli_epi16::<4>(codes), two_bits));
                store512(d, _mm512_and_si512(_mm512_srli_epi16::<6>(codes), two_bits));
                *length = inverse_length(row);
            }
            for (block, best) in pieces.lanes.blocks().iter().zip(best.chunks_mut(TOGETHER)) {
                let mut products = [_mm512_setzero_si512(); ROWS];
                let Ok(codes) = <&[_; ROW]>::try_from(block.codes.as_slice()) else { continue };
                for (at, [codes]) in codes.iter().enumerate() {
                    let codes = load512(codes);
                    for (products, levels) in products.iter_mut().zip(&levels) {
                        let Some(four) = levels.as_chunks::<IN_LANE>().0.get(at) else { continue };
                        let four = _mm512_set1_epi32(i32::from_le_bytes(*four));
                        *products = _mm512_dpbusd_epi32(*products, four, codes);
                    }
                }
                let lanes = (1u32 << best.len()).wrapping_sub(1) as __mmask16;
                // SAFETY: only as many lanes are read as `best` has values.
                let mut largest = unsafe { _mm512_maskz_loadu_ps(lanes, best.as_ptr()) };
                let [sums] = &block.sums;
                let sums = _mm512_mullo_epi32(load512_lanes(sums), _mm512_set1_epi32(3));
                for (products, length) in products.iter().zip(&lengths).take(rows.len()) {
                    let products = _mm512_sub_epi32(_mm512_slli_epi32::<1>(*products), sums);
                    let products = _mm512_mul_ps(_mm512_cvtepi32_ps(products), _mm512_set1_ps(*length));
                    largest = _mm512_max_ps(largest, products);
                }
                // SAFETY: only as many lanes are written as `best` has values.
                unsafe { _mm512_mask_storeu_ps(best.as_mut_ptr(), lanes, largest) };
            }
            if let Some(sum) = &mut sum {
                for (row, length) in rows.iter().zip(lengths) {
                    add(row, length, sum);
                    scales += length;
                }
            }
        }
        correct(sum, scales);
    }

    /// Writes 64 bytes.
    #[inline]
    #[target_feature(enable = "avx512f")]
    fn store512(bytes: &mut [u8; 64], value: __m512i) {
        // SAFETY: these are 64 writable bytes, and the instruction asks for no alignment.
        unsafe { _mm512_storeu_si512(bytes.as_mut_ptr().cast(), value) }
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    fn load512_lanes(lanes: &[i32; TOGETHER]) -> __m512i {
        // SAFETY: these are 64 readable bytes, and the instruction asks for no alignment.
        unsafe { _mm512_loadu_si512(lanes.as_ptr().cast()) }
    }

    /// 64 bytes, signed or not.
    #[inline]
    #[target_feature(enable = "avx512f")]
    fn load512<T>(bytes: &[T; 64]) -> __m512i {
        const { assert!(size_of::<T>() == 1) };
        // SAFETY: these are 64 readable bytes, and the instruction asks for no alignment.
        unsafe { _mm512_loadu_si512(bytes.as_ptr().cast()) }
    }

    /// 32 bytes, signed or not.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn load<T>(bytes: &[T; LANES]) -> __m256i {
        const { assert!(size_of::<T>() == 1) };
        // SAFETY: these are 32 readable bytes, and the instruction asks for no alignment.
        unsafe { _mm256_loadu_si256(bytes.as_ptr().cast()) }
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn reduce(x: __m256i) -> i32 {
        let x = _mm_add_epi32(_mm256_castsi256_si128(x), _mm256_extracti128_si256::<1>(x));
        let x = _mm_add_epi32(x, _mm_shuffle_epi32::<0b01_00_11_10>(x));
        _mm_cvtsi128_si32(_mm_add_epi32(x, _mm_shuffle_epi32::<0b10_11_00_01>(x)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(codes: Vec<Vec<i8>>, rows: &[u8], width: usize) {
        let mut pieces = Pieces::default();
        codes.into_iter().for_each(|codes| pieces.push(codes));
        let coordinates = |row: &[u8]| {
            let mut coordinates = vec![0; PER_BYTE * width];
            spread(row, &mut coordinates);
            coordinates
        };
        let product = |piece: &Piece, row: &[u8]| -> f32 {
            let products = piece.codes.iter().zip(coordinates(row)).map(|(&a, b)| i32::from(a) * i32::from(b));
            products.sum::<i32>() as f32 * inverse_length(row)
        };
        let largest = |piece| rows.chunks(width).map(|row| product(piece, row)).fold(0.0, f32::max);
        let expected: Vec<f32> = pieces.each.iter().map(largest).collect();
        let mut expected_sum = vec![0.0f64; PER_BYTE * width];
        for row in rows.chunks(width) {
            for (sum, value) in expected_sum.iter_mut().zip(coordinates(row)) {
                *sum += f64::from(value) * f64::from(inverse_length(row));
            }
        }
        for (name, compare) in available() {
            let (mut best, mut sum) = (vec![0.0; pieces.each.len()], vec![0.0; PER_BYTE * width]);
            compare(&pieces, rows, width, Found { best: &mut best, sum: Some(&mut sum) });
            let mut alone = vec![0.0; pieces.each.len()];
            compare(&pieces, rows, width, Found { best: &mut alone, sum: None });
            assert_eq!(alone, best, "{name}");
            assert_eq!(best, expected, "{name}");
            let is_close = sum.iter().zip(&expected_sum).all(|(a, b)| (f64::from(*a) - b).abs() < 1e-5);
            assert!(is_close, "{name}: {sum:?} is not {expected_sum:?}");
        }
    }

    proptest! {
        #[test]
        fn every_kernel_gives_the_same(
            (width, codes, rows) in prop::sample::select(vec![32usize, 64, 96]).prop_flat_map(|width| {
                let codes = prop::collection::vec(-127i8..=127, PER_BYTE * width);
                (Just(width), prop::collection::vec(codes, 0..35), prop::collection::vec(any::<u8>(), 0..20 * width))
            })
        ) {
            let whole = rows.len() / width * width;
            check(codes, &rows[..whole], width);
        }
    }

    #[test]
    fn the_largest_sums_fit() {
        for width in [32, 64] {
            let pieces = || [127, -127, 0].map(|code| vec![code; PER_BYTE * width]).to_vec();
            for byte in [0xff, 0, 0b1110_0100] {
                check(pieces(), &vec![byte; 3 * width], width);
            }
        }
    }
}
