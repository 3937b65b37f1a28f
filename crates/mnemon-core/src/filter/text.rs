//! The line of text: read by recursive descent, and written so that it is read back as the same.

use std::fmt;
use std::str::{Chars, FromStr};

use super::error::cut;
use super::field::{Holds, TIME};
use super::value::time;
use super::{Bounds, Field, Filter, FilterError, Value};

/// Words that are part of the language. As keys they stand in quotes or behind `metadata.`.
const RESERVED: [&str; 8] = ["and", "or", "not", "in", "exists", "true", "false", "null"];

/// What a name may consist of without quotes.
pub(super) fn is_word_char(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '-'
}

/// What a value may consist of without quotes: numbers, times, ids, and names of sources.
fn is_value_char(c: char) -> bool {
    is_word_char(c) || matches!(c, '.' | ':' | '+' | '/' | '@')
}

/// A text in quotes, as it is read back.
pub(super) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

impl FromStr for Filter {
    type Err = FilterError;

    /// Reads a line of text, or the JSON of a filter, which begins with `{`.
    fn from_str(text: &str) -> Result<Self, FilterError> {
        if text.len() > Self::MAX_TEXT_BYTES {
            return Err(FilterError::TooLong { max: Self::MAX_TEXT_BYTES, got: text.len() });
        }
        if text.trim_start().starts_with('{') {
            return Self::from_json_text(text);
        }
        let mut parser = Parser { scanner: Scanner::new(text), nodes: 0 };
        let filter = parser.any(1)?;
        parser.scanner.skip_spaces();
        if !parser.scanner.at_end() {
            return Err(parser.expected("`and`, `or` or the end"));
        }
        filter.check()?;
        Ok(filter)
    }
}

/// A text and a place in it.
pub(super) struct Scanner<'a> {
    text: &'a str,
    rest: &'a str,
}

/// Quotes that do not end, or an escape that is none; the scanner stands where it went wrong.
pub(super) struct BadQuotes;

impl<'a> Scanner<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, rest: text }
    }

    pub(super) fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    pub(super) fn skip(&mut self) {
        let mut chars = self.rest.chars();
        chars.next();
        self.rest = chars.as_str();
    }

    pub(super) fn take_while(&mut self, fits: impl Fn(char) -> bool) -> &'a str {
        let end = self.rest.find(|c| !fits(c)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at_checked(end).unwrap_or((self.rest, ""));
        self.rest = rest;
        taken
    }

    fn skip_spaces(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn at_end(&self) -> bool {
        self.rest.is_empty()
    }

    /// Takes this text if it is next.
    fn take(&mut self, text: &str) -> bool {
        match self.rest.strip_prefix(text) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    /// Takes this word, in any case, if it is next and ends there.
    fn take_word(&mut self, word: &str) -> bool {
        let before = self.rest;
        let found = self.take_while(|c| is_value_char(c) || c == '"').eq_ignore_ascii_case(word);
        if !found {
            self.rest = before;
        }
        found
    }

    /// The number of the next character, from 1.
    fn at(&self) -> usize {
        let taken = self.text.len() - self.rest.len();
        self.text.get(..taken).map_or(0, |taken| taken.chars().count()) + 1
    }

    /// Reads a text in double or single quotes, with the escapes of JSON and `\'`.
    pub(super) fn quoted(&mut self) -> Result<String, BadQuotes> {
        let mut chars = self.rest.chars();
        let Some(quote) = chars.next() else { return Err(BadQuotes) };
        let mut text = String::new();
        loop {
            self.rest = chars.as_str();
            match chars.next().ok_or(BadQuotes)? {
                '\\' => text.push(escaped(&mut chars).ok_or(BadQuotes)?),
                c if c == quote => break,
                c => text.push(c),
            }
        }
        self.rest = chars.as_str();
        Ok(text)
    }
}

/// The character of an escape, whose backslash was read.
fn escaped(chars: &mut Chars<'_>) -> Option<char> {
    Some(match chars.next()? {
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'b' => '\u{8}',
        'f' => '\u{c}',
        'u' => {
            let first = code_unit(chars)?;
            if !(0xd800..0xdc00).contains(&first) {
                return char::from_u32(first);
            }
            *chars = chars.as_str().strip_prefix("\\u")?.chars();
            let second = code_unit(chars)?.checked_sub(0xdc00).filter(|low| *low < 0x400)?;
            char::from_u32(0x10000 + ((first - 0xd800) << 10) + second)?
        }
        c @ ('"' | '\'' | '\\' | '/') => c,
        _ => return None,
    })
}

/// Four hexadecimal digits.
fn code_unit(chars: &mut Chars<'_>) -> Option<u32> {
    let (digits, rest) = chars.as_str().split_at_checked(4)?;
    *chars = rest.chars();
    digits.bytes().all(|byte| byte.is_ascii_hexdigit()).then(|| u32::from_str_radix(digits, 16).ok())?
}

struct Parser<'a> {
    scanner: Scanner<'a>,
    nodes: usize,
}

