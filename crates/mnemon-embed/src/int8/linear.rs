//! Layers of whole numbers: activations are rounded to 8 bits row by row, multiplied with the codes of the weights, and what
//! comes out is scaled back, in one pass with what follows (bias, activation, residual).
//!
//! A row is rounded between its own smallest and largest value (and zero): value = scale × (code - zero). So the vector of
//! a text does not depend on the texts beside it, and the lopsided values behind a GELU use all 256 codes. Weights
//! are as in the file, value = scale × code with a scale for each output.

use super::buffer::{Buffer, lanes, lanes_mut};
use super::math::{gelu, gelu_tanh};
use super::simd::{COLUMNS, Code, GROUP, LANES, Left, MAX_ROWS, Out, Simd};
use crate::ops::Activation;

/// A product of more than this many codes could overflow 32 bits: each is at most 128 × 255.
pub(super) const MAX_DEPTH: usize = 65_536;

/// How many steps lie between the smallest and the largest value of a row.
const STEPS: f32 = 254.0;

/// About how many rows are multiplied with one panel after the other.
const BLOCK: usize = 64;

/// What happens to the results of a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Then {
    /// They replace what stands in the output, after the activation.
    Store(Activation),
    /// They are added to it.
    Add,
}

/// How many values there are, in runs of `run` that each are padded to whole panels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Axis {
    runs: usize,
    run: usize,
}

impl Axis {
    pub(super) fn new(runs: usize, run: usize) -> Self {
        Self { runs, run }
    }

    /// How many values there are without padding.
    pub(super) fn length(self) -> usize {
        self.runs * self.run
    }

    /// How many there are with it.
    pub(super) fn padded(self) -> usize {
        self.runs * self.run.next_multiple_of(COLUMNS)
    }

    /// Where a value lies among the padded ones.
    fn place(self, at: usize) -> usize {
        at / self.run.max(1) * self.run.next_multiple_of(COLUMNS) + at % self.run.max(1)
    }
}

/// The weights of a part of a layer: `[outputs, inputs]` codes row after row, with a scale and a bias for each output.
pub(super) struct Part<'a> {
    pub(super) codes: &'a [u8],
    pub(super) scales: Vec<f32>,
    pub(super) bias: Vec<f32>,
}

/// The weights of one or more layers with the same inputs, side by side.
#[derive(Debug)]
pub(super) struct Linear {
    /// Codes plus 128, in panels of [`COLUMNS`] outputs: for each group of [`GROUP`] inputs those of the first output, of the
    /// second, and so on.
    panels: Buffer<u8>,
    depth: usize,
    scales: Vec<f32>,
    bias: Vec<f32>,
    /// The sum of the codes of each output.
    sums: Vec<i32>,
}

/// How a row was rounded.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Rounding {
    scale: f32,
    zero: i32,
    /// -128 times the sum of the codes: what the 128 that is added to each weight brings in.
    surplus: i32,
}

/// Rows as whole numbers.
#[derive(Default)]
pub(super) struct Codes {
    bytes: Buffer<i8>,
    words: Buffer<i16>,
    roundings: Vec<Rounding>,
    tile: Buffer<i32>,
}

