//! One scope in memory: its passages, the postings of their terms, and their vectors.

use mnemon_index::{Graph, GraphJob, GraphParams, IndexError, PartsReader, TermIndex, VectorIndex};
use mnemon_recall::{Member, Said, Term, Vector};
use mnemon_store::{Change, ChangeOp, Head, ModelRow, PassageId, PassageRow, ScopeRow, Snapshot};

use super::encoding::{decode, encode};
use super::passages::{Passage, Passages};
use crate::LongTermError;

/// The vectors of pieces that are kept in memory once they were read, at most so many bytes: those of about 200,000 turns.
const TOKEN_BYTES: usize = 256 << 20;

/// When at least so many passages, and at least half of all, are gone, the scope is loaded anew.
const RELOAD_FROM: usize = 4_096;

/// A scope. Passages go by their numbers, which the terms share.
#[derive(Debug)]
pub(crate) struct Shelf {
    scope: ScopeRow,
    /// `None` before the first load.
    head: Option<Head>,
    passages: Passages,
    terms: TermIndex,
    /// Of the model that the file serves with, where the engine has that.
    vectors: Option<(ModelRow, VectorIndex)>,
    /// How often it was loaded or dropped.
    loads: u64,
}

impl Shelf {
    /// A scope of which nothing was read yet.
    pub(super) fn new(scope: ScopeRow) -> Self {
        Self { scope, head: None, passages: Passages::default(), terms: TermIndex::default(), vectors: None, loads: 0 }
    }

    /// Drops all of it.
    pub(super) fn forget(&mut self) {
        *self = Self { loads: self.loads + 1, ..Self::new(self.scope) };
    }

    /// A number that is another one after everything was dropped or read anew.
    pub(super) fn loads(&self) -> u64 {
        self.loads
    }

    /// The state of the file that it shows.
    pub(super) fn head(&self) -> Option<Head> {
        self.head
    }

    /// How many passages the scope has.
    pub(crate) fn len(&self) -> usize {
        self.terms.len()
    }

    pub(crate) fn passage(&self, number: u32) -> Option<&Passage> {
        self.passages.get(number)
    }

    /// Every passage, in the order of their numbers.
    pub(crate) fn passages(&self) -> impl Iterator<Item = &Passage> {
        self.passages.each().filter(|passage| passage.live)
    }

    pub(crate) fn number(&self, id: PassageId) -> Option<u32> {
        self.passages.number(id)
    }

    /// The passages up to `reach` places before another in its run, the nearest first.
    pub(crate) fn before(&self, number: u32, reach: i64) -> impl Iterator<Item = u32> {
        self.passages.before(number, reach)
    }

    /// The passages up to `reach` places after another in its run, the nearest first.
    pub(crate) fn after(&self, number: u32, reach: i64) -> impl Iterator<Item = u32> {
        self.passages.after(number, reach)
    }

    pub(crate) fn terms_of(&self, passage: &Passage) -> &[Term] {
        self.passages.terms(passage)
    }

