//! A key that no report shows.

use std::fmt;

use serde::Deserialize;

/// A key. Printed and logged, it is `[secret]`; it can be read from a configuration and never written to one.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// A key.
    #[must_use]
    pub fn new(key: impl Into<String>) -> Self {
        Self(key.into())
    }

    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }

    /// A text of somebody else in which every piece of the key of [`PIECE`] bytes or more is `[secret]`.
    pub(crate) fn hide_in(&self, text: &str) -> String {
        let (key, bytes) = (self.0.as_bytes(), text.as_bytes());
        let shortest = PIECE.min(key.len());
        if shortest == 0 {
            return text.to_owned();
        }
        let mut shown = String::with_capacity(text.len());
        // Everything before `written` is in `shown` or hidden.
        let (mut written, mut at) = (0, 0);
        while at + shortest <= bytes.len() {
            let piece = longest_piece(key, bytes.get(at..).unwrap_or_default());
            if piece < shortest {
                at += 1;
                continue;
            }
            // A key is ASCII where it can be sent, so that its pieces end where characters do.
            shown.push_str(text.get(written..at).unwrap_or_default());
            shown.push_str("[secret]");
            at += piece;
            written = at;
        }
        shown.push_str(text.get(written..).unwrap_or_default());
        shown
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

impl<T: Into<String>> From<T> for Secret {
    fn from(key: T) -> Self {
        Self::new(key)
    }
}

/// Servers echo keys cut short: a piece so long is taken for the key, and a word of a sentence seldom is one.
const PIECE: usize = 8;

/// How many bytes at the start of the text stand anywhere in the key, one after the other.
fn longest_piece(key: &[u8], text: &[u8]) -> usize {
    (0..key.len()).map(|from| key.iter().skip(from).zip(text).take_while(|(a, b)| a == b).count()).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(key: &str, text: &str, expected: &str) {
        assert_eq!(Secret::new(key).hide_in(text), expected, "{key:?} in {text:?}");
    }

    #[test]
    fn a_key_is_hidden_whole_and_in_pieces() {
        check("sk-0123456789", "bad key sk-0123456789.", "bad key [secret].");
        check("sk-0123456789", "bad key sk-012345...", "bad key [secret]...");
        check("sk-0123456789", "…23456789 and sk-01234567", "…[secret] and [secret]");
        check("sk-0123456789", "7 digits of it: 3456789", "7 digits of it: 3456789");
        check("abc", "abc is short, ab is not it", "[secret] is short, ab is not it");
        check("sk-0123456789sk-0123456789", "sk-0123456789", "[secret]");
        check("", "no key", "no key");
    }

    #[test]
    fn a_secret_is_read_and_not_shown() {
        let secret: Secret = serde_json::from_str("\"sk-0123456789\"").unwrap();
        assert_eq!(secret, Secret::new("sk-0123456789"));
        assert_eq!(format!("{secret:?} {:?}", Some(&secret)), "[secret] Some([secret])");
    }

    proptest! {
        /// Wherever a key stands, and between whatever, no piece of it is left, and the rest is.
        #[test]
        fn no_piece_is_left(key in "[!-~]{8,40}", before in "[α-ω ]{0,20}", after in "[α-ω ]{0,20}") {
            let shown = Secret::new(&*key).hide_in(&format!("{before}{key}{after}"));
            prop_assert_eq!(shown, format!("{before}[secret]{after}"));
        }
    }
}
