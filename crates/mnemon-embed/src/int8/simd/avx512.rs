//! x86 with AVX-512 and its instructions for dot products of codes (VNNI): Ice Lake, Zen 4 and later.

use std::arch::asm;
use std::arch::x86_64::*;

use super::{COLUMNS, GROUP, LANES, Left, Out, Pair, Simd, with_rows};

/// How many rows of two registers each leave room for a row of the panel and a code.
const MAX_ROWS: usize = 12;

/// How many bytes a line of the cache has, and how far ahead panels are asked for: a quarter of the shortest usual one.
const LINE: usize = 64;
const AHEAD: usize = 3072;

/// A processor with AVX-512 F, BW, DQ, VL and VNNI.
#[derive(Clone, Copy)]
pub(crate) struct Avx512(());

impl Avx512 {
    pub(crate) fn detect() -> Option<Self> {
        let found = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("avx512vnni")
            && is_x86_feature_detected!("avx2");
        found.then_some(Self(()))
    }
}

/// Implements an operation by an intrinsic.
macro_rules! operation {
    ($($name:ident($($argument:ident: $kind:ty),*) -> $result:ty = $body:expr;)*) => {
        $(
            #[inline(always)]
            fn $name(self, $($argument: $kind),*) -> $result {
                // SAFETY: a value of this type exists only where the processor has these instructions; what is read or
                // written is an array of that size, at any address.
                unsafe { $body }
            }
        )*
    };
}

impl Simd for Avx512 {
    type Float = __m512;
    type Int = __m512i;
    type Code = i8;
    const ROWS: usize = MAX_ROWS;

    #[inline(always)]
    fn run<R>(self, code: impl FnOnce() -> R) -> R {
        #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2")]
        fn inner<R>(code: impl FnOnce() -> R) -> R {
            code()
        }
        // SAFETY: a value of this type exists only where the processor has these instructions.
        unsafe { inner(code) }
    }

    operation! {
        splat(value: f32) -> __m512 = _mm512_set1_ps(value);
        load(from: &[f32; LANES]) -> __m512 = _mm512_loadu_ps(from.as_ptr());
        store(value: __m512, to: &mut [f32; LANES]) -> () = _mm512_storeu_ps(to.as_mut_ptr(), value);
        add(a: __m512, b: __m512) -> __m512 = _mm512_add_ps(a, b);
        sub(a: __m512, b: __m512) -> __m512 = _mm512_sub_ps(a, b);
        mul(a: __m512, b: __m512) -> __m512 = _mm512_mul_ps(a, b);
        div(a: __m512, b: __m512) -> __m512 = _mm512_div_ps(a, b);
        min(a: __m512, b: __m512) -> __m512 = _mm512_min_ps(a, b);
        max(a: __m512, b: __m512) -> __m512 = _mm512_max_ps(a, b);
        round(value: __m512) -> __m512i = _mm512_cvtps_epi32(value);
        whole(value: __m512) -> __m512 =
            _mm512_roundscale_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(value);
        scale(value: __m512, power: __m512) -> __m512 = _mm512_scalef_ps(value, power);
        splat_int(value: i32) -> __m512i = _mm512_set1_epi32(value);
        load_int(from: &[i32; LANES]) -> __m512i = _mm512_loadu_si512(from.as_ptr().cast());
        add_int(a: __m512i, b: __m512i) -> __m512i = _mm512_add_epi32(a, b);
        sub_int(a: __m512i, b: __m512i) -> __m512i = _mm512_sub_epi32(a, b);
        mul_int(a: __m512i, b: __m512i) -> __m512i = _mm512_mullo_epi32(a, b);
        float(value: __m512i) -> __m512 = _mm512_cvtepi32_ps(value);
        store_codes(value: __m512i, to: &mut [i8; LANES]) -> () =
            _mm_storeu_si128(to.as_mut_ptr().cast(), _mm512_cvtsepi32_epi8(value));
        store_words(value: __m512i, to: &mut [i16; LANES]) -> () =
            _mm256_storeu_si256(to.as_mut_ptr().cast(), _mm512_cvtsepi32_epi16(value));
        sum(value: __m512) -> f32 = {
            let four = {
                let eight = _mm256_add_ps(_mm512_castps512_ps256(value), _mm512_extractf32x8_ps::<1>(value));
                _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps::<1>(eight))
            };
            let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
            _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)))
        };
        smallest(value: __m512) -> f32 = {
            let eight = _mm256_min_ps(_mm512_castps512_ps256(value), _mm512_extractf32x8_ps::<1>(value));
            let four = _mm_min_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps::<1>(eight));
            let two = _mm_min_ps(four, _mm_movehl_ps(four, four));
            _mm_cvtss_f32(_mm_min_ss(two, _mm_movehdup_ps(two)))
        };
        largest(value: __m512) -> f32 = {
            let eight = _mm256_max_ps(_mm512_castps512_ps256(value), _mm512_extractf32x8_ps::<1>(value));
            let four = _mm_max_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps::<1>(eight));
            let two = _mm_max_ps(four, _mm_movehl_ps(four, four));
            _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)))
        };
        sum_int(value: __m512i) -> i32 = _mm512_reduce_add_epi32(value);
    }

    #[inline(always)]
    fn product_of_codes(self, left: Left<'_, i8>, panel: &[u8], out: Out<'_>) {
        left.check(panel, &out, Self::ROWS);
        let (a, b, c) = (left.codes.as_ptr().cast(), panel.as_ptr(), out.sums.as_mut_ptr());
        let groups = left.depth / GROUP;
        // SAFETY: the processor has these instructions; `check` has made sure that all rows, the panel and the result lie
        // in their slices.
        unsafe { with_rows!(left.rows, MAX_ROWS, product::<_, false>(a, left.stride, groups, b, c, out.stride)) }
    }

    #[inline(always)]
    fn product_of_words(self, left: Left<'_, i16>, panel: &[Pair], out: Out<'_>) {
        left.check(panel, &out, Self::ROWS);
        let (a, b, c) = (left.codes.as_ptr().cast(), panel.as_ptr().cast(), out.sums.as_mut_ptr());
        let groups = left.depth * 2 / GROUP;
        // SAFETY: as above; strides of words are given in bytes.
        unsafe { with_rows!(left.rows, MAX_ROWS, product::<_, true>(a, left.stride * 2, groups, b, c, out.stride)) }
    }
}

