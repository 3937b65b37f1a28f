//! Rust without any instruction of a kind of processor: runs everywhere, and is what the others are compared with.

use super::{COLUMNS, GROUP, LANES, Left, Out, Simd};

#[derive(Clone, Copy)]
pub(crate) struct Plain;

impl Simd for Plain {
    type Float = [f32; LANES];
    type Int = [i32; LANES];
    type Code = i8;
    const ROWS: usize = 4;

    #[inline(always)]
    fn run<R>(self, code: impl FnOnce() -> R) -> R {
        code()
    }

    #[inline(always)]
    fn splat(self, value: f32) -> Self::Float {
        [value; LANES]
    }

    #[inline(always)]
    fn load(self, from: &[f32; LANES]) -> Self::Float {
        *from
    }

    #[inline(always)]
    fn store(self, value: Self::Float, to: &mut [f32; LANES]) {
        *to = value;
    }

    #[inline(always)]
    fn add(self, a: Self::Float, b: Self::Float) -> Self::Float {
        zip(a, b, |a, b| a + b)
    }

    #[inline(always)]
    fn sub(self, a: Self::Float, b: Self::Float) -> Self::Float {
        zip(a, b, |a, b| a - b)
    }

    #[inline(always)]
    fn mul(self, a: Self::Float, b: Self::Float) -> Self::Float {
        zip(a, b, |a, b| a * b)
    }

    #[inline(always)]
    fn div(self, a: Self::Float, b: Self::Float) -> Self::Float {
        zip(a, b, |a, b| a / b)
    }

    #[inline(always)]
    fn min(self, a: Self::Float, b: Self::Float) -> Self::Float {
        zip(a, b, |a, b| if a < b { a } else { b })
    }

    #[inline(always)]
    fn max(self, a: Self::Float, b: Self::Float) -> Self::Float {
        zip(a, b, |a, b| if a > b { a } else { b })
    }

    #[inline(always)]
    fn round(self, value: Self::Float) -> Self::Int {
        // Adding 1.5 × 2^23 leaves the nearest whole number in the low bits.
        const SHIFT: f32 = 12_582_912.0;
        value.map(|value| (value + SHIFT).to_bits().wrapping_sub(SHIFT.to_bits()).cast_signed())
    }

    #[inline(always)]
    fn power_of_two(self, power: Self::Int) -> Self::Float {
        power.map(|power| f32::from_bits(power.wrapping_add(127).cast_unsigned() << 23))
    }

    #[inline(always)]
    fn splat_int(self, value: i32) -> Self::Int {
        [value; LANES]
    }

    #[inline(always)]
    fn load_int(self, from: &[i32; LANES]) -> Self::Int {
        *from
    }

    #[inline(always)]
    fn add_int(self, a: Self::Int, b: Self::Int) -> Self::Int {
        zip(a, b, i32::wrapping_add)
    }

    #[inline(always)]
    fn sub_int(self, a: Self::Int, b: Self::Int) -> Self::Int {
        zip(a, b, i32::wrapping_sub)
    }

    #[inline(always)]
    fn mul_int(self, a: Self::Int, b: Self::Int) -> Self::Int {
        zip(a, b, i32::wrapping_mul)
    }

    #[inline(always)]
    fn float(self, value: Self::Int) -> Self::Float {
        value.map(|value| value as f32)
    }

    #[inline(always)]
    fn store_codes(self, value: Self::Int, to: &mut [i8; LANES]) {
        *to = value.map(|value| value.clamp(i8::MIN.into(), i8::MAX.into()) as i8);
    }

    #[inline(always)]
    fn store_words(self, value: Self::Int, to: &mut [i16; LANES]) {
        *to = value.map(|value| value.clamp(i16::MIN.into(), i16::MAX.into()) as i16);
    }

    #[inline(always)]
    fn sum(self, value: Self::Float) -> f32 {
        fold(value, |a, b| a + b)
    }

    #[inline(always)]
    fn smallest(self, value: Self::Float) -> f32 {
        fold(value, |a, b| if a < b { a } else { b })
    }

    #[inline(always)]
    fn largest(self, value: Self::Float) -> f32 {
        fold(value, |a, b| if a > b { a } else { b })
    }

    #[inline(always)]
    fn sum_int(self, value: Self::Int) -> i32 {
        fold(value, i32::wrapping_add)
    }

    #[inline(always)]
    fn product_of_codes(self, left: Left<'_, i8>, panel: &[u8], out: Out<'_>) {
        left.check(panel, &out, Self::ROWS);
        let panel = panel.as_chunks::<GROUP>().0.as_chunks::<COLUMNS>().0;
        product(left, panel, out, |code: i8, other: u8| i32::from(code) * i32::from(other));
    }

    #[inline(always)]
    fn product_of_words(self, left: Left<'_, i16>, panel: &[i16], out: Out<'_>) {
        left.check(panel, &out, Self::ROWS);
        let panel = panel.as_chunks::<{ GROUP / 2 }>().0.as_chunks::<COLUMNS>().0;
        product(left, panel, out, |code: i16, other: i16| i32::from(code) * i32::from(other));
    }
}

#[inline(always)]
fn product<L: Copy, R: Copy, const N: usize>(
    left: Left<'_, L>,
    panel: &[[[R; N]; COLUMNS]],
    out: Out<'_>,
    times: impl Fn(L, R) -> i32,
) {
    let rows = left.codes.chunks(left.stride.max(1)).take(left.rows);
    for (row, sums) in rows.zip(out.sums.chunks_mut(out.stride.max(1))) {
        let row = row.get(..left.depth).unwrap_or_default();
        let mut found = [0i32; COLUMNS];
        for (codes, columns) in row.as_chunks::<N>().0.iter().zip(panel) {
            for (sum, others) in found.iter_mut().zip(columns) {
                for (code, other) in codes.iter().zip(others) {
                    *sum = sum.wrapping_add(times(*code, *other));
                }
            }
        }
        if let Some(sums) = sums.first_chunk_mut() {
            *sums = found;
        }
    }
}

#[inline(always)]
fn zip<T: Copy>(a: [T; LANES], b: [T; LANES], combine: impl Fn(T, T) -> T) -> [T; LANES] {
    std::array::from_fn(|lane| combine(a[lane], b[lane]))
}

#[inline(always)]
fn fold<T: Copy>(value: [T; LANES], combine: impl Fn(T, T) -> T) -> T {
    let eight: [T; 8] = std::array::from_fn(|lane| combine(value[lane], value[lane + 8]));
    let four: [T; 4] = std::array::from_fn(|lane| combine(eight[lane], eight[lane + 4]));
    combine(combine(four[0], four[2]), combine(four[1], four[3]))
}
