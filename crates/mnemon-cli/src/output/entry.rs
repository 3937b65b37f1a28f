//! What is shown of a memory beside its text.

use std::collections::HashMap;

use mnemon::{Kind, Memory, Origin, SessionId, Source, Timestamp};

use super::{date, safe_line};

/// A memory as a row of a table; everything in it is safe to print.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) date: String,
    /// Who said it, or what it is.
    pub(crate) who: String,
    /// The piece of its source, or else its session.
    pub(crate) from: String,
    pub(crate) text: String,
}

/// The names of sessions.
type Names = HashMap<SessionId, String>;

impl Entry {
    pub(crate) fn of_memory(memory: &Memory, names: &Names) -> Self {
        let session = memory.turn.as_ref().map(|turn| turn.session);
        let text = match &memory.caption {
            Some(caption) => format!("{} [shows: {caption}]", memory.text),
            None => memory.text.clone(),
        };
        Self::new(memory.time(), memory.speaker(), memory.kind, memory.origin.as_ref(), session, names, &text)
    }

    pub(crate) fn of_source(source: &Source, text: &str, names: &Names) -> Self {
        let speaker = source.speaker.as_deref();
        Self::new(source.time, speaker, source.kind, source.origin.as_ref(), source.session, names, text)
    }

    fn new(
        time: Timestamp,
        speaker: Option<&str>,
        kind: Kind,
        origin: Option<&Origin>,
        session: Option<SessionId>,
        names: &Names,
        text: &str,
    ) -> Self {
        let from = match (origin, session) {
            (Some(origin), _) => origin.id.clone(),
            (None, Some(session)) => names.get(&session).cloned().unwrap_or_default(),
            (None, None) => String::new(),
        };
        Self {
            date: date(time),
            who: safe_line(speaker.unwrap_or(kind.as_str())),
            from: safe_line(&from),
            text: safe_line(text),
        }
    }
}
