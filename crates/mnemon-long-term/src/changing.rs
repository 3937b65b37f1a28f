//! Changing the model: everything is embedded anew while the old vectors serve, and then all of it is switched at once.

use std::sync::Arc;

use mnemon_core::{Embedder, ModelId};
use mnemon_store::{Snapshot, StoreError, StoredModel};
use serde::Serialize;

use crate::long_term::Meaning;
use crate::pending::{Role, Switched, Work};
use crate::{Embedded, LongTerm, LongTermError};

/// Passages that are embedded while other writers wait, at the very end: what was written in between two looks, when
/// somebody writes without a pause.
const LAST_FEW: usize = 16;
/// After so many rounds the last few passages are embedded like that.
const PATIENT_ROUNDS: usize = 3;
/// Rounds in which nothing could be embedded, one after another: what is missing then will not come by itself.
const IDLE_ROUNDS: usize = 2;
/// Rows that one transaction deletes of what an old model left.
const DROPPED_AT_ONCE: usize = 2_000;

/// What [`LongTerm::re_embed`] came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ModelChange {
    /// Whether the file serves with the new model now. Otherwise the work was stopped, and goes on from there when it is
    /// begun again.
    pub is_done: bool,
    /// Passages that were embedded by this call. Fewer than the file has when a part was done before.
    pub embedded: u64,
    /// Rows that were deleted of what other models left.
    pub dropped: u64,
}

/// Which models a file has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ModelStatus {
    /// The model that the file serves with; `None` while there are no vectors.
    pub serving: Option<ModelCoverage>,
    /// The model that a change under way leads to.
    pub next: Option<ModelCoverage>,
    /// The model of this engine.
    pub own: Option<ModelId>,
    /// Passages in the file: what is embedded. A turn is one, a long document is several.
    pub passages: u64,
}

/// A model, and how much of a file it has embedded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ModelCoverage {
    /// The model.
    pub model: ModelId,
    /// Values of each vector.
    pub dimension: usize,
    /// Passages that have a vector of it.
    pub passages: u64,
}

impl LongTerm {
    /// Makes sure that the file serves with the model of this engine, or with none yet. An engine with another one works
    /// all the same, with words only; this is for who would rather know.
    ///
    /// # Errors
    /// [`LongTermError::OtherModel`] and [`LongTermError::WrongDimension`], and when the store cannot be read.
    pub fn check_model(&self) -> Result<(), LongTermError> {
        let Some(own) = self.models().own() else { return Ok(()) };
        match self.store().read(|snapshot| snapshot.serving_model())? {
            Some(stored) if !own.is(&stored) => Err(own.refused(stored)),
            _ => Ok(()),
        }
    }