impl Parser<'_> {
    /// `all (or all)*`
    fn any(&mut self, depth: usize) -> Result<Filter, FilterError> {
        self.list(depth, "or", Filter::Or, |parser, depth| parser.list(depth, "and", Filter::And, Self::one))
    }

    fn list(
        &mut self,
        depth: usize,
        word: &str,
        combine: fn(Vec<Filter>) -> Filter,
        part: fn(&mut Self, usize) -> Result<Filter, FilterError>,
    ) -> Result<Filter, FilterError> {
        let first = part(self, depth)?;
        let mut parts = vec![first];
        loop {
            self.scanner.skip_spaces();
            if !self.scanner.take_word(word) {
                break;
            }
            parts.push(part(self, depth)?);
        }
        match (parts.pop(), parts.is_empty()) {
            (Some(only), true) => Ok(only),
            (last, _) => {
                parts.extend(last);
                Ok(combine(parts))
            }
        }
    }

    /// `not one`, `(any)`, `exists(field)` or a comparison.
    fn one(&mut self, depth: usize) -> Result<Filter, FilterError> {
        if depth > Filter::MAX_DEPTH {
            return Err(FilterError::TooDeep { max: Filter::MAX_DEPTH });
        }
        self.nodes += 1;
        if self.nodes > Filter::MAX_NODES {
            return Err(FilterError::TooManyConditions { max: Filter::MAX_NODES });
        }
        self.scanner.skip_spaces();
        if self.scanner.take_word("not") {
            return Ok(!self.one(depth + 1)?);
        }
        if self.scanner.take("(") {
            let inner = self.any(depth + 1)?;
            self.close(")", "`and`, `or` or `)`")?;
            return Ok(inner);
        }
        if self.scanner.take_word("exists") {
            self.close("(", "`(`")?;
            let field = self.field()?;
            self.close(")", "`)`")?;
            return Ok(field.exists());
        }
        self.comparison()
    }

    fn comparison(&mut self) -> Result<Filter, FilterError> {
        let field = self.field()?;
        self.scanner.skip_spaces();
        // The longer ones first.
        for (sign, what) in [
            ("<=", "lte"),
            (">=", "gte"),
            ("<>", "ne"),
            ("!=", "ne"),
            ("==", "eq"),
            ("<", "lt"),
            (">", "gt"),
            ("=", "eq"),
        ] {
            if !self.scanner.take(sign) {
                continue;
            }
            if matches!(what, "eq" | "ne") {
                let value = self.value(&field, Field::check_value)?;
                return Ok(if what == "eq" { field.eq(value) } else { field.ne(value) });
            }
            let bound = Some(self.value(&field, Field::check_bound)?);
            let none = Bounds::default();
            let bounds = match what {
                "lte" => Bounds { lte: bound, ..none },
                "gte" => Bounds { gte: bound, ..none },
                "lt" => Bounds { lt: bound, ..none },
                _ => Bounds { gt: bound, ..none },
            };
            return Ok(Filter::Range(field, bounds));
        }
        let negated = self.scanner.take_word("not");
        self.scanner.skip_spaces();
        if !self.scanner.take_word("in") {
            return Err(self.expected(if negated { "`in`" } else { "=, !=, <, <=, >, >=, `in` or `not in`" }));
        }
        let found = Filter::In(field.clone(), self.values(&field)?);
        Ok(if negated { !found } else { found })
    }

    /// `(value, …)`, perhaps without any.
    fn values(&mut self, field: &Field) -> Result<Vec<Value>, FilterError> {
        self.close("(", "`(`")?;
        let mut values = Vec::new();
        self.scanner.skip_spaces();
        if self.scanner.take(")") {
            return Ok(values);
        }
        loop {
            values.push(self.value(field, Field::check_value)?);
            if values.len() > Filter::MAX_LIST {
                return Err(FilterError::TooManyValues { max: Filter::MAX_LIST, max_in_all: Filter::MAX_VALUES });
            }
            self.scanner.skip_spaces();
            if self.scanner.take(")") {
                return Ok(values);
            }
            self.close(",", "`,` or `)`")?;
        }
    }

    fn field(&mut self) -> Result<Field, FilterError> {
        self.scanner.skip_spaces();
        let start = (self.scanner.at(), self.scanner.rest);
        let mut segments = Vec::new();
        loop {
            match self.scanner.peek() {
                Some('"' | '\'') => segments.push((self.quoted()?, true)),
                Some(c) if c == '_' || c.is_alphabetic() => {
                    let word = self.scanner.take_while(is_word_char);
                    let is_reserved = RESERVED.iter().any(|reserved| word.eq_ignore_ascii_case(reserved));
                    if segments.is_empty() && is_reserved {
                        let got = format!("the word `{word}` (as a key it stands in quotes)");
                        return Err(FilterError::Text { at: start.0, expected: "a condition".to_owned(), got });
                    }
                    segments.push((word.to_owned(), false));
                }
                // Behind a dot, a key may begin with anything that a word consists of.
                Some(c) if is_word_char(c) && !segments.is_empty() => {
                    segments.push((self.scanner.take_while(is_word_char).to_owned(), false));
                }
                _ if segments.is_empty() => return Err(self.expected("a condition")),
                _ => return Err(self.expected("a key")),
            }
            if !self.scanner.take(".") {
                break;
            }
        }
        Field::of_segments(segments).map_err(|error| match error {
            FilterError::Field { expected, got } => {
                FilterError::Text { at: start.0, expected: format!("{expected} as the name of a field"), got }
            }
            other => other,
        })
    }

    /// A value of the field, which `check` allows.
    fn value(
        &mut self,
        field: &Field,
        check: fn(&Field, &Value) -> Result<(), FilterError>,
    ) -> Result<Value, FilterError> {
        self.scanner.skip_spaces();
        let start = (self.scanner.at(), self.scanner.rest);
        let refused = |expected: &str, got: String| {
            Err(FilterError::Text { at: start.0, expected: format!("{expected} for {field}"), got })
        };
        let value = if let Some('"' | '\'') = self.scanner.peek() {
            let text = self.quoted()?;
            match field.holds() {
                Holds::Time => time(&text).map(Value::Time).ok_or(text),
                _ => Ok(Value::Text(text)),
            }
        } else {
            let word = self.scanner.take_while(is_value_char);
            if word.is_empty() {
                return Err(self.expected("a value"));
            }
            bare(word, field.holds()).ok_or_else(|| word.to_owned())
        };
        let expected = match field.holds() {
            Holds::Time => TIME,
            _ => "a number, true, false, null, a word that begins with a letter, or a text in quotes",
        };
        match value {
            Ok(value) => match check(field, &value) {
                Err(FilterError::Value { expected, got, .. }) => refused(expected, got),
                other => other.map(|()| value),
            },
            Err(word) => refused(expected, format!("`{}`", cut(&word))),
        }
    }

    fn quoted(&mut self) -> Result<String, FilterError> {
        self.scanner.quoted().map_err(|BadQuotes| {
            let expected = if self.scanner.peek() == Some('\\') {
                "an escape such as \\n, \\\" or \\u00e9"
            } else {
                "the quote that ends the text"
            };
            self.expected(expected)
        })
    }

    fn close(&mut self, sign: &str, expected: &str) -> Result<(), FilterError> {
        self.scanner.skip_spaces();
        if self.scanner.take(sign) { Ok(()) } else { Err(self.expected(expected)) }
    }

    fn expected(&self, expected: &str) -> FilterError {
        let mut rest = Scanner::new(self.scanner.rest);
        rest.skip_spaces();
        let at = self.scanner.at() + self.scanner.rest.chars().count() - rest.rest.chars().count();
        let got = match (rest.peek(), rest.take_while(is_value_char)) {
            (None, _) => "the end".to_owned(),
            (Some(c), "") => format!("`{c}`"),
            (_, word) => format!("`{}`", cut(word)),
        };
        FilterError::Text { at, expected: expected.to_owned(), got }
    }
}

