//! Summaries of what left the window.
//!
//! Turns that leave the window of their session wait for a summary. About [`Config::chunk_size`](crate::Config::chunk_size)
//! tokens of them become one, and four of a depth become one of the next, so a session of any length is told in a few short
//! texts. The turns stay what they were: stored, active in long-term memory and found word for word.

use std::fmt::{Display, Formatter};
use std::str::FromStr;

use mnemon_compact::{CompactError, Message, Summary, SummaryMeta, SummaryRequest};
use mnemon_core::{Kind, Memory, MemoryId, Metadata, NewMemory, Role, Scope, SessionId, with_causes};
use mnemon_long_term::NewSummary;
use mnemon_store::{MADE_KEY, RowId, StoreError, SummaryRow};
use serde::{Deserialize, Serialize};

use crate::engine::Engine;
use crate::{ContextManager, Error};

/// So many summaries of a depth become one of the next.
const JOINED: usize = 4;
/// So many turns that wait are read at once, more than a chunk has.
const READ: usize = 512;
/// So many chunks are summarised while the writer of a turn waits; one leaves the window at a time, unless many waited.
const INLINE_CHUNKS: usize = 2;

/// When what left the window is summarised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Summaries {
    /// When it leaves: while the turn that made it leave is observed, after that turn is durable.
    #[default]
    Inline,
    /// By [`ContextManager::summarise`] and [`ContextManager::maintain`], on a thread of the caller's.
    Background,
    /// Never, and nothing waits for it.
    Off,
}

/// Another word than the name of a time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected a time for summaries (inline, background, off), got {got:?}")]
pub struct ParseSummariesError {
    got: String,
}

impl FromStr for Summaries {
    type Err = ParseSummariesError;

    fn from_str(word: &str) -> Result<Self, ParseSummariesError> {
        match word.trim().to_ascii_lowercase().as_str() {
            "inline" => Ok(Self::Inline),
            "background" => Ok(Self::Background),
            "off" => Ok(Self::Off),
            other => Err(ParseSummariesError { got: other.chars().take(80).collect() }),
        }
    }
}

impl Display for Summaries {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::Inline => "inline",
            Self::Background => "background",
            Self::Off => "off",
        })
    }
}

/// A summary that the engine made of a session.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct SessionSummary {
    /// The summary.
    pub memory: Memory,
    /// 1 for a summary of turns, 2 for one of summaries of turns, and so on.
    pub depth: u32,
    /// How many turns it stands for, how it was made and how good it is. Its ids and ranges are empty:
    /// [`ContextManager::summary_parts`] and [`ContextManager::summary_turns`] read them. `None` when somebody changed the
    /// metadata of the memory.
    pub meta: Option<SummaryMeta>,
}

impl SessionSummary {
    fn of(row: SummaryRow) -> Self {
        let meta = row.memory.metadata.get(MADE_KEY).and_then(|meta| SummaryMeta::deserialize(meta).ok());
        Self { memory: row.memory, depth: row.depth, meta }
    }
}

/// What [`ContextManager::summarise`] did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Summarised {
    /// How many summaries were written, of turns and of summaries.
    pub written: usize,
    /// Why some turns still wait, where that is so. They are tried again the next time.
    pub problem: Option<String>,
}

impl ContextManager {
    /// Summarises what waits for it in this file, in every scope. For a worker of the caller's where summaries are made in the
    /// background; [`ContextManager::maintain`] does it too. Should two processes summarise the same, one
    /// of the summaries is stored.
    ///
    /// Cost: about 3 ms for 1,000 tokens with the summariser that ships, and a transaction for each summary; with
    /// a language model as long as that takes.
    ///
    /// # Errors
    /// When the file cannot be read or written. A summariser that fails is no error: see [`Summarised::problem`].
    pub fn summarise(&self) -> Result<Summarised, Error> {
        let mut all = Summarised::default();
        let due = self.engine.long_term.store().read(|snapshot| snapshot.sessions_due_for_summary(1))?;
        for (scope, session) in due {
            let one = self.engine.summarise(&scope, session, usize::MAX)?;
            all.written += one.written;
            all.problem = all.problem.or(one.problem);
        }
        Ok(all)
    }

