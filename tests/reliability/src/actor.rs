//! The engine under test, doing operations.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use mnemon::import::{Conversation, Format, Import, ImportedSession};
use mnemon::{
    Config, ContextManager, Diversity, Durability, Error, EstimateCounter, Existing, ForgetPolicy, ListFilter,
    MemoryId, MemoryUpdate, Metadata, NewMemory, NewTurn, Scope, Selection, Session, Timestamp,
};

use crate::embedder::HashEmbedder;
use crate::operation::{Noted, Operation, Spoken};
use crate::room::Done;
use crate::scratch;

/// The field of metadata that holds the mark of a memory.
pub(crate) const MARK: &str = "mark";

/// What has expired did so then.
const LONG_AGO: Timestamp = Timestamp::UNIX_EPOCH;

/// How the engine is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Opening {
    /// With a model, or with words alone.
    pub(crate) with_model: bool,
    /// When a write counts as done.
    pub(crate) durability: Durability,
    /// How long to wait for others, in milliseconds.
    pub(crate) busy_timeout_ms: u64,
}

impl Default for Opening {
    fn default() -> Self {
        Self { with_model: true, durability: Durability::Full, busy_timeout_ms: 120_000 }
    }
}

/// One scope of an open file.
#[derive(Debug)]
pub(crate) struct Actor {
    memory: ContextManager,
    with_model: bool,
    backup: PathBuf,
}

impl Actor {
    /// Opens a file, or makes it. The window is so small that turns leave it all the time, and larger than
    /// any exchange: a larger one would leave before older ones.
    ///
    /// # Errors
    /// As [`mnemon::Builder::open`].
    pub(crate) fn open(path: &Path, scope: &Scope, opening: Opening) -> Result<Self, Error> {
        let mut config = Config::default();
        // What an actor says is made of few words, and the model does not know what was shown.
        config.find_echoes = true;
        config.stm_capacity = 600;
        config.chunk_size = 150;
        config.durability = opening.durability;
        config.busy_timeout_ms = opening.busy_timeout_ms;
        config.diversity = Diversity::None;
        config.relevance_floor = 0.0;
        let builder = ContextManager::builder().config(config).scope(scope.clone());
        let builder = builder.token_counter(Arc::new(EstimateCounter));
        let builder = match opening.with_model {
            true => builder.embedder(Arc::new(HashEmbedder::new())),
            false => builder.without_model(),
        };
        let backup = backup_of(path, scope);
        Ok(Self { memory: builder.open(path)?, with_model: opening.with_model, backup })
    }

    /// The engine itself.
    #[must_use]
    pub(crate) fn memory(&self) -> &ContextManager {
        &self.memory
    }

    /// The ids of what the scope holds, in the order in which it was stored.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(crate) fn ids(&self) -> Result<Vec<MemoryId>, Error> {
        let all = ListFilter { limit: usize::MAX, ..ListFilter::default() };
        Ok(self.memory.list(&all)?.into_iter().map(|memory| memory.id).collect())
    }

    /// Carries an operation out.
    ///
    /// # Errors
    /// What the engine says.
    pub(crate) fn run(&self, operation: &Operation) -> Result<Done, Error> {
        let mut done = Done { embedded: self.with_model, ..Done::default() };
        match operation {
            Operation::Say { session, turns } => {
                let turns: Vec<NewTurn> = turns.iter().map(|turn| NewTurn::new(turn.role, &turn.text)).collect();
                let observed = self.memory.in_session(session).observe_turns(&turns)?;
                (done.ids, done.moved) = (observed.turns, observed.moved);
            }
            Operation::Add { memories } => done.ids = self.memory.add(&noted(memories))?,
            Operation::Change { id, text, mark, pinned } => {
                let update = MemoryUpdate {
                    text: text.clone(),
                    metadata: mark.map(marked),
                    pinned: *pinned,
                    ..MemoryUpdate::default()
                };
                self.memory.update(*id, &update)?;
            }
            Operation::Delete { id } => self.memory.delete(*id)?,
            Operation::Clear => {
                self.memory.clear_memory()?;
            }
            Operation::Import { name, turns, memories } => {
                self.memory.import(&import(name, turns, memories), &mut |_| {})?;
                let count = turns.len() + memories.len();
                let newest = ListFilter { limit: count, newest_first: true, ..ListFilter::default() };
                done.ids = self.memory.list(&newest)?.into_iter().rev().map(|memory| memory.id).collect();
            }
            Operation::Begin => {
                self.memory.new_session()?;
            }
            Operation::Maintain => {
                done.saved = self.memory.maintain(&mut |_| true)?.index_saved;
            }
            Operation::Ask { text } => {
                self.memory.build_context(text.as_str())?;
            }
            Operation::Expire { id } => {
                let update = MemoryUpdate { expires_at: Some(Some(LONG_AGO)), ..MemoryUpdate::default() };
                self.memory.update(*id, &update)?;
            }
            Operation::Forget => {
                self.memory.forget(&ForgetPolicy::default())?;
            }
            Operation::Supersede { old, new } => {
                self.memory.supersede(*old, *new)?;
            }
            Operation::Merge => {
                let merged = self.memory.merge_duplicates()?;
                let pairs = merged.into_iter().flat_map(|of| of.merged.into_iter().map(move |ended| (of.kept, ended)));
                done.merged = pairs.collect();
            }
            Operation::Erase { ids } => {
                self.memory.erase(&Selection::Ids(ids.clone()))?;
            }
            Operation::EraseSession { session } => {
                let named = |known: &Session| known.name.as_ref() == Some(session);
                if let Some(session) = self.memory.sessions()?.into_iter().find(named) {
                    self.memory.erase(&Selection::Session(session.id))?;
                }
            }
            Operation::Backup => {
                self.memory.backup(&self.backup, Existing::Replace, &mut |_| {})?;
            }
            Operation::Check => {
                let damage = self.memory.check()?;
                done.damage = (!damage.is_empty()).then(|| format!("{damage:?}"));
            }
        }
        Ok(done)
    }
}

/// The copy that the writer of a scope makes of a file.
#[must_use]
pub(crate) fn backup_of(path: &Path, scope: &Scope) -> PathBuf {
    scratch::beside(path, &format!("-copy-of-{}", scope.user()))
}

fn marked(mark: u64) -> Metadata {
    Metadata::from_iter([(MARK.to_owned(), mark.into())])
}

fn noted(memories: &[Noted]) -> Vec<NewMemory> {
    let new = |memory: &Noted| {
        NewMemory::new(memory.kind, &memory.text).pinned(memory.pinned).with_metadata(marked(memory.mark))
    };
    memories.iter().map(new).collect()
}

fn import(name: &str, turns: &[Spoken], memories: &[Noted]) -> Import {
    let turn = |(number, turn): (usize, &Spoken)| {
        NewTurn::new(turn.role, &turn.text).from_origin(name, format!("turn {number}"))
    };
    let session = ImportedSession {
        name: Some(name.to_owned()),
        started_at: None,
        turns: turns.iter().enumerate().map(turn).collect(),
    };
    let conversation = Conversation {
        scope: None,
        source: name.to_owned(),
        sessions: vec![session],
        memories: noted(memories)
            .into_iter()
            .enumerate()
            .map(|(number, memory)| memory.from_origin(name, format!("memory {number}")))
            .collect(),
    };
    Import {
        format: Format::Jsonl,
        conversations: vec![conversation],
        lines: turns.len() + memories.len(),
        skipped: Vec::new(),
        notes: Vec::new(),
    }
}
