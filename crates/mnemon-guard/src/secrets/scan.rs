//! One pass over a text. It looks only at bytes at which something can begin: words and separators.

use std::ops::Range;

use super::assignment::Separator;
use super::bytes::{at, before, goes_on, is_blank, run, run_back};
use super::config::SecretKind;
use super::{Finding, assignment, authorization, jwt, key, numbers, private_key, provider, url};

/// The kinds that are looked for, a bit each.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Kinds(u16);

impl Kinds {
    pub(super) fn of(kinds: &[SecretKind]) -> Self {
        Self(kinds.iter().fold(0, |bits, &kind| bits | 1 << kind as u16))
    }

    pub(super) fn has(self, kind: SecretKind) -> bool {
        self.0 & 1 << kind as u16 != 0
    }
}

/// All that is found in a text, in no order; findings may lie over one another.
///
/// Each place is looked at a bounded number of times, however the text is made.
pub(super) fn scan(text: &str, kinds: Kinds) -> Vec<Finding> {
    let mut scan = Scan { text, bytes: text.as_bytes(), kinds, found: Vec::new() };
    let mut position = 0;
    while let Some(&byte) = scan.bytes.get(position) {
        position = match CLASSES.get(usize::from(byte)) {
            Some(Class::Word) => {
                let end = run(scan.bytes, position, scan.bytes.len(), is_word);
                scan.word(position, end)
            }
            Some(Class::Separator) => scan.separator(position, byte),
            _ => position + 1,
        };
    }
    scan.found
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Other,
    Word,
    Separator,
}

static CLASSES: [Class; 256] = {
    let mut classes = [Class::Other; 256];
    let mut byte = 0_usize;
    while byte < 256 {
        let b = byte as u8;
        classes[byte] = if b.is_ascii_alphanumeric() || b == b'_' || b == b'-' {
            Class::Word
        } else if matches!(b, b':' | b'=' | b'>' | b'~' | 0xEF) {
            Class::Separator
        } else {
            Class::Other
        };
        byte += 1;
    }
    classes
};

fn is_word(byte: u8) -> bool {
    matches!(CLASSES.get(usize::from(byte)), Some(Class::Word))
}

struct Scan<'t> {
    text: &'t str,
    bytes: &'t [u8],
    kinds: Kinds,
    found: Vec<Finding>,
}

