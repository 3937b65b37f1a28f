//! x86 with AVX2, and the same with the dot products of AVX-VNNI (Alder Lake and later).

use std::arch::x86_64::*;

use super::{COLUMNS, GROUP, LANES, Left, Out, Pair, Simd, with_rows};

/// A processor with AVX2; with AVX-VNNI where `VNNI` is set.
///
/// The instruction of AVX2 for products of bytes rounds sums to 16 bits and would not be exact. Codes are kept as 16 bits
/// instead, the even two of each four before the odd two, so that one multiplies the even bytes of the panel and the
/// other the odd ones.
#[derive(Clone, Copy)]
pub(crate) struct Avx2<const VNNI: bool>(());

impl<const VNNI: bool> Avx2<VNNI> {
    pub(crate) fn detect() -> Option<Self> {
        let found = is_x86_feature_detected!("avx2") && (!VNNI || is_x86_feature_detected!("avxvnni"));
        found.then_some(Self(()))
    }
}

/// Implements an operation by intrinsics.
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

/// What both kinds have in common.
macro_rules! common {
    () => {
        type Float = [__m256; 2];
        type Int = [__m256i; 2];

        operation! {
            splat(value: f32) -> Self::Float = [_mm256_set1_ps(value); 2];
            load(from: &[f32; LANES]) -> Self::Float =
                [_mm256_loadu_ps(from.as_ptr()), _mm256_loadu_ps(from.as_ptr().add(8))];
            store(value: Self::Float, to: &mut [f32; LANES]) -> () = {
                _mm256_storeu_ps(to.as_mut_ptr(), value[0]);
                _mm256_storeu_ps(to.as_mut_ptr().add(8), value[1]);
            };
            add(a: Self::Float, b: Self::Float) -> Self::Float =
                [_mm256_add_ps(a[0], b[0]), _mm256_add_ps(a[1], b[1])];
            sub(a: Self::Float, b: Self::Float) -> Self::Float =
                [_mm256_sub_ps(a[0], b[0]), _mm256_sub_ps(a[1], b[1])];
            mul(a: Self::Float, b: Self::Float) -> Self::Float =
                [_mm256_mul_ps(a[0], b[0]), _mm256_mul_ps(a[1], b[1])];
            div(a: Self::Float, b: Self::Float) -> Self::Float =
                [_mm256_div_ps(a[0], b[0]), _mm256_div_ps(a[1], b[1])];
            min(a: Self::Float, b: Self::Float) -> Self::Float =
                [_mm256_min_ps(a[0], b[0]), _mm256_min_ps(a[1], b[1])];
            max(a: Self::Float, b: Self::Float) -> Self::Float =
                [_mm256_max_ps(a[0], b[0]), _mm256_max_ps(a[1], b[1])];
            round(value: Self::Float) -> Self::Int = [_mm256_cvtps_epi32(value[0]), _mm256_cvtps_epi32(value[1])];
            whole(value: Self::Float) -> Self::Float = [
                _mm256_round_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(value[0]),
                _mm256_round_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(value[1]),
            ];
            scale(value: Self::Float, power: Self::Float) -> Self::Float = [
                _mm256_mul_ps(value[0], power_of_two(power[0])),
                _mm256_mul_ps(value[1], power_of_two(power[1])),
            ];
            splat_int(value: i32) -> Self::Int = [_mm256_set1_epi32(value); 2];
            load_int(from: &[i32; LANES]) -> Self::Int =
                [_mm256_loadu_si256(from.as_ptr().cast()), _mm256_loadu_si256(from.as_ptr().add(8).cast())];
            add_int(a: Self::Int, b: Self::Int) -> Self::Int =
                [_mm256_add_epi32(a[0], b[0]), _mm256_add_epi32(a[1], b[1])];
            sub_int(a: Self::Int, b: Self::Int) -> Self::Int =
                [_mm256_sub_epi32(a[0], b[0]), _mm256_sub_epi32(a[1], b[1])];
            mul_int(a: Self::Int, b: Self::Int) -> Self::Int =
                [_mm256_mullo_epi32(a[0], b[0]), _mm256_mullo_epi32(a[1], b[1])];
            float(value: Self::Int) -> Self::Float = [_mm256_cvtepi32_ps(value[0]), _mm256_cvtepi32_ps(value[1])];
            store_words(value: Self::Int, to: &mut [i16; LANES]) -> () =
                _mm256_storeu_si256(to.as_mut_ptr().cast(), words(value));
            sum(value: Self::Float) -> f32 = {
                let eight = _mm256_add_ps(value[0], value[1]);
                let four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps::<1>(eight));
                let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
                _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)))
            };
            smallest(value: Self::Float) -> f32 = {
                let eight = _mm256_min_ps(value[0], value[1]);
                let four = _mm_min_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps::<1>(eight));
                let two = _mm_min_ps(four, _mm_movehl_ps(four, four));
                _mm_cvtss_f32(_mm_min_ss(two, _mm_movehdup_ps(two)))
            };
            largest(value: Self::Float) -> f32 = {
                let eight = _mm256_max_ps(value[0], value[1]);
                let four = _mm_max_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps::<1>(eight));
                let two = _mm_max_ps(four, _mm_movehl_ps(four, four));
                _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)))
            };
            sum_int(value: Self::Int) -> i32 = {
                let eight = _mm256_add_epi32(value[0], value[1]);
                let four = _mm_add_epi32(_mm256_castsi256_si128(eight), _mm256_extracti128_si256::<1>(eight));
                let two = _mm_add_epi32(four, _mm_unpackhi_epi64(four, four));
                _mm_cvtsi128_si32(_mm_add_epi32(two, _mm_shuffle_epi32::<1>(two)))
            };
        }
    };
}

