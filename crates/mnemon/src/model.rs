//! The embedding model of a file, and changing it.

use std::sync::Arc;

use mnemon_core::Embedder;
use mnemon_long_term::{Embedded, ModelChange, ModelStatus};

use crate::{ContextManager, Error};

impl ContextManager {
    /// The embedding model of this handle, where it has one. After [`ContextManager::re_embed`] it is the new one.
    #[must_use]
    pub fn embedder(&self) -> Option<Arc<dyn Embedder>> {
        self.engine.long_term.embedder()
    }

    /// Which embedding model the file serves with, and how far a change of it has come. Looks at every passage of the file.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn model_status(&self) -> Result<ModelStatus, Error> {
        Ok(self.engine.long_term.model_status()?)
    }

    /// Changes the embedding model of the whole file, of every scope in it. Everything is embedded with the new model, batch by
    /// batch, while the old vectors serve, here and in every other process; then all of it is switched at once, and this handle
    /// and its clones ask with the new model. What was done is kept when the work is stopped (`progress` returns false) or the
    /// process is killed: the next call goes on from there. With the model that serves already, a change that was begun is
    /// called off. Takes as long as embedding the whole file, on the threads of the caller's rayon pool.
    ///
    /// Afterwards open the file with the new model, in every process: one that still has the old model compares words only
    /// ([`Degradation::OtherModel`](crate::Degradation::OtherModel)).
    ///
    /// # Errors
    /// When the new model fails, or has another dimension than the vectors of its name in the file
    /// ([`LongTermError`](crate::LongTermError)); and when the file cannot be read or written. Then the old model serves on.
    pub fn re_embed(
        &self,
        new: &Arc<dyn Embedder>,
        progress: &mut dyn FnMut(Embedded) -> bool,
    ) -> Result<ModelChange, Error> {
        Ok(self.engine.long_term.re_embed(new, progress)?)
    }
}
