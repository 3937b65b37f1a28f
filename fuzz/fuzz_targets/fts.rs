//! Any text as a question: never an error, never a panic, never a hit of another scope.
#![no_main]

use std::collections::BTreeSet;
use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use mnemon_core::{MemoryId, Scope};
use mnemon_fuzz::{LONG_TURNS, fill, long_term, scope};
use mnemon_long_term::{Diversity, Level, LongTerm, RecallQuery};
use mnemon_store::{RowId, ScopeRow, Store, StoreError, TextQuery};

const MARKS: [&str; 2] = ["azurite", "beryl"];

struct Room {
    scope: Scope,
    row: ScopeRow,
    rows: BTreeSet<RowId>,
    ids: BTreeSet<MemoryId>,
}

struct World {
    store: Arc<Store>,
    memory: LongTerm,
    rooms: Vec<Room>,
}

impl World {
    fn new() -> Self {
        let store = Arc::new(Store::open_in_memory().expect("a store"));
        let memory = long_term(&store);
        let room = |mark| {
            let scope = scope(mark);
            let ids = fill(&memory, &scope, mark);
            let (row, rows) = store
                .read(|snapshot| -> Result<_, StoreError> {
                    let row = snapshot.scope_id(&scope)?.expect("it was written to");
                    let rows = ids.iter().filter_map(|id| snapshot.memory_row(row, *id).transpose());
                    Ok((row, rows.collect::<Result<BTreeSet<_>, _>>()?))
                })
                .expect("rows");
            Room { scope, row, rows, ids: ids.into_iter().collect() }
        };
        let rooms = MARKS.map(room).into();
        Self { store, memory, rooms }
    }

    fn ask(&self, text: &str, limit: usize) {
        for room in &self.rooms {
            let query = TextQuery { text, scope: room.row, limit };
            let hits = self.store.read(|snapshot| snapshot.text_search(&query));
            let hits = hits.unwrap_or_else(|error| panic!("{text:?}: {error:?}"));
            assert!(hits.len() <= limit, "{text:?}: {} hits where {limit} were asked for", hits.len());
            assert!(hits.is_sorted_by(|a, b| a.score >= b.score), "{text:?}: {hits:?}");
            assert!(hits.iter().all(|hit| hit.score.is_finite() && hit.score > 0.0), "{text:?}: {hits:?}");
            let found: BTreeSet<RowId> = hits.iter().map(|hit| hit.row).collect();
            assert_eq!(found.len(), hits.len(), "{text:?}: a row twice");
            assert!(found.is_subset(&room.rows), "{text:?}: hits of another scope");
            // The mark stands in every long turn: who asks for it finds them all, whatever else is asked.
            let mut words = text.split(|c: char| !c.is_alphanumeric()).take(16);
            if limit >= LONG_TURNS && words.any(|word| word == room.scope.user()) {
                assert!(hits.len() >= LONG_TURNS, "{text:?}: a word that is there is not found: {hits:?}");
            }
            // The other half of the inputs are for the text index alone, which is much faster.
            for level in [Level::Fast, Level::Thorough].into_iter().filter(|level| limit % 4 == 1 + 2 * *level as usize)
            {
                let query = RecallQuery {
                    level,
                    relevance_floor: 0.0,
                    diversity: Diversity::None,
                    ..RecallQuery::new(text, &room.scope, limit.min(20))
                };
                let recall = self.memory.recall(&query).unwrap_or_else(|error| panic!("{text:?}: {error:?}"));
                assert!(recall.hits.iter().all(|hit| room.ids.contains(&hit.memory.id)), "{text:?}: another scope");
            }
        }
        if limit % 4 != 1 {
            return;
        }
        let nobody = scope("nobody");
        let recall = self.memory.recall(&RecallQuery::new(text, &nobody, 10));
        assert!(recall.unwrap_or_else(|error| panic!("{text:?}: {error:?}")).hits.is_empty());
    }
}

thread_local! {
    static WORLD: World = World::new();
}

fuzz_target!(|data: &[u8]| {
    let Some((limit, text)) = data.split_first() else { return };
    // What is no text comes as a text with marks in its place, as it would from a terminal.
    WORLD.with(|world| world.ask(&String::from_utf8_lossy(text), usize::from(*limit)));
});