impl Simd for Avx2<false> {
    type Code = i16;
    const ROWS: usize = 5;

    common!();

    #[inline(always)]
    fn run<R>(self, code: impl FnOnce() -> R) -> R {
        #[target_feature(enable = "avx2")]
        fn inner<R>(code: impl FnOnce() -> R) -> R {
            code()
        }
        // SAFETY: a value of this type exists only where the processor has these instructions.
        unsafe { inner(code) }
    }

    operation! {
        store_codes(value: Self::Int, to: &mut [i16; LANES]) -> () = {
            let bytes = _mm256_packs_epi16(words(value), _mm256_setzero_si256());
            let bytes = _mm256_castsi256_si128(_mm256_permute4x64_epi64::<0b1000>(bytes));
            let words = _mm256_cvtepi8_epi16(bytes);
            let words = _mm256_shufflehi_epi16::<0b11_01_10_00>(_mm256_shufflelo_epi16::<0b11_01_10_00>(words));
            _mm256_storeu_si256(to.as_mut_ptr().cast(), words);
        };
    }

    #[inline(always)]
    fn product_of_codes(self, left: Left<'_, i16>, panel: &[u8], out: Out<'_>) {
        left.check(panel, &out, Self::ROWS);
        let (a, b, c) = (left.codes.as_ptr().cast(), panel.as_ptr(), out.sums.as_mut_ptr());
        let groups = left.depth / GROUP;
        for half in 0..COLUMNS / LANES {
            // SAFETY: the processor has these instructions; `check` has made sure that all rows, the panel and the result
            // lie in their slices. A half of a panel begins after 16 groups of its first, and a half of a result after 16
            // sums. Strides of words are given in bytes.
            unsafe {
                let (b, c) = (b.add(half * LANES * GROUP), c.add(half * LANES));
                with_rows!(left.rows, Self::ROWS, bytes::<_>(a, left.stride * 2, groups, b, c, out.stride));
            }
        }
    }

    #[inline(always)]
    fn product_of_words(self, left: Left<'_, i16>, panel: &[Pair], out: Out<'_>) {
        left.check(panel, &out, Self::ROWS);
        let (a, b, c) = (left.codes.as_ptr().cast(), panel.as_ptr().cast::<u8>(), out.sums.as_mut_ptr());
        let groups = left.depth * 2 / GROUP;
        for half in 0..COLUMNS / LANES {
            // SAFETY: as above.
            unsafe {
                let (b, c) = (b.add(half * LANES * GROUP), c.add(half * LANES));
                with_rows!(left.rows, Self::ROWS, madd::<_>(a, left.stride * 2, groups, b, c, out.stride));
            }
        }
    }
}

