//! What becomes of each character: BertNormalizer and BertPreTokenizer of the `tokenizers` crate, one character at a time.
//!
//! Nearly every character is treated alike wherever it stands. The exceptions are combining characters of spacing or
//! unknown kind, which canonical decomposition sorts among their neighbours; a text with one of them goes through
//! [`Rules::normalized`] instead. The tables (Unicode 9 for decomposition, older for categories) are those of the crates
//! that `tokenizers` uses, because a newer table would give other pieces.

use std::sync::OnceLock;

use unicode_categories::UnicodeCategories;
use unicode_normalization_alignments::UnicodeNormalization;
use unicode_normalization_alignments::char::{canonical_combining_class, decompose_canonical};

/// Characters that share a page, which is made when the first of them is met.
const PAGE: usize = 256;
const PAGES: usize = (char::MAX as usize + 1) / PAGE;

/// The settings of BertNormalizer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rules {
    /// Control characters, NUL and U+FFFD go, white space becomes spaces.
    pub(super) clean: bool,
    /// A CJK ideograph is a word.
    pub(super) ideographs: bool,
    /// Canonical decomposition, without the marks that take no space.
    pub(super) strip_accents: bool,
    pub(super) lower_case: bool,
}

/// What becomes of a character.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// Nothing.
    Gone,
    /// It parts words.
    Space,
    /// A part of a word.
    Letter(Utf8),
    /// A word of its own.
    Alone(Utf8),
    /// Several of the above, in the page's list from here on.
    Several { from: u16, count: u16 },
    /// It depends on its neighbours.
    Sorted,
}

/// A character as bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Utf8 {
    bytes: [u8; 4],
    length: u8,
}

/// What becomes of any character under given rules. Cheap to make; memory and time grow with the scripts that are met.
pub(super) struct Characters {
    rules: Rules,
    pages: Box<[OnceLock<Box<Page>>]>,
}

pub(super) struct Page {
    fates: [Fate; PAGE],
    several: Vec<Fate>,
}

impl Characters {
    pub(super) fn new(rules: Rules) -> Self {
        Self { rules, pages: (0..PAGES).map(|_| OnceLock::new()).collect() }
    }

    pub(super) fn rules(&self) -> &Rules {
        &self.rules
    }

    /// The fate of a character, and the page on which it stands.
    #[inline]
    pub(super) fn fate(&self, c: char) -> Option<(Fate, &Page)> {
        let at = c as usize;
        let page = self.pages.get(at / PAGE)?.get_or_init(|| Box::new(Page::new(&self.rules, at / PAGE)));
        Some((page.fates[at % PAGE], page))
    }
}

impl Page {
    fn new(rules: &Rules, number: usize) -> Self {
        let mut several = Vec::new();
        let mut fate = |at: usize| match u32::try_from(number * PAGE + at).ok().and_then(char::from_u32) {
            Some(c) => rules.fate(c, &mut several),
            // A surrogate, which no text holds.
            None => Fate::Gone,
        };
        Self { fates: std::array::from_fn(&mut fate), several }
    }

    /// The fates of a [`Fate::Several`] of this page.
    pub(super) fn several(&self, from: u16, count: u16) -> &[Fate] {
        let from = usize::from(from);
        self.several.get(from..from + usize::from(count)).unwrap_or_default()
    }
}

impl Rules {
    /// A text as BertNormalizer leaves it, step by step as that does it.
    pub(super) fn normalized<'a>(&'a self, text: &'a str) -> Box<dyn Iterator<Item = char> + 'a> {
        let spaced = |c: char| {
            let around = (self.ideographs && is_ideograph(c)).then_some(' ');
            around.into_iter().chain([c]).chain(around)
        };
        let cleaned = text.chars().filter_map(|c| self.cleaned(c)).flat_map(spaced);
        let lowered = |c: char| {
            let lower = self.lower_case.then(|| c.to_lowercase());
            let same = lower.is_none().then_some(c);
            lower.into_iter().flatten().chain(same)
        };
        if self.strip_accents {
            let stripped = cleaned.nfd().map(|(c, _)| c).filter(|c| !c.is_mark_nonspacing());
            Box::new(stripped.flat_map(lowered))
        } else {
            Box::new(cleaned.flat_map(lowered))
        }
    }

    fn cleaned(&self, c: char) -> Option<char> {
        match c {
            _ if !self.clean => Some(c),
            '\t' | '\n' | '\r' => Some(' '),
            '\0' | '\u{fffd}' => None,
            _ if c.is_other() => None,
            _ if c.is_whitespace() => Some(' '),
            _ => Some(c),
        }
    }

