//! Long-term memory: writing to it, and keeping its index.

use std::sync::Arc;

use mnemon_core::{
    Embedder, Memory, MemoryId, NewMemory, NewTurn, Placement, Purpose, Scope, SessionId, Timestamp, TokenVectors,
};
use mnemon_index::VectorIndex;
use mnemon_recall::{Level, QuestionTokens, Rotation, analyse, is_content};
use mnemon_store::{Added, ListFilter, MemoryUpdate, RowId, Store, StoreError};

use crate::embedding::{Checked, embed, embed_question};
use crate::passage::Analysed;
use crate::resident::Resident;
use crate::{Degradation, LongTermError, passage};

/// Everything that is remembered in one file.
pub struct LongTerm {
    store: Arc<Store>,
    meaning: Option<Meaning>,
    resident: Resident,
}

/// An embedding model, and what it is used for.
pub(crate) struct Meaning {
    pub(crate) embedder: Arc<dyn Embedder>,
    /// As it was when the store was opened. Stored vectors and the index have it, so a model that says otherwise later
    /// is a model that failed.
    pub(crate) dimension: usize,
    /// How the vectors of pieces are turned before they are coded; `None` when none are kept.
    pub(crate) pieces: Option<Rotation>,
}

impl Meaning {
    fn new(embedder: Arc<dyn Embedder>, level: Level) -> Result<Self, LongTermError> {
        let dimension = embedder.dimension();
        VectorIndex::new(dimension)?;
        let pieces = embedder.token_embedder().filter(|_| level == Level::Thorough);
        let pieces = pieces.map(|pieces| Rotation::new(pieces.dimension()));
        Ok(Self { embedder, dimension, pieces })
    }

    /// The vector of a question and its pieces, where the model gives these and they are asked for.
    pub(crate) fn ask(&self, text: &str, level: Level) -> (Option<Vec<f32>>, Option<QuestionTokens>, Option<String>) {
        if let (Level::Thorough, Some(embedder), Some(rotation)) = (level, self.embedder.token_embedder(), &self.pieces)
        {
            let (vector, tokens, problem) = embed_question(embedder, self.embedder.model(), self.dimension, text);
            let content = |tokens: &TokenVectors| {
                let kept = tokens.iter().filter(|(piece, _)| embedder.piece(*piece).is_some_and(is_content));
                QuestionTokens::new(rotation, kept)
            };
            return (vector, tokens.as_ref().map(content), problem);
        }
        let mut checked = self.embed(&[text], Purpose::Query);
        (checked.vectors.pop().flatten(), None, checked.problem)
    }

    pub(crate) fn embed(&self, texts: &[&str], purpose: Purpose) -> Checked {
        embed(&*self.embedder, self.dimension, texts, purpose)
    }
}

/// Turns to append to a session.
#[derive(Debug, Clone, Copy)]
pub struct Append<'a> {
    /// Whose they are.
    pub scope: &'a Scope,
    /// The conversation.
    pub session: SessionId,
    /// What was said, in order.
    pub turns: &'a [NewTurn],
    /// Where they are active.
    pub placement: Placement,
    /// When they are embedded.
    pub embed: Embed,
    /// Rows of the window that were part of a context since the last time, noted in the same transaction.
    pub accessed: &'a [RowId],
    /// The time of storage.
    pub now: Timestamp,
}

/// When something new is embedded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Embed {
    /// Before it is stored: it can be found by its meaning at once. Of a document of many pages only the first are; the
    /// others wait as with [`Embed::Later`].
    #[default]
    Now,
    /// By [`LongTerm::embed_pending`]: until then it is found by its words. For imports, which are durable at once this
    /// way and lose nothing when they are stopped.
    Later,
}

/// What was written.
#[derive(Debug, Clone, PartialEq)]
pub struct Written {
    /// One entry for each thing given, in order.
    pub added: Vec<Added>,
    /// Why some of it could not be embedded, where that is so.
    pub degraded: Option<Degradation>,
}

