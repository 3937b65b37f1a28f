//! Candidates: the rows that may answer, and how each way of searching sees them.

use std::collections::{BTreeMap, HashSet};

use mnemon_index::{Search, VectorIndex, oversample, rerank};
use mnemon_store::{ModelRow, RowId, ScopeRow, Snapshot, TextQuery};

use super::Signals;
use crate::LongTermError;

/// Rows and what is known of them, in the order of the rows.
#[derive(Debug, Clone)]
pub(super) struct Candidates<'a> {
    limit: usize,
    excluded: &'a HashSet<RowId>,
    found: BTreeMap<RowId, Signals>,
}

impl<'a> Candidates<'a> {
    /// At most `limit` from each way of searching, none of the excluded rows.
    pub(super) fn new(limit: usize, excluded: &'a HashSet<RowId>) -> Self {
        Self { limit, excluded, found: BTreeMap::new() }
    }

    /// The rows whose vectors are nearest.
    pub(super) fn add_nearest(
        &mut self,
        index: &VectorIndex,
        scope: ScopeRow,
        vector: &[f32],
    ) -> Result<(), LongTermError> {
        let allowed = |row| !self.excluded.contains(&row);
        let partitions = [scope.partition()];
        let mut search = Search::new(vector, oversample(self.limit));
        search.partitions = Some(&partitions);
        search.allowed = Some(&allowed);
        for candidate in index.search(&search)? {
            self.found.entry(candidate.id).or_default().cosine = Some(candidate.similarity);
        }
        Ok(())
    }

    /// The rows whose words match best.
    pub(super) fn add_matching(
        &mut self,
        snapshot: &Snapshot<'_>,
        scope: ScopeRow,
        text: &str,
    ) -> Result<(), LongTermError> {
        let limit = self.limit.saturating_add(self.excluded.len());
        for hit in snapshot.text_search(&TextQuery { text, scope, limit })? {
            if !self.excluded.contains(&hit.row) {
                self.found.entry(hit.row).or_default().text = Some(hit.score as f32);
            }
        }
        Ok(())
    }

    /// Replaces the similarities of the index, which are rounded, by exact cosines of the stored vectors, and gives one
    /// to the candidates that came by their words.
    pub(super) fn measure(
        &mut self,
        snapshot: &Snapshot<'_>,
        model: ModelRow,
        query: &[f32],
    ) -> Result<(), LongTermError> {
        let mut vectors = Vec::with_capacity(self.found.len());
        for row in self.found.keys() {
            let mut vector = Vec::new();
            if snapshot.read_vector(model, *row, &mut vector)? {
                vectors.push((*row, vector));
            }
        }
        for candidate in rerank(query, vectors.len(), vectors)? {
            self.found.entry(candidate.id).or_default().cosine = Some(candidate.similarity);
        }
        Ok(())
    }

    pub(super) fn into_signals(self) -> impl Iterator<Item = (RowId, Signals)> {
        self.found.into_iter()
    }
}