/// `ROWS` rows from `a`, `a_stride` bytes apart, times a panel of `groups` groups; results `c_stride` sums apart.
///
/// # Safety
/// The processor has AVX-512 with VNNI; each row holds `groups` times [`GROUP`] bytes, the panel [`COLUMNS`] times as many,
/// and each row of the result [`COLUMNS`] sums that nobody else looks at.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2")]
unsafe fn product<const ROWS: usize, const WORDS: bool>(
    a: *const u8,
    a_stride: usize,
    groups: usize,
    b: *const u8,
    c: *mut i32,
    c_stride: usize,
) {
    let mut sums = [[_mm512_setzero_si512(); COLUMNS / LANES]; MAX_ROWS];
    for group in 0..groups {
        let at = b.wrapping_add(group * GROUP * COLUMNS);
        if !WORDS {
            // Of one text there are so few rows that panels are waited for; what lies beyond the last one is asked for in vain.
            for line in 0..GROUP * COLUMNS / LINE {
                _mm_prefetch::<_MM_HINT_T0>(at.wrapping_add(AHEAD + line * LINE).cast());
            }
        }
        // SAFETY: the group lies in the panel.
        let right = unsafe { [_mm512_loadu_si512(at.cast()), _mm512_loadu_si512(at.add(GROUP * LANES).cast())] };
        /// Written out for each row: sums stay in registers only where no loop over them is left.
        macro_rules! rows {
            ($($row:literal)*) => {
                $(if $row < ROWS {
                    // SAFETY: the group lies in the row.
                    let code = unsafe { a.add($row * a_stride + group * GROUP).cast::<i32>().read_unaligned() };
                    let code = _mm512_set1_epi32(code);
                    for half in 0..COLUMNS / LANES {
                        sums[$row][half] = if WORDS {
                            dpwssd(sums[$row][half], code, right[half])
                        } else {
                            _mm512_dpbusd_epi32(sums[$row][half], right[half], code)
                        };
                    }
                })*
            };
        }
        rows!(0 1 2 3 4 5 6 7 8 9 10 11);
    }
    for (row, sums) in sums.iter().enumerate().take(ROWS) {
        for (half, sum) in sums.iter().enumerate() {
            // SAFETY: the row of the result has that many sums.
            unsafe { _mm512_storeu_si512(c.add(row * c_stride + half * LANES).cast(), *sum) };
        }
    }
}

/// Sixteen sums of two products each. Of the intrinsic LLVM makes two instructions, to shorten a chain that is not the
/// bottleneck here.
#[inline]
#[target_feature(enable = "avx512f,avx512vnni")]
fn dpwssd(sum: __m512i, a: __m512i, b: __m512i) -> __m512i {
    let mut sum = sum;
    // SAFETY: the instruction reads and writes these registers only.
    unsafe {
        asm!(
            "vpdpwssd {sum}, {a}, {b}",
            sum = inout(zmm_reg) sum, a = in(zmm_reg) a, b = in(zmm_reg) b,
            options(pure, nomem, nostack, preserves_flags)
        );
    }
    sum
}
