//! Sixteen numbers at a time, and products of whole numbers: what the encoder needs of a processor.
//!
//! The encoder is written once, over [`Simd`]. Every implementation gives the same bits: products are of whole numbers, whose
//! sums do not depend on their order; floating-point operations are single IEEE operations on sixteen lanes (never a fused
//! multiply-add, which not every processor has), and sums over lanes are folded in one order, [`Simd::sum`].
//!
//! A value of an implementation is the proof that the processor can run it: only detection makes one. Code under
//! [`Simd::run`] is compiled with the instructions of that processor, so everything there is inlined.

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
mod amx;
#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
// The order of bytes matters to its pairs, as to no other file.
#[cfg(all(target_arch = "aarch64", target_endian = "little"))]
mod neon;
mod plain;
#[cfg(test)]
mod tests;

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
pub(super) use amx::Amx;
#[cfg(target_arch = "x86_64")]
pub(super) use avx2::Avx2;
#[cfg(target_arch = "x86_64")]
pub(super) use avx512::Avx512;
#[cfg(all(target_arch = "aarch64", target_endian = "little"))]
pub(super) use neon::Neon;
pub(super) use plain::Plain;

/// How many numbers an operation works on.
pub(super) const LANES: usize = 16;

/// How many columns of the right side of a product lie side by side in memory.
pub(super) const COLUMNS: usize = 32;

/// How many bytes of each column lie together: four codes of 8 bits, or two of 16.
pub(super) const GROUP: usize = 4;

/// How many words of each column lie together.
pub(super) const PAIR: usize = GROUP / 2;

/// Two words as they lie together: the first in the low half. They are one number so that they are moved as one.
pub(super) type Pair = u32;

#[inline(always)]
pub(super) fn pair(first: i16, second: i16) -> Pair {
    Pair::from(first.cast_unsigned()) | Pair::from(second.cast_unsigned()) << 16
}

/// The most rows of a product that any processor computes at once.
pub(super) const MAX_ROWS: usize = 32;

/// The left side of a product: `rows` rows of `depth` codes, `stride` apart.
#[derive(Clone, Copy)]
pub(super) struct Left<'a, T> {
    pub(super) codes: &'a [T],
    pub(super) stride: usize,
    pub(super) rows: usize,
    pub(super) depth: usize,
}

/// Where a product is written: rows of [`COLUMNS`] sums, `stride` apart.
pub(super) struct Out<'a> {
    pub(super) sums: &'a mut [i32],
    pub(super) stride: usize,
}

impl<T> Left<'_, T> {
    /// Checks what the loops of a product rely on: all that they read and write lies in its slice.
    ///
    /// # Panics
    /// When it does not: a mistake in this crate, since sizes were checked when the model was loaded.
    #[inline(always)]
    fn check<R>(&self, panel: &[R], out: &Out<'_>, most: usize) {
        let Self { codes, stride, rows, depth } = *self;
        // Panels of bytes are bytes, those of words are pairs of them.
        let (per_group, groups) = if size_of::<R>() == 1 { (GROUP, panel.len() / GROUP) } else { (PAIR, panel.len()) };
        assert!(rows > 0 && rows <= most && depth.is_multiple_of(per_group), "a product of another shape");
        assert!((rows - 1) * stride + depth <= codes.len(), "the left side is short");
        assert!(depth / per_group * COLUMNS <= groups, "the right side is short");
        assert!((rows - 1) * out.stride + COLUMNS <= out.sums.len(), "the result is short");
    }
}

/// A code of an activation, as a processor wants it.
pub(super) trait Code: Copy + Default + Send + Sync + 'static {
    /// The one of two buffers that holds codes of this kind.
    fn choose<'a>(bytes: &'a mut super::Buffer<i8>, words: &'a mut super::Buffer<i16>) -> &'a mut super::Buffer<Self>;
}

impl Code for i8 {
    fn choose<'a>(bytes: &'a mut super::Buffer<i8>, _: &'a mut super::Buffer<i16>) -> &'a mut super::Buffer<Self> {
        bytes
    }
}

impl Code for i16 {
    fn choose<'a>(_: &'a mut super::Buffer<i8>, words: &'a mut super::Buffer<i16>) -> &'a mut super::Buffer<Self> {
        words
    }
}

/// The operations of a processor.
pub(super) trait Simd: Copy + Send + Sync {
    /// Sixteen floating-point numbers.
    type Float: Copy;
    /// Sixteen whole numbers of 32 bits. Sums and products wrap.
    type Int: Copy;
    /// How the 8-bit codes of activations are kept.
    type Code: Code;
    /// How many rows of a product of codes are computed at once.
    const ROWS: usize;
    /// The same of words.
    const WORD_ROWS: usize = Self::ROWS;

    /// Runs code with the instructions of this processor.
    fn run<R>(self, code: impl FnOnce() -> R) -> R;

    /// The same for code with [`Self::product_of_codes`], which is called nowhere else.
    #[inline(always)]
    fn run_products<R>(self, code: impl FnOnce() -> R) -> R {
        self.run(code)
    }

    /// How many rows to compute at once where there are so many: as evenly shared out as can be, so that thirteen are
    /// seven and six, not twelve and one.
    #[inline(always)]
    fn height(rows: usize, most: usize) -> usize {
        rows.div_ceil(rows.div_ceil(most).max(1)).max(1)
    }

