//! What waits to be done: memories that have no passages, passages that have no vectors, vectors that have no graph.

use std::collections::HashMap;

use mnemon_core::{Memory, Purpose, TextRun};
use mnemon_index::GraphParams;
use mnemon_recall::ANALYSIS;
use mnemon_store::{
    Damage, ModelRow, PassageId, PassageRow, RowId, ScopeRow, Scrubbed, Snapshot, StoreError, StoredModel, WriteTx,
};

use crate::known::{Distinct, Known};
use crate::long_term::Meaning;
use crate::passage::{self, Analysed, Owner};
use crate::{Degradation, LongTerm, LongTermError};

/// How many passages are embedded between two transactions when there are many: enough for a full load of every core,
/// few enough that a stop loses little work.
const BATCH: usize = 256;

/// Entries of the change log that are kept for caches of other processes: a minute of the fastest import.
const KEPT_CHANGES: usize = 10_000;

/// How far embedding has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Embedded {
    /// Passages that were embedded now. A turn is one passage, a long document is several.
    pub done: u64,
    /// Passages that waited for it when it began.
    pub total: u64,
}

/// What [`LongTerm::maintain`] did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Maintenance {
    /// Passages that were embedded.
    pub embedded: u64,
    /// Why others could not be.
    pub degraded: Option<Degradation>,
    /// Whether a graph over vectors was built anew.
    pub graph_built: bool,
    /// Whether an index was saved, so that the next process opens its scope at once.
    pub index_saved: bool,
    /// What came of erased bytes that were still in the file.
    pub scrubbed: Scrubbed,
    /// What is wrong with the file, where the last process that wrote it ended uncleanly: it is looked at once then. Empty
    /// otherwise.
    pub damage: Vec<Damage>,
}

/// Work in progress: what it has come to, and whether to go on.
pub(crate) struct Work<'a> {
    pub(crate) so_far: Embedded,
    pub(crate) problem: Option<String>,
    /// Whether the file wants no vectors of this model any more.
    pub(crate) is_refused: bool,
    pub(crate) progress: &'a mut dyn FnMut(Embedded) -> bool,
}

impl<'a> Work<'a> {
    pub(crate) fn new(progress: &'a mut dyn FnMut(Embedded) -> bool) -> Self {
        Self { so_far: Embedded { done: 0, total: 0 }, problem: None, is_refused: false, progress }
    }

    /// Tells how far it has come; false when it is to end here. What was written since it began comes on top.
    fn tell(&mut self) -> bool {
        self.so_far.total = self.so_far.total.max(self.so_far.done);
        (self.progress)(self.so_far)
    }
}

/// What vectors are stored for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// The model that the file serves with, or will be if it has none.
    Serving,
    /// The model that it is changed to, or has been by now.
    Next,
}

impl Role {
    /// The row to store vectors under, while the file wants any of this model.
    fn row(self, meaning: &Meaning, tx: &WriteTx<'_>) -> Result<Option<ModelRow>, StoreError> {
        let stored = |stored: Option<StoredModel>| stored.filter(|stored| meaning.is(stored)).map(|stored| stored.row);
        let serving = tx.serving_model()?;
        match self {
            Self::Serving if serving.is_none() => meaning.ensure_row(tx).map(Some),
            Self::Serving => Ok(stored(serving)),
            Self::Next => Ok(stored(serving).or(stored(tx.next_model()?))),
        }
    }
}

/// What came of an attempt to switch to another model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Switched {
    Done,
    /// So many passages have no vector of it yet.
    Missing(u64),
    /// The file is being changed to another one.
    Refused,
}

impl LongTerm {
    /// Analyses what an older version stored, if anything: without passages a memory is not found. Takes about 30 µs a
    /// memory, once; nothing at all in a file that is read only.
    ///
    /// # Errors
    /// When the store cannot be read or written.
    pub fn analyse(&self) -> Result<(), LongTermError> {
        let done = self.store().read(|snapshot| snapshot.analysis())? == ANALYSIS;
        if !done && !self.store().is_read_only() {
            self.analyse_pending(&mut |_| true)?;
            self.store().write(|tx| tx.set_analysis(ANALYSIS))?;
        }
        Ok(())
    }