    /// The summaries that stand for what left the window of this session, in the order of the conversation. No turn is in two
    /// of them, and no context shows others.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn summaries(&self) -> Result<Vec<SessionSummary>, Error> {
        let rows = self.engine.long_term.store().read(|snapshot| -> Result<_, StoreError> {
            let Some(scope) = snapshot.scope_id(&self.scope)? else { return Ok(Vec::new()) };
            match self.session.find(snapshot, scope)? {
                Some(session) => snapshot.top_summaries(scope, session),
                None => Ok(Vec::new()),
            }
        })?;
        Ok(rows.into_iter().map(SessionSummary::of).collect())
    }

    /// The summary of this id, if it is in this scope and the engine made it.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn summary(&self, id: MemoryId) -> Result<Option<SessionSummary>, Error> {
        let row = self.engine.long_term.store().read(|snapshot| match snapshot.scope_id(&self.scope)? {
            Some(scope) => snapshot.summary(scope, id),
            None => Ok(None),
        })?;
        Ok(row.map(SessionSummary::of))
    }

    /// What a summary was made of, in the order of the conversation: turns, or summaries of one depth less. Empty for a memory
    /// that the engine did not make.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn summary_parts(&self, id: MemoryId) -> Result<Vec<Memory>, Error> {
        Ok(self.engine.long_term.store().read(|snapshot| {
            let Some(scope) = snapshot.scope_id(&self.scope)? else { return Ok(Vec::new()) };
            let Some(row) = snapshot.memory_row(scope, id)? else { return Ok(Vec::new()) };
            Ok::<_, StoreError>(snapshot.summary_parts(row)?.into_iter().map(|(_, memory)| memory).collect())
        })?)
    }

    /// The turns that a summary stands for, however deep they lie, in the order of the conversation.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn summary_turns(&self, id: MemoryId) -> Result<Vec<Memory>, Error> {
        Ok(self.engine.long_term.store().read(|snapshot| {
            let Some(scope) = snapshot.scope_id(&self.scope)? else { return Ok(Vec::new()) };
            let mut turns = Vec::new();
            let mut summaries: Vec<RowId> = snapshot.memory_row(scope, id)?.into_iter().collect();
            while let Some(summary) = summaries.pop() {
                let (below, other): (Vec<_>, Vec<_>) =
                    snapshot.summary_parts(summary)?.into_iter().partition(|(_, memory)| memory.kind == Kind::Summary);
                summaries.extend(below.iter().map(|(row, _)| *row));
                turns.extend(other);
            }
            turns.sort_by_key(|(row, _)| *row);
            Ok::<_, StoreError>(turns.into_iter().map(|(_, memory)| memory).collect())
        })?)
    }
}

impl Engine {
    /// Summarises what a turn made leave the window. The turn is durable: what goes wrong here waits for the next time.
    pub(crate) fn summarise_inline(&self, scope: &Scope, session: SessionId) -> Summarised {
        let failed = |error: Error| Summarised { written: 0, problem: Some(with_causes(&error)) };
        let done = self.summarise(scope, session, INLINE_CHUNKS).unwrap_or_else(failed);
        if let Some(problem) = &done.problem {
            tracing::warn!(%problem, "turns that left the window wait for their summary");
        }
        done
    }

    /// Summarises up to so many chunks of the turns of a session that wait, and then summaries of each depth.
    fn summarise(&self, scope: &Scope, session: SessionId, chunks: usize) -> Result<Summarised, Error> {
        let mut done = Summarised::default();
        for _ in 0..chunks {
            match self.summarise_turns(scope, session)? {
                Step::Written => done.written += 1,
                Step::Untold => {}
                Step::Nothing => break,
                Step::Failed(error) => {
                    done.problem = Some(with_causes(&error));
                    break;
                }
            }
        }
        loop {
            match self.join_summaries(scope, session)? {
                Step::Written => done.written += 1,
                Step::Nothing | Step::Untold => return Ok(done),
                Step::Failed(error) => {
                    done.problem = done.problem.or_else(|| Some(with_causes(&error)));
                    return Ok(done);
                }
            }
        }
    }

    /// Summarises the first chunk of the turns that wait. Fewer tokens than half a chunk go on waiting: that is what is left
    /// when another summary was made anew. Turns so short that as many as are read come to no more are a chunk too.
    fn summarise_turns(&self, scope: &Scope, session: SessionId) -> Result<Step, Error> {
        let due = self.long_term.store().read(|snapshot| match snapshot.scope_id(scope)? {
            Some(scope) => snapshot.due_for_summary(scope, session, READ),
            None => Ok(Vec::new()),
        })?;
        let is_full = due.len() == READ;
        let now = self.now();
        // What does not hold, echoes among it, is in no summary.
        let (due, over): (Vec<_>, Vec<_>) = due.into_iter().partition(|(_, memory)| memory.state.holds_at(now));
        if !over.is_empty() {
            self.await_no_summary(scope, session, &over)?;
        }
        let mut tokens = 0;
        let chunk: Vec<(RowId, Memory)> = due
            .into_iter()
            .take_while(|(row, memory)| {
                let is_first = tokens == 0;
                tokens += self.tokens_of_turn(*row, memory);
                is_first || tokens <= self.config.chunk_size
            })
            .collect();
        if chunk.is_empty() {
            return Ok(if is_full { Step::Untold } else { Step::Nothing });
        }
        if tokens < self.config.chunk_size.div_ceil(2) && !is_full {
            return Ok(Step::Nothing);
        }
        let messages: Vec<Message> = chunk.iter().map(|(_, memory)| said(memory)).collect();
        self.write_summary(scope, session, 1, &chunk, &messages)
    }

