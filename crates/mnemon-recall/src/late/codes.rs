//! Token vectors in 2 bits a coordinate: 64 bytes a piece, and 2 for what piece it is.

use super::Rotation;

/// The first byte of all codes. Another layout, rotation or threshold gets another number.
const FORMAT: u8 = 1;

/// Format, a zero, how many coordinates a row has (2 bytes), how many rows there are (4 bytes), low bytes first. The
/// pieces of all rows follow, and then the rows.
const HEADER: usize = 8;

/// The bytes of the number of a piece.
const PIECE: usize = 2;

/// How many coordinates share a byte.
pub(super) const PER_BYTE: usize = 4;

/// The step between the levels, in standard deviations of the row: the one with the least squared error for values that
/// are normally distributed (Max, "Quantizing for minimum distortion", 1960, table I for four levels).
const STEP: f32 = 0.9956;

/// The coded token vectors of one passage, borrowed from where they are stored.
///
/// Each coordinate is one of -3, -1, 1 and 3; rows are compared by direction, so their length is not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenCodes<'a> {
    dimension: usize,
    /// Two bytes a row: the number of the piece, what is above 16 bits cut off.
    pieces: &'a [u8],
    rows: &'a [u8],
}

/// Bytes that are no codes of token vectors.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CodesError {
    /// Less than a header.
    #[error("expected codes of token vectors to begin with {HEADER} bytes, got {got} in all")]
    Header {
        /// How many bytes came.
        got: usize,
    },
    /// Codes of a version that this one does not read.
    #[error("expected codes of token vectors in format {FORMAT}, got format {got}")]
    Format {
        /// The format of the header.
        got: u8,
    },
    /// A number of coordinates that no rotation gives.
    #[error("expected token vectors of 128 or 256 coordinates, got {got}")]
    Dimension {
        /// The number of the header.
        got: usize,
    },
    /// More or less bytes than the header says.
    #[error("expected {expected} bytes for {rows} token vectors, got {got}")]
    Length {
        /// How many rows the header says there are.
        rows: u32,
        /// How many bytes these take, that of the header included.
        expected: u64,
        /// How many came.
        got: usize,
    },
}

/// Codes token vectors: each piece that is to be kept with its vector of the dimension that `rotation` is made for.
///
/// Rows of another dimension, of zeros or of values that are not finite have no direction, and are left out. Costs
/// about 6 µs a row.
#[must_use]
pub fn encode<'a>(rotation: &Rotation, tokens: impl IntoIterator<Item = (u32, &'a [f32])>) -> Vec<u8> {
    let dimension = rotation.kept();
    let mut bytes = vec![0; HEADER];
    let mut rows = Vec::new();
    let mut count = 0u32;
    for (piece, row) in tokens {
        let has_direction = row.iter().all(|value| value.is_finite()) && row.iter().any(|value| *value != 0.0);
        if row.len() == rotation.dimension() && has_direction && count < u32::MAX {
            // Squares of very small or large values are no numbers any more; only the direction counts.
            let largest = row.iter().fold(0.0, |largest: f32, value| largest.max(value.abs()));
            let scaled: Vec<f32> = row.iter().map(|value| value / largest).collect();
            encode_row(&rotation.apply(&scaled), &mut rows);
            bytes.extend((piece as u16).to_le_bytes());
            count += 1;
        }
    }
    bytes.extend(rows);
    let [low, high] = u16::try_from(dimension).unwrap_or(u16::MAX).to_le_bytes();
    let [c0, c1, c2, c3] = count.to_le_bytes();
    for (byte, value) in bytes.iter_mut().zip([FORMAT, 0, low, high, c0, c1, c2, c3]) {
        *byte = value;
    }
    bytes
}

/// Byte `k` holds coordinates `k`, `k + n`, `k + 2n` and `k + 3n`, `n` being the bytes of a row, the first in the lowest
/// bits: so a whole row is spread with a few shifts of many bytes at once.
fn encode_row(row: &[f32], bytes: &mut Vec<u8>) {
    let mean = row.iter().sum::<f32>() / row.len().max(1) as f32;
    let variance = row.iter().map(|value| (value - mean).powi(2)).sum::<f32>() / row.len().max(1) as f32;
    let step = (variance.sqrt() * STEP).max(f32::MIN_POSITIVE);
    let start = bytes.len();
    let quarter = row.len() / PER_BYTE;
    bytes.resize(start + quarter, 0);
    let bytes = bytes.get_mut(start..).unwrap_or_default();
    for (number, part) in row.chunks_exact(quarter.max(1)).enumerate() {
        for (byte, value) in bytes.iter_mut().zip(part) {
            let level = (value / step).floor().clamp(-2.0, 1.0) + 2.0;
            *byte |= (level as u8) << (2 * number);
        }
    }
}