impl Linear {
    /// Parts have the same axes. Sizes have been checked: codes beyond the axes are left out, and what is missing is zero.
    pub(super) fn pack(parts: &[Part<'_>], inputs: Axis, outputs: Axis) -> Self {
        let (depth, per_part) = (inputs.padded(), outputs.padded());
        let width = per_part * parts.len();
        let mut linear = Self {
            panels: Buffer::default(),
            depth,
            scales: vec![0.0; width],
            bias: vec![0.0; width],
            sums: vec![0; width],
        };
        let panels = linear.panels.take(width * depth);
        panels.fill(128);
        let straight = inputs.length() == depth;
        for (number, part) in parts.iter().enumerate() {
            let rows = part.codes.chunks_exact(inputs.length().max(1)).zip(part.scales.iter().zip(&part.bias));
            for (output, (row, (scale, bias))) in rows.enumerate().take(outputs.length()) {
                let column = number * per_part + outputs.place(output);
                let panel = panels.get_mut(column / COLUMNS * COLUMNS * depth..).unwrap_or_default();
                let groups = panel.as_chunks_mut::<GROUP>().0.iter_mut().skip(column % COLUMNS).step_by(COLUMNS);
                if straight {
                    for (group, codes) in groups.zip(row.as_chunks::<GROUP>().0) {
                        *group = codes.map(|code| code ^ 0x80);
                    }
                } else {
                    let mut padded = vec![0; depth];
                    for (input, code) in row.iter().enumerate() {
                        if let Some(place) = padded.get_mut(inputs.place(input)) {
                            *place = *code;
                        }
                    }
                    for (group, codes) in groups.zip(padded.as_chunks::<GROUP>().0) {
                        *group = codes.map(|code| code ^ 0x80);
                    }
                }
                let sum: i32 = row.iter().map(|code| i32::from(code.cast_signed())).sum();
                set(&mut linear.scales, column, *scale);
                set(&mut linear.bias, column, *bias);
                set(&mut linear.sums, column, sum);
            }
        }
        linear
    }

    /// How many values a row of the output has.
    pub(super) fn width(&self) -> usize {
        self.scales.len()
    }

    /// Multiplies rows of values with the weights. `rows` has as many values in each row as the inputs have padded, and `out`
    /// as many as the outputs.
    pub(super) fn apply<S: Simd>(&self, simd: S, rows: &[f32], codes: &mut Codes, then: Then, out: &mut [f32]) {
        let Codes { bytes, words, roundings, tile } = codes;
        let count = rows.len().checked_div(self.depth).unwrap_or(0);
        roundings.resize(count, Rounding::default());
        // A processor may compute more rows than there are.
        let codes = S::Code::choose(bytes, words).take(count.next_multiple_of(MAX_ROWS) * self.depth);
        round_rows(simd, rows, self.depth, codes, roundings);
        let tile = tile.take(MAX_ROWS * COLUMNS);
        let height = S::height(count, S::ROWS);
        let panels = self.panels.get(self.width() * self.depth).chunks_exact((self.depth * COLUMNS).max(1));
        let columns = Columns::all(self);
        simd.run_products(
            #[inline(always)]
            || {
                // Blocks of rows that stay in the nearest cache while all panels pass by.
                let block = (BLOCK / height).max(1) * height;
                let blocks = roundings.chunks(block).zip(out.chunks_mut(block * self.width()));
                for ((roundings, out), first) in blocks.zip((0..).step_by(block)) {
                    for (number, (panel, columns)) in panels.clone().zip(columns.clone()).enumerate() {
                        let outs = out.chunks_mut(height * self.width());
                        let tiles = roundings.chunks(height).zip(outs).zip((first..).step_by(height));
                        for ((roundings, out), row) in tiles {
                            let codes = codes.get(row * self.depth..).unwrap_or_default();
                            let left = Left { codes, stride: self.depth, rows: roundings.len(), depth: self.depth };
                            let out = out.get_mut(number * COLUMNS..).unwrap_or_default();
                            simd.product_of_codes(left, panel, Out { sums: &mut *tile, stride: COLUMNS });
                            finish_tile(simd, tile, roundings, columns, then, out, self.scales.len());
                        }
                    }
                }
            },
        );
    }
}

/// What belongs to the outputs of one panel.
#[derive(Clone, Copy)]
struct Columns<'a> {
    scales: &'a [f32; COLUMNS],
    bias: &'a [f32; COLUMNS],
    sums: &'a [i32; COLUMNS],
}

impl<'a> Columns<'a> {
    fn all(linear: &'a Linear) -> impl Iterator<Item = Self> + Clone {
        let (scales, bias) = (linear.scales.as_chunks().0, linear.bias.as_chunks().0);
        let sums = linear.sums.as_chunks().0;
        scales.iter().zip(bias).zip(sums).map(|((scales, bias), sums)| Self { scales, bias, sums })
    }
}

/// Makes values of the sums of a tile and puts them where they belong, the first row at the start of `out`.
#[inline(always)]
fn finish_tile<S: Simd>(
    simd: S,
    tile: &[i32],
    roundings: &[Rounding],
    columns: Columns<'_>,
    then: Then,
    out: &mut [f32],
    stride: usize,
) {
    match then {
        Then::Store(Activation::Identity) => finish(simd, tile, roundings, columns, out, stride, |value, _| value),
        Then::Store(Activation::Gelu) => {
            finish(simd, tile, roundings, columns, out, stride, |value, _| gelu(simd, value));
        }
        Then::Store(Activation::GeluTanh) => {
            finish(simd, tile, roundings, columns, out, stride, |value, _| gelu_tanh(simd, value));
        }
        Then::Store(Activation::Relu) => {
            finish(simd, tile, roundings, columns, out, stride, |value, _| simd.max(value, simd.splat(0.0)));
        }
        Then::Add => finish(simd, tile, roundings, columns, out, stride, |value, old| simd.add(value, simd.load(old))),
    }
}

