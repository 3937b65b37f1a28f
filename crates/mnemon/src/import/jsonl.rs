//! Mnemon's own format, for import and export: one JSON object a line.
//!
//! ```json
//! {"type":"session","name":"S3","time":"2025-03-02T18:05:00Z"}
//! {"type":"turn","session":"S3","id":"S3:1","time":"2025-03-02T18:05:00Z","role":"user","speaker":"Nora","text":"Hi!"}
//! {"role":"assistant","content":"Hello Nora, how was the trip?"}
//! {"type":"fact","text":"Nora is allergic to walnuts","pinned":true,"scope":"user=nora"}
//! ```
//!
//! | field | on | meaning |
//! |---|---|---|
//! | `type` | all | `turn`, `fact`, `note`, `document`, `summary` or `session`; a line with `role` or `speaker` is a turn without it |
//! | `text` | all but sessions | what was said or is to be remembered; `content` is taken for it |
//! | `role` | turns | `user`, `assistant`, `system` or `tool`, or a label such as `human`; may be left out beside `speaker` |
//! | `speaker` | turns | who speaks, by name |
//! | `session` | turns | the name of the session |
//! | `name` | sessions | the name; without one, the turns that follow and name no session are in it |
//! | `id`, `source` | all but sessions | the origin; `source` is `file:<name of the file>` unless it is given |
//! | `time` | all | when it was said, happened or began |
//! | `caption` | all but sessions | what an attachment shows, in words |
//! | `pinned` | memories | whether it is part of every context |
//! | `priority` | all but sessions | how much it should stay in the window; 1 is normal |
//! | `metadata` | all but sessions | any JSON object |
//! | `scope` | all | whose it is, as text of a [`Scope`]; without one, the caller decides |
//!
//! Only `text` and, for turns, one of `role` and `speaker` are needed. Times are RFC 3339, or a civil time or a date
//! alone, which are taken as UTC. A field that is null is one that is not there. Fields that the table does not know
//! are kept in the metadata, with a note. Blank lines are skipped; a turn or memory with neither text nor caption is
//! left out with a note.
//!
//! A turn that names no session belongs to the last session line of its scope, else to one unnamed session. A speaker
//! without a role gets one from what other lines say about that speaker, else as in a transcript. An id names one line
//! of a scope and source, so that the same line is stored once, however often it is imported: a second line with it is
//! an error. A line without an id is known by its number and the hash of the whole file.

use std::collections::{HashMap, HashSet};
use std::io::{self, Write};

use jiff::Timestamp;
use mnemon_core::{Kind, Memory, Metadata, NewMemory, NewTurn, Origin, Role, Scope, Session, State, Trust};
use serde::Serialize;
use serde_json::Value;

use super::content::{Content, line_text};
use super::error::{Place, Problem, Report, excerpt};
use super::json::{self, Fields};
use super::roles::{Roles, role_of_label, speaker_of};
use super::{Conversation, Format, Import, ImportError, ImportedSession, Options, time};

/// Writes one memory as a line. `session` is the name of its session, for turns.
///
/// A memory without an origin of its own is written with its id and the source `mnemon`, so that two exports of it are
/// imported once. That a turn is pinned is written too, but a turn is imported unpinned, with `pinned` in its metadata.
///
/// # Errors
/// When `out` cannot be written to.
pub fn write_memory(out: &mut impl Write, memory: &Memory, session: Option<&str>) -> io::Result<()> {
    let id = memory.id.to_string();
    let (id, source) = match &memory.origin {
        Some(origin) => (origin.id.as_str(), origin.source.as_str()),
        None => (id.as_str(), "mnemon"),
    };
    // What an import of this line is believed anyway.
    let usual = Trust::of(memory.kind, memory.turn.as_ref().map(|turn| turn.role), true);
    let line = MemoryLine {
        r#type: memory.kind.as_str(),
        scope: (memory.scope != Scope::default()).then_some(&memory.scope),
        session: session.filter(|_| memory.turn.is_some()),
        id,
        source,
        time: memory.occurred_at,
        role: memory.turn.as_ref().map(|turn| turn.role),
        speaker: memory.turn.as_ref().and_then(|turn| turn.speaker.as_deref()),
        text: &memory.text,
        caption: memory.caption.as_deref(),
        pinned: memory.pinned,
        priority: (memory.priority != 1.0 && memory.priority.is_finite()).then_some(memory.priority),
        metadata: &memory.metadata,
        trust: Some(memory.trust).filter(|trust| *trust != usual),
        state: &memory.state,
    };
    write_line(out, &line)
}

