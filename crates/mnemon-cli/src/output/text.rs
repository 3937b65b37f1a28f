//! Text that is safe to print and fits its place.
//!
//! What somebody said may hold anything: escape codes that move the cursor, line breaks that forge a line, marks that
//! turn the order of letters. On a terminal it is shown with these made visible.

use std::ops::Range;

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// One line: breaks and tabs become spaces, other control characters visible.
pub(crate) fn safe_line(text: &str) -> String {
    safe(text, false)
}

/// The same with its line breaks.
pub(crate) fn safe_block(text: &str) -> String {
    safe(text, true)
}

fn safe(text: &str, keep_lines: bool) -> String {
    let mut safe = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\n' if keep_lines => safe.push('\n'),
            '\r' if chars.peek() == Some(&'\n') => {}
            '\n' | '\r' | '\t' => safe.push(' '),
            '\0'..='\x1f' => safe.push(char::from_u32(0x2400 + u32::from(c)).unwrap_or('\u{fffd}')),
            '\x7f' => safe.push('\u{2421}'),
            c if is_deceptive(c) => safe.extend(c.escape_unicode()),
            c => safe.push(c),
        }
    }
    safe
}

/// Characters that control a terminal or a reader beside those of ASCII: the second set of controls, separators of
/// lines and paragraphs, marks and overrides of direction, and invisible tags.
pub(crate) fn is_deceptive(c: char) -> bool {
    matches!(c, '\u{80}'..='\u{9f}' | '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2066}'..='\u{2069}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
}

/// Columns that the text takes on a terminal.
pub(crate) fn width(text: &str) -> usize {
    text.width()
}

/// The text, cut with `…` where it is wider.
pub(crate) fn cut(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let mut cut = fitting(text, columns.saturating_sub(1)).trim_end().to_owned();
    cut.push('…');
    cut
}

/// The text in exactly so many columns, to the left.
pub(crate) fn pad(text: &str, columns: usize) -> String {
    let text = cut(text, columns);
    let rest = columns.saturating_sub(width(&text));
    format!("{text}{}", " ".repeat(rest))
}

/// The text in exactly so many columns, to the right.
pub(crate) fn pad_left(text: &str, columns: usize) -> String {
    let text = cut(text, columns);
    let rest = columns.saturating_sub(width(&text));
    format!("{}{text}", " ".repeat(rest))
}

/// One line broken at spaces into at most so many; the last is cut where there is more.
pub(crate) fn wrap(text: &str, columns: usize, max_lines: usize) -> Vec<String> {
    let mut rest = text.trim();
    let mut lines = Vec::new();
    while !rest.is_empty() {
        if width(rest) <= columns || lines.len() + 1 == max_lines {
            lines.push(cut(rest, columns));
            break;
        }
        let fits = fitting(rest, columns);
        // A break inside a word only where the word is longer than the line.
        let end = match rest.get(fits.len()..) {
            Some(after) if after.starts_with(' ') => fits.len(),
            _ => fits.rfind(' ').filter(|&at| at > 0).unwrap_or(fits.len()),
        };
        // A character that is wider than the line still has to go somewhere.
        let end = if end == 0 { rest.chars().next().map_or(rest.len(), char::len_utf8) } else { end };
        let (line, after) = rest.split_at_checked(end).unwrap_or((rest, ""));
        lines.push(line.trim_end().to_owned());
        rest = after.trim_start();
    }
    lines
}

/// A piece of the text that fits the columns and shows `range` of it, and where `range` is in the piece.
pub(crate) fn around(text: &str, range: Range<usize>, columns: usize) -> (String, Range<usize>) {
    let part = |range: Range<usize>| text.get(range).unwrap_or_default();
    let needle = part(range.clone());
    if width(text) <= columns || width(needle) + 2 > columns {
        let piece = cut(text, columns);
        let range =
            if range.end <= piece.len().saturating_sub('…'.len_utf8()) || piece == text { range } else { 0..0 };
        return (piece, range);
    }
    // A third of the room before, at the start of a word, the rest after.
    let room = columns - width(needle);
    let before = part(0..range.start);
    let lead = if width(before) <= room / 3 {
        before.to_owned()
    } else {
        let tail = fitting_end(before, (room / 3).saturating_sub(1));
        let word = tail.find(' ').map_or(tail, |at| tail.get(at + 1..).unwrap_or_default());
        format!("…{word}")
    };
    let after = cut(part(range.end..text.len()), columns.saturating_sub(width(&lead) + width(needle)));
    let at = lead.len()..lead.len() + needle.len();
    (format!("{lead}{needle}{after}"), at)
}

/// Where `needle` stands in `text`, whatever the case of its letters.
pub(crate) fn find_ignoring_case(text: &str, needle: &str) -> Option<Range<usize>> {
    let wanted: Vec<char> = needle.chars().flat_map(char::to_lowercase).collect();
    if wanted.is_empty() {
        return None;
    }
    text.char_indices().find_map(|(start, _)| {
        let mut left = wanted.iter();
        for (at, c) in text.get(start..)?.char_indices() {
            for lower in c.to_lowercase() {
                if left.next() != Some(&lower) {
                    return None;
                }
            }
            if left.len() == 0 {
                return Some(start..start + at + c.len_utf8());
            }
        }
        None
    })
}

/// The longest start of the text that fits.
fn fitting(text: &str, columns: usize) -> &str {
    let mut used = 0;
    for (at, c) in text.char_indices() {
        used += c.width().unwrap_or(0);
        if used > columns {
            return text.get(..at).unwrap_or_default();
        }
    }
    text
}

/// The longest end of the text that fits.
fn fitting_end(text: &str, columns: usize) -> &str {
    let mut used = 0;
    for (at, c) in text.char_indices().rev() {
        used += c.width().unwrap_or(0);
        if used > columns {
            return text.get(at + c.len_utf8()..).unwrap_or_default();
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_controls_a_terminal_is_left() {
        assert_eq!(safe_line("a\x1b[31mb\x07\n- c\td\x7f"), "a␛[31mb␇ - c d␡");
        assert_eq!(safe_line("x\r\ny\u{9b}2J\u{202e}z\u{2028}"), "x y\\u{9b}2J\\u{202e}z\\u{2028}");
        assert_eq!(safe_block("a\r\nb\x1b"), "a\nb␛");
        assert_eq!(safe_line("👩‍🔬 日本 é"), "👩‍🔬 日本 é");
        for c in (0..=0x10ffff).filter_map(char::from_u32) {
            let safe = safe_line(&c.to_string());
            assert!(!safe.chars().any(|c| c.is_control() || is_deceptive(c)), "{c:?}");
        }
    }

    #[test]
    fn text_fits_its_columns() {
        assert_eq!(cut("remember", 8), "remember");
        assert_eq!(cut("remember", 5), "reme…");
        assert_eq!(cut("日本語です", 5), "日本…");
        assert_eq!(pad("日本", 5), "日本 ");
        assert_eq!(pad_left("7", 3), "  7");
        assert_eq!(cut("abc", 0), "…");
    }

    #[test]
    fn lines_break_at_spaces() {
        assert_eq!(wrap("the night bus map", 9, 9), ["the night", "bus map"]);
        assert_eq!(wrap("the night bus map", 9, 1), ["the nigh…"]);
        assert_eq!(wrap("abcdefgh", 3, 9), ["abc", "def", "gh"]);
        assert_eq!(wrap("日本", 1, 9), ["日", "本"]);
        assert_eq!(wrap("  ", 9, 9), Vec::<String>::new());
    }

    #[test]
    fn the_part_that_matters_stays_in_sight() {
        let text = "a long story before it, and then the number WBK 20817 H, and then a long story after it";
        let range = find_ignoring_case(text, "wbk 20817 h").unwrap();
        for columns in 14..text.len() + 3 {
            let (piece, at) = around(text, range.clone(), columns);
            assert_eq!(&piece[at], "WBK 20817 H", "{piece}");
            assert!(width(&piece) <= columns, "{columns}: {piece}");
        }
        assert_eq!(around("short one", 6..9, 20), ("short one".to_owned(), 6..9));
        // Even where it does not fit, the range is one of the piece.
        let (piece, at) = around(text, range, 5);
        assert!(piece.get(at).is_some());
    }

    #[test]
    fn letters_are_compared_whatever_their_case() {
        assert_eq!(find_ignoring_case("In der STRASSE", "strasse"), Some(7..14));
        assert_eq!(find_ignoring_case("Überweg", "überweg"), Some(0..8));
        assert_eq!(find_ignoring_case("abc", "d"), None);
        assert_eq!(find_ignoring_case("abc", ""), None);
    }
}