    fn fate(&self, c: char, several: &mut Vec<Fate>) -> Fate {
        if self.is_sorted(c) {
            return Fate::Sorted;
        }
        let mut utf8 = [0; 4];
        let fates: Vec<Fate> = self.normalized(c.encode_utf8(&mut utf8)).map(Fate::of_normalized).collect();
        match *fates.as_slice() {
            [] => Fate::Gone,
            [fate] => fate,
            [Fate::Space, Fate::Letter(c), Fate::Space] => Fate::Alone(c),
            // At most four characters each from 256: far below the limit of u16.
            _ => match (u16::try_from(several.len()), u16::try_from(fates.len())) {
                (Ok(from), Ok(count)) => {
                    several.extend(fates);
                    Fate::Several { from, count }
                }
                _ => Fate::Sorted,
            },
        }
    }

    /// Whether canonical decomposition may move some of what is kept of a character past its neighbours.
    fn is_sorted(&self, c: char) -> bool {
        let mut sorted = false;
        if self.strip_accents && self.cleaned(c) == Some(c) {
            decompose_canonical(c, |part| sorted |= !part.is_mark_nonspacing() && canonical_combining_class(part) != 0);
        }
        sorted
    }
}

impl Fate {
    /// What BertPreTokenizer makes of a character of a normalized text.
    pub(super) fn of_normalized(c: char) -> Self {
        if c.is_whitespace() {
            Self::Space
        } else if c.is_ascii_punctuation() || c.is_punctuation() {
            Self::Alone(Utf8::from(c))
        } else {
            Self::Letter(Utf8::from(c))
        }
    }
}

impl Utf8 {
    #[inline]
    pub(super) fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.length)).unwrap_or_default()
    }
}

impl From<char> for Utf8 {
    fn from(c: char) -> Self {
        let mut bytes = [0; 4];
        let length = c.encode_utf8(&mut bytes).len() as u8;
        Self { bytes, length }
    }
}

/// What `tokenizers` puts spaces around. It leaves out U+2B820 to U+2B91F, which BERT's own code has.
fn is_ideograph(c: char) -> bool {
    matches!(
        u32::from(c),
        0x4e00..=0x9fff
            | 0x3400..=0x4dbf
            | 0x20000..=0x2a6df
            | 0x2a700..=0x2b73f
            | 0x2b740..=0x2b81f
            | 0x2b920..=0x2ceaf
            | 0xf900..=0xfaff
            | 0x2f800..=0x2fa1f
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINILM: Rules = Rules { clean: true, ideographs: true, strip_accents: true, lower_case: true };

    /// What becomes of each character alone: letters as they are, `·` a space, `[c]` a word of its own, `~` sorted.
    fn fates(rules: Rules, text: &str) -> String {
        let characters = Characters::new(rules);
        let mut out = String::new();
        for c in text.chars() {
            let (fate, page) = characters.fate(c).unwrap();
            let several = match fate {
                Fate::Several { from, count } => page.several(from, count),
                _ => &[fate],
            };
            for fate in several {
                match fate {
                    Fate::Space => out.push('·'),
                    Fate::Letter(c) => out.push_str(str::from_utf8(c.as_bytes()).unwrap()),
                    Fate::Alone(c) => out.push_str(&format!("[{}]", str::from_utf8(c.as_bytes()).unwrap())),
                    Fate::Gone | Fate::Several { .. } => {}
                    Fate::Sorted => out.push('~'),
                }
            }
        }
        out
    }

    #[test]
    fn characters_become_what_bert_makes_of_them() {
        assert_eq!(fates(MINILM, "Été\u{301}\0\u{fffd}\u{200d} \u{a0}\t\u{85}Straße"), "ete···straße");
        assert_eq!(fates(MINILM, "猫\u{f900}、「a-b」\u{37e}≠"), "[猫][豈][、][「]a[-]b[」][;][=]");
        assert_eq!(fates(MINILM, "한İΣﬁ"), "\u{1112}\u{1161}\u{11ab}iσﬁ");
        // A Hangul tone mark takes space and is sorted.
        assert_eq!(fates(MINILM, "\u{302e}"), "~");
    }

    #[test]
    fn each_rule_can_be_off() {
        let off = Rules { clean: false, ideographs: false, strip_accents: false, lower_case: false };
        assert_eq!(fates(off, "É\0\u{85}猫한\u{302e}A"), "É\0·猫한\u{302e}A");
        assert_eq!(fates(Rules { lower_case: true, ..off }, "Éİ"), "éi\u{307}");
        assert_eq!(fates(Rules { strip_accents: true, ..off }, "Éİ"), "EI");
    }

    #[test]
    fn few_characters_are_sorted() {
        let sorted = (0..=u32::from(char::MAX)).filter_map(char::from_u32).filter(|c| MINILM.is_sorted(*c)).count();
        assert!((1..200).contains(&sorted), "{sorted}");
    }
}
