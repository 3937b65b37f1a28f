//! Questions and the times that they name.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use proptest::prelude::*;

use super::*;

/// A Sunday.
const AUGUST: &str = "2023-08-20";
/// A Wednesday.
const MARCH: &str = "2023-03-15";

fn at(date: &str) -> Timestamp {
    let date: Date = date.parse().unwrap();
    date.at(12, 0, 0, 0).to_zoned(TimeZone::UTC).unwrap().timestamp()
}

/// `text = relation from..to grain flags`, the days of the span in UTC.
fn show(question: &str, found: &TimeExpression) -> String {
    let day = |time: Timestamp| time.to_zoned(TimeZone::UTC).date();
    let (from, to) = (day(found.span.from), day(found.span.to));
    let flag = |on: bool, name: &'static str| if on { name } else { "" };
    format!(
        "{} = {:?} {from}..{to} {:?}{}{}{}",
        &question[found.range.clone()],
        found.relation,
        found.grain,
        flag(found.relative, " relative"),
        flag(!found.year_known, " any-year"),
        flag(found.approximate, " roughly"),
    )
}

fn check_with(words: &'static TimeWords, asked: &str, rows: &[(&str, &[&str])]) {
    let wrong: Vec<String> = rows
        .iter()
        .filter_map(|(question, want)| {
            let found = expressions(question, at(asked), &TimeZone::UTC, words);
            let got: Vec<String> = found.iter().map(|found| show(question, found)).collect();
            (got != *want).then(|| format!("{question:?}\n   got {got:?}\n  want {want:?}\n"))
        })
        .collect();
    assert!(wrong.is_empty(), "asked on {asked}:\n{}", wrong.concat());
}

fn check(asked: &str, rows: &[(&str, &[&str])]) {
    check_with(TimeWords::ENGLISH, asked, rows);
}

#[test]
fn months_and_days_of_a_year() {
    check(
        AUGUST,
        &[
            ("What did I read in March 2021?", &["March 2021 = During 2021-03-01..2021-04-01 Month"]),
            ("what did i read in may 2021", &["may 2021 = During 2021-05-01..2021-06-01 Month"]),
            ("Who came in June of 2021?", &["June of 2021 = During 2021-06-01..2021-07-01 Month"]),
            ("What did I say on 3 March 2021?", &["3 March 2021 = During 2021-03-03..2021-03-04 Day"]),
            ("What did I say on March 3rd, 2021?", &["March 3rd, 2021 = During 2021-03-03..2021-03-04 Day"]),
            ("Where were they on December 1,2023 then?", &["December 1,2023 = During 2023-12-01..2023-12-02 Day"]),
            ("the 3rd of March 2021", &["3rd of March 2021 = During 2021-03-03..2021-03-04 Day"]),
            ("on the first of May 2022", &["first of May 2022 = During 2022-05-01..2022-05-02 Day"]),
            ("the twenty-first of June 2022", &["twenty-first of June 2022 = During 2022-06-21..2022-06-22 Day"]),
            ("on Jan. 5, 2022", &["Jan. 5, 2022 = During 2022-01-05..2022-01-06 Day"]),
            ("on Tuesday, 3 May 2022, at noon", &["Tuesday, 3 May 2022 = During 2022-05-03..2022-05-04 Day"]),
            ("Which log is from 2021-03-03?", &["2021-03-03 = During 2021-03-03..2021-03-04 Day"]),
            ("Which log is from 2021-03-03T10:00Z?", &["2021-03-03 = During 2021-03-03..2021-03-04 Day"]),
            ("invoices of 2021-03", &["2021-03 = During 2021-03-01..2021-04-01 Month"]),
            ("on 13/3/2021", &["13/3/2021 = During 2021-03-13..2021-03-14 Day"]),
            ("on 3/13/2021", &["3/13/2021 = During 2021-03-13..2021-03-14 Day"]),
            ("on 3/3/2021", &["3/3/2021 = During 2021-03-03..2021-03-04 Day"]),
            (
                "on 3/4/2021",
                &["3/4/2021 = During 2021-03-04..2021-03-05 Day", "3/4/2021 = During 2021-04-03..2021-04-04 Day"],
            ),
            ("am 3.4.2021", &["3.4.2021 = During 2021-04-03..2021-04-04 Day"]),
            ("on 30 February 2022", &[]),
            ("on 2021-02-30 or 2021-13-01", &[]),
        ],
    );
}

