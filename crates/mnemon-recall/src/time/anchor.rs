//! Events that date something: "before the trip".

use std::ops::Range;

use super::reader::Reader;
use super::token::{Suffix, TokenKind};
use super::words::EventCue;
use super::{Relation, TimeWords};

/// The longest phrase of an event, in words.
const MAX_WORDS: usize = 6;

/// An event by which a question dates what it asks for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Anchor {
    /// On which side of the event the question looks.
    pub relation: Relation,
    /// The bytes of the question that name the event, on character boundaries: "the trip" of "before the trip".
    pub range: Range<usize>,
}

/// The events by which a question dates what it asks for, in order and without overlap: "before the trip", "since the
/// wedding", "when we moved to Berlin".
///
/// An event is a noun phrase or a short clause of at most 6 words, up to a mark, the next clause or a date. When it
/// was is not known here: whoever asks searches for its words. Habits ("after work"), dates ("before June", which
/// [`expressions`](crate::expressions) finds), questions ("when did I move?") and reasons ("since I am a
/// vegetarian") are none.
///
/// ```
/// use mnemon_recall::{Relation, TimeWords, anchors};
///
/// let question = "What did I buy before my trip to Oslo?";
/// let found = anchors(question, TimeWords::ENGLISH);
/// assert_eq!(found[0].relation, Relation::Before);
/// assert_eq!(&question[found[0].range.clone()], "my trip to Oslo");
/// ```
#[must_use]
pub fn anchors(question: &str, words: &'static TimeWords) -> Vec<Anchor> {
    let reader = Reader::new(question, words);
    let dates: Vec<Range<usize>> = reader.found().into_iter().map(|found| found.tokens).collect();
    let mut out = Vec::new();
    let mut at = 0;
    while at < reader.tokens.len() {
        let next = reader.event(at, &dates);
        at = next.as_ref().map_or(at + 1, |(_, tokens)| tokens.end);
        out.extend(next.and_then(|(relation, tokens)| Some(Anchor { relation, range: reader.bytes(&tokens)? })));
    }
    out
}

impl Reader {
    fn event(&self, at: usize, dates: &[Range<usize>]) -> Option<(Relation, Range<usize>)> {
        let words = &self.words.events;
        let ((relation, cue), start) = self.lookup(at, words.relations)?;
        let dated = dates.get(dates.partition_point(|date| date.end <= at)).is_some_and(|date| date.start <= at);
        if self.behind(at, words.verbs).is_some() || dated {
            return None;
        }
        let clause = self.any(start, words.pronouns);
        let determined = self.any(start, words.determiners).is_some();
        let introduced = clause.is_some() || determined || self.capital(start);
        let asks = self.stops(start) && clause.is_none() && !determined;
        let past = clause.is_none_or(|verb| self.past(verb));
        let fits = match cue {
            EventCue::Any => true,
            EventCue::Past => past,
            EventCue::Subject => introduced,
        };
        // "before 10", "after 5pm": a time of day or a count.
        let counted = matches!(
            self.kind(start),
            Some(TokenKind::Number { suffix: Suffix::None, .. } | TokenKind::Other | TokenKind::Dotted { .. })
        );
        if !fits || counted || asks {
            return None;
        }
        let verb = match clause {
            Some(verb) => Some(verb).filter(|verb| self.past(*verb)),
            None if cue == EventCue::Subject => {
                (start..start + MAX_WORDS).find(|at| self.stops(*at)).filter(|at| self.past(*at))
            }
            None => None,
        };
        let limit =
            dates.get(dates.partition_point(|date| date.start < start)).map_or(self.tokens.len(), |date| date.start);
        let end = self.event_end(start, verb, limit);
        // "when Jon is planning to move" asks, or is a habit.
        if cue == EventCue::Subject && self.any(end, words.present).is_some() {
            return None;
        }
        let end = self.trimmed(start, end);
        let told = |at: usize| {
            matches!(self.kind(at), Some(TokenKind::Word { .. }))
                && self.any(at, self.words.function).is_none()
                && self.any(at, words.empty).is_none()
        };
        let content: Vec<usize> = (start..end).filter(|at| told(*at)).collect();
        let habit = matches!(content.as_slice(), [one] if !introduced && self.any(*one, words.habits).is_some());
        (!content.is_empty() && !habit).then_some((relation, start..end))
    }