impl<'a> TokenCodes<'a> {
    /// Reads what [`encode`] wrote.
    ///
    /// # Errors
    /// When the bytes are of another format, cut off or too many. No bytes make it panic.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, CodesError> {
        let got = bytes.len();
        let Some((&[format, _, low, high, c0, c1, c2, c3], rest)) = bytes.split_first_chunk::<HEADER>() else {
            return Err(CodesError::Header { got });
        };
        if format != FORMAT {
            return Err(CodesError::Format { got: format });
        }
        let dimension = usize::from(u16::from_le_bytes([low, high]));
        if dimension != 128 && dimension != 256 {
            return Err(CodesError::Dimension { got: dimension });
        }
        let count = u32::from_le_bytes([c0, c1, c2, c3]);
        let expected = u64::from(count) * (dimension / PER_BYTE + PIECE) as u64 + HEADER as u64;
        let parts = rest.split_at_checked(count as usize * PIECE);
        match parts.filter(|_| expected == got as u64) {
            Some((pieces, rows)) => Ok(Self { dimension, pieces, rows }),
            None => Err(CodesError::Length { rows: count, expected, got }),
        }
    }

    /// How many coordinates a row has: 128 or 256.
    #[must_use]
    pub fn dimension(&self) -> usize {
        self.dimension
    }

    /// How many rows there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len() / (self.dimension / PER_BYTE).max(1)
    }

    /// Whether there is no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The piece of each row: its number in the vocabulary of the model, what is above 16 bits cut off.
    pub fn pieces(&self) -> impl ExactSizeIterator<Item = u16> + use<'a> {
        self.pieces.as_chunks::<PIECE>().0.iter().map(|bytes| u16::from_le_bytes(*bytes))
    }

    /// The bytes of all rows.
    pub(super) fn rows(&self) -> &'a [u8] {
        self.rows
    }

    /// How many bytes a row has: 32 or 64.
    pub(super) fn width(&self) -> usize {
        self.dimension / PER_BYTE
    }
}

/// Writes the coordinates of a row of codes to `out`, which holds four for each byte.
pub(super) fn spread(row: &[u8], out: &mut [i8]) {
    for (number, part) in out.chunks_exact_mut(row.len().max(1)).enumerate().take(PER_BYTE) {
        for (out, byte) in part.iter_mut().zip(row) {
            // At most 2 × 3 - 3.
            *out = 2 * (byte >> (2 * number) & 3) as i8 - 3;
        }
    }
}

