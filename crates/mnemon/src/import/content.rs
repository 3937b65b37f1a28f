//! The content of a file: its lines, its identity, and where it stops being text.

use std::borrow::Cow;
use std::fmt::Write;

use mnemon_core::Origin;
use sha2::{Digest, Sha256};

use super::error::{ImportError, Place, Problem};

/// The bytes of a file as UTF-8, without a byte order mark; single lines may still not be UTF-8.
pub(super) struct Content<'a> {
    name: &'a str,
    bytes: Cow<'a, [u8]>,
    hash_source: String,
    named_source: String,
}

impl<'a> Content<'a> {
    /// `source` is that of the ids that the file gives; without one it is made of the hash.
    pub(super) fn new(bytes: &'a [u8], name: &'a str, source: Option<String>) -> Result<Self, ImportError> {
        let hash_source = format!("file:{}", short_hash(bytes));
        let named_source = source.unwrap_or_else(|| hash_source.clone());
        let bytes = match bytes {
            [0xff, 0xfe, rest @ ..] => Cow::Owned(from_utf16(rest, name, u16::from_le_bytes)?),
            [0xfe, 0xff, rest @ ..] => Cow::Owned(from_utf16(rest, name, u16::from_be_bytes)?),
            [0xef, 0xbb, 0xbf, rest @ ..] => Cow::Borrowed(rest),
            _ => Cow::Borrowed(bytes),
        };
        Ok(Self { name, bytes, hash_source, named_source })
    }

    /// What errors call the file.
    pub(super) fn name(&self) -> &str {
        self.name
    }

    /// The source of the ids that the file gives.
    pub(super) fn source(&self) -> &str {
        &self.named_source
    }

    /// The origin of a piece that has no id of its own.
    pub(super) fn origin(&self, line: usize) -> Origin {
        Origin { source: self.hash_source.clone(), id: format!("line {line}") }
    }

    /// The source of a content that names none itself.
    pub(super) fn hash_source(&self) -> &str {
        &self.hash_source
    }

    /// All of it.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The lines with their numbers from 1, without their ends (`\n` or `\r\n`).
    pub(super) fn lines(&self) -> impl Iterator<Item = (usize, &[u8])> {
        let bytes = self.bytes.strip_suffix(b"\n").unwrap_or(&self.bytes);
        let count = if self.bytes.is_empty() { 0 } else { usize::MAX };
        let lines = bytes.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
        lines.take(count).enumerate().map(|(index, line)| (index + 1, line))
    }

    /// How many lines there are.
    pub(super) fn line_count(&self) -> usize {
        self.lines().count()
    }

    /// The whole content, for formats that are not read by the line.
    pub(super) fn text(&self) -> Result<&str, Problem> {
        std::str::from_utf8(&self.bytes).map_err(|error| {
            let before = self.bytes.get(..error.valid_up_to()).unwrap_or_default();
            let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
            let column = 1 + before.iter().rev().take_while(|byte| **byte != b'\n').count();
            not_utf8(Place::Byte { line, column }, &self.bytes, error)
        })
    }
}

/// A line as text.
pub(super) fn line_text(line: usize, bytes: &[u8]) -> Result<&str, Problem> {
    std::str::from_utf8(bytes)
        .map_err(|error| not_utf8(Place::Byte { line, column: error.valid_up_to() + 1 }, bytes, error))
}

fn not_utf8(place: Place, bytes: &[u8], error: std::str::Utf8Error) -> Problem {
    let got =
        bytes.get(error.valid_up_to()).map_or_else(|| "the end".to_owned(), |byte| format!("the byte {byte:#04x}"));
    Problem::new(place, "UTF-8 text", got).because(error)
}

fn from_utf16(bytes: &[u8], name: &str, unit: fn([u8; 2]) -> u16) -> Result<Vec<u8>, ImportError> {
    let (pairs, rest) = bytes.as_chunks::<2>();
    let mut text = String::with_capacity(bytes.len());
    let mut line = 1;
    for decoded in char::decode_utf16(pairs.iter().copied().map(unit)) {
        let c = decoded.map_err(|error| {
            let got = format!("the lone surrogate {:#06x}", error.unpaired_surrogate());
            Problem::new(Place::Line(line), "UTF-16 text", got).because(error).in_file(name)
        })?;
        line += usize::from(c == '\n');
        text.push(c);
    }
    if !rest.is_empty() {
        return Err(Problem::new(Place::Line(line), "UTF-16 text", "half a character at the end").in_file(name));
    }
    Ok(text.into_bytes())
}

/// The first 12 hexadecimal digits of the SHA-256 of a content.
fn short_hash(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    digest.iter().take(6).fold(String::new(), |mut hex, byte| {
        // Writing to a string cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}
