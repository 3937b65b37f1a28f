//! Lists of whole numbers as people type them.

use std::fmt;
use std::str::FromStr;

use crate::BenchError;

/// The most numbers that a list may stand for: a range typed wrong must not fill the memory.
const MAX: i64 = 100_000;

/// A list such as `0-4`, `0,2` or `1,2,4,6-11`: numbers and ranges of numbers, both ends included.
///
/// ```
/// use mnemon_bench::Numbers;
/// let numbers: Numbers = "0-2,7".parse()?;
/// assert_eq!(numbers.as_slice(), [0, 1, 2, 7]);
/// # Ok::<(), mnemon_bench::BenchError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Numbers(Vec<i64>);

impl Numbers {
    /// The numbers in rising order, each once. There is at least one.
    #[must_use]
    pub fn as_slice(&self) -> &[i64] {
        &self.0
    }
}

impl FromStr for Numbers {
    type Err = BenchError;

    fn from_str(text: &str) -> Result<Self, BenchError> {
        let wrong = || BenchError::Numbers { got: text.chars().take(80).collect() };
        let mut numbers = Vec::new();
        for part in text.split(',') {
            let (first, last) = range(part.trim()).ok_or_else(wrong)?;
            let length = last.checked_sub(first).filter(|length| (0..MAX).contains(length)).ok_or_else(wrong)?;
            if numbers.len() as i64 + length >= MAX {
                return Err(wrong());
            }
            numbers.extend(first..=last);
        }
        numbers.sort_unstable();
        numbers.dedup();
        Ok(Self(numbers))
    }
}

impl fmt::Display for Numbers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_list(f, &self.0)
    }
}

/// A number is a range of itself. The sign of a negative number is not the dash of a range.
fn range(part: &str) -> Option<(i64, i64)> {
    if let Ok(number) = part.parse() {
        return Some((number, number));
    }
    let dash = part.char_indices().skip(1).find(|(_, c)| *c == '-')?.0;
    let (first, last) = (part.get(..dash)?, part.get(dash + 1..)?);
    Some((first.trim().parse().ok()?, last.trim().parse().ok()?))
}

fn write_list(f: &mut fmt::Formatter<'_>, numbers: &[i64]) -> fmt::Result {
    for (at, number) in numbers.iter().enumerate() {
        write!(f, "{}{number}", if at == 0 { "" } else { ", " })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &[i64]) {
        assert_eq!(text.parse::<Numbers>().unwrap().as_slice(), expected, "{text}");
    }

    #[test]
    fn numbers_and_ranges_are_read() {
        check("0-4", &[0, 1, 2, 3, 4]);
        check("0,2", &[0, 2]);
        check(" 7 , 1-3,2", &[1, 2, 3, 7]);
        check("5-5", &[5]);
        check("-2--1,-7", &[-7, -2, -1]);
        check("-1-1", &[-1, 0, 1]);
        assert_eq!("3,1-2".parse::<Numbers>().unwrap().to_string(), "1, 2, 3");
    }

    #[test]
    fn what_is_no_list_is_refused() {
        for text in ["", ",", "1,", "a", "4-0", "1-", "--", "1-2-3", "0x1", "0-99999999999", "0-60000,1000000-1060000"]
        {
            let error = text.parse::<Numbers>().unwrap_err().to_string();
            assert_eq!(error, format!("expected numbers such as 1,2,4 or 0-4, got {text:?}"));
        }
    }
}
