//! Backups and what is restored from them.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use mnemon_core::{Kind, NewMemory, Scope, Timestamp};
use mnemon_store::{Existing, ListFilter, NewPassage, Snapshot, Store, StoreError, StoreOptions};

type Result<T = ()> = std::result::Result<T, StoreError>;

fn open(path: &Path) -> Store {
    Store::open(path, StoreOptions::default()).unwrap()
}

fn add(store: &Store, text: &str) -> Result {
    let now = Timestamp::UNIX_EPOCH;
    let whole = NewPassage { start: 0, end: 1, words: 1, cues: 0, terms: &[7], is_longer: false, content: 7 };
    store.write(|tx| {
        let added = tx.add_memory(&Scope::default(), &NewMemory::new(Kind::Note, text), now)?;
        tx.put_first_passages(&added, 1, &[whole]).map(|_| ())
    })
}

fn texts(store: &Store) -> Vec<String> {
    let list = |snapshot: &Snapshot<'_>| -> Result<Vec<String>> {
        let Some(scope) = snapshot.scope_id(&Scope::default())? else { return Ok(Vec::new()) };
        let all = ListFilter { limit: usize::MAX, ..ListFilter::default() };
        Ok(snapshot.list(scope, &all)?.into_iter().map(|memory| memory.text).collect())
    };
    store.read(list).unwrap()
}

/// Nothing but these files is in a folder.
#[track_caller]
fn check_folder(folder: &Path, expected: &[&str]) {
    let mut names: Vec<String> =
        folder.read_dir().unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    assert_eq!(names, expected);
}

#[test]
fn a_backup_is_one_state_of_the_file_whatever_is_written_meanwhile() -> Result {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder.path().join("m.db"));
    let long = "long ".repeat(2000);
    for number in 0..600 {
        add(&store, &format!("{number} {long}"))?;
    }
    let target = folder.path().join("copies").join("b.db");
    std::fs::create_dir(target.parent().unwrap()).unwrap();
    let (done, mut reports, mut written) = (AtomicBool::new(false), Vec::new(), 0);
    let report = std::thread::scope(|threads| {
        let writer = threads.spawn(|| {
            let mut number = 600;
            while !done.load(Ordering::Relaxed) {
                add(&store, &format!("{number} {long}")).unwrap();
                number += 1;
            }
            number
        });
        let report = store.backup(&target, Existing::Refuse, &mut |steps| {
            // A step is not followed by the next one before something was written.
            let before = store.read(|snapshot| snapshot.head()).map_err(|error: StoreError| error).unwrap();
            add(&store, &format!("between {}", before.seq)).unwrap();
            reports.push(steps);
        });
        done.store(true, Ordering::Relaxed);
        written = writer.join().unwrap();
        report
    })?;
    assert!(reports.len() > 1 && reports.windows(2).all(|pair| pair[0].done < pair[1].done), "{reports:?}");
    assert!(reports.last().is_some_and(|last| last.done == last.total));
    check_folder(target.parent().unwrap(), &["b.db"]);
    let copy = open(&target);
    let copied = texts(&copy);
    assert!(copied.len() >= 600 && copied.len() < texts(&store).len());
    assert_eq!(copied, texts(&store)[..copied.len()]);
    assert_eq!((report.memories, report.damaged_memories), (copied.len() as u64, 0));
    assert_eq!(copy.check()?, []);
    add(&copy, "on its own")?;
    assert!(written > 600);
    Ok(())
}

#[test]
fn a_copy_is_another_file_for_those_who_knew_the_first() -> Result {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder.path().join("m.db"));
    add(&store, "one")?;
    let (target, again) = (folder.path().join("b.db"), folder.path().join("r.db"));
    let report = store.backup(&target, Existing::Refuse, &mut |_| {})?;
    let restored = Store::restore(&target, &again, Existing::Refuse, &mut |_| {})?;
    let state = |store: &Store| store.read(|snapshot| Ok::<_, StoreError>((snapshot.uuid()?, snapshot.head()?)));
    let (first, copy, restored_as) = (state(&store)?, state(&open(&target))?, state(&open(&again))?);
    assert_eq!((copy.0, restored_as.0), (report.uuid, restored.uuid));
    assert!(first.0 != copy.0 && first.0 != restored_as.0 && copy.0 != restored_as.0);
    assert!(first.1 != copy.1 && copy.1 != restored_as.1);
    // The log of the first goes on; where it has come to means nothing in the copy.
    add(&store, "two")?;
    let head = state(&store)?.1;
    let again = open(&again);
    add(&again, "another two")?;
    again.read(|snapshot| {
        let scope = snapshot.scope_id(&Scope::default())?.unwrap();
        assert_eq!(snapshot.changes_since(scope, head)?, None);
        assert_eq!(snapshot.changes_since(scope, first.1)?.map(|changes| changes.len()), Some(1));
        Ok::<_, StoreError>(())
    })?;
    Ok(())
}

