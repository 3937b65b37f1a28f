//! Rust without any instruction of a kind of processor: runs everywhere, and is what the others are compared with.

use super::{COLUMNS, GROUP, LANES, Left, Out, Pair, Simd};

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
    fn whole(self, value: Self::Float) -> Self::Float {
        self.float(self.round(value))
    }

    #[inline(always)]
    fn scale(self, value: Self::Float, power: Self::Float) -> Self::Float {
        let power = self.round(power).map(|power| f32::from_bits(power.wrapping_add(127).cast_unsigned() << 23));
        self.mul(value, power)
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
        product(left, panel.as_chunks::<GROUP>().0, out, |four| {
            let four = u32::from_le_bytes(four);
            // Of a whole number these are shifts, which are done on many at once.
            [four & 255, four >> 8 & 255, four >> 16 & 255, four >> 24].map(|code| code as i16)
        });
    }

    #[inline(always)]
    fn product_of_words(self, left: Left<'_, i16>, panel: &[Pair], out: Out<'_>) {
        left.check(panel, &out, Self::ROWS);
        product(left, panel, out, |pair| [pair as i16, (pair >> 16) as i16]);
    }
}

/// `split` makes numbers of the codes of a column. Not inlined: among the loops of a layer LLVM makes no vectors of these.
#[inline(never)]
fn product<L: Copy + Into<i16>, G: Copy, const N: usize>(
    left: Left<'_, L>,
    panel: &[G],
    out: Out<'_>,
    split: impl Fn(G) -> [i16; N],
) {
    let mut sums = [[0i32; COLUMNS]; Plain::ROWS];
    for (group, columns) in panel.as_chunks::<COLUMNS>().0.iter().enumerate().take(left.depth / N) {
        let mut parts = [[0i16; COLUMNS]; N];
        for (column, codes) in columns.iter().enumerate() {
            for (part, code) in parts.iter_mut().zip(split(*codes)) {
                part[column] = code;
            }
        }
        let rows = left.codes.chunks(left.stride.max(1)).take(left.rows);
        for (sums, row) in sums.iter_mut().zip(rows) {
            let Some(codes) = row.as_chunks::<N>().0.get(group) else { continue };
            for (part, code) in parts.iter().zip(codes) {
                let code: i16 = (*code).into();
                for (sum, other) in sums.iter_mut().zip(part) {
                    // Products of 16 bits, which every processor has instructions for.
                    *sum = sum.wrapping_add(i32::from(code) * i32::from(*other));
                }
            }
        }
    }
    for (row, sums) in out.sums.chunks_mut(out.stride.max(1)).zip(&sums).take(left.rows) {
        if let Some(row) = row.first_chunk_mut() {
            *row = *sums;
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