#[test]
fn months_and_days_of_any_year() {
    check(
        AUGUST,
        &[
            ("What did I plant in March?", &["March = During 2023-03-01..2023-04-01 Month any-year"]),
            ("Who came in October?", &["October = During 2022-10-01..2022-11-01 Month any-year"]),
            ("Who came in August?", &["August = During 2023-08-01..2023-09-01 Month any-year"]),
            ("What happened on May 3rd?", &["May 3rd = During 2023-05-03..2023-05-04 Day any-year"]),
            ("What happened on 3 september?", &["3 september = During 2022-09-03..2022-09-04 Day any-year"]),
            ("Who was born on February 29?", &["February 29 = During 2020-02-29..2020-03-01 Day any-year"]),
            ("my May 3 appointment", &["May 3 = During 2023-05-03..2023-05-04 Day any-year"]),
            ("What was my June invoice?", &["June = During 2023-06-01..2023-07-01 Month any-year"]),
            (
                "June and July were hot, were they not?",
                &[
                    "June = During 2023-06-01..2023-07-01 Month any-year",
                    "July = During 2023-07-01..2023-08-01 Month any-year",
                ],
            ),
            ("the week of 3 March", &["week of 3 March = During 2023-02-27..2023-03-06 Week any-year"]),
            ("What did I get for Christmas?", &["Christmas = During 2022-12-25..2022-12-26 Day any-year"]),
            ("Who cooked on Christmas Eve 2021?", &["Christmas Eve 2021 = During 2021-12-24..2021-12-25 Day"]),
            ("the party at New Year's Eve", &["New Year's Eve = During 2022-12-31..2023-01-01 Day any-year"]),
            ("Which film at Thanksgiving 2022?", &["Thanksgiving 2022 = During 2022-11-24..2022-11-25 Day"]),
            ("Where was I at Easter 2023?", &["Easter 2023 = During 2023-04-09..2023-04-10 Day"]),
        ],
    );
}

#[test]
fn a_year_that_the_question_names_once_is_shared() {
    check(
        AUGUST,
        &[
            ("In 2021, what did I do in March?", &["March = During 2021-03-01..2021-04-01 Month"]),
            ("Last year, whom did I meet on 3 May?", &["3 May = During 2022-05-03..2022-05-04 Day relative"]),
            (
                "the bills of March, April and May 2021",
                &[
                    "March = During 2021-03-01..2021-04-01 Month",
                    "April = During 2021-04-01..2021-05-01 Month",
                    "May 2021 = During 2021-05-01..2021-06-01 Month",
                ],
            ),
        ],
    );
}

#[test]
fn years_seasons_and_decades() {
    check(
        AUGUST,
        &[
            ("What did I build in 2022?", &["2022 = During 2022-01-01..2023-01-01 Year"]),
            ("What was my 2022 budget?", &["2022 = During 2022-01-01..2023-01-01 Year"]),
            ("in the summer of 2021", &["summer of 2021 = During 2021-06-01..2021-09-01 Season"]),
            ("Where was I in winter 2021?", &["winter 2021 = During 2021-12-01..2022-03-01 Season"]),
            ("Where did we go in the fall?", &["fall = During 2022-09-01..2022-12-01 Season any-year"]),
            ("Where did I go last summer?", &["last summer = During 2022-06-01..2022-09-01 Season relative"]),
            ("Where will I go this spring?", &["this spring = During 2023-03-01..2023-06-01 Season relative"]),
            ("music in the 90s", &["90s = During 1990-01-01..2000-01-01 Decade"]),
            ("music in the '90s", &["90s = During 1990-01-01..2000-01-01 Decade"]),
            ("music of the 1980s", &["1980s = During 1980-01-01..1990-01-01 Decade"]),
            ("music of the nineties", &["nineties = During 1990-01-01..2000-01-01 Decade"]),
            ("music of the 20s", &["20s = During 2020-01-01..2030-01-01 Decade"]),
            ("in May of last year", &["May of last year = During 2022-05-01..2022-06-01 Month relative"]),
        ],
    );
}

