//! A handle for async code.

use std::sync::Arc;

use mnemon_core::{Embedder, Memory, MemoryId, Metadata, NewMemory, NewTurn};
use mnemon_long_term::{Embedded, Erasure, ModelChange, Recall};
use mnemon_store::{ListFilter, MemoryUpdate, Selection};

use crate::{Context, ContextManager, ContextRequest, Error, Observed, Stats, Summarised};

/// A [`ContextManager`] whose methods never block the runtime: each runs on tokio's pool for blocking work. A future
/// that is dropped does not undo its work: what was begun is finished in the background.
///
/// ```
/// use mnemon::{AsyncContextManager, ContextManager};
///
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let memory = AsyncContextManager::from(ContextManager::builder().open_in_memory()?);
/// memory.observe("My train leaves at 7:40", "I'll remember that.").await?;
/// let context = memory.build_context("When is my train?").await?;
/// assert!(context.text().contains("7:40"));
/// # Ok::<(), mnemon::Error>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct AsyncContextManager {
    inner: ContextManager,
}

impl From<ContextManager> for AsyncContextManager {
    fn from(inner: ContextManager) -> Self {
        Self { inner }
    }
}

impl AsyncContextManager {
    /// The handle underneath, for what has no async form.
    #[must_use]
    pub fn blocking(&self) -> &ContextManager {
        &self.inner
    }

    /// See [`ContextManager::build_context`].
    ///
    /// # Errors
    /// As there, and [`Error::Background`].
    pub async fn build_context(&self, request: impl Into<ContextRequest>) -> Result<Context, Error> {
        let request = request.into();
        self.run(move |memory| memory.build_context(request)).await
    }

    /// See [`ContextManager::observe`].
    ///
    /// # Errors
    /// As there, and [`Error::Background`].
    pub async fn observe(&self, user: impl Into<String>, assistant: impl Into<String>) -> Result<Observed, Error> {
        let (user, assistant) = (user.into(), assistant.into());
        self.run(move |memory| memory.observe(user, assistant)).await
    }

    /// See [`ContextManager::observe_turns`].
    ///
    /// # Errors
    /// As there, and [`Error::Background`].
    pub async fn observe_turns(&self, turns: Vec<NewTurn>) -> Result<Observed, Error> {
        self.run(move |memory| memory.observe_turns(&turns)).await
    }

    /// See [`ContextManager::query_memory`].
    ///
    /// # Errors
    /// As there, and [`Error::Background`].
    pub async fn query_memory(&self, question: impl Into<String>, k: usize) -> Result<Recall, Error> {
        let question = question.into();
        self.run(move |memory| memory.query_memory(&question, k)).await
    }

    /// See [`ContextManager::add_memory`].
    ///
    /// # Errors
    /// As there, and [`Error::Background`].
    pub async fn add_memory(&self, text: impl Into<String>, metadata: Metadata) -> Result<MemoryId, Error> {
        let text = text.into();
        self.run(move |memory| memory.add_memory(text, metadata)).await
    }

    /// See [`ContextManager::add`].
    ///
    /// # Errors
    /// As there, and [`Error::Background`].
    pub async fn add(&self, memories: Vec<NewMemory>) -> Result<Vec<MemoryId>, Error> {
        self.run(move |memory| memory.add(&memories)).await
    }

    /// See [`ContextManager::get`].
    ///
    /// # Errors
    /// As there, and [`Error::Background`].
    pub async fn get(&self, id: MemoryId) -> Result<Option<Memory>, Error> {
        self.run(move |memory| memory.get(id)).await
    }

    /// See [`ContextManager::update`].
    ///
    /// # Errors
    /// As there, and [`Error::Background`].
    pub async fn update(&self, id: MemoryId, update: MemoryUpdate) -> Result<(), Error> {
        self.run(move |memory| memory.update(id, &update)).await
    }

    /// See [`ContextManager::delete`].
    ///
    /// # Errors
    /// As there, and [`Error::Background`].
    pub async fn delete(&self, id: MemoryId) -> Result<(), Error> {
        self.run(move |memory| memory.delete(id)).await
    }

    /// See [`ContextManager::erase`].
    ///
    /// # Errors
    /// As there, and [`Error::Background`].
    pub async fn erase(&self, selection: Selection) -> Result<Erasure, Error> {
        self.run(move |memory| memory.erase(&selection)).await
    }

    /// See [`ContextManager::list`].
    ///
    /// # Errors
    /// As there, and [`Error::Background`].
    pub async fn list(&self, filter: ListFilter) -> Result<Vec<Memory>, Error> {
        self.run(move |memory| memory.list(&filter)).await
    }

    /// See [`ContextManager::get_stats`].
    ///
    /// # Errors
    /// As there, and [`Error::Background`].
    pub async fn get_stats(&self) -> Result<Stats, Error> {
        self.run(ContextManager::get_stats).await
    }

    /// See [`ContextManager::summarise`].
    ///
    /// # Errors
    /// As there, and [`Error::Background`].
    pub async fn summarise(&self) -> Result<Summarised, Error> {
        self.run(ContextManager::summarise).await
    }

    /// See [`ContextManager::re_embed`].
    ///
    /// # Errors
    /// As there, and [`Error::Background`].
    pub async fn re_embed(
        &self,
        new: Arc<dyn Embedder>,
        mut progress: impl FnMut(Embedded) -> bool + Send + 'static,
    ) -> Result<ModelChange, Error> {
        self.run(move |memory| memory.re_embed(&new, &mut progress)).await
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&ContextManager) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let memory = self.inner.clone();
        tokio::task::spawn_blocking(move || work(&memory)).await.map_err(Error::Background)?
    }
}