#[inline(always)]
fn finish<S: Simd>(
    simd: S,
    tile: &[i32],
    roundings: &[Rounding],
    columns: Columns<'_>,
    out: &mut [f32],
    stride: usize,
    then: impl Fn(S::Float, &[f32; LANES]) -> S::Float,
) {
    const HALVES: usize = COLUMNS / LANES;
    let scales = halves(columns.scales).map(|scales| simd.load(scales));
    let bias = halves(columns.bias).map(|bias| simd.load(bias));
    let sums = halves(columns.sums).map(|sums| simd.load_int(sums));
    let rows = tile.as_chunks::<COLUMNS>().0.iter().zip(roundings);
    for ((row, rounding), out) in rows.zip(out.chunks_mut(stride.max(1))) {
        let Some(out) = out.first_chunk_mut::<COLUMNS>() else { continue };
        let (surplus, zero) = (simd.splat_int(rounding.surplus), simd.splat_int(rounding.zero));
        let row_scale = simd.splat(rounding.scale);
        let (row, out) = (halves(row), lanes_mut(out));
        for half in 0..HALVES {
            let surplus = simd.sub_int(surplus, simd.mul_int(zero, sums[half]));
            let whole = simd.add_int(simd.load_int(row[half]), surplus);
            let value = simd.mul(simd.mul(simd.float(whole), row_scale), scales[half]);
            let value = then(simd.add(value, bias[half]), &out[half]);
            simd.store(value, &mut out[half]);
        }
    }
}

#[inline(always)]
fn halves<T>(values: &[T; COLUMNS]) -> [&[T; LANES]; COLUMNS / LANES] {
    let values = lanes(values);
    std::array::from_fn(|half| &values[half])
}

/// Rounds each row of `depth` values.
fn round_rows<S: Simd>(simd: S, rows: &[f32], depth: usize, codes: &mut [S::Code], roundings: &mut [Rounding]) {
    let depth = depth.max(1);
    simd.run(
        #[inline(always)]
        || {
            let rows = rows.chunks_exact(depth).zip(codes.chunks_exact_mut(depth));
            for ((row, codes), rounding) in rows.zip(roundings.iter_mut()) {
                *rounding = round_row(simd, row, codes);
            }
        },
    );
}

#[inline(always)]
fn round_row<S: Simd>(simd: S, row: &[f32], codes: &mut [S::Code]) -> Rounding {
    let (mut smallest, mut largest) = (simd.splat(0.0), simd.splat(0.0));
    for values in lanes(row) {
        let value = simd.load(values);
        (smallest, largest) = (simd.min(smallest, value), simd.max(largest, value));
    }
    let (smallest, largest) = (simd.smallest(smallest), simd.largest(largest));
    // Of a row of zeros any scale is right. One so small that its inverse is infinite would not be.
    let range = (largest - smallest).max(1e-30);
    // The smallest value gets -127 or -128 and the largest, which is 254 more, at most 127, whatever is lost in rounding.
    let inverse = STEPS / range;
    let zero = (-127.25 - smallest * inverse).round_ties_even();
    let (factor, offset) = (simd.splat(inverse), simd.splat(zero));
    let mut sum = simd.splat_int(0);
    for (values, codes) in lanes(row).iter().zip(lanes_mut(codes)) {
        let code = simd.round(simd.add(simd.mul(simd.load(values), factor), offset));
        sum = simd.add_int(sum, code);
        simd.store_codes(code, codes);
    }
    Rounding { scale: range / STEPS, zero: zero as i32, surplus: simd.sum_int(sum).wrapping_mul(-128) }
}

