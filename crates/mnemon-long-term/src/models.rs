//! The embedding models that this engine has, and which of them the file serves with.

use std::sync::{Arc, PoisonError, RwLock};

use mnemon_store::{ModelRow, Snapshot, StoreError, StoredModel, WriteTx};

use crate::Degradation;
use crate::long_term::Meaning;

/// The models of an engine. The file decides which one is worked with, in each transaction anew: so a question is embedded
/// by the model whose vectors it is compared with, whoever switches the file to another one meanwhile.
#[derive(Default)]
pub(crate) struct Models {
    known: RwLock<Known>,
}

#[derive(Default)]
struct Known {
    own: Option<Arc<Meaning>>,
    /// Those that this engine embeds anew with.
    coming: Vec<Arc<Meaning>>,
    /// The one before the last change: who began to read before the switch still sees a file that serves with it.
    former: Option<Arc<Meaning>>,
}

/// What this engine works with in one state of the file.
#[derive(Clone, Default)]
pub(crate) struct Serving {
    pub(crate) meaning: Option<Arc<Meaning>>,
    /// Where the vectors of `meaning` are; `None` where the file has none of any model.
    pub(crate) row: Option<ModelRow>,
    /// Why there is no `meaning`.
    pub(crate) why: Option<Degradation>,
}

impl Models {
    pub(crate) fn new(own: Option<Meaning>) -> Self {
        Self { known: RwLock::new(Known { own: own.map(Arc::new), ..Known::default() }) }
    }

    /// The model of the engine, whether the file serves with it or not.
    pub(crate) fn own(&self) -> Option<Arc<Meaning>> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).own.clone()
    }

    /// Whether there is no model at all, whatever the file serves with.
    pub(crate) fn is_empty(&self) -> bool {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.own.is_none() && known.coming.is_empty()
    }

    /// What to work with in this state of the file.
    pub(crate) fn serving(&self, snapshot: &Snapshot<'_>) -> Result<Serving, StoreError> {
        let stored = snapshot.serving_model()?;
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let Some(stored) = stored else {
            let meaning = known.own.clone();
            let why = meaning.is_none().then_some(Degradation::NoModel);
            return Ok(Serving { meaning, row: None, why });
        };
        if let Some(meaning) =
            known.own.iter().chain(&known.coming).chain(&known.former).find(|meaning| meaning.is(&stored))
        {
            return Ok(Serving { meaning: Some(Arc::clone(meaning)), row: Some(stored.row), why: None });
        }
        let why = known.own.as_ref().map_or(Degradation::NoModel, |own| own.is_not(&stored));
        Ok(Serving { why: Some(why), ..Serving::default() })
    }

    /// From now on the engine knows this model too.
    pub(crate) fn announce(&self, meaning: &Arc<Meaning>) {
        self.known.write().unwrap_or_else(PoisonError::into_inner).coming.push(Arc::clone(meaning));
    }

    /// The end of [`Self::announce`]; the model is that of the engine from now on, if it is to be `adopted`.
    pub(crate) fn settle(&self, meaning: &Arc<Meaning>, adopted: bool) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(place) = known.coming.iter().position(|coming| Arc::ptr_eq(coming, meaning)) {
            known.coming.swap_remove(place);
        }
        if adopted {
            known.former = known.own.replace(Arc::clone(meaning));
        }
    }

    /// Nobody reads any more what the model before the last change served.
    pub(crate) fn forget_former(&self) {
        self.known.write().unwrap_or_else(PoisonError::into_inner).former = None;
    }
}

impl Serving {
    /// The row to store vectors under that were made with this; `None` when the file serves with another model by now.
    pub(crate) fn row_to_store(&self, tx: &WriteTx<'_>) -> Result<Option<ModelRow>, StoreError> {
        match (&self.meaning, tx.serving_model()?) {
            (Some(meaning), Some(stored)) => Ok(meaning.is(&stored).then_some(stored.row)),
            (Some(meaning), None) => meaning.ensure_row(tx).map(Some),
            (None, _) => Ok(None),
        }
    }
}

impl Meaning {
    /// Whether this is the model that stored something.
    pub(crate) fn is(&self, stored: &StoredModel) -> bool {
        self.embedder.model() == &stored.id && self.dimension == stored.row.dimension()
    }

    fn is_not(&self, stored: &StoredModel) -> Degradation {
        Degradation::OtherModel {
            file: Box::new(stored.id.clone()),
            file_dimension: stored.row.dimension(),
            own: Box::new(self.embedder.model().clone()),
            own_dimension: self.dimension,
        }
    }
}