impl Simd for Avx2<true> {
    type Code = i8;
    const ROWS: usize = 6;

    common!();

    #[inline(always)]
    fn run<R>(self, code: impl FnOnce() -> R) -> R {
        #[target_feature(enable = "avx2,avxvnni")]
        fn inner<R>(code: impl FnOnce() -> R) -> R {
            code()
        }
        // SAFETY: a value of this type exists only where the processor has these instructions.
        unsafe { inner(code) }
    }

    operation! {
        store_codes(value: Self::Int, to: &mut [i8; LANES]) -> () = {
            let bytes = _mm256_packs_epi16(words(value), _mm256_setzero_si256());
            let bytes = _mm256_castsi256_si128(_mm256_permute4x64_epi64::<0b1000>(bytes));
            _mm_storeu_si128(to.as_mut_ptr().cast(), bytes);
        };
    }

    #[inline(always)]
    fn product_of_codes(self, left: Left<'_, i8>, panel: &[u8], out: Out<'_>) {
        left.check(panel, &out, Self::ROWS);
        let (a, b, c) = (left.codes.as_ptr().cast(), panel.as_ptr(), out.sums.as_mut_ptr());
        let groups = left.depth / GROUP;
        for half in 0..COLUMNS / LANES {
            // SAFETY: as for the processors without VNNI; strides of bytes are what they are.
            unsafe {
                let (b, c) = (b.add(half * LANES * GROUP), c.add(half * LANES));
                with_rows!(left.rows, Self::ROWS, vnni::<_, DPBUSD>(a, left.stride, groups, b, c, out.stride));
            }
        }
    }

    #[inline(always)]
    fn product_of_words(self, left: Left<'_, i16>, panel: &[Pair], out: Out<'_>) {
        left.check(panel, &out, Self::ROWS);
        let (a, b, c) = (left.codes.as_ptr().cast(), panel.as_ptr().cast::<u8>(), out.sums.as_mut_ptr());
        let groups = left.depth * 2 / GROUP;
        for half in 0..COLUMNS / LANES {
            // SAFETY: as above; strides of words are given in bytes.
            unsafe {
                let (b, c) = (b.add(half * LANES * GROUP), c.add(half * LANES));
                with_rows!(left.rows, Self::ROWS, vnni::<_, DPWSSD>(a, left.stride * 2, groups, b, c, out.stride));
            }
        }
    }
}

/// 2 to the powers of whole numbers.
#[inline]
#[target_feature(enable = "avx2")]
fn power_of_two(power: __m256) -> __m256 {
    let power = _mm256_add_epi32(_mm256_cvtps_epi32(power), _mm256_set1_epi32(127));
    _mm256_castsi256_ps(_mm256_slli_epi32::<23>(power))
}

/// Sixteen numbers of 16 bits in their order; those beyond the range become its ends.
#[inline]
#[target_feature(enable = "avx2")]
fn words(value: [__m256i; 2]) -> __m256i {
    _mm256_permute4x64_epi64::<0b11_01_10_00>(_mm256_packs_epi32(value[0], value[1]))
}

/// `ROWS` rows of 8-bit codes from `a`, `a_stride` bytes apart, times half a panel of `groups` groups; results `c_stride`
/// sums apart.
///
/// # Safety
/// The processor has AVX2; each row holds `groups` times four codes as [`Avx2`] says, `b` is the start of the first or the
/// second half of a panel of as many groups, and each row of the result has [`LANES`] sums that nobody else looks at.
#[target_feature(enable = "avx2")]
unsafe fn bytes<const ROWS: usize>(
    a: *const u8,
    a_stride: usize,
    groups: usize,
    b: *const u8,
    c: *mut i32,
    c_stride: usize,
) {
    let low = _mm256_set1_epi16(0xff);
    let mut sums = [[_mm256_setzero_si256(); 2]; ROWS];
    for group in 0..groups {
        // SAFETY: the group lies in the panel.
        let right = unsafe { load(b.add(group * GROUP * COLUMNS)) };
        for odd in [false, true] {
            let right =
                right.map(|right| if odd { _mm256_srli_epi16::<8>(right) } else { _mm256_and_si256(right, low) });
            for (row, sums) in sums.iter_mut().enumerate() {
                // SAFETY: the group lies in the row; each of its codes takes two bytes.
                let code = unsafe { a.add(row * a_stride + group * 2 * GROUP + usize::from(odd) * GROUP) };
                // SAFETY: as above.
                let code = _mm256_set1_epi32(unsafe { code.cast::<i32>().read_unaligned() });
                for (sum, right) in sums.iter_mut().zip(right) {
                    *sum = _mm256_add_epi32(*sum, _mm256_madd_epi16(code, right));
                }
            }
        }
    }
    // SAFETY: each row of the result has 16 sums.
    unsafe { store(&sums, c, c_stride) };
}

