//! Inner products of int8 rows: one query against many rows that lie one after the other, or here and there.
//!
//! All paths compute the same integers, so results do not depend on the processor. The environment variable
//! `MNEMON_KERNEL` (`plain`, `avx2`, `avxvnni`, `avx512` or `neon`) forces one of them, for tests and for measuring; what
//! this processor cannot run is taken for `plain`.

#[cfg(target_arch = "aarch64")]
mod neon;
#[cfg(target_arch = "x86_64")]
mod x86;

use std::sync::LazyLock;

/// How many codes a [`Block`] holds.
pub(crate) const LANES: usize = 64;

/// The environment variable that forces a kernel.
const VARIABLE: &str = "MNEMON_KERNEL";

/// 64 codes on a cache line of their own. Rows are whole blocks, padded with zeros, so no kernel has a ragged end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(C, align(64))]
pub(crate) struct Block(pub(crate) [i8; LANES]);

/// The codes of blocks, one after the other.
pub(crate) fn as_codes(blocks: &[Block]) -> &[i8] {
    // SAFETY: a block is `LANES` codes and nothing else (`repr(C)`, its size is its alignment), so blocks that follow one
    // another are codes that do.
    unsafe { std::slice::from_raw_parts(blocks.as_ptr().cast(), size_of_val(blocks)) }
}

/// One way to compute inner products.
///
/// A row is `query.len()` blocks, at most 512 of them: sums then fit in an `i32` in every path, whatever the codes are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Kernel {
    pub(crate) name: &'static str,
    /// Writes the inner product of the query with each of the rows to `out`. Where there are fewer rows than places in
    /// `out`, the rest of it stays as it is.
    pub(crate) dots: Dots,
    /// Writes the inner product of the query with the row of each number in `picked` to `out`, and 0 for a number that
    /// is no row.
    pub(crate) gather: Gather,
}

type Dots = fn(query: &[Block], rows: &[Block], out: &mut [i32]);
type Gather = fn(query: &[Block], rows: &[Block], picked: &[u32], out: &mut [i32]);

/// The kernel that is used: the fastest that this processor can run, or the one that is forced.
pub(crate) static KERNEL: LazyLock<Kernel> = LazyLock::new(|| {
    let forced = std::env::var(VARIABLE).ok().filter(|name| !name.is_empty());
    choose(&available(), forced.as_deref()).unwrap_or(PLAIN)
});

/// The name of the kernel that computes inner products on this machine: `plain`, `avx2`, `avxvnni`, `avx512` or `neon`.
///
/// The environment variable `MNEMON_KERNEL`, read once, forces one; what cannot run here is taken for `plain`. All give
/// the same results.
#[must_use]
pub fn kernel_name() -> &'static str {
    KERNEL.name
}

fn choose(available: &[Kernel], forced: Option<&str>) -> Option<Kernel> {
    match forced {
        Some(name) => available.iter().find(|kernel| kernel.name == name).copied(),
        None => available.first().copied(),
    }
}

/// All kernels that this processor can run, the fastest first.
pub(crate) fn available() -> Vec<Kernel> {
    let mut kernels = Vec::new();
    #[cfg(target_arch = "x86_64")]
    x86::push_supported(&mut kernels);
    #[cfg(target_arch = "aarch64")]
    neon::push_supported(&mut kernels);
    kernels.push(PLAIN);
    kernels
}

