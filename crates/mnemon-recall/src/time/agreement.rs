//! How well the time of a memory fits the dates of a question.

use jiff::civil::Date;
use jiff::{Span, Timestamp};

use super::resolve::days_between;
use super::{Grain, Relation, TimeExpression};

/// What lasts this many days or longer (a year, a decade) narrows a search little.
const LONG_DAYS: i64 = 300;
/// What a long time counts where it fits: a weak signal, which still parts memories of several years.
const LONG: f32 = 0.5;
/// How far beyond its edges an approximate time reaches, in its grain. Its span is half a grain on either side of the
/// point that is meant, so that two grains from the point nothing is left.
const REACH: f32 = 1.5;

/// How well a memory's time fits the dates of a question, from 0 (not at all, or no dates) to 1; the best over the
/// dates. Times are compared by their days in the zone of the question.
///
/// - Within a day, a week, a month or a season that is named: 1. Within a year or something longer: 0.5.
/// - People tell of things afterwards. Around a day or a week: up to 2 days after a day, or 3 after a week, 1; up to 14
///   days after, 0.6; up to 3 days before, 0.3. Around a month or a longer time: 0.
/// - A rough time ([`TimeExpression::approximate`]) falls off evenly to 0 at one and a half of its grain outside its
///   span, or as above where that is more.
/// - Where the year is not known, the best of all years.
/// - "before", "after" and "since": the mean of being on that side (1 or 0) and of fitting the time that is named. So
///   what lies on the right side has at least 0.5, and more near the date.
///
/// The values for days and months are those of a study of ours on which memories answer questions with dates in them.
/// Costs a few calendar steps for each expression.
#[must_use]
pub fn agreement(dates: &[TimeExpression], time: Timestamp) -> f32 {
    dates.iter().map(|date| one(date, time)).fold(0.0, f32::max)
}

fn one(date: &TimeExpression, time: Timestamp) -> f32 {
    let near = nearness(date, time);
    match date.relation {
        Relation::During => near,
        Relation::Before | Relation::After | Relation::Since => {
            let side = if date.window().contains(time) { 1.0 } else { 0.0 };
            f32::midpoint(side, near)
        }
    }
}

fn nearness(date: &TimeExpression, time: Timestamp) -> f32 {
    let day = |time: Timestamp| time.to_zoned(date.zone.clone()).date();
    let (from, to, time) = (day(date.span.from), day(date.span.to), day(time));
    if date.year_known {
        return fit(date, from, to, time);
    }
    let years = i64::from(time.year()) - i64::from(from.year());
    let moved = (years - 1..=years + 1).filter_map(|years| Some((move_years(from, years)?, move_years(to, years)?)));
    moved.map(|(from, to)| fit(date, from, to, time)).fold(0.0, f32::max)
}

fn move_years(date: Date, years: i64) -> Option<Date> {
    date.checked_add(Span::new().try_years(years).ok()?).ok()
}

