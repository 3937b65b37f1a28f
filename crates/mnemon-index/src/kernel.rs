//! Inner products of int8 rows: one query against many rows that lie one after the other.
//!
//! All paths compute the same integers, so results do not depend on the processor.

use std::sync::LazyLock;

/// How many codes a [`Block`] holds.
pub(crate) const LANES: usize = 64;

/// 64 codes on a cache line of their own. Rows are whole blocks, padded with zeros, so no kernel has a ragged end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(C, align(64))]
pub(crate) struct Block(pub(crate) [i8; LANES]);

/// The codes of blocks, one after the other.
pub(crate) fn as_codes(blocks: &[Block]) -> &[i8] {
    // SAFETY: a block is `LANES` codes and nothing else (`repr(C)`, of the size of its alignment), so blocks that follow
    // one another are codes that do.
    unsafe { std::slice::from_raw_parts(blocks.as_ptr().cast(), std::mem::size_of_val(blocks)) }
}

/// Writes the inner product of `query` with each row of `rows` to `out`.
///
/// A row is `query.len()` blocks; `rows` holds at least `out.len()` of them, or the rest of `out` stays as it is. No
/// code is -128, and a row has at most 32,768 codes: sums then fit in an `i32` in every path.
pub(crate) type Dots = fn(query: &[Block], rows: &[Block], out: &mut [i32]);

/// The fastest kernel that this processor can run.
pub(crate) static DOTS: LazyLock<Dots> = LazyLock::new(|| available().first().map_or(portable, |&(_, dots)| dots));

