//! The shape of a language's words for time.

use jiff::civil::Weekday;

use super::Relation;

/// A list of entries; an entry is one or more words in lower case, without a possessive `'s`, with one space between.
pub(super) type List = &'static [&'static str];
/// Entries and what they mean.
pub(super) type Table<T> = &'static [(&'static str, T)];

/// What a language calls the times: data for [`expressions`](crate::expressions) and [`anchors`](crate::anchors).
///
/// The order of the words (number, unit, "ago") is that of English; a language with another order needs more than
/// another table.
#[derive(Debug)]
pub struct TimeWords {
    pub(super) months: Table<(i8, Trust)>,
    pub(super) weekdays: Table<(Weekday, Trust)>,
    /// Seasons of the north by their first month; each has three.
    pub(super) seasons: Table<(i8, Trust)>,
    pub(super) holidays: Table<Holiday>,
    /// Units in the singular and in the plural, and how many of them one is.
    pub(super) units: &'static [(&'static str, &'static str, Unit, i64)],
    pub(super) counts: Table<i64>,
    pub(super) ordinals: Table<u8>,
    /// Decades by their last two digits.
    pub(super) decades: Table<u32>,
    /// Days by their distance from today.
    pub(super) days: Table<i64>,
    pub(super) parts: Table<Part>,
    pub(super) shifts: Table<Shift>,
    /// "before last", after a unit or a weekday.
    pub(super) before_last: List,
    /// "past" and "last", before a count and a unit, or after an article.
    pub(super) rolling: List,
    pub(super) ago: List,
    pub(super) half: List,
    pub(super) and_half: List,
    /// "last", before a unit of something: the last week of May.
    pub(super) final_one: List,
    /// "before" and "after", between a count of units and a date.
    pub(super) beside: Table<bool>,
    pub(super) relations: Table<Relation>,
    pub(super) article: List,
    pub(super) of: List,
    pub(super) of_in: List,
    pub(super) on: List,
    /// What may open a stretch from one time to another, and what stands between the two.
    pub(super) between: List,
    pub(super) to: List,
    pub(super) and: List,
    /// "from", which means "since" before what `onwards` follows.
    pub(super) from: List,
    pub(super) onwards: List,
    /// Words that make the weekday after them mean every such day.
    pub(super) recurring: List,
    /// Words that make of the next word another name: "Black Friday".
    pub(super) foreign: List,
    /// Words before a time that let even a doubtful one stand.
    pub(super) cues: List,
    /// Words before a time that let a doubtful one stand where the phrase ends after it.
    pub(super) loose_cues: List,
    /// Words before a number that make it a year, whatever singular follows.
    pub(super) year_cues: List,
    pub(super) possessives: List,
    /// Words before a time that say that it is meant roughly.
    pub(super) roughly: List,
    /// Parts of a day, which follow a weekday.
    pub(super) day_parts: List,
    /// Words that carry no thing: articles, pronouns, auxiliary verbs, prepositions, conjunctions, question words.
    pub(super) function: List,
    /// A date may be written 3/4/2021.
    pub(super) slashes: bool,
    pub(super) events: EventWords,
}

/// Words around an event that dates a memory: "before the trip".
#[derive(Debug)]
pub(super) struct EventWords {
    pub(super) relations: Table<(Relation, EventCue)>,
    /// Words before a relation word that make it part of a verb: "look after".
    pub(super) verbs: List,
    /// Nouns that name a habit and not an event: "after work".
    pub(super) habits: List,
    /// Words that begin a noun phrase.
    pub(super) determiners: List,
    pub(super) pronouns: List,
    /// Verbs that may follow a pronoun in a clause.
    pub(super) past_verbs: List,
    /// The ending of the other verbs in the past.
    pub(super) past_endings: List,
    /// Words that end the phrase.
    pub(super) stops: List,
    /// Verbs of the present: what they follow asks, or is a habit.
    pub(super) present: List,
    /// Words that are no event by themselves.
    pub(super) empty: List,
}

/// How sure a word is to introduce an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum EventCue {
    /// Whatever follows: "before", "after", "during".
    Any,
    /// A noun phrase, or a clause in the past: "since" may also give a reason.
    Past,
    /// A determiner, a pronoun or a name: "when" also asks.
    Subject,
}

/// How sure a word is to mean a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trust {
    /// It has no other meaning.
    Sure,
    /// It is also a name, or short for something else.
    Name,
    /// It is also a common verb or noun.
    Common,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    Minute,
    Hour,
    Day,
    Weekend,
    Week,
    Month,
    Year,
    Decade,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shift {
    BeforeLast,
    Last,
    /// The latest that has begun.
    Nearest,
    This,
    Next,
}

/// A stretch of a time, in twelfths of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) from: u8,
    pub(super) to: u8,
}

/// A day of each year.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Holiday {
    Fixed {
        month: i8,
        day: i8,
    },
    /// The nth such weekday of a month.
    Nth {
        month: i8,
        nth: i8,
        weekday: Weekday,
    },
    /// So many days after Easter Sunday.
    Easter(i64),
}
