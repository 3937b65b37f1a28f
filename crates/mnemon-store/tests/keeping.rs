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

/// Takes the place of a file, with its log where there is one, as if nobody had it open.
fn put_back(from: &Path, to: &Path) {
    for suffix in ["", "-wal"] {
        let with = |path: &Path| format!("{}{suffix}", path.display());
        if std::fs::copy(with(from), with(to)).is_err() {
            let _ = std::fs::remove_file(with(to));
        }
    }
    let _ = std::fs::remove_file(format!("{}-shm", to.display()));
}

#[test]
fn a_file_that_is_older_than_what_was_acknowledged_says_so_until_it_was_told() -> Result {
    let folder = tempfile::tempdir().unwrap();
    let (path, old) = (folder.path().join("m.db"), folder.path().join("old.db"));
    let store = open(&path);
    add(&store, "ann", "one")?;
    crash(&path, &old);
    for text in ["two", "three"] {
        add(&store, "ann", text)?;
    }
    let expected = read(&store, |snapshot| snapshot.head());
    assert_eq!(store.rollback(), None);
    drop(store);
    assert_eq!(open(&path).rollback(), None);

    put_back(&old, &path);
    let store = open(&path);
    let rollback = store.rollback().unwrap();
    let found = read(&store, |snapshot| snapshot.head());
    assert_eq!((rollback.expected, rollback.found, rollback.lost()), (expected, found, 2));
    assert_eq!(store.check_if_unclean()?.iter().map(|damage| damage.part).collect::<Vec<_>>(), ["history"]);
    assert_eq!(store.check_if_unclean()?, []);
    // Writing goes on, and does not make it forgotten: not when the log is as long as it was, and not when it is longer.
    for text in ["other two", "other three", "other four"] {
        add(&store, "ann", text)?;
        let mut read_only = StoreOptions::default();
        read_only.read_only = true;
        assert!(Store::open(&path, read_only)?.rollback().is_some(), "{text}");
    }
    drop(store);
    let store = open(&path);
    assert_eq!(store.rollback().unwrap().lost(), 0);
    let detail = "the file is older than what was acknowledged: change 3 is another one now; it was replaced by an older \
                  copy, or its log lost its end";
    assert_eq!(store.check()?.iter().map(|damage| damage.detail.as_str()).collect::<Vec<_>>(), [detail]);
    add(&store, "ann", "five")?;
    // Now it was told: this store says it on, and nobody else.
    assert!(!store.check()?.is_empty());
    drop(store);
    assert_eq!((open(&path).rollback(), open(&path).check()?), (None, vec![]));
    put_back(&old, &path);
    assert!(open(&path).rollback().is_some());
    Ok(())
}

#[test]
fn a_log_that_is_gone_or_cut_is_a_rollback() -> Result {
    let folder = tempfile::tempdir().unwrap();
    let (path, left) = (folder.path().join("m.db"), folder.path().join("left.db"));
    drop(open(&path));
    let store = open(&path);
    for number in 0..20 {
        add(&store, "ann", &number.to_string())?;
    }
    let head = read(&store, |snapshot| snapshot.head());
    let length = std::fs::metadata(folder.path().join("m.db-wal")).unwrap().len();
    for keep in [0, length / 3, length / 2, length - 1, length] {
        for suffix in ["", "-wal", "-head"] {
            std::fs::copy(format!("{}{suffix}", path.display()), format!("{}{suffix}", left.display())).unwrap();
        }
        let log = std::fs::OpenOptions::new().write(true).open(folder.path().join("left.db-wal")).unwrap();
        log.set_len(keep).unwrap();
        let found = open(&left);
        let now = read(&found, |snapshot| snapshot.head());
        assert_eq!(
            found.rollback().map(|rollback| rollback.lost()),
            (keep < length).then(|| (head.seq - now.seq) as u64)
        );
        assert!(keep == length || found.rollback().is_some_and(|rollback| rollback.lost() > 0), "{keep}");
        drop(found);
        std::fs::remove_file(&left).unwrap();
    }
    Ok(())
}

#[test]
fn nothing_else_is_taken_for_a_rollback() -> Result {
    let folder = tempfile::tempdir().unwrap();
    let (path, other) = (folder.path().join("m.db"), folder.path().join("other.db"));
    let head = folder.path().join("m.db-head");
    let (first, second) = (open(&path), open(&path));
    let backup = folder.path().join("b.db");
    add(&first, "ann", "one")?;
    first.backup(&backup, mnemon_store::Existing::Refuse, &mut |_| {})?;
    let early = std::fs::read(&head).unwrap();
    for number in 0..20 {
        add(if number % 2 == 0 { &first } else { &second }, "ann", &number.to_string())?;
    }
    let late = std::fs::read(&head).unwrap();
    let check = |path: &Path, what: &str| assert_eq!(open(path).rollback(), None, "{what}");
    // Who was killed between a commit and its note.
    std::fs::write(&head, early).unwrap();
    check(&path, "an older note");
    // A copy without its notes; notes that are no notes.
    crash(&path, &other);
    check(&other, "no note");
    for (what, bytes) in [("nothing", &b""[..]), ("noise", &[0xa5; 3000]), ("a torn note", &late[..40])] {
        std::fs::write(&head, bytes).unwrap();
        check(&path, what);
    }
    std::fs::write(&head, &late).unwrap();
    // A log that was cut at its beginning still leads to its head.
    first.write(|tx| tx.trim_changes(1))?;
    check(&path, "a log that was cut at its beginning");
    drop((first, second));
    // A backup that takes the place of the file is a file of its own.
    Store::restore(&backup, &path, mnemon_store::Existing::Replace, &mut |_| {})?;
    std::fs::write(&head, late).unwrap();
    let restored = open(&path);
    assert_eq!(restored.rollback(), None);
    add(&restored, "ann", "more")?;
    check(&path, "a restored file");
    Ok(())
}
