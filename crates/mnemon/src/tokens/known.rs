//! How many tokens short pieces of text are, kept because a few thousand of them make up most of any text.

use std::cell::RefCell;

/// Shelves for pieces, a power of two: 128 KiB for each thread that counts.
const SHELVES: usize = 1 << 11;
/// The longest piece that is kept, in bytes: with its length and its count it fills 16.
const MAX_PIECE: usize = 15;
/// The largest count that is kept. A piece has no more tokens than bytes, so there is none above it.
const MAX_COUNT: usize = MAX_PIECE;

/// The counts of pieces of one vocabulary, on one thread.
///
/// The bytes of a piece and its length stand there whole, so another piece is never taken for it.
pub(super) struct Known(RefCell<Vec<Shelf>>);

/// Places for four pieces, the last that came first. One line of the processor's cache.
#[derive(Clone, Default)]
#[repr(align(64))]
struct Shelf([u128; 4]);

impl Known {
    pub(super) const fn new() -> Self {
        Self(RefCell::new(Vec::new()))
    }

    /// The count of the first `length` bytes of a text: the one that is kept, else what `count` says.
    pub(super) fn count(&self, text: &[u8], length: usize, count: impl FnOnce(&[u8]) -> usize) -> usize {
        let piece = text.get(..length).unwrap_or(text);
        let Some(key) = key(text, piece.len()) else { return count(piece) };
        let Ok(mut shelves) = self.0.try_borrow_mut() else { return count(piece) };
        if shelves.is_empty() {
            shelves.resize(SHELVES, Shelf::default());
        }
        let Some(Shelf(places)) = shelves.get_mut(shelf_of(key)) else { return count(piece) };
        if let Some(place) = places.iter().find(|place| **place & !COUNT == key) {
            return (*place & COUNT) as usize;
        }
        let tokens = count(piece);
        if tokens <= MAX_COUNT {
            places.rotate_right(1);
            places[0] = key | tokens as u128;
        }
        tokens
    }
}

/// The bits of a place that hold the count.
const COUNT: u128 = 0xF;

/// The first bytes of a text above their number, and that above room for the count. It is never 0.
fn key(text: &[u8], length: usize) -> Option<u128> {
    if !(1..=MAX_PIECE).contains(&length) {
        return None;
    }
    // What lies behind the piece is masked away: taking 16 bytes at once costs less than taking as many as there are.
    let bytes = match text.first_chunk::<16>() {
        Some(bytes) => u128::from_le_bytes(*bytes),
        None => text.iter().rev().fold(0, |bytes, byte| bytes << 8 | u128::from(*byte)),
    };
    let piece = bytes & ((1 << (8 * length)) - 1);
    Some(piece << 8 | (length as u128) << 4)
}

fn shelf_of(key: u128) -> usize {
    let folded = (key as u64) ^ ((key >> 64) as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (folded.wrapping_mul(0xD6E8_FEB8_6659_FD93) >> (64 - SHELVES.trailing_zeros())) as usize
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn pieces_are_told_apart() {
        let known = Known::new();
        // Every piece of up to two bytes, and more of them than places: each is counted right whoever was there before.
        let mut pieces: Vec<Vec<u8>> = (0..=255u8).map(|a| vec![a]).collect();
        pieces.extend((0..=255u8).flat_map(|a| (0..=255u8).map(move |b| vec![a, b])));
        pieces.push(vec![0; 3]);
        pieces.push(b"fifteen letters".to_vec());
        let tokens = |piece: &[u8]| piece.iter().map(|byte| usize::from(*byte)).sum::<usize>() % (MAX_COUNT + 1);
        for _ in 0..2 {
            for piece in &pieces {
                assert_eq!(known.count(piece, piece.len(), tokens), tokens(piece), "{piece:?}");
            }
        }
    }

    #[test]
    fn what_lies_behind_a_piece_plays_no_part() {
        for text in [&b"memory"[..], b"memory of", b"memory of a long text indeed"] {
            assert_eq!(key(text, 6), key(b"memory", 6));
            assert_ne!(key(text, 5), key(b"memory", 6));
        }
        assert_eq!([key(b"", 0), key(b"sixteen letters.", 16)], [None, None]);
        assert_ne!(key(b"fifteen letters", 15), key(b"fifteen lettert", 15));
    }

    #[test]
    fn a_piece_is_counted_once_and_a_long_one_each_time() {
        let (known, counted) = (Known::new(), Cell::new(0));
        let count = |_: &[u8]| {
            counted.set(counted.get() + 1);
            3
        };
        for (piece, times) in [(&b" memory"[..], 1), (b"sixteen letters.", 2), (b"", 2)] {
            counted.set(0);
            assert_eq!([0, 1].map(|_| known.count(piece, piece.len(), count)), [3, 3]);
            assert_eq!(counted.get(), times, "{piece:?}");
        }
    }
}
