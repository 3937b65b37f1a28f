//! The inner loop of late interaction: rows of 8 bits a coordinate against rows of 2 bits.
//!
//! All paths compute the same integers, so results do not depend on the processor but for the rounding of the sum.

use std::sync::LazyLock;

use simsimd::SpatialSimilarity;

use super::codes::{PER_BYTE, inverse_length, spread};

/// A piece of a question, rounded to bytes.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Piece {
    /// Its coordinates, -127 to 127.
    codes: Vec<i8>,
    /// The sum of the codes.
    sum: i32,
}

impl Piece {
    pub(super) fn new(codes: Vec<i8>) -> Self {
        Self { sum: codes.iter().map(|&code| i32::from(code)).sum(), codes }
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
pub(super) type Compare = fn(pieces: &[Piece], rows: &[u8], width: usize, found: Found<'_>);

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
fn portable(pieces: &[Piece], rows: &[u8], width: usize, found: Found<'_>) {
    let Found { best, mut sum } = found;
    let mut coordinates = vec![0; PER_BYTE * width];
    let mut scales = 0.0;
    for row in rows.chunks_exact(width.max(1)) {
        spread(row, &mut coordinates);
        let scale = inverse_length(row);
        for (piece, best) in pieces.iter().zip(best.iter_mut()) {
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

    use super::{Found, Piece, add, correct, inverse_length};

    const LANES: usize = 32;

    /// Multiplies with the codes as they lie in their bytes, 0 to 3, and corrects the products. The products of unsigned by signed bytes are added up in 16 bits, which 8 × 2 × 3 × 127 does not fill.
    ///
    /// A row is `HALVES` times 32 bytes, and gives `VECTORS`, four times as many, of 32 codes.
    #[target_feature(enable = "avx2,popcnt")]
    pub(super) fn avx2<const HALVES: usize, const VECTORS: usize>(pieces: &[Piece], rows: &[u8], found: Found<'_>) {
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
            for (piece, best) in pieces.iter().zip(best.iter_mut()) {
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

    /// As [`avx2`], for rows of 64 bytes, whose products are added up in 32 bits at once. Pieces go four at a time, so that
    /// their sums are made together.
    #[target_feature(enable = "avx512f,avx512bw,avx512vnni,avx2,popcnt")]
    pub(super) fn avx512(pieces: &[Piece], rows: &[u8], found: Found<'_>) {
        const ROW: usize = 64;
        const PARTS: usize = 4;
        let Found { best, mut sum } = found;
        let mut scales = 0.0;
        let two_bits = _mm512_set1_epi8(3);
        for row in rows.as_chunks::<ROW>().0 {
            let codes = load512(row);
            let vectors = [
                _mm512_and_si512(codes, two_bits),
                _mm512_and_si512(_mm512_srli_epi16::<2>(codes), two_bits),
                _mm512_and_si512(_mm512_srli_epi16::<4>(codes), two_bits),
                _mm512_and_si512(_mm512_srli_epi16::<6>(codes), two_bits),
            ];
            let products = |piece: Option<&Piece>| {
                let mut products = _mm512_setzero_si512();
                let codes = piece.map(|piece| piece.codes.as_chunks::<ROW>().0).unwrap_or_default();
                for (vector, codes) in vectors.iter().zip(codes) {
                    products = _mm512_dpbusd_epi32(products, *vector, load512(codes));
                }
                _mm256_add_epi32(_mm512_castsi512_si256(products), _mm512_extracti64x4_epi64::<1>(products))
            };
            let scale = inverse_length(row);
            for (pieces, best) in pieces.chunks(PARTS).zip(best.chunks_mut(PARTS)) {
                let [a, b, c, d] = std::array::from_fn(|at| products(pieces.get(at)));
                let four = _mm256_hadd_epi32(_mm256_hadd_epi32(a, b), _mm256_hadd_epi32(c, d));
                let four = _mm_add_epi32(_mm256_castsi256_si128(four), _mm256_extracti128_si256::<1>(four));
                let four = [
                    _mm_extract_epi32::<0>(four),
                    _mm_extract_epi32::<1>(four),
                    _mm_extract_epi32::<2>(four),
                    _mm_extract_epi32::<3>(four),
                ];
                for ((piece, best), product) in pieces.iter().zip(best).zip(four) {
                    *best = best.max((2 * product - 3 * piece.sum) as f32 * scale);
                }
            }
            if let Some(sum) = &mut sum {
                add(row, scale, sum);
                scales += scale;
            }
        }
        correct(sum, scales);
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
    fn check(pieces: &[Piece], rows: &[u8], width: usize) {
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
        let expected: Vec<f32> = pieces.iter().map(largest).collect();
        let mut expected_sum = vec![0.0f64; PER_BYTE * width];
        for row in rows.chunks(width) {
            for (sum, value) in expected_sum.iter_mut().zip(coordinates(row)) {
                *sum += f64::from(value) * f64::from(inverse_length(row));
            }
        }
        for (name, compare) in available() {
            let (mut best, mut sum) = (vec![0.0; pieces.len()], vec![0.0; PER_BYTE * width]);
            compare(pieces, rows, width, Found { best: &mut best, sum: Some(&mut sum) });
            let mut alone = vec![0.0; pieces.len()];
            compare(pieces, rows, width, Found { best: &mut alone, sum: None });
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
                (Just(width), prop::collection::vec(codes, 0..5), prop::collection::vec(any::<u8>(), 0..20 * width))
            })
        ) {
            let whole = rows.len() / width * width;
            check(&codes.into_iter().map(Piece::new).collect::<Vec<_>>(), &rows[..whole], width);
        }
    }

    #[test]
    fn the_largest_sums_fit() {
        for width in [32, 64] {
            let pieces = [127, -127, 0].map(|code| Piece::new(vec![code; PER_BYTE * width]));
            for byte in [0xff, 0, 0b1110_0100] {
                check(&pieces, &vec![byte; 3 * width], width);
            }
        }
    }
}
