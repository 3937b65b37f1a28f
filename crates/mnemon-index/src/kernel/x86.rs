//! Kernels for x86-64: AVX-512 VNNI, AVX VNNI and AVX2.

use std::arch::x86_64::*;

use super::{Block, Kernel, LANES, row_loops};

pub(super) fn push_supported(kernels: &mut Vec<Kernel>) {
    if is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512vnni")
    {
        kernels.push(Kernel {
            name: "avx512",
            // SAFETY: the processor has every feature that the kernel is compiled for.
            dots: |query, rows, out| unsafe { avx512_dots(query, rows, out) },
            // SAFETY: as above.
            gather: |query, rows, picked, out| unsafe { avx512_gather(query, rows, picked, out) },
        });
    }
    if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("avxvnni") {
        kernels.push(Kernel {
            name: "avxvnni",
            // SAFETY: the processor has every feature that the kernel is compiled for.
            dots: |query, rows, out| unsafe { avx_vnni_dots(query, rows, out) },
            // SAFETY: as above.
            gather: |query, rows, picked, out| unsafe { avx_vnni_gather(query, rows, picked, out) },
        });
    }
    if is_x86_feature_detected!("avx2") {
        kernels.push(Kernel {
            name: "avx2",
            // SAFETY: the processor has every feature that the kernel is compiled for.
            dots: |query, rows, out| unsafe { avx2_dots(query, rows, out) },
            // SAFETY: as above.
            gather: |query, rows, picked, out| unsafe { avx2_gather(query, rows, picked, out) },
        });
    }
}

#[inline(always)]
pub(super) fn prefetch_line(address: *const i8) {
    // SAFETY: every x86-64 has SSE, and asking for memory has no effect on any value, wherever the address points.
    unsafe { _mm_prefetch::<_MM_HINT_T0>(address) }
}

// VNNI multiplies unsigned by signed bytes. Flipping the sign bit of a row adds 128 to each of its codes, which adds
// 128 times the sum of the query to the inner product: every sum begins with minus that.

row_loops!(
    #[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
    avx512_begin,
    avx512_product,
    avx512_dots,
    avx512_gather
);

#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn avx512_begin(query: &[Block]) -> __m512i {
    let sign = _mm512_set1_epi8(-128);
    let bias = query.iter().fold(_mm512_setzero_si512(), |sum, b| _mm512_dpbusd_epi32(sum, sign, whole(b)));
    _mm512_sub_epi32(_mm512_setzero_si512(), bias)
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn avx512_product(query: &[Block], row: &[Block], begin: __m512i) -> i32 {
    let sign = _mm512_set1_epi8(-128);
    let mut sum = begin;
    for (a, b) in row.iter().zip(query) {
        sum = _mm512_dpbusd_epi32(sum, _mm512_xor_si512(whole(a), sign), whole(b));
    }
    _mm512_reduce_add_epi32(sum)
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn whole(block: &Block) -> __m512i {
    // SAFETY: a block is 64 readable bytes that begin at a multiple of 64.
    unsafe { _mm512_load_si512(block.0.as_ptr().cast()) }
}

row_loops!(
    #[target_feature(enable = "avx2,avxvnni")]
    avx_vnni_begin,
    avx_vnni_product,
    avx_vnni_dots,
    avx_vnni_gather
);

#[target_feature(enable = "avx2,avxvnni")]
fn avx_vnni_begin(query: &[Block]) -> __m256i {
    let sign = _mm256_set1_epi8(-128);
    let parts = query.iter().flat_map(|b| halves(b));
    let bias = parts.fold(_mm256_setzero_si256(), |sum, b| _mm256_dpbusd_avx_epi32(sum, sign, b));
    _mm256_sub_epi32(_mm256_setzero_si256(), bias)
}

#[inline]
#[target_feature(enable = "avx2,avxvnni")]
fn avx_vnni_product(query: &[Block], row: &[Block], begin: __m256i) -> i32 {
    let sign = _mm256_set1_epi8(-128);
    let (mut low, mut high) = (begin, _mm256_setzero_si256());
    for (a, b) in row.iter().zip(query) {
        let ([a0, a1], [b0, b1]) = (halves(a), halves(b));
        low = _mm256_dpbusd_avx_epi32(low, _mm256_xor_si256(a0, sign), b0);
        high = _mm256_dpbusd_avx_epi32(high, _mm256_xor_si256(a1, sign), b1);
    }
    reduce(_mm256_add_epi32(low, high))
}

row_loops!(
    #[target_feature(enable = "avx2")]
    avx2_begin,
    avx2_product,
    avx2_dots,
    avx2_gather
);

#[target_feature(enable = "avx2")]
fn avx2_begin(_: &[Block]) {}

#[inline]
#[target_feature(enable = "avx2")]
fn avx2_product(query: &[Block], row: &[Block], (): ()) -> i32 {
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
    reduce(_mm256_add_epi32(low, high))
}

#[inline]
#[target_feature(enable = "avx2")]
fn halves(block: &Block) -> [__m256i; 2] {
    let start = block.0.as_ptr();
    // SAFETY: a block is 64 readable bytes that begin at a multiple of 64.
    unsafe { [_mm256_load_si256(start.cast()), _mm256_load_si256(start.add(LANES / 2).cast())] }
}

#[inline]
#[target_feature(enable = "avx2")]
fn reduce(x: __m256i) -> i32 {
    let x = _mm_add_epi32(_mm256_castsi256_si128(x), _mm256_extracti128_si256::<1>(x));
    let x = _mm_add_epi32(x, _mm_shuffle_epi32::<0b01_00_11_10>(x));
    _mm_cvtsi128_si32(_mm_add_epi32(x, _mm_shuffle_epi32::<0b10_11_00_01>(x)))
}