#[test]
fn parts_of_a_time() {
    check(
        AUGUST,
        &[
            ("in early June 2022", &["early June 2022 = During 2022-06-01..2022-06-11 Week"]),
            ("early June", &["early June = During 2023-06-01..2023-06-11 Week any-year"]),
            ("in mid-2022", &["mid-2022 = During 2022-05-01..2022-09-01 Season"]),
            ("in late May 2022", &["late May 2022 = During 2022-05-21..2022-06-01 Week"]),
            ("at the end of last year", &["end of last year = During 2022-10-01..2023-01-01 Season relative roughly"]),
            ("by the end of the month", &["end of the month = During 2023-08-24..2023-09-01 Week relative"]),
            ("in the early 90s", &["early 90s = During 1990-01-01..1993-05-01 Year"]),
            (
                "the first half of September 2022",
                &["first half of September 2022 = During 2022-09-01..2022-09-16 Week"],
            ),
            ("late last night", &["late last night = During 2023-08-19..2023-08-20 Day relative"]),
            ("during the first week of May", &["first week of May = During 2023-05-01..2023-05-08 Week any-year"]),
            ("the 2nd week of November 2021", &["2nd week of November 2021 = During 2021-11-08..2021-11-15 Week"]),
            ("the last weekend of May 2022", &["last weekend of May 2022 = During 2022-05-28..2022-05-30 Day"]),
            ("the second Sunday in May 2022", &["second Sunday in May 2022 = During 2022-05-08..2022-05-09 Day"]),
            ("the last Friday in May 2022", &["last Friday in May 2022 = During 2022-05-27..2022-05-28 Day"]),
            ("the fifth Monday of February 2022", &[]),
        ],
    );
}

