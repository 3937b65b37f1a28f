//! Cues: what a text shows at a glance.

use crate::language::Language;

/// As many characters of a long text are read for the cues of its language: the head says what a turn is.
const HEAD_CHARS: usize = 1_500;

/// What a text shows at a glance, as bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cues(u32);

impl Cues {
    /// It ends as a question.
    pub const ENDS_AS_QUESTION: Self = Self(1);
    /// Some question is asked in it.
    pub const ASKS: Self = Self(1 << 1);
    /// It names a time.
    pub const TIME: Self = Self(1 << 2);
    /// It names a number.
    pub const NUMBER: Self = Self(1 << 3);
    /// Who speaks, speaks of themselves.
    pub const FIRST_PERSON: Self = Self(1 << 4);
    /// It gives an order that stands for all time.
    pub const STANDING_ORDER: Self = Self(1 << 5);
    /// It tells a preference.
    pub const PREFERENCE: Self = Self(1 << 6);
    /// It says that something is not so.
    pub const NEGATED: Self = Self(1 << 7);
    /// Its language is one whose cues are known.
    pub const READABLE: Self = Self(1 << 8);

    /// The cues of a text.
    pub(crate) fn of(text: &str) -> Self {
        let mut cues = Self::default();
        cues.set(Self::ENDS_AS_QUESTION, text.trim_end().ends_with(['?', '？', '؟']));
        cues.set(Self::ASKS, text.contains(['?', '？', '؟']));
        let head = text.char_indices().nth(HEAD_CHARS).and_then(|(end, _)| text.get(..end)).unwrap_or(text);
        if let Some(language) = Language::of(head) {
            cues.set(Self::TIME, language.time.is_match(head));
            cues.set(Self::NUMBER, language.number.is_match(head));
            cues.set(Self::FIRST_PERSON, language.first_person.is_match(head));
            cues.set(Self::STANDING_ORDER, language.standing_order.is_match(head));
            cues.set(Self::PREFERENCE, language.preference.is_match(head));
            cues.set(Self::NEGATED, language.negation.is_match(head));
            cues.set(Self::READABLE, true);
        }
        cues
    }

    /// The cues as they are stored. Bits that a newer version wrote are kept.
    #[must_use]
    pub fn from_bits(bits: u32) -> Self {
        Self(bits)
    }

    /// The bits to store.
    #[must_use]
    pub fn bits(self) -> u32 {
        self.0
    }

    /// Whether all of `other` are there.
    #[must_use]
    pub fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    fn set(&mut self, cue: Self, present: bool) {
        if present {
            self.0 |= cue.0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &[Cues]) {
        let bits = expected.iter().fold(0, |bits, cue| bits | cue.bits());
        assert_eq!(Cues::of(text), Cues::from_bits(bits), "{text:?}");
    }

    #[test]
    fn a_text_shows_its_cues() {
        check("", &[Cues::READABLE]);
        check("The ferry was late.", &[Cues::READABLE]);
        check("It isn't late.", &[Cues::READABLE, Cues::NEGATED]);
        check("Is it? It is.", &[Cues::READABLE, Cues::ASKS]);
        check(
            "We sold three of my boats last week, didn't we? ",
            &[
                Cues::READABLE,
                Cues::NEGATED,
                Cues::ENDS_AS_QUESTION,
                Cues::ASKS,
                Cues::TIME,
                Cues::NUMBER,
                Cues::FIRST_PERSON,
            ],
        );
        check(
            "Never use feet. I prefer metres.",
            &[Cues::READABLE, Cues::NEGATED, Cues::STANDING_ORDER, Cues::PREFERENCE, Cues::FIRST_PERSON],
        );
        check("你好吗？", &[Cues::ENDS_AS_QUESTION, Cues::ASKS]);
        // Only the head of a long text is read for them.
        check(&format!("{} I have 3", "and so on ".repeat(200)), &[Cues::READABLE]);
    }
}