/// The same for 16-bit codes.
///
/// # Safety
/// As for [`bytes`], with two codes in a group.
#[target_feature(enable = "avx2")]
unsafe fn madd<const ROWS: usize>(
    a: *const u8,
    a_stride: usize,
    groups: usize,
    b: *const u8,
    c: *mut i32,
    c_stride: usize,
) {
    // SAFETY: as the caller promises.
    unsafe { tile::<ROWS, MADD>(a, a_stride, groups, b, c, c_stride) }
}

/// Both products with the instructions of AVX-VNNI.
///
/// # Safety
/// As for [`bytes`], with two or four codes in the four bytes of a group; the processor has AVX-VNNI.
#[target_feature(enable = "avx2,avxvnni")]
unsafe fn vnni<const ROWS: usize, const KIND: u8>(
    a: *const u8,
    a_stride: usize,
    groups: usize,
    b: *const u8,
    c: *mut i32,
    c_stride: usize,
) {
    // SAFETY: as the caller promises.
    unsafe { tile::<ROWS, KIND>(a, a_stride, groups, b, c, c_stride) }
}

/// The instructions of [`tile`].
const MADD: u8 = 0;
const DPBUSD: u8 = 1;
const DPWSSD: u8 = 2;

/// # Safety
/// As for [`bytes`]; the processor has the instructions of `KIND`.
#[inline(always)]
unsafe fn tile<const ROWS: usize, const KIND: u8>(
    a: *const u8,
    a_stride: usize,
    groups: usize,
    b: *const u8,
    c: *mut i32,
    c_stride: usize,
) {
    // SAFETY: what is read lies in the rows and in the panel, and what is written in the result, as the caller promises, and
    // so it is with the instructions.
    unsafe {
        let mut sums = [[_mm256_setzero_si256(); 2]; ROWS];
        for group in 0..groups {
            let right = load(b.add(group * GROUP * COLUMNS));
            for (row, sums) in sums.iter_mut().enumerate() {
                let code = a.add(row * a_stride + group * GROUP).cast::<i32>().read_unaligned();
                let code = _mm256_set1_epi32(code);
                for (sum, right) in sums.iter_mut().zip(right) {
                    *sum = match KIND {
                        MADD => _mm256_add_epi32(*sum, _mm256_madd_epi16(code, right)),
                        DPBUSD => _mm256_dpbusd_avx_epi32(*sum, right, code),
                        _ => _mm256_dpwssd_avx_epi32(*sum, code, right),
                    };
                }
            }
        }
        store(&sums, c, c_stride);
    }
}

/// # Safety
/// There are [`LANES`] groups at `from`.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn load(from: *const u8) -> [__m256i; 2] {
    // SAFETY: as the caller promises.
    unsafe { [_mm256_loadu_si256(from.cast()), _mm256_loadu_si256(from.add(32).cast())] }
}

/// # Safety
/// There are [`LANES`] sums at `to` and at each of the other rows, `stride` sums apart.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn store<const ROWS: usize>(sums: &[[__m256i; 2]; ROWS], to: *mut i32, stride: usize) {
    for (row, sums) in sums.iter().enumerate() {
        // SAFETY: as the caller promises.
        unsafe {
            let to = to.add(row * stride);
            _mm256_storeu_si256(to.cast(), sums[0]);
            _mm256_storeu_si256(to.add(8).cast(), sums[1]);
        }
    }
}
