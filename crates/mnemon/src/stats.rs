//! Counting what is there.

use mnemon_core::{ModelId, Scope};
use mnemon_store::{Counted, StoreStats};
use serde::Serialize;

use crate::{ContextManager, Error};

/// What a scope holds.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Stats {
    /// The scope.
    pub scope: Scope,
    /// The window of the session of this handle.
    pub short_term: ShortTermStats,
    /// Long-term memory of the scope.
    pub long_term: LongTermStats,
    /// The file, and the rows of the scope in it.
    pub store: StoreStats,
}

/// What a window holds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ShortTermStats {
    /// Turns in the window.
    pub turns: usize,
    /// Their tokens.
    pub tokens: usize,
    /// The tokens that the window holds before turns leave it.
    pub capacity: usize,
    /// Tokens by capacity.
    pub utilization: f64,
}

/// What long-term memory holds.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct LongTermStats {
    /// Memories that are active there: all but the turns in windows.
    pub memories: u64,
    /// Summaries that the engine made of what left windows.
    pub summaries: u64,
    /// The embedding model that the file serves with; while it has no vectors, that of this handle.
    pub model: Option<ModelId>,
    /// How many memories have a vector of it.
    pub vectors: u64,
    /// Bytes of the vector index in memory. It is loaded with the first question.
    pub index_bytes: usize,
}

impl ContextManager {
    /// What this scope holds, and the file that it is in. Counts rows, so its cost grows with the file.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn get_stats(&self) -> Result<Stats, Error> {
        let engine = &*self.engine;
        let store = engine.long_term.store();
        let (in_file, window) = store.read(|snapshot| {
            let scope = snapshot.scope_id(&self.scope)?;
            let session = scope.map(|scope| self.session.find(snapshot, scope)).transpose()?.flatten();
            let window = match scope.zip(session) {
                Some((scope, session)) => snapshot.window(scope, session)?,
                None => Vec::new(),
            };
            let stats = snapshot.stats(store, Counted::Scope(scope))?;
            Ok::<_, Error>((stats, engine.window(&window)))
        })?;
        let own = engine.long_term.embedder().map(|embedder| embedder.model().clone());
        let model = in_file.serving_model.clone().or(own);
        let vectors = in_file.vectors.iter().find(|(of, _)| Some(of) == model.as_ref()).map_or(0, |(_, count)| *count);
        Ok(Stats {
            scope: self.scope.clone(),
            short_term: ShortTermStats {
                turns: window.len(),
                tokens: window.tokens(),
                capacity: window.capacity(),
                utilization: window.tokens() as f64 / window.capacity().max(1) as f64,
            },
            long_term: LongTermStats {
                // What is counted in a damaged file need not fit together.
                memories: in_file.memories.saturating_sub(in_file.window_turns),
                summaries: in_file.summaries,
                model,
                vectors,
                index_bytes: engine.long_term.index_bytes(),
            },
            store: in_file,
        })
    }
}
