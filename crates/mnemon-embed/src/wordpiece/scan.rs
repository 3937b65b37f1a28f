//! One pass over a text: where words begin and end, and what they look like.

use super::WordPiece;
use super::characters::{Characters, Fate};

/// Takes bytes as they are.
pub(super) const SAME: [u8; 256] = {
    let mut map = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        map[byte] = byte as u8;
        byte += 1;
    }
    map
};

/// Where the numbers of pieces go.
pub(crate) trait Sink {
    fn push(&mut self, piece: u32);
    fn len(&self) -> usize;
    fn truncate(&mut self, length: usize);
}

impl Sink for Vec<u32> {
    fn push(&mut self, piece: u32) {
        self.push(piece);
    }

    fn len(&self) -> usize {
        self.len()
    }

    fn truncate(&mut self, length: usize) {
        self.truncate(length);
    }
}

/// Keeps how many pieces there are, and nothing else.
#[derive(Debug, Default)]
pub(crate) struct Count(pub(crate) usize);

impl Sink for Count {
    fn push(&mut self, _: u32) {
        self.0 += 1;
    }

    fn len(&self) -> usize {
        self.0
    }

    fn truncate(&mut self, length: usize) {
        self.0 = self.0.min(length);
    }
}

/// What a byte is to the scan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    /// An ASCII character inside a word.
    Letter,
    /// An ASCII character that is a word of its own.
    Mark,
    Space,
    /// An ASCII character that is as if it were not there.
    Gone,
    /// The first byte of an added token.
    Added,
    /// A byte of a character beyond ASCII.
    Wide,
}

/// What becomes of the bytes of a text.
pub(super) struct Bytes {
    classes: [Class; 256],
    /// The classes if no added token begins.
    plain: [Class; 256],
    /// Letters as they are written in the vocabulary.
    letters: [u8; 256],
    /// The pieces of ASCII characters that are words of their own.
    pub(super) marks: [u32; 256],
}

impl Bytes {
    /// `marks` are for the caller to fill.
    pub(super) fn new(characters: &Characters, added: &[(String, u32)]) -> Self {
        let mut letters = SAME;
        let plain: [Class; 256] = std::array::from_fn(|byte| {
            let byte = byte as u8;
            match characters.fate(char::from(byte)) {
                _ if !byte.is_ascii() => Class::Wide,
                Some((Fate::Gone, _)) => Class::Gone,
                Some((Fate::Space, _)) => Class::Space,
                Some((Fate::Alone(_), _)) => Class::Mark,
                Some((Fate::Letter(c), _)) => match c.as_bytes() {
                    [letter] => {
                        letters[usize::from(byte)] = *letter;
                        Class::Letter
                    }
                    _ => Class::Wide,
                },
                // No ASCII character is treated so, and if one were, the way of wide characters is right for any.
                Some((Fate::Several { .. } | Fate::Sorted, _)) | None => Class::Wide,
            }
        });
        let mut classes = plain;
        for byte in added.iter().filter_map(|(content, _)| content.bytes().next()) {
            classes[usize::from(byte)] = Class::Added;
        }
        Self { classes, plain, letters, marks: [0; 256] }
    }
}

/// A pass over a text.
pub(super) struct Scan<'a, S> {
    pieces: &'a WordPiece,
    out: &'a mut S,
    /// As many pieces are enough.
    stop: usize,
    /// The part of a word that is written down, because it does not stand in the text as it is in the vocabulary. Never
    /// more than one word can have that is not unknown for its length alone.
    word: Vec<u8>,
    /// The characters of the word, those beyond the limit included.
    chars: usize,
}

/// A place in the text, and how many pieces there were.
#[derive(Clone, Copy)]
struct Mark {
    at: usize,
    pieces: usize,
}

impl<'a, S: Sink> Scan<'a, S> {
    pub(super) fn new(pieces: &'a WordPiece, limit: usize, out: &'a mut S) -> Self {
        let stop = out.len().saturating_add(limit);
        Self { pieces, out, stop, word: Vec::new(), chars: 0 }
    }

