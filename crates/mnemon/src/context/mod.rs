//! Building the prompt for the next turn.
//!
//! A context is a list of blocks in a fixed order, the stable ones first, so that a model's prompt cache hits:
//!
//! ```text
//! Pinned:                      memories that are part of every context
//! Relevant previous context:   what recall found, in the order of the conversations, quoted
//! Recent conversation:         the last turns of the window
//! Current user input:          the input, whole
//! ```

mod manifest;
mod pack;
pub(crate) mod render;

use std::sync::PoisonError;
use std::time::{Duration, Instant};

use mnemon_core::{Memory, Role, SessionId};
use mnemon_long_term::{Recall, RecallQuery};
use mnemon_store::{RowId, Snapshot, StoreError, WindowRow};
use serde::Serialize;

pub use manifest::{Block, Fate, Item, Manifest, Source};

use crate::{ContextManager, Error};
use pack::Pack;

/// More pinned memories than a prompt has room for; the oldest count.
const MAX_PINNED: usize = 1_000;

/// What a context is built for. A plain text is a request with the settings of the memory.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ContextRequest {
    /// What the user says now. It stands in the context whole.
    pub input: String,
    /// Another budget than that of the settings, in tokens.
    pub budget: Option<usize>,
    /// Another number of recent turns.
    pub recent_k: Option<usize>,
    /// Another number of recalled memories.
    pub ltm_hits_k: Option<usize>,
}

/// A prompt under its budget, and the account of how it was made.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Context {
    text: String,
    messages: Vec<ChatMessage>,
    manifest: Manifest,
    timings: Timings,
}

/// A message as chat models take it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChatMessage {
    /// Who speaks.
    pub role: Role,
    /// What is said.
    pub content: String,
}

/// Where the time went. The only part of a context that differs when it is built again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Timings {
    /// Embedding the input and searching, in microseconds.
    pub recall_us: u64,
    /// Everything, in microseconds.
    pub total_us: u64,
}

impl ContextRequest {
    /// A context for this input with the settings of the memory.
    #[must_use]
    pub fn new(input: impl Into<String>) -> Self {
        Self { input: input.into(), budget: None, recent_k: None, ltm_hits_k: None }
    }

    /// The same under another budget, in tokens.
    #[must_use]
    pub fn budget(self, tokens: usize) -> Self {
        Self { budget: Some(tokens), ..self }
    }

    /// The same with at most so many recent turns.
    #[must_use]
    pub fn recent_k(self, turns: usize) -> Self {
        Self { recent_k: Some(turns), ..self }
    }

    /// The same with at most so many recalled memories.
    #[must_use]
    pub fn ltm_hits_k(self, memories: usize) -> Self {
        Self { ltm_hits_k: Some(memories), ..self }
    }
}

impl<T: Into<String>> From<T> for ContextRequest {
    fn from(input: T) -> Self {
        Self::new(input)
    }
}

impl Context {
    /// The prompt as one text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The same prompt as chat messages: one system message with what is pinned and recalled (none when nothing is),
    /// the recent turns, and the input as the user's.
    #[must_use]
    pub fn messages(&self) -> &[ChatMessage] {
        &self.messages
    }

    /// What went in and what did not, and why.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Where the time went.
    #[must_use]
    pub fn timings(&self) -> Timings {
        self.timings
    }
}

impl ContextManager {
    /// Builds the prompt for the next turn: what is pinned, what is relevant, what is recent, and the input, packed
    /// whole under the budget. Both forms of it, text and messages, fit.
    ///
    /// It works without an embedding model and without an index, with poorer recall; the manifest says so. Nothing is
    /// written.
    ///
    /// # Errors
    /// [`Error::BudgetTooSmall`] when the input alone does not fit, and when the file cannot be read.
    pub fn build_context(&self, request: impl Into<ContextRequest>) -> Result<Context, Error> {
        self.build(&request.into())
    }

    fn build(&self, request: &ContextRequest) -> Result<Context, Error> {
        let start = Instant::now();
        let config = &self.engine.config;
        let budget = request.budget.unwrap_or(config.prompt_token_budget);
        let standing = self.standing()?;
        let mut pack = Pack::new(&*self.engine.counter, budget, &request.input)?;

        pack.offer_pinned(&standing.pinned);
        let recent_k = request.recent_k.unwrap_or(config.recent_k);
        let recent = standing.window.get(standing.window.len().saturating_sub(recent_k)..).unwrap_or_default();
        pack.offer_recent(recent);
        // What is shown anyway is not searched for; what found no place may come back as relevant.
        let asked = Instant::now();
        let recall = self.recall_beside(request, &pack.shown_rows())?;
        let recalled_in = asked.elapsed();
        pack.offer_recalled(&recall.hits);
        let packed = pack.finish();

        self.note_accessed(&packed.accessed);
        let manifest = Manifest {
            budget,
            tokens: packed.tokens,
            tokenizer: self.engine.counter.name().to_owned(),
            model: self.engine.long_term.embedder().map(|embedder| embedder.model().clone()),
            scope: self.scope.clone(),
            session: standing.session,
            items: packed.items,
            degraded: recall.degraded,
        };
        let timings = Timings { recall_us: micros(recalled_in), total_us: micros(start.elapsed()) };
        Ok(Context { text: packed.text, messages: packed.messages, manifest, timings })
    }

    /// What stands in the prompt whatever is asked, as of one moment.
    fn standing(&self) -> Result<Standing, Error> {
        let read = |snapshot: &Snapshot<'_>| -> Result<Standing, StoreError> {
            let Some(scope) = snapshot.scope_id(&self.scope)? else { return Ok(Standing::default()) };
            let session = self.session.find(snapshot, scope)?;
            let window = match session {
                Some(session) => snapshot.window(scope, session)?,
                None => Vec::new(),
            };
            Ok(Standing { session, pinned: snapshot.pinned(scope, MAX_PINNED)?, window })
        };
        Ok(self.engine.long_term.store().read(read)?)
    }

    fn recall_beside(&self, request: &ContextRequest, shown: &[RowId]) -> Result<Recall, Error> {
        let config = &self.engine.config;
        let query = RecallQuery {
            score_floor: config.score_floor,
            exclude: shown,
            ..RecallQuery::new(&request.input, &self.scope, request.ltm_hits_k.unwrap_or(config.ltm_hits_k))
        };
        Ok(self.engine.long_term.recall(&query)?)
    }

    /// The access is stored with the next turn; see `Engine::accessed`.
    fn note_accessed(&self, rows: &[RowId]) {
        let now = self.engine.now();
        let mut accessed = self.engine.accessed.lock().unwrap_or_else(PoisonError::into_inner);
        accessed.extend(rows.iter().map(|row| (*row, now)));
    }
}

/// What stands in the prompt whatever is asked.
#[derive(Default)]
struct Standing {
    session: Option<SessionId>,
    pinned: Vec<(RowId, Memory)>,
    window: Vec<WindowRow>,
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