#[test]
fn times_relative_to_the_asking() {
    check(
        AUGUST,
        &[
            ("What did I plant last May?", &["last May = During 2023-05-01..2023-06-01 Month relative"]),
            ("What about last August?", &["last August = During 2022-08-01..2022-09-01 Month relative"]),
            ("What did I do today?", &["today = During 2023-08-20..2023-08-21 Day relative"]),
            ("What did I do yesterday?", &["yesterday = During 2023-08-19..2023-08-20 Day relative"]),
            ("the day before yesterday", &["day before yesterday = During 2023-08-18..2023-08-19 Day relative"]),
            ("What is due tomorrow?", &["tomorrow = During 2023-08-21..2023-08-22 Day relative"]),
            ("What did I eat last night?", &["last night = During 2023-08-19..2023-08-20 Day relative"]),
            ("What did I do last week?", &["last week = During 2023-08-07..2023-08-14 Week relative roughly"]),
            ("in last week's talk", &["last week's = During 2023-08-07..2023-08-14 Week relative roughly"]),
            ("the week before last", &["week before last = During 2023-07-31..2023-08-07 Week relative roughly"]),
            ("this month", &["this month = During 2023-08-01..2023-09-01 Month relative"]),
            ("last month", &["last month = During 2023-07-01..2023-08-01 Month relative roughly"]),
            ("last year", &["last year = During 2022-01-01..2023-01-01 Year relative roughly"]),
            ("over the last year", &["last year = During 2022-08-20..2023-08-21 Year relative roughly"]),
            ("in the past two months", &["past two months = During 2023-06-20..2023-08-21 Month relative roughly"]),
            ("the last 3 days", &["last 3 days = During 2023-08-17..2023-08-21 Day relative roughly"]),
            ("What happened 3 days ago?", &["3 days ago = During 2023-08-17..2023-08-18 Day relative roughly"]),
            ("two weeks ago", &["two weeks ago = During 2023-08-03..2023-08-10 Week relative roughly"]),
            (
                "a couple of months ago",
                &["a couple of months ago = During 2023-06-05..2023-07-05 Month relative roughly"],
            ),
            ("2-3 weeks ago", &["3 weeks ago = During 2023-07-27..2023-08-03 Week relative roughly"]),
            ("a year ago today", &["a year ago today = During 2022-02-20..2023-02-20 Year relative roughly"]),
            ("half a year ago", &["a year ago = During 2023-02-05..2023-03-07 Month relative roughly"]),
            (
                "two and a half years ago",
                &["two and a half years ago = During 2021-02-05..2021-03-07 Month relative roughly"],
            ),
            ("13 hours ago", &["13 hours ago = During 2023-08-19..2023-08-20 Day relative roughly"]),
            ("two weekends ago", &["two weekends ago = During 2023-08-05..2023-08-07 Day relative roughly"]),
            ("next month", &["next month = During 2023-09-01..2023-10-01 Month relative"]),
            ("last Christmas", &["last Christmas = During 2022-12-25..2022-12-26 Day relative"]),
        ],
    );
    check(
        MARCH,
        &[
            ("What did I plant last May?", &["last May = During 2022-05-01..2022-06-01 Month relative"]),
            ("last March", &["last March = During 2022-03-01..2022-04-01 Month relative"]),
            ("last winter", &["last winter = During 2022-12-01..2023-03-01 Season relative"]),
        ],
    );
}

#[test]
fn weekdays_and_weekends() {
    // Asked on a Sunday, which belongs to the weekend.
    check(
        AUGUST,
        &[
            ("last weekend", &["last weekend = During 2023-08-12..2023-08-14 Day relative roughly"]),
            ("this weekend", &["this weekend = During 2023-08-19..2023-08-21 Day relative"]),
            ("over the weekend", &["weekend = During 2023-08-19..2023-08-21 Day relative"]),
            ("on Sunday", &["Sunday = During 2023-08-13..2023-08-14 Day relative"]),
            ("this Friday", &["this Friday = During 2023-08-18..2023-08-19 Day relative"]),
        ],
    );
    check(
        MARCH,
        &[
            ("last weekend", &["last weekend = During 2023-03-11..2023-03-13 Day relative roughly"]),
            ("over the weekend", &["weekend = During 2023-03-11..2023-03-13 Day relative"]),
            ("this weekend", &["this weekend = During 2023-03-18..2023-03-20 Day relative"]),
            ("last Friday", &["last Friday = During 2023-03-10..2023-03-11 Day relative"]),
            ("What did I say on Monday?", &["Monday = During 2023-03-13..2023-03-14 Day relative"]),
            ("on Wednesday evening", &["Wednesday evening = During 2023-03-08..2023-03-09 Day relative"]),
            ("next Wednesday", &["next Wednesday = During 2023-03-22..2023-03-23 Day relative"]),
            ("the Friday before last", &["Friday before last = During 2023-03-03..2023-03-04 Day relative"]),
            ("from Monday to Friday", &["Monday to Friday = During 2023-03-06..2023-03-11 Day relative"]),
        ],
    );
}

