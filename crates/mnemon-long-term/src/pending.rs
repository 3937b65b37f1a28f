//! What waits to be done: memories that have no passages, passages that have no vectors, vectors that have no graph.

use std::collections::HashMap;

use mnemon_core::{Memory, Purpose, TextRun};
use mnemon_index::GraphParams;
use mnemon_recall::ANALYSIS;
use mnemon_store::{ModelRow, PassageId, PassageRow, RowId, Snapshot, StoreError};

use crate::long_term::Meaning;
use crate::passage::{self, Analysed};
use crate::{Degradation, LongTerm, LongTermError};

/// How many passages are embedded between two transactions when there are many: enough for a full load of every core,
/// few enough that a stop loses little work.
const BATCH: usize = 256;

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
}

/// Work in progress: what it has come to, and whether to go on.
struct Work<'a> {
    so_far: Embedded,
    problem: Option<String>,
    progress: &'a mut dyn FnMut(Embedded) -> bool,
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
        let nothing = Embedded { done: 0, total: 0 };
        if !self.analyse_pending(progress)? {
            return Ok((nothing, None));
        }
        let Some(meaning) = self.meaning() else { return Ok((nothing, Some(Degradation::NoModel))) };
        let total = self.store().read(|snapshot| -> Result<_, StoreError> {
            let model = meaning.row(snapshot)?;
            let pieces = match meaning.pieces {
                Some(_) => snapshot.count_without_token_vectors(model)?,
                None => 0,
            };
            // What has no vector has no pieces either, but for what failed in between.
            Ok(snapshot.count_without_vector(model)?.max(pieces))
        })?;
        let mut work = Work { so_far: Embedded { done: 0, total }, problem: None, progress };
        if self.embed_passages(meaning, &mut work)? && meaning.pieces.is_some() {
            self.embed_pieces(meaning, &mut work)?;
        }
        Ok((work.so_far, self.why(work.problem)))
    }

    /// Does what waits to be done in the background: embeds what has no vector, builds the graph over the vectors when
    /// they are many. Call it from a thread of your own now and then, or after an import. Queries go on meanwhile.
    ///
    /// # Errors
    /// When the store cannot be read or written.
    pub fn maintain(&self, progress: &mut dyn FnMut(Embedded) -> bool) -> Result<Maintenance, LongTermError> {
        let (embedded, degraded) = self.embed_pending(progress)?;
        let graph_built = self.resident().build_graphs(self.store(), GraphParams::default())?;
        let index_saved = self.resident().save(self.store())?;
        Ok(Maintenance { embedded: embedded.done, degraded, graph_built, index_saved })
    }

    /// Makes the passages of the memories that have none of the present analysis. False when it was stopped.
    fn analyse_pending(&self, progress: &mut dyn FnMut(Embedded) -> bool) -> Result<bool, LongTermError> {
        let total = self.store().read(|snapshot| snapshot.count_without_passages(ANALYSIS))?;
        let mut after = 0;
        loop {
            let batch = self.store().read(|snapshot| -> Result<_, StoreError> {
                snapshot.memories(&snapshot.without_passages(ANALYSIS, after, BATCH)?)
            })?;
            let Some((last, _)) = batch.last() else { return Ok(true) };
            let analysed = Analysed::apart(batch.iter().map(|(_, memory)| passage::of_memory(memory)), None);
            self.store().write(|tx| -> Result<_, StoreError> {
                // Somebody may have analysed some of it meanwhile, or changed or deleted it.
                let waiting = tx.without_passages(ANALYSIS, after, batch.len())?;
                let now: HashMap<RowId, Memory> = tx.memories(&waiting)?.into_iter().collect();
                let as_before = |row: &RowId, before: &Memory| {
                    now.get(row).is_some_and(|now| (&now.text, &now.caption) == (&before.text, &before.caption))
                };
                let rows = batch.iter().map(|(row, before)| Some(*row).filter(|row| as_before(row, before)));
                analysed.put(tx, rows, None)
            })?;
            after = *last;
            if !progress(Embedded { done: 0, total }) {
                return Ok(false);
            }
        }
    }

    /// Embeds the passages that have no vector, and their pieces. False when it was stopped, or the model failed.
    fn embed_passages(&self, meaning: &Meaning, work: &mut Work<'_>) -> Result<bool, LongTermError> {
        let mut after = 0;
        loop {
            let (last, runs) = self.store().read(|snapshot| -> Result<_, StoreError> {
                let ids = snapshot.without_vector(meaning.row(snapshot)?, after, BATCH)?;
                Ok((ids.last().copied(), runs(snapshot, snapshot.passages(&ids)?)?))
            })?;
            let Some(last) = last else { return Ok(true) };
            after = last;
            let texts: Vec<&str> = runs.iter().flat_map(|run| run.own.iter().map(|(_, text)| text.as_str())).collect();
            let checked = meaning.embed(&texts, Purpose::Passage);
            let coded = meaning.code(&runs.iter().map(Run::texts).collect::<Vec<_>>());
            // A passage whose text changed meanwhile is gone: other ones took its place, and have no vector yet.
            work.so_far.done += self.store().write(|tx| {
                let vectors =
                    ids(&runs).zip(&checked.vectors).filter_map(|(id, vector)| Some((id, vector.as_deref()?)));
                let done = passage::put_vectors(tx, vectors, Some(meaning))?;
                let pieces = ids(&runs).zip(&coded.pieces).filter_map(|(id, pieces)| Some((id, pieces.as_deref()?)));
                passage::put_pieces(tx, pieces, Some(meaning))?;
                Ok::<_, StoreError>(done)
            })?;
            let failed = !runs.is_empty() && checked.vectors.iter().all(Option::is_none);
            if !work.goes_on(failed, checked.problem.or(coded.problem)) {
                return Ok(false);
            }
        }
    }

    /// Embeds the pieces of the passages that have none. False when it was stopped, or the model failed.
    fn embed_pieces(&self, meaning: &Meaning, work: &mut Work<'_>) -> Result<bool, LongTermError> {
        let mut after = 0;
        loop {
            let (last, runs) = self.store().read(|snapshot| -> Result<_, StoreError> {
                let ids = snapshot.without_token_vectors(meaning.row(snapshot)?, after, BATCH)?;
                Ok((ids.last().copied(), runs(snapshot, snapshot.passages(&ids)?)?))
            })?;
            let Some(last) = last else { return Ok(true) };
            after = last;
            let texts: Vec<TextRun<'_>> = runs.iter().map(Run::texts).collect();
            let coded = meaning.code(&texts);
            work.so_far.done += self.store().write(|tx| {
                let pieces = ids(&runs).zip(&coded.pieces).filter_map(|(id, pieces)| Some((id, pieces.as_deref()?)));
                passage::put_pieces(tx, pieces, Some(meaning))
            })?;
            let failed = !runs.is_empty() && coded.pieces.iter().all(Option::is_none);
            if !work.goes_on(failed, coded.problem) {
                return Ok(false);
            }
        }
    }
}