    /// Which model the file serves with, and how far a change of it has come. Looks at every passage.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn model_status(&self) -> Result<ModelStatus, LongTermError> {
        let own = self.models().own().map(|own| own.embedder.model().clone());
        Ok(self.store().read(|snapshot| -> Result<_, StoreError> {
            let passages = snapshot.count_without_vector(None)?;
            let coverage = |stored: StoredModel| coverage(snapshot, stored, passages);
            Ok(ModelStatus {
                serving: snapshot.serving_model()?.map(coverage).transpose()?,
                next: snapshot.next_model()?.map(coverage).transpose()?,
                own,
                passages,
            })
        })?)
    }

    /// Changes the model of the whole file: embeds every passage with `new`, and then switches to it in one transaction.
    /// Until then, the vectors of the old model serve, here and in every other process, and what is written is embedded with
    /// the old model; from then on this engine asks with the new one. A process that only has the old model compares words
    /// only from then on, and says so.
    ///
    /// The work is stored batch by batch. It may be stopped at any point (by `progress` returning false, or by a kill) and
    /// goes on from there when it is begun again, in this or in another process; several may do it at once. With the
    /// model that serves already, a change that was begun is called off. What the old model left is deleted afterwards, by
    /// this and by [`LongTerm::maintain`].
    ///
    /// # Errors
    /// [`LongTermError::WrongDimension`]; [`LongTermError::ModelFailed`] when the model makes nothing of some texts, and
    /// [`LongTermError::OtherChange`] when somebody began a change to a third model meanwhile: then the old model serves on.
    /// When the store cannot be read or written.
    pub fn re_embed(
        &self,
        new: &Arc<dyn Embedder>,
        progress: &mut dyn FnMut(Embedded) -> bool,
    ) -> Result<ModelChange, LongTermError> {
        let meaning = Arc::new(Meaning::new(Arc::clone(new), self.level())?);
        match self.store().read(|snapshot| snapshot.serving_model())? {
            Some(stored) if stored.id == *new.model() && !meaning.is(&stored) => return Err(meaning.refused(stored)),
            _ => {}
        }
        // Known before it can serve, so that there is no moment in which the file has a model that this engine does not.
        self.models().announce(&meaning);
        let changed = self.change_to(&meaning, progress);
        self.models().settle(&meaning, changed.as_ref().is_ok_and(|change| change.is_done));
        let change = changed?;
        let dropped = if change.is_done { self.drop_other_models()? } else { 0 };
        Ok(ModelChange { dropped, ..change })
    }

    fn change_to(
        &self,
        meaning: &Meaning,
        progress: &mut dyn FnMut(Embedded) -> bool,
    ) -> Result<ModelChange, LongTermError> {
        let mut work = Work::new(progress);
        let outcome = |work: &Work<'_>, is_done| ModelChange { is_done, embedded: work.so_far.done, dropped: 0 };
        if !self.analyse_pending(work.progress)? {
            return Ok(outcome(&work, false));
        }
        self.store().write(|tx| tx.begin_model_change(meaning.embedder.model(), meaning.dimension))?;
        let other_change = || LongTermError::OtherChange { model: Box::new(meaning.embedder.model().clone()) };
        let (mut rounds, mut idle, mut missing) = (0, 0, u64::MAX);
        loop {
            let before = work.so_far.done;
            work.so_far.total = before + self.count_waiting(meaning)?;
            if !self.embed_all(meaning, Role::Next, &mut work)? {
                if work.is_refused {
                    return Err(other_change());
                }
                return match work.problem {
                    Some(problem) => Err(meaning.failed(problem)),
                    None => Ok(outcome(&work, false)),
                };
            }
            let last_few = if rounds >= PATIENT_ROUNDS && missing <= LAST_FEW as u64 { LAST_FEW } else { 0 };
            match self.switch(meaning, last_few)? {
                Switched::Done => return Ok(outcome(&work, true)),
                Switched::Refused => return Err(other_change()),
                Switched::Missing(count) => missing = count,
            }
            rounds += 1;
            idle = if work.so_far.done > before { 0 } else { idle + 1 };
            if idle > IDLE_ROUNDS {
                let problem = work.problem.unwrap_or_else(|| format!("it gave no vector for {missing} passages"));
                return Err(meaning.failed(problem));
            }
        }
    }

    /// Deletes what models left that neither serve nor come next, in small transactions.
    pub(crate) fn drop_other_models(&self) -> Result<u64, LongTermError> {
        let mut dropped = 0;
        loop {
            match self.store().write(|tx| tx.drop_other_models(DROPPED_AT_ONCE))? {
                0 => return Ok(dropped),
                rows => dropped += rows,
            }
        }
    }
}

impl Meaning {
    fn refused(&self, stored: StoredModel) -> LongTermError {
        let (model, got) = (Box::new(self.embedder.model().clone()), self.dimension);
        let (file, expected) = (Box::new(stored.id), stored.row.dimension());
        if file == model {
            return LongTermError::WrongDimension { model, expected, got };
        }
        LongTermError::OtherModel { file, expected, model, got }
    }

    fn failed(&self, problem: String) -> LongTermError {
        LongTermError::ModelFailed { model: Box::new(self.embedder.model().clone()), problem }
    }
}

fn coverage(snapshot: &Snapshot<'_>, stored: StoredModel, passages: u64) -> Result<ModelCoverage, StoreError> {
    let without = snapshot.count_without_vector(Some(stored.row))?;
    Ok(ModelCoverage {
        model: stored.id,
        dimension: stored.row.dimension(),
        passages: passages - without.min(passages),
    })
}