#[test]
fn relations_and_ranges() {
    check(
        AUGUST,
        &[
            ("since January", &["January = Since 2023-01-01..2023-02-01 Month any-year"]),
            ("What have I read since 2021?", &["2021 = Since 2021-01-01..2022-01-01 Year"]),
            ("before June 2021", &["June 2021 = Before 2021-06-01..2021-07-01 Month"]),
            ("until the end of May 2021", &["end of May 2021 = Before 2021-05-24..2021-06-01 Week"]),
            ("after Christmas", &["Christmas = After 2022-12-25..2022-12-26 Day any-year"]),
            ("since the summer of 2021", &["summer of 2021 = Since 2021-06-01..2021-09-01 Season"]),
            ("from May 2021 onwards", &["May 2021 = Since 2021-05-01..2021-06-01 Month"]),
            ("around March 2021", &["March 2021 = During 2021-03-01..2021-04-01 Month roughly"]),
            ("between March and May 2021", &["March and May 2021 = During 2021-03-01..2021-06-01 Month"]),
            (
                "between November and February 2021",
                &["November and February 2021 = During 2020-11-01..2021-03-01 Month"],
            ),
            ("between May and November", &["May and November = During 2022-05-01..2022-12-01 Month any-year"]),
            (
                "between August 11 and August 15 2022",
                &["August 11 and August 15 2022 = During 2022-08-11..2022-08-16 Day"],
            ),
            ("from 2019 to 2021", &["2019 to 2021 = During 2019-01-01..2022-01-01 Year"]),
            ("the years 2019-2021", &["2019-2021 = During 2019-01-01..2022-01-01 Year"]),
            ("on 3-5 March 2021", &["3-5 March 2021 = During 2021-03-03..2021-03-06 Day"]),
            ("March 3 to 5, 2021", &["March 3 to 5, 2021 = During 2021-03-03..2021-03-06 Day"]),
            ("from 3 March to 5 April 2021", &["3 March to 5 April 2021 = During 2021-03-03..2021-04-06 Day"]),
            ("the week before August 3, 2022", &["week before August 3, 2022 = During 2022-07-27..2022-08-03 Week"]),
            (
                "two weeks before August 11, 2022",
                &["two weeks before August 11, 2022 = During 2022-07-25..2022-08-01 Week roughly"],
            ),
            (
                "on the Sunday before October 25, 2022",
                &["Sunday before October 25, 2022 = During 2022-10-23..2022-10-24 Day"],
            ),
            ("half a year before June 2021", &["June 2021 = Before 2021-06-01..2021-07-01 Month"]),
            ("the last two days of May 2021", &["May 2021 = During 2021-05-01..2021-06-01 Month"]),
            ("the day after Christmas", &["day after Christmas = During 2022-12-26..2022-12-27 Day any-year"]),
        ],
    );
}

#[test]
fn words_that_only_look_like_dates() {
    let none = [
        "May I ask where I may go?",
        "Which of the 3 may go?",
        "may 3 people come?",
        "this may be wrong",
        "What did May say about the garden?",
        "What does April think of June?",
        "Did they march to the square?",
        "I march 3 times a day",
        "Give me a second.",
        "Who came second?",
        "How many calories are 2000 calories?",
        "Did I pay $2021 or 2021%?",
        "Call 555-2021 or see v2021.04 and /2021/x",
        "What is 2,021 plus 1999.5?",
        "Who sat in the sun, and who wed?",
        "Did I fall in spring water?",
        "What colour is my Christmas tree?",
        "What do I eat on every Monday and each Friday?",
        "What did I get on Black Friday deals?",
        "Where did I work in my 20s?",
        "How did I learn it in two weeks?",
        "My last year at university was hard.",
        "What is the last week of the tour?",
        "I am at my one-year review, a week late.",
        "When was the last time? At the last minute.",
        "What did I do 999999999 years ago?",
        "And 99999999999999999999999 days ago, or 0 days ago?",
        "in the past 4294967295 decades",
        "Version 2.0.2021.3 of 10k units",
        "Did the next day go well?",
        "Is there a Monday.com account in the summer house?",
        "",
        "?!… \u{301}\u{0}",
    ];
    let rows: Vec<(&str, &[&str])> = none.iter().map(|question| (*question, &[] as &[&str])).collect();
    check(AUGUST, &rows);
}

