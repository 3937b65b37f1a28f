//! Attention within each text, in whole numbers of 16 bits.
//!
//! Queries and keys are rounded for each piece and head, values for each coordinate of a text, and the shares of the softmax
//! for each row, to 11 bits or more: what is lost is far below what the layers lose, and sums are exact, so that they
//! may be added in any order.

use super::buffer::{Buffer, lanes, lanes_mut};
use super::math::exp2;
use super::simd::{COLUMNS, LANES, Left, MAX_ROWS, Out, PAIR, Pair, Simd, pair};

/// The codes of values are at most this.
const VALUE: f32 = 4095.0;

/// The shares of a row add up to about this, so that their product with values stays below 2^30.
const SHARES: f32 = 262_144.0;

/// The largest share, which must fit 16 bits.
const SHARE: f32 = 32_767.0;

/// The widest head.
pub(super) const MAX_WIDTH: usize = 256;

/// The longest text: the rounding of so many shares does not overflow a sum.
pub(super) const MAX_LENGTH: usize = 32_768;

/// How the queries, keys and values of the heads lie in a row: all queries, all keys, all values, and in each of these head by
/// head, `padded` values each.
#[derive(Debug, Clone, Copy)]
pub(super) struct Heads {
    count: usize,
    padded: usize,
    /// What a product of a query and a key is multiplied with, for a softmax of powers of two.
    factor: f32,
    /// The codes of queries and keys are at most this: so many products of them stay below 2^31.
    limit: f32,
}

/// What is kept from one call to the next.
#[derive(Default)]
pub(super) struct Scratch {
    queries: Buffer<i16>,
    query_scales: Vec<f32>,
    keys: Buffer<Pair>,
    key_scales: Buffer<f32>,
    values: Buffer<Pair>,
    value_scales: Buffer<f32>,
    scores: Buffer<i32>,
    powers: Buffer<f32>,
    shares: Buffer<i16>,
    sums: Buffer<i32>,
}

impl Heads {
    pub(super) fn new(count: usize, width: usize) -> Self {
        let padded = width.next_multiple_of(COLUMNS);
        let limit = (i32::MAX as f32 / padded as f32).sqrt().floor().min(8191.0) - 1.0;
        Self { count, padded, factor: std::f32::consts::LOG2_E / (width as f32).sqrt(), limit }
    }

    /// How many values the queries of a piece have, or its keys, or its values.
    pub(super) fn width(self) -> usize {
        self.count * self.padded
    }

    /// Reads rows of three times [`Self::width`] values, of texts of the given lengths one after the other, and writes rows of
    /// that width.
    pub(super) fn attend<S: Simd>(
        self,
        simd: S,
        rows: &[f32],
        lengths: &[usize],
        scratch: &mut Scratch,
        out: &mut [f32],
    ) {
        let width = self.width();
        let mut start = 0;
        for &length in lengths {
            let rows = rows.get(start * 3 * width..(start + length) * 3 * width).unwrap_or_default();
            let out = out.get_mut(start * width..(start + length) * width).unwrap_or_default();
            for head in 0..self.count {
                self.attend_head(simd, rows, length, head * self.padded, scratch, out);
            }
            start += length;
        }
    }

