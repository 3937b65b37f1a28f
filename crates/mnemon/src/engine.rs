//! What all handles on one memory file share.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use mnemon_compact::Summarizer;
use mnemon_core::{
    Kind, Memory, MemoryId, Metadata, NewTurn, Placement, Scope, SessionId, State, Timestamp, TokenCounter, Trust, Turn,
};
use mnemon_long_term::LongTerm;
use mnemon_short_term::{EvictionPolicy, Window, WindowItem};
use mnemon_store::{RowId, WindowRow};

use crate::Config;
use crate::context::render;
use crate::guard::Guard;
use crate::windows::Windows;

/// Tells the time. The engine asks nobody else.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// Turns whose token counts are remembered; a window has some hundred.
const COUNTED_TURNS: usize = 16_384;

pub(crate) struct Engine {
    pub(crate) config: Config,
    pub(crate) long_term: LongTerm,
    pub(crate) counter: Arc<dyn TokenCounter>,
    pub(crate) eviction: Arc<dyn EvictionPolicy>,
    pub(crate) summarizer: Arc<dyn Summarizer>,
    pub(crate) clock: Clock,
    /// Turns of the window that were part of a context and whose access is not stored yet. Storing it can wait for the
    /// next turn: it only orders what leaves the window.
    pub(crate) accessed: Mutex<HashMap<RowId, Timestamp>>,
    pub(crate) windows: Windows,
    pub(crate) guard: Guard,
    /// Memories that were shown, how often and when last, and whose uses are not stored yet.
    pub(crate) uses: Mutex<HashMap<RowId, (u32, Timestamp)>>,
    /// Token counts of turns, with the time of the text that they are of.
    counted: Mutex<HashMap<RowId, (Timestamp, usize)>>,
}

impl Engine {
    pub(crate) fn new(
        config: Config,
        long_term: LongTerm,
        counter: Arc<dyn TokenCounter>,
        eviction: Arc<dyn EvictionPolicy>,
        summarizer: Arc<dyn Summarizer>,
        clock: Clock,
        guard: Guard,
    ) -> Self {
        let (accessed, windows, uses, counted) =
            (Mutex::default(), Windows::default(), Mutex::default(), Mutex::default());
        Self { config, long_term, counter, eviction, summarizer, clock, accessed, windows, guard, uses, counted }
    }

    pub(crate) fn now(&self) -> Timestamp {
        (self.clock)()
    }

    /// The window of a session as its policy sees it.
    pub(crate) fn window(&self, rows: &[WindowRow]) -> Window {
        let accessed = self.accessed.lock().unwrap_or_else(PoisonError::into_inner);
        let mut exchange = 0;
        let items = rows.iter().map(|row| {
            let turn = row.memory.turn.as_ref();
            if turn.is_some_and(|turn| turn.role == mnemon_core::Role::User) {
                exchange += 1;
            }
            WindowItem {
                id: row.memory.id,
                exchange,
                tokens: self.tokens_of_turn(row.row, &row.memory),
                priority: row.memory.priority,
                added_at: row.memory.stored_at,
                last_access: accessed.get(&row.row).copied().unwrap_or(row.last_access).max(row.last_access),
            }
        });
        Window::new(self.config.stm_capacity, items.collect::<Vec<_>>())
    }

    /// The tokens of a turn as it stands in a prompt, counted once for each text.
    pub(crate) fn tokens_of_turn(&self, row: RowId, memory: &Memory) -> usize {
        let known = |counted: &HashMap<RowId, (Timestamp, usize)>| {
            counted.get(&row).filter(|(of, _)| *of == memory.updated_at).map(|(_, tokens)| *tokens)
        };
        if let Some(tokens) = known(&self.counted.lock().unwrap_or_else(PoisonError::into_inner)) {
            return tokens;
        }
        let tokens = self.counter.count(&render::recent_line(memory));
        self.note_tokens(row, memory.updated_at, tokens);
        tokens
    }

    /// The tokens of a turn that is about to be stored, as [`Engine::tokens_of_turn`] counts it afterwards.
    pub(crate) fn tokens_of_new(&self, turn: &NewTurn, now: Timestamp) -> usize {
        // A line of a prompt shows who speaks and what is said, and nothing that is known only later.
        let memory = Memory {
            id: MemoryId::from_bytes([0; 16]),
            scope: Scope::default(),
            kind: Kind::Turn,
            text: turn.text.clone(),
            caption: turn.caption.clone(),
            turn: Some(Turn {
                session: SessionId::from_bytes([0; 16]),
                position: 0,
                role: turn.role,
                speaker: turn.speaker.clone(),
                placement: Placement::Window,
            }),
            pinned: false,
            priority: turn.priority,
            metadata: Metadata::new(),
            origin: None,
            occurred_at: turn.occurred_at,
            stored_at: now,
            updated_at: now,
            trust: Trust::User,
            state: State::default(),
        };
        self.counter.count(&render::recent_line(&memory))
    }

    /// Drops what is known of rows that are gone for good.
    pub(crate) fn forget_tokens(&self, rows: &[RowId]) {
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        rows.iter().for_each(|row| {
            counted.remove(row);
        });
    }

    /// Remembers the tokens of a turn whose text is of this time.
    pub(crate) fn note_tokens(&self, row: RowId, updated_at: Timestamp, tokens: usize) {
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        if counted.len() >= COUNTED_TURNS {
            counted.clear();
        }
        counted.insert(row, (updated_at, tokens));
    }
}
