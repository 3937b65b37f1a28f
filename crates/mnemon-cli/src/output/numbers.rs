//! Numbers, sizes and times as people read them.

use jiff::tz::TimeZone;
use mnemon::Timestamp;

/// With a comma between thousands.
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 turn`, `277 turns`, `1,000 memories`.
pub(crate) fn plural(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", count(number), if number == 1 { one } else { many })
}

/// Bytes in the unit that keeps the number short; a kB is 1,000 bytes.
pub(crate) fn bytes(bytes: u64) -> String {
    let mut size = bytes as f64;
    for unit in ["B", "kB", "MB", "GB"] {
        if size < 999.5 {
            return if unit == "B" || size >= 99.95 {
                format!("{size:.0} {unit}")
            } else {
                format!("{size:.1} {unit}")
            };
        }
        size /= 1000.0;
    }
    format!("{size:.1} TB")
}

/// A time that was measured in microseconds.
pub(crate) fn milliseconds(micros: u64) -> String {
    match micros {
        0..1_000 => format!("{micros} µs"),
        1_000..100_000 => format!("{:.1} ms", micros as f64 / 1e3),
        100_000..1_000_000 => format!("{:.0} ms", micros as f64 / 1e3),
        _ => format!("{:.1} s", micros as f64 / 1e6),
    }
}

/// The day, in UTC, as in the contexts that the engine builds.
pub(crate) fn date(time: Timestamp) -> String {
    time.to_zoned(TimeZone::UTC).strftime("%Y-%m-%d").to_string()
}

/// The day and the minute, in UTC.
pub(crate) fn minute(time: Timestamp) -> String {
    time.to_zoned(TimeZone::UTC).strftime("%Y-%m-%d %H:%M").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(count), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!([1, 2, 0].map(|n| plural(n, "memory", "memories")), ["1 memory", "2 memories", "0 memories"]);
        assert_eq!(
            [0, 999, 1_000, 99_949, 99_950, 999_499, 999_500, 25_300_000].map(bytes),
            ["0 B", "999 B", "1.0 kB", "99.9 kB", "100 kB", "999 kB", "1.0 MB", "25.3 MB"]
        );
        assert_eq!([850, 8_240, 120_400, 2_500_000].map(milliseconds), ["850 µs", "8.2 ms", "120 ms", "2.5 s"]);
        assert_eq!(minute(Timestamp::UNIX_EPOCH), "1970-01-01 00:00");
    }
}