#[test]
fn other_languages_have_iso_dates_and_years() {
    check_with(
        TimeWords::NONE,
        AUGUST,
        &[
            ("Was habe ich 2022 im Mai gemacht?", &["2022 = During 2022-01-01..2023-01-01 Year"]),
            ("2021年3月に何をしましたか。2021-03-03?", &["2021-03-03 = During 2021-03-03..2021-03-04 Day"]),
            ("¿Qué pasó el 2021-03-03 o el 3/14/2021?", &["2021-03-03 = During 2021-03-03..2021-03-04 Day"]),
            ("yesterday, last May, in March, on Monday, the 90s", &[]),
        ],
    );
}

#[test]
fn case_does_not_matter() {
    check(
        AUGUST,
        &[
            ("WHAT DID I DO LAST MAY?", &["LAST MAY = During 2023-05-01..2023-06-01 Month relative"]),
            ("what did i do in the summer of 2021?", &["summer of 2021 = During 2021-06-01..2021-09-01 Season"]),
            ("été: in MÄRZ or in march 2021", &["march 2021 = During 2021-03-01..2021-04-01 Month"]),
        ],
    );
}

#[test]
fn the_zone_says_when_a_day_begins() {
    let zone = TimeZone::fixed(jiff::tz::offset(9));
    let asked_at = "2023-08-20T20:00:00Z".parse().unwrap();
    let found = expressions("What did I do today?", asked_at, &zone, TimeWords::ENGLISH);
    assert_eq!(found[0].span.to_string(), "2023-08-20T15:00:00Z..2023-08-21T15:00:00Z");
}

#[test]
fn the_ends_of_the_calendar_are_no_error() {
    let questions = [
        "yesterday",
        "last week",
        "last winter",
        "tomorrow",
        "next decade",
        "the past two decades",
        "in March",
        "9999-12-31",
        "0000-01-01",
        "the 90s",
        "last Friday",
        "next weekend",
        "at Easter",
        "last Easter",
        "in May last year",
        "the week before last",
        "between May and November",
        "5000 years ago",
        "12 hours ago",
        "the week before 0000-01-01",
    ];
    for asked_at in [Timestamp::MIN, Timestamp::MAX, at("0000-01-01"), at("9999-12-28"), at("-009999-01-03")] {
        for question in questions {
            for offset in [-25, 0, 25] {
                let zone = TimeZone::fixed(jiff::tz::offset(offset));
                let found = expressions(question, asked_at, &zone, TimeWords::ENGLISH);
                assert!(found.iter().all(|found| found.span.from < found.span.to));
                assert!((0.0..=1.0).contains(&agreement(&found, asked_at)));
                assert!((0.0..=1.0).contains(&agreement(&found, Timestamp::MAX)));
            }
        }
    }
    check("9999-12-28", &[("today", &["today = During 9999-12-28..9999-12-29 Day relative"]), ("9999-12-31", &[])]);
}

#[test]
fn a_window_is_the_side_that_is_asked_for() {
    let window = |question: &str| {
        let found = expressions(question, at(AUGUST), &TimeZone::UTC, TimeWords::ENGLISH);
        let window = found[0].window();
        [at("2021-05-31"), at("2021-06-15"), at("2021-07-01")].map(|time| window.contains(time))
    };
    assert_eq!(window("in June 2021"), [false, true, false]);
    assert_eq!(window("before June 2021"), [true, false, false]);
    assert_eq!(window("after June 2021"), [false, false, true]);
    assert_eq!(window("since June 2021"), [false, true, true]);
}

