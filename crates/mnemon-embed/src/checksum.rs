//! Checking files against SHA256SUMS.

use std::fmt::Write as _;

use sha2::{Digest, Sha256};

use crate::source::SUMS;
use crate::{ModelError, ModelSource};

/// Checks every file of a model that its SHA256SUMS names, and gives their names. Without SHA256SUMS there is nothing to
/// check and the list is empty.
///
/// Reads all files: about 20 to 35 ms for the 23 MB of the packed MiniLM on a processor with instructions for SHA,
/// several times that without. Loading does not do it: there, a damaged file shows as a header that does not fit, a number that is not
/// finite or a shape that is wrong, but flipped bits inside the weights would go unseen.
///
/// # Errors
/// [`ModelError::Checksum`] for the first file that differs, [`ModelError::MissingFile`] for one that is not there.
pub fn verify(source: &ModelSource) -> Result<Vec<String>, ModelError> {
    let Some(sums) = source.read(SUMS)? else { return Ok(Vec::new()) };
    let mut checked = Vec::new();
    for line in String::from_utf8_lossy(&sums).lines().filter(|line| !line.trim().is_empty()) {
        let (expected, file) = parse(line)?;
        let bytes = source.read(file)?.ok_or_else(|| ModelError::MissingFile {
            expected: "every file of its SHA256SUMS",
            place: source.describe(file),
        })?;
        let found = sha256(&bytes);
        if !found.eq_ignore_ascii_case(expected) {
            return Err(ModelError::Checksum { file: source.describe(file), expected: expected.to_owned(), found });
        }
        checked.push(file.to_owned());
    }
    Ok(checked)
}

/// The SHA-256 of the bytes in lower-case hexadecimal digits.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(64);
    for byte in Sha256::digest(bytes) {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

fn parse(line: &str) -> Result<(&str, &str), ModelError> {
    let wrong = || ModelError::ChecksumSyntax { got: line.chars().take(120).collect() };
    let (sum, file) = line.split_once([' ', '\t']).ok_or_else(wrong)?;
    let file = file.trim_start().trim_start_matches('*').trim_end();
    let is_sum = sum.len() == 64 && sum.bytes().all(|byte| byte.is_ascii_hexdigit());
    // A list of sums must not make anybody read files elsewhere.
    let inside = !file.is_empty() && !file.starts_with('/') && !file.split(['/', '\\']).any(|part| part == "..");
    if is_sum && inside { Ok((sum, file)) } else { Err(wrong()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    #[track_caller]
    fn check(sums: &str, expected: Result<&[&str], &str>) {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("abc.txt"), "abc").unwrap();
        std::fs::write(folder.path().join("SHA256SUMS"), sums).unwrap();
        match (verify(&ModelSource::Folder(folder.path().to_owned())), expected) {
            (Ok(got), Ok(expected)) => assert_eq!(got, expected),
            (Err(error), Err(expected)) => assert!(error.to_string().contains(expected), "{error}"),
            (got, expected) => panic!("expected {expected:?}, got {got:?}"),
        }
    }

    #[test]
    fn sums_are_checked_file_by_file() {
        check("", Ok(&[]));
        check(&format!("{ABC}  abc.txt\n"), Ok(&["abc.txt"]));
        check(&format!("{}  abc.txt\n", ABC.to_uppercase()), Ok(&["abc.txt"]));
        check(&format!("{}  abc.txt\n", ABC.replace('b', "c")), Err("abc.txt to have the SHA-256 ca7816"));
        check(&format!("{ABC}  missing.txt\n"), Err("missing.txt"));
        check("abc  abc.txt\n", Err("64 hexadecimal digits"));
        check(&format!("{ABC}  ../abc.txt\n"), Err("64 hexadecimal digits"));
    }
}
