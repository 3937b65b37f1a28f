//! What costs tokens and is no text: images, sounds, files, the thoughts of a model.
//!
//! Compaction weighs messages by their text. Such a part stands in it as a line that says what it is, with its tokens
//! behind that in noncharacters of Unicode, which are "intended for process-internal uses" and stand in no text that
//! anybody sends. [`ChatCounter`] counts them for what they say.

use mnemon::TokenCounter;

/// Begins a number.
const MARK: char = '\u{fdd0}';
/// Its digits, to the base 16.
const DIGITS: std::ops::RangeInclusive<char> = '\u{fdd1}'..='\u{fde0}';

/// So many tokens, as marks.
pub(super) fn marks(tokens: usize) -> String {
    let hex = format!("{tokens:x}");
    let digits = hex.chars().filter_map(|digit| char::from_u32(0xfdd1 + digit.to_digit(16)?));
    std::iter::once(MARK).chain(digits).collect()
}

/// The text without marks.
pub(crate) fn without_marks(text: &str) -> String {
    text.chars().filter(|c| !is_mark(*c)).collect()
}

fn is_mark(c: char) -> bool {
    c == MARK || DIGITS.contains(&c)
}

/// Counts a text as another counter does, and marks for what they say.
#[derive(Clone, Copy)]
pub(crate) struct ChatCounter<'a>(pub(crate) &'a dyn TokenCounter);

impl TokenCounter for ChatCounter<'_> {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn count(&self, text: &str) -> usize {
        if !text.contains(MARK) {
            return self.0.count(text);
        }
        let mut tokens = self.0.count(&without_marks(text));
        for rest in text.split(MARK).skip(1) {
            let digits = rest.chars().take_while(|c| DIGITS.contains(c));
            let number = digits.fold(0usize, |number, c| {
                number.saturating_mul(16).saturating_add((u32::from(c) as usize).saturating_sub(0xfdd1))
            });
            tokens = tokens.saturating_add(number);
        }
        tokens
    }
}

#[cfg(test)]
mod tests {
    use mnemon::EstimateCounter;

    use super::*;

    #[test]
    fn marks_count_for_what_they_say() {
        let counter = ChatCounter(&EstimateCounter);
        for tokens in [0, 1, 15, 16, 1_600, 987_654] {
            let text = format!("a boat\n[image]{}\nand{} rain", marks(tokens), marks(3));
            assert_eq!(counter.count(&text), EstimateCounter.count("a boat\n[image]\nand rain") + tokens + 3);
            assert_eq!(without_marks(&text), "a boat\n[image]\nand rain");
        }
        assert_eq!(counter.count("a boat"), 2);
    }
}