    /// Analyses every memory of the file that has no passages of the present analysis, and embeds every passage that has
    /// no vector of the present model: after an import, after an update of Mnemon, after a change of the model, after a
    /// model that failed. It may be stopped at any point and called again; several processes may do it at once.
    /// `progress` is told after each batch (while memories are analysed, nothing is embedded yet); when it returns false
    /// the work ends there. Without a model memories are analysed all the same.
    ///
    /// # Errors
    /// When the store cannot be read or written. A model that fails ends the work and is told in the second value.
    pub fn embed_pending(
        &self,
        progress: &mut dyn FnMut(Embedded) -> bool,
    ) -> Result<(Embedded, Option<Degradation>), LongTermError> {
        let mut work = Work::new(progress);
        if !self.analyse_pending(work.progress)? {
            return Ok((work.so_far, None));
        }
        let serving = self.store().read(|snapshot| self.models().serving(snapshot))?;
        let Some(meaning) = &serving.meaning else { return Ok((work.so_far, serving.why)) };
        work.so_far.total = self.count_waiting(meaning)?;
        self.embed_all(meaning, Role::Serving, &mut work)?;
        if work.is_refused {
            let now = self.store().read(|snapshot| self.models().serving(snapshot))?;
            return Ok((work.so_far, now.why));
        }
        Ok((work.so_far, work.problem.map(|problem| Degradation::ModelFailed { problem })))
    }

    /// How many passages wait for something that a model makes.
    pub(crate) fn count_waiting(&self, meaning: &Meaning) -> Result<u64, LongTermError> {
        Ok(self.store().read(|snapshot| -> Result<_, StoreError> {
            let model = meaning.row(snapshot)?;
            let pieces = match meaning.pieces {
                Some(_) => snapshot.count_without_token_vectors(model)?,
                None => 0,
            };
            // What has no vector has no pieces either, but for what failed in between.
            Ok(snapshot.count_without_vector(model)?.max(pieces))
        })?)
    }

    /// Embeds what waits for a model. False when it was stopped, the model failed, or the file wants nothing of it any more.
    pub(crate) fn embed_all(&self, meaning: &Meaning, role: Role, work: &mut Work<'_>) -> Result<bool, LongTermError> {
        Ok(self.embed_waiting(meaning, role, Waiting::Vectors, work)?
            && (meaning.pieces.is_none() || self.embed_waiting(meaning, role, Waiting::Pieces, work)?))
    }

    /// Lets the file serve with a model of which nothing is missing; up to `last_few` passages are embedded now for that,
    /// while all other writers wait.
    pub(crate) fn switch(&self, meaning: &Meaning, last_few: usize) -> Result<Switched, LongTermError> {
        self.store().write(|tx| -> Result<_, LongTermError> {
            let Some(row) = Role::Next.row(meaning, tx)? else { return Ok(Switched::Refused) };
            for what in [Waiting::Vectors, Waiting::Pieces] {
                let is_wanted = last_few > 0 && (what == Waiting::Vectors || meaning.pieces.is_some());
                if is_wanted && let Some(mut batch) = read_batch(tx, meaning, what, 0, last_few)? {
                    batch.embed(meaning, what, None);
                    put_batch(tx, row, &batch)?;
                }
            }
            match tx.switch_model(row, meaning.pieces.is_some()) {
                Ok(()) => Ok(Switched::Done),
                Err(StoreError::ModelIncomplete { missing }) => Ok(Switched::Missing(missing)),
                Err(error) => Err(error.into()),
            }
        })
    }

    /// Does what waits to be done in the background: embeds what has no vector, builds the graph over the vectors when
    /// they are many, saves what caches hold, cuts the change log, goes on with erasures that could not be finished. When the
    /// last process that wrote the file ended uncleanly, the file is looked at first. Call it from a thread of your own now
    /// and then, or after an import. Queries go on meanwhile.
    ///
    /// # Errors
    /// When the store cannot be read or written.
    pub fn maintain(&self, progress: &mut dyn FnMut(Embedded) -> bool) -> Result<Maintenance, LongTermError> {
        let damage = self.store().check_if_unclean()?;
        let (embedded, degraded) = self.embed_pending(progress)?;
        if !self.store().is_read_only() {
            self.drop_other_models()?;
            self.models().forget_former();
        }
        let graph_built = self.resident().build_graphs(self.store(), self.models(), GraphParams::default())?;
        let scrubbed = self.finish_erasures()?;
        let index_saved = self.resident().save(self.store(), self.models())?;
        if !self.store().is_read_only() {
            while self.store().write(|tx| tx.trim_changes(KEPT_CHANGES))? > 0 {}
            self.store().keep_room();
        }
        Ok(Maintenance { embedded: embedded.done, degraded, graph_built, index_saved, scrubbed, damage })
    }

