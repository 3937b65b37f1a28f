//! Minimising a smooth function of a few dozen variables: BFGS (Nocedal and Wright, Numerical Optimization, 2nd edition,
//! algorithm 6.1) with a line search that keeps the estimate of the curvature positive.

/// A function with its slope.
pub(super) trait Objective {
    /// The value at a point; its gradient is written over `gradient`, which has the length of the point.
    fn at(&self, point: &[f64], gradient: &mut [f64]) -> f64;
}

/// More steps than a convex function of so few variables takes.
const STEPS: usize = 300;
/// The largest slope that counts as flat.
const FLAT: f64 = 1e-8;
/// A step must gain this share of what the slope promises (Armijo).
const GAIN: f64 = 1e-4;
/// And leave at most this share of the slope (Wolfe), or it was too short.
const LEFT: f64 = 0.9;
/// Tries of one line search.
const TRIES: usize = 60;

/// A point where the function is flat, or from which no step goes down any more.
pub(super) fn minimize(function: &impl Objective, start: Vec<f64>) -> Vec<f64> {
    let n = start.len();
    let mut here = Place::new(function, start);
    let mut inverse = identity(n);
    let mut is_first = true;
    for _ in 0..STEPS {
        if here.gradient.iter().all(|slope| slope.abs() < FLAT) {
            break;
        }
        let mut direction: Vec<f64> = inverse.iter().map(|row| -dot(row, &here.gradient)).collect();
        if dot(&direction, &here.gradient) >= 0.0 {
            // Rounding has spoiled the estimate: straight down.
            inverse = identity(n);
            direction = here.gradient.iter().map(|slope| -slope).collect();
        }
        let Some(next) = search(function, &here, &direction) else { break };
        let moved: Vec<f64> = next.point.iter().zip(&here.point).map(|(a, b)| a - b).collect();
        let turned: Vec<f64> = next.gradient.iter().zip(&here.gradient).map(|(a, b)| a - b).collect();
        let curvature = dot(&moved, &turned);
        if curvature > 1e-12 * dot(&turned, &turned) {
            if is_first {
                // The first estimate has the scale of the function.
                let scale = curvature / dot(&turned, &turned);
                inverse.iter_mut().flatten().for_each(|value| *value *= scale);
                is_first = false;
            }
            update(&mut inverse, &moved, &turned, curvature);
        }
        here = next;
    }
    here.point
}

struct Place {
    point: Vec<f64>,
    value: f64,
    gradient: Vec<f64>,
}

impl Place {
    fn new(function: &impl Objective, point: Vec<f64>) -> Self {
        let mut gradient = vec![0.0; point.len()];
        let value = function.at(&point, &mut gradient);
        Self { point, value, gradient }
    }
}

/// A step along the direction that satisfies the conditions of Wolfe, by halving and doubling; the best that goes down
/// at all when rounding forbids both.
fn search(function: &impl Objective, from: &Place, direction: &[f64]) -> Option<Place> {
    let slope = dot(direction, &from.gradient);
    let (mut low, mut high, mut step) = (0.0, f64::INFINITY, 1.0);
    let mut best: Option<Place> = None;
    for _ in 0..TRIES {
        let point = from.point.iter().zip(direction).map(|(at, along)| at + step * along).collect();
        let place = Place::new(function, point);
        if !place.value.is_finite() || place.value > from.value + GAIN * step * slope {
            high = step;
        } else if dot(direction, &place.gradient) < LEFT * slope {
            low = step;
            best = Some(place);
        } else {
            return Some(place);
        }
        step = if high.is_finite() { f64::midpoint(low, high) } else { 2.0 * step };
    }
    best
}

/// The inverse of the curvature after a step `s` that turned the gradient by `y`.
fn update(inverse: &mut [Vec<f64>], s: &[f64], y: &[f64], curvature: f64) {
    let hy: Vec<f64> = inverse.iter().map(|row| dot(row, y)).collect();
    let factor = (1.0 + dot(y, &hy) / curvature) / curvature;
    for ((row, si), hyi) in inverse.iter_mut().zip(s).zip(&hy) {
        for ((value, sj), hyj) in row.iter_mut().zip(s).zip(&hy) {
            *value += factor * si * sj - (hyi * sj + si * hyj) / curvature;
        }
    }
}

fn identity(n: usize) -> Vec<Vec<f64>> {
    (0..n).map(|row| (0..n).map(|column| f64::from(u8::from(row == column))).collect()).collect()
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rosenbrock's valley, whose only flat point is (1, 1).
    struct Valley;

    impl Objective for Valley {
        fn at(&self, point: &[f64], gradient: &mut [f64]) -> f64 {
            let [x, y] = [point[0], point[1]];
            gradient[0] = -2.0 * (1.0 - x) - 400.0 * x * (y - x * x);
            gradient[1] = 200.0 * (y - x * x);
            (1.0 - x).powi(2) + 100.0 * (y - x * x).powi(2)
        }
    }

    /// A bowl that is a million times steeper one way than the other.
    struct Bowl;

    impl Objective for Bowl {
        fn at(&self, point: &[f64], gradient: &mut [f64]) -> f64 {
            let scales = [1e-3, 1.0, 1e3];
            for ((slope, at), scale) in gradient.iter_mut().zip(point).zip(scales) {
                *slope = scale * (at - scale);
            }
            point.iter().zip(scales).map(|(at, scale)| 0.5 * scale * (at - scale).powi(2)).sum()
        }
    }

    #[test]
    fn the_lowest_point_is_found() {
        for start in [[-1.2, 1.0], [3.0, -5.0], [0.0, 0.0], [1.0, 1.0]] {
            let found = minimize(&Valley, start.to_vec());
            assert!(found.iter().all(|at| (at - 1.0).abs() < 1e-6), "from {start:?}: {found:?}");
        }
        let found = minimize(&Bowl, vec![1.0; 3]);
        for (at, expected) in found.iter().zip([1e-3, 1.0, 1e3]) {
            assert!((at - expected).abs() < 1e-4, "{found:?}");
        }
        assert_eq!(minimize(&Bowl, vec![]), [] as [f64; 0]);
    }
}
