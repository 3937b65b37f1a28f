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

/// 2 to the power of x, to 4 parts in a million; as if x were -126 or 126 beyond these.
#[inline(always)]
pub(super) fn exp2<S: Simd>(simd: S, x: S::Float) -> S::Float {
    const TERMS: [f32; 5] = [9.570_47e-3, 5.591_85e-2, 0.240_247_6, 0.693_121_8, 1.0];
    let x = simd.max(simd.min(x, simd.splat(126.0)), simd.splat(-126.0));
    let whole = simd.round(x);
    let rest = simd.sub(x, simd.float(whole));
    simd.mul(polynomial(simd, rest, &TERMS), simd.power_of_two(whole))
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