impl LongTerm {
    /// Long-term memory over a store, with an embedding model or with text search alone.
    ///
    /// At [`Level::Thorough`] the vectors of pieces are kept beside those of passages, where the model gives them. A model
    /// whose dimension cannot be indexed (0, or above 32,768) is left out, as if none was given.
    #[must_use]
    pub fn new(store: Arc<Store>, embedder: Option<Arc<dyn Embedder>>, level: Level) -> Self {
        let meaning = embedder.and_then(|embedder| {
            let refused = |error: &LongTermError| {
                tracing::warn!(%error, model = %embedder.model(), "the embedding model cannot be used");
            };
            Meaning::new(Arc::clone(&embedder), level).inspect_err(refused).ok()
        });
        let model = meaning.as_ref().map(|meaning| (meaning.embedder.model().clone(), meaning.dimension));
        Self { store, meaning, resident: Resident::new(model) }
    }

    /// The store underneath.
    #[must_use]
    pub fn store(&self) -> &Arc<Store> {
        &self.store
    }

    /// The embedding model, where there is one.
    #[must_use]
    pub fn embedder(&self) -> Option<&Arc<dyn Embedder>> {
        self.meaning.as_ref().map(|meaning| &meaning.embedder)
    }

    pub(crate) fn meaning(&self) -> Option<&Meaning> {
        self.meaning.as_ref()
    }

    pub(crate) fn resident(&self) -> &Resident {
        &self.resident
    }

    /// Bytes that the scopes which were asked take in memory: passages, postings and vectors.
    #[must_use]
    pub fn index_bytes(&self) -> usize {
        self.resident.memory_bytes()
    }

    /// Adds memories that are not turns, all or none. They are durable and can be found when this returns.
    ///
    /// # Errors
    /// When the store refuses one of them or cannot be written. A model that fails is no error: the memories are stored
    /// and found by their words.
    pub fn add(
        &self,
        scope: &Scope,
        memories: &[NewMemory],
        embed: Embed,
        now: Timestamp,
    ) -> Result<Written, LongTermError> {
        let analysed = Analysed::apart(memories.iter().map(passage::of_new), self.meaning_when(embed));
        let added = self.store.write(|tx| -> Result<_, LongTermError> {
            let added: Vec<Added> =
                memories.iter().map(|new| tx.add_memory(scope, new, now)).collect::<Result<_, _>>()?;
            analysed.put(tx, new_rows(&added), self.meaning())?;
            Ok(added)
        })?;
        Ok(Written { added, degraded: self.why_now(embed, analysed) })
    }

    /// Appends turns to a session, all or none.
    ///
    /// # Errors
    /// As [`LongTerm::add`], and when the session is not in the scope.
    pub fn append(&self, append: &Append<'_>) -> Result<Written, LongTermError> {
        let meaning = self.meaning_when(append.embed);
        let before = match meaning.filter(|meaning| meaning.pieces.is_some()) {
            Some(_) => self.last_turn(append.scope, append.session)?,
            None => None,
        };
        let analysed = Analysed::in_a_row(append.turns.iter().map(passage::of_turn), before.as_deref(), meaning);
        let added = self.store.write(|tx| -> Result<_, LongTermError> {
            let scope = tx.ensure_scope(append.scope)?;
            let mut added = Vec::with_capacity(append.turns.len());
            for turn in append.turns {
                added.push(tx.add_turn(scope, append.session, turn, append.placement, append.now)?);
            }
            analysed.put(tx, new_rows(&added), self.meaning())?;
            tx.touch_window(append.accessed, append.now)?;
            Ok(added)
        })?;
        Ok(Written { added, degraded: self.why_now(append.embed, analysed) })
    }

