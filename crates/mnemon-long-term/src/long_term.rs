//! Long-term memory: writing to it, and keeping its index.

use std::sync::Arc;

use mnemon_core::{Embedder, Memory, MemoryId, Purpose, Scope, Timestamp, TokenVectors};
use mnemon_index::VectorIndex;
use mnemon_recall::{Level, QuestionTokens, Rotation, is_content};
use mnemon_store::{Added, ListFilter, MemoryUpdate, ModelRow, Snapshot, Store, StoreError, WriteTx};

use crate::embedding::{Checked, embed, embed_question};
use crate::models::{Models, Serving};
use crate::passage::{Analysed, Owner, Reading};
use crate::resident::Resident;
use crate::{Degradation, LongTermError, passage};

/// Everything that is remembered in one file.
pub struct LongTerm {
    store: Arc<Store>,
    level: Level,
    models: Models,
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
    pub(crate) fn new(embedder: Arc<dyn Embedder>, level: Level) -> Result<Self, LongTermError> {
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

    /// The row of the model, if it stored anything yet.
    pub(crate) fn row(&self, snapshot: &Snapshot<'_>) -> Result<Option<ModelRow>, StoreError> {
        snapshot.model(self.embedder.model(), self.dimension)
    }

    pub(crate) fn ensure_row(&self, tx: &WriteTx<'_>) -> Result<ModelRow, StoreError> {
        tx.ensure_model(self.embedder.model(), self.dimension)
    }
}

/// A file that is switched to another model between two looks so many times is written to without vectors: they are made
/// later.
const EMBED_ATTEMPTS: usize = 3;

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
    /// whose dimension cannot be indexed (0, or above 32,768) is left out, as if none was given. With a model that the file
    /// does not serve with, only words are compared: [`LongTerm::check_model`] tells.
    #[must_use]
    pub fn new(store: Arc<Store>, embedder: Option<Arc<dyn Embedder>>, level: Level) -> Self {
        let meaning = embedder.and_then(|embedder| {
            let refused = |error: &LongTermError| {
                tracing::warn!(%error, model = %embedder.model(), "the embedding model cannot be used");
            };
            Meaning::new(Arc::clone(&embedder), level).inspect_err(refused).ok()
        });
        Self { store, level, models: Models::new(meaning), resident: Resident::default() }
    }

    /// The store underneath.
    #[must_use]
    pub fn store(&self) -> &Arc<Store> {
        &self.store
    }

    /// The embedding model of this engine, where it has one; after [`LongTerm::re_embed`], the new one.
    #[must_use]
    pub fn embedder(&self) -> Option<Arc<dyn Embedder>> {
        self.models.own().map(|own| Arc::clone(&own.embedder))
    }

    pub(crate) fn models(&self) -> &Models {
        &self.models
    }

    pub(crate) fn level(&self) -> Level {
        self.level
    }

    pub(crate) fn resident(&self) -> &Resident {
        &self.resident
    }

    /// Bytes that the scopes which were asked take in memory: passages, postings and vectors.
    #[must_use]
    pub fn index_bytes(&self) -> usize {
        self.resident.memory_bytes()
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
        let embed = if is_other { Embed::Now } else { Embed::Later };
        let (changed, degraded) = self.embed_and_store(
            embed,
            || Analysed::new(new.iter().map(passage::of_memory)),
            |snapshot, analysed, serving| {
                let Some((scope, meaning)) = snapshot.scope_id(scope)?.zip(serving.meaning.as_ref()) else {
                    return Ok(());
                };
                analysed.look_up(snapshot, scope, meaning, Reading::Apart)
            },
            |()| Reading::Apart,
            |tx, analysed, row| {
                let scope = tx.ensure_scope(scope)?;
                let (memory, changed) = tx.update(scope, id, update, now)?;
                if changed {
                    analysed.put(tx, std::iter::once(Owner::Stored(Some(memory))), row)?;
                }
                Ok(changed)
            },
        )?;
        Ok(degraded.filter(|_| changed))
    }

    /// Deletes a memory.
    ///
    /// # Errors
    /// When the memory is not in the scope, and when the store cannot be written.
    pub fn delete(&self, scope: &Scope, id: MemoryId) -> Result<(), LongTermError> {
        Ok(self.store.write_making_room(|tx| {
            let row = tx.scope_id(scope)?.ok_or(StoreError::NoMemory { id })?;
            tx.delete(row, id)
        })?)
    }

    /// Deletes everything in a scope. Returns how many memories there were.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub fn clear(&self, scope: &Scope) -> Result<u64, LongTermError> {
        Ok(self.store.write_making_room(|tx| match tx.scope_id(scope)? {
            Some(row) => tx.clear(row),
            None => Ok(0),
        })?)
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

    /// Embeds outside of any transaction and stores in one: a look into the store before (`look`), `analysed` embedded as
    /// `reading` says, and `put` with the row for its vectors. All of it once more when the file was switched to another
    /// model in between, so that nothing is stored that nobody can compare.
    pub(crate) fn embed_and_store<'a, R, T>(
        &self,
        embed: Embed,
        analyse: impl Fn() -> Analysed<'a>,
        look: impl Fn(&Snapshot<'_>, &mut Analysed<'a>, &Serving) -> Result<R, StoreError>,
        reading: impl Fn(&R) -> Reading<'_>,
        put: impl FnOnce(&WriteTx<'_>, &Analysed<'a>, Option<ModelRow>) -> Result<T, LongTermError>,
    ) -> Result<(T, Option<Degradation>), LongTermError> {
        let (mut put, mut attempts) = (Some(put), 0);
        loop {
            let mut analysed = analyse();
            let mut serving = Serving::default();
            if embed == Embed::Now && self.models.is_empty() {
                serving.why = Some(Degradation::NoModel);
            } else if embed == Embed::Now {
                let known;
                (serving, known) = self.store.read(|snapshot| -> Result<_, StoreError> {
                    let serving = self.models.serving(snapshot)?;
                    let known = look(snapshot, &mut analysed, &serving)?;
                    Ok((serving, known))
                })?;
                if let Some(meaning) = &serving.meaning {
                    analysed.embed(meaning, reading(&known));
                }
            }
            attempts += 1;
            let stored = self.store.write(|tx| -> Result<Option<T>, LongTermError> {
                let row = if analysed.has_vectors() { serving.row_to_store(tx)? } else { None };
                if analysed.has_vectors() && row.is_none() && attempts < EMBED_ATTEMPTS {
                    return Ok(None);
                }
                // Taken once: whatever it returns ends the loop.
                put.take().map(|put| put(tx, &analysed, row)).transpose()
            })?;
            if let Some(stored) = stored {
                let problem = analysed.problem().map(|problem| Degradation::ModelFailed { problem });
                return Ok((stored, serving.why.or(problem)));
            }
        }
    }
}

impl std::fmt::Debug for LongTerm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let own = self.models.own();
        let model = own.as_ref().map(|own| own.embedder.model());
        f.debug_struct("LongTerm").field("store", &self.store).field("model", &model).finish()
    }
}
