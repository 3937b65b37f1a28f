//! The ways in which files write times.

use jiff::civil::{Date, DateTime, Time};
use jiff::fmt::strtime::BrokenDownTime;
use jiff::fmt::temporal::Pieces;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, Zoned};

/// A time as it stands in RFC 3339 and ISO 8601: with an offset or a zone, or a civil time or date, taken as UTC.
pub(super) fn iso(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    let pieces = Pieces::parse(text).ok()?;
    // A named zone decides, and has to fit the offset that stands beside it.
    if pieces.time_zone_annotation().is_some() {
        return text.parse::<Zoned>().ok().map(|zoned| zoned.timestamp());
    }
    if pieces.offset().is_some() {
        return text.parse().ok();
    }
    utc(pieces.date().to_datetime(pieces.time().unwrap_or(Time::midnight())))
}

/// A time with the month as a word, as in `1:56 pm on 8 May, 2023`, or as [`iso`] reads it. Without an hour it is
/// midnight; the zone is UTC.
pub(super) fn spelled(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    iso(text).or_else(|| {
        let clocks = ["%I:%M %p", "%I %p", "%H:%M"];
        let timed = clocks.into_iter().flat_map(|clock| {
            DATES.iter().flat_map(move |date| {
                [format!("{clock} on {date}"), format!("{date}, {clock}"), format!("{date} {clock}")]
            })
        });
        timed
            .into_iter()
            .find_map(|format| DateTime::strptime(&format, text).ok())
            .and_then(utc)
            .or_else(|| spelled_date(text).and_then(|date| utc(date.to_datetime(Time::midnight()))))
    })
}

/// A date with the month as a word.
pub(super) fn spelled_date(text: &str) -> Option<Date> {
    DATES.iter().find_map(|format| Date::strptime(format, text.trim()).ok())
}

const DATES: [&str; 8] =
    ["%d %B, %Y", "%d %B %Y", "%d. %B %Y", "%B %d, %Y", "%A, %d %B %Y", "%A, %B %d, %Y", "%d %b %Y", "%b %d, %Y"];

/// The civil time in UTC, where there is such an instant.
pub(super) fn utc(civil: DateTime) -> Option<Timestamp> {
    TimeZone::UTC.to_timestamp(civil).ok()
}

/// The time of a turn that has none of its own: a second for each turn before it in the session.
pub(super) fn nth_turn(session: Option<Timestamp>, position: usize) -> Option<Timestamp> {
    session?.checked_add(SignedDuration::from_secs(i64::try_from(position).ok()?)).ok()
}

/// A date of digits whose order of day and month may be open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NumericDate {
    /// Only one reading; where its order could have been open, whether the day came first.
    Known { date: Date, day_first: Option<bool> },
    /// `a/b/year`.
    Open { a: i8, b: i8, year: i16 },
}

impl NumericDate {
    /// Reads `2025-03-02`, `2025/03/02`, `02.03.2025` (the day first) or `02/03/2025` (open); years of two digits are
    /// of this century.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let separator = text.chars().find(|c| !c.is_ascii_digit())?;
        if !matches!(separator, '-' | '/' | '.') {
            return None;
        }
        let mut parts = text.split(separator);
        let (first, second, third) = (parts.next()?, parts.next()?, parts.next()?);
        let digits = |part: &str, most: usize| {
            let fits = !part.is_empty() && part.len() <= most && part.bytes().all(|byte| byte.is_ascii_digit());
            fits.then(|| part.parse::<i16>().ok()).flatten()
        };
        if parts.next().is_some() {
            return None;
        }
        if first.len() == 4 {
            return Self::known(digits(first, 4)?, digits(second, 2)?, digits(third, 2)?, None);
        }
        let (a, b) = (digits(first, 2)?, digits(second, 2)?);
        let year = match third.len() {
            4 => digits(third, 4)?,
            2 => 2000 + digits(third, 2)?,
            _ => return None,
        };
        match (separator, a > 12, b > 12) {
            ('.', ..) => Self::known(year, b, a, None),
            (_, true, false) => Self::known(year, b, a, Some(true)),
            (_, false, true) => Self::known(year, a, b, Some(false)),
            _ => Some(Self::Open { a: i8::try_from(a).ok()?, b: i8::try_from(b).ok()?, year })
                .filter(|open| open.resolve(true).is_some()),
        }
    }

    fn known(year: i16, month: i16, day: i16, day_first: Option<bool>) -> Option<Self> {
        let date = Date::new(year, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()?;
        Some(Self::Known { date, day_first })
    }

    /// Whether both readings are possible.
    pub(super) fn is_open(self) -> bool {
        matches!(self, Self::Open { .. })
    }

    /// What the date shows about the order of dates like it.
    pub(super) fn shows_day_first(self) -> Option<bool> {
        match self {
            Self::Known { day_first, .. } => day_first,
            Self::Open { .. } => None,
        }
    }

    /// The date, with an open one read in this order.
    pub(super) fn resolve(self, day_first: bool) -> Option<Date> {
        match self {
            Self::Known { date, .. } => Some(date),
            Self::Open { a, b, year } if day_first => Date::new(year, b, a).ok(),
            Self::Open { a, b, year } => Date::new(year, a, b).ok(),
        }
    }
}

