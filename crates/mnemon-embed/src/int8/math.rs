//! The functions between products, on sixteen numbers at a time: activations, the exponential, the layer norm.

use super::buffer::{lanes, lanes_mut};
use super::simd::{LANES, Simd};

/// x Φ(x), to 1e-4.
///
/// Φ(x) - ½ is an odd polynomial on [-4.2, 4.2], fitted so that the largest error of the product is smallest and that the
/// ends are ½ away; beyond, Φ is 0 or 1. The codes that this becomes are a hundred times coarser.
#[inline(always)]
pub(super) fn gelu<S: Simd>(simd: S, x: S::Float) -> S::Float {
    const END: f32 = 4.2;
    const TERMS: [f32; 8] = [
        -9.017_533e-10,
        7.941_34e-8,
        -3.037_931_8e-6,
        6.689_07e-5,
        -9.506_575e-4,
        9.298_229e-3,
        -6.552_82e-2,
        0.398_465_87,
    ];
    let inside = simd.max(simd.min(x, simd.splat(END)), simd.splat(-END));
    let odd = simd.mul(inside, polynomial(simd, simd.mul(inside, inside), &TERMS));
    simd.mul(x, simd.add(odd, simd.splat(0.5)))
}

/// The approximation of it with tanh.
#[inline(always)]
pub(super) fn gelu_tanh<S: Simd>(simd: S, x: S::Float) -> S::Float {
    // tanh(y) = 1 - 2 / (exp(2 y) + 1), and exp is a power of two.
    const TWICE: f32 = 2.0 * 0.797_884_6 * std::f32::consts::LOG2_E;
    let cube = simd.mul(simd.mul(x, simd.splat(0.044_715)), simd.mul(x, x));
    let power = exp2(simd, simd.mul(simd.add(x, cube), simd.splat(TWICE)));
    let share = simd.div(simd.splat(1.0), simd.add(power, simd.splat(1.0)));
    simd.mul(x, simd.sub(simd.splat(1.0), share))
}

/// 2 to the power of x, to 3 parts in a million (a fit of least largest relative error); as if x were -126 or 126 beyond these.
#[inline(always)]
pub(super) fn exp2<S: Simd>(simd: S, x: S::Float) -> S::Float {
    const TERMS: [f32; 5] = [9.582_818e-3, 5.590_682_5e-2, 0.240_241_02, 0.693_124_2, 1.0];
    let x = simd.max(simd.min(x, simd.splat(126.0)), simd.splat(-126.0));
    let whole = simd.whole(x);
    let rest = simd.sub(x, whole);
    simd.scale(polynomial(simd, rest, &TERMS), whole)
}

/// The first coefficient is that of the highest power.
#[inline(always)]
fn polynomial<S: Simd, const N: usize>(simd: S, x: S::Float, terms: &[f32; N]) -> S::Float {
    let mut sum = simd.splat(0.0);
    for (number, term) in terms.iter().enumerate() {
        sum = if number == 0 { simd.splat(*term) } else { simd.add(simd.mul(sum, x), simd.splat(*term)) };
    }
    sum
}

/// Scales and shifts rows to mean 0 and variance 1, and then by what was learned.
#[derive(Debug)]
pub(super) struct Norm {
    /// How many values of a row count; the rest are zeros and stay so.
    width: usize,
    /// Both padded with zeros.
    gamma: Vec<f32>,
    beta: Vec<f32>,
    epsilon: f32,
}

impl Norm {
    /// `padded` is a multiple of sixteen.
    pub(super) fn new(gamma: &[f32], beta: &[f32], padded: usize, epsilon: f32) -> Self {
        let pad = |values: &[f32]| {
            let mut values = values.to_vec();
            values.resize(padded, 0.0);
            values
        };
        Self { width: gamma.len(), gamma: pad(gamma), beta: pad(beta), epsilon }
    }

    pub(super) fn apply<S: Simd>(&self, simd: S, rows: &mut [f32]) {
        // One for each value that counts among the last sixteen.
        let counted = self.width % LANES;
        let mask: [f32; LANES] = std::array::from_fn(|lane| if counted == 0 || lane < counted { 1.0 } else { 0.0 });
        let used = self.width.div_ceil(LANES);
        simd.run(
            #[inline(always)]
            || {
                let share = 1.0 / self.width as f32;
                let mask = simd.load(&mask);
                for row in rows.chunks_exact_mut(self.gamma.len().max(1)) {
                    let row = lanes_mut(row);
                    let mut sum = simd.splat(0.0);
                    for values in row.iter() {
                        sum = simd.add(sum, simd.load(values));
                    }
                    let mean = simd.splat(simd.sum(sum) * share);
                    let mut squares = simd.splat(0.0);
                    for (number, values) in row.iter().take(used).enumerate() {
                        let mut away = simd.sub(simd.load(values), mean);
                        if number + 1 == used {
                            away = simd.mul(away, mask);
                        }
                        squares = simd.add(squares, simd.mul(away, away));
                    }
                    let scale = simd.splat(1.0 / (simd.sum(squares) * share + self.epsilon).sqrt());
                    let learned = lanes(&self.gamma).iter().zip(lanes(&self.beta));
                    for (values, (gamma, beta)) in row.iter_mut().zip(learned) {
                        let value = simd.mul(simd.sub(simd.load(values), mean), scale);
                        simd.store(simd.add(simd.mul(value, simd.load(gamma)), simd.load(beta)), values);
                    }
                }
            },
        );
    }
}

