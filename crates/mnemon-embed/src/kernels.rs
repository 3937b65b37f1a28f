//! The arithmetic of the encoder on the CPU: plain slices, one thread, fused so that each value is touched few times.
//!
//! The loops are written for the compiler to vectorise; [`pulp::Arch`] picks the instructions (AVX-512, AVX2, NEON)
//! that the machine has at run time. Sums run in lanes, so results differ from machine to machine in the last bits.

use candle_core::{Error, Result};
use pulp::Arch;

/// What is applied to the values between the two halves of a feed-forward block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Activation {
    Identity,
    /// x Φ(x), with the error function.
    Gelu,
    /// Its approximation with tanh.
    GeluTanh,
    Relu,
}

/// Where attention finds the pieces of each text, and how wide they are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Heads<'a> {
    /// How many pieces each text has.
    pub(crate) lengths: &'a [usize],
    pub(crate) heads: usize,
    /// Values of a piece over all heads.
    pub(crate) hidden: usize,
}

const LANES: usize = 16;

/// `x · weight + bias`, then the activation. `weight` is `[inputs, outputs]`, row after row.
pub(crate) fn linear(x: &[f32], weight: &[f32], bias: &[f32], activation: Activation) -> Result<Vec<f32>> {
    let outputs = bias.len();
    let inputs = weight.len().checked_div(outputs).unwrap_or(0);
    let rows = x.len().checked_div(inputs).unwrap_or(0);
    let mut out = vec![0.0; rows * outputs];
    matmul(
        Product { rows, inner: inputs, columns: outputs },
        Operand { values: x, row: inputs, column: 1 },
        Operand { values: weight, row: outputs, column: 1 },
        &mut out,
        outputs,
    )?;
    Arch::new().dispatch(|| {
        for row in out.chunks_exact_mut(outputs.max(1)) {
            match activation {
                Activation::Identity => add_then(row, bias, |value| value),
                Activation::Gelu => add_then(row, bias, gelu),
                Activation::GeluTanh => add_then(row, bias, gelu_tanh),
                Activation::Relu => add_then(row, bias, |value| value.max(0.0)),
            }
        }
    });
    Ok(out)
}

/// `x + residual`, each row brought to mean 0 and variance 1, times `gamma`, plus `beta`.
pub(crate) fn add_norm(x: &[f32], residual: &[f32], gamma: &[f32], beta: &[f32], epsilon: f32) -> Vec<f32> {
    let width = gamma.len().max(1);
    let mut out = x.to_vec();
    Arch::new().dispatch(|| {
        for (row, residual) in out.chunks_exact_mut(width).zip(residual.chunks_exact(width)) {
            add_then(row, residual, |value| value);
            let mean = sum(row, |value| value) / width as f32;
            let variance = sum(row, |value| (value - mean) * (value - mean)) / width as f32;
            let scale = 1.0 / (variance + epsilon).sqrt();
            for ((value, gamma), beta) in row.iter_mut().zip(gamma).zip(beta) {
                *value = (*value - mean) * scale * gamma + beta;
            }
        }
    });
    out
}

/// Attention within each text. `qkv` holds query, key and value of each piece side by side: `[pieces, 3 × hidden]`; the
/// result is `[pieces, hidden]`. The pieces of the texts follow one another without padding, so there is no mask.
pub(crate) fn attention(qkv: &[f32], shape: Heads<'_>) -> Result<Vec<f32>> {
    let Heads { lengths, heads, hidden } = shape;
    let width = hidden.checked_div(heads).unwrap_or(0);
    let stride = 3 * hidden;
    let pieces: usize = lengths.iter().sum();
    if pieces * stride != qkv.len() {
        return Err(Error::Msg(format!("expected {} values to attend to, got {}", pieces * stride, qkv.len())));
    }
    let mut out = vec![0.0; pieces * hidden];
    let longest = lengths.iter().copied().max().unwrap_or(0);
    let mut scores = vec![0.0; longest * longest];
    let scale = 1.0 / (width as f32).sqrt();
    let mut start = 0;
    for &length in lengths {
        let texts = qkv.get(start * stride..).unwrap_or_default();
        let outs = out.get_mut(start * hidden..).unwrap_or_default();
        let scores = scores.get_mut(..length * length).unwrap_or_default();
        for head in 0..heads {
            let part = |which: usize| texts.get(which * hidden + head * width..).unwrap_or_default();
            matmul(
                Product { rows: length, inner: width, columns: length },
                Operand { values: part(0), row: stride, column: 1 },
                Operand { values: part(1), row: 1, column: stride },
                scores,
                length,
            )?;
            softmax(scores, length, scale);
            matmul(
                Product { rows: length, inner: length, columns: width },
                Operand { values: scores, row: length, column: 1 },
                Operand { values: part(2), row: stride, column: 1 },
                outs.get_mut(head * width..).unwrap_or_default(),
                hidden,
            )?;
        }
        start += length;
    }
    Ok(out)
}