    fn said(&self, passage: &Passage) -> Option<Said<'_>> {
        self.passages.said(passage)
    }

    /// The postings of the scope.
    pub(crate) fn terms(&self) -> &TermIndex {
        &self.terms
    }

    /// The model of the vectors.
    pub(super) fn model(&self) -> Option<ModelRow> {
        self.vectors.as_ref().map(|(model, _)| *model)
    }

    /// All of it as bytes, for [`Self::load_saved`].
    pub(super) fn parts(&self) -> impl Iterator<Item = Vec<u8>> {
        let vectors = self.vectors.iter().flat_map(|(_, index)| index.to_parts());
        std::iter::once_with(|| encode(&self.passages)).chain(vectors)
    }

    /// The vectors of the scope, and whose they are.
    pub(crate) fn vectors(&self) -> Option<&(ModelRow, VectorIndex)> {
        self.vectors.as_ref()
    }

    pub(crate) fn vector(&self, passage: &Passage) -> Option<Vector<'_>> {
        let (codes, scale) = self.vectors.as_ref()?.1.codes(passage.id)?;
        Some(Vector::new(codes, scale))
    }

    /// A passage as the stages of recall see it, with its vector where that is wanted.
    pub(crate) fn member<'a>(&'a self, passage: &'a Passage, with_vector: bool) -> Member<'a> {
        Member {
            id: passage.id,
            run: passage.run,
            place: passage.place,
            said: self.said(passage),
            time: passage.time,
            words: passage.words,
            cues: passage.cues,
            terms: self.terms_of(passage),
            vector: with_vector.then(|| self.vector(passage)).flatten(),
            candidate: true,
        }
    }

    /// Keeps the vectors of the pieces of a passage for later questions, while there is room; else gives them back.
    pub(crate) fn keep_tokens(&self, passage: &Passage, tokens: Vec<u8>) -> Result<(), Vec<u8>> {
        self.passages.keep_tokens(passage, tokens, TOKEN_BYTES)
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        let vectors = self.vectors.as_ref().map_or(0, |(_, index)| index.stats().memory_bytes);
        self.passages.memory_bytes() + self.terms.memory_bytes() + vectors
    }

    /// The work of building a graph, if one is due.
    pub(super) fn graph_job(&self, params: GraphParams) -> Result<Option<GraphJob>, LongTermError> {
        match &self.vectors {
            Some((_, index)) if index.graph_due() => Ok(Some(index.graph_job(params)?)),
            _ => Ok(None),
        }
    }

    pub(super) fn install(&mut self, graph: Graph) -> Result<(), LongTermError> {
        if let Some((_, index)) = &mut self.vectors {
            index.install(graph)?;
        }
        Ok(())
    }

    /// Brings the scope from wherever it is to `head`, with the vectors of `model`. A failure on the way leaves it to be loaded anew.
    pub(super) fn follow(
        &mut self,
        snapshot: &Snapshot<'_>,
        head: Head,
        model: Option<ModelRow>,
    ) -> Result<(), LongTermError> {
        let known = self.head.take();
        let is_other = self.model() != model;
        if is_other {
            let index = model.map(|row| VectorIndex::new(row.dimension())).transpose()?;
            self.vectors = model.zip(index);
        }
        let changes = match known {
            Some(known) if !is_other && known.seq <= head.seq => snapshot.changes_since(self.scope, known)?,
            _ => None,
        };
        match changes {
            // What was removed leaves its vector behind in the index, and what is read anew does not. What was switched to
            // another model and back has other vectors than before.
            Some(changes) if changes.iter().any(|change| is_about_all(change.op)) => self.load(snapshot)?,
            Some(changes) => {
                for change in changes {
                    self.apply(snapshot, change)?;
                }
                let (all, gone) = self.passages.counts();
                if gone >= RELOAD_FROM && gone * 2 >= all {
                    self.load(snapshot)?;
                }
            }
            None => match self.load_saved(snapshot)? {
                Some(changes) => {
                    for change in changes {
                        self.apply(snapshot, change)?;
                    }
                }
                None => self.load(snapshot)?,
            },
        }
        self.head = Some(head);
        Ok(())
    }

    /// Reads what was saved; returns what changed since. `None` where nothing was saved that can be used.
    fn load_saved(&mut self, snapshot: &Snapshot<'_>) -> Result<Option<Vec<Change>>, LongTermError> {
        let model = self.model();
        let Some(saved) = snapshot.saved_head(self.scope, model)? else { return Ok(None) };
        let Some(changes) = snapshot.changes_since(self.scope, saved)? else { return Ok(None) };
        if changes.iter().any(|change| is_about_all(change.op)) {
            return Ok(None);
        }
        let mut passages = None;
        let mut vectors = (PartsReader::new(), Ok(()));
        snapshot.each_saved_part(self.scope, model, |part| match &passages {
            None => {
                passages = Some(decode(part, self.scope));
                matches!(passages, Some(Some(_)))
            }
            Some(_) => {
                vectors.1 = vectors.0.push(part);
                vectors.1.is_ok()
            }
        })?;
        let Some(rows) = passages.flatten() else {
            tracing::warn!("the saved passages of a scope are damaged, and are made anew");
            return Ok(None);
        };
        if let Some((_, index)) = &mut self.vectors {
            let (reader, pushed) = vectors;
            match pushed.and_then(|()| reader.finish()) {
                Ok(saved) if saved.dimension() == index.dimension() => *index = saved,
                Ok(_) => return Ok(None),
                Err(error) => {
                    tracing::warn!(%error, "the saved vectors of a scope are damaged, and are made anew");
                    return Ok(None);
                }
            }
        }
        self.shelve(rows);
        Ok(Some(changes))
    }

    fn shelve(&mut self, rows: Vec<PassageRow>) {
        self.loads += 1;
        self.passages = Passages::new(rows);
        self.terms = TermIndex::new(self.passages.each().map(|passage| self.passages.terms(passage)));
    }

    /// Reads all of it.
    fn load(&mut self, snapshot: &Snapshot<'_>) -> Result<(), LongTermError> {
        let mut rows = Vec::new();
        snapshot.each_passage(self.scope, |row| rows.push(row))?;
        self.shelve(rows);
        if let Some((model, index)) = &mut self.vectors {
            index.clear();
            snapshot.each_vector_of(self.scope, *model, |passage, vector| -> Result<(), LongTermError> {
                put(index, passage, vector)
            })?;
        }
        Ok(())
    }

    /// A passage is read as it is now; a later entry of the log may have taken it away.
    fn apply(&mut self, snapshot: &Snapshot<'_>, change: Change) -> Result<(), LongTermError> {
        let id = change.passage;
        match change.op {
            ChangeOp::PassageStored if self.passages.number(id).is_none() => {
                if let Some(row) = snapshot.passages(&[id])?.pop() {
                    let number = self.terms.push(&row.terms);
                    let stored = self.passages.insert(row);
                    debug_assert_eq!(number, stored);
                }
            }
            ChangeOp::PassageStored | ChangeOp::Erased | ChangeOp::ModelSwitched => {}
            ChangeOp::PassageChanged => {
                if let Some(row) = snapshot.passages(&[id])?.pop() {
                    self.passages.change(&row);
                }
            }
            ChangeOp::PassageDropped => {
                if let Some(passage) = self.passages.number(id).and_then(|number| self.passages.get(number)) {
                    let terms = self.passages.terms(passage).to_vec();
                    if let Some(number) = self.passages.remove(id) {
                        self.terms.remove(number, &terms);
                    }
                }
                if let Some((_, index)) = &mut self.vectors {
                    index.remove(id);
                }
            }
            ChangeOp::VectorStored => {
                self.passages.forget_tokens(id);
                if let Some((model, index)) = &mut self.vectors
                    && model.is(change.model_id)
                    && self.passages.number(id).is_some()
                {
                    let mut vector = Vec::with_capacity(model.dimension());
                    if snapshot.read_vector(*model, id, &mut vector)? {
                        put(index, id, &vector)?;
                    }
                }
            }
            ChangeOp::VectorDropped => {
                if let Some((model, index)) = &mut self.vectors
                    && model.is(change.model_id)
                {
                    index.remove(id);
                }
            }
        }
        Ok(())
    }
}

/// Whether what happened is about the whole scope: then it is read anew.
fn is_about_all(op: ChangeOp) -> bool {
    matches!(op, ChangeOp::Erased | ChangeOp::ModelSwitched)
}

/// Puts a vector as it was stored into the index. One without a direction, which no model gives, is left out as one that is
/// damaged is: no question fails for it.
fn put(index: &mut VectorIndex, passage: PassageId, vector: &[f32]) -> Result<(), LongTermError> {
    match index.insert(passage, 0, vector) {
        Err(error @ (IndexError::NotFinite { .. } | IndexError::Zero { .. })) => {
            tracing::warn!(%error, passage, "a vector that is stored is none; it is left out");
            index.remove(passage);
            Ok(())
        }
        inserted => Ok(inserted?),
    }
}
