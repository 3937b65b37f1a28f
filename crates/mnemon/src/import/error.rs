//! What can be wrong with a file, and what is worth a word about it.

use std::error::Error;
use std::fmt;
use std::io;
use std::sync::LazyLock;

use mnemon_guard::{RedactionConfig, Redactor};

/// A file that could not be imported. Nothing of it was handed on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// The file could not be opened or read.
    #[error("could not read {name}")]
    Read {
        /// The file.
        name: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The file is larger than the options allow.
    #[error("expected a file of at most {max_bytes} bytes, got a larger one: {name}")]
    TooLarge {
        /// The file.
        name: String,
        /// The limit of the options.
        max_bytes: u64,
    },
    /// A part of the file is not what its format asks for.
    #[error("{name}, {place}: expected {expected}, got {got}")]
    Invalid {
        /// The file.
        name: String,
        /// Where in the file.
        place: Place,
        /// What was expected there.
        expected: String,
        /// What was there, cut after 80 characters.
        got: String,
        /// The error of the parser underneath, where there is one.
        #[source]
        source: Option<Box<dyn Error + Send + Sync>>,
    },
    /// A word that names no format.
    #[error("expected a format (jsonl, locomo, transcript), got {got:?}")]
    UnknownFormat {
        /// The word, cut after 80 characters.
        got: String,
    },
}

/// A place in a file where something else was expected.
#[derive(Debug)]
pub struct Problem {
    /// Where.
    pub place: Place,
    /// What was expected there.
    pub expected: String,
    /// What was there, cut after 80 characters.
    pub got: String,
    /// The error of the parser underneath, where there is one.
    pub source: Option<Box<dyn Error + Send + Sync>>,
}

impl Problem {
    pub(super) fn new(place: Place, expected: impl Into<String>, got: impl Into<String>) -> Self {
        Self { place, expected: expected.into(), got: got.into(), source: None }
    }

    pub(super) fn because(self, source: impl Error + Send + Sync + 'static) -> Self {
        Self { source: Some(Box::new(source)), ..self }
    }

    pub(super) fn in_file(self, name: &str) -> ImportError {
        let Self { place, expected, got, source } = self;
        ImportError::Invalid { name: name.to_owned(), place, expected, got, source }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: expected {}, got {}", self.place, self.expected, self.got)
    }
}

impl Error for Problem {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn Error + 'static))
    }
}

/// Something about a file that its owner may want to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// Where.
    pub place: Place,
    /// What.
    pub text: String,
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.text)
    }
}

/// A place in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// The number of a line, from 1.
    Line(usize),
    /// A line, and a byte of it, both from 1.
    Byte {
        /// The number of the line.
        line: usize,
        /// The number of the byte in the line.
        column: usize,
    },
    /// A JSON pointer (RFC 6901) such as `/0/conversation/session_3/5/text`; the empty one is the whole file.
    Pointer(String),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(line) => write!(f, "line {line}"),
            Self::Byte { line, column } => write!(f, "line {line}, byte {column}"),
            Self::Pointer(pointer) if pointer.is_empty() => f.write_str("the whole file"),
            Self::Pointer(pointer) => f.write_str(pointer),
        }
    }
}

/// What is left out and what is remarked while a file is read.
pub(super) struct Report<'a> {
    name: &'a str,
    skip_invalid: bool,
    pub(super) skipped: Vec<Problem>,
    pub(super) notes: Vec<Note>,
}

impl<'a> Report<'a> {
    pub(super) fn new(name: &'a str, skip_invalid: bool) -> Self {
        Self { name, skip_invalid, skipped: Vec::new(), notes: Vec::new() }
    }

    /// The value, or `None` when it was left out with a report; an error when nothing may be left out.
    pub(super) fn keep<T>(&mut self, read: Result<T, Problem>) -> Result<Option<T>, ImportError> {
        match read {
            Ok(value) => Ok(Some(value)),
            Err(problem) if self.skip_invalid => {
                self.skipped.push(problem);
                Ok(None)
            }
            Err(problem) => Err(problem.in_file(self.name)),
        }
    }

    pub(super) fn note(&mut self, place: Place, text: impl Into<String>) {
        self.notes.push(Note { place, text: text.into() });
    }
}

/// So much of a text is looked at for what may stand in a message: a secret that begins in it may be long.
const LOOK: usize = 8_192;

/// The first 80 characters of a text, for messages, without secrets: messages are shown, sent and logged.
pub(super) fn excerpt(text: &str) -> String {
    excerpt_from(text, 0)
}

/// The same from a byte on. What stands before it is looked at too: it may say that what follows is a secret.
pub(super) fn excerpt_from(text: &str, start: usize) -> String {
    let from = text.get(text.floor_char_boundary(start.saturating_sub(LOOK))..).unwrap_or_default();
    let start = from.floor_char_boundary(start.saturating_sub(text.len() - from.len()));
    let from = from.get(..from.floor_char_boundary(start + LOOK)).unwrap_or_default();
    let Some(redactor) = &*REDACTOR else { return "...".to_owned() };
    let (mut shown, mut at) = (String::new(), start);
    for finding in redactor.redact(from).findings.iter().filter(|finding| finding.range.end > start) {
        shown.push_str(from.get(at..finding.range.start).unwrap_or_default());
        shown.push_str(&finding.mark());
        at = finding.range.end;
    }
    shown.push_str(from.get(at..).unwrap_or_default());
    let shown = without_codes(&shown);
    match shown.char_indices().nth(80) {
        Some((end, _)) => format!("{}...", shown.get(..end).unwrap_or_default()),
        None => shown,
    }
}

/// A longer run of letters and digits is no word: it may be a line of a key, which nothing tells when it stands alone.
const LONGEST_WORD: usize = 40;

/// A text whose runs of letters, digits and the signs of base 64 are cut where they are longer than words are.
fn without_codes(text: &str) -> String {
    let is_of_code = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '=' | '_' | '-');
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest.find(|c| !is_of_code(c)).unwrap_or(rest.len());
        let (run, after) = rest.split_at(end);
        match run.get(..8).filter(|_| run.len() > LONGEST_WORD) {
            Some(beginning) => shown.extend([beginning, "..."]),
            None => shown.push_str(run),
        }
        let between = after.find(is_of_code).unwrap_or(after.len());
        shown.push_str(after.get(..between).unwrap_or_default());
        rest = after.get(between..).unwrap_or_default();
    }
    shown
}

/// Messages are the same whatever is stored, so this one does not ask the settings.
static REDACTOR: LazyLock<Option<Redactor>> = LazyLock::new(|| Redactor::new(RedactionConfig::default()).ok());
