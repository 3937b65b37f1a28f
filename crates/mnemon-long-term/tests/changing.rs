//! Changing the embedding model of a file.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod words;

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use mnemon_core::{Embedder, Kind, NewMemory, Scope, Timestamp};
use mnemon_long_term::{Degradation, Embed, Embedded, Level, LongTerm, LongTermError, Recall, RecallQuery};
use mnemon_store::{Store, StoreOptions};
use words::Words;

/// More than two batches.
const NOTES: usize = 700;

const FILE: &str = "MNEMON_TEST_CHANGE";

fn old() -> Arc<Words> {
    Words::of("old", 64, 0)
}

/// As long as those of the old one, so that nothing but the answer tells when vectors of both are compared.
fn new() -> Arc<Words> {
    Words::of("new", 64, 77)
}

fn as_embedder(words: &Arc<Words>) -> Arc<dyn Embedder> {
    Arc::clone(words) as Arc<dyn Embedder>
}

fn open(path: &Path, words: &Arc<Words>) -> LongTerm {
    let store = Arc::new(Store::open(path, StoreOptions::default()).unwrap());
    LongTerm::new(store, Some(as_embedder(words)), Level::Thorough)
}

fn add(memory: &LongTerm, text: &str) -> Option<Degradation> {
    let now = Timestamp::from_second(1_750_000_000).unwrap();
    memory.add(&Scope::default(), &[NewMemory::new(Kind::Note, text)], Embed::Now, now).unwrap().degraded
}

fn ask(memory: &LongTerm) -> Recall {
    memory.recall(&RecallQuery::new("feline", &Scope::default(), 3)).unwrap()
}

/// Asks for what only the meaning finds: one whole model answers.
#[track_caller]
fn check(memory: &LongTerm) {
    let found = ask(memory);
    assert_eq!(found.degraded, None);
    let best = &found.hits[0];
    assert_eq!(best.memory.text, "cat");
    assert!(best.signals.cosine.unwrap() > 0.95, "{best:?}");
}

fn is_served_by(memory: &LongTerm) -> String {
    memory.model_status().unwrap().serving.unwrap().model.name
}

fn fill(memory: &LongTerm, notes: usize) {
    let now = Timestamp::from_second(1_750_000_000).unwrap();
    let texts = (1..notes).map(|n| format!("number{n} of many")).chain(["cat".to_owned()]);
    let notes: Vec<NewMemory> = texts.map(|text| NewMemory::new(Kind::Note, text)).collect();
    assert_eq!(memory.add(&Scope::default(), &notes, Embed::Now, now).unwrap().degraded, None);
}

/// A file that the old model has embedded, and a handle on it.
fn filled(path: &Path) -> LongTerm {
    let memory = open(path, &old());
    fill(&memory, NOTES);
    memory
}

#[test]
fn the_old_model_serves_until_all_of_it_is_switched() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.db");
    let memory = filled(&path);
    let other = open(&path, &old());
    let (mut steps, mut added) = (Vec::new(), 0);
    let change = memory.re_embed(&as_embedder(&new()), &mut |step| {
        check(&memory);
        check(&other);
        assert_eq!(is_served_by(&memory), "old");
        if added < 4 {
            added += 1;
            assert_eq!(add(if added % 2 == 0 { &memory } else { &other }, &format!("late{added}")), None);
        }
        steps.push(step);
        true
    });
    let change = change.unwrap();
    assert!(change.is_done && steps.len() > 3, "{steps:?}");
    assert_eq!(change.embedded, NOTES as u64 + added, "what was written meanwhile too, and nothing twice");
    assert!(steps.iter().all(|step| step.done <= step.total) && steps.is_sorted_by_key(|step| step.done), "{steps:?}");
    assert!(change.dropped > NOTES as u64);
    check(&memory);
    check(&open(&path, &new()));
    let status = memory.model_status().unwrap();
    let serving = status.serving.unwrap();
    assert_eq!((serving.model.name.as_str(), serving.passages, status.next), ("new", status.passages, None));
    assert_eq!(status.own.unwrap().name, "new");
    memory.check_model().unwrap();

    // Who has the old model is told, loses nothing and spoils nothing.
    let found = ask(&other);
    let told = found.degraded.unwrap().to_string();
    assert_eq!(
        told,
        "only words are compared: the memory file has vectors of the embedding model new@1/f32 (64 values), and this is \
         old@1/f32 (64 values)"
    );
    assert!(found.hits.is_empty(), "no vector of either model was compared: {:?}", found.hits);
    assert!(matches!(add(&other, "the dog"), Some(Degradation::OtherModel { .. })));
    assert!(matches!(other.maintain(&mut |_| true).unwrap().degraded, Some(Degradation::OtherModel { .. })));
    assert_eq!(is_served_by(&other), "new");
    assert_eq!(memory.maintain(&mut |_| true).unwrap().embedded, 1);
    check(&memory);
    let stats = memory.store().read(|s| s.stats(memory.store(), mnemon_store::Counted::File)).unwrap();
    assert_eq!(stats.vectors.len(), 1, "nothing of the old model is left: {:?}", stats.vectors);
    assert_eq!(memory.store().check().unwrap(), []);
}