/// What stands without quotes, for a field that holds this.
fn bare(word: &str, holds: Holds) -> Option<Value> {
    match holds {
        Holds::Time => return time(word).map(Value::Time),
        Holds::Text | Holds::Kind | Holds::Role | Holds::Session | Holds::Trust => {
            return Some(Value::Text(word.to_owned()));
        }
        Holds::Bool | Holds::Importance | Holds::Json => {}
    }
    match word.to_ascii_lowercase().as_str() {
        "true" => Some(Value::Bool(true)),
        "false" => Some(Value::Bool(false)),
        "null" => Some(Value::Null),
        _ if word.starts_with(|c: char| c == '_' || c.is_alphabetic()) => Some(Value::Text(word.to_owned())),
        _ => number(word),
    }
}

/// A number as JSON has it: whole where it is written so and fits, else floating-point. None that is infinite.
fn number(word: &str) -> Option<Value> {
    let digits = word.strip_prefix(['-', '+']).unwrap_or(word);
    if !digits.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let whole = word.parse::<i128>().ok().map(Value::Integer).filter(Value::is_json);
    whole.or_else(|| word.parse().ok().map(Value::Float).filter(Value::is_json))
}

/// As a line of text, which is read back as a filter that means the same.
impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Eq(field, value) => write!(f, "{field} = {value}"),
            Self::In(field, values) => {
                write!(f, "{field} in (")?;
                let mut separator = "";
                for value in values {
                    write!(f, "{separator}{value}")?;
                    separator = ", ";
                }
                f.write_str(")")
            }
            Self::Range(field, bounds) => {
                let sign = |word| match word {
                    "gt" => ">",
                    "gte" => ">=",
                    "lt" => "<",
                    _ => "<=",
                };
                let (open, close) = if bounds.given().count() > 1 { ("(", ")") } else { ("", "") };
                f.write_str(open)?;
                let mut separator = "";
                for (word, bound) in bounds.given() {
                    write!(f, "{separator}{field} {} {bound}", sign(word))?;
                    separator = " and ";
                }
                f.write_str(close)
            }
            Self::Exists(field) => write!(f, "exists({field})"),
            Self::And(parts) => write_list(f, parts, " and "),
            Self::Or(parts) => write_list(f, parts, " or "),
            Self::Not(inner) => {
                f.write_str("not ")?;
                write_part(f, inner)
            }
        }
    }
}

fn write_list(f: &mut fmt::Formatter<'_>, parts: &[Filter], word: &str) -> fmt::Result {
    let mut separator = "";
    for part in parts {
        f.write_str(separator)?;
        write_part(f, part)?;
        separator = word;
    }
    Ok(())
}

fn write_part(f: &mut fmt::Formatter<'_>, part: &Filter) -> fmt::Result {
    match part {
        Filter::And(_) | Filter::Or(_) => write!(f, "({part})"),
        _ => write!(f, "{part}"),
    }
}