/// Writes one session as a line; its turns may follow.
///
/// # Errors
/// When `out` cannot be written to.
pub fn write_session(out: &mut impl Write, session: &Session) -> io::Result<()> {
    let line = SessionLine {
        r#type: "session",
        scope: (session.scope != Scope::default()).then_some(&session.scope),
        name: session.name.as_deref(),
        time: session.started_at,
    };
    write_line(out, &line)
}

#[derive(Serialize)]
struct MemoryLine<'a> {
    r#type: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<&'a Scope>,
    #[serde(skip_serializing_if = "Option::is_none")]
    session: Option<&'a str>,
    id: &'a str,
    source: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    time: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<Role>,
    #[serde(skip_serializing_if = "Option::is_none")]
    speaker: Option<&'a str>,
    text: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    caption: Option<&'a str>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pinned: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    priority: Option<f32>,
    #[serde(skip_serializing_if = "Metadata::is_empty")]
    metadata: &'a Metadata,
    #[serde(skip_serializing_if = "Option::is_none")]
    trust: Option<Trust>,
    #[serde(skip_serializing_if = "State::is_default")]
    state: &'a State,
}

#[derive(Serialize)]
struct SessionLine<'a> {
    r#type: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<&'a Scope>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    time: Timestamp,
}

fn write_line(out: &mut impl Write, line: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *out, line)?;
    out.write_all(b"\n")
}

pub(super) fn parse(content: &Content<'_>, options: &Options) -> Result<Import, ImportError> {
    let mut report = Report::new(content.name(), options.skip_invalid);
    let mut builder =
        Builder { content, options, drafts: Vec::new(), by_scope: HashMap::new(), unknown: HashSet::new() };
    for (line, bytes) in content.lines() {
        let record = line_text(line, bytes).and_then(|text| record(line, text, content));
        let Some(record) = report.keep(record)?.flatten() else { continue };
        for field in &record.unknown {
            if !builder.unknown.contains(field) {
                let text =
                    format!("the field {:?} is not one of the format and is kept in the metadata", excerpt(field));
                report.note(Place::Line(line), text);
                builder.unknown.insert(field.clone());
            }
        }
        if record.is_empty() {
            report.note(Place::Line(line), "left out because it has neither text nor caption");
        } else {
            report.keep(builder.add(line, record))?;
        }
    }
    Ok(Import {
        format: Format::Jsonl,
        conversations: builder.finish(),
        lines: content.line_count(),
        skipped: report.skipped,
        notes: report.notes,
    })
}

/// One line.
struct Record {
    scope: Option<Scope>,
    unknown: Vec<String>,
    what: What,
}

enum What {
    Session { name: Option<String>, time: Option<Timestamp> },
    Turn { session: Option<String>, role: Option<Role>, turn: NewTurn },
    Memory(NewMemory),
}

impl Record {
    fn is_empty(&self) -> bool {
        let (text, caption) = match &self.what {
            What::Session { .. } => return false,
            What::Turn { turn, .. } => (&turn.text, &turn.caption),
            What::Memory(memory) => (&memory.text, &memory.caption),
        };
        text.is_empty() && caption.is_none()
    }
}

