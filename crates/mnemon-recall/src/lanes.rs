//! Rows of bytes side by side, so that one row is compared with many at once and no sum goes across the lanes of a
//! register.

/// How many rows stand in one register.
pub(crate) const TOGETHER: usize = 16;
/// How many bytes of a row stand beside each other: a lane of 32 bits.
pub(crate) const IN_LANE: usize = 4;

/// How many rows are compared with all at once.
pub(crate) const AT_ONCE: usize = 4;

/// A register of rows: four bytes of each.
pub(crate) type Register = [i8; TOGETHER * IN_LANE];

/// Rows of one length in blocks of `REGISTERS` times 16. Bytes of a row beyond a multiple of four are left out.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Lanes<const REGISTERS: usize> {
    blocks: Vec<Block<REGISTERS>>,
    rows: usize,
    /// The length of the first row, and whether all others have it and it is a multiple of four.
    length: usize,
    even: bool,
}

/// Rows side by side, a lane each.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Block<const REGISTERS: usize> {
    /// Four bytes of each row, then the next four of each.
    pub(crate) codes: Vec<[Register; REGISTERS]>,
    /// The sums of the rows.
    pub(crate) sums: [[i32; TOGETHER]; REGISTERS],
}

impl<const REGISTERS: usize> Lanes<REGISTERS> {
    /// Adds a row.
    pub(crate) fn push(&mut self, row: &[i8]) {
        if self.rows == 0 {
            (self.length, self.even) = (row.len(), row.len().is_multiple_of(IN_LANE));
        }
        self.even &= row.len() == self.length;
        let lane = self.rows % (REGISTERS * TOGETHER);
        if lane == 0 {
            let codes = vec![[[0; TOGETHER * IN_LANE]; REGISTERS]; self.length / IN_LANE];
            self.blocks.push(Block { codes, sums: [[0; TOGETHER]; REGISTERS] });
        }
        if let Some(block) = self.blocks.last_mut() {
            for (registers, own) in block.codes.iter_mut().zip(row.as_chunks::<IN_LANE>().0) {
                let lanes = registers.as_flattened_mut().as_chunks_mut().0;
                lanes.iter_mut().skip(lane).take(1).for_each(|lane| *lane = *own);
            }
            let sum = row.iter().map(|code| i32::from(*code)).sum();
            block.sums.as_flattened_mut().iter_mut().skip(lane).take(1).for_each(|lane| *lane = sum);
        }
        self.rows += 1;
    }

    /// The rows.
    pub(crate) fn blocks(&self) -> &[Block<REGISTERS>] {
        &self.blocks
    }

    /// Writes the inner products of up to [`AT_ONCE`] rows and all of these, and some zeros: a row of [`Self::width`] for
    /// each. False, and nothing is written, where this processor or these lengths do not allow it.
    pub(crate) fn products(&self, rows: &[&[i8]], products: &mut Vec<i32>) -> bool {
        if !self.even || rows.len() > AT_ONCE || rows.iter().any(|row| row.len() != self.length) {
            return false;
        }
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx512vnni") && is_x86_feature_detected!("avx512f") {
            products.resize(AT_ONCE * self.width(), 0);
            // The first stands for those that are not there.
            let first = rows.first().copied().unwrap_or_default();
            let rows = std::array::from_fn(|at| rows.get(at).copied().unwrap_or(first));
            // SAFETY: the processor has every feature that the kernel is compiled for.
            unsafe { x86::products(&self.blocks, rows, products, self.width()) };
            return true;
        }
        let _ = products;
        false
    }

    /// The products of each row.
    pub(crate) fn width(&self) -> usize {
        self.blocks.len() * REGISTERS * TOGETHER
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    use super::{AT_ONCE, Block, IN_LANE, TOGETHER};

    /// What makes a signed byte an unsigned one.
    const OFFSET: u8 = 128;

    /// The products of unsigned by signed bytes are added up in 32 bits, and what the offset of the row added is taken off.
    #[target_feature(enable = "avx512f,avx512vnni")]
    pub(super) fn products<const REGISTERS: usize>(
        blocks: &[Block<REGISTERS>],
        rows: [&[i8]; AT_ONCE],
        products: &mut [i32],
        width: usize,
    ) {
        let offset = _mm512_set1_epi32(i32::from(OFFSET));
        let sign = _mm512_set1_epi8(OFFSET.cast_signed());
        let rows = rows.map(|row| row.as_chunks::<IN_LANE>().0);
        for (number, block) in blocks.iter().enumerate() {
            let mut sums = [[_mm512_setzero_si512(); REGISTERS]; AT_ONCE];
            for (at, codes) in block.codes.iter().enumerate() {
                let codes: [__m512i; REGISTERS] = std::array::from_fn(|register| load(&codes[register]));
                for (sums, row) in sums.iter_mut().zip(rows) {
                    let Some(four) = row.get(at) else { continue };
                    let four = _mm512_set1_epi32(i32::from_le_bytes(four.map(i8::cast_unsigned)));
                    let four = _mm512_xor_si512(four, sign);
                    for (sum, codes) in sums.iter_mut().zip(codes) {
                        *sum = _mm512_dpbusd_epi32(*sum, four, codes);
                    }
                }
            }
            for (sums, products) in sums.iter().zip(products.chunks_exact_mut(width)) {
                let products = products.as_chunks_mut::<TOGETHER>().0.iter_mut().skip(number * REGISTERS);
                for ((sum, row_sums), products) in sums.iter().zip(&block.sums).zip(products) {
                    let exact = _mm512_sub_epi32(*sum, _mm512_mullo_epi32(load(row_sums), offset));
                    // SAFETY: these are 64 writable bytes, and the instruction asks for no alignment.
                    unsafe { _mm512_storeu_si512(products.as_mut_ptr().cast(), exact) };
                }
            }
        }
    }

    /// 64 bytes.
    #[inline]
    #[target_feature(enable = "avx512f")]
    fn load<T, const N: usize>(values: &[T; N]) -> __m512i {
        const { assert!(size_of::<[T; N]>() == 64) };
        // SAFETY: these are 64 readable bytes, and the instruction asks for no alignment.
        unsafe { _mm512_loadu_si512(values.as_ptr().cast()) }
    }
}
