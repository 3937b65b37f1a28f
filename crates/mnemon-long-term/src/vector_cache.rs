//! The vector index of passages in memory, kept in step with the store.

use std::sync::{PoisonError, RwLock};

use mnemon_core::ModelId;
use mnemon_index::{GraphParams, VectorIndex};
use mnemon_store::{ChangeOp, Head, ModelRow, Snapshot};

use crate::LongTermError;

/// How often a query whose snapshot is older than the index begins anew before the index is rebuilt for it.
pub(crate) const MAX_STALE: usize = 3;

/// The vectors of one model, as of some head of the change log.
///
/// A query asks for the index *at its own snapshot*: what it finds and what it reads then belong to one state of the
/// file, whichever process wrote last.
#[derive(Debug)]
pub(crate) struct VectorCache {
    model: ModelId,
    dimension: usize,
    state: RwLock<State>,
}

#[derive(Debug)]
struct State {
    /// `None` before the first load.
    head: Option<Head>,
    model: Option<ModelRow>,
    index: VectorIndex,
}

/// What a query gets that asks for the index at its snapshot.
pub(crate) enum AtSnapshot<T> {
    /// The answer.
    Done(T),
    /// Another query saw a newer state meanwhile and moved the index there: take a new snapshot.
    Stale,
}

impl VectorCache {
    pub(crate) fn new(model: ModelId, dimension: usize) -> Result<Self, LongTermError> {
        let state = State { head: None, model: None, index: VectorIndex::new(dimension)? };
        Ok(Self { model, dimension, state: RwLock::new(state) })
    }

    /// Runs `query` on the index as of `snapshot`. `attempt` counts from 0; the last one never answers stale.
    pub(crate) fn at<T>(
        &self,
        snapshot: &Snapshot<'_>,
        attempt: usize,
        query: impl Fn(&VectorIndex, ModelRow) -> Result<T, LongTermError>,
    ) -> Result<AtSnapshot<Option<T>>, LongTermError> {
        let head = snapshot.head()?;
        loop {
            {
                let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
                match state.head {
                    Some(known) if known == head => {
                        let answer = state.model.map(|model| query(&state.index, model)).transpose()?;
                        return Ok(AtSnapshot::Done(answer));
                    }
                    Some(known) if known.seq > head.seq && attempt < MAX_STALE => return Ok(AtSnapshot::Stale),
                    _ => {}
                }
            }
            let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
            // Somebody may have moved it while the lock was free; then the reading side decides again.
            if state.head.is_none_or(|known| known.seq <= head.seq || attempt >= MAX_STALE) {
                self.follow(&mut state, snapshot, head)?;
            }
        }
    }

    /// Builds the graph if one is due. Queries go on meanwhile; only putting it in its place waits for them.
    pub(crate) fn build_graph(&self, params: GraphParams) -> Result<bool, LongTermError> {
        let job = {
            let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
            if !state.index.graph_due() {
                return Ok(false);
            }
            state.index.graph_job(params)?
        };
        let graph = job.build();
        self.state.write().unwrap_or_else(PoisonError::into_inner).index.install(graph)?;
        Ok(true)
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        self.state.read().unwrap_or_else(PoisonError::into_inner).index.stats().memory_bytes
    }

    /// Brings the index from wherever it is to `head`. A failure on the way leaves it to be loaded anew.
    fn follow(&self, state: &mut State, snapshot: &Snapshot<'_>, head: Head) -> Result<(), LongTermError> {
        let known = state.head.take();
        if state.model.is_none() {
            state.model = snapshot.model(&self.model, self.dimension)?;
        }
        if let Some(model) = state.model {
            let changes = match known {
                Some(known) if known.seq <= head.seq => snapshot.changes_since(known)?,
                _ => None,
            };
            match changes {
                Some(changes) => {
                    let mut vector = Vec::with_capacity(self.dimension);
                    for change in changes {
                        match change.op {
                            ChangeOp::VectorStored if model.is(change.model_id) => {
                                // The passage is read as it is now; a later entry of the log may have taken it away.
                                if snapshot.read_vector(model, change.row, &mut vector)?
                                    && let Some(partition) = snapshot.partition_of(change.row)?
                                {
                                    state.index.insert(change.row, partition, &vector)?;
                                }
                            }
                            ChangeOp::VectorDropped if model.is(change.model_id) => {
                                state.index.remove(change.row);
                            }
                            _ => {}
                        }
                    }
                }
                None => {
                    state.index = VectorIndex::new(self.dimension)?;
                    snapshot.each_vector(model, |passage, partition, vector| -> Result<(), LongTermError> {
                        Ok(state.index.insert(passage, partition, vector)?)
                    })?;
                }
            }
        }
        state.head = Some(head);
        Ok(())
    }
}
