//! From the vectors of the pieces to the vector of the text.

/// How the vectors of the pieces of a text become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pooling {
    /// Their mean, that of the special pieces included.
    Mean,
    /// The vector of the first piece.
    Cls,
    /// The largest value of each dimension.
    Max,
}

impl Pooling {
    /// Adds the vector of one text, given the rows of its pieces one after the other, to `out`.
    pub(crate) fn pool(self, rows: &[f32], width: usize, normalize: bool, out: &mut Vec<f32>) {
        let start = out.len();
        let mut pieces = rows.chunks_exact(width.max(1));
        let count = pieces.len();
        match pieces.next() {
            Some(first) => out.extend_from_slice(first),
            None => out.resize(start + width, 0.0),
        }
        let vector = out.get_mut(start..).unwrap_or_default();
        match self {
            Self::Cls => {}
            Self::Max => pieces.for_each(|row| zip(vector, row, f32::max)),
            Self::Mean => {
                pieces.for_each(|row| zip(vector, row, |sum, value| sum + value));
                let scale = 1.0 / count.max(1) as f32;
                vector.iter_mut().for_each(|value| *value *= scale);
            }
        }
        if normalize {
            let norm = vector.iter().map(|value| value * value).sum::<f32>().sqrt();
            // As torch does: a zero vector stays one.
            let scale = 1.0 / norm.max(1e-12);
            vector.iter_mut().for_each(|value| *value *= scale);
        }
    }
}

fn zip(into: &mut [f32], from: &[f32], combine: impl Fn(f32, f32) -> f32) {
    for (a, b) in into.iter_mut().zip(from) {
        *a = combine(*a, *b);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pooling: Pooling, rows: &[f32], normalize: bool, expected: &[f32]) {
        let mut out = vec![9.0];
        pooling.pool(rows, 2, normalize, &mut out);
        assert_eq!(out[1..], *expected);
        assert_eq!(out[0], 9.0);
    }

    #[test]
    fn each_way_pools_all_pieces() {
        let rows = [3.0, 0.0, 5.0, 4.0, 1.0, 8.0];
        check(Pooling::Mean, &rows, false, &[3.0, 4.0]);
        check(Pooling::Mean, &rows, true, &[0.6, 0.8]);
        check(Pooling::Cls, &rows, false, &[3.0, 0.0]);
        check(Pooling::Max, &rows, false, &[5.0, 8.0]);
        check(Pooling::Mean, &[0.0, 0.0], true, &[0.0, 0.0]);
        check(Pooling::Max, &[], false, &[0.0, 0.0]);
    }
}