    /// Changes a memory. Another text gets other passages and vectors in the same transaction.
    ///
    /// # Errors
    /// When the memory is not in the scope, when the store refuses the change or cannot be written.
    pub fn update(
        &self,
        scope: &Scope,
        id: MemoryId,
        update: &MemoryUpdate,
        now: Timestamp,
    ) -> Result<Option<Degradation>, LongTermError> {
        let old = self.get(scope, id)?.ok_or(StoreError::NoMemory { id })?;
        let is_other = update.text.as_ref().is_some_and(|text| *text != old.text);
        let new = update.text.clone().map(|text| Memory { text, ..old });
        let analysed = Analysed::apart(new.iter().map(passage::of_memory), self.meaning().filter(|_| is_other));
        let changed = self.store.write(|tx| -> Result<_, LongTermError> {
            let scope = tx.ensure_scope(scope)?;
            let (row, changed) = tx.update(scope, id, update, now)?;
            if changed {
                analysed.put(tx, std::iter::once(Some(row)), self.meaning())?;
            }
            Ok(changed)
        })?;
        Ok(if changed { self.why(analysed.problem()) } else { None })
    }

    /// Deletes a memory.
    ///
    /// # Errors
    /// When the memory is not in the scope, and when the store cannot be written.
    pub fn delete(&self, scope: &Scope, id: MemoryId) -> Result<(), LongTermError> {
        self.store.write(|tx| {
            let row = tx.scope_id(scope)?.ok_or(StoreError::NoMemory { id })?;
            Ok(tx.delete(row, id)?)
        })
    }

    /// Deletes everything in a scope. Returns how many memories there were.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub fn clear(&self, scope: &Scope) -> Result<u64, LongTermError> {
        self.store.write(|tx| match tx.scope_id(scope)? {
            Some(row) => Ok(tx.clear(row)?),
            None => Ok(0),
        })
    }

    /// The memory of this id, if it is in the scope.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn get(&self, scope: &Scope, id: MemoryId) -> Result<Option<Memory>, LongTermError> {
        self.store.read(|snapshot| match snapshot.scope_id(scope)? {
            Some(row) => Ok(snapshot.memory(row, id)?),
            None => Ok(None),
        })
    }

    /// The memories of a scope that pass the filter.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn list(&self, scope: &Scope, filter: &ListFilter) -> Result<Vec<Memory>, LongTermError> {
        self.store.read(|snapshot| match snapshot.scope_id(scope)? {
            Some(row) => Ok(snapshot.list(row, filter)?),
            None => Ok(Vec::new()),
        })
    }

    /// How many memories of a scope pass the filter.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn count(&self, scope: &Scope, filter: &ListFilter) -> Result<u64, LongTermError> {
        self.store.read(|snapshot| match snapshot.scope_id(scope)? {
            Some(row) => Ok(snapshot.count(row, filter)?),
            None => Ok(0),
        })
    }

    /// The model, if now is the time for it.
    fn meaning_when(&self, embed: Embed) -> Option<&Meaning> {
        self.meaning.as_ref().filter(|_| embed == Embed::Now)
    }

    /// What of the last turn of a session is embedded: the turns that follow are read with it in view.
    fn last_turn(&self, scope: &Scope, session: SessionId) -> Result<Option<String>, LongTermError> {
        let last = ListFilter { session: Some(session), limit: 1, newest_first: true, ..ListFilter::default() };
        let turn = self.list(scope, &last)?.pop();
        Ok(turn.and_then(|turn| Some(analyse(&passage::of_memory(&turn)).pop()?.embedded.into_owned())))
    }

    fn why_now(&self, when: Embed, analysed: Analysed<'_>) -> Option<Degradation> {
        match when {
            Embed::Now => self.why(analysed.problem()),
            Embed::Later => None,
        }
    }

    pub(crate) fn why(&self, problem: Option<String>) -> Option<Degradation> {
        match &self.meaning {
            None => Some(Degradation::NoModel),
            Some(_) => problem.map(|problem| Degradation::ModelFailed { problem }),
        }
    }
}

/// The rows of what was not stored before.
fn new_rows(added: &[Added]) -> impl Iterator<Item = Option<RowId>> {
    added.iter().map(|added| Some(added.row).filter(|_| added.is_new))
}

impl std::fmt::Debug for LongTerm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let model = self.meaning.as_ref().map(|meaning| meaning.embedder.model());
        f.debug_struct("LongTerm").field("store", &self.store).field("model", &model).finish()
    }
}