    fn splat(self, value: f32) -> Self::Float;
    fn load(self, from: &[f32; LANES]) -> Self::Float;
    fn store(self, value: Self::Float, to: &mut [f32; LANES]);
    fn add(self, a: Self::Float, b: Self::Float) -> Self::Float;
    fn sub(self, a: Self::Float, b: Self::Float) -> Self::Float;
    fn mul(self, a: Self::Float, b: Self::Float) -> Self::Float;
    fn div(self, a: Self::Float, b: Self::Float) -> Self::Float;
    /// The smaller of each two; which of them where one is not a number is not said.
    fn min(self, a: Self::Float, b: Self::Float) -> Self::Float;
    fn max(self, a: Self::Float, b: Self::Float) -> Self::Float;
    /// The nearest whole numbers, the even one of two, of numbers below 2^22 in size. Others give any number.
    fn round(self, value: Self::Float) -> Self::Int;
    /// The same as floating-point numbers. The sign of a zero may differ from processor to processor.
    fn whole(self, value: Self::Float) -> Self::Float;
    /// Numbers times 2 to the powers of whole numbers from -126 to 127; no result is smaller than 2^-126.
    fn scale(self, value: Self::Float, power: Self::Float) -> Self::Float;

    fn splat_int(self, value: i32) -> Self::Int;
    fn load_int(self, from: &[i32; LANES]) -> Self::Int;
    fn add_int(self, a: Self::Int, b: Self::Int) -> Self::Int;
    fn sub_int(self, a: Self::Int, b: Self::Int) -> Self::Int;
    fn mul_int(self, a: Self::Int, b: Self::Int) -> Self::Int;
    /// The nearest floating-point numbers.
    fn float(self, value: Self::Int) -> Self::Float;
    /// Stores 8-bit codes; numbers beyond -128 and 127 become these.
    fn store_codes(self, value: Self::Int, to: &mut [Self::Code; LANES]);
    /// Stores 16-bit codes; numbers beyond -32768 and 32767 become these.
    fn store_words(self, value: Self::Int, to: &mut [i16; LANES]);

    /// Lane 0 and 8, 1 and 9, … are combined, then what came of 0 and 4, …, of 0 and 2, …, of 0 and 1.
    fn sum(self, value: Self::Float) -> f32;
    fn smallest(self, value: Self::Float) -> f32;
    fn largest(self, value: Self::Float) -> f32;
    fn sum_int(self, value: Self::Int) -> i32;

    /// Writes each row times each column of the panel: codes from -128 to 127 times codes from 0 to 255. The panel holds
    /// groups of [`GROUP`] codes of each of [`COLUMNS`] columns. Sums wrap at 32 bits. Rows that follow in the slices may be
    /// read, and written to with anything.
    fn product_of_codes(self, left: Left<'_, Self::Code>, panel: &[u8], out: Out<'_>);
    /// The same for 16-bit codes in groups of two.
    fn product_of_words(self, left: Left<'_, i16>, panel: &[Pair], out: Out<'_>);
}

/// Calls a function whose first parameter is a number of rows.
macro_rules! with_rows {
    ($rows:expr, $most:expr, $function:ident :: <_ $(, $other:tt)*> ($($argument:expr),* $(,)?)) => {
        with_rows!(@ $rows, $most, $function, ($(, $other)*), ($($argument),*), 1 2 3 4 5 6 7 8 9 10 11 12)
    };
    (@ $rows:expr, $most:expr, $function:ident, $others:tt, $arguments:tt, $($number:literal)*) => {
        match $rows {
            $($number if $number <= $most => with_rows!(@@ $function, $number, $others, $arguments),)*
            _ => {}
        }
    };
    (@@ $function:ident, $number:literal, ($(, $other:tt)*), ($($argument:expr),*)) => {
        $function::<$number $(, $other)*>($($argument),*)
    };
}
use with_rows;

/// Calls a function with each implementation that this processor can run, plain Rust first, and gives what it returned.
#[cfg(test)]
macro_rules! on_each {
    ($check:ident($($argument:expr),* $(,)?)) => {{
        #[allow(unused_mut, reason = "there are architectures with plain Rust only")]
        let mut found = vec![$check($crate::int8::simd::Plain, $($argument),*)];
        #[cfg(target_arch = "x86_64")]
        {
            use $crate::int8::simd::{Avx2, Avx512};
            found.extend(Avx2::<false>::detect().map(|simd| $check(simd, $($argument),*)));
            found.extend(Avx2::<true>::detect().map(|simd| $check(simd, $($argument),*)));
            found.extend(Avx512::detect().map(|simd| $check(simd, $($argument),*)));
            #[cfg(target_os = "linux")]
            found.extend($crate::int8::simd::Amx::detect().map(|simd| $check(simd, $($argument),*)));
        }
        #[cfg(all(target_arch = "aarch64", target_endian = "little"))]
        {
            use $crate::int8::simd::Neon;
            found.extend(Neon::<false>::detect().map(|simd| $check(simd, $($argument),*)));
            found.extend(Neon::<true>::detect().map(|simd| $check(simd, $($argument),*)));
        }
        found
    }};
}
#[cfg(test)]
pub(super) use on_each;
