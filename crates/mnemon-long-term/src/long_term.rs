//! Long-term memory: writing to it, and keeping its index.

use std::borrow::Cow;
use std::sync::Arc;

use mnemon_core::{Embedder, Memory, MemoryId, NewMemory, NewTurn, Placement, Purpose, Scope, SessionId, Timestamp};
use mnemon_index::GraphParams;
use mnemon_store::{Added, ListFilter, MemoryUpdate, RowId, Store, StoreError, WriteTx};

use crate::embedding::{Checked, embed};
use crate::vector_cache::VectorCache;
use crate::{Degradation, LongTermError, passage};

/// How many memories are embedded between two transactions when there are many: enough for a full load of every core,
/// few enough that a stop loses little work.
const EMBED_BATCH: usize = 256;

/// Everything that is remembered in one file.
pub struct LongTerm {
    store: Arc<Store>,
    meaning: Option<Meaning>,
}

/// An embedding model and the index of its vectors.
pub(crate) struct Meaning {
    pub(crate) embedder: Arc<dyn Embedder>,
    /// As it was when the store was opened. Stored vectors and the index have it, so a model that says otherwise later
    /// is a model that failed.
    pub(crate) dimension: usize,
    pub(crate) cache: VectorCache,
}

impl Meaning {
    fn new(embedder: Arc<dyn Embedder>) -> Result<Self, LongTermError> {
        let dimension = embedder.dimension();
        let cache = VectorCache::new(embedder.model().clone(), dimension)?;
        Ok(Self { embedder, dimension, cache })
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
    /// Before it is stored: it can be found by its meaning at once.
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
    /// Why some of it has no vector yet, where that is so.
    pub degraded: Option<Degradation>,
}

/// How far embedding has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Embedded {
    /// Memories that were embedded now.
    pub done: u64,
    /// Memories that had no vector when it began.
    pub total: u64,
}

/// What [`LongTerm::maintain`] did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Maintenance {
    /// Memories that were embedded.
    pub embedded: u64,
    /// Why others could not be.
    pub degraded: Option<Degradation>,
    /// Whether the graph over the vectors was built anew.
    pub graph_built: bool,
}

impl LongTerm {
    /// Long-term memory over a store, with an embedding model or with text search alone.
    ///
    /// A model whose dimension cannot be indexed (0, or above 32,768) is left out, as if none was given.
    #[must_use]
    pub fn new(store: Arc<Store>, embedder: Option<Arc<dyn Embedder>>) -> Self {
        let meaning = embedder.and_then(|embedder| {
            let refused = |error: &LongTermError| {
                tracing::warn!(%error, model = %embedder.model(), "the embedding model cannot be used");
            };
            Meaning::new(Arc::clone(&embedder)).inspect_err(refused).ok()
        });
        Self { store, meaning }
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

    /// Bytes that the vector index takes in memory.
    #[must_use]
    pub fn index_bytes(&self) -> usize {
        self.meaning.as_ref().map_or(0, |meaning| meaning.cache.memory_bytes())
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
        let vectors = self.embed_if(embed, memories.iter().map(passage::of_new));
        let added = self.store.write(|tx| -> Result<_, LongTermError> {
            let added: Vec<Added> =
                memories.iter().map(|new| tx.add_memory(scope, new, now)).collect::<Result<_, _>>()?;
            self.put_vectors(tx, &added, &vectors)?;
            Ok(added)
        })?;
        Ok(Written { added, degraded: self.why_now(embed, vectors) })
    }

    /// Appends turns to a session, all or none.
    ///
    /// # Errors
    /// As [`LongTerm::add`], and when the session is not in the scope.
    pub fn append(&self, append: &Append<'_>) -> Result<Written, LongTermError> {
        let vectors = self.embed_if(append.embed, append.turns.iter().map(passage::of_turn));
        let added = self.store.write(|tx| -> Result<_, LongTermError> {
            let scope = tx.ensure_scope(append.scope)?;
            let mut added = Vec::with_capacity(append.turns.len());
            for turn in append.turns {
                added.push(tx.add_turn(scope, append.session, turn, append.placement, append.now)?);
            }
            self.put_vectors(tx, &added, &vectors)?;
            tx.touch_window(append.accessed, append.now)?;
            Ok(added)
        })?;
        Ok(Written { added, degraded: self.why_now(append.embed, vectors) })
    }

    /// Changes a memory. Another text gets another vector in the same transaction.
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
        let vectors = match &update.text {
            Some(text) if *text != old.text => {
                let new = Memory { text: text.clone(), ..old };
                self.embed_if(Embed::Now, [passage::of_memory(&new)].into_iter())
            }
            _ => Checked::default(),
        };
        let changed = self.store.write(|tx| -> Result<_, LongTermError> {
            let scope = tx.ensure_scope(scope)?;
            let (row, changed) = tx.update(scope, id, update, now)?;
            if changed {
                self.put_vectors(tx, &[Added { row, id, is_new: true }], &vectors)?;
            }
            Ok(changed)
        })?;
        Ok(if changed { self.why(vectors) } else { None })
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

    /// Embeds every memory of the file that has no vector of the current model: after an import, after a change of the
    /// model, after a model that failed. It may be stopped at any point and called again; several processes may do it
    /// at once. `progress` is told after each batch; when it returns false the work ends there.
    ///
    /// # Errors
    /// When the store cannot be read or written. A model that fails ends the work and is told in the second value.
    pub fn embed_pending(
        &self,
        progress: &mut dyn FnMut(Embedded) -> bool,
    ) -> Result<(Embedded, Option<Degradation>), LongTermError> {
        let Some(meaning) = &self.meaning else {
            return Ok((Embedded { done: 0, total: 0 }, Some(Degradation::NoModel)));
        };
        let dimension = meaning.dimension;
        let mut after = 0;
        let mut degraded = None;
        let total = self.store.read(|snapshot| {
            let model = snapshot.model(meaning.embedder.model(), dimension)?;
            snapshot.count_without_vector(model)
        })?;
        let mut so_far = Embedded { done: 0, total };
        loop {
            let batch = self.store.read(|snapshot| -> Result<_, StoreError> {
                let model = snapshot.model(meaning.embedder.model(), dimension)?;
                snapshot.memories(&snapshot.without_vector(model, after, EMBED_BATCH)?)
            })?;
            let Some((last, _)) = batch.last() else { break };
            after = *last;
            let checked = self.embed_if(Embed::Now, batch.iter().map(|(_, memory)| passage::of_memory(memory)));
            so_far.done += self.store.write(|tx| self.put_if_unchanged(tx, &batch, &checked))?;
            let failed = checked.vectors.iter().all(Option::is_none);
            degraded = degraded.or(self.why(checked));
            if failed || !progress(so_far) {
                break;
            }
        }
        Ok((so_far, degraded))
    }

    /// Does what waits to be done in the background: embeds what has no vector, builds the graph over the vectors when
    /// they are many. Call it from a thread of your own now and then, or after an import. Queries go on meanwhile.
    ///
    /// # Errors
    /// When the store cannot be read or written.
    pub fn maintain(&self, progress: &mut dyn FnMut(Embedded) -> bool) -> Result<Maintenance, LongTermError> {
        let (embedded, degraded) = self.embed_pending(progress)?;
        let mut graph_built = false;
        if let Some(meaning) = &self.meaning {
            self.store.read(|snapshot| meaning.cache.at(snapshot, 0, |_, _| Ok(())).map(|_| ()))?;
            graph_built = meaning.cache.build_graph(GraphParams::default())?;
        }
        Ok(Maintenance { embedded: embedded.done, degraded, graph_built })
    }

    /// One vector a passage, or none of them when it is not the time or there is no model.
    fn embed_if<'a>(&self, when: Embed, passages: impl Iterator<Item = Cow<'a, str>>) -> Checked {
        match (&self.meaning, when) {
            (Some(meaning), Embed::Now) => {
                let passages: Vec<_> = passages.collect();
                let texts: Vec<&str> = passages.iter().map(AsRef::as_ref).collect();
                meaning.embed(&texts, Purpose::Passage)
            }
            _ => Checked::default(),
        }
    }

