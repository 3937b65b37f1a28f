//! The best match of each piece of a question in a passage.
//!
//! The vectors of the question are rounded to bytes: inner products of bytes are what processors are fastest at.

use simsimd::SpatialSimilarity;

use super::codes::TokenCodes;
use super::kernel::{COMPARE, Found, Pieces};
use super::rotation::Rotation;

/// The largest value of a byte of a question's vector.
const LARGEST: f32 = 127.0;

/// The pieces of a question, turned as those of passages are.
#[derive(Debug, Clone, PartialEq)]
pub struct QuestionTokens {
    dimension: usize,
    pieces: Vec<u16>,
    /// One row a piece.
    rows: Pieces,
    /// What a product with each row has to be multiplied with, so that rows count as of unit length.
    scales: Vec<f32>,
    /// The mean of the rows, before they were rounded.
    mean: Vec<f32>,
}

impl QuestionTokens {
    /// Takes the pieces that are to be compared, each with its vector of the dimension that `rotation` is made for. What
    /// has no direction is left out.
    #[must_use]
    pub fn new<'a>(rotation: &Rotation, tokens: impl IntoIterator<Item = (u32, &'a [f32])>) -> Self {
        let dimension = rotation.kept();
        let (pieces, rows, scales) = (Vec::new(), Pieces::default(), Vec::new());
        let mut question = Self { dimension, pieces, rows, scales, mean: vec![0.0; dimension] };
        for (piece, vector) in tokens.into_iter().filter(|(_, vector)| vector.len() == rotation.dimension()) {
            question.push(piece, &rotation.apply(vector));
        }
        question
    }

    fn push(&mut self, piece: u32, row: &[f32]) {
        let norm = row.iter().map(|value| value * value).sum::<f32>().sqrt();
        let largest = row.iter().fold(0.0, |largest: f32, value| largest.max(value.abs()));
        if !norm.is_finite() || norm <= 0.0 || largest <= 0.0 {
            return;
        }
        let step = largest / LARGEST;
        self.pieces.push(piece as u16);
        let code = |value: &f32| (value / step).round().clamp(-LARGEST, LARGEST) as i8;
        self.rows.push(row.iter().map(code).collect());
        self.scales.push(step / norm);
        self.mean.iter_mut().zip(row).for_each(|(mean, value)| *mean += value / norm);
    }

    /// How many pieces there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.pieces.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// The pieces: their numbers in the vocabulary of the model, what is above 16 bits cut off.
    pub fn pieces(&self) -> impl ExactSizeIterator<Item = u16> {
        self.pieces.iter().copied()
    }

    /// The best matches alone, which take less time than [`Self::compare`]: added to `best`, one for each piece of the
    /// question. False when the codes of the passage are of another dimension, and have none.
    pub(crate) fn best_matches(&self, passage: &TokenCodes<'_>, best: &mut [f32]) -> bool {
        if passage.dimension() != self.dimension {
            return false;
        }
        COMPARE(&self.rows, passage.rows(), passage.width(), Found { best: &mut *best, sum: None });
        best.iter_mut().zip(&self.scales).for_each(|(best, scale)| *best *= scale);
        true
    }

    /// Compares the question with a passage; `None` when its codes are of another dimension.
    ///
    /// About 10 ns for each pair of a piece of the question and one of the passage with AVX2. That the question is rounded
    /// moves a cosine by less than 0.005.
    #[must_use]
    pub fn compare(&self, passage: &TokenCodes<'_>) -> Option<TokenMatches> {
        if passage.dimension() != self.dimension {
            return None;
        }
        let mut best = vec![0.0f32; self.len()];
        let mut sum = vec![0.0f32; self.dimension];
        let found = Found { best: &mut best, sum: Some(&mut sum) };
        COMPARE(&self.rows, passage.rows(), passage.width(), found);
        best.iter_mut().zip(&self.scales).for_each(|(best, scale)| *best *= scale);
        Some(TokenMatches { best, mean: cosine(&self.mean, &sum) })
    }
}

