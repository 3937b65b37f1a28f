//! Building the prompt for the next turn.
//!
//! A context is a list of blocks in a fixed order, the stable ones first, so that a model's prompt cache hits:
//!
//! ```text
//! Pinned:                      memories that are part of every context
//! Earlier in this conversation: summaries of what left the window, quoted
//! Relevant previous context:   what recall found, in the order of the conversations, quoted
//! Recent conversation:         the last turns of the window
//! Current user input:          the input, whole
//! ```

mod manifest;
mod pack;
pub(crate) mod render;

use std::collections::HashSet;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use mnemon_core::{Filter, Memory, Role, SessionId, Timestamp, Trust};
use mnemon_long_term::{Hit, Recall};
use mnemon_store::{RowId, Snapshot, StoreError, SummaryRow, WindowRow};
use serde::Serialize;

pub use manifest::{Block, Fate, Item, Manifest, Source};

use crate::{ContextManager, Error, MemoryQuery};
use pack::Pack;

/// More pinned memories than a prompt has room for; the oldest count.
const MAX_PINNED: usize = 1_000;

/// The neighbours of so many hits are looked at.
const BESIDE: usize = 20;
/// With less room, in tokens, there is no looking for them: a line has a mark, a name, a colon and at least a word.
const LEAST_LINE: usize = 4;

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
    /// The time from which the input looks back; see [`MemoryQuery::asked_at`].
    pub asked_at: Option<Timestamp>,
    /// Only memories that may be believed so far, at least, are recalled, and only such summaries shown.
    pub least_trust: Option<Trust>,
    /// Only memories that match are recalled, and only such summaries shown. Pinned ones and recent turns stand in the context all the same.
    pub filter: Option<Filter>,
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
        Self {
            input: input.into(),
            budget: None,
            recent_k: None,
            ltm_hits_k: None,
            asked_at: None,
            least_trust: None,
            filter: None,
        }
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

    /// The same with nothing recalled but what may be believed at least so far: with [`Trust::User`] what the user said.
    #[must_use]
    pub fn least_trust(self, trust: Trust) -> Self {
        Self { least_trust: Some(trust), ..self }
    }

    /// The same with nothing recalled but what matches; see [`ContextRequest::filter`](field@ContextRequest::filter).
    #[must_use]
    pub fn filter(self, filter: Filter) -> Self {
        Self { filter: Some(filter), ..self }
    }

    /// The same as if said at another time.
    #[must_use]
    pub fn asked_at(self, time: Timestamp) -> Self {
        Self { asked_at: Some(time), ..self }
    }

    /// Whether a memory may be shown for relevance: it holds, may be believed and matches.
    fn allows(&self, memory: &Memory, now: Timestamp) -> bool {
        memory.state.holds_at(now)
            && self.least_trust.is_none_or(|least| memory.trust >= least)
            && self.filter.as_ref().is_none_or(|filter| filter.matches(memory))
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

    /// The same prompt as chat messages: one system message with what is pinned, summarised and recalled (none when nothing is),
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
        let recent_k = request.recent_k.unwrap_or(config.recent_k);
        let standing = self.standing(request, recent_k)?;
        let mut pack = Pack::new(&*self.engine.counter, budget, &request.input)?;

        pack.offer_pinned(&standing.pinned);
        pack.offer_summaries(&standing.summaries);
        pack.offer_recent(&standing.recent);
        // What is shown anyway is not searched for; what found no place may come back as relevant.
        let asked = Instant::now();
        let recall = self.recall_beside(request, &pack.shown_rows())?;
        let recalled_in = asked.elapsed();
        pack.offer_recalled(&recall.hits);
        pack.fill_with_recent();
        let beside = self.beside(&recall.hits, request, pack.room())?;
        pack.offer_beside(&beside);
        let packed = pack.finish();

        let shown = packed.items.iter().filter(|item| item.fate == Fate::Included);
        let shown = shown.filter(|item| matches!(item.block, Block::Pinned | Block::Summary | Block::Recalled));
        let shown = shown.filter_map(|item| Some((item.source.as_ref()?.id, &*item.text)));
        self.engine.guard.show(&self.scope, shown, self.engine.now());
        self.note_accessed(&packed.accessed);
        self.engine.note_uses(packed.used, self.engine.now());
        let embedder = self.engine.long_term.embedder();
        let manifest = Manifest {
            budget,
            tokens: packed.tokens,
            tokenizer: self.engine.counter.name().to_owned(),
            // Where it says why not, no meaning was compared, whatever model there is.
            model: embedder.filter(|_| recall.degraded.is_none()).map(|embedder| embedder.model().clone()),
            scope: self.scope.clone(),
            session: standing.session,
            relevance: recall.relevance,
            items: packed.items,
            degraded: recall.degraded,
        };
        let timings = Timings { recall_us: micros(recalled_in), total_us: micros(start.elapsed()) };
        Ok(Context { text: packed.text, messages: packed.messages, manifest, timings })
    }

    /// What stands in the prompt whatever is asked, as of one moment.
    fn standing(&self, request: &ContextRequest, recent_k: usize) -> Result<Standing, Error> {
        let read = |snapshot: &Snapshot<'_>| -> Result<Standing, StoreError> {
            let Some(scope) = snapshot.scope_id(&self.scope)? else { return Ok(Standing::default()) };
            let session = self.session.find(snapshot, scope)?;
            let (summaries, recent) = match session {
                Some(session) => {
                    (snapshot.top_summaries(scope, session)?, snapshot.newest_in_window(scope, session, recent_k)?)
                }
                None => (Vec::new(), Vec::new()),
            };
            Ok(Standing { session, pinned: snapshot.pinned(scope, MAX_PINNED)?, summaries, recent })
        };
        let mut standing = self.engine.long_term.store().read(read)?;
        // What is pinned stays until it ends.
        let now = self.engine.now();
        standing.pinned.retain(|(_, memory)| memory.state.holds_at(now));
        // A summary that was pinned stands there.
        standing.summaries.retain(|summary| !summary.memory.pinned && request.allows(&summary.memory, now));
        Ok(standing)
    }

    fn recall_beside(&self, request: &ContextRequest, shown: &[RowId]) -> Result<Recall, Error> {
        let filter = request.filter.clone();
        let query = MemoryQuery {
            asked_at: request.asked_at,
            least_trust: request.least_trust,
            filter,
            ..MemoryQuery::new(&request.input)
        };
        let k = request.ltm_hits_k.unwrap_or(self.engine.config.ltm_hits_k);
        let mut recall = self.recall(&query, k, shown)?;
        recall.hits.iter_mut().for_each(quote_passage);
        Ok(recall)
    }

    /// The turns that complete an exchange with a hit, in the order of the hits: the question that it answers, the answer
    /// to what it asks; those that hold, and match the filter. None where there is no `room` for any, in tokens.
    fn beside(&self, hits: &[Hit], request: &ContextRequest, room: usize) -> Result<Vec<(RowId, Memory)>, StoreError> {
        if room < LEAST_LINE {
            return Ok(Vec::new());
        }
        let now = self.engine.now();
        let asks = |memory: &Memory| memory.text.trim_end().ends_with(['?', '？', '؟']);
        let place = |memory: &Memory| memory.turn.as_ref().map(|turn| (turn.session, turn.position));
        let hit_at: HashSet<(SessionId, u32)> = hits.iter().filter_map(|hit| place(&hit.memory)).collect();
        self.engine.long_term.store().read(|snapshot| {
            let Some(scope) = snapshot.scope_id(&self.scope)? else { return Ok(Vec::new()) };
            let turn_at = |session, position: Option<u32>| match position {
                Some(position) if !hit_at.contains(&(session, position)) => snapshot.turn_at(scope, session, position),
                _ => Ok(None),
            };
            // Each with the hit that it may belong to, and whether it has to be a question for that.
            let mut around: Vec<(RowId, &Hit, bool)> = Vec::new();
            for hit in hits.iter().take(BESIDE) {
                let Some((session, position)) = place(&hit.memory) else { continue };
                around.extend(turn_at(session, position.checked_sub(1))?.map(|row| (row, hit, true)));
                if asks(&hit.memory) {
                    around.extend(turn_at(session, position.checked_add(1))?.map(|row| (row, hit, false)));
                }
            }
            let rows: Vec<RowId> = around.iter().map(|(row, ..)| *row).collect();
            let mut beside = snapshot.memories(&rows)?;
            let mut around = around.into_iter();
            beside.retain(|(row, memory)| {
                let completes = |(_, hit, must_ask): (RowId, &Hit, bool)| {
                    memory.speaker() != hit.memory.speaker() && (!must_ask || asks(memory))
                };
                // They come in the same order.
                around.find(|(found, ..)| found == row).is_some_and(completes)
            });
            beside.retain(|(_, memory)| request.allows(memory, now));
            Ok(beside)
        })
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
    /// What stands for turns that left the window, in the order of the conversation.
    summaries: Vec<SummaryRow>,
    /// The last turns of the window.
    recent: Vec<WindowRow>,
}

/// Of a text that was split, what was found is quoted.
fn quote_passage(hit: &mut Hit) {
    if hit.passage.is_some() {
        hit.memory.text = format!("… {} …", hit.text().trim());
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