impl Meaning {
    fn row(&self, snapshot: &Snapshot<'_>) -> Result<Option<ModelRow>, StoreError> {
        snapshot.model(self.embedder.model(), self.dimension)
    }
}

impl Work<'_> {
    fn goes_on(&mut self, failed: bool, problem: Option<String>) -> bool {
        self.problem = self.problem.take().or(problem);
        !failed && (self.progress)(self.so_far)
    }
}

/// Passages that follow one another, and the one before them.
struct Run {
    before: Option<String>,
    own: Vec<(PassageId, String)>,
}

impl Run {
    fn texts(&self) -> TextRun<'_> {
        let texts: Vec<&str> =
            self.before.iter().chain(self.own.iter().map(|(_, text)| text)).map(String::as_str).collect();
        let own = usize::from(self.before.is_some())..texts.len();
        TextRun { texts, own }
    }
}

fn ids(runs: &[Run]) -> impl Iterator<Item = PassageId> {
    runs.iter().flat_map(|run| run.own.iter().map(|(id, _)| *id))
}

/// Passages in stretches of neighbours.
fn runs(snapshot: &Snapshot<'_>, mut passages: Vec<PassageRow>) -> Result<Vec<Run>, StoreError> {
    passages.sort_by_key(|passage| (passage.run, passage.place));
    let mut runs = Vec::new();
    for stretch in passages.chunk_by(|a, b| a.run == b.run && a.place + 1 == b.place) {
        let Some(first) = stretch.first() else { continue };
        let before = snapshot.passages_of_run(first.run, first.place - 1, first.place - 1)?;
        let before = texts(snapshot, &before)?.pop().map(|(_, text)| text);
        runs.push(Run { before, own: texts(snapshot, stretch)? });
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
