//! Values of what is called a credential: `password = …`, `"api_key": "…"`, `--token …`, `the password is …`.
//!
//! The name alone is not enough: text and code speak of passwords and tokens all day. The value must look like one, and
//! how strictly that is read depends on the name, the separator and the quotes.

use std::ops::Range;

use super::bytes::{at, before, goes_on, is_blank, run, run_back};
use super::key::{Key, Named, key_before, password_spoken_of};
use super::shape;

/// So much of a value is looked at to tell what it is; the rest only extends it. Names and values may overlap
/// (`password:password:…`), so what is looked at for one name must be bounded.
const SAMPLE: usize = 160;

/// How a value stands there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Quoted,
    /// Up to the next blank.
    Bare,
    /// `NAME=value` on a line of its own or in a list: a plain word can be a value there.
    Setting,
    /// Behind `is`, or on the next line.
    Spoken,
}

/// What assigns: the value may begin at `end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Separator {
    Equals,
    Colon,
    /// `<password>`
    Tag,
    /// The blank behind an option of a command.
    Option,
    /// The word `is`.
    Is,
}

/// The value that a separator at `start..end` gives to a credential.
pub(super) fn value_at(text: &str, start: usize, end: usize, separator: Separator) -> Option<(Range<usize>, Named)> {
    let bytes = text.as_bytes();
    let key = match key_before(text, start) {
        Some(key) => key,
        None if separator == Separator::Equals => key_before(text, super::key::typed_colon(bytes, start)?)?,
        None if separator == Separator::Is && password_spoken_of(text, start) => {
            Key { named: Named::Password, start, spaced: true, phrase: false }
        }
        None => return None,
    };
    if key.named == Named::Authorization {
        let header = matches!(separator, Separator::Equals | Separator::Colon);
        return super::authorization::header_value(text, end).filter(|_| header).map(|range| (range, key.named));
    }
    if separator == Separator::Tag {
        return tagged(text, end, key);
    }
    let (value_start, next_line) = value_start(bytes, end, separator);
    let (range, form) = match quoted(text, value_start, SAMPLE) {
        Some(range) => (range, Form::Quoted),
        None => {
            let range = bare(text, value_start, SAMPLE)?;
            let form = match separator {
                Separator::Is => Form::Spoken,
                _ if next_line => Form::Spoken,
                Separator::Equals if is_setting(bytes, &key, end, &range) => Form::Setting,
                _ => Form::Bare,
            };
            (range, form)
        }
    };
    let is_quoted = form == Form::Quoted;
    // On the next line it must stand alone.
    if next_line && !matches!(at(bytes, range.end), 0 | b'\r' | b'\n') && form == Form::Spoken {
        return None;
    }
    let value = text.get(range.clone())?;
    let form = if separator == Separator::Is { Form::Spoken } else { form };
    if !is_credential(value, key, form, at(bytes, range.end)) {
        return None;
    }
    // The sample may have cut a value, a bare one by as much as is trimmed from its end.
    let whole = match range.len() + 16 < SAMPLE {
        true => range,
        false if is_quoted => quoted(text, value_start, text.len()).unwrap_or(range),
        false => bare(text, value_start, text.len()).unwrap_or(range),
    };
    Some((whole, key.named))
}

/// Whether the whole value of a field of this name is a credential.
pub(super) fn is_value_of(named: Named, value: &str) -> bool {
    let value = value.trim();
    match named {
        _ if shape::is_placeholder(value) || value.contains("://") => false,
        Named::Password | Named::Secret => {
            let words = value.split_whitespace().count();
            value.len() >= 3 && words < 3 && !shape::is_remark(value)
        }
        Named::Token | Named::Key => {
            value.len() >= 8 && !value.contains(char::is_whitespace) && !shape::is_words(value)
        }
        Named::Authorization => value.len() >= 6 && !shape::is_remark(value) && value.split_whitespace().count() < 3,
    }
}

/// Where the value begins, and whether that is on the next line.
fn value_start(bytes: &[u8], end: usize, separator: Separator) -> (usize, bool) {
    let is_space = |byte: u8| is_blank(byte) || byte == b'*';
    let mut start = run(bytes, end, 16, is_space);
    let mut next_line = false;
    if separator == Separator::Colon && matches!(at(bytes, start), b'\r' | b'\n') {
        start += if goes_on(bytes, start, b"\r\n") { 2 } else { 1 };
        start = run(bytes, start, 16, is_space);
        next_line = true;
    }
    // `b"…"`, and calls that only wrap: `String::from("…")`.
    let call = run(bytes, start, 40, |byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b':' | b'.'));
    let call = call + usize::from(call > start && at(bytes, call) == b'(');
    let name = bytes.get(start..call).unwrap_or_default().strip_suffix(b"(");
    let wraps = name.map_or(call - start <= 2, |name| WRAPPERS.iter().any(|wrapper| name.ends_with(wrapper)));
    if wraps && call > start && matches!(at(bytes, call), b'"' | b'\'') {
        start = call;
    }
    (start, next_line)
}

