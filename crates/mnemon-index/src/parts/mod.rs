//! An index as bytes.
//!
//! A saved index is a list of parts. Each part is a frame and a payload; all numbers are little-endian:
//!
//! | bytes | what |
//! |---|---|
//! | 0..8 | XXH3 of everything behind it, seeded with this field of the part before (0 in the first part) |
//! | 8..16 | `mnemonix` |
//! | 16..20 | the format, 1 |
//! | 20..24 | the number of the part, from 0 |
//! | 24..28 | how many parts there are |
//! | 28..32 | 0 |
//!
//! The payload of part 0 is the `Header`. Those of the others are one stream in pieces of 4 MiB (the last
//! one may be shorter): the sections that the header gives rise to, each filled up with zeros to a multiple of 64 bytes, so
//! that no value lies in two parts. As each checksum is the seed of the next one, parts of two saved indexes cannot be
//! mixed.

mod header;
mod reader;
mod writer;

pub use reader::PartsReader;
pub use writer::Parts;

use twox_hash::XxHash3_64;

/// Changes whenever older readers would misunderstand what is written.
const FORMAT: u32 = 1;

const MAGIC: [u8; 8] = *b"mnemonix";

/// Bytes of a frame.
const FRAME: usize = 32;

/// Bytes of a payload: a multiple of 64, and of a size that a database takes as one value.
const PAYLOAD: usize = 4 << 20;

/// Sections are filled up to a multiple of this.
const ALIGN: usize = 64;

fn checksum(seed: u64, bytes: &[u8]) -> u64 {
    XxHash3_64::oneshot_with_seed(seed, bytes)
}

#[cfg(test)]
mod tests;
