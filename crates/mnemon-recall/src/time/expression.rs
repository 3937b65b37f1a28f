//! Dates in a question.

use std::ops::Range;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::parse::Found;
use super::phrase::Phrase;
use super::reader::Reader;
use super::resolve::{Asked, Days};
use super::{Grain, Relation, TimeSpan, TimeWords};

/// A time that a question names.
#[derive(Debug, Clone, PartialEq)]
pub struct TimeExpression {
    /// The bytes of the question that name the time, on character boundaries, without the preposition or the relation
    /// before it: "May 2021" of "in May 2021" and of "before May 2021". Two readings of one text (3/4/2021) share it;
    /// otherwise expressions do not overlap.
    pub range: Range<usize>,
    /// The time that is named, whatever the relation to it; never empty. Days begin at midnight of the zone.
    pub span: TimeSpan,
    /// On which side of the span the question looks.
    pub relation: Relation,
    /// The unit in which the time is exact.
    pub grain: Grain,
    /// Whether the time hangs on when the question is asked: "yesterday", "last May", "on Monday".
    pub relative: bool,
    /// Whether the year is named or follows from the asking time. Without it ("in March", "on 3 May", "at Christmas")
    /// every year is meant, and the span is the nearest that has begun.
    pub year_known: bool,
    /// Whether the time is meant roughly: counted from the asking time ("two weeks ago", "last week"), or "around" it.
    pub approximate: bool,
    pub(super) zone: TimeZone,
}

impl TimeExpression {
    /// The times on the side that the question looks at: the span itself ([`Relation::During`]), all before it, all
    /// after it, or all from its beginning on.
    #[must_use]
    pub fn window(&self) -> TimeSpan {
        let TimeSpan { from, to } = self.span;
        match self.relation {
            Relation::During => self.span,
            Relation::Before => TimeSpan { from: Timestamp::MIN, to: from },
            Relation::After => TimeSpan { from: to, to: Timestamp::MAX },
            Relation::Since => TimeSpan { from, to: Timestamp::MAX },
        }
    }

    fn new(found: &Found, range: Range<usize>, days: Days, zone: &TimeZone) -> Option<Self> {
        let start = |date: jiff::civil::Date| Some(date.to_zoned(zone.clone()).ok()?.timestamp());
        let span = TimeSpan { from: start(days.from)?, to: start(days.to)? };
        (span.from < span.to).then(|| Self {
            range,
            span,
            relation: found.relation,
            grain: days.grain,
            relative: days.relative,
            year_known: days.year_known,
            approximate: days.approximate || found.roughly,
            zone: zone.clone(),
        })
    }
}

/// The times that a question names, in the order in which it names them.
///
/// `asked_at` is the question's own time and `zone` that of whoever asks; both decide what "yesterday" is. Choices that
/// English leaves open:
/// - Weeks begin on Monday, a weekend is Saturday and Sunday. Seasons are those of the north: spring is March to May,
///   and the winter of 2021 begins in December 2021.
/// - "last May" and "last Friday" are the latest that are over; "on Friday" is the latest before today, "this Friday"
///   that of this week, "next Friday" the first after today. "last week" is the calendar's, "the last week" ends today.
/// - "two weeks ago" is half a week on either side of that day, and so for months and years. A few is three, several
///   four.
/// - `3/4/2021` is read both ways, as two expressions; `3.4.2021` has the day first.
/// - Hours and parts of a day mean their day; what is counted towards the future ("in two weeks") is left out, because
///   it may as well say how long something took.
///
/// A date that does not exist (30 February), or that lies outside the years -9999 to 9999, is left out.
///
/// ```
/// use jiff::{Timestamp, tz::TimeZone};
/// use mnemon_recall::{TimeWords, expressions};
///
/// let asked_at: Timestamp = "2023-08-20T12:00:00Z".parse()?;
/// let times = expressions("What did I plant last May?", asked_at, &TimeZone::UTC, TimeWords::ENGLISH);
/// assert_eq!(times[0].span.to_string(), "2023-05-01T00:00:00Z..2023-06-01T00:00:00Z");
/// assert_eq!(&"What did I plant last May?"[times[0].range.clone()], "last May");
/// # Ok::<(), jiff::Error>(())
/// ```
#[must_use]
pub fn expressions(
    question: &str,
    asked_at: Timestamp,
    zone: &TimeZone,
    words: &'static TimeWords,
) -> Vec<TimeExpression> {
    let reader = Reader::new(question, words);
    let asked = Asked::new(asked_at, zone);
    let mut out = Vec::new();
    for found in reader.found() {
        let Some(range) = reader.bytes(&found.tokens) else { continue };
        let readings: &[&Phrase] = match &found.phrase {
            Phrase::Either(first, second) => &[first, second],
            phrase => &[phrase],
        };
        let resolved = readings.iter().filter_map(|phrase| asked.resolve(phrase));
        out.extend(resolved.filter_map(|days| TimeExpression::new(&found, range.clone(), days, zone)));
    }
    out
}
