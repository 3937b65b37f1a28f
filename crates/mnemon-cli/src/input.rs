//! Texts, times and metadata as a person gives them on the command line or on standard input.

use std::fs::File;
use std::io::Read;
use std::ops::Range;
use std::path::Path;
use std::time::Duration;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use mnemon::{Slot, Timestamp};
use serde_json::Value;

use crate::error::CliError;

/// The most that is read from standard input as one text: that of the store.
const MAX_TEXT_BYTES: u64 = 64 << 20;
/// The most that is read of a file at once, as for `import`.
const MAX_FILE_BYTES: u64 = 1 << 30;

/// The words joined with spaces; a lone `-` stands for standard input.
pub(crate) fn text_of(words: &[String]) -> Result<String, CliError> {
    match words {
        [word] => given_or_stdin(word),
        words => Ok(words.join(" ")),
    }
}

/// The word itself, or standard input when it is `-`.
pub(crate) fn given_or_stdin(word: &str) -> Result<String, CliError> {
    if word != "-" {
        return Ok(word.to_owned());
    }
    let mut bytes = Vec::new();
    let mut input = std::io::stdin().lock().take(MAX_TEXT_BYTES + 1);
    input.read_to_end(&mut bytes).map_err(|source| CliError::Stdin { source })?;
    if bytes.len() as u64 > MAX_TEXT_BYTES {
        return Err(CliError::StdinTooLong { max: MAX_TEXT_BYTES });
    }
    let text = String::from_utf8(bytes).map_err(|error| CliError::StdinNotText { source: error.utf8_error() })?;
    // The line end belongs to the shell, not to the text.
    let text = text.strip_suffix('\n').unwrap_or(&text);
    Ok(text.strip_suffix('\r').unwrap_or(text).to_owned())
}

/// What errors call a file; `-` is standard input.
pub(crate) fn file_or_stdin_name(path: &Path) -> String {
    if path == Path::new("-") { "standard input".to_owned() } else { path.display().to_string() }
}

/// The content of a file; `-` is standard input.
pub(crate) fn bytes_of(path: &Path) -> Result<Vec<u8>, CliError> {
    let cannot = |source| CliError::ReadFile { name: file_or_stdin_name(path), source };
    let mut bytes = Vec::new();
    let read = |input: &mut dyn Read, bytes: &mut Vec<u8>| input.take(MAX_FILE_BYTES + 1).read_to_end(bytes);
    if path == Path::new("-") {
        read(&mut std::io::stdin().lock(), &mut bytes).map_err(cannot)?;
    } else {
        read(&mut File::open(path).map_err(cannot)?, &mut bytes).map_err(cannot)?;
    }
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(CliError::FileTooLong { name: file_or_stdin_name(path), max: MAX_FILE_BYTES });
    }
    Ok(bytes)
}

/// The text of a file, without a byte order mark, and what errors call it.
pub(crate) fn file_or_stdin(path: &Path) -> Result<(String, String), CliError> {
    let name = file_or_stdin_name(path);
    match String::from_utf8(bytes_of(path)?) {
        Ok(text) if text.starts_with('\u{feff}') => Ok((text.trim_start_matches('\u{feff}').to_owned(), name)),
        Ok(text) => Ok((text, name)),
        Err(error) => Err(CliError::FileNotText { name, source: error.utf8_error() }),
    }
}

/// A place from 0, or the first and the last of several: `3`, `7-9`.
pub(crate) fn places(text: &str) -> Result<Range<usize>, String> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    match (first.trim().parse::<usize>(), last.trim().parse::<usize>()) {
        (Ok(first), Ok(last)) if first <= last && last < usize::MAX => Ok(first..last + 1),
        _ => Err("expected a place from 0, or the first and the last of several, such as 3 or 7-9".to_owned()),
    }
}

/// A time with an offset or zone, or a civil time or date, which is taken as UTC.
pub(crate) fn time(text: &str) -> Result<Timestamp, String> {
    let text = text.trim();
    let zoned = || text.parse::<jiff::Zoned>().ok().map(|zoned| zoned.timestamp());
    let civil = || TimeZone::UTC.to_timestamp(text.parse::<DateTime>().ok()?).ok();
    let found = text.parse::<Timestamp>().ok().or_else(zoned).or_else(civil);
    found.ok_or_else(|| "expected a time such as 2025-03-02, 2025-03-02T18:05 or 2025-03-02T18:05:00Z".to_owned())
}

/// `KEY=VALUE`; a value that is JSON is taken as JSON, any other as a text.
pub(crate) fn metadata_pair(text: &str) -> Result<(String, Value), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.trim().is_empty() => {
            let value = serde_json::from_str(value).unwrap_or_else(|_| Value::String(value.to_owned()));
            Ok((key.trim().to_owned(), value))
        }
        _ => Err("expected KEY=VALUE".to_owned()),
    }
}

/// `SUBJECT/SLOT`.
pub(crate) fn slot(text: &str) -> Result<Slot, String> {
    match text.split_once('/').map(|(subject, slot)| (subject.trim(), slot.trim())) {
        Some((subject, slot)) if !subject.is_empty() && !slot.is_empty() => Ok(Slot::new(subject, slot)),
        _ => Err("expected SUBJECT/SLOT, such as Ann/address".to_owned()),
    }
}

/// A length of time above zero, with days of 24 hours, months of 30 days and years of 365.
pub(crate) fn span(text: &str) -> Result<Duration, String> {
    let expected = || "expected a length of time such as 30d, 12h or 1y".to_owned();
    let span: jiff::Span = text.trim().parse().map_err(|_| expected())?;
    let days = i64::from(span.get_years()) * 365 + i64::from(span.get_months()) * 30 + i64::from(span.get_weeks()) * 7;
    let rest = span.years(0).months(0).weeks(0).to_duration(jiff::SpanRelativeTo::days_are_24_hours());
    let seconds = rest.map_err(|_| expected())?.as_secs_f64() + days as f64 * 86_400.0;
    Duration::try_from_secs_f64(seconds).ok().filter(|time| !time.is_zero()).ok_or_else(expected)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_without_an_offset_is_utc() {
        let check = |text, expected: Option<&str>| {
            assert_eq!(time(text).ok().map(|time| time.to_string()).as_deref(), expected, "{text}");
        };
        check("2025-03-02", Some("2025-03-02T00:00:00Z"));
        check("2025-03-02T18:05", Some("2025-03-02T18:05:00Z"));
        check("2025-03-02 18:05:09", Some("2025-03-02T18:05:09Z"));
        check("2025-03-02T18:05:00+01:00", Some("2025-03-02T17:05:00Z"));
        check("2025-03-02T18:05[UTC]", Some("2025-03-02T18:05:00Z"));
        check("yesterday", None);
        check("2025-02-30", None);
    }

    #[test]
    fn places_are_numbers_and_stretches() {
        assert_eq!((places("3"), places("7-9"), places("0-0")), (Ok(3..4), Ok(7..10), Ok(0..1)));
        assert!(["", "9-7", "-1", "a", "1-", "18446744073709551615"].iter().all(|text| places(text).is_err()));
    }

    #[test]
    fn metadata_is_json_where_it_can_be() {
        assert_eq!(metadata_pair("n=1"), Ok(("n".into(), Value::from(1))));
        assert_eq!(metadata_pair("from=a=b"), Ok(("from".into(), Value::from("a=b"))));
        assert_eq!(metadata_pair("tags=[\"x\"]"), Ok(("tags".into(), serde_json::json!(["x"]))));
        assert!(metadata_pair("novalue").is_err() && metadata_pair("=x").is_err());
    }
}
