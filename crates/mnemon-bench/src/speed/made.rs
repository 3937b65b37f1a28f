//! Memories to measure on: files that are filled with talk.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use mnemon::import::{Conversation, Format, Import, ImportedSession};
use mnemon::{ContextManager, Durability, Embedder, Level};
use serde::{Deserialize, Serialize};

use super::check;
use crate::made::{Composed, SESSION, Talk};
use crate::{Bench, BenchError, Progress, Step};

/// So many texts are read by the model; where there are more, the vectors of all are composed of what it made of these.
const READ: usize = 3_000;
const MAX_MEMORIES: usize = 5_000_000;

/// Fills files with talk, as an import does.
pub struct Maker<'a> {
    bench: &'a Bench,
    seed: u64,
    /// Files of more than so many texts get composed vectors.
    read_to: usize,
    /// Made when a file needs it.
    composed: Option<Arc<Composed>>,
}

/// How a file was filled.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Filled {
    /// Turns of two people, in one scope.
    pub memories: usize,
    /// Their sessions.
    pub sessions: usize,
    /// Texts that the model has read.
    pub read: usize,
    /// Memories whose vectors are composed: each word has the vectors of its pieces where it stood in a text that the
    /// model has read, and a text the mean of those of its words.
    pub composed: usize,
    /// The level of recall that it was filled for: what vectors it holds.
    pub level: Level,
    /// How long that took, in seconds, on all threads: storing, making vectors, building the graph.
    pub seconds: f64,
    /// Bytes of the file.
    pub file_bytes: u64,
    /// Bytes of the file for each memory.
    pub bytes_a_memory: f64,
}

impl<'a> Maker<'a> {
    /// Makes talk from this seed.
    #[must_use]
    pub fn new(bench: &'a Bench, seed: u64) -> Self {
        Self { bench, seed, read_to: READ, composed: None }
    }

    /// Composes the vectors of small files too, so that the times of filling files of all sizes can be compared.
    #[must_use]
    pub fn composing(self) -> Self {
        Self { read_to: 0, ..self }
    }

    /// Makes a file of `memories` turns, from 1 to 5,000,000, for this level of recall. Up to 3,000 are read by the model;
    /// the vectors of more are composed of what it made of 3,000, and come 10 to 100 times as fast.
    ///
    /// # Errors
    /// For a number that is not allowed, when the model fails and when the file cannot be written.
    pub fn fill(
        &mut self,
        path: &Path,
        memories: usize,
        level: Level,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Filled, BenchError> {
        check_memories(memories)?;
        let is_composed = memories > self.read_to;
        let embedder: Arc<dyn Embedder> =
            if is_composed { self.composed(progress)? } else { self.bench.shared_model() };
        let mut config = self.bench.config().clone();
        config.recall = level;
        // The file is thrown away: what a power failure would do to it does not matter.
        config.durability = Durability::Normal;
        let import = talk(memories, self.seed);
        let start = Instant::now();
        let memory = ContextManager::builder().config(config).embedder(embedder).open(path)?;
        memory.import(&import, &mut |step| progress(step.into()))?;
        drop(memory);
        let seconds = start.elapsed().as_secs_f64();
        let file_bytes = std::fs::metadata(path).map_err(BenchError::Temporary)?.len();
        Ok(Filled {
            memories,
            sessions: import.sessions(),
            read: if is_composed { READ } else { memories },
            composed: if is_composed { memories } else { 0 },
            level,
            seconds,
            file_bytes,
            bytes_a_memory: file_bytes as f64 / memories as f64,
        })
    }

    fn composed(&mut self, progress: &mut dyn FnMut(Progress)) -> Result<Arc<Composed>, BenchError> {
        if let Some(composed) = &self.composed {
            return Ok(Arc::clone(composed));
        }
        let talk = Talk::seeded(READ, self.seed);
        // As the engine writes them for the model.
        let line = |turn: mnemon::NewTurn| format!("{}: {}", turn.speaker.unwrap_or_default(), turn.text);
        let texts: Vec<Vec<String>> =
            (0..talk.sessions()).map(|number| talk.session(number).into_iter().map(line).collect()).collect();
        let mut told = |done| progress(Progress::new(Step::Read, done, READ));
        let composed = Arc::new(Composed::new(self.bench.shared_model(), &texts, &mut told)?);
        Ok(Arc::clone(self.composed.insert(composed)))
    }
}

pub(super) fn check_memories(memories: usize) -> Result<(), BenchError> {
    check("memories", memories, 1, MAX_MEMORIES)
}

/// As many turns as are wanted, as they would be read from a file.
fn talk(memories: usize, seed: u64) -> Import {
    let talk = Talk::seeded(memories, seed);
    let session = |number: usize| {
        let mut turns = talk.session(number);
        turns.truncate(memories - number * SESSION);
        ImportedSession { name: Some(format!("session {number}")), started_at: Some(talk.begins(number)), turns }
    };
    let sessions = (0..talk.sessions()).map(session).collect();
    let conversation = Conversation { source: "made".to_owned(), sessions, ..Conversation::default() };
    Import {
        format: Format::Jsonl,
        conversations: vec![conversation],
        lines: 0,
        skipped: Vec::new(),
        notes: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_turns_are_made_as_are_wanted() {
        for wanted in [1, SESSION - 1, SESSION, SESSION + 1, 1_000] {
            let import = talk(wanted, 3);
            assert_eq!((import.turns(), import.sessions()), (wanted, wanted.div_ceil(SESSION)));
        }
        let first = |seed| talk(1, seed).conversations[0].sessions[0].turns[0].text.clone();
        assert_eq!(first(1), first(1));
        assert_ne!(first(1), first(2));
    }

    #[test]
    fn a_number_that_is_not_allowed_is_refused() {
        for wrong in [0, MAX_MEMORIES + 1] {
            let error = check_memories(wrong).unwrap_err().to_string();
            assert_eq!(error, format!("expected from 1 to 5000000 memories, got {wrong}"));
        }
    }
}