/// Reads one line; a blank one is `None`.
fn record(line: usize, text: &str, content: &Content<'_>) -> Result<Option<Record>, Problem> {
    if text.trim().is_empty() {
        return Ok(None);
    }
    let expected = "a JSON object on one line";
    let mut fields = Fields::new(Place::Line(line), expected, json::parse(line, expected, text)?)?;
    let scope = match fields.take_text("scope")? {
        Some(text) => Some(text.parse::<Scope>().map_err(|error| {
            fields.wrong("scope", "a scope such as \"user=ann,project=garden\"", &Value::String(text)).because(error)
        })?),
        None => None,
    };
    let time = fields.take_parsed("time", "a time such as \"2025-03-02T18:05:00Z\" or \"2025-03-02\"", time::iso)?;
    let kind = kind(&mut fields)?;
    let Some(kind) = kind else {
        let name = fields.take_name("name")?;
        let unknown = fields.rest().into_iter().map(|(field, _)| field).collect();
        return Ok(Some(Record { scope, unknown, what: What::Session { name, time } }));
    };

    let body = Body::take(&mut fields, line, content)?;
    let what = if kind == Kind::Turn {
        let session = fields.take_name("session")?;
        let speaker = fields.take_text("speaker")?.filter(|speaker| !speaker.trim().is_empty());
        let role = fields.take_parsed("role", "a role (user, assistant, system, tool)", |role| {
            role.parse().ok().or_else(|| role_of_label(role))
        })?;
        if role.is_none() && speaker.is_none() {
            return Err(Problem::new(fields.place(), "a `role` or a `speaker` of the turn", "neither"));
        }
        let turn = NewTurn {
            role: role.unwrap_or(Role::User),
            speaker,
            text: body.text,
            caption: body.caption,
            priority: body.priority,
            metadata: body.metadata,
            origin: Some(body.origin),
            occurred_at: time,
            trust: body.trust,
            state: body.state,
        };
        What::Turn { session, role, turn }
    } else {
        let pinned = match fields.take("pinned") {
            None | Some(Value::Null) => false,
            Some(Value::Bool(pinned)) => pinned,
            Some(other) => return Err(fields.wrong("pinned", "true or false", &other)),
        };
        What::Memory(NewMemory {
            kind,
            text: body.text,
            caption: body.caption,
            pinned,
            priority: body.priority,
            metadata: body.metadata,
            origin: Some(body.origin),
            occurred_at: time,
            trust: body.trust,
            state: body.state,
        })
    };
    let mut record = Record { scope, unknown: Vec::new(), what };
    record.keep_unknown(fields)?;
    Ok(Some(record))
}

/// The kind of memory that a line is, `None` for a session.
fn kind(fields: &mut Fields) -> Result<Option<Kind>, Problem> {
    let expected = "a type (turn, fact, note, document, summary, session)";
    let read = |word: &str| match word.trim() {
        word if word.eq_ignore_ascii_case("session") => Some(None),
        word => word.parse::<Kind>().ok().map(Some),
    };
    match fields.take_parsed("type", expected, read)? {
        Some(kind) => Ok(kind),
        None if fields.has("role") || fields.has("speaker") => Ok(Some(Kind::Turn)),
        None => Err(Problem::new(fields.place(), "a `type`, or a `role` as turns have it", fields.describe())),
    }
}

/// What turns and memories have in common.
struct Body {
    text: String,
    caption: Option<String>,
    priority: f32,
    metadata: Metadata,
    origin: Origin,
    trust: Option<Trust>,
    state: State,
}

impl Body {
    fn take(fields: &mut Fields, line: usize, content: &Content<'_>) -> Result<Self, Problem> {
        let text_field = if fields.has("text") || !fields.knows("content") { "text" } else { "content" };
        if !fields.knows(text_field) {
            return Err(Problem::new(fields.place(), "a string as `text`", "none"));
        }
        let text = fields.take_text(text_field)?.unwrap_or_default();
        let caption = fields.take_text("caption")?.filter(|caption| !caption.is_empty());
        let priority = match fields.take("priority") {
            None | Some(Value::Null) => 1.0,
            Some(value) => match value.as_f64().map(|it| it as f32) {
                Some(priority) if priority.is_finite() => priority,
                _ => return Err(fields.wrong("priority", "a finite number", &value)),
            },
        };
        let metadata = match fields.take("metadata") {
            None | Some(Value::Null) => Metadata::new(),
            Some(Value::Object(metadata)) => metadata,
            Some(other) => return Err(fields.wrong("metadata", "an object", &other)),
        };
        let origin = match fields.take_name("id")? {
            Some(id) => {
                Origin { source: fields.take_name("source")?.unwrap_or_else(|| content.source().to_owned()), id }
            }
            // A number of a line says something only about one content, so its source is never one that is given.
            None => content.origin(line),
        };
        // What a file says of itself counts as far as `Options::most_trust` goes.
        let trust = fields.take_if("trust", |value| value.as_str()?.parse::<Trust>().ok());
        let is_state = |state: &State| (0.0..=1.0).contains(&state.importance);
        let read_state = |value: &Value| serde_json::from_value(value.clone()).ok().filter(is_state);
        let state = fields.take_if("state", |value| value.as_object().and_then(|_| read_state(value)));
        Ok(Self { text, caption, priority, metadata, origin, trust, state: state.unwrap_or_default() })
    }
}