impl Scan<'_> {
    fn push(&mut self, kind: SecretKind, label: &'static str, range: Range<usize>) {
        if self.kinds.has(kind) {
            self.found.push(Finding { kind, label: label.into(), range });
        }
    }

    /// Looks at a run of letters, digits, `_` and `-`. Returns where to go on.
    fn word(&mut self, start: usize, end: usize) -> usize {
        let length = end - start;
        let first = at(self.bytes, start);
        let escaped = self.escaped(start);
        if end <= escaped + 6 {
            self.short_word(escaped.min(end), end);
        }
        if (first == b'-' || escaped > start) && length >= 5 {
            if self.kinds.has(SecretKind::PrivateKey)
                && let Some(begin) = self.text.get(start..end).and_then(|dashes| dashes.find("-----"))
                && let Some(range) = private_key::block_at(self.text, start + begin)
            {
                let end = range.end;
                self.push(SecretKind::PrivateKey, "private key", range);
                return end;
            }
            if goes_on(self.bytes, start, b"--") && is_blank(at(self.bytes, end)) {
                self.assigned(end, end, Separator::Option);
            }
        }
        let next = at(self.bytes, end);
        if length >= 12 || matches!(next, b'.' | b'/' | b':' | b'~') {
            self.keys(start, end, escaped)
        } else if self.bytes.get(start..end).is_some_and(|word| word.iter().any(u8::is_ascii_digit)) {
            self.numbers(start, end, escaped)
        } else {
            end
        }
    }

    /// Words that stand before a value.
    fn short_word(&mut self, start: usize, end: usize) {
        match self.bytes.get(start..end) {
            Some(b"is" | b"was" | b"ist" | b"lautet" | b"est" | b"es") if is_blank(before(self.bytes, start)) => {
                self.assigned(start, end, Separator::Is);
            }
            Some(word) if word.eq_ignore_ascii_case(b"bearer") && self.kinds.has(SecretKind::Authorization) => {
                if let Some(range) = authorization::bearer(self.text, end) {
                    self.push(SecretKind::Authorization, key::Named::Authorization.label(), range);
                }
            }
            _ => {}
        }
    }

    /// Keys of providers in a long word, and numbers. Returns where the last of them ends.
    fn keys(&mut self, start: usize, end: usize, escaped: usize) -> usize {
        let mut jwt_tried = !self.kinds.has(SecretKind::Jwt);
        let mut last = self.numbers(start, end, escaped);
        let mut position = start;
        while position < end {
            let begins =
                position == start || position == escaped || matches!(before(self.bytes, position), b'_' | b'-');
            let mut found = None;
            if begins && !jwt_tried && goes_on(self.bytes, position, b"eyJ") {
                jwt_tried = true;
                found = jwt::token_at(self.bytes, position).map(|range| (SecretKind::Jwt, "jwt", range));
            }
            if found.is_none() && self.kinds.has(SecretKind::ApiKey) {
                let shaped = || begins.then(|| provider::shaped_at(self.bytes, position, end)).flatten();
                let key = provider::key_at(self.text, position, begins).or_else(shaped);
                found = key.map(|(range, label)| (SecretKind::ApiKey, label, range));
            }
            match found {
                Some((kind, label, range)) => {
                    position = range.end.max(position + 1);
                    last = last.max(range.end);
                    self.push(kind, label, range);
                }
                None => position += 1,
            }
        }
        last
    }

    /// Numbers with check digits that begin in a word. Returns where the last of them ends, and at least `end`.
    fn numbers(&mut self, start: usize, end: usize, escaped: usize) -> usize {
        let mut last = end;
        let first = escaped.clamp(start, end);
        let mut position = first;
        while position < end {
            let byte = at(self.bytes, position);
            let begins = position == first || matches!(before(self.bytes, position), b'_' | b'-');
            let mut found = None;
            if begins && byte.is_ascii_digit() && self.kinds.has(SecretKind::PaymentCard) {
                found =
                    numbers::card_at(self.text, position).map(|range| (SecretKind::PaymentCard, "payment card", range));
            } else if begins
                && byte.is_ascii_alphabetic()
                && at(self.bytes, position + 2).is_ascii_digit()
                && self.kinds.has(SecretKind::Iban)
            {
                found = numbers::iban_at(self.text, position).map(|range| (SecretKind::Iban, "iban", range));
            }
            match found {
                Some((kind, label, range)) => {
                    last = last.max(range.end);
                    position = range.end;
                    self.push(kind, label, range);
                }
                // On to where the next part of the word begins.
                None => {
                    position =
                        run(self.bytes, position + 1, end, |byte| is_word(byte) && byte != b'_' && byte != b'-') + 1
                }
            }
        }
        last
    }

    /// Where a word begins whose first characters end an escape: `\n`, `\x22`, `\u0022`, `%3D`, a colour of a terminal.
    fn escaped(&self, start: usize) -> usize {
        let first = at(self.bytes, start);
        match before(self.bytes, start) {
            b'\\' => match first {
                b'u' => start + 5,
                b'x' => start + 3,
                _ => start + 1,
            },
            b'%' => start + 2,
            b'[' | b';' if first.is_ascii_digit() => {
                let parameters = run_back(self.bytes, start, 16, |byte| byte.is_ascii_digit() || byte == b';');
                let colour =
                    before(self.bytes, parameters) == b'[' && before(self.bytes, parameters.saturating_sub(1)) == 0x1b;
                if colour { run(self.bytes, start, 4, |byte| byte.is_ascii_digit()) + 1 } else { start }
            }
            _ => start,
        }
    }

    /// Looks at what stands around a separator. Returns where to go on: behind a long value, what is in it is not looked at.
    fn separator(&mut self, position: usize, byte: u8) -> usize {
        let (last, next) = (before(self.bytes, position), at(self.bytes, position + 1));
        match byte {
            b':' if goes_on(self.bytes, position, b"://") => {
                if self.kinds.has(SecretKind::UrlPassword)
                    && let Some(range) = url::password_at(self.text, position)
                {
                    self.push(SecretKind::UrlPassword, "url password", range);
                }
            }
            b':' if last != b':' && next != b':' => {
                return self
                    .assigned(position, position + 1 + usize::from(next == b'='), Separator::Colon)
                    .max(position + 1);
            }
            b'=' if !b"=!<>~+-*/%&|^:".contains(&last) && next != b'=' && next != b'~' => {
                return self
                    .assigned(position, position + 1 + usize::from(next == b'>'), Separator::Equals)
                    .max(position + 1);
            }
            b'>' if last != b'=' && last != b'-' => {
                return self.assigned(position, position + 1, Separator::Tag).max(position + 1);
            }
            b'~' if self.kinds.has(SecretKind::ApiKey) => {
                if let Some(range) = provider::azure_at(self.bytes, position) {
                    self.push(SecretKind::ApiKey, "azure secret", range);
                }
            }
            // The wide colon and the wide equals sign.
            0xEF if next == 0xBC && matches!(at(self.bytes, position + 2), 0x9A | 0x9D) => {
                self.assigned(position, position + 3, Separator::Colon);
            }
            _ => {}
        }
        position + 1
    }

    /// Returns where a long value ends, else `start`.
    fn assigned(&mut self, start: usize, end: usize, separator: Separator) -> usize {
        let mut behind = start;
        if !self.kinds.has(SecretKind::Assignment) && !self.kinds.has(SecretKind::Authorization) {
            return behind;
        }
        if let Some((range, named)) = assignment::value_at(self.text, start, end, separator) {
            let kind = match named {
                key::Named::Authorization => SecretKind::Authorization,
                _ => SecretKind::Assignment,
            };
            if range.len() > 512 && self.kinds.has(kind) {
                behind = range.end;
            }
            self.push(kind, named.label(), range);
        }
        behind
    }
}
