//! ARM with NEON, and the same with its instruction for dot products of bytes (ARMv8.2, optional there; Apple M1, Graviton
//! 2 and later).

use std::arch::aarch64::*;
use std::arch::{asm, is_aarch64_feature_detected};

use super::{COLUMNS, GROUP, LANES, Left, Out, Pair, Simd, with_rows};

/// A processor with NEON; with dot products where `DOT` is set.
#[derive(Clone, Copy)]
pub(crate) struct Neon<const DOT: bool>(());

impl<const DOT: bool> Neon<DOT> {
    pub(crate) fn detect() -> Option<Self> {
        let found = is_aarch64_feature_detected!("neon") && (!DOT || is_aarch64_feature_detected!("dotprod"));
        found.then_some(Self(()))
    }
}

/// How many registers hold sixteen numbers of 32 bits.
const PARTS: usize = 4;

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

/// Calls an intrinsic on each register.
macro_rules! each {
    ($intrinsic:ident, $($value:expr),*) => {
        [
            $intrinsic($($value[0]),*),
            $intrinsic($($value[1]),*),
            $intrinsic($($value[2]),*),
            $intrinsic($($value[3]),*),
        ]
    };
}

impl<const DOT: bool> Simd for Neon<DOT> {
    type Float = [float32x4_t; PARTS];
    type Int = [int32x4_t; PARTS];
    type Code = i8;
    const ROWS: usize = 4;

    #[inline(always)]
    fn run<R>(self, code: impl FnOnce() -> R) -> R {
        // Every processor that Rust's targets of this architecture name has NEON.
        code()
    }

    operation! {
        splat(value: f32) -> Self::Float = [vdupq_n_f32(value); PARTS];
        load(from: &[f32; LANES]) -> Self::Float = {
            let at = from.as_ptr();
            [vld1q_f32(at), vld1q_f32(at.add(4)), vld1q_f32(at.add(8)), vld1q_f32(at.add(12))]
        };
        store(value: Self::Float, to: &mut [f32; LANES]) -> () = {
            let to = to.as_mut_ptr();
            vst1q_f32(to, value[0]);
            vst1q_f32(to.add(4), value[1]);
            vst1q_f32(to.add(8), value[2]);
            vst1q_f32(to.add(12), value[3]);
        };
        add(a: Self::Float, b: Self::Float) -> Self::Float = each!(vaddq_f32, a, b);
        sub(a: Self::Float, b: Self::Float) -> Self::Float = each!(vsubq_f32, a, b);
        mul(a: Self::Float, b: Self::Float) -> Self::Float = each!(vmulq_f32, a, b);
        div(a: Self::Float, b: Self::Float) -> Self::Float = each!(vdivq_f32, a, b);
        min(a: Self::Float, b: Self::Float) -> Self::Float = each!(vminq_f32, a, b);
        max(a: Self::Float, b: Self::Float) -> Self::Float = each!(vmaxq_f32, a, b);
        round(value: Self::Float) -> Self::Int = each!(vcvtnq_s32_f32, value);
        whole(value: Self::Float) -> Self::Float = each!(vrndnq_f32, value);
        scale(value: Self::Float, power: Self::Float) -> Self::Float = {
            let power = each!(vaddq_s32, each!(vcvtnq_s32_f32, power), [vdupq_n_s32(127); PARTS]);
            let power = power.map(|power| vreinterpretq_f32_s32(vshlq_n_s32::<23>(power)));
            each!(vmulq_f32, value, power)
        };
        splat_int(value: i32) -> Self::Int = [vdupq_n_s32(value); PARTS];
        load_int(from: &[i32; LANES]) -> Self::Int = {
            let at = from.as_ptr();
            [vld1q_s32(at), vld1q_s32(at.add(4)), vld1q_s32(at.add(8)), vld1q_s32(at.add(12))]
        };
        add_int(a: Self::Int, b: Self::Int) -> Self::Int = each!(vaddq_s32, a, b);
        sub_int(a: Self::Int, b: Self::Int) -> Self::Int = each!(vsubq_s32, a, b);
        mul_int(a: Self::Int, b: Self::Int) -> Self::Int = each!(vmulq_s32, a, b);
        float(value: Self::Int) -> Self::Float = each!(vcvtq_f32_s32, value);
        store_codes(value: Self::Int, to: &mut [i8; LANES]) -> () = {
            let [low, high] = words(value);
            vst1q_s8(to.as_mut_ptr(), vcombine_s8(vqmovn_s16(low), vqmovn_s16(high)));
        };
        store_words(value: Self::Int, to: &mut [i16; LANES]) -> () = {
            let [low, high] = words(value);
            vst1q_s16(to.as_mut_ptr(), low);
            vst1q_s16(to.as_mut_ptr().add(8), high);
        };
        sum(value: Self::Float) -> f32 = {
            let four = vaddq_f32(vaddq_f32(value[0], value[2]), vaddq_f32(value[1], value[3]));
            let two = vadd_f32(vget_low_f32(four), vget_high_f32(four));
            vget_lane_f32::<0>(two) + vget_lane_f32::<1>(two)
        };
        smallest(value: Self::Float) -> f32 =
            vminvq_f32(vminq_f32(vminq_f32(value[0], value[2]), vminq_f32(value[1], value[3])));
        largest(value: Self::Float) -> f32 =
            vmaxvq_f32(vmaxq_f32(vmaxq_f32(value[0], value[2]), vmaxq_f32(value[1], value[3])));
        sum_int(value: Self::Int) -> i32 =
            vaddvq_s32(vaddq_s32(vaddq_s32(value[0], value[2]), vaddq_s32(value[1], value[3])));
    }

