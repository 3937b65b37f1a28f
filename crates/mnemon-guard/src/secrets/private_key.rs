//! Private keys as text: blocks of PEM and of OpenPGP.

use std::ops::Range;

use super::bytes::{at, goes_on, is_blank, run};

const BEGIN: &[u8] = b"-----BEGIN ";
const END: &str = "-----END ";
/// The longest name of a block: `ENCRYPTED PRIVATE KEY` and the like.
const NAME: usize = 40;
/// The longest block that is taken whole; a key of RSA with 16,384 bits has 13,000 characters.
const LONGEST: usize = 1 << 16;

/// The block that begins at `start`, from its first line to its last. Where the last line is missing, as in a text that
/// was cut, as far as its lines go.
///
/// A block without a key, such as a template, is none. Looks at most as far as the next block.
pub(super) fn block_at(text: &str, start: usize) -> Option<Range<usize>> {
    let bytes = text.as_bytes();
    if !goes_on(bytes, start, BEGIN) {
        return None;
    }
    let name_end = run(bytes, start + BEGIN.len(), NAME, |byte| byte.is_ascii_uppercase() || byte == b' ');
    let name = text.get(start + BEGIN.len()..name_end)?;
    if !name.contains("PRIVATE KEY") || !goes_on(bytes, name_end, b"-----") {
        return None;
    }
    let body = name_end + 5;
    let mut window = (body + LONGEST).min(text.len());
    while !text.is_char_boundary(window) {
        window -= 1;
    }
    let rest = text.get(body..window)?;
    let next = rest.find("-----BEGIN ").unwrap_or(rest.len());
    let rest = rest.get(..next)?;
    if let Some(end) = rest.find(END)
        && longest_piece(rest.as_bytes().get(..end)?) >= 16
    {
        let name = body + end + END.len();
        let name_end = run(bytes, name, NAME, |byte| byte.is_ascii_uppercase() || byte == b' ');
        return Some(start..run(bytes, name_end, 5, |byte| byte == b'-'));
    }
    let end = body + lines(rest.as_bytes());
    (longest_piece(bytes.get(body..end)?) >= 16).then_some(start..end)
}

/// The most base64 characters that stand together.
fn longest_piece(bytes: &[u8]) -> usize {
    bytes.split(|byte| !is_base64(*byte)).map(<[u8]>::len).max().unwrap_or(0)
}

/// How far the lines of a key go that has no end: pieces of base64 of at least 16 characters, and one shorter.
fn lines(bytes: &[u8]) -> usize {
    let mut end = 0;
    let mut position = 0;
    loop {
        let piece = run(bytes, position, bytes.len(), |byte| {
            is_blank(byte) || matches!(byte, b'\r' | b'\n' | b'\\' | b'"' | b'\'' | b'>' | b'|' | b',')
        });
        // `\n` as two characters.
        let escape = at(bytes, piece.wrapping_sub(1)) == b'\\' && matches!(at(bytes, piece), b'n' | b'r');
        let piece = piece + usize::from(escape);
        let stop = run(bytes, piece, bytes.len(), is_base64);
        if stop - piece < 16 {
            // The last piece of a key is as long as it happens to be.
            let last =
                end > 0 && stop > piece && !at(bytes, stop).is_ascii_punctuation() && is_end_of_line(bytes, stop);
            return if last { stop } else { end };
        }
        end = stop;
        position = stop;
    }
}

fn is_end_of_line(bytes: &[u8], position: usize) -> bool {
    matches!(at(bytes, position), 0 | b'\r' | b'\n' | b'"' | b'\\')
}

fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=')
}