fn fit(date: &TimeExpression, from: Date, to: Date, time: Date) -> f32 {
    let (early, late) = (days_between(time, from), days_between(to, time) + 1);
    let told = match (date.grain, early, late) {
        (_, ..=0, ..=0) => 1.0,
        (Grain::Day, _, 1..=2) | (Grain::Week, _, 1..=3) => 1.0,
        (Grain::Day | Grain::Week, _, 1..=14) => 0.6,
        (Grain::Day | Grain::Week, 1..=3, _) => 0.3,
        _ => 0.0,
    };
    let distance = early.max(late).max(0) as f32;
    let rough = if date.approximate { 1.0 - distance / (REACH * date.grain.days()) } else { 0.0 };
    let strength = if days_between(from, to) >= LONG_DAYS { LONG } else { 1.0 };
    strength * rough.max(told)
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::*;
    use crate::time::{TimeWords, expressions};

    fn at(date: &str) -> Timestamp {
        let date: Date = date.parse().unwrap();
        date.at(21, 30, 0, 0).to_zoned(TimeZone::UTC).unwrap().timestamp()
    }

    /// Asked on a Wednesday.
    fn check(question: &str, want: &[(&str, f32)]) {
        let dates = expressions(question, at("2023-08-16"), &TimeZone::UTC, TimeWords::ENGLISH);
        for (time, value) in want {
            let got = agreement(&dates, at(time));
            assert!((got - value).abs() < 0.005, "{question:?} and {time}: got {got}, want {value}");
        }
    }

    #[test]
    fn what_is_named_fits() {
        check("in March 2021", &[("2021-02-28", 0.0), ("2021-03-01", 1.0), ("2021-03-31", 1.0), ("2021-04-01", 0.0)]);
        check("in March 2021", &[("2022-03-10", 0.0)]);
        check("in the summer of 2021", &[("2021-05-31", 0.0), ("2021-06-01", 1.0), ("2021-08-31", 1.0)]);
        check("in 2021", &[("2020-12-31", 0.0), ("2021-01-01", 0.5), ("2021-12-31", 0.5), ("2022-01-01", 0.0)]);
        check("in the 90s", &[("1989-12-31", 0.0), ("1994-01-01", 0.5)]);
        check("no date at all", &[("2023-08-16", 0.0)]);
    }

    #[test]
    fn days_and_weeks_are_told_of_afterwards() {
        let day = [("03-09", 0.0), ("03-10", 0.3), ("03-12", 0.3), ("03-13", 1.0), ("03-15", 1.0), ("03-16", 0.6)];
        let late = [("03-27", 0.6), ("03-28", 0.0)];
        for (time, value) in day.into_iter().chain(late) {
            check("on 13 March 2021", &[(&format!("2021-{time}"), value)]);
        }
        check("the week of 10 March 2021", &[("2021-03-04", 0.0), ("2021-03-05", 0.3), ("2021-03-08", 1.0)]);
        check("the week of 10 March 2021", &[("2021-03-17", 1.0), ("2021-03-18", 0.6), ("2021-03-29", 0.0)]);
    }

    #[test]
    fn without_a_year_every_year_fits() {
        check("in March", &[("2019-03-31", 1.0), ("2023-03-01", 1.0), ("2020-04-01", 0.0)]);
        check("on 31 December", &[("2019-12-31", 1.0), ("2020-01-02", 1.0), ("2020-01-10", 0.6), ("2019-12-28", 0.3)]);
        check("in winter", &[("2019-12-31", 1.0), ("2020-02-29", 1.0), ("2020-03-01", 0.0)]);
        check("last March", &[("2023-03-10", 1.0), ("2022-03-10", 0.0)]);
    }

    #[test]
    fn rough_times_fade() {
        // 31 July to 6 August, then 10.5 days to nothing, or the telling afterwards.
        check(
            "two weeks ago",
            &[("2023-07-30", 1.0), ("2023-07-29", 0.905), ("2023-07-20", 0.048), ("2023-07-19", 0.0)],
        );
        check("two weeks ago", &[("2023-08-05", 1.0), ("2023-08-10", 0.6), ("2023-08-16", 0.6)]);
        check("last month", &[("2023-07-01", 1.0), ("2023-06-16", 0.667), ("2023-05-10", 0.0)]);
        check("yesterday", &[("2023-08-15", 1.0), ("2023-08-16", 1.0), ("2023-08-12", 0.3), ("2023-08-11", 0.0)]);
        check("around March 2021", &[("2021-03-10", 1.0), ("2021-04-15", 0.667), ("2021-03-31", 1.0)]);
        check("two years ago", &[("2021-08-16", 0.5), ("2020-02-01", 0.152)]);
    }

    #[test]
    fn sides_count_half_and_nearness_the_rest() {
        check(
            "before June 2021",
            &[("2020-01-01", 0.5), ("2021-05-31", 0.5), ("2021-06-10", 0.5), ("2021-07-01", 0.0)],
        );
        check("since June 2021", &[("2021-05-31", 0.0), ("2021-06-10", 1.0), ("2023-01-01", 0.5)]);
        check(
            "after 13 March 2021",
            &[("2021-03-12", 0.15), ("2021-03-14", 1.0), ("2021-03-20", 0.8), ("2023-01-01", 0.5)],
        );
    }

    #[test]
    fn the_best_of_several_dates_counts() {
        check("on 3/4/2021", &[("2021-03-04", 1.0), ("2021-04-03", 1.0), ("2021-05-03", 0.0)]);
        check("in 2021 or on 3 May 2022", &[("2021-07-01", 0.5), ("2022-05-03", 1.0)]);
    }
}