/// Calls that give back what they are given.
const WRAPPERS: [&[u8]; 6] = [b"from", b"new", b"Some", b"Secret", b"SecretStr", b"str"];

/// What stands between quotes that open at `start`, on one line.
fn quoted(text: &str, start: usize, limit: usize) -> Option<Range<usize>> {
    const QUOTES: [(&str, &[&str]); 10] = [
        ("\\\"", &["\\\""]),
        ("\\'", &["\\'"]),
        ("\"", &["\""]),
        ("'", &["'"]),
        ("`", &["`"]),
        ("“", &["”"]),
        ("„", &["“", "”"]),
        ("«", &["»"]),
        ("‘", &["’"]),
        ("&quot;", &["&quot;"]),
    ];
    let bytes = text.as_bytes();
    let (open, close) = QUOTES.iter().find(|(open, _)| goes_on(bytes, start, open.as_bytes()))?;
    let from = start + open.len();
    let mut position = from;
    let limit = from.saturating_add(limit).min(bytes.len());
    while position < limit {
        let byte = at(bytes, position);
        if close.iter().any(|close| goes_on(bytes, position, close.as_bytes())) {
            return Some(from..position);
        }
        match byte {
            b'\n' | b'\r' => return None,
            b'\\' if open.len() == 1 => position += 2,
            _ => position += 1,
        }
    }
    // A quotation that is longer than what is looked at; one that the text cuts off is none.
    let mut end = limit;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    (limit < bytes.len()).then_some(from..end)
}

/// What stands there up to the next blank, or to what separates it from the next assignment.
fn bare(text: &str, start: usize, limit: usize) -> Option<Range<usize>> {
    let bytes = text.as_bytes();
    let mut limit = start.saturating_add(limit).min(text.len());
    while !text.is_char_boundary(limit) {
        limit -= 1;
    }
    let rest = text.get(start..limit)?;
    // An opening quote that nothing closes.
    let start = start + rest.len() - rest.trim_start_matches(['"', '\'', '`']).len();
    let rest = text.get(start..limit)?;
    let end = rest
        .char_indices()
        .find(|&(place, c)| {
            c.is_whitespace()
                || matches!(c, '"' | '`' | '<' | '\u{3002}' | '\u{ff0c}')
                || matches!(c, ',' | ';' | '&') && ends_value(bytes, start + place + 1)
                || c == '\\' && matches!(at(bytes, start + place + 1), b'n' | b'r' | b't' | b'"')
        })
        .map_or(rest.len(), |(place, _)| place);
    let value = rest.get(..end)?;
    let opened = |open: char, close: char| value.matches(open).count() < value.matches(close).count();
    let mut value = value.trim_end_matches(['.', ',', ';', ':', '\'', '*', '”', '’']);
    for (open, close) in [('(', ')'), ('[', ']'), ('{', '}')] {
        if value.ends_with(close) && opened(open, close) {
            value = value.trim_end_matches(close).trim_end_matches(['.', ',', ';', ':']);
        }
    }
    (!value.is_empty()).then(|| start..start + value.len())
}

/// Whether a comma, a semicolon or an ampersand before this ends a value: a blank, a quote or a name follows.
fn ends_value(bytes: &[u8], next: usize) -> bool {
    let name = run(bytes, next, 40, |byte| byte.is_ascii_alphanumeric() || b"_-. ".contains(&byte));
    let byte = at(bytes, next);
    byte == 0
        || byte.is_ascii_whitespace()
        || matches!(byte, b'"' | b'\'')
        || name > next && b"=:".contains(&at(bytes, name))
}

/// Whether `NAME=value` stands as settings do: at the beginning of a line or behind `export`, or in a list of settings.
fn is_setting(bytes: &[u8], key: &Key, end: usize, range: &Range<usize>) -> bool {
    let line = run_back(bytes, key.start, 24, |byte| byte != b'\n' && byte != b'\r');
    let head = bytes.get(line..key.start).unwrap_or_default().trim_ascii();
    let begins = head.is_empty() && key.start - line < 24;
    let opens = begins || head.ends_with(b"export") || head.ends_with(b"-e") || head.ends_with(b"set");
    let listed = matches!(before(bytes, key.start), b';' | b'&' | b'?');
    let next = at(bytes, range.end);
    let closes = matches!(next, 0 | b'\n' | b'\r' | b'&' | b';' | b'\\' | b' ');
    !key.spaced && range.start == end && closes && (listed || opens && (next != b';' || end < range.start + 1))
}

