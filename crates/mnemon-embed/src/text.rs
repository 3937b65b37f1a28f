//! Keeping texts of any size away from the `tokenizers` crate, whose time and memory grow with all that it is given.

use std::borrow::Cow;

/// How many characters a text may have for each piece that the model can take, before it is cut.
///
/// English has four to five characters a piece, the longest word of a WordPiece vocabulary has at most 18, and a word
/// of more than 100 becomes one unknown piece.
const CHARS_PER_PIECE: usize = 128;

/// What is kept of a run of letters and digits. WordPiece makes one unknown piece of any run of more than 100, and
/// scripts that are written without spaces take a piece for nearly each character.
const MIN_RUN: usize = 1024;

/// Parts of this many bytes are counted one after the other.
const PART_BYTES: usize = 64 * 1024;

/// As much of a text as `pieces` pieces can use.
///
/// A text of at most `pieces` × 128 bytes is given back as it is. From a longer one, white space is taken as one space a
/// run, a run of letters and digits gives its first max(1,024, `pieces` × 4) characters, and the rest ends after
/// `pieces` × 128 characters. With a WordPiece vocabulary that changes no vector, as long as the text does not spend
/// more than 128 characters a piece on unknown words. Costs one pass over what is kept and skipped.
pub(crate) fn cut(text: &str, pieces: usize) -> Cow<'_, str> {
    let limit = pieces.saturating_mul(CHARS_PER_PIECE);
    if text.len() <= limit {
        return Cow::Borrowed(text);
    }
    let longest_run = MIN_RUN.max(pieces.saturating_mul(4));
    let mut kept = String::with_capacity(limit);
    let (mut chars, mut run) = (0, 0);
    let mut space = false;
    for c in text.chars() {
        if c.is_whitespace() {
            space = !kept.is_empty();
            run = 0;
            continue;
        }
        run = if c.is_alphanumeric() { run + 1 } else { 0 };
        if run > longest_run {
            continue;
        }
        if chars + 1 + usize::from(space) > limit {
            break;
        }
        if std::mem::take(&mut space) {
            kept.push(' ');
            chars += 1;
        }
        kept.push(c);
        chars += 1;
    }
    Cow::Owned(kept)
}

/// The text in parts of at most 64 KiB whose tokens add up to those of the whole: each ends at white space, else after
/// an ASCII punctuation mark. Only a run of 64 KiB without either is cut inside a word.
pub(crate) fn parts(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let (part, tail) = rest.split_at(part_end(rest));
        rest = tail;
        Some(part)
    })
}

fn part_end(text: &str) -> usize {
    if text.len() <= PART_BYTES {
        return text.len();
    }
    let head = text.get(..text.floor_char_boundary(PART_BYTES)).unwrap_or(text);
    let after = |c: char, at: usize| at + c.len_utf8();
    let space = head.char_indices().rev().find(|(_, c)| c.is_whitespace());
    let mark = || head.char_indices().rev().find(|(_, c)| c.is_ascii_punctuation());
    space.or_else(mark).map_or(head.len(), |(at, c)| after(c, at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, pieces: usize, expected: &str) {
        let cut = cut(text, pieces);
        assert_eq!(cut.chars().count(), expected.chars().count(), "length of the cut text");
        assert_eq!(cut, expected);
    }

    #[test]
    fn short_texts_stay_as_they_are() {
        check("", 256, "");
        check("  two   spaces\0 ", 256, "  two   spaces\0 ");
        check(&"é".repeat(16_384), 256, &"é".repeat(16_384));
    }

    #[test]
    fn long_texts_lose_what_no_piece_can_hold() {
        let spaces = " ".repeat(40_000);
        check(&format!("{spaces}the{spaces}cat{spaces}"), 256, "the cat");
        let word = "a".repeat(1_000_000);
        check(&format!("{word} sat, {word}b"), 256, &format!("{} sat, {}", &word[..1024], &word[..1024]));
        check(&"猫".repeat(20_000), 256, &"猫".repeat(1024));
        check(&"ab, ".repeat(10_000), 8, &"ab, ".repeat(256)[..1023]);
        check(&"!".repeat(5_000), 8, &"!".repeat(1024));
    }

    #[test]
    fn parts_add_up_to_the_text_and_end_between_words() {
        for text in ["word ".repeat(50_000), "a,b".repeat(50_000), "猫".repeat(50_000), String::new()] {
            let parts: Vec<&str> = parts(&text).collect();
            assert_eq!(parts.concat(), text);
            assert!(parts.iter().all(|part| part.len() <= PART_BYTES && !part.is_empty()));
            let inner = &parts[..parts.len().saturating_sub(1)];
            assert!(text.starts_with('猫') || inner.iter().all(|part| part.ends_with([' ', ','])));
        }
    }
}
