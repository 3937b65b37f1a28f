//! What recall reads of a scope, in memory, kept in step with the store.

mod encoding;
mod passages;
mod shelf;

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use mnemon_index::{GraphParams, VectorIndex};
use mnemon_store::{ModelRow, ScopeRow, Snapshot, Store};

use crate::LongTermError;
use crate::models::Models;
pub(crate) use passages::Passage;
pub(crate) use shelf::Shelf;

/// How often a query whose snapshot is older than what is in memory begins anew before that is loaded again for it.
pub(crate) const MAX_STALE: usize = 3;

/// Scopes of fewer memories are read as fast as what would be saved of them.
const SAVE_FROM: usize = 2_000;
/// What is saved is read, and what changed after it row by row: it is saved anew when one passage in so many changed.
const CHANGED_SHARE: usize = 10;

/// The scopes that were asked in this process, each as of some head of the change log.
///
/// A query asks for its scope *at its own snapshot*: what it finds and what it reads then belong to one state of the file,
/// whichever process wrote last.
#[derive(Debug, Default)]
pub(crate) struct Resident {
    shelves: RwLock<HashMap<ScopeRow, Arc<RwLock<Shelf>>>>,
}

/// What a query gets that asks for its scope at its snapshot.
pub(crate) enum AtSnapshot<T> {
    /// The answer.
    Done(T),
    /// Another query saw a newer state meanwhile and moved the scope there: take a new snapshot.
    Stale,
}

impl Resident {
    /// Runs `query` on a scope as of `snapshot`, with the vectors of `model`: the one that the file serves with there, if the
    /// engine has it. `attempt` counts from 0; the last one never answers stale.
    pub(crate) fn at<T>(
        &self,
        snapshot: &Snapshot<'_>,
        scope: ScopeRow,
        attempt: usize,
        model: Option<ModelRow>,
        query: impl FnOnce(&Shelf) -> Result<T, LongTermError>,
    ) -> Result<AtSnapshot<T>, LongTermError> {
        let head = snapshot.head()?;
        let shelf = self.shelf(scope);
        loop {
            {
                let shelf = shelf.read().unwrap_or_else(PoisonError::into_inner);
                match shelf.head() {
                    Some(known) if known == head && shelf.model() == model => {
                        return Ok(AtSnapshot::Done(query(&shelf)?));
                    }
                    Some(known) if known.seq > head.seq && attempt < MAX_STALE => return Ok(AtSnapshot::Stale),
                    _ => {}
                }
            }
            let mut shelf = shelf.write().unwrap_or_else(PoisonError::into_inner);
            // Somebody may have moved it while the lock was free; then the reading side decides again.
            if shelf.head().is_none_or(|known| known.seq <= head.seq || attempt >= MAX_STALE) {
                shelf.follow(snapshot, head, model)?;
            }
        }
    }

    /// Builds the graphs that are due. Queries go on meanwhile; only putting a graph in its place waits for them.
    pub(crate) fn build_graphs(
        &self,
        store: &Store,
        models: &Models,
        params: GraphParams,
    ) -> Result<bool, LongTermError> {
        let mut built = false;
        for scope in store.read(|snapshot| snapshot.scopes_of(VectorIndex::GRAPH_FROM))? {
            self.bring_up(store, models, scope)?;
            let shelf = self.shelf(scope);
            let job = {
                let shelf = shelf.read().unwrap_or_else(PoisonError::into_inner);
                shelf.graph_job(params)?.map(|job| (shelf.loads(), job))
            };
            if let Some((loads, job)) = job {
                let graph = job.build();
                let mut shelf = shelf.write().unwrap_or_else(PoisonError::into_inner);
                // A graph brings the vectors along of which it was built; some may have been erased meanwhile.
                if shelf.loads() == loads {
                    shelf.install(graph)?;
                    built = true;
                }
            }
        }
        Ok(built)
    }

    /// Saves the scopes that changed much since they were saved, so that the next process opens them at once.
    pub(crate) fn save(&self, store: &Store, models: &Models) -> Result<bool, LongTermError> {
        let mut saved = false;
        if store.is_read_only() {
            return Ok(saved);
        }
        for scope in store.read(|snapshot| snapshot.scopes_of(SAVE_FROM))? {
            let due = store.read(|snapshot| {
                self.at(snapshot, scope, 0, models.serving(snapshot)?.row, |shelf| {
                    match snapshot.saved_head(scope, shelf.model())? {
                        None => Ok(true),
                        Some(head) => {
                            let changes = snapshot.count_changes_since(scope, head)?;
                            Ok(changes as usize > (shelf.len() / CHANGED_SHARE).max(SAVE_FROM))
                        }
                    }
                })
            })?;
            if matches!(due, AtSnapshot::Done(true)) {
                let shelf = self.shelf(scope);
                let (model, head, parts) = {
                    // Copied, so that no question waits for the disk.
                    let shelf = shelf.read().unwrap_or_else(PoisonError::into_inner);
                    (shelf.model(), shelf.head(), shelf.parts().collect::<Vec<_>>())
                };
                if let Some(head) = head {
                    saved |= store.write(|tx| tx.save(scope, model, head, parts))?;
                }
            }
        }
        Ok(saved)
    }

    /// Follows the log in every scope that was asked, so that nothing stays in memory that was erased, by whichever process.
    pub(crate) fn drop_erased(&self, store: &Store, models: &Models) -> Result<(), LongTermError> {
        let scopes: Vec<ScopeRow> =
            self.shelves.read().unwrap_or_else(PoisonError::into_inner).keys().copied().collect();
        for scope in scopes {
            self.bring_up(store, models, scope)?;
        }
        Ok(())
    }

    /// Brings a scope to the present state of the file.
    fn bring_up(&self, store: &Store, models: &Models, scope: ScopeRow) -> Result<(), LongTermError> {
        store.read(|snapshot| {
            let model = models.serving(snapshot)?.row;
            self.at(snapshot, scope, 0, model, |_| Ok(())).map(|_| ())
        })
    }

    /// Drops what is in memory of a scope: the next question loads it from the rows.
    pub(crate) fn forget(&self, scope: ScopeRow) {
        let shelf = self.shelves.read().unwrap_or_else(PoisonError::into_inner).get(&scope).cloned();
        if let Some(shelf) = shelf {
            shelf.write().unwrap_or_else(PoisonError::into_inner).forget();
        }
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        let shelves = self.shelves.read().unwrap_or_else(PoisonError::into_inner);
        shelves.values().map(|shelf| shelf.read().unwrap_or_else(PoisonError::into_inner).memory_bytes()).sum()
    }

    fn shelf(&self, scope: ScopeRow) -> Arc<RwLock<Shelf>> {
        if let Some(shelf) = self.shelves.read().unwrap_or_else(PoisonError::into_inner).get(&scope) {
            return Arc::clone(shelf);
        }
        Arc::clone(
            self.shelves
                .write()
                .unwrap_or_else(PoisonError::into_inner)
                .entry(scope)
                .or_insert_with(|| Arc::new(RwLock::new(Shelf::new(scope)))),
        )
    }
}