impl Record {
    /// Keeps the fields that the format does not know in the metadata.
    fn keep_unknown(&mut self, fields: Fields) -> Result<(), Problem> {
        let metadata = match &mut self.what {
            What::Session { .. } => return Ok(()),
            What::Turn { turn, .. } => &mut turn.metadata,
            What::Memory(memory) => &mut memory.metadata,
        };
        let place = fields.place();
        for (field, value) in fields.rest().into_iter().filter(|(_, value)| !value.is_null()) {
            if metadata.contains_key(&field) {
                let got = format!("both for {:?}", excerpt(&field));
                return Err(Problem::new(place, "a field of its own or one in `metadata`", got));
            }
            metadata.insert(field.clone(), value);
            self.unknown.push(field);
        }
        Ok(())
    }
}

/// Sorts records into conversations and sessions.
struct Builder<'a> {
    content: &'a Content<'a>,
    options: &'a Options,
    drafts: Vec<Draft>,
    by_scope: HashMap<Option<Scope>, usize>,
    /// The fields beside the format that were noted.
    unknown: HashSet<String>,
}

struct Draft {
    conversation: Conversation,
    by_name: HashMap<String, usize>,
    /// The session of turns that name none.
    current: Option<usize>,
    lines: HashMap<(String, String), usize>,
    roles: Roles,
    /// Turns whose role is not known before the end: session and index.
    open: Vec<(usize, usize)>,
}

impl Builder<'_> {
    fn add(&mut self, line: usize, record: Record) -> Result<(), Problem> {
        let at = *self.by_scope.entry(record.scope.clone()).or_insert_with(|| {
            let conversation = Conversation {
                scope: record.scope,
                source: self.content.source().to_owned(),
                ..Conversation::default()
            };
            self.drafts.push(Draft {
                conversation,
                by_name: HashMap::new(),
                current: None,
                lines: HashMap::new(),
                roles: Roles::new(&self.options.roles),
                open: Vec::new(),
            });
            self.drafts.len() - 1
        });
        // The index was taken from this vector, which only grows.
        let Some(draft) = self.drafts.get_mut(at) else { return Ok(()) };
        draft.add(line, record.what)
    }

    fn finish(self) -> Vec<Conversation> {
        self.drafts.into_iter().map(Draft::finish).collect()
    }
}

impl Draft {
    fn add(&mut self, line: usize, what: What) -> Result<(), Problem> {
        match what {
            What::Session { name, time } => {
                let session = self.session(name, true);
                if let Some(session) = self.conversation.sessions.get_mut(session) {
                    session.started_at = time.or(session.started_at);
                }
            }
            What::Turn { session, role, turn } => {
                self.check_origin(line, turn.origin.as_ref())?;
                self.roles.see(turn.speaker.as_deref(), role);
                let at = self.session(session, false);
                if let Some(session) = self.conversation.sessions.get_mut(at) {
                    if role.is_none() {
                        self.open.push((at, session.turns.len()));
                    }
                    session.turns.push(turn);
                }
            }
            What::Memory(memory) => {
                self.check_origin(line, memory.origin.as_ref())?;
                self.conversation.memories.push(memory);
            }
        }
        Ok(())
    }

    /// An origin that comes twice would be stored once, and what the second line says would be lost.
    fn check_origin(&mut self, line: usize, origin: Option<&Origin>) -> Result<(), Problem> {
        let Some(origin) = origin else { return Ok(()) };
        match self.lines.insert((origin.source.clone(), origin.id.clone()), line) {
            None => Ok(()),
            Some(first) => {
                let got = format!("{:?}, which is also that of line {first}", excerpt(&origin.id));
                Err(Problem::new(Place::Line(line), "an `id` of its own in its scope and source", got))
            }
        }
    }

    /// The session of this name, which is made when there is none yet. A session line without a name always makes one.
    fn session(&mut self, name: Option<String>, is_line: bool) -> usize {
        let known = match &name {
            Some(name) => self.by_name.get(name).copied(),
            None if is_line => None,
            None => self.current,
        };
        let at = known.unwrap_or_else(|| {
            self.conversation.sessions.push(ImportedSession { name: name.clone(), ..ImportedSession::default() });
            self.conversation.sessions.len() - 1
        });
        if is_line || name.is_none() {
            self.current = Some(at);
        }
        if let Some(name) = name {
            self.by_name.insert(name, at);
        }
        at
    }

    fn finish(mut self) -> Conversation {
        for (session, turn) in self.open {
            let turn = self.conversation.sessions.get_mut(session).and_then(|session| session.turns.get_mut(turn));
            if let Some(turn) = turn {
                let name = turn.speaker.take().unwrap_or_default();
                turn.role = self.roles.resolve(&name);
                turn.speaker = speaker_of(&name);
            }
        }
        self.conversation
    }
}

#[cfg(test)]
mod tests;