fn set<T>(values: &mut [T], at: usize, value: T) {
    if let Some(place) = values.get_mut(at) {
        *place = value;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::simd::on_each;
    use super::*;

    fn apply<S: Simd>(simd: S, linear: &Linear, rows: &[f32], then: Then, out: &[f32]) -> Vec<u32> {
        let mut out = out.to_vec();
        let mut codes = Codes::default();
        // What was there before must not matter.
        linear.apply(simd, &vec![3.0; linear.depth * 2], &mut codes, then, &mut vec![1.0; linear.width() * 2]);
        linear.apply(simd, rows, &mut codes, then, &mut out);
        out.into_iter().map(f32::to_bits).collect()
    }

    /// Numbers between -1 and 1.
    fn numbers(seed: u64) -> impl FnMut() -> f64 {
        let mut state = seed;
        move || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as f64 / f64::from(1 << 23) - 1.0
        }
    }

    /// What a layer gives in f64 with weights and rows as they are, and how far rounding the rows may lead from it.
    struct Exact {
        value: f64,
        bound: f64,
    }

    fn relu(value: f64) -> f64 {
        value.max(0.0)
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: if cfg!(miri) { 1 } else { 48 }, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn layers_are_products_within_the_rounding_of_rows(
            seed in any::<u64>(),
            inputs in prop_oneof![(1usize..3, 1usize..70), (3usize..5, 1usize..20), Just((1, 384))],
            outputs in prop_oneof![(1usize..3, 1usize..70), (3usize..5, 1usize..20)],
            parts in 1usize..4,
            count in prop_oneof![1usize..14, Just(25), Just(40)],
            lopsided in any::<bool>(),
            then in prop_oneof![
                Just(Then::Store(Activation::Identity)), Just(Then::Store(Activation::Relu)), Just(Then::Add)
            ],
        ) {
            let (inputs, outputs) = (Axis::new(inputs.0, inputs.1), Axis::new(outputs.0, outputs.1));
            let mut number = numbers(seed);
            let mut code = || match number() {
                value if value > 0.9 => 127i8,
                value if value < -0.9 => -127,
                value => (value * 140.0) as i8,
            };
            let codes: Vec<Vec<u8>> = (0..parts)
                .map(|_| (0..inputs.length() * outputs.length()).map(|_| code().cast_unsigned()).collect())
                .collect();
            let mut number = numbers(seed ^ 1);
            let part = |codes| Part {
                codes,
                scales: (0..outputs.length()).map(|_| (number() as f32).abs() * 0.01 + 1e-4).collect(),
                bias: (0..outputs.length()).map(|_| number() as f32).collect(),
            };
            let parts: Vec<Part<'_>> = codes.iter().map(Vec::as_slice).map(part).collect();
            let linear = Linear::pack(&parts, inputs, outputs);
            let mut number = numbers(seed ^ 2);
            let mut rows = vec![0.0; count * inputs.padded()];
            for row in rows.chunks_mut(inputs.padded()) {
                for at in 0..inputs.length() {
                    row[inputs.place(at)] = (number() * 5.0) as f32 + if lopsided { 5.5 } else { 0.0 };
                }
            }
            let before: Vec<f32> = (0..count * linear.width()).map(|_| number() as f32).collect();
            let found = on_each!(apply(&linear, &rows, then, &before));
            for other in &found {
                prop_assert_eq!(other, &found[0]);
            }
            for (row, (got, before)) in rows
                .chunks(inputs.padded())
                .zip(found[0].chunks(linear.width()).zip(before.chunks(linear.width())))
            {
                let ends = row.iter().fold((0f32, 0f32), |(low, high), value| (low.min(*value), high.max(*value)));
                let step = f64::from(ends.1 - ends.0) / f64::from(STEPS);
                let mut exact: Vec<Exact> = before.iter().map(|_| Exact { value: 0.0, bound: 0.0 }).collect();
                for (number, part) in parts.iter().enumerate() {
                    for output in 0..outputs.length() {
                        let weight = |at: usize| {
                            f64::from(part.codes[output * inputs.length() + at].cast_signed())
                                * f64::from(part.scales[output])
                        };
                        exact[number * outputs.padded() + outputs.place(output)] = Exact {
                            value: (0..inputs.length())
                                .map(|at| f64::from(row[inputs.place(at)]) * weight(at))
                                .sum::<f64>()
                                + f64::from(part.bias[output]),
                            bound: (0..inputs.length()).map(|at| weight(at).abs() * step / 2.0).sum(),
                        };
                    }
                }
                for ((got, before), Exact { value, bound }) in got.iter().zip(before).zip(exact) {
                    let value = match then {
                        Then::Add => value + f64::from(*before),
                        Then::Store(Activation::Relu) => relu(value),
                        Then::Store(_) => value,
                    };
                    let away = (f64::from(f32::from_bits(*got)) - value).abs();
                    prop_assert!(away <= bound * 1.001 + 1e-4 * (1.0 + value.abs()), "{away} from {value}, at most {bound}");
                }
            }
        }
    }

    #[test]
    fn rows_of_zeros_and_of_one_value_are_exact() {
        let part = Part { codes: &[5, 251, 7, 127], scales: vec![0.5, 2.0], bias: vec![1.0, -1.0] };
        let linear = Linear::pack(&[part], Axis::new(1, 2), Axis::new(1, 2));
        let mut rows = vec![0.0; 3 * 32];
        (rows[32], rows[33]) = (-3.0, 0.0);
        (rows[64], rows[65]) = (1e-38, 0.0);
        let out = on_each!(apply(&linear, &rows, Then::Store(Activation::Identity), &[0.0; 3 * 32]));
        for out in out {
            let out: Vec<f32> = out.into_iter().map(f32::from_bits).collect();
            assert_eq!(out[..2], [1.0, -1.0]);
            assert!(
                (out[32] - (1.0 - 7.5)).abs() < 1e-5 && (out[33] - (-1.0 - 42.0)).abs() < 1e-5,
                "{:?}",
                &out[32..34]
            );
            assert_eq!(out[64..66], [1.0, -1.0]);
            assert!(out.iter().all(|value| value.is_finite()));
        }
    }
}