    /// Makes the passages of the memories that have none of the present analysis. False when it was stopped.
    pub(crate) fn analyse_pending(&self, progress: &mut dyn FnMut(Embedded) -> bool) -> Result<bool, LongTermError> {
        let total = self.store().read(|snapshot| snapshot.count_without_passages(ANALYSIS))?;
        let mut after = 0;
        loop {
            let batch = self.store().read(|snapshot| -> Result<_, StoreError> {
                snapshot.memories(&snapshot.without_passages(ANALYSIS, after, BATCH)?)
            })?;
            let Some((last, _)) = batch.last() else { return Ok(true) };
            let analysed = Analysed::new(batch.iter().map(|(_, memory)| passage::of_memory(memory)));
            self.store().write(|tx| -> Result<_, StoreError> {
                // Somebody may have analysed some of it meanwhile, or changed or deleted it.
                let waiting = tx.without_passages(ANALYSIS, after, batch.len())?;
                let now: HashMap<RowId, Memory> = tx.memories(&waiting)?.into_iter().collect();
                let as_before = |row: &RowId, before: &Memory| {
                    now.get(row).is_some_and(|now| (&now.text, &now.caption) == (&before.text, &before.caption))
                };
                let rows = batch.iter().map(|(row, before)| Some(*row).filter(|row| as_before(row, before)));
                analysed.put(tx, rows.map(Owner::Stored), None)
            })?;
            after = *last;
            if !progress(Embedded { done: 0, total }) {
                return Ok(false);
            }
        }
    }

    /// Embeds what waits, batch by batch. While one is embedded, the one before it is stored and the one after it is read.
    /// False when it was stopped, or the model failed.
    fn embed_waiting(
        &self,
        meaning: &Meaning,
        role: Role,
        what: Waiting,
        work: &mut Work<'_>,
    ) -> Result<bool, LongTermError> {
        let read = |after| self.store().read(|snapshot| read_batch(snapshot, meaning, what, after, BATCH));
        let put = |batch: &Batch| {
            self.store().write(|tx| -> Result<Option<u64>, LongTermError> {
                let row = role.row(meaning, tx)?;
                row.map(|row| put_batch(tx, row, batch)).transpose()
            })
        };
        let mut next = read(0)?;
        let mut embedded: Option<Batch> = None;
        while let Some(mut batch) = next {
            let (last, before) = (batch.last, embedded.take());
            let (stored, ()) = rayon::join(
                || -> Result<_, LongTermError> {
                    let stored = before.as_ref().map_or(Ok(Some(0)), &put)?;
                    Ok((stored, read(last)?))
                },
                || batch.embed(meaning, what, before.as_ref()),
            );
            let (stored, following) = stored?;
            let Some(stored) = stored else {
                work.is_refused = true;
                return Ok(false);
            };
            work.so_far.done += stored;
            work.problem = work.problem.take().or(batch.problem.take());
            next = following;
            let goes_on = !batch.has_failed() && (before.is_none() || work.tell());
            embedded = Some(batch);
            if !goes_on {
                // What is embedded by now is not thrown away.
                let stored = embedded.as_ref().map_or(Ok(Some(0)), &put)?;
                work.is_refused = stored.is_none();
                work.so_far.done += stored.unwrap_or(0);
                return Ok(false);
            }
        }
        let Some(last) = embedded else { return Ok(true) };
        let stored = put(&last)?;
        work.is_refused = stored.is_none();
        work.so_far.done += stored.unwrap_or(0);
        Ok(stored.is_some() && work.tell())
    }
}

fn read_batch(
    snapshot: &Snapshot<'_>,
    meaning: &Meaning,
    what: Waiting,
    after: PassageId,
    limit: usize,
) -> Result<Option<Batch>, LongTermError> {
    let model = meaning.row(snapshot)?;
    let ids = match what {
        Waiting::Vectors => snapshot.without_vector(model, after, limit)?,
        Waiting::Pieces => snapshot.without_token_vectors(model, after, limit)?,
    };
    let Some(last) = ids.last().copied() else { return Ok(None) };
    let runs = runs(snapshot, snapshot.passages(&ids)?)?;
    let mut known = HashMap::new();
    if let (Some(model), Waiting::Vectors) = (model, what) {
        for (id, scope, text) in runs.iter().flat_map(|run| &run.own) {
            known.extend(Known::find(snapshot, *scope, model, text, false)?.vector.map(|vector| (*id, vector)));
        }
    }
    Ok(Some(Batch { last, runs, known, ..Batch::default() }))
}

/// Returns how many of its passages are done: a passage whose text changed meanwhile is gone, and the ones that took its
/// place wait in their turn.
fn put_batch(tx: &WriteTx<'_>, model: ModelRow, batch: &Batch) -> Result<u64, LongTermError> {
    let (mut vectors, mut pieces) = (0, 0);
    for (number, (id, ..)) in batch.own().enumerate() {
        if let Some(vector) = batch.vectors.get(number).and_then(Option::as_deref) {
            vectors += u64::from(tx.put_vector(model, *id, vector)?);
        }
        if let Some(codes) = batch.pieces.get(number).and_then(Option::as_deref) {
            pieces += u64::from(tx.put_token_vectors(model, *id, codes)?);
        }
    }
    Ok(if batch.vectors.is_empty() { pieces } else { vectors })
}