    #[inline(always)]
    fn product_of_codes(self, left: Left<'_, i8>, panel: &[u8], out: Out<'_>) {
        left.check(panel, &out, Self::ROWS);
        let (a, b, c) = (left.codes.as_ptr().cast(), panel.as_ptr(), out.sums.as_mut_ptr());
        let groups = left.depth / GROUP;
        for half in 0..COLUMNS / LANES {
            // SAFETY: the processor has these instructions; `check` has made sure that all rows, the panel and the result
            // lie in their slices. A half of a panel begins after 16 groups of its first, and a half of a result after 16
            // sums.
            unsafe {
                let (b, c) = (b.add(half * LANES * GROUP), c.add(half * LANES));
                if DOT {
                    with_rows!(left.rows, Self::ROWS, dots::<_>(a, left.stride, groups, b, c, out.stride));
                } else {
                    with_rows!(left.rows, Self::ROWS, bytes::<_>(a, left.stride, groups, b, c, out.stride));
                }
            }
        }
    }

    #[inline(always)]
    fn product_of_words(self, left: Left<'_, i16>, panel: &[Pair], out: Out<'_>) {
        left.check(panel, &out, Self::ROWS);
        let (a, b, c) = (left.codes.as_ptr(), panel.as_ptr().cast::<i16>(), out.sums.as_mut_ptr());
        let groups = left.depth * 2 / GROUP;
        for half in 0..COLUMNS / LANES {
            // SAFETY: as above.
            unsafe {
                let (b, c) = (b.add(half * LANES * GROUP / 2), c.add(half * LANES));
                with_rows!(left.rows, Self::ROWS, pairs::<_>(a, left.stride, groups, b, c, out.stride));
            }
        }
    }
}

/// Sixteen numbers of 16 bits; those beyond the range become its ends.
#[inline]
#[target_feature(enable = "neon")]
fn words(value: [int32x4_t; PARTS]) -> [int16x8_t; 2] {
    [vcombine_s16(vqmovn_s32(value[0]), vqmovn_s32(value[1])), vcombine_s16(vqmovn_s32(value[2]), vqmovn_s32(value[3]))]
}

/// `ROWS` rows of codes from `a`, `a_stride` apart, times half a panel of `groups` groups; results `c_stride` sums apart.
///
/// Codes of the panel are unsigned: turning their first bit makes them signed, 128 less, and 128 times the sum of the row's
/// codes is added in the end.
///
/// # Safety
/// The processor has dot products; each row holds `groups` times [`GROUP`] codes, `b` is the start of the first or the second
/// half of a panel of as many groups, and each row of the result has [`LANES`] sums that nobody else looks at.
#[target_feature(enable = "neon,dotprod")]
unsafe fn dots<const ROWS: usize>(
    a: *const i8,
    a_stride: usize,
    groups: usize,
    b: *const u8,
    c: *mut i32,
    c_stride: usize,
) {
    let mut sums = [[vdupq_n_s32(0); PARTS]; ROWS];
    let mut rows = [vdupq_n_s32(0); ROWS];
    for group in 0..groups {
        // SAFETY: the group lies in the panel.
        let right = unsafe { load(b.add(group * GROUP * COLUMNS)) };
        for (row, (sums, of_row)) in sums.iter_mut().zip(&mut rows).enumerate() {
            // SAFETY: the group lies in the row.
            let code = unsafe { four(a.add(row * a_stride + group * GROUP)) };
            for (sum, right) in sums.iter_mut().zip(right) {
                *sum = dot(*sum, right, code);
            }
            *of_row = dot(*of_row, vdupq_n_s8(1), code);
        }
    }
    // SAFETY: each row of the result has 16 sums.
    unsafe { store(&sums, &rows, c, c_stride) };
}

/// Four sums of four products each. The intrinsic is not stable yet.
#[inline]
#[target_feature(enable = "neon,dotprod")]
fn dot(sum: int32x4_t, a: int8x16_t, b: int8x16_t) -> int32x4_t {
    let mut sum = sum;
    // SAFETY: the instruction reads and writes these registers only.
    unsafe {
        asm!(
            "sdot {sum:v}.4s, {a:v}.16b, {b:v}.16b",
            sum = inout(vreg) sum, a = in(vreg) a, b = in(vreg) b,
            options(pure, nomem, nostack, preserves_flags)
        );
    }
    sum
}