#[test]
fn a_stop_loses_nothing_and_nothing_is_embedded_twice() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.db");
    let memory = filled(&path);
    let first = new();
    let stopped = memory.re_embed(&as_embedder(&first), &mut |_| false).unwrap();
    assert!(!stopped.is_done && stopped.embedded > 0 && stopped.embedded < NOTES as u64, "{stopped:?}");
    check(&memory);
    assert_eq!(memory.maintain(&mut |_| true).unwrap().embedded, 0);
    let status = memory.model_status().unwrap();
    assert_eq!(status.next.map(|next| (next.model.name, next.passages)), Some(("new".to_owned(), stopped.embedded)));
    drop(memory);
    // Goes on in another process, which may have the new model only.
    let second = new();
    let memory = open(&path, &second);
    assert!(matches!(memory.check_model(), Err(LongTermError::OtherModel { .. })));
    assert!(matches!(ask(&memory).degraded, Some(Degradation::OtherModel { .. })));
    let mut total = 0;
    let done = memory.re_embed(&as_embedder(&second), &mut |step| {
        total = step.total;
        true
    });
    assert_eq!((done.unwrap().embedded, total), (NOTES as u64 - stopped.embedded, NOTES as u64 - stopped.embedded));
    check(&memory);
    let mut read = [first.taken(), second.taken()].concat();
    read.sort();
    read.dedup();
    assert_eq!(read.len(), NOTES);
}

#[test]
fn questions_that_are_asked_meanwhile_are_answered_by_one_whole_model() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.db");
    let memory = filled(&path);
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let asking: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    let mut asked = 0;
                    while !is_over.load(Ordering::Relaxed) {
                        check(&memory);
                        asked += 1;
                    }
                    asked
                })
            })
            .collect();
        let writing = scope.spawn(|| {
            let mut written = 0;
            while !is_over.load(Ordering::Relaxed) {
                assert_eq!(add(&memory, &format!("written{written}")), None);
                written += 1;
            }
            written
        });
        // There and back, twice: what a shelf held before must not come back.
        for round in 0..4 {
            let words = if round % 2 == 0 { new() } else { old() };
            assert!(memory.re_embed(&as_embedder(&words), &mut |_| true).unwrap().is_done);
            check(&memory);
        }
        is_over.store(true, Ordering::Relaxed);
        for thread in asking {
            assert!(thread.join().unwrap() > 0);
        }
        assert!(writing.join().unwrap() > 0);
    });
    let status = memory.model_status().unwrap();
    assert_eq!(status.serving.map(|serving| serving.passages), Some(status.passages), "nothing waits");
    assert_eq!(memory.store().check().unwrap(), []);
}

#[test]
fn what_does_not_fit_is_refused_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.db");
    drop(filled(&path));
    open(&path, &old()).check_model().unwrap();
    let refused = open(&path, &new()).check_model().unwrap_err().to_string();
    assert_eq!(
        refused,
        "expected the embedding model of the memory file, old@1/f32 (64 values), got new@1/f32 (64 values): open it with \
         that model, or change the file to this one with `re_embed` or `mnemon model change`"
    );
    let other_dimension = Words::of("old", 48, 0);
    let memory = open(&path, &other_dimension);
    let refused = memory.check_model().unwrap_err().to_string();
    assert_eq!(
        refused,
        "expected vectors of 64 values from the embedding model old@1/f32, as the memory file has them, got 48: open it \
         with the model that made them, or give this one a name or revision of its own and change the file to it with \
         `re_embed`"
    );
    let refused = memory.re_embed(&as_embedder(&other_dimension), &mut |_| true);
    assert!(matches!(refused, Err(LongTermError::WrongDimension { expected: 64, got: 48, .. })), "{refused:?}");
    assert_eq!(memory.model_status().unwrap().next, None);
}

#[test]
fn a_model_that_fails_leaves_the_old_one_serving() {
    let folder = tempfile::tempdir().unwrap();
    let memory = filled(&folder.path().join("m.db"));
    let broken = new();
    broken.broken.store(true, Ordering::Relaxed);
    let failed = memory.re_embed(&as_embedder(&broken), &mut |_| true).unwrap_err();
    assert_eq!(
        failed.to_string(),
        "the memory file serves with its old embedding model still, because new@1/f32 failed: the embedding model new \
         failed: the model is away"
    );
    check(&memory);
    broken.broken.store(false, Ordering::Relaxed);
    assert!(memory.re_embed(&as_embedder(&broken), &mut |_| true).unwrap().is_done);
    check(&memory);
}