    /// One head of one text; its part of a row begins at `at`.
    fn attend_head<S: Simd>(
        self,
        simd: S,
        rows: &[f32],
        length: usize,
        at: usize,
        scratch: &mut Scratch,
        out: &mut [f32],
    ) {
        let Self { padded, limit, .. } = self;
        let width = self.width();
        let keys = length.next_multiple_of(COLUMNS);
        let pairs = length.next_multiple_of(PAIR);
        let per_row = length.next_multiple_of(LANES);
        let queries = scratch.queries.take(length * padded);
        let key_panels = scratch.keys.take(keys * padded / PAIR);
        let key_scales = scratch.key_scales.take(keys);
        // What lies beyond the text is masked later, which only an infinite number would survive.
        key_scales.get_mut(length..).unwrap_or_default().fill(0.0);
        let value_panels = scratch.values.take(pairs * padded / PAIR);
        let value_scales = scratch.value_scales.take(padded);
        scratch.query_scales.resize(length, 0.0);
        let part = |which: usize| {
            rows.chunks_exact((3 * width).max(1)).filter_map(move |row| row.get(which * width + at..)?.get(..padded))
        };
        simd.run(
            #[inline(always)]
            || {
                let codes = queries.chunks_exact_mut(padded.max(1)).zip(&mut scratch.query_scales);
                for (row, (codes, scale)) in part(0).zip(codes) {
                    *scale = round_words(simd, row, limit, codes);
                }
                let mut codes = [0; MAX_WIDTH];
                for (number, (row, scale)) in part(1).zip(key_scales.iter_mut()).enumerate() {
                    let Some(codes) = codes.get_mut(..padded) else { continue };
                    *scale = round_words(simd, row, limit, codes);
                    let panel = key_panels.get_mut(number / COLUMNS * COLUMNS * padded / PAIR..).unwrap_or_default();
                    let places = panel.as_chunks_mut::<COLUMNS>().0;
                    for (place, [first, second]) in places.iter_mut().zip(codes.as_chunks::<PAIR>().0) {
                        place[number % COLUMNS] = pair(*first, *second);
                    }
                }
                round_columns(simd, part(2), pairs, value_panels, value_scales);
            },
        );
        let scores = scratch.scores.take(MAX_ROWS * keys);
        let powers = scratch.powers.take(per_row);
        let shares = scratch.shares.take(MAX_ROWS * per_row);
        let sums = scratch.sums.take(MAX_ROWS * COLUMNS);
        let height = S::height(length, S::WORD_ROWS);
        let queries = queries.chunks(height * padded).zip(scratch.query_scales.chunks(height));
        for ((queries, scales), out) in queries.zip(out.chunks_mut(height * width)) {
            let count = scales.len();
            simd.run(
                #[inline(always)]
                || {
                    for (number, panel) in key_panels.chunks_exact((COLUMNS * padded / PAIR).max(1)).enumerate() {
                        let left = Left { codes: queries, stride: padded, rows: count, depth: padded };
                        let sums = scores.get_mut(number * COLUMNS..).unwrap_or_default();
                        simd.product_of_words(left, panel, Out { sums, stride: keys });
                    }
                    let mut totals = [0.0; MAX_ROWS];
                    let rows = scores.chunks_exact(keys.max(1)).zip(shares.chunks_exact_mut(per_row.max(1)));
                    for ((row, shares), (scale, total)) in rows.zip(scales.iter().zip(&mut totals)) {
                        *total =
                            1.0 / softmax(simd, row, key_scales, scale * self.factor, length, powers, shares) as f32;
                    }
                    let left = Left { codes: &*shares, stride: per_row, rows: count, depth: pairs };
                    let blocks = value_panels
                        .chunks_exact((COLUMNS * pairs / PAIR).max(1))
                        .zip(value_scales.as_chunks::<COLUMNS>().0);
                    for (number, (panel, scales)) in blocks.enumerate() {
                        simd.product_of_words(left, panel, Out { sums: &mut *sums, stride: COLUMNS });
                        let rows = sums.as_chunks::<COLUMNS>().0.iter().zip(&totals);
                        for ((row, total), out) in rows.zip(out.chunks_mut(width.max(1))) {
                            let out = out.get_mut(at + number * COLUMNS..).unwrap_or_default();
                            let values = lanes(row).iter().zip(lanes(scales)).zip(lanes_mut(out));
                            for ((sum, scale), out) in values {
                                let value = simd.mul(simd.float(simd.load_int(sum)), simd.splat(*total));
                                simd.store(simd.mul(value, simd.load(scale)), out);
                            }
                        }
                    }
                },
            );
        }
    }
}