/// Sentences of the words that mean something here, in any order.
fn sentence() -> impl Strategy<Value = String> {
    let words = [
        "last",
        "next",
        "this",
        "the",
        "past",
        "two",
        "a",
        "couple of",
        "few",
        "weeks",
        "week",
        "month",
        "year",
        "ago",
        "before",
        "after",
        "since",
        "between",
        "and",
        "to",
        "from",
        "of",
        "in",
        "on",
        "May",
        "march",
        "June",
        "Sunday",
        "weekend",
        "summer",
        "fall",
        "Christmas",
        "Easter",
        "early",
        "mid-",
        "end of",
        "first",
        "3rd",
        "31",
        "2021",
        "90s",
        "1999s",
        "2021-02-29",
        "3/4/2021",
        "29.2.2024",
        ",",
        "?",
        "-",
        "I",
        "was",
        "trip",
        "when",
        "Ünder",
        "99999999",
        "yesterday",
        "half",
        "and a half",
        "decade",
        "day",
        "29 February",
        "my",
        "before last",
        "morning",
    ];
    prop::collection::vec(prop::sample::select(words.to_vec()), 0..14).prop_map(|words| words.join(" "))
}

fn whole(question: &str, asked_at: Timestamp, offset: i8, words: &'static TimeWords) -> Result<(), TestCaseError> {
    let zone = TimeZone::fixed(jiff::tz::offset(offset));
    let found = expressions(question, asked_at, &zone, words);
    prop_assert_eq!(&found, &expressions(question, asked_at, &zone, words));
    for time in &found {
        prop_assert!(time.span.from < time.span.to);
        prop_assert!(question.get(time.range.clone()).is_some_and(|text| !text.is_empty()));
    }
    let disjoint = |pair: &[TimeExpression]| pair[0].range == pair[1].range || pair[0].range.end <= pair[1].range.start;
    prop_assert!(found.windows(2).all(disjoint));
    prop_assert!((0.0..=1.0).contains(&agreement(&found, asked_at)));

    let events = anchors(question, words);
    prop_assert_eq!(&events, &anchors(question, words));
    for event in &events {
        prop_assert!(question.get(event.range.clone()).is_some_and(|text| !text.trim().is_empty()));
        prop_assert!(
            found.iter().all(|time| time.range.end <= event.range.start || event.range.end <= time.range.start)
        );
    }
    prop_assert!(events.windows(2).all(|pair| pair[0].range.end <= pair[1].range.start));
    Ok(())
}

proptest! {
    #[test]
    fn any_text_is_read(question in any::<String>(), asked in any::<i64>(), offset in -25_i8..=25) {
        let asked_at = Timestamp::from_second(asked % 253_402_200_000).unwrap();
        whole(&question, asked_at, offset, TimeWords::ENGLISH)?;
        whole(&question, asked_at, offset, TimeWords::NONE)?;
    }

    #[test]
    fn any_sentence_about_time_is_read(question in sentence(), asked in any::<i64>(), offset in -25_i8..=25) {
        let asked_at = Timestamp::from_second(asked % 253_402_200_000).unwrap();
        whole(&question, asked_at, offset, TimeWords::ENGLISH)?;
        whole(&question, asked_at, offset, TimeWords::NONE)?;
    }

    /// Against a plain model of the calendar: the day is found however it is written, and fits itself.
    #[test]
    fn a_day_is_found_however_it_is_written(days in 0_i64..60_000, style in 0_usize..5) {
        let day = Date::new(1930, 1, 1).unwrap().checked_add(jiff::Span::new().days(days)).unwrap();
        let styles = ["%Y-%m-%d", "%-d %B %Y", "%B %-d, %Y", "%d.%m.%Y", "%b %-d %Y"];
        let question = format!("What happened on {}?", day.strftime(styles[style]));
        let found = expressions(&question, at(AUGUST), &TimeZone::UTC, TimeWords::ENGLISH);
        prop_assert_eq!(found.len(), 1, "{}", question);
        prop_assert_eq!(found[0].span.from, day.to_zoned(TimeZone::UTC).unwrap().timestamp());
        prop_assert_eq!(agreement(&found, at(&day.to_string())), 1.0);
    }
}