/// The same by products of 16 bits: two of them, of a code of at least -128 and one of at least -127, fit 16 bits when added.
///
/// # Safety
/// As for [`dots`], but for the dot products. No code of the panel is 0.
#[target_feature(enable = "neon")]
unsafe fn bytes<const ROWS: usize>(
    a: *const i8,
    a_stride: usize,
    groups: usize,
    b: *const u8,
    c: *mut i32,
    c_stride: usize,
) {
    let mut sums = [[vdupq_n_s32(0); PARTS]; ROWS];
    let mut rows = [vdupq_n_s32(0); ROWS];
    for group in 0..groups {
        // SAFETY: the group lies in the panel.
        let right = unsafe { load(b.add(group * GROUP * COLUMNS)) };
        for (row, (sums, of_row)) in sums.iter_mut().zip(&mut rows).enumerate() {
            // SAFETY: the group lies in the row.
            let code = unsafe { four(a.add(row * a_stride + group * GROUP)) };
            for (sum, right) in sums.iter_mut().zip(right) {
                let low = vmull_s8(vget_low_s8(right), vget_low_s8(code));
                let high = vmull_high_s8(right, code);
                *sum = vpadalq_s16(*sum, vpaddq_s16(low, high));
            }
            *of_row = vaddq_s32(*of_row, vpaddlq_s16(vpaddlq_s8(code)));
        }
    }
    // SAFETY: each row of the result has 16 sums.
    unsafe { store(&sums, &rows, c, c_stride) };
}

/// The same for 16-bit codes, of which two are a group.
///
/// # Safety
/// As for [`bytes`].
#[target_feature(enable = "neon")]
unsafe fn pairs<const ROWS: usize>(
    a: *const i16,
    a_stride: usize,
    groups: usize,
    b: *const i16,
    c: *mut i32,
    c_stride: usize,
) {
    let mut sums = [[vdupq_n_s32(0); PARTS]; ROWS];
    for group in 0..groups {
        // SAFETY: the group lies in the panel. What is first and what is second in its pairs comes apart.
        let (one, two) = unsafe {
            let at = b.add(group * (GROUP / 2) * COLUMNS);
            (vld2q_s16(at), vld2q_s16(at.add(16)))
        };
        for (row, sums) in sums.iter_mut().enumerate() {
            // SAFETY: the group lies in the row.
            let (first, second) = unsafe {
                let at = a.add(row * a_stride + group * GROUP / 2);
                (vdupq_n_s16(*at), vdupq_n_s16(*at.add(1)))
            };
            for (half, right) in [one, two].into_iter().enumerate() {
                let low = vmlal_s16(sums[2 * half], vget_low_s16(right.0), vget_low_s16(first));
                sums[2 * half] = vmlal_s16(low, vget_low_s16(right.1), vget_low_s16(second));
                let high = vmlal_high_s16(sums[2 * half + 1], right.0, first);
                sums[2 * half + 1] = vmlal_high_s16(high, right.1, second);
            }
        }
    }
    // SAFETY: each row of the result has 16 sums.
    unsafe { store(&sums, &[vdupq_n_s32(0); ROWS], c, c_stride) };
}

/// # Safety
/// There are [`LANES`] groups at `from`.
#[inline]
#[target_feature(enable = "neon")]
unsafe fn load(from: *const u8) -> [int8x16_t; PARTS] {
    let turn = vdupq_n_u8(0x80);
    // SAFETY: as the caller promises.
    let codes = unsafe { [vld1q_u8(from), vld1q_u8(from.add(16)), vld1q_u8(from.add(32)), vld1q_u8(from.add(48))] };
    codes.map(|codes| vreinterpretq_s8_u8(veorq_u8(codes, turn)))
}

/// Four codes, four times.
///
/// # Safety
/// There are four codes at `from`.
#[inline]
#[target_feature(enable = "neon")]
unsafe fn four(from: *const i8) -> int8x16_t {
    // SAFETY: as the caller promises.
    vreinterpretq_s8_s32(vdupq_n_s32(unsafe { from.cast::<i32>().read_unaligned() }))
}

/// Adds 128 times the sum of each row and stores.
///
/// # Safety
/// There are [`LANES`] sums at `to` and at each of the other rows, `stride` sums apart.
#[inline]
#[target_feature(enable = "neon")]
unsafe fn store<const ROWS: usize>(
    sums: &[[int32x4_t; PARTS]; ROWS],
    rows: &[int32x4_t; ROWS],
    to: *mut i32,
    stride: usize,
) {
    for (row, (sums, of_row)) in sums.iter().zip(rows).enumerate() {
        for (part, sum) in sums.iter().enumerate() {
            let sum = vaddq_s32(*sum, vshlq_n_s32::<7>(*of_row));
            // SAFETY: as the caller promises.
            unsafe { vst1q_s32(to.add(row * stride + part * 4), sum) };
        }
    }
}
