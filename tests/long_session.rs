//! A session of 10,000 turns in a window of 8,000 tokens: what is held in memory stays the same, summaries go three levels deep,
//! and what was said first is found word for word.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicIsize, Ordering};

use mnemon::{Block, Config, ContextManager, Kind, ListFilter, Placement};

/// Counts the bytes that are held.
struct Counting;

static HELD: AtomicIsize = AtomicIsize::new(0);

#[expect(unsafe_code, reason = "an allocator is unsafe to implement; this one hands everything on")]
// SAFETY: every call goes to the system's allocator with the same arguments.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        HELD.fetch_add(layout.size() as isize, Ordering::Relaxed);
        // SAFETY: as the caller promised.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        HELD.fetch_sub(layout.size() as isize, Ordering::Relaxed);
        // SAFETY: as the caller promised.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        HELD.fetch_add(size as isize - layout.size() as isize, Ordering::Relaxed);
        // SAFETY: as the caller promised.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const EXCHANGES: usize = 5_000;
/// What was told at the beginning, what is asked at the end, and what the answer has to say.
const EARLY: [(&str, &str, &str); 5] = [
    (
        "My sister Ingrid keeps bees on the roof of the town hall in Tromsø.",
        "Where does Ingrid keep her bees?",
        "town hall",
    ),
    ("We decided to name the new sailing boat Kestrel.", "What is the name of the new sailing boat?", "Kestrel"),
    ("The doctor says that I must not eat walnuts any more.", "Which nuts did the doctor forbid?", "walnuts"),
    (
        "The code of the bicycle lock is the year in which grandfather was born, 1931.",
        "When was grandfather born?",
        "1931",
    ),
    ("I left the blue suitcase at the station of Ljubljana.", "At which station is the blue suitcase?", "Ljubljana"),
];

/// Small talk of no interest, different each time.
fn chatter(n: usize) -> (String, String) {
    const THINGS: [&str; 7] = ["the weather", "a train", "the garden", "a novel", "some soup", "the cat", "a meeting"];
    const WAYS: [&str; 5] = ["slow", "late", "odd", "pleasant", "loud"];
    let (thing, way) = (THINGS[n % 7], WAYS[n / 7 % 5]);
    let user =
        format!("Entry {n}: today {thing} was rather {way}, and number {} came up twice before lunch.", n * 37 % 1009);
    (user, format!("I see, {thing} being {way} is something to remember for entry {n}. Anything else about it today?"))
}

#[test]
fn a_session_of_ten_thousand_turns_stays_small_and_forgets_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = Config::default();
    assert_eq!(config.stm_capacity, 8_000);
    config.durability = mnemon::Durability::Normal;
    let memory =
        ContextManager::builder().without_model().config(config).open(folder.path().join("memory.db")).unwrap();
    let mut held = Vec::new();
    for n in 0..EXCHANGES {
        let (user, assistant) = match EARLY.get(n / 20).filter(|_| n.is_multiple_of(20)) {
            Some((told, ..)) => ((*told).to_owned(), "Thank you, I will remember that.".to_owned()),
            None => chatter(n),
        };
        let observed = memory.observe(user, assistant).unwrap();
        assert_eq!(observed.summary_problem, None);
        assert!(observed.window_tokens <= 8_000);
        if (n + 1).is_multiple_of(1_000) {
            held.push(HELD.load(Ordering::Relaxed));
        }
    }
    // What is kept of a session is its window; token counts of past turns are remembered up to a limit, 40 bytes each.
    let grown = (held[4] - held[0]) as f64 / (8.0 * 1_000.0);
    assert!(grown < 120.0, "{grown} bytes for each turn more: {held:?}");

    let top = memory.summaries().unwrap();
    assert!(top[0].depth >= 3, "{:?}", top.iter().map(|summary| summary.depth).collect::<Vec<_>>());
    assert!(top.len() <= 3 * 5, "{}", top.len());
    let told: usize = top.iter().map(|summary| memory.summary_turns(summary.memory.id).unwrap().len()).sum();
    let turns =
        memory.list(&ListFilter { kind: Some(Kind::Turn), limit: usize::MAX, ..ListFilter::default() }).unwrap();
    assert_eq!(turns.len(), 2 * EXCHANGES);
    let left = turns.iter().filter(|turn| turn.turn.as_ref().is_some_and(|turn| turn.placement == Placement::LongTerm));
    // Less than half a chunk waits for more of it.
    let waiting = left.count() - told;
    assert!(waiting < 60, "{waiting} turns that left the window are told by no summary");

    for (told, question, answer) in EARLY {
        let context = memory.build_context(question).unwrap();
        let manifest = context.manifest();
        assert!(manifest.tokens <= manifest.budget);
        let evidence =
            manifest.included().filter(|item| item.block == Block::Recalled).find(|item| item.text.contains(told));
        assert!(evidence.is_some(), "{question}");
        assert!(context.text().contains(answer));
        assert!(manifest.included().any(|item| item.block == Block::Summary));
    }
}
