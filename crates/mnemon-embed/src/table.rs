//! Tables of which a few rows are read at a time.

use crate::ModelError;

/// The table of the word pieces. It is half of a small model, so one that is kept as int8 stays int8 in memory, and only
/// the rows of the pieces at hand are made f32.
pub(crate) enum Table {
    F32 { values: Vec<f32>, width: usize },
    Int8 { codes: Vec<i8>, scales: Vec<f32>, width: usize },
}

impl Table {
    pub(crate) fn rows(&self) -> usize {
        match self {
            Self::F32 { values, width } => values.len().checked_div(*width).unwrap_or(0),
            Self::Int8 { scales, .. } => scales.len(),
        }
    }

    /// Writes the row of the piece plus `add` into `out`.
    pub(crate) fn gather(&self, piece: u32, add: &[f32], out: &mut [f32]) -> Result<(), ModelError> {
        let unknown = || ModelError::Token { token: piece, rows: self.rows() };
        let at = piece as usize;
        match self {
            Self::F32 { values, width } => {
                let row = values.get(at * width..(at + 1) * width).ok_or_else(unknown)?;
                for ((out, value), add) in out.iter_mut().zip(row).zip(add) {
                    *out = value + add;
                }
            }
            Self::Int8 { codes, scales, width } => {
                let row = codes.get(at * width..(at + 1) * width).ok_or_else(unknown)?;
                let scale = scales.get(at).ok_or_else(unknown)?;
                for ((out, code), add) in out.iter_mut().zip(row).zip(add) {
                    *out = f32::from(*code) * scale + add;
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_both_kinds_are_the_same() {
        let floats = Table::F32 { values: vec![0.5, -1.0, 2.0, 4.0], width: 2 };
        let codes = Table::Int8 { codes: vec![1, -2, 1, 2], scales: vec![0.5, 2.0], width: 2 };
        for table in [floats, codes] {
            let mut out = [0.0; 2];
            table.gather(1, &[10.0, 20.0], &mut out).unwrap();
            assert_eq!((out, table.rows()), ([12.0, 24.0], 2));
            let error = table.gather(2, &[0.0; 2], &mut out).unwrap_err().to_string();
            assert!(error.contains("below 2") && error.contains("got 2"), "{error}");
        }
    }
}
