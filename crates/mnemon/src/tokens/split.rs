//! The pieces that OpenAI's vocabularies part a text into before they look for tokens, found without a regex where the
//! text is ASCII.
//!
//! A piece is a function of the rest of the text from its first byte on, so a hand that finds most of them and a regex
//! that finds the others give what the regex alone would give.

/// Whose pieces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Split {
    O200k,
    Cl100k,
}

/// What the patterns tell apart.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Upper,
    Lower,
    Digit,
    Break,
    /// White space that does not break a line.
    Space,
    Mark,
    /// A byte of a character that only the regex knows.
    Other,
}

const CLASSES: [Class; 256] = classes();

const fn classes() -> [Class; 256] {
    let mut classes = [Class::Other; 256];
    let mut byte = 0;
    while byte < 128 {
        classes[byte] = match byte as u8 {
            b'A'..=b'Z' => Class::Upper,
            b'a'..=b'z' => Class::Lower,
            b'0'..=b'9' => Class::Digit,
            b'\r' | b'\n' => Class::Break,
            b'\t' | 0x0B | 0x0C | b' ' => Class::Space,
            _ => Class::Mark,
        };
        byte += 1;
    }
    classes
}

impl Split {
    /// The length of the first piece; `None` when there is none, or when a character that is not ASCII has a say in it.
    ///
    /// The patterns, in their order, a piece each (`$` is the end of the text):
    ///
    /// ```text
    /// o200k   [^\r\n\p{L}\p{N}]?\p{Lu}*\p{Ll}+('s|'t|'re|'ve|'m|'ll|'d)?    cl100k   ('s|'t|'re|'ve|'m|'ll|'d)
    ///         [^\r\n\p{L}\p{N}]?\p{Lu}+\p{Ll}*('s|'t|'re|'ve|'m|'ll|'d)?             [^\r\n\p{L}\p{N}]?\p{L}+
    ///         \p{N}{1,3}                                                             \p{N}{1,3}
    ///          ?[^\s\p{L}\p{N}]+[\r\n/]*                                              ?[^\s\p{L}\p{N}]+[\r\n]*
    ///         \s*[\r\n]+   \s+$   \s+(?!\S)   \s+                                    the same
    /// ```
    pub(super) fn first(self, text: &[u8]) -> Option<usize> {
        let first = class(text, 0)?;
        if self == Self::Cl100k
            && let Some(length) = contraction(text, 0)?
        {
            return Some(length);
        }
        // A letter, or one after a single character that is neither letter nor digit nor break.
        let begin = match first {
            Class::Upper | Class::Lower => Some(0),
            Class::Space | Class::Mark => match class(text, 1) {
                Some(Class::Upper | Class::Lower) => Some(1),
                Some(Class::Other) => return None,
                _ => None,
            },
            Class::Other => return None,
            Class::Digit | Class::Break => None,
        };
        if let Some(begin) = begin {
            return self.word(text, begin);
        }
        match first {
            Class::Digit => {
                let length = text.iter().take(3).take_while(|byte| byte.is_ascii_digit()).count();
                // Other scripts have digits too.
                (length == 3 || class(text, length) != Some(Class::Other)).then_some(length)
            }
            Class::Mark => self.marks(text, 0),
            Class::Space if text.first() == Some(&b' ') && class(text, 1) == Some(Class::Mark) => self.marks(text, 1),
            _ => space(text),
        }
    }

    /// Letters from `begin` on, with what is drawn together with them.
    fn word(self, text: &[u8], begin: usize) -> Option<usize> {
        let end = match self {
            Self::Cl100k => run(text, begin, |class| matches!(class, Class::Upper | Class::Lower)),
            Self::O200k => {
                let capitals = run(text, begin, |class| class == Class::Upper);
                run(text, capitals, |class| class == Class::Lower)
            }
        };
        if class(text, end) == Some(Class::Other) {
            return None;
        }
        match self {
            Self::Cl100k => Some(end),
            Self::O200k => Some(end + contraction(text, end)?.unwrap_or(0)),
        }
    }

