//! Questions that try to be syntax: no text is an error, no text finds what is not in its scope, and a word that stands in a
//! memory is found among whatever else.
//!
//! `MNEMON_CASES` is the number of questions; `PROPTEST_RNG_SEED` is the seed.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::cell::Cell;
use std::collections::BTreeSet;
use std::sync::Arc;

use mnemon_core::{Kind, NewMemory, NewTurn, Placement, Role, Scope, SessionId, Timestamp};
use mnemon_long_term::{Append, Diversity, Embed, Level, LongTerm, RecallQuery};
use mnemon_store::{NewSession, RowId, ScopeRow, Store, StoreError, TextQuery, WriteTx};
use proptest::prelude::*;
use proptest::test_runner::{TestError, TestRunner};

const CASES: u32 = 5_000;
/// One question of so many goes through the whole of recall.
const RECALL_EVERY: u64 = 25;
/// Long turns of each scope: fewer than are asked for.
const TURNS: usize = 8;
/// In every memory of a scope, and in no other.
const MARKS: [&str; 2] = ["azurite", "beryl"];

const FRAGMENTS: [&str; 72] = [
    "\"",
    "'",
    "''",
    "\"\"",
    "*",
    "^",
    "(",
    ")",
    "((((((((",
    "))))",
    "{",
    "}",
    "{text caption}",
    "[",
    "]",
    ":",
    "text:",
    "caption : ",
    "memory_words:",
    "rowid:",
    "-",
    "- text:",
    "+",
    ".",
    ",",
    ";",
    "--",
    "/*",
    "*/",
    "\\",
    "\0",
    "\u{1}",
    "\n",
    "\r\n",
    "\t",
    "\u{feff}",
    "\u{202e}",
    "\u{200d}",
    "\u{301}",
    "\u{fffd}",
    "\u{10ffff}",
    "AND",
    "OR",
    "NOT",
    " AND ",
    " OR ",
    " NOT ",
    "NEAR",
    "NEAR(",
    "NEAR(a b, 5)",
    "NEAR/",
    "a* ",
    "^a",
    "optimize",
    "integrity-check",
    "rank",
    "' OR 1=1 --",
    "'; DROP TABLE memory; --",
    "\") OR (\"",
    "MATCH",
    "%",
    "_",
    "?1",
    ":x",
    "@y",
    "$z",
    "東京",
    "雨が降る",
    "กรุงเทพ",
    "한국어",
    "🦆",
    "👩‍👩‍👧",
];
const WORDS: [&str; 12] =
    ["azurite", "beryl", "heron", "estuary", "the", "of", "İstanbul", "straße", "naïve", "2025-03-02", "a", "Ǆ"];

fn fragment() -> impl Strategy<Value = String> {
    prop_oneof![
        8 => prop::sample::select(FRAGMENTS.to_vec()).prop_map(str::to_owned),
        4 => prop::sample::select(WORDS.to_vec()).prop_map(|word| format!(" {word} ")),
        2 => any::<char>().prop_map(String::from),
        1 => any::<String>(),
        1 => ("[a-z]{1,3}", 1..400_usize).prop_map(|(text, times)| text.repeat(times)),
        1 => (prop::sample::select(FRAGMENTS.to_vec()), 1..60_usize).prop_map(|(text, times)| text.repeat(times)),
        1 => (0..90_u32).prop_map(|count| (0..count).map(|n| format!("w{n} ")).collect()),
    ]
}

struct Room {
    scope: Scope,
    row: ScopeRow,
    rows: BTreeSet<RowId>,
}

struct World {
    store: Arc<Store>,
    memory: LongTerm,
    rooms: Vec<Room>,
}