    /// Makes one summary of the oldest four of a depth.
    fn join_summaries(&self, scope: &Scope, session: SessionId) -> Result<Step, Error> {
        let parts = self.long_term.store().read(|snapshot| match snapshot.scope_id(scope)? {
            Some(scope) => snapshot.summaries_to_join(scope, session, JOINED),
            None => Ok(Vec::new()),
        })?;
        let Some(depth) = parts.first().map(|part| part.depth + 1) else { return Ok(Step::Nothing) };
        let messages: Vec<Message> = parts.iter().map(retold).collect();
        let parts: Vec<(RowId, Memory)> = parts.into_iter().map(|part| (part.row, part.memory)).collect();
        self.write_summary(scope, session, depth, &parts, &messages)
    }

    fn write_summary(
        &self,
        scope: &Scope,
        session: SessionId,
        depth: u32,
        parts: &[(RowId, Memory)],
        messages: &[Message],
    ) -> Result<Step, Error> {
        let request = SummaryRequest::of(messages, self.config.summary_tokens, &*self.counter);
        let summary = match self.summarizer.summarise(&request) {
            Ok(summary) => summary,
            // Greetings and empty lines: there is nothing to tell.
            Err(CompactError::NothingToSummarise { .. }) if depth == 1 => {
                self.await_no_summary(scope, session, parts)?;
                return Ok(Step::Untold);
            }
            Err(error) => return Ok(Step::Failed(error)),
        };
        let memory = self.memory_of(summary, parts);
        let new = NewSummary { scope, session, depth, parts, memory: &memory };
        // What changed meanwhile is summarised by whoever changed it, or the next time.
        Ok(self.long_term.add_summary(&new, self.now())?.map_or(Step::Nothing, |_| Step::Written))
    }

    /// A summary as it is remembered. It is believed as little as the least of what it was made of, and holds as long.
    fn memory_of(&self, summary: Summary, parts: &[(RowId, Memory)]) -> NewMemory {
        let Summary { text, mut meta } = summary;
        // A model may write what no filter had seen.
        let text = self.guard.text(&text).into_owned();
        (meta.ids, meta.ranges) = (Vec::new(), Vec::new());
        let mut memory = NewMemory::new(Kind::Summary, text);
        memory.occurred_at = meta.from;
        memory.trust = parts.iter().map(|(_, part)| part.trust).min();
        memory.state.expires_at = parts.iter().filter_map(|(_, part)| part.state.expires_at).min();
        // Values of these types are always JSON.
        if let Ok(meta) = serde_json::to_value(meta) {
            memory.metadata = Metadata::from_iter([(MADE_KEY.to_owned(), meta)]);
        }
        memory
    }

    fn await_no_summary(&self, scope: &Scope, session: SessionId, turns: &[(RowId, Memory)]) -> Result<(), StoreError> {
        let rows: Vec<RowId> = turns.iter().map(|(row, _)| *row).collect();
        self.long_term.store().write(|tx| match tx.scope_id(scope)? {
            Some(scope) => tx.await_no_summary(scope, session, &rows),
            None => Ok(()),
        })
    }
}

/// What became of a step.
enum Step {
    Written,
    /// Its turns have nothing to tell, and wait no longer.
    Untold,
    Nothing,
    Failed(CompactError),
}

/// A turn as summarisers read it.
fn said(memory: &Memory) -> Message {
    let turn = memory.turn.as_ref();
    let text = match &memory.caption {
        Some(caption) => format!("{} [shows: {caption}]", memory.text),
        None => memory.text.clone(),
    };
    let message = Message::new(turn.map_or(Role::User, |turn| turn.role), text).said_at(memory.time());
    match turn.and_then(|turn| turn.speaker.as_deref()) {
        Some(speaker) => message.named(speaker),
        None => message,
    }
}

/// A summary as summarisers read it.
fn retold(row: &SummaryRow) -> Message {
    let SessionSummary { memory, meta, .. } = SessionSummary::of(row.clone());
    let text = memory.text.clone();
    match meta {
        Some(meta) => Summary { text, meta }.into_message(),
        None => said(&memory),
    }
}
