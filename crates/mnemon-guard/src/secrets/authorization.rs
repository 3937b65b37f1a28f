//! Credentials of the `Authorization` header, and bearer tokens without one.

use std::ops::Range;

use super::bytes::{at, goes_on, is_blank, run};
use super::shape;

/// Schemes whose credentials are one token.
const ONE: [&str; 13] = [
    "basic",
    "bearer",
    "token",
    "negotiate",
    "ntlm",
    "apikey",
    "api-key",
    "dpop",
    "ssws",
    "splunk",
    "key",
    "bot",
    "jwt",
];
/// Schemes whose credentials are a list of parameters.
const LIST: [&str; 6] = ["digest", "aws4-hmac-sha256", "oauth", "hawk", "signature", "hmac-sha256"];
const LONGEST: usize = 1 << 12;

/// The credentials of the header whose value begins at `start` or, after blanks and a quote, shortly behind it.
pub(super) fn header_value(text: &str, start: usize) -> Option<Range<usize>> {
    let bytes = text.as_bytes();
    let start = run(bytes, start, 8, |byte| is_blank(byte) || matches!(byte, b'"' | b'\'' | b'\\' | b'`' | b'*'));
    let first = run(bytes, start, LONGEST, is_token);
    let scheme = text.get(start..first)?.to_ascii_lowercase();
    let credentials = run(bytes, first, 8, is_blank);
    if LIST.contains(&scheme.as_str()) && credentials > first {
        // Prose has no parameters near the scheme.
        let first = run(bytes, credentials, 64, |byte| byte != b'=' && byte != b'\n' && byte != b'\r');
        if at(bytes, first) != b'=' {
            return None;
        }
        let end = run(bytes, credentials, LONGEST, |byte| byte != b'\n' && byte != b'\r');
        let value = text.get(credentials..end)?;
        let end = credentials + value.find("\\n").unwrap_or(value.len());
        let value = text.get(credentials..end)?.trim_end_matches([' ', '\'', '"', ',', '\\', '`', ')', ';']);
        return Some(credentials..credentials + value.len());
    }
    if ONE.contains(&scheme.as_str()) && credentials > first {
        return token(text, credentials, 6);
    }
    token(text, start, 16)
}

/// The token after the word `Bearer`, which ends at `end`.
pub(super) fn bearer(text: &str, end: usize) -> Option<Range<usize>> {
    let start = run(text.as_bytes(), end, 4, is_blank);
    if start == end {
        return None;
    }
    token(text, start, 16)
}

/// A token that is no word, of at least so many characters.
fn token(text: &str, start: usize, least: usize) -> Option<Range<usize>> {
    let bytes = text.as_bytes();
    let mut end = run(bytes, start, LONGEST, is_token);
    while end > start && matches!(at(bytes, end - 1), b'.' | b',' | b':') {
        end -= 1;
    }
    let value = text.get(start..end)?;
    let word = value.trim_end_matches('.').bytes().skip(1).all(|byte| byte.is_ascii_lowercase() || byte == b'-');
    let call = goes_on(bytes, end, b"(") || goes_on(bytes, end, b"[");
    let fits = value.len() >= least && !word && !call && !shape::is_placeholder(value);
    (fits && (value.ends_with('=') || !shape::is_words(value))).then_some(start..end)
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'+' | b'/' | b'=' | b':' | b'|')
}