/// A time of day such as `18:05`, `18:05:33`, `6:05 PM`; and whether it was written with am or pm.
pub(super) fn clock(text: &str) -> Option<(Time, bool)> {
    let text: String = text.trim().chars().map(|c| if c.is_whitespace() { ' ' } else { c }).collect();
    if text.len() > 16 || !text.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let read = |format: &str| BrokenDownTime::parse(format, &text).ok().and_then(|it| it.to_time().ok());
    let with = |formats: [&str; 4]| formats.into_iter().find_map(read);
    if let Some(time) = with(["%H:%M", "%H:%M:%S", "%H.%M", "%H:%M:%S%.f"]) {
        return Some((time, false));
    }
    with(["%I:%M %p", "%I:%M:%S %p", "%I:%M%p", "%I:%M:%S%p"]).map(|time| (time, true))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(read: fn(&str) -> Option<Timestamp>, text: &str, expected: &str) {
        assert_eq!(read(text).map(|it| it.to_string()).unwrap_or_default(), expected, "{text:?}");
    }

    #[test]
    fn iso_times_keep_their_offset_and_civil_ones_are_utc() {
        check(iso, "2025-03-02T18:05:00Z", "2025-03-02T18:05:00Z");
        check(iso, "2025-03-02 18:05:00+01:00", "2025-03-02T17:05:00Z");
        check(iso, "2025-03-02T18:05", "2025-03-02T18:05:00Z");
        check(iso, "2025-03-02", "2025-03-02T00:00:00Z");
        check(iso, "2025-07-02T18:05[Europe/Berlin]", "2025-07-02T16:05:00Z");
        check(iso, "2025-07-02T18:05+02:00[Europe/Berlin]", "2025-07-02T16:05:00Z");
        // The offset contradicts the zone, the day does not exist, the instant is out of range.
        check(iso, "2025-07-02T18:05+05:00[Europe/Berlin]", "");
        check(iso, "2025-02-30", "");
        check(iso, "9999-12-31T23:59:59-23:00", "");
        check(iso, "", "");
        check(iso, "yesterday", "");
    }

    #[test]
    fn spelled_times_are_those_of_locomo_and_its_kin() {
        check(spelled, "1:56 pm on 8 May, 2023", "2023-05-08T13:56:00Z");
        check(spelled, "12:48 am on 1 February, 2023", "2023-02-01T00:48:00Z");
        check(spelled, "12:09 PM on 13 September, 2023", "2023-09-13T12:09:00Z");
        check(spelled, "9:00 am on 05 April, 2024", "2024-04-05T09:00:00Z");
        check(spelled, "May 8, 2023 13:56", "2023-05-08T13:56:00Z");
        check(spelled, "8 May 2023", "2023-05-08T00:00:00Z");
        check(spelled, "2023-05-08T13:56:00+02:00", "2023-05-08T11:56:00Z");
        check(spelled, "31 February, 2023", "");
        check(spelled, "some day in May", "");
    }

    #[test]
    fn dates_of_digits_say_whether_their_order_is_open() {
        let both = |text: &str| {
            let date = NumericDate::parse(text);
            let show =
                |day_first| date.and_then(|it| it.resolve(day_first)).map(|it| it.to_string()).unwrap_or_default();
            (show(true), show(false))
        };
        let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
        assert_eq!(both("2025-03-02"), pair("2025-03-02", "2025-03-02"));
        assert_eq!(both("02.03.25"), pair("2025-03-02", "2025-03-02"));
        assert_eq!(both("02/03/2025"), pair("2025-03-02", "2025-02-03"));
        assert_eq!(both("13/03/2025"), pair("2025-03-13", "2025-03-13"));
        assert_eq!(both("3/13/25"), pair("2025-03-13", "2025-03-13"));
        for wrong in
            ["", "2025", "13/13/2025", "0/1/2025", "2025-02-30", "1-2-3", "1/2/2025/4", "٢/٣/٢٠٢٥", "1/2/20250"]
        {
            assert_eq!(NumericDate::parse(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn clocks_have_twelve_or_twenty_four_hours() {
        let show = |text| clock(text).map(|(time, half)| format!("{time} {half}")).unwrap_or_default();
        assert_eq!(show("18:05"), "18:05:00 false");
        assert_eq!(show("9:05:33"), "09:05:33 false");
        assert_eq!(show("6:05\u{202f}PM"), "18:05:00 true");
        assert_eq!(show("12:00 am"), "00:00:00 true");
        assert_eq!(show("25:00"), "");
        assert_eq!(show("18:05 Nora"), "");
        assert_eq!(show("6"), "");
    }
}