    pub(super) fn text(mut self, text: &str) {
        let Bytes { classes, plain, marks, .. } = &self.pieces.bytes;
        let mut at = 0;
        // The end of the added token before, from which on text is normalized as a whole.
        let mut begin = Mark { at, pieces: self.out.len() };
        while self.out.len() < self.stop {
            let rest = text.as_bytes().get(at..).unwrap_or_default();
            let length = rest.iter().position(|byte| classes[usize::from(*byte)] != Class::Letter);
            let (run, rest) = rest.split_at(length.unwrap_or(rest.len()));
            at += run.len();
            let Some(byte) = rest.first().map(|byte| usize::from(*byte)) else {
                self.end_word(run);
                break;
            };
            let mut class = classes[byte];
            if class == Class::Added {
                if let Some((length, number)) = self.pieces.added(rest) {
                    self.end_word(run);
                    self.out.push(number);
                    at += length;
                    begin = Mark { at, pieces: self.out.len() };
                    continue;
                }
                class = plain[byte];
            }
            match class {
                Class::Space => self.end_word(run),
                Class::Mark => {
                    self.end_word(run);
                    self.out.push(marks[byte]);
                }
                Class::Gone => self.letters(run),
                Class::Letter | Class::Added => {
                    self.letters(run);
                    self.letters(rest.get(..1).unwrap_or_default());
                }
                Class::Wide => {
                    let Some(c) = text.get(at..).and_then(|rest| rest.chars().next()) else { break };
                    if self.wide(run, c) {
                        at += c.len_utf8();
                    } else {
                        at = self.sorted(text, begin, at);
                        begin = Mark { at, pieces: self.out.len() };
                    }
                    continue;
                }
            }
            at += 1;
        }
        self.out.truncate(self.stop);
    }

    /// A character beyond ASCII after a run of letters. False, and nothing done, if its neighbours decide about it.
    #[inline]
    fn wide(&mut self, run: &[u8], c: char) -> bool {
        let Some((fate, page)) = self.pieces.characters.fate(c) else { return false };
        match fate {
            Fate::Gone => self.letters(run),
            Fate::Space => self.end_word(run),
            Fate::Letter(c) => {
                self.letters(run);
                self.letter(c.as_bytes());
            }
            Fate::Alone(c) => {
                self.end_word(run);
                self.pieces.word(c.as_bytes(), &SAME, 1, self.out);
            }
            Fate::Several { from, count } => {
                self.letters(run);
                for fate in page.several(from, count) {
                    self.step(*fate);
                }
            }
            Fate::Sorted => return false,
        }
        true
    }

    /// Reads again, from the end of the added token before up to the next, with the marks of that whole stretch in
    /// canonical order; gives where it ended. Pieces that were complete are the same again: marks are sorted only as far
    /// as the next character that is none.
    fn sorted(&mut self, text: &str, begin: Mark, at: usize) -> usize {
        self.word.clear();
        self.chars = 0;
        self.out.truncate(begin.pieces);
        let added = |at: &usize| text.as_bytes().get(*at..).is_some_and(|rest| self.pieces.added(rest).is_some());
        let end = if self.pieces.added.is_empty() { None } else { (at..text.len()).find(added) };
        let end = end.unwrap_or(text.len());
        let pieces = self.pieces;
        for c in pieces.characters.rules().normalized(text.get(begin.at..end).unwrap_or_default()) {
            self.step(Fate::of_normalized(c));
            if self.out.len() >= self.stop {
                return end;
            }
        }
        self.end_word(&[]);
        end
    }

    fn step(&mut self, fate: Fate) {
        match fate {
            Fate::Space => self.end_word(&[]),
            Fate::Letter(c) => self.letter(c.as_bytes()),
            Fate::Alone(c) => {
                self.end_word(&[]);
                self.pieces.word(c.as_bytes(), &SAME, 1, self.out);
            }
            // A normalized text holds no others.
            Fate::Gone | Fate::Several { .. } | Fate::Sorted => {}
        }
    }

    /// Adds one character to the word.
    #[inline]
    fn letter(&mut self, utf8: &[u8]) {
        self.chars += 1;
        if self.chars <= self.pieces.max_chars {
            self.word.extend_from_slice(utf8);
        }
    }

    /// Adds ASCII letters of the text to the word.
    #[inline]
    fn letters(&mut self, run: &[u8]) {
        let room = self.pieces.max_chars.saturating_sub(self.chars);
        self.chars += run.len();
        let letters = &self.pieces.bytes.letters;
        self.word.extend(run.iter().take(room).map(|byte| letters[usize::from(*byte)]));
    }

    /// The word ends with ASCII letters of the text.
    #[inline]
    fn end_word(&mut self, run: &[u8]) {
        if self.chars == 0 {
            self.pieces.word(run, &self.pieces.bytes.letters, run.len(), self.out);
            return;
        }
        self.letters(run);
        self.pieces.word(&self.word, &SAME, self.chars, self.out);
        self.word.clear();
        self.chars = 0;
    }
}
