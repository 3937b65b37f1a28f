//! Reading bytes of a text forwards and backwards, without ever leaving it.

/// The byte there, 0 outside of the text.
pub(super) fn at(bytes: &[u8], position: usize) -> u8 {
    bytes.get(position).copied().unwrap_or(0)
}

/// The byte before, 0 at the start of the text.
pub(super) fn before(bytes: &[u8], position: usize) -> u8 {
    position.checked_sub(1).map_or(0, |position| at(bytes, position))
}

/// Whether the text goes on with this from a position.
pub(super) fn goes_on(bytes: &[u8], position: usize, with: &[u8]) -> bool {
    bytes.get(position..).is_some_and(|rest| rest.starts_with(with))
}

/// Where the run of bytes that qualify ends, at most `limit` bytes on.
pub(super) fn run(bytes: &[u8], start: usize, limit: usize, qualifies: impl Fn(u8) -> bool) -> usize {
    let rest = bytes.get(start..).unwrap_or_default();
    let rest = rest.get(..limit).unwrap_or(rest);
    start + rest.iter().position(|&byte| !qualifies(byte)).unwrap_or(rest.len())
}

/// Where the run of bytes that qualify and end at a position begins, at most `limit` bytes back.
pub(super) fn run_back(bytes: &[u8], end: usize, limit: usize, qualifies: impl Fn(u8) -> bool) -> usize {
    let head = bytes.get(..end).unwrap_or(bytes);
    head.len() - head.iter().rev().take(limit).take_while(|&&byte| qualifies(byte)).count()
}

pub(super) fn is_blank(byte: u8) -> bool {
    byte == b' ' || byte == b'\t'
}
