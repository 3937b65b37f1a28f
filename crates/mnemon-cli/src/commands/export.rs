//! `mnemon export`

use std::collections::HashMap;

use mnemon::import::jsonl;
use mnemon::{ListFilter, Memory, SessionId};

use crate::app::{App, Need};
use crate::error::{CliError, Outcome};

/// The whole scope as it was at one moment: each session with its turns, then everything else.
pub(crate) fn run(app: &mut App) -> Result<Outcome, CliError> {
    let memory = app.open_without_model(Need::Read)?;
    let sessions = memory.sessions()?;
    let all = memory.list(&ListFilter { limit: usize::MAX, ..ListFilter::default() })?;
    let mut turns_of: HashMap<SessionId, Vec<&Memory>> = HashMap::new();
    for (memory, turn) in all.iter().filter_map(|memory| Some((memory, memory.turn.as_ref()?))) {
        turns_of.entry(turn.session).or_default().push(memory);
    }
    let mut line = Vec::new();
    for session in &sessions {
        jsonl::write_session(&mut line, session)?;
        let mut turns = turns_of.remove(&session.id).unwrap_or_default();
        turns.sort_by_key(|memory| memory.turn.as_ref().map(|turn| turn.position));
        for turn in turns {
            jsonl::write_memory(&mut line, turn, session.name.as_deref())?;
        }
        app.write_lines(&mut line)?;
    }
    for other in all.iter().filter(|memory| memory.turn.is_none()) {
        jsonl::write_memory(&mut line, other, None)?;
        app.write_lines(&mut line)?;
    }
    Ok(Outcome::Done)
}

impl App {
    fn write_lines(&mut self, lines: &mut Vec<u8>) -> Result<(), CliError> {
        // JSON is text, so nothing is replaced here.
        let text = String::from_utf8_lossy(lines);
        self.out.json_lines(&text)?;
        lines.clear();
        Ok(())
    }
}
