//! Passwords in addresses: `scheme://user:password@host`.

use std::ops::Range;

use super::bytes::{at, before, goes_on};
use super::shape;

/// The longest that is looked for a host.
const LONGEST: usize = 1024;

/// The password of an address whose `://` begins at `colon`, or its user where that is a token.
pub(super) fn password_at(text: &str, colon: usize) -> Option<Range<usize>> {
    let bytes = text.as_bytes();
    if !before(bytes, colon).is_ascii_alphanumeric() {
        return None;
    }
    let start = colon + 3;
    // Where the next address begins, its own `://` leads to it.
    let is_part = |byte: u8| byte > b' ' && !matches!(byte, b'"' | b'\'' | b'<' | b'>' | b'`' | b'\\');
    let limit = (start + LONGEST).min(bytes.len());
    let end = (start..limit)
        .find(|&position| !is_part(at(bytes, position)) || goes_on(bytes, position, b"://"))
        .unwrap_or(limit);
    let address = bytes.get(start..end)?;
    let host_end = address.iter().position(|byte| b"/?#".contains(byte)).unwrap_or(address.len());
    let user_end = match address.get(..host_end)?.iter().rposition(|&byte| byte == b'@') {
        Some(position) => position,
        // A password with a slash in it: what stands behind the colon is no port.
        None => {
            let first = address.iter().position(|&byte| byte == b':').filter(|&first| first < host_end)?;
            let port = address.get(first + 1..host_end)?;
            let found = address.iter().position(|&byte| byte == b'@')?;
            if port.is_empty() || port.iter().all(u8::is_ascii_digit) {
                return None;
            }
            found
        }
    };
    let user = address.get(..user_end)?;
    let (from, to) = match user.iter().position(|&byte| byte == b':') {
        Some(first) => (start + first + 1, start + user_end),
        None => (start, start + user_end),
    };
    let value = text.get(from..to)?;
    let is_password = from > start && !shape::is_placeholder(value) && !is_word_for_it(value);
    let is_token = from == start && value.len() >= 20 && shape::is_random(value) && at(bytes, to) == b'@';
    (is_password || is_token).then_some(from..to)
}

/// `https://user:password@host` explains an address and is none.
fn is_word_for_it(value: &str) -> bool {
    let value = value.to_ascii_lowercase();
    ["password", "passwd", "pass", "pwd", "pw", "secret", "token", "passwort", "key"].contains(&value.as_str())
}