/// Scales each row of `width` values and makes it a distribution.
fn softmax(scores: &mut [f32], width: usize, scale: f32) {
    Arch::new().dispatch(|| {
        for row in scores.chunks_exact_mut(width.max(1)) {
            let largest = largest(row);
            row.iter_mut().for_each(|value| *value = exp((*value - largest) * scale));
            let share = 1.0 / sum(row, |value| value);
            row.iter_mut().for_each(|value| *value *= share);
        }
    });
}

#[derive(Clone, Copy)]
struct Product {
    rows: usize,
    inner: usize,
    columns: usize,
}

#[derive(Clone, Copy)]
struct Operand<'a> {
    values: &'a [f32],
    /// How far apart two rows are, and two columns.
    row: usize,
    column: usize,
}

/// Writes `a · b` to `out`, whose rows are `out_row` apart, on this thread alone.
fn matmul(product: Product, a: Operand<'_>, b: Operand<'_>, out: &mut [f32], out_row: usize) -> Result<()> {
    let Product { rows, inner, columns } = product;
    if rows == 0 || columns == 0 {
        return Ok(());
    }
    let last = |r: usize, row: usize, c: usize, column: usize| {
        let row = r.saturating_sub(1).checked_mul(row)?;
        row.checked_add(c.saturating_sub(1).checked_mul(column)?)
    };
    let fits = |at: Option<usize>, length: usize| at.is_some_and(|at| at < length && length <= isize::MAX as usize);
    let whole = inner > 0
        && out_row >= columns
        && fits(last(rows, a.row, inner, a.column), a.values.len())
        && fits(last(inner, b.row, columns, b.column), b.values.len())
        && fits(last(rows, out_row, columns, 1), out.len());
    if !whole {
        return Err(Error::Msg(format!(
            "expected matrices for a product of {rows} x {inner} x {columns}, got smaller ones"
        )));
    }
    // SAFETY: the largest index that gemm reads or writes in each operand lies inside its slice, as checked above; rows
    // of `out` do not overlap, because they are at least `columns` apart; `out` is borrowed exclusively.
    unsafe {
        gemm::gemm(
            rows,
            columns,
            inner,
            out.as_mut_ptr(),
            1,
            out_row as isize,
            false,
            a.values.as_ptr(),
            a.column as isize,
            a.row as isize,
            b.values.as_ptr(),
            b.column as isize,
            b.row as isize,
            0.0,
            1.0,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
    Ok(())
}

#[inline(always)]
fn add_then(row: &mut [f32], add: &[f32], then: impl Fn(f32) -> f32) {
    for (value, add) in row.iter_mut().zip(add) {
        *value = then(*value + add);
    }
}

/// The sum of what `map` makes of each value.
#[inline(always)]
fn sum(values: &[f32], map: impl Fn(f32) -> f32) -> f32 {
    lanes(values, 0.0, |sum, value| sum + map(value)).iter().sum()
}

#[inline(always)]
fn largest(values: &[f32]) -> f32 {
    lanes(values, f32::NEG_INFINITY, f32::max).iter().copied().fold(f32::NEG_INFINITY, f32::max)
}

/// Folds every sixteenth value into one lane, so that the lanes fit the registers of the machine.
#[inline(always)]
fn lanes(values: &[f32], start: f32, combine: impl Fn(f32, f32) -> f32) -> [f32; LANES] {
    let mut lanes = [start; LANES];
    let chunks = values.chunks_exact(LANES);
    let rest = chunks.remainder();
    for chunk in chunks {
        for (lane, value) in lanes.iter_mut().zip(chunk) {
            *lane = combine(*lane, *value);
        }
    }
    for (lane, value) in lanes.iter_mut().zip(rest) {
        *lane = combine(*lane, *value);
    }
    lanes
}

#[inline(always)]
fn gelu(x: f32) -> f32 {
    0.5 * x * (1.0 + erf(x * std::f32::consts::FRAC_1_SQRT_2))
}

#[inline(always)]
fn gelu_tanh(x: f32) -> f32 {
    let inner = 0.797_884_6 * (x + 0.044_715 * x * x * x);
    // tanh(y) = 1 - 2 / (exp(2 y) + 1)
    0.5 * x * (2.0 - 2.0 / (exp(2.0 * inner) + 1.0))
}

/// The error function to 1.5e-7 (Abramowitz and Stegun, 7.1.26).
#[inline(always)]
fn erf(x: f32) -> f32 {
    let a = x.abs();
    let t = 1.0 / (1.0 + 0.327_591_1 * a);
    let p = ((((1.061_405_4 * t - 1.453_152) * t + 1.421_413_7) * t - 0.284_496_72) * t + 0.254_829_6) * t;
    (1.0 - p * exp(-a * a)).copysign(x)
}

/// The exponential to about two units in the last place; below -87 it is that of -87, above 88 that of 88.
#[inline(always)]
fn exp(x: f32) -> f32 {
    // Adding 1.5 × 2^23 leaves the nearest whole number in the low bits.
    const ROUND: f32 = 12_582_912.0;
    let x = x.clamp(-87.0, 88.0);
    let shifted = x * std::f32::consts::LOG2_E + ROUND;
    let whole = shifted - ROUND;
    // ln 2 in two parts, the first short enough for an exact product.
    let r = x - whole * 0.693_359_4 + whole * 2.121_944_4e-4;
    let p = (((((1.0 / 720.0 * r + 1.0 / 120.0) * r + 1.0 / 24.0) * r + 1.0 / 6.0) * r + 0.5) * r + 1.0) * r + 1.0;
    p * f32::from_bits((shifted.to_bits() << 23).wrapping_add(127 << 23))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn approximations_stay_close() {
        for step in -2000..=2000 {
            let x = step as f32 * 0.043;
            let exact = f64::from(x).exp();
            assert!((f64::from(exp(x)) - exact).abs() <= exact * 3e-7, "exp({x})");
        }
        // Φ to 1e-10 by Simpson's rule.
        for step in -80..=80 {
            let x = f64::from(step) * 0.1;
            let density = |t: f64| (-t * t / 2.0).exp() / std::f64::consts::TAU.sqrt();
            let n = 2000;
            let h = x / f64::from(n);
            let sum: f64 = (0..n)
                .map(|i| {
                    let a = f64::from(i) * h;
                    h / 6.0 * (density(a) + 4.0 * density(a + h / 2.0) + density(a + h))
                })
                .sum();
            let exact = x * (0.5 + sum);
            assert!((f64::from(gelu(x as f32)) - exact).abs() < 1e-6, "gelu({x})");
            let y = 0.797_884_560_8 * (x + 0.044_715 * x.powi(3));
            let exact = 0.5 * x * (1.0 + y.tanh());
            assert!((f64::from(gelu_tanh(x as f32)) - exact).abs() < 1e-6, "gelu_tanh({x})");
        }
        assert_eq!(exp(f32::NEG_INFINITY), exp(-87.0));
        assert!(exp(-1e30) < 1e-37 && exp(1e30).is_finite());
    }

    #[test]
    fn a_product_that_does_not_fit_is_an_error() {
        let mut out = vec![0.0; 4];
        let a = Operand { values: &[1.0, 2.0, 3.0, 4.0], row: 2, column: 1 };
        let product = Product { rows: 2, inner: 2, columns: 2 };
        matmul(product, a, a, &mut out, 2).unwrap();
        assert_eq!(out, [7.0, 10.0, 15.0, 22.0]);
        for product in
            [Product { rows: 3, ..product }, Product { inner: 3, ..product }, Product { inner: 0, ..product }]
        {
            assert!(matmul(product, a, a, &mut [0.0; 9], 3).is_err());
        }
        assert!(matmul(product, a, a, &mut out[..3], 2).is_err());
        assert!(matmul(product, a, a, &mut out, 1).is_err());
        assert!(attention(&[0.0; 5], Heads { lengths: &[1], heads: 1, hidden: 2 }).is_err());
    }
}