/// One over the length of a row of codes.
#[inline(always)]
pub(super) fn inverse_length(row: &[u8]) -> f32 {
    // The two bits of a code are equal where it stands for -3 or 3, whose square is 8 more than that of -1 or 1.
    let outer = |word: &[u8; 8]| {
        let word = u64::from_le_bytes(*word);
        (!(word ^ (word >> 1)) & 0x5555_5555_5555_5555).count_ones()
    };
    let outer: u32 = row.as_chunks().0.iter().map(outer).sum();
    1.0 / ((row.len() * PER_BYTE) as f32 + (8 * outer) as f32).sqrt()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::generated;
    use super::*;

    #[test]
    fn a_row_is_coded_as_in_the_reference() {
        let row = generated(7, 384);
        let bytes = encode(&Rotation::new(384), [(7, row.as_slice())]);
        assert_eq!((bytes.len(), &bytes[..HEADER]), (HEADER + 66, &[1, 0, 0, 1, 1, 0, 0, 0][..]));
        let codes = TokenCodes::parse(&bytes).unwrap();
        assert_eq!(codes.pieces().collect::<Vec<_>>(), [7]);
        let mut levels = [0; 256];
        spread(codes.rows(), &mut levels);
        assert_eq!(levels[..16], [1, -1, -1, 1, -1, 1, -1, -3, 3, 1, 1, -3, -1, -1, -1, -1]);
    }

    #[test]
    fn codes_keep_the_direction() {
        for dimension in [16, 384, 768] {
            let rotation = Rotation::new(dimension);
            for seed in 0..20 {
                let row = generated(seed, dimension);
                let turned = rotation.apply(&row);
                let bytes = encode(&rotation, [(0, row.as_slice())]);
                let mut levels = vec![0; rotation.kept()];
                spread(TokenCodes::parse(&bytes).unwrap().rows(), &mut levels);
                let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
                let levels: Vec<f32> = levels.into_iter().map(f32::from).collect();
                let cosine = dot(&levels, &turned) / (dot(&levels, &levels) * dot(&turned, &turned)).sqrt();
                assert!(cosine > 0.88, "{cosine} at {dimension}");
            }
        }
    }

    #[test]
    fn rows_without_a_direction_are_left_out() {
        let rotation = Rotation::new(4);
        let rows: [&[f32]; 6] =
            [&[0.0; 4], &[1.0, f32::NAN, 0.0, 0.0], &[1.0; 3], &[1.0; 4], &[f32::INFINITY; 4], &[1e-30; 4]];
        let bytes = encode(&rotation, rows.map(|row| (70_000, row)));
        let codes = TokenCodes::parse(&bytes).unwrap();
        assert_eq!((codes.len(), codes.dimension(), codes.is_empty()), (2, 128, false));
        assert_eq!(codes.pieces().collect::<Vec<_>>(), [4_464; 2]);
        let both: Vec<&[u8]> = codes.rows().chunks(codes.width()).collect();
        assert_eq!(both[0], both[1], "the length of a row does not matter");
        let none = encode(&rotation, []);
        assert!(none.len() == HEADER && TokenCodes::parse(&none).unwrap().is_empty());
    }

    #[track_caller]
    fn check_damaged(change: impl FnOnce(&mut Vec<u8>), expected: &str) {
        let mut bytes = encode(&Rotation::new(384), [(1, generated(1, 384).as_slice()), (2, &generated(2, 384))]);
        assert_eq!(TokenCodes::parse(&bytes).unwrap().len(), 2);
        change(&mut bytes);
        assert_eq!(TokenCodes::parse(&bytes).unwrap_err().to_string(), expected);
    }

    #[test]
    fn damaged_codes_are_an_error_that_says_what_was_expected() {
        check_damaged(|b| b.truncate(7), "expected codes of token vectors to begin with 8 bytes, got 7 in all");
        check_damaged(Vec::clear, "expected codes of token vectors to begin with 8 bytes, got 0 in all");
        check_damaged(|b| b[0] = 2, "expected codes of token vectors in format 1, got format 2");
        check_damaged(|b| b[2] = 1, "expected token vectors of 128 or 256 coordinates, got 257");
        check_damaged(|b| b[3] = 0, "expected token vectors of 128 or 256 coordinates, got 0");
        check_damaged(|b| b.push(0), "expected 140 bytes for 2 token vectors, got 141");
        check_damaged(|b| b.truncate(139), "expected 140 bytes for 2 token vectors, got 139");
        check_damaged(|b| b[4..8].fill(0xff), "expected 283467841478 bytes for 4294967295 token vectors, got 140");
    }

    #[test]
    fn the_length_of_a_row_is_that_of_its_coordinates() {
        for width in [32, 64] {
            for row in (0..=255u8).map(|byte| (0..width).map(|at| byte.wrapping_mul(at)).collect::<Vec<u8>>()) {
                let mut coordinates = vec![0; PER_BYTE * row.len()];
                spread(&row, &mut coordinates);
                let squares: i32 = coordinates.iter().map(|&value| i32::from(value).pow(2)).sum();
                assert_eq!(inverse_length(&row), 1.0 / (squares as f32).sqrt());
            }
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            if let Ok(codes) = TokenCodes::parse(&bytes) {
                prop_assert_eq!(HEADER + codes.len() * (codes.width() + PIECE), bytes.len());
            }
        }

        #[test]
        fn a_flipped_bit_never_makes_it_panic(count in 0usize..4, at in 0usize..2176, seed in any::<u64>()) {
            let rows: Vec<Vec<f32>> = (0..count as u64).map(|row| generated(seed ^ row, 200)).collect();
            let mut bytes = encode(&Rotation::new(200), rows.iter().map(|row| (0, row.as_slice())));
            let at = at % (bytes.len() * 8);
            bytes[at / 8] ^= 1 << (at % 8);
            match TokenCodes::parse(&bytes) {
                Ok(codes) => prop_assert!(codes.len() == count && (at >= HEADER * 8 || at / 8 == 1)),
                Err(_) => prop_assert!(at < HEADER * 8),
            }
        }

        #[test]
        fn any_row_is_coded(dimension in 0usize..300, row in proptest::collection::vec(any::<f32>(), 0..300)) {
            let rotation = Rotation::new(dimension);
            let bytes = encode(&rotation, [(0, row.as_slice())]);
            prop_assert!(TokenCodes::parse(&bytes).is_ok_and(|codes| codes.len() <= 1));
        }
    }
}
