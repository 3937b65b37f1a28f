//! From f32 rows to int8 rows with one scale each.

/// A matrix of int8 with a scale for each row.
pub(crate) struct Quantized {
    pub(crate) codes: Vec<i8>,
    pub(crate) scales: Vec<f32>,
}

/// Codes lie in -127..=127, so that a code and its negative both exist; a row of zeros has the scale 1.
pub(crate) fn quantize(values: &[f32], width: usize) -> Quantized {
    let mut out = Quantized { codes: Vec::with_capacity(values.len()), scales: Vec::new() };
    for row in values.chunks_exact(width.max(1)) {
        let scale = scale(row);
        out.codes.extend(row.iter().map(|value| code(*value, scale)));
        out.scales.push(scale);
    }
    out
}

fn code(value: f32, scale: f32) -> i8 {
    (value / scale).round().clamp(-127.0, 127.0) as i8
}

/// The largest value of the row becomes 127. Clipping it for a smaller squared error of the row was tried: on the 1,000
/// texts of the parity test the mean cosine went from 0.99931 to 0.99932 and the worst from 0.9960 to 0.9953.
fn scale(row: &[f32]) -> f32 {
    match row.iter().fold(0.0f32, |largest, value| largest.max(value.abs())) / 127.0 {
        scale if scale >= f32::MIN_POSITIVE => scale,
        _ => 1.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values with a bell shape, as weights have, and one that sticks out.
    fn row(seed: u32) -> Vec<f32> {
        let mut state = seed;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 24) as f32 - 0.5
        };
        let mut row: Vec<f32> = (0..384).map(|_| (0..6).map(|_| next()).sum()).collect();
        row[7] = 2.6;
        row
    }

    #[test]
    fn codes_give_the_values_back_within_half_a_step() {
        let row = row(1);
        let packed = quantize(&row, 384);
        assert_eq!((packed.codes[7], packed.scales.len()), (127, 1));
        for (value, code) in row.iter().zip(&packed.codes) {
            assert!((value - f32::from(*code) * packed.scales[0]).abs() <= packed.scales[0] * 0.5001);
        }
    }

    #[test]
    fn rows_without_a_largest_value_are_zeros() {
        for value in [0.0, 1e-42] {
            let packed = quantize(&[value; 4], 2);
            assert_eq!((packed.codes, packed.scales), (vec![0; 4], vec![1.0; 2]));
        }
    }
}
