//! What keeps a file in order: the end of the last process, and the length of the log.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;

use mnemon_core::{Kind, NewMemory, Scope, Timestamp};
use mnemon_store::{Head, NewPassage, ScopeRow, Snapshot, Store, StoreError, StoreOptions};
use proptest::prelude::*;

type Result<T = ()> = std::result::Result<T, StoreError>;

fn open(path: &Path) -> Store {
    Store::open(path, StoreOptions::default()).unwrap()
}

fn scope(user: &str) -> Scope {
    Scope::user_scope(user).unwrap()
}

/// One entry of the log.
fn add(store: &Store, user: &str, text: &str) -> Result<ScopeRow> {
    let whole = NewPassage { start: 0, end: 1, words: 1, cues: 0, terms: &[7], is_longer: false, content: 7 };
    store.write(|tx| {
        let new = NewMemory::new(Kind::Note, text);
        let added = tx.add_memory(&scope(user), &new, Timestamp::UNIX_EPOCH)?;
        tx.put_first_passages(&added, 1, &[whole])?;
        tx.ensure_scope(&scope(user))
    })
}

fn read<T>(store: &Store, work: impl FnOnce(&Snapshot<'_>) -> Result<T>) -> T {
    store.read(work).unwrap()
}

/// As if the process that has it open had ended now, and its machine with it.
fn crash(from: &Path, to: &Path) {
    for suffix in ["", "-wal"] {
        let with = |path: &Path| format!("{}{suffix}", path.display());
        std::fs::copy(with(from), with(to)).unwrap();
    }
}

#[test]
fn an_unclean_end_is_noticed_once_nobody_has_the_file_open() -> Result {
    let folder = tempfile::tempdir().unwrap();
    let (path, left) = (folder.path().join("m.db"), folder.path().join("left.db"));
    let first = open(&path);
    assert!(!first.was_unclean());
    add(&first, "ann", "one")?;
    // The log is there, and so is the one who writes it.
    let second = open(&path);
    assert!(!second.was_unclean());
    crash(&path, &left);
    drop((first, second));
    assert!(!open(&path).was_unclean());

    let mut read_only = StoreOptions::default();
    read_only.read_only = true;
    assert!(!Store::open(&left, read_only)?.was_unclean());
    let found = open(&left);
    assert!(found.was_unclean());
    assert_eq!((found.check_if_unclean()?, found.check_if_unclean()?), (vec![], vec![]));
    assert!(!open(&left).was_unclean(), "it is in use now");
    add(&found, "ann", "two")?;
    assert_eq!(read(&found, |snapshot| snapshot.scopes())[0].1, 2);
    drop(found);
    assert!(!open(&left).was_unclean());
    Ok(())
}

#[test]
fn the_look_at_a_file_that_was_left_finds_what_is_damaged() -> Result {
    let folder = tempfile::tempdir().unwrap();
    let (path, left) = (folder.path().join("m.db"), folder.path().join("left.db"));
    let store = open(&path);
    for number in 0..40 {
        add(&store, "ann", &format!("{number} {}", "long ".repeat(900)))?;
    }
    drop(store);
    let store = open(&path);
    add(&store, "ann", "the last")?;
    crash(&path, &left);
    let mut bytes = std::fs::read(&left).unwrap();
    let place = bytes.windows(8).position(|window| window == b"20 long ").unwrap() / 4096 * 4096;
    bytes[place..place + 100].fill(0xff);
    std::fs::write(&left, bytes).unwrap();
    let found = open(&left);
    assert!(found.was_unclean() && !found.check_if_unclean()?.is_empty() && found.check_if_unclean()?.is_empty());
    Ok(())
}

#[test]
fn who_stands_at_an_entry_that_was_trimmed_begins_anew() -> Result {
    let store = Store::open_in_memory()?;
    let ann = add(&store, "ann", "0")?;
    let mut heads = vec![read(&store, |snapshot| snapshot.head())];
    for number in 1..50 {
        add(&store, "ann", &number.to_string())?;
        heads.push(read(&store, |snapshot| snapshot.head()));
    }
    assert_eq!(store.write(|tx| tx.trim_changes(60))?, 0);
    assert_eq!(store.write(|tx| tx.trim_changes(10))?, 40);
    assert_eq!(store.write(|tx| tx.trim_changes(10))?, 0);
    let since = |head: Head| read(&store, |snapshot| snapshot.changes_since(ann, head)).map(|changes| changes.len());
    assert_eq!(since(Head::default()), None);
    for (number, head) in heads.iter().enumerate() {
        assert_eq!(since(*head), (number >= 40).then(|| 49 - number), "{number}");
    }
    assert_eq!(store.write(|tx| tx.trim_changes(0))?, 9);
    assert_eq!(read(&store, |snapshot| snapshot.head()), heads[49]);
    add(&store, "ann", "50")?;
    assert_eq!((since(heads[49]), since(heads[48])), (Some(1), None));
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// What was saved and still counts after a trim says the same as before: every change of its scope since is there.
    #[test]
    fn a_saved_cache_that_still_stands_misses_nothing(
        steps in prop::collection::vec((0..3_usize, 0..12_u8), 1..80), keep in 1..12_usize
    ) {
        let store = Store::open_in_memory().unwrap();
        let users = ["ann", "bob", "carla"];
        let rows: Vec<ScopeRow> = users.iter().map(|user| add(&store, user, "first").unwrap()).collect();
        // For each scope: how many changes came since it was saved.
        let mut since: [Option<usize>; 3] = [None; 3];
        for (number, (of, what)) in steps.into_iter().enumerate() {
            match what {
                0 => {
                    let head = read(&store, |snapshot| snapshot.head());
                    store.write(|tx| tx.save(rows[of], None, head, [[7_u8]])).unwrap();
                    since[of] = Some(0);
                }
                1 => {
                    let before = read(&store, |snapshot| snapshot.head());
                    store.write(|tx| tx.trim_changes(keep)).unwrap();
                    prop_assert_eq!(read(&store, |snapshot| snapshot.head()), before);
                }
                _ => {
                    add(&store, users[of], &number.to_string()).unwrap();
                    since[of] = since[of].map(|count| count + 1);
                }
            }
            for (row, expected) in rows.iter().zip(since) {
                let saved = read(&store, |snapshot| snapshot.saved_head(*row, None));
                let Some(saved) = saved else { continue };
                let changes = read(&store, |snapshot| snapshot.changes_since(*row, saved));
                prop_assert_eq!(changes.map(|changes| changes.len()), expected);
            }
        }
        // While the log is short, nothing that was saved goes.
        for (row, expected) in rows.iter().zip(since) {
            if expected.is_some_and(|count| count < 9 * keep) && keep > 8 {
                prop_assert!(read(&store, |snapshot| snapshot.saved_head(*row, None)).is_some());
            }
        }
    }
}