#[cfg(test)]
mod tests {
    use super::super::simd::on_each;
    use super::*;

    type Function<S> = fn(S, <S as Simd>::Float) -> <S as Simd>::Float;

    fn apply<S: Simd>(simd: S, x: f32) -> [f32; 3] {
        let functions: [Function<S>; 3] = [exp2::<S>, gelu::<S>, gelu_tanh::<S>];
        functions.map(|function| {
            let mut out = [0.0; LANES];
            simd.run(|| simd.store(function(simd, simd.splat(x)), &mut out));
            out[7]
        })
    }

    /// x Φ(x), Φ to 1e-10 by Simpson's rule.
    fn exact_gelu(x: f64) -> f64 {
        let density = |t: f64| (-t * t / 2.0).exp() / std::f64::consts::TAU.sqrt();
        let n = 2000;
        let h = x / f64::from(n);
        let part = |i: i32| {
            let (a, b) = (f64::from(i) * h, f64::from(i + 1) * h);
            h / 6.0 * (density(a) + 4.0 * density((a + b) / 2.0) + density(b))
        };
        x * (0.5 + (0..n).map(part).sum::<f64>())
    }

    #[test]
    fn functions_stay_close_and_are_the_same_everywhere() {
        let steps = if cfg!(miri) { 4 } else { 400 };
        for step in -steps..=steps {
            let x = f64::from(step) * 8.0 / f64::from(steps);
            let found = on_each!(apply(x as f32));
            assert!(found.iter().all(|other| other.map(f32::to_bits) == found[0].map(f32::to_bits)), "{x}: {found:?}");
            let [_, gelu, gelu_tanh] = found[0].map(f64::from);
            assert!((gelu - exact_gelu(x)).abs() < 1e-4, "gelu({x}) is not {gelu}");
            let inner = 0.797_884_560_8 * (x + 0.044_715 * x.powi(3));
            let exact = 0.5 * x * (1.0 + inner.tanh());
            assert!((gelu_tanh - exact).abs() < 5e-6 * (1.0 + x.abs()), "gelu_tanh({x}) is not {gelu_tanh}");
            let x = (x * 15.0) as f32;
            let found = on_each!(apply(x));
            let x = f64::from(x);
            let power = f64::from(found[0][0]);
            assert!((power / x.exp2() - 1.0).abs() < 3.2e-6, "2^{x} is not {power}");
        }
    }

    #[test]
    fn far_values_stay_finite() {
        for x in [1e30, -1e30, 127.0, -127.0, f32::MIN_POSITIVE] {
            let found = on_each!(apply(x));
            for [power, gelu, tanh] in &found {
                assert!(power.is_finite() && *power > 0.0 && gelu.is_finite() && tanh.is_finite(), "{x}: {found:?}");
            }
            assert!(
                found[0][1..].iter().all(|value| (value - x.max(0.0)).abs() <= 1e-4 * x.abs().max(1.0)),
                "{found:?}"
            );
        }
    }

    fn normed<S: Simd>(simd: S, norm: &Norm, rows: &[f32]) -> Vec<u32> {
        let mut rows = rows.to_vec();
        norm.apply(simd, &mut rows);
        rows.into_iter().map(f32::to_bits).collect()
    }

    #[test]
    fn rows_are_normed_to_what_was_learned() {
        for width in [1, 5, 16, 31, 32, 50] {
            let padded = usize::next_multiple_of(width, 32);
            let gamma: Vec<f32> = (0..width).map(|at| 0.5 + at as f32 * 0.1).collect();
            let beta: Vec<f32> = (0..width).map(|at| at as f32 * 0.3 - 1.0).collect();
            let norm = Norm::new(&gamma, &beta, padded, 1e-12);
            let value = |row: usize, at: usize| if at < width { ((row * 31 + at * 17) % 23) as f32 - 7.0 } else { 0.0 };
            let rows: Vec<f32> = (0..3 * padded).map(|at| value(at / padded, at % padded)).collect();
            let found = on_each!(normed(&norm, &rows));
            assert!(found.iter().all(|other| *other == found[0]), "width {width}");
            for (row, got) in rows.chunks(padded).zip(found[0].chunks(padded)) {
                let mean = row.iter().map(|value| f64::from(*value)).sum::<f64>() / width as f64;
                let square = |value: &f32| (f64::from(*value) - mean).powi(2);
                let variance = row[..width].iter().map(square).sum::<f64>() / width as f64;
                for (at, got) in got.iter().map(|bits| f64::from(f32::from_bits(*bits))).enumerate() {
                    let learned = |of: &[f32]| of.get(at).copied().map_or(0.0, f64::from);
                    let exact =
                        (f64::from(row[at]) - mean) / (variance + 1e-12).sqrt() * learned(&gamma) + learned(&beta);
                    assert!((got - exact).abs() < 1e-5, "{got} is not {exact} at {at} of {width}");
                }
            }
        }
    }
}
