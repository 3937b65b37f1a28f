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
        let codes = S::Code::choose(bytes, words).take(count * self.depth);
        round_rows(simd, rows, self.depth, codes, roundings);
        let tile = tile.take(MAX_ROWS * COLUMNS);
        // Rows are shared out evenly: thirteen are seven and six, not twelve and one.
        let height = count.div_ceil(count.div_ceil(S::ROWS).max(1)).max(1);
        let panels = self.panels.get(self.width() * self.depth).chunks_exact((self.depth * COLUMNS).max(1));
        let columns = Columns::all(self);
        for (number, (panel, columns)) in panels.zip(columns).enumerate() {
            let lefts = codes.chunks(height * self.depth).zip(roundings.chunks(height));
            let outs = out.chunks_mut(height * self.width());
            for ((codes, roundings), out) in lefts.zip(outs) {
                let left = Left { codes, stride: self.depth, rows: roundings.len(), depth: self.depth };
                let out = out.get_mut(number * COLUMNS..).unwrap_or_default();
                simd.run(
                    #[inline(always)]
                    || {
                        simd.product_of_codes(left, panel, Out { sums: &mut *tile, stride: COLUMNS });
                        finish_tile(simd, tile, roundings, columns, then, out, self.scales.len());
                    },
                );
            }
        }
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
    fn all(linear: &'a Linear) -> impl Iterator<Item = Self> {
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
    let rows = tile.as_chunks::<COLUMNS>().0.iter().zip(roundings);
    for half in 0..COLUMNS / LANES {
        let (Some(scales), Some(bias), Some(sums)) =
            (lanes(columns.scales).get(half), lanes(columns.bias).get(half), lanes(columns.sums).get(half))
        else {
            continue;
        };
        let (scales, bias, sums) = (simd.load(scales), simd.load(bias), simd.load_int(sums));
        for ((row, rounding), out) in rows.clone().zip(out.chunks_mut(stride.max(1))) {
            let (Some(found), Some(out)) = (lanes(row).get(half), lanes_mut(out).get_mut(half)) else { continue };
            let surplus =
                simd.sub_int(simd.splat_int(rounding.surplus), simd.mul_int(simd.splat_int(rounding.zero), sums));
            let whole = simd.add_int(simd.load_int(found), surplus);
            let value = simd.mul(simd.mul(simd.float(whole), simd.splat(rounding.scale)), scales);
            let value = then(simd.add(value, bias), out);
            simd.store(value, out);
        }
    }
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
