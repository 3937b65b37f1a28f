//! The kernel for aarch64 with the dot product instructions (ARMv8.2 and later: every Apple M, Graviton 2 and later).

use std::arch::aarch64::*;
use std::arch::asm;

use super::{Block, Kernel, row_loops};

pub(super) fn push_supported(kernels: &mut Vec<Kernel>) {
    if std::arch::is_aarch64_feature_detected!("dotprod") {
        kernels.push(Kernel {
            name: "neon",
            // SAFETY: the processor has every feature that the kernel is compiled for.
            dots: |query, rows, out| unsafe { neon_dots(query, rows, out) },
            // SAFETY: as above.
            gather: |query, rows, picked, out| unsafe { neon_gather(query, rows, picked, out) },
        });
    }
}

#[inline(always)]
pub(super) fn prefetch_line(address: *const i8) {
    // SAFETY: asking for memory has no effect on any value, wherever the address points.
    unsafe { asm!("prfm pldl1keep, [{0}]", in(reg) address, options(nostack, readonly, preserves_flags)) }
}

row_loops!(
    #[target_feature(enable = "neon,dotprod")]
    neon_begin,
    neon_product,
    neon_dots,
    neon_gather
);

#[target_feature(enable = "neon,dotprod")]
fn neon_begin(_: &[Block]) {}

#[inline]
#[target_feature(enable = "neon,dotprod")]
fn neon_product(query: &[Block], row: &[Block], (): ()) -> i32 {
    let mut sums = [vdupq_n_s32(0); 4];
    for (a, b) in row.iter().zip(query) {
        for ((sum, a), b) in sums.iter_mut().zip(quarters(a)).zip(quarters(b)) {
            *sum = dot(*sum, a, b);
        }
    }
    let [a, b, c, d] = sums;
    vaddvq_s32(vaddq_s32(vaddq_s32(a, b), vaddq_s32(c, d)))
}

/// `vdotq_s32`, which the standard library does not offer yet: adds four products of codes to each lane of `sum`.
#[inline]
#[target_feature(enable = "neon,dotprod")]
fn dot(sum: int32x4_t, a: int8x16_t, b: int8x16_t) -> int32x4_t {
    let mut out = sum;
    // SAFETY: one instruction on registers, which the processor has: callers are compiled for dotprod.
    unsafe {
        asm!(
            "sdot {0:v}.4s, {1:v}.16b, {2:v}.16b",
            inout(vreg) out, in(vreg) a, in(vreg) b,
            options(pure, nomem, nostack, preserves_flags)
        );
    }
    out
}

#[inline]
#[target_feature(enable = "neon")]
fn quarters(block: &Block) -> [int8x16_t; 4] {
    let start = block.0.as_ptr();
    // SAFETY: a block is 64 readable bytes.
    unsafe { [0, 16, 32, 48].map(|at| vld1q_s8(start.add(at))) }
}