#[test]
fn a_change_ends_when_another_one_begins_and_is_called_off_with_the_model_that_serves() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.db");
    let (memory, other) = (filled(&path), open(&path, &old()));
    let third = Words::of("third", 64, 5);
    let ended = memory.re_embed(&as_embedder(&new()), &mut |_| {
        let begun = other.re_embed(&as_embedder(&third), &mut |_| false).unwrap();
        assert!(!begun.is_done);
        true
    });
    assert!(matches!(&ended, Err(LongTermError::OtherChange { model }) if model.name == "new"), "{ended:?}");
    check(&memory);
    assert_eq!(memory.model_status().unwrap().next.unwrap().model.name, "third");
    let off = memory.re_embed(&as_embedder(&old()), &mut |_| true).unwrap();
    assert!(off.is_done && off.embedded == 0 && off.dropped > 0, "{off:?}");
    assert_eq!(memory.model_status().unwrap().next, None);
    check(&memory);
    assert_eq!(memory.store().check().unwrap(), []);
}

#[test]
fn several_change_a_file_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.db");
    drop(filled(&path));
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                let memory = open(&path, &old());
                assert!(memory.re_embed(&as_embedder(&new()), &mut |_| true).unwrap().is_done);
                check(&memory);
            });
        }
    });
    let memory = open(&path, &new());
    check(&memory);
    assert_eq!(memory.store().check().unwrap(), []);
}

#[test]
fn a_file_without_vectors_gets_them() {
    let store = Arc::new(Store::open_in_memory().unwrap());
    let memory = LongTerm::new(store, None, Level::Fast);
    assert!(matches!(add(&memory, "cat"), Some(Degradation::NoModel)));
    let words = new();
    let change = memory.re_embed(&as_embedder(&words), &mut |_| true).unwrap();
    assert_eq!((change.is_done, change.embedded), (true, 1));
    check(&memory);
}

/// The child of the test below.
#[test]
fn change_the_file_that_is_named() {
    if let Some(path) = std::env::var_os(FILE) {
        let memory = open(Path::new(&path), &old());
        let _: Result<_, LongTermError> = memory.re_embed(&as_embedder(&new()), &mut |_: Embedded| {
            std::thread::sleep(Duration::from_millis(2));
            true
        });
    }
}

/// A process that is killed anywhere in a change leaves a file that one whole model serves, and that goes on from there.
#[test]
fn a_change_that_is_killed_is_gone_on_with() {
    let folder = tempfile::tempdir().unwrap();
    let whole = folder.path().join("whole.db");
    {
        let memory = open(&whole, &old());
        fill(&memory, 2_000);
        memory.store().backup(folder.path().join("base.db"), mnemon_store::Existing::Refuse, &mut |_| {}).unwrap();
    }
    let (mut before, mut halfway, mut after) = (0, 0, 0);
    for round in 0..24_u64 {
        let path = folder.path().join(format!("{round}.db"));
        std::fs::copy(folder.path().join("base.db"), &path).unwrap();
        let mut kills = 0;
        loop {
            let mut child = Command::new(std::env::current_exe().unwrap())
                .args(["--exact", "change_the_file_that_is_named"])
                .env(FILE, &path)
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            std::thread::sleep(Duration::from_millis(5 + 17 * round + 40 * kills));
            child.kill().unwrap();
            child.wait().unwrap();
            kills += 1;
            let status = open(&path, &old()).model_status().unwrap();
            let serving = status.serving.unwrap();
            assert!(status.next.as_ref().is_none_or(|next| next.model.name == "new"));
            let words = match serving.model.name.as_str() {
                "old" => old(),
                "new" => new(),
                other => panic!("{other}"),
            };
            assert_eq!(serving.passages, status.passages);
            let memory = open(&path, &words);
            memory.check_model().unwrap();
            check(&memory);
            assert_eq!(memory.store().check().unwrap(), []);
            match (serving.model.name.as_str(), status.next.map_or(0, |next| next.passages)) {
                ("new", _) => after += 1,
                (_, 0) => before += 1,
                _ => halfway += 1,
            }
            if kills == 2 || serving.model.name == "new" {
                break;
            }
        }
        // What was left of it is done, whoever does it.
        let memory = open(&path, &new());
        assert!(memory.re_embed(&as_embedder(&new()), &mut |_| true).unwrap().is_done);
        check(&memory);
        let stats = memory.store().read(|s| s.stats(memory.store(), mnemon_store::Counted::File)).unwrap();
        assert_eq!(stats.vectors.len(), 1, "{:?}", stats.vectors);
        assert_eq!(memory.store().check().unwrap(), []);
    }
    eprintln!("killed before the first batch: {before}, in the middle: {halfway}, after the switch: {after}");
    assert!(halfway > 0, "no kill met the middle of a change");
}