/// `<password>value</password>`
fn tagged(text: &str, end: usize, key: Key) -> Option<(Range<usize>, Named)> {
    let bytes = text.as_bytes();
    if before(bytes, key.start) != b'<' {
        return None;
    }
    let close = run(bytes, end, 1024, |byte| byte != b'<' && byte != b'\n');
    let value = text.get(end..close)?;
    let fits = goes_on(bytes, close, b"</") && is_credential(value, key, Form::Quoted, 0);
    fits.then_some((end..close, key.named))
}

fn is_credential(value: &str, key: Key, form: Form, next: u8) -> bool {
    let is_expression = form != Form::Quoted && is_expression(value, next);
    if is_expression || value.contains("://") || shape::is_placeholder(value) {
        return false;
    }
    if value.contains(char::is_whitespace) {
        return key.named.is_chosen() && is_phrase(value, key.phrase);
    }
    match key.named {
        _ if shape::is_random(value) => true,
        Named::Password | Named::Secret => is_password(value, key, form),
        _ => false,
    }
}

/// A value with blanks in it: words are a remark, unless words are what is expected.
fn is_phrase(value: &str, expected: bool) -> bool {
    let mixed = |word: &&str| {
        word.bytes().any(|byte| byte.is_ascii_digit()) && word.bytes().any(|byte| byte.is_ascii_alphabetic())
    };
    let words = value.split_whitespace().count();
    let plain = value.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b' ');
    expected && plain && words >= 3 || value.split_whitespace().filter(mixed).count() >= 2 && words <= 4
}

fn is_password(value: &str, key: Key, form: Form) -> bool {
    let (mut letters, mut digits, mut signs, mut capitals) = (0_usize, 0_usize, 0_usize, 0_usize);
    for (place, c) in value.char_indices() {
        letters += usize::from(c.is_alphabetic());
        capitals += usize::from(c.is_uppercase() && place > 0);
        digits += usize::from(c.is_ascii_digit());
        signs += usize::from("!@#$%^&*+=?~|:;".contains(c) && place + 1 < value.len());
    }
    let count = value.chars().count();
    let least = if form == Form::Quoted { 4 } else { 6 };
    let path = value.starts_with(['/', '.', '~', '-']) || value.starts_with("\\\\");
    let remark = shape::is_remark(value) || shape::is_date(value) || path && shape::is_words(value);
    if count < least || remark {
        return false;
    }
    if letters == 0 {
        let only_digits = digits == count || signs > 0 && digits > 0;
        return key.named == Named::Password && only_digits && (form != Form::Spoken || count >= 6);
    }
    match form {
        // `8-character`, `2-factor`, `24/7`
        _ if is_measure(value) => false,
        Form::Spoken => digits > 0 && (digits > 1 || letters > 3) || signs > 1,
        _ if digits > 0 || signs > 0 => true,
        Form::Bare => false,
        // A single word that begins with a capital letter is what a form shows beside its field.
        Form::Quoted => capitals > 0 && key.named == Named::Password || is_chosen_word(value, key, 4),
        Form::Setting => is_chosen_word(value, key, 6),
    }
}

fn is_chosen_word(value: &str, key: Key, least: usize) -> bool {
    key.named == Named::Password && value.len() >= least && value.bytes().all(|byte| byte.is_ascii_lowercase())
}

/// A number with a word joined to it, which says how long or how many.
fn is_measure(value: &str) -> bool {
    let rest = value.trim_start_matches(|c: char| c.is_ascii_digit() || c == '-' || c == '–');
    rest.len() < value.len() && value.contains(['-', '–', '/']) && rest.bytes().all(|byte| byte.is_ascii_lowercase())
}

/// Whether code stands where a value would: a call, an index, a member of something.
fn is_expression(value: &str, next: u8) -> bool {
    let name = value.trim_start_matches(['&', '*', '!']);
    let end = name
        .find(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '.' | ':' | '-' | '>' | '?')))
        .unwrap_or(name.len());
    let head = name.get(..end).unwrap_or(name);
    let called = name
        .get(end..)
        .is_some_and(|rest| rest.starts_with(['(', '[', '{']) && rest.len() > 1 || rest.starts_with("!("));
    let starts_name = head.starts_with(|c: char| c.is_alphabetic() || c == '_');
    let member = head.contains('.') || head.contains("::") || head.contains("->");
    let plain_parts = head.split(['.', ':', '>', '?']).all(|part| part.is_empty() || shape::is_words(part));
    starts_name && end > 0 && (called || member && plain_parts && end == name.len() || next == b'(')
}