    /// A verb in the past, which a pronoun may stand before.
    fn past(&self, at: usize) -> bool {
        let words = &self.words.events;
        let ends = |token: &super::token::Token| words.past_endings.iter().any(|end| token.word.ends_with(end));
        self.any(at, words.past_verbs).is_some() || self.tokens.get(at).is_some_and(ends)
    }

    fn stops(&self, at: usize) -> bool {
        self.any(at, self.words.events.stops).is_some()
    }

    /// The end of a phrase: before a mark, a word that begins a clause, or a date. `verb` is the verb of
    /// the clause itself.
    fn event_end(&self, start: usize, verb: Option<usize>, limit: usize) -> usize {
        let mut end = start;
        let mut count = 0;
        while end < limit {
            let within = self.glued(end) && self.glued(end + 1) && (self.is_mark(end, '-') || self.is_mark(end, '\''));
            match self.kind(end) {
                Some(TokenKind::Mark(_)) if within => {}
                None | Some(TokenKind::Mark(_)) => break,
                Some(_) if count == MAX_WORDS => break,
                Some(_) => {
                    if self.stops(end) && end != start && Some(end) != verb {
                        break;
                    }
                    // A word after a hyphen is the same word.
                    count += usize::from(!self.glued(end) || end == start);
                }
            }
            end += 1;
        }
        end
    }

    /// The end without the prepositions and marks that are left over: "the trip" of "the trip in May".
    fn trimmed(&self, start: usize, mut end: usize) -> usize {
        let empty = |at: usize| {
            self.any(at, self.words.function).is_some() || matches!(self.kind(at), Some(TokenKind::Mark(_)))
        };
        // A part of a word with a hyphen stays.
        while end > start && empty(end - 1) && !(self.glued(end - 1) && end - 1 > start) {
            end -= 1;
        }
        end
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(question: &str, want: &[&str]) {
        let found = anchors(question, TimeWords::ENGLISH);
        let got: Vec<String> =
            found.iter().map(|found| format!("{:?} {}", found.relation, &question[found.range.clone()])).collect();
        assert_eq!(got, want, "{question:?}");
    }

    #[test]
    fn events_are_found() {
        check("What did I buy before the trip?", &["Before the trip"]);
        check("How did I sleep after my surgery, and why?", &["After my surgery"]);
        check("Whom have I met since the wedding?", &["Since the wedding"]);
        check("What did Ann say during the conference in Oslo?", &["During the conference in Oslo"]);
        check("Where did I shop when we moved?", &["During we moved"]);
        check("When we moved to Berlin, what did I buy?", &["During we moved to Berlin"]);
        check("What did I do after I was in hospital?", &["After I was in hospital"]);
        check("Before the trip what did I pack?", &["Before the trip"]);
        check("What did I know prior to joining Acme Corp.?", &["Before joining Acme Corp"]);
        check("Did I cook while my sister's family was here?", &["During my sister's family"]);
        check("What changed after the fall and before the check-up?", &["After the fall", "Before the check-up"]);
        check("What did I do after my trip last May?", &["After my trip"]);
        check("What did I eat after the race in June?", &["After the race"]);
        check("What have I read since I moved?", &["Since I moved"]);
        check("How was it after my 30th birthday?", &["After my 30th birthday"]);
        check("Did I cook while my sister was ill?", &["During my sister was ill"]);
        check("When Ada planted tomatoes did she smile?", &["During Ada planted tomatoes"]);
        check("what did i do after surgery", &["After surgery"]);
    }

    #[test]
    fn a_phrase_has_at_most_six_words() {
        check("after the one two three four five six seven", &["After the one two three four five"]);
    }

    #[test]
    fn what_dates_or_asks_or_gives_a_reason_is_no_event() {
        for question in [
            "What did I do before June?",
            "What did I do after the first week of May?",
            "before the summer of 2021",
            "since last week",
            "the week before last",
            "the day before yesterday",
            "two days after Christmas",
            "When did I move to Berlin?",
            "When is the wedding?",
            "When exactly did it rain?",
            "When Jon is planning to move?",
            "After how many weeks did it end?",
            "Have I been there before?",
            "What do I do after work?",
            "Do I read before bed, or during the day?",
            "Who looks after my cat?",
            "What was it named after?",
            "Since I'm a vegetarian, what can I eat?",
            "Since I like rice, what can I eat?",
            "After all, what is it?",
            "since then, after that, before long",
            "before 10 or after 5pm",
            "It took a while.",
            "before",
            "",
        ] {
            check(question, &[]);
        }
        assert_eq!(anchors("What did I buy before the trip?", TimeWords::NONE), []);
    }
}
