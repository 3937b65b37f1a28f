//! Reads conversations from files into values, without touching a database.
//!
//! Three formats are known: the project's own lines of JSON ([`jsonl`]), the file of the LoCoMo benchmark ([`locomo`])
//! and plain chat transcripts ([`transcript`]). A whole file is read before anything is handed back, so a caller that
//! stores the result never stores half a file.
//!
//! Every turn and every memory gets an [`Origin`](mnemon_core::Origin), so that importing the same file twice stores
//! it once: the id that the file gives, or else the number of its line together with a hash of the content.
//!
//! Text is taken as it is, NUL characters included. Only line ends of transcripts are made equal (`\n`). A file is
//! UTF-8, with or without a byte order mark, or UTF-16 with one. Bytes that are no text, half a surrogate pair in JSON
//! and JSON nested deeper than 128 levels are errors that name their place; nothing is replaced in silence.
//!
//! ```
//! use mnemon::import::{self, Options};
//!
//! let chat = "[2025-03-02 18:05] Nora: Is the tram running?\n[2025-03-02 18:06] Assistant: Every ten minutes.\n";
//! let import = import::parse(chat.as_bytes(), "chat.txt", &Options::default())?;
//! assert_eq!(import.turns(), 2);
//! let turn = &import.conversations[0].sessions[0].turns[1];
//! assert_eq!(turn.text, "Every ten minutes.");
//! assert_eq!(turn.occurred_at.unwrap().to_string(), "2025-03-02T18:06:00Z");
//! # Ok::<(), import::ImportError>(())
//! ```

mod content;
mod error;
mod json;
pub mod jsonl;
pub mod locomo;
mod roles;
mod time;
pub mod transcript;

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::str::FromStr;

use jiff::{SignedDuration, Timestamp};
use mnemon_core::{Kind, NewMemory, NewTurn, Role, Scope, Trust};

pub use error::{ImportError, Note, Place, Problem};

use content::Content;

/// What a file holds, ready to be stored.
#[derive(Debug)]
pub struct Import {
    /// The format that the file was read as.
    pub format: Format,
    /// The conversations, in the order in which they begin in the file.
    pub conversations: Vec<Conversation>,
    /// How many lines the file has.
    pub lines: usize,
    /// What was left out because it could not be read. Empty unless [`Options::skip_invalid`] is set.
    pub skipped: Vec<Problem>,
    /// What was read in another way than somebody might expect, and is no error.
    pub notes: Vec<Note>,
}

impl Import {
    /// How many turns were read.
    #[must_use]
    pub fn turns(&self) -> usize {
        self.conversations.iter().flat_map(|it| &it.sessions).map(|session| session.turns.len()).sum()
    }

    /// How many sessions were read.
    #[must_use]
    pub fn sessions(&self) -> usize {
        self.conversations.iter().map(|it| it.sessions.len()).sum()
    }

    /// How many memories beside turns were read.
    #[must_use]
    pub fn memories(&self) -> usize {
        self.conversations.iter().map(|it| it.memories.len()).sum()
    }
}

/// What belongs to one scope of a file.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Conversation {
    /// The scope that the file names. `None` leaves the choice to the caller.
    pub scope: Option<Scope>,
    /// Where it comes from, such as `locomo:conv-26` or `file:notes.jsonl`.
    pub source: String,
    /// Its sessions, in the order of the file.
    pub sessions: Vec<ImportedSession>,
    /// What is to be remembered beside turns, in the order of the file.
    pub memories: Vec<NewMemory>,
}

impl Conversation {
    /// Lets nothing be believed more than this.
    fn believe(&mut self, most: Trust) {
        let limit = |trust: &mut Option<Trust>, own: Trust| {
            // What nobody says anything of comes from outside, once it is stored.
            if trust.is_some() || most != Trust::External {
                *trust = Some(trust.unwrap_or(own).min(most));
            }
        };
        for turn in self.sessions.iter_mut().flat_map(|session| &mut session.turns) {
            limit(&mut turn.trust, Trust::of(Kind::Turn, Some(turn.role), false));
        }
        for memory in &mut self.memories {
            limit(&mut memory.trust, Trust::of(memory.kind, None, false));
        }
    }
}

/// One session of a file.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ImportedSession {
    /// Its name, unique in the conversation, where the file gives one.
    pub name: Option<String>,
    /// When it began, where the file says so.
    pub started_at: Option<Timestamp>,
    /// Its turns, in order.
    pub turns: Vec<NewTurn>,
}

/// What kind of file it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Format {
    /// One JSON object a line; see [`jsonl`].
    Jsonl,
    /// The file of the LoCoMo benchmark; see [`locomo`].
    Locomo,
    /// A chat as people copy it out of programs; see [`transcript`].
    Transcript,
}