/// What passages wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Waiting {
    /// Their vectors, and those of their pieces with them.
    Vectors,
    /// Those of their pieces alone.
    Pieces,
}

/// Passages on their way from the store through the model and back.
#[derive(Debug, Default)]
struct Batch {
    last: PassageId,
    runs: Vec<Run>,
    /// Vectors of equal texts that were stored before.
    known: HashMap<PassageId, Vec<f32>>,
    /// One entry a passage, in the order of the runs; empty where nothing is wanted.
    vectors: Vec<Option<Vec<f32>>>,
    pieces: Vec<Option<Vec<u8>>>,
    problem: Option<String>,
}

impl Batch {
    fn own(&self) -> impl Iterator<Item = &(PassageId, ScopeRow, String)> {
        self.runs.iter().flat_map(|run| &run.own)
    }

    /// Embeds each text once. What the batch before holds is not in the store yet.
    fn embed(&mut self, meaning: &Meaning, what: Waiting, before: Option<&Self>) {
        let mut problem = None;
        if what == Waiting::Vectors {
            let before: HashMap<(ScopeRow, &str), &Vec<f32>> = before
                .into_iter()
                .flat_map(|before| before.own().zip(&before.vectors))
                .filter_map(|((_, scope, text), vector)| Some(((*scope, text.as_str()), vector.as_ref()?)))
                .collect();
            let known = |(id, scope, text): &(PassageId, ScopeRow, String)| {
                self.known.get(id).or_else(|| before.get(&(*scope, text.as_str())).copied()).cloned()
            };
            let known: Vec<Option<Vec<f32>>> = self.own().map(known).collect();
            let texts = || self.own().map(|(.., text)| text.as_str()).zip(&known);
            let distinct = Distinct::new(texts().filter(|(_, known)| known.is_none()).map(|(text, _)| text));
            let checked = meaning.embed(&distinct.texts, Purpose::Passage);
            let made = |text: &str| checked.vectors.get(distinct.place(text)?)?.clone();
            let vectors = texts().map(|(text, known)| known.clone().or_else(|| made(text))).collect();
            problem = checked.problem;
            self.vectors = vectors;
        }
        let coded = meaning.code(&self.runs.iter().map(Run::texts).collect::<Vec<_>>());
        self.pieces = coded.pieces;
        self.problem = problem.or(coded.problem);
    }

    /// Whether the model made nothing of any of it.
    fn has_failed(&self) -> bool {
        let is_nothing = self.vectors.iter().all(Option::is_none);
        !self.runs.is_empty() && is_nothing && (!self.vectors.is_empty() || self.pieces.iter().all(Option::is_none))
    }
}

/// Passages that follow one another, and the one before them.
#[derive(Debug)]
struct Run {
    before: Option<String>,
    own: Vec<(PassageId, ScopeRow, String)>,
}

impl Run {
    fn texts(&self) -> TextRun<'_> {
        let texts: Vec<&str> =
            self.before.iter().chain(self.own.iter().map(|(.., text)| text)).map(String::as_str).collect();
        let own = usize::from(self.before.is_some())..texts.len();
        TextRun { texts, own }
    }
}

/// Passages in stretches of neighbours.
fn runs(snapshot: &Snapshot<'_>, mut passages: Vec<PassageRow>) -> Result<Vec<Run>, StoreError> {
    passages.sort_by_key(|passage| (passage.run, passage.place));
    let mut runs = Vec::new();
    for stretch in passages.chunk_by(|a, b| a.run == b.run && a.place + 1 == b.place) {
        let Some(first) = stretch.first() else { continue };
        let before = snapshot.passages_of_run(first.run, first.place - 1, first.place - 1)?;
        let before = texts(snapshot, &before)?.pop().map(|(_, text)| text);
        let scope = |id| stretch.iter().find(|row| row.id == id).map(|row| row.scope);
        let own = texts(snapshot, stretch)?.into_iter().filter_map(|(id, text)| Some((id, scope(id)?, text)));
        runs.push(Run { before, own: own.collect() });
    }
    Ok(runs)
}

/// What of each passage is embedded.
fn texts(snapshot: &Snapshot<'_>, passages: &[PassageRow]) -> Result<Vec<(PassageId, String)>, StoreError> {
    let mut rows: Vec<RowId> = passages.iter().map(|passage| passage.memory).collect();
    rows.dedup();
    let memories: HashMap<RowId, Memory> = snapshot.memories(&rows)?.into_iter().collect();
    Ok(passage::embedded(passages, &memories).collect())
}