/// All kernels that this processor can run, the fastest first.
pub(crate) fn available() -> Vec<(&'static str, Dots)> {
    let mut kernels: Vec<(&'static str, Dots)> = Vec::new();
    #[cfg(target_arch = "x86_64")]
    x86::push_supported(&mut kernels);
    kernels.push(("portable", portable));
    kernels
}

/// Plain Rust in a form that compilers turn into vector instructions (NEON on aarch64, SSE2 on x86-64).
fn portable(query: &[Block], rows: &[Block], out: &mut [i32]) {
    for (row, out) in rows.chunks_exact(query.len().max(1)).zip(out) {
        *out = row
            .iter()
            .zip(query)
            .map(|(a, b)| a.0.iter().zip(&b.0).map(|(&x, &y)| i32::from(x) * i32::from(y)).sum::<i32>())
            .sum();
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    use super::{Block, Dots, LANES};

    /// How far ahead of a row memory is asked for, in bytes.
    const AHEAD: usize = 4096;

    pub(super) fn push_supported(kernels: &mut Vec<(&'static str, Dots)>) {
        if is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512vnni")
        {
            // SAFETY: the processor has every feature that the kernel is compiled for.
            kernels.push(("avx512vnni", |query, rows, out| unsafe { avx512_vnni(query, rows, out) }));
        }
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("avxvnni") {
            // SAFETY: the processor has every feature that the kernel is compiled for.
            kernels.push(("avxvnni", |query, rows, out| unsafe { avx_vnni(query, rows, out) }));
        }
        if is_x86_feature_detected!("avx2") {
            // SAFETY: the processor has every feature that the kernel is compiled for.
            kernels.push(("avx2", |query, rows, out| unsafe { avx2(query, rows, out) }));
        }
    }

    // VNNI multiplies unsigned by signed bytes. Flipping the sign bit of a row adds 128 to each of its codes, which adds
    // 128 times the sum of the query to the inner product: every sum starts from minus that.

    #[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
    fn avx512_vnni(query: &[Block], rows: &[Block], out: &mut [i32]) {
        let sign = _mm512_set1_epi8(-128);
        // SAFETY: a block is 64 readable bytes that begin at a multiple of 64.
        let load = |block: &Block| unsafe { _mm512_load_si512(block.0.as_ptr().cast()) };
        let bias = query.iter().fold(_mm512_setzero_si512(), |sum, b| _mm512_dpbusd_epi32(sum, sign, load(b)));
        let start = _mm512_sub_epi32(_mm512_setzero_si512(), bias);
        for (row, out) in rows.chunks_exact(query.len().max(1)).zip(out) {
            let mut sum = start;
            for (a, b) in row.iter().zip(query) {
                // The hardware stops reading ahead at the end of a page; this address need not be valid.
                _mm_prefetch::<_MM_HINT_T0>(a.0.as_ptr().wrapping_add(AHEAD));
                sum = _mm512_dpbusd_epi32(sum, _mm512_xor_si512(load(a), sign), load(b));
            }
            *out = _mm512_reduce_add_epi32(sum);
        }
    }

    #[target_feature(enable = "avx2,avxvnni")]
    fn avx_vnni(query: &[Block], rows: &[Block], out: &mut [i32]) {
        let sign = _mm256_set1_epi8(-128);
        let bias = query
            .iter()
            .flat_map(|b| halves(b))
            .fold(_mm256_setzero_si256(), |sum, b| _mm256_dpbusd_avx_epi32(sum, sign, b));
        let start = _mm256_sub_epi32(_mm256_setzero_si256(), bias);
        for (row, out) in rows.chunks_exact(query.len().max(1)).zip(out) {
            let (mut low, mut high) = (start, _mm256_setzero_si256());
            for (a, b) in row.iter().zip(query) {
                let ([a0, a1], [b0, b1]) = (halves(a), halves(b));
                low = _mm256_dpbusd_avx_epi32(low, _mm256_xor_si256(a0, sign), b0);
                high = _mm256_dpbusd_avx_epi32(high, _mm256_xor_si256(a1, sign), b1);
            }
            *out = reduce(_mm256_add_epi32(low, high));
        }
    }

    #[target_feature(enable = "avx2")]
    fn avx2(query: &[Block], rows: &[Block], out: &mut [i32]) {
        for (row, out) in rows.chunks_exact(query.len().max(1)).zip(out) {
            let (mut low, mut high) = (_mm256_setzero_si256(), _mm256_setzero_si256());
            for (a, b) in row.iter().zip(query) {
                for (a, b) in halves(a).into_iter().zip(halves(b)) {
                    // Without VNNI codes are widened first: `maddubs` would saturate.
                    let wide = |x| _mm256_cvtepi8_epi16(x);
                    let (a0, a1) = (wide(_mm256_castsi256_si128(a)), wide(_mm256_extracti128_si256::<1>(a)));
                    let (b0, b1) = (wide(_mm256_castsi256_si128(b)), wide(_mm256_extracti128_si256::<1>(b)));
                    low = _mm256_add_epi32(low, _mm256_madd_epi16(a0, b0));
                    high = _mm256_add_epi32(high, _mm256_madd_epi16(a1, b1));
                }
            }
            *out = reduce(_mm256_add_epi32(low, high));
        }
    }

    #[target_feature(enable = "avx2")]
    fn halves(block: &Block) -> [__m256i; 2] {
        let start = block.0.as_ptr();
        // SAFETY: a block is 64 readable bytes that begin at a multiple of 64.
        unsafe { [_mm256_load_si256(start.cast()), _mm256_load_si256(start.add(LANES / 2).cast())] }
    }

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

    fn check(query: &[Block], rows: &[Block]) {
        let count = rows.len() / query.len();
        let expected: Vec<i32> = rows
            .chunks_exact(query.len())
            .map(|row| {
                let codes = row.iter().flat_map(|b| b.0).zip(query.iter().flat_map(|b| b.0));
                codes.map(|(x, y)| i32::from(x) * i32::from(y)).sum()
            })
            .collect();
        for (name, dots) in available() {
            let mut out = vec![i32::MIN; count];
            dots(query, rows, &mut out);
            assert_eq!(out, expected, "{name}");
        }
    }

    fn blocks(count: impl Into<proptest::collection::SizeRange>) -> impl Strategy<Value = Vec<Block>> {
        let block = proptest::collection::vec(-127i8..=127, LANES).prop_map(|codes| {
            let mut block = Block([0; LANES]);
            block.0.copy_from_slice(&codes);
            block
        });
        proptest::collection::vec(block, count)
    }

    proptest! {
        #[test]
        fn every_kernel_gives_the_same_integers((query, rows) in (1usize..9).prop_flat_map(|w| (blocks(w), blocks(w * 5)))) {
            check(&query, &rows);
        }
    }

    #[test]
    fn the_largest_rows_do_not_overflow() {
        let (plus, minus) = (vec![Block([127; LANES]); 512], vec![Block([-127; LANES]); 1024]);
        check(&plus, &minus);
        check(&minus[..512], &minus);
        check(&plus, &[&plus[..], &plus[..]].concat());
    }

    #[test]
    fn missing_rows_leave_the_rest_of_the_output_alone() {
        for (name, dots) in available() {
            let mut out = [7, 7];
            dots(&[Block([1; LANES])], &[Block([2; LANES])], &mut out);
            assert_eq!(out, [128, 7], "{name}");
            dots(&[], &[Block([2; LANES])], &mut out);
        }
    }
}
