//! Many questions at once, answered in parallel and in the order in which they were asked.

use mnemon_core::{MemoryId, NewMemory};
use mnemon_long_term::Recall;
use rayon::prelude::*;

use crate::{Context, ContextManager, ContextRequest, Error};

impl ContextManager {
    /// Builds a context for each request, in the order of the requests, on the rayon pool of the caller.
    pub fn build_context_batch(&self, requests: &[ContextRequest]) -> Vec<Result<Context, Error>> {
        requests.par_iter().map(|request| self.build_context(request.clone())).collect()
    }

    /// Answers each question with the `k` best memories, in the order of the questions.
    pub fn query_memory_batch(&self, questions: &[&str], k: usize) -> Vec<Result<Recall, Error>> {
        questions.par_iter().map(|question| self.query_memory(*question, k)).collect()
    }

    /// Remembers many things in one transaction, all or none: their texts are embedded in parallel. Returns their ids
    /// in order.
    ///
    /// # Errors
    /// As [`ContextManager::add`].
    pub fn add_memory_batch(&self, memories: &[NewMemory]) -> Result<Vec<MemoryId>, Error> {
        self.add(memories)
    }
}
