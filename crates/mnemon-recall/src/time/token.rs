//! Words, numbers and marks of a question, each with its place.

use std::ops::Range;

/// One word, number or mark.
#[derive(Debug, Clone)]
pub(super) struct Token {
    /// Bytes of the text.
    pub(super) range: Range<usize>,
    /// In lower case, the apostrophe straight, a possessive `'s` cut off.
    pub(super) word: String,
    pub(super) kind: TokenKind,
    /// No space lies between this token and the one before.
    pub(super) glued: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TokenKind {
    /// Letters.
    Word { capital: bool },
    /// ASCII digits, with the suffix of an ordinal (`3rd`) or of a decade (`90s`).
    Number { value: u32, digits: u8, suffix: Suffix },
    /// `3.4.2021`: day, month, year.
    Dotted { day: u32, month: u32, year: u32 },
    /// Letters and digits mixed, decimals, groups of thousands: nothing that dates are made of.
    Other,
    /// Any other character.
    Mark(char),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Suffix {
    None,
    Ordinal,
    Decade,
}

/// Cuts a text into tokens, in order. Ranges lie on character boundaries.
pub(super) fn tokens(text: &str) -> Vec<Token> {
    let mut out = Vec::new();
    let mut at = 0;
    let mut glued = false;
    while let Some(c) = rest(text, at).chars().next() {
        if c.is_whitespace() {
            at += c.len_utf8();
            glued = false;
            continue;
        }
        let (length, kind) = if c.is_ascii_digit() {
            number(rest(text, at))
        } else if c.is_alphabetic() {
            word(rest(text, at))
        } else {
            (c.len_utf8(), TokenKind::Mark(c))
        };
        let range = at..at + length;
        out.push(Token { word: plain(text.get(range.clone()).unwrap_or_default()), range, kind, glued });
        at += length;
        glued = true;
    }
    out
}

fn rest(text: &str, at: usize) -> &str {
    text.get(at..).unwrap_or_default()
}

fn plain(text: &str) -> String {
    let lower = text.to_lowercase().replace('\u{2019}', "'");
    lower.strip_suffix("'s").map(str::to_owned).unwrap_or(lower)
}

/// Letters with single apostrophes inside. Digits among them make it something else.
fn word(text: &str) -> (usize, TokenKind) {
    let capital = text.chars().next().is_some_and(char::is_uppercase);
    let mut end = 0;
    let mut digits = false;
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        let inside = matches!(c, '\'' | '\u{2019}') && chars.peek().is_some_and(|(_, next)| next.is_alphabetic());
        if !c.is_alphanumeric() && !inside {
            break;
        }
        digits |= c.is_numeric();
        end = at + c.len_utf8();
    }
    (end, if digits { TokenKind::Other } else { TokenKind::Word { capital } })
}

fn number(text: &str) -> (usize, TokenKind) {
    if let Some((length, day, month, year)) = dotted(text) {
        return (length, TokenKind::Dotted { day, month, year });
    }
    let digits = digits(text);
    if let Some(length) = grouped(text, digits) {
        return (length, TokenKind::Other);
    }
    let after = rest(text, digits);
    let letters = after.chars().take_while(|c| c.is_alphanumeric()).map(char::len_utf8).sum::<usize>();
    let tail = after.get(..letters).unwrap_or_default().to_lowercase();
    let possessive = ["'s", "\u{2019}s"].iter().find(|s| after.starts_with(**s)).map_or(0, |s| s.len());
    let (length, suffix) = match tail.as_str() {
        "" if possessive > 0 => (digits + possessive, Suffix::Decade),
        "" => (digits, Suffix::None),
        "st" | "nd" | "rd" | "th" => (digits + letters, Suffix::Ordinal),
        "s" => (digits + letters, Suffix::Decade),
        // The time of day of an ISO date.
        time if time.strip_prefix('t').is_some_and(|t| t.starts_with(|c: char| c.is_ascii_digit())) => {
            (digits, Suffix::None)
        }
        _ => return (digits + letters, TokenKind::Other),
    };
    match text.get(..digits).unwrap_or_default().parse() {
        Ok(value) => (length, TokenKind::Number { value, digits: u8::try_from(digits).unwrap_or(u8::MAX), suffix }),
        Err(_) => (length, TokenKind::Other),
    }
}

/// How many ASCII digits a text begins with.
fn digits(text: &str) -> usize {
    text.bytes().take_while(u8::is_ascii_digit).count()
}

/// The length of `1,000`, `2,000,000`, `1.5` or `1.2.3` at the beginning of a text whose first `first` bytes are
/// digits. `1,2023` is a day and a year that were written without a space.
fn grouped(text: &str, first: usize) -> Option<usize> {
    let mut end = first;
    while let Some(mark @ ('.' | ',')) = rest(text, end).chars().next() {
        let more = digits(rest(text, end + 1));
        if more == 0 || (mark == ',' && (more != 3 || first > 3)) {
            break;
        }
        end += 1 + more;
    }
    (end > first).then_some(end)
}

/// `3.4.2021` at the beginning of a text: its length, day, month and year.
fn dotted(text: &str) -> Option<(usize, u32, u32, u32)> {
    let mut at = 0;
    let mut parts = [0; 3];
    for (place, part) in parts.iter_mut().enumerate() {
        if place > 0 {
            at += rest(text, at).strip_prefix('.').map(|_| 1)?;
        }
        let length = digits(rest(text, at));
        let wanted = if place == 2 { 4..=4 } else { 1..=2 };
        if !wanted.contains(&length) {
            return None;
        }
        *part = text.get(at..at + length)?.parse().ok()?;
        at += length;
    }
    let ends = rest(text, at).chars().next().is_none_or(|c| !c.is_alphanumeric());
    let [day, month, year] = parts;
    ends.then_some((at, day, month, year))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, want: &[&str]) {
        let got: Vec<String> = tokens(text)
            .iter()
            .map(|t| {
                let kind = match t.kind {
                    TokenKind::Word { capital } => if capital { "W" } else { "w" }.to_owned(),
                    TokenKind::Number { value, suffix, .. } => format!("{value}{suffix:?}"),
                    TokenKind::Dotted { day, month, year } => format!("{day}/{month}/{year}"),
                    TokenKind::Other => "?".to_owned(),
                    TokenKind::Mark(_) => "!".to_owned(),
                };
                format!("{}{}:{kind}", if t.glued { "+" } else { "" }, t.word)
            })
            .collect();
        assert_eq!(got, want, "{text:?}");
    }

    #[test]
    fn words_keep_their_place_and_lose_their_case() {
        check("Ann\u{2019}s O'Neill", &["ann:W", "o'neill:W"]);
        check("mid-2022, élan", &["mid:w", "+-:!", "+2022:2022None", "+,:!", "élan:w"]);
        check("covid19 10k 'x'", &["covid19:?", "10k:?", "':!", "+x:w", "+':!"]);
    }

    #[test]
    fn numbers_are_read_with_their_suffix() {
        check("3rd 90s 90's 2021", &["3rd:3Ordinal", "90s:90Decade", "90:90Decade", "2021:2021None"]);
        check(
            "1,2023 2,000 1.5 3.4.2021",
            &["1:1None", "+,:!", "+2023:2023None", "2,000:?", "1.5:?", "3.4.2021:3/4/2021"],
        );
        check(
            "2021-03-03T10:00",
            &["2021:2021None", "+-:!", "+03:3None", "+-:!", "+03:3None", "+t10:?", "+::!", "+00:0None"],
        );
        check("99999999999999999999 1.2.3.2021", &["99999999999999999999:?", "1.2.3.2021:?"]);
    }
}