/// How a passage matches the pieces of a question.
#[derive(Debug, Clone, PartialEq)]
pub struct TokenMatches {
    /// For each piece of the question its largest cosine with a piece of the passage, at least 0.
    pub best: Vec<f32>,
    /// The cosine of the mean of the question's pieces and the sum of the passage's.
    pub mean: f32,
}

fn cosine(a: &[f32], b: &[f32]) -> f32 {
    let dot = |a: &[f32], b: &[f32]| f32::dot(a, b).map_or(0.0, |dot| dot as f32);
    let norm = (dot(a, a) * dot(b, b)).sqrt();
    if norm > 0.0 { dot(a, b) / norm } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::super::codes::spread;
    use super::super::{encode, generated};
    use super::*;

    /// The same in f64 on the levels themselves.
    fn reference(rotation: &Rotation, asked: &[Vec<f32>], coded: &[u8]) -> (Vec<f64>, f64) {
        let codes = TokenCodes::parse(coded).unwrap();
        let unit = |row: Vec<f64>| {
            let norm = row.iter().map(|value| value * value).sum::<f64>().sqrt();
            row.into_iter().map(|value| value / norm).collect::<Vec<f64>>()
        };
        let rows: Vec<Vec<f64>> = codes
            .rows()
            .chunks(codes.width())
            .map(|row| {
                let mut levels = vec![0; rotation.kept()];
                spread(row, &mut levels);
                unit(levels.into_iter().map(f64::from).collect())
            })
            .collect();
        let asked: Vec<Vec<f64>> =
            asked.iter().map(|row| unit(rotation.apply(row).into_iter().map(f64::from).collect())).collect();
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        let best = asked.iter().map(|asked| rows.iter().map(|row| dot(asked, row)).fold(0.0, f64::max)).collect();
        let sum =
            |rows: &[Vec<f64>]| unit((0..rotation.kept()).map(|at| rows.iter().map(|row| row[at]).sum()).collect());
        (best, dot(&sum(&asked), &sum(&rows)))
    }

    #[test]
    fn matches_are_those_of_the_definition() {
        for (dimension, questions, passages) in [(384, 6, 20), (128, 1, 1), (768, 3, 7)] {
            let rotation = Rotation::new(dimension);
            let asked: Vec<Vec<f32>> = (0..questions).map(|seed| generated(seed, dimension)).collect();
            let mut rows: Vec<Vec<f32>> = (100..100 + passages).map(|seed| generated(seed, dimension)).collect();
            // One is close to a piece of the question.
            rows[0] = asked[0].iter().zip(&rows[0]).map(|(a, b)| a + 0.3 * b).collect();
            let coded = encode(&rotation, rows.iter().map(|row| (1, row.as_slice())));
            let question = QuestionTokens::new(&rotation, asked.iter().map(|row| (1, row.as_slice())));
            let matches = question.compare(&TokenCodes::parse(&coded).unwrap()).unwrap();
            let (best, mean) = reference(&rotation, &asked, &coded);
            assert!(best[0] > 0.8);
            for (got, expected) in matches.best.iter().zip(&best) {
                assert!((f64::from(*got) - expected).abs() < 5e-3, "{got} {expected}");
            }
            assert!((f64::from(matches.mean) - mean).abs() < 1e-5, "{} {mean}", matches.mean);
        }
    }

    #[test]
    fn what_has_no_direction_is_left_out() {
        let rotation = Rotation::new(4);
        let rows: [(u32, &[f32]); 4] =
            [(1, &[0.0; 4]), (2, &[1.0; 3]), (3, &[f32::NAN; 4]), (70_000, &[1.0, 2.0, 0.0, 0.0])];
        let question = QuestionTokens::new(&rotation, rows);
        assert_eq!((question.len(), question.pieces().collect::<Vec<_>>()), (1, vec![4_464]));
        let none = encode(&rotation, []);
        let matches = question.compare(&TokenCodes::parse(&none).unwrap()).unwrap();
        assert_eq!(matches, TokenMatches { best: vec![0.0], mean: 0.0 });
        let other = encode(&Rotation::new(384), []);
        assert_eq!(question.compare(&TokenCodes::parse(&other).unwrap()), None);
    }
}