    fn put_vectors(&self, tx: &WriteTx<'_>, added: &[Added], checked: &Checked) -> Result<(), StoreError> {
        let Some(meaning) = &self.meaning else { return Ok(()) };
        let pairs = added.iter().zip(&checked.vectors);
        let new: Vec<(RowId, &Vec<f32>)> =
            pairs.filter(|(added, _)| added.is_new).filter_map(|(a, v)| Some((a.row, v.as_ref()?))).collect();
        if new.is_empty() {
            return Ok(());
        }
        let model = tx.ensure_model(meaning.embedder.model(), meaning.dimension)?;
        new.into_iter().try_for_each(|(row, vector)| tx.put_vector(model, row, vector))
    }

    /// Somebody may have changed a memory while it was embedded; its new text is embedded another time.
    fn put_if_unchanged(
        &self,
        tx: &WriteTx<'_>,
        batch: &[(RowId, Memory)],
        checked: &Checked,
    ) -> Result<u64, StoreError> {
        let rows: Vec<RowId> = batch.iter().map(|(row, _)| *row).collect();
        let now = tx.memories(&rows)?;
        let mut now = now.iter().peekable();
        let (mut added, mut vectors) = (Vec::new(), Vec::new());
        for ((row, before), vector) in batch.iter().zip(&checked.vectors) {
            let Some((_, memory)) = now.next_if(|(current, _)| current == row) else { continue };
            if vector.is_some() && passage::of_memory(memory) == passage::of_memory(before) {
                added.push(Added { row: *row, id: memory.id, is_new: true });
                vectors.push(vector.clone());
            }
        }
        self.put_vectors(tx, &added, &Checked { vectors, problem: None })?;
        Ok(added.len() as u64)
    }

    fn why_now(&self, when: Embed, checked: Checked) -> Option<Degradation> {
        match when {
            Embed::Now => self.why(checked),
            Embed::Later => None,
        }
    }

    fn why(&self, checked: Checked) -> Option<Degradation> {
        match &self.meaning {
            None => Some(Degradation::NoModel),
            Some(_) => checked.problem.map(|problem| Degradation::ModelFailed { problem }),
        }
    }
}

impl std::fmt::Debug for LongTerm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let model = self.meaning.as_ref().map(|meaning| meaning.embedder.model());
        f.debug_struct("LongTerm").field("store", &self.store).field("model", &model).finish()
    }
}