/// Rounds a row to codes of at most `limit`; its values are the codes times what is returned.
#[inline(always)]
fn round_words<S: Simd>(simd: S, row: &[f32], limit: f32, codes: &mut [i16]) -> f32 {
    let mut largest = simd.splat(0.0);
    for values in lanes(row) {
        let value = simd.load(values);
        largest = simd.max(largest, simd.max(value, simd.sub(simd.splat(0.0), value)));
    }
    let largest = simd.largest(largest).max(1e-30);
    let factor = simd.splat(limit / largest);
    for (values, codes) in lanes(row).iter().zip(lanes_mut(codes)) {
        simd.store_words(simd.round(simd.mul(simd.load(values), factor)), codes);
    }
    largest / limit
}

/// Rounds rows to codes of at most [`VALUE`] with a scale for each column, and lays them out as panels of `pairs` rows, which is
/// the number of rows made even.
#[inline(always)]
fn round_columns<'a, S: Simd>(
    simd: S,
    rows: impl Iterator<Item = &'a [f32]> + Clone,
    pairs: usize,
    panels: &mut [Pair],
    scales: &mut [f32],
) {
    for (number, scales) in lanes_mut(scales).iter_mut().enumerate() {
        let mut largest = simd.splat(1e-30);
        for row in rows.clone() {
            let Some(values) = lanes(row).get(number) else { continue };
            let value = simd.load(values);
            largest = simd.max(largest, simd.max(value, simd.sub(simd.splat(0.0), value)));
        }
        let factor = simd.div(simd.splat(VALUE), largest);
        simd.store(simd.div(largest, simd.splat(VALUE)), scales);
        let panel = panels.get_mut(number * LANES / COLUMNS * COLUMNS * pairs / PAIR..).unwrap_or_default();
        let groups = panel.as_chunks_mut::<COLUMNS>().0;
        let mut rows = rows.clone();
        for group in groups.iter_mut().take(pairs / PAIR) {
            let mut codes = [[0; LANES]; PAIR];
            for codes in &mut codes {
                if let Some(values) = rows.next().and_then(|row| lanes(row).get(number)) {
                    simd.store_words(simd.round(simd.mul(simd.load(values), factor)), codes);
                }
            }
            let [first, second] = codes;
            let Some(places) = lanes_mut(group).get_mut(number % (COLUMNS / LANES)) else { continue };
            *places = std::array::from_fn(|lane| pair(first[lane], second[lane]));
        }
    }
}

/// From products of codes to codes of shares; returns what the codes add up to. Those beyond `length` become zero.
#[inline(always)]
fn softmax<S: Simd>(
    simd: S,
    scores: &[i32],
    key_scales: &[f32],
    factor: f32,
    length: usize,
    powers: &mut [f32],
    shares: &mut [i16],
) -> i32 {
    let vectors = length.div_ceil(LANES);
    let counted = length % LANES;
    // What lies beyond the text is far below all that lies in it.
    let beyond: [f32; LANES] = std::array::from_fn(|lane| if counted == 0 || lane < counted { 0.0 } else { -1e30 });
    let beyond = simd.load(&beyond);
    let mut largest = simd.splat(-1e30);
    let scored = lanes(scores).iter().zip(lanes(key_scales)).take(vectors);
    for (number, ((scores, scales), powers)) in scored.zip(lanes_mut(powers)).enumerate() {
        let mut score = simd.mul(simd.float(simd.load_int(scores)), simd.load(scales));
        if number + 1 == vectors {
            score = simd.add(score, beyond);
        }
        largest = simd.max(largest, score);
        simd.store(score, powers);
    }
    let (largest, factor) = (simd.splat(simd.largest(largest)), simd.splat(factor));
    let mut sum = simd.splat(0.0);
    for powers in lanes_mut(powers).iter_mut().take(vectors) {
        let power = exp2(simd, simd.mul(simd.sub(simd.load(powers), largest), factor));
        sum = simd.add(sum, power);
        simd.store(power, powers);
    }
    let factor = simd.splat((SHARES / simd.sum(sum)).min(SHARE));
    let mut total = simd.splat_int(0);
    for (powers, shares) in lanes(powers).iter().zip(lanes_mut(shares)).take(vectors) {
        let share = simd.round(simd.mul(simd.load(powers), factor));
        total = simd.add_int(total, share);
        simd.store_words(share, shares);
    }
    simd.sum_int(total)
}