/// The functions of a [`Kernel`], from `begin`, which looks at the query once, and `product`, which multiplies it with one
/// row. Where the width is that of a usual model it is a constant, so that the query stays in registers.
macro_rules! row_loops {
    ($(#[$attribute:meta])* $begin:ident, $product:ident, $dots:ident, $gather:ident) => {
        $(#[$attribute])*
        fn $dots(query: &[$crate::kernel::Block], rows: &[$crate::kernel::Block], out: &mut [i32]) {
            let begin = $begin(query);
            // 384 dimensions.
            if let Ok(query) = <&[$crate::kernel::Block; 6]>::try_from(query) {
                for (row, out) in rows.as_chunks::<6>().0.iter().zip(out) {
                    $crate::kernel::prefetch_ahead(row);
                    *out = $product(query, row, begin);
                }
            } else {
                for (row, out) in rows.chunks_exact(query.len().max(1)).zip(out) {
                    $crate::kernel::prefetch_ahead(row);
                    *out = $product(query, row, begin);
                }
            }
        }

        $(#[$attribute])*
        fn $gather(query: &[$crate::kernel::Block], rows: &[$crate::kernel::Block], picked: &[u32], out: &mut [i32]) {
            let begin = $begin(query);
            if let Ok(query) = <&[$crate::kernel::Block; 6]>::try_from(query) {
                let rows = rows.as_chunks::<6>().0;
                for (number, out) in picked.iter().zip(out) {
                    *out = rows.get(*number as usize).map_or(0, |row| $product(query, row, begin));
                }
            } else {
                for (number, out) in picked.iter().zip(out) {
                    let row = $crate::kernel::row(rows, query.len(), *number);
                    *out = row.map_or(0, |row| $product(query, row, begin));
                }
            }
        }
    };
}
pub(crate) use row_loops;

/// Row `number` of rows of `width` blocks.
#[inline]
pub(crate) fn row(rows: &[Block], width: usize, number: u32) -> Option<&[Block]> {
    let start = number as usize * width;
    rows.get(start..start + width)
}

/// Asks for memory that will be read soon.
#[inline(always)]
pub(crate) fn prefetch<T>(values: &[T]) {
    const LINE: usize = 64;
    let start = values.as_ptr().cast::<i8>();
    for at in (0..size_of_val(values)).step_by(LINE) {
        prefetch_line(start.wrapping_add(at));
    }
}

/// Asks for what lies some way behind `row`. The hardware stops reading ahead at the end of a page.
#[inline(always)]
pub(crate) fn prefetch_ahead(row: &[Block]) {
    /// In bytes.
    const AHEAD: usize = 4096;
    for block in row {
        // This address need not be valid.
        prefetch_line(block.0.as_ptr().wrapping_add(AHEAD));
    }
}

#[inline(always)]
fn prefetch_line(address: *const i8) {
    #[cfg(target_arch = "x86_64")]
    x86::prefetch_line(address);
    #[cfg(target_arch = "aarch64")]
    neon::prefetch_line(address);
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    let _ = address;
}

/// Plain Rust in a form that compilers turn into vector instructions (NEON on aarch64, SSE2 on x86-64).
const PLAIN: Kernel = Kernel { name: "plain", dots: plain_dots, gather: plain_gather };

row_loops!(plain_begin, plain_product, plain_dots, plain_gather);

fn plain_begin(_: &[Block]) {}

#[inline(always)]
fn plain_product(query: &[Block], row: &[Block], (): ()) -> i32 {
    let blocks = row.iter().zip(query);
    blocks.map(|(a, b)| a.0.iter().zip(&b.0).map(|(&x, &y)| i32::from(x) * i32::from(y)).sum::<i32>()).sum()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(query: &[Block], rows: &[Block], picked: &[u32]) {
        let width = query.len();
        let product = |row: &[Block]| -> i32 {
            let codes = row.iter().flat_map(|b| b.0).zip(query.iter().flat_map(|b| b.0));
            codes.map(|(x, y)| i32::from(x) * i32::from(y)).sum()
        };
        let expected: Vec<i32> = rows.chunks_exact(width).map(product).collect();
        let gathered: Vec<i32> =
            picked.iter().map(|number| expected.get(*number as usize).copied().unwrap_or(0)).collect();
        for kernel in available() {
            let mut out = vec![i32::MIN; expected.len()];
            (kernel.dots)(query, rows, &mut out);
            assert_eq!(out, expected, "{}", kernel.name);
            let mut out = vec![i32::MIN; picked.len()];
            (kernel.gather)(query, rows, picked, &mut out);
            assert_eq!(out, gathered, "{}", kernel.name);
        }
    }

    fn blocks(count: impl Into<proptest::collection::SizeRange>) -> impl Strategy<Value = Vec<Block>> {
        let block = proptest::collection::vec(any::<i8>(), LANES).prop_map(|codes| {
            let mut block = Block([0; LANES]);
            block.0.copy_from_slice(&codes);
            block
        });
        proptest::collection::vec(block, count)
    }

    proptest! {
        #[test]
        fn every_kernel_gives_the_same_integers(
            (query, rows) in (1usize..14).prop_flat_map(|w| (blocks(w), blocks(w * 5))),
            picked in proptest::collection::vec(0u32..6, 0..9),
        ) {
            check(&query, &rows, &picked);
        }
    }

    #[test]
    fn the_largest_rows_do_not_overflow() {
        for (a, b) in [(127, 127), (-128, -128), (127, -128), (-128, 127)] {
            check(&[Block([a; LANES]); 512], &[Block([b; LANES]); 1024], &[1, 0, 2]);
        }
    }

    #[test]
    fn missing_rows_leave_the_rest_of_the_output_alone() {
        for kernel in available() {
            let mut out = [7, 7];
            (kernel.dots)(&[Block([1; LANES])], &[Block([2; LANES])], &mut out);
            assert_eq!(out, [128, 7], "{}", kernel.name);
            (kernel.dots)(&[], &[Block([2; LANES])], &mut out);
            (kernel.gather)(&[], &[Block([2; LANES])], &[0, 9], &mut out);
            (kernel.gather)(&[Block([1; LANES])], &[], &[u32::MAX], &mut out);
        }
    }

    #[test]
    fn a_name_forces_a_kernel_that_can_run() {
        for kernel in available() {
            assert_eq!(choose(&available(), Some(kernel.name)).map(|k| k.name), Some(kernel.name));
        }
        assert_eq!(choose(&available(), Some("abacus")).map(|k| k.name), None);
        assert_eq!(choose(&available(), None).map(|k| k.name), Some(available()[0].name));
        assert!(available().iter().any(|k| k.name == kernel_name()));
    }
}