#[test]
fn what_is_there_stays_unless_it_is_to_be_replaced() -> Result {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let store = open(&path("m.db"));
    add(&store, "new")?;
    let other = open(&path("b.db"));
    add(&other, "old")?;
    let refused = store.backup(path("b.db"), Existing::Refuse, &mut |_| {});
    assert!(matches!(refused, Err(StoreError::Exists { .. })), "{refused:?}");
    // Somebody has it open.
    let refused = store.backup(path("b.db"), Existing::Replace, &mut |_| {});
    assert!(matches!(refused, Err(StoreError::Busy { .. })), "{refused:?}");
    assert_eq!(texts(&other), ["old"]);
    drop(other);
    store.backup(path("b.db"), Existing::Replace, &mut |_| {})?;
    assert_eq!(texts(&open(&path("b.db"))), ["new"]);
    for itself in [store.backup(path("m.db"), Existing::Replace, &mut |_| {}), {
        Store::restore(path("b.db"), path("b.db"), Existing::Replace, &mut |_| {})
    }] {
        assert!(matches!(itself, Err(StoreError::Exists { .. })), "{itself:?}");
    }
    drop(store);
    // The log of a file that ended in the middle is not played into what takes its place.
    std::fs::write(path("m.db-wal"), b"the log of another file").unwrap();
    Store::restore(path("b.db"), path("m.db"), Existing::Replace, &mut |_| {})?;
    assert!(!path("m.db-wal").exists());
    assert_eq!(texts(&open(&path("m.db"))), ["new"]);
    Ok(())
}

#[test]
fn what_is_damaged_or_of_others_is_not_copied() -> Result {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    std::fs::write(path("text"), "no database").unwrap();
    let refused = Store::restore(path("text"), path("r.db"), Existing::Refuse, &mut |_| {});
    assert!(matches!(refused, Err(StoreError::NotADatabase { .. })), "{refused:?}");
    std::fs::write(path("empty"), "").unwrap();
    let refused = Store::restore(path("empty"), path("r.db"), Existing::Refuse, &mut |_| {});
    assert!(matches!(refused, Err(StoreError::NotADatabase { .. })), "{refused:?}");

    let store = open(&path("m.db"));
    for number in 0..50 {
        add(&store, &format!("{number} {}", "long ".repeat(500)))?;
    }
    drop(store);
    let mut bytes = std::fs::read(path("m.db")).unwrap();
    let at = bytes.windows(8).position(|window| window == b"40 long ").unwrap() / 4096 * 4096;
    bytes[at..at + 64].fill(0xff);
    std::fs::write(path("m.db"), bytes).unwrap();
    let store = open(&path("m.db"));
    let refused = store.backup(path("b.db"), Existing::Refuse, &mut |_| {});
    assert!(matches!(refused, Err(StoreError::BadCopy { .. } | StoreError::Corrupt(_))), "{refused:?}");
    drop(store);
    check_folder(folder.path(), &["empty", "m.db", "m.db-head", "text"]);
    Ok(())
}

#[test]
fn a_store_in_memory_is_written_to_a_file() -> Result {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open_in_memory()?;
    add(&store, "kept after all")?;
    let report = store.backup(folder.path().join("b.db"), Existing::Refuse, &mut |_| {})?;
    assert_eq!(report.bytes, std::fs::metadata(&report.path).unwrap().len());
    let mut read_only = StoreOptions::default();
    read_only.read_only = true;
    assert_eq!(texts(&Store::open(&report.path, read_only)?), ["kept after all"]);
    check_folder(folder.path(), &["b.db"]);
    Ok(())
}