impl World {
    fn new() -> Self {
        let store = Arc::new(Store::open_in_memory().unwrap());
        let memory = LongTerm::new(Arc::clone(&store), None, Level::Thorough);
        let now = Timestamp::UNIX_EPOCH;
        let room = |mark: &&str| {
            let scope = Scope::user_scope(*mark).unwrap();
            // What is stored is as hostile as what is asked.
            let long = |n: usize| {
                let part = |at: usize| {
                    format!(
                        "{} word{} {}",
                        FRAGMENTS[(n + at) % FRAGMENTS.len()],
                        n * at,
                        WORDS[(n * 7 + at) % WORDS.len()]
                    )
                };
                let text: Vec<String> =
                    (0..90).map(part).filter(|part| !MARKS.iter().any(|mark| part.contains(mark))).collect();
                format!("{} {mark}", text.join(" "))
            };
            let new: Vec<NewMemory> = (0..8).map(|n| NewMemory::new(Kind::ALL[1 + n % 4], long(n))).collect();
            let written = memory.add(&scope, &new, Embed::Now, now).unwrap();
            let mut rows: BTreeSet<RowId> = written.added.iter().map(|added| added.row).collect();
            let start = |tx: &WriteTx<'_>| tx.start_session(tx.ensure_scope(&scope)?, &NewSession::unnamed(now), now);
            let session: SessionId = store.write(|tx| -> Result<_, StoreError> { start(tx) }).unwrap();
            // Turns alone have more words than their terms say, and stand in the index of whole texts.
            let turns: Vec<NewTurn> = (0..TURNS).map(|n| NewTurn::new(Role::User, long(n))).collect();
            let append = Append {
                scope: &scope,
                session: &session,
                turns: &turns,
                placement: Placement::LongTerm,
                embed: Embed::Now,
                now,
            };
            rows.extend(memory.append(&append).unwrap().added.iter().map(|added| added.row));
            let row = store.read(|snapshot| snapshot.scope_id(&scope)).unwrap();
            Room { row: row.unwrap(), scope, rows }
        };
        let rooms = MARKS.iter().map(room).collect();
        memory.analyse().unwrap();
        Self { store, memory, rooms }
    }

    /// Returns how many hits there were.
    fn ask(&self, text: &str, with_recall: bool) -> usize {
        let mut count = 0;
        for room in &self.rooms {
            let query = TextQuery { text, scope: room.row, limit: 10 };
            let hits = self.store.read(|snapshot| snapshot.text_search(&query));
            let hits = hits.unwrap_or_else(|error| panic!("{text:?}: {error:?}"));
            assert!(hits.len() <= 10 && hits.iter().all(|hit| room.rows.contains(&hit.row)), "{text:?}: {hits:?}");
            assert!(hits.iter().all(|hit| hit.score > 0.0 && hit.score.is_finite()), "{text:?}: {hits:?}");
            // Of a long question only the first words are asked for.
            let mut words = text.split(|c: char| !c.is_alphanumeric()).take(40);
            if words.any(|word| word == room.scope.user()) {
                assert!(hits.len() >= TURNS, "{text:?} asks for what stands in {TURNS} turns of {}", room.scope);
            }
            count += hits.len();
            if with_recall {
                let query = RecallQuery {
                    relevance_floor: 0.0,
                    diversity: Diversity::None,
                    ..RecallQuery::new(text, &room.scope, 10)
                };
                let recall = self.memory.recall(&query).unwrap_or_else(|error| panic!("{text:?}: {error:?}"));
                assert!(recall.hits.iter().all(|hit| hit.memory.scope == room.scope), "{text:?}");
            }
        }
        count
    }
}

#[test]
fn no_text_is_an_error() {
    let cases = std::env::var("MNEMON_CASES").map_or(CASES, |cases| cases.parse().unwrap());
    let world = World::new();
    let mut runner = TestRunner::new(ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() });
    let (asked, hits, answered) = (Cell::new(0_u64), Cell::new(0), Cell::new(0_u64));
    let strategy = prop::collection::vec(fragment(), 0..10);
    let result = runner.run(&strategy, |parts| {
        let found = world.ask(&parts.concat(), asked.get().is_multiple_of(RECALL_EVERY));
        asked.set(asked.get() + 1);
        hits.set(hits.get() + found);
        answered.set(answered.get() + u64::from(found > 0));
        Ok(())
    });
    match result {
        Ok(()) => {}
        Err(TestError::Fail(reason, parts)) => panic!("{reason}\n{:?}", parts.concat()),
        Err(error) => panic!("{error}"),
    }
    println!("{} questions, {} of them with an answer, {} hits", asked.get(), answered.get(), hits.get());
    assert!(asked.get() >= u64::from(cases) && answered.get() * 4 > asked.get(), "too few questions have an answer");
}