impl Format {
    /// Every format.
    pub const ALL: &[Self] = &[Self::Jsonl, Self::Locomo, Self::Transcript];

    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Jsonl => "jsonl",
            Self::Locomo => "locomo",
            Self::Transcript => "transcript",
        }
    }

    /// The format that a text looks like.
    ///
    /// A text that starts as an array of JSON objects, or that is one JSON object with a `conversation`, is LoCoMo;
    /// any other text that starts with a JSON object is lines of JSON; the rest is a transcript.
    #[must_use]
    pub fn detect(text: &str) -> Self {
        let text = text.trim_start_matches('\u{feff}').trim_start();
        if let Some(rest) = text.strip_prefix('[') {
            let is_json = rest.trim_start().starts_with(['{', ']']);
            return if is_json { Self::Locomo } else { Self::Transcript };
        }
        if !text.starts_with('{') {
            return Self::Transcript;
        }
        let first_line = text.lines().next().unwrap_or_default();
        // A first line that is not whole is part of an object printed over many lines. Inside a JSON text, a quote in
        // a value is escaped, so the key cannot be taken from what somebody said.
        let head = match serde_json::from_str::<serde_json::Value>(first_line) {
            Ok(value) => return if value.get("conversation").is_some() { Self::Locomo } else { Self::Jsonl },
            Err(_) => text,
        };
        let is_key = |(at, key): (usize, &str)| {
            head.get(at + key.len()..).is_some_and(|rest| rest.trim_start().starts_with(':'))
        };
        if head.match_indices("\"conversation\"").any(is_key) { Self::Locomo } else { Self::Jsonl }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Format {
    type Err = ImportError;

    fn from_str(word: &str) -> Result<Self, ImportError> {
        let wanted = word.trim();
        let found = Self::ALL.iter().find(|format| format.as_str().eq_ignore_ascii_case(wanted));
        found.copied().ok_or_else(|| ImportError::UnknownFormat { got: error::excerpt(word) })
    }
}

/// How a file is read.
#[derive(Debug, Clone)]
pub struct Options {
    /// The format. `None` looks at the ending of the file's name (`.jsonl`, `.ndjson`), then at the content.
    pub format: Option<Format>,
    /// Leave out the lines (of LoCoMo: the turns or conversations) that cannot be read and report them in
    /// [`Import::skipped`], instead of failing at the first.
    pub skip_invalid: bool,
    /// The source of origins whose ids the file gives but whose source it does not. `None` is `file:<name>` for a file
    /// and a hash of the content for a reader. LoCoMo files name their own.
    pub source: Option<String>,
    /// The roles of speakers, by name; case does not matter. Who is not listed gets a role from the name (`user`, `me`,
    /// `assistant`, `bot`, ...) or from the order: the first other name is the user unless somebody else is.
    pub roles: BTreeMap<String, Role>,
    /// In dates such as `02/03/2025`, whether the day comes first. `None` looks for a date of the file that only one
    /// reading fits, then takes the month first where times are written with am and pm, else the day.
    pub day_first: Option<bool>,
    /// A pause after which a transcript with times starts a new session. `None` never does.
    pub session_gap: Option<SignedDuration>,
    /// The most that anything of the file is believed, whatever it says of itself. A file from elsewhere is
    /// [`Trust::External`]; with [`Trust::User`] what the user said in it is believed as if it had been said here.
    pub most_trust: Trust,
    /// The most bytes that a file may have: it is read whole, and what is read from it takes about as much again.
    pub max_bytes: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            format: None,
            skip_invalid: false,
            source: None,
            roles: BTreeMap::new(),
            day_first: None,
            session_gap: Some(SignedDuration::from_hours(8)),
            most_trust: Trust::External,
            max_bytes: 1 << 30,
        }
    }
}

/// Reads a file.
///
/// # Errors
/// When the file cannot be opened or read, is larger than [`Options::max_bytes`], or holds something that is not of its
/// format; see [`ImportError`].
pub fn read(path: impl AsRef<Path>, options: &Options) -> Result<Import, ImportError> {
    let path = path.as_ref();
    let name = path.display().to_string();
    let file = File::open(path).map_err(|source| ImportError::Read { name: name.clone(), source })?;
    let bytes = read_all(file, &name, options)?;
    let extension = path.extension().and_then(|it| it.to_str()).unwrap_or_default();
    let by_name = ["jsonl", "ndjson"].iter().any(|it| extension.eq_ignore_ascii_case(it)).then_some(Format::Jsonl);
    let by_file = path.file_name().map(|it| format!("file:{}", it.to_string_lossy()));
    parse_as(&bytes, &name, options, by_name, by_file)
}

/// Reads from a reader, such as standard input, to its end. `name` is what errors call it.
///
/// # Errors
/// As [`read`].
pub fn read_from(reader: impl Read, name: &str, options: &Options) -> Result<Import, ImportError> {
    let bytes = read_all(reader, name, options)?;
    parse(&bytes, name, options)
}

/// Reads the content of a file. `name` is what errors call it.
///
/// # Errors
/// When the content is not of its format; see [`ImportError`].
pub fn parse(bytes: &[u8], name: &str, options: &Options) -> Result<Import, ImportError> {
    parse_as(bytes, name, options, None, None)
}

fn read_all(reader: impl Read, name: &str, options: &Options) -> Result<Vec<u8>, ImportError> {
    let mut bytes = Vec::new();
    let limit = options.max_bytes.saturating_add(1);
    reader.take(limit).read_to_end(&mut bytes).map_err(|source| ImportError::Read { name: name.to_owned(), source })?;
    if bytes.len() as u64 > options.max_bytes {
        return Err(ImportError::TooLarge { name: name.to_owned(), max_bytes: options.max_bytes });
    }
    Ok(bytes)
}

fn parse_as(
    bytes: &[u8],
    name: &str,
    options: &Options,
    by_name: Option<Format>,
    source: Option<String>,
) -> Result<Import, ImportError> {
    let content = Content::new(bytes, name, options.source.clone().or(source))?;
    let detected = || by_name.unwrap_or_else(|| Format::detect(&String::from_utf8_lossy(content.bytes())));
    let mut import = match options.format.unwrap_or_else(detected) {
        Format::Jsonl => jsonl::parse(&content, options)?,
        Format::Locomo => locomo::parse(&content, options)?,
        Format::Transcript => transcript::parse(&content, options)?,
    };
    import.conversations.iter_mut().for_each(|conversation| conversation.believe(options.most_trust));
    Ok(import)
}

#[cfg(test)]
mod tests;