#[cfg(test)]
mod tests {
    use super::super::simd::{Plain, on_each};
    use super::*;

    fn attend<S: Simd>(simd: S, heads: Heads, rows: &[f32], lengths: &[usize]) -> Vec<u32> {
        let mut scratch = Scratch::default();
        let pieces: usize = lengths.iter().sum();
        let mut out = vec![9.0; pieces * heads.width()];
        // What was there before must not matter: a longer text of large values.
        let length = if cfg!(miri) { 18 } else { 77 };
        let before = vec![1e6; length * 3 * heads.width()];
        heads.attend(simd, &before, &[length], &mut scratch, &mut vec![0.0; length * heads.width()]);
        heads.attend(simd, rows, lengths, &mut scratch, &mut out);
        out.into_iter().map(f32::to_bits).collect()
    }

    /// In f64, one head of one text after the other.
    fn exact(heads: Heads, width: usize, rows: &[f32], lengths: &[usize]) -> Vec<f64> {
        let total = heads.width();
        let mut out = Vec::new();
        let mut start = 0;
        for &length in lengths {
            let value = |which: usize, piece: usize, at: usize| {
                f64::from(rows[(start + piece) * 3 * total + which * total + at])
            };
            for piece in 0..length {
                for head in 0..heads.count {
                    let at = head * heads.padded;
                    let score = |other: usize| {
                        (at..at + width).map(|at| value(0, piece, at) * value(1, other, at)).sum::<f64>()
                            / (width as f64).sqrt()
                    };
                    let scores: Vec<f64> = (0..length).map(score).collect();
                    let largest = scores.iter().copied().fold(f64::MIN, f64::max);
                    let powers: Vec<f64> = scores.iter().map(|score| (score - largest).exp()).collect();
                    let sum: f64 = powers.iter().sum();
                    out.extend((at..at + heads.padded).map(|at| {
                        powers.iter().enumerate().map(|(other, power)| power / sum * value(2, other, at)).sum::<f64>()
                    }));
                }
            }
            start += length;
        }
        out
    }

    #[track_caller]
    fn check(count: usize, width: usize, lengths: &[usize], size: f32) {
        let heads = Heads::new(count, width);
        let mut state = 5u32;
        let pieces: usize = lengths.iter().sum();
        let mut rows = vec![0.0; pieces * 3 * heads.width()];
        for part in rows.chunks_mut(heads.padded) {
            for value in &mut part[..width] {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                *value = ((state >> 8) as f32 / (1 << 23) as f32 - 1.0) * size;
            }
        }
        let found = on_each!(attend(heads, &rows, lengths));
        assert!(found.iter().all(|other| *other == found[0]), "{count} heads of {width}, {lengths:?}");
        for (got, exact) in found[0].iter().zip(exact(heads, width, &rows, lengths)) {
            let got = f64::from(f32::from_bits(*got));
            // A hundredth of what rounding to 8 bits may lose.
            assert!(
                (got - exact).abs() < f64::from(size) * 2e-3,
                "{got} is not {exact}: {count} heads of {width}, {lengths:?}"
            );
        }
        // A text alone has the bits that it has among others.
        let mut start = 0;
        for &length in lengths {
            let alone =
                attend(Plain, heads, &rows[start * 3 * heads.width()..][..length * 3 * heads.width()], &[length]);
            assert_eq!(alone, found[0][start * heads.width()..][..length * heads.width()]);
            start += length;
        }
    }

    #[test]
    fn attention_is_close_to_that_in_f64() {
        if cfg!(miri) {
            return check(1, 4, &[1, 0, 17], 1.0);
        }
        check(2, 32, &[1, 2, 3, 12, 13], 2.0);
        check(3, 4, &[5, 0, 17], 1.0);
        check(2, 32, &[16, 31, 32, 33, 64, 65, 200], 2.0);
        check(1, 64, &[40, 7], 3.0);
        check(1, 250, &[20], 1.0);
        check(1, 32, &[512], 0.1);
        check(1, 33, &[512, 1], 6.0);
    }
}