    /// Marks from `begin` on, and the breaks behind them.
    fn marks(self, text: &[u8], begin: usize) -> Option<usize> {
        let end = run(text, begin, |class| class == Class::Mark);
        if class(text, end) == Some(Class::Other) {
            return None;
        }
        let behind = |byte: &u8| matches!(byte, b'\r' | b'\n') || (self == Self::O200k && *byte == b'/');
        Some(end + text.iter().skip(end).take_while(|byte| behind(byte)).count())
    }
}

/// White space that belongs to no word.
fn space(text: &[u8]) -> Option<usize> {
    let end = run(text, 0, |class| matches!(class, Class::Space | Class::Break));
    if class(text, end) == Some(Class::Other) {
        return None;
    }
    let last_break = text.iter().take(end).rposition(|byte| matches!(byte, b'\r' | b'\n'));
    Some(match last_break {
        Some(at) => at + 1,
        None if end == text.len() => end,
        // The last one belongs to what follows, unless there is no other.
        None => (end - 1).max(1),
    })
}

/// The length of `'s`, `'t`, `'re`, `'ve`, `'m`, `'ll` or `'d` at a place, whatever its case. The outer `None` when a
/// character that is not ASCII follows: there is another s that is one.
fn contraction(text: &[u8], at: usize) -> Option<Option<usize>> {
    if text.get(at) != Some(&b'\'') {
        return Some(None);
    }
    let lower = |at: usize| text.get(at).map(u8::to_ascii_lowercase);
    match (lower(at + 1), lower(at + 2)) {
        (Some(byte), _) if byte >= 128 => None,
        (Some(b's' | b't' | b'm' | b'd'), _) => Some(Some(2)),
        (Some(b'r' | b'v'), Some(b'e')) | (Some(b'l'), Some(b'l')) => Some(Some(3)),
        _ => Some(None),
    }
}

fn class(text: &[u8], at: usize) -> Option<Class> {
    text.get(at).map(|byte| CLASSES[usize::from(*byte)])
}

/// Where a run of bytes of such classes ends that begins at a place.
fn run(text: &[u8], begin: usize, is_in: impl Fn(Class) -> bool) -> usize {
    let rest = text.get(begin..).unwrap_or_default();
    begin + rest.iter().position(|byte| !is_in(CLASSES[usize::from(*byte)])).unwrap_or(rest.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(split: Split, text: &str, pieces: &[&str]) {
        let (mut rest, mut found) = (text, Vec::new());
        while let Some(length) = split.first(rest.as_bytes()) {
            let (piece, others) = rest.split_at(length);
            assert!(length > 0);
            (rest, found) = (others, [found, vec![piece]].concat());
        }
        assert_eq!(found, pieces, "{split:?} of {text:?}");
    }

    #[test]
    fn plain_text_is_parted() {
        let both = |text: &str, pieces: &[&str]| [Split::O200k, Split::Cl100k].map(|split| check(split, text, pieces));
        both("Hello, my world", &["Hello", ",", " my", " world"]);
        both("12345 a_b", &["123", "45", " a", "_b"]);
        both("a  b   ", &["a", " ", " b", "   "]);
        both("x \n\n  y", &["x", " \n\n", " ", " y"]);
        both(" !!\n\nz", &[" !!\n\n", "z"]);
        both("", &[]);
        check(Split::O200k, "camelCaseHTTPServer don't I'LL", &["camel", "Case", "HTTPServer", " don't", " I'LL"]);
        check(Split::Cl100k, "camelCaseHTTPServer don't", &["camelCaseHTTPServer", " don", "'t"]);
        check(Split::O200k, "a://b", &["a", "://", "b"]);
        check(Split::Cl100k, "//\nb", &["//\n", "b"]);
    }

    #[test]
    fn what_is_not_ascii_is_left_to_the_regex() {
        for (text, pieces) in [
            ("na\u{ef}ve", &[][..]),
            ("my caf\u{e9}", &["my"]),
            ("ok \u{1f389}", &["ok"]),
            ("12\u{bd}", &[]),
            ("it'\u{17f}", &[]),
            ("a \u{2003}b", &["a"]),
        ] {
            check(Split::O200k, text, pieces);
        }
    }
}
