//! A disk that is full: a real one, of 12 MiB, that only a child of this test sees.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};
use std::process::Command;

use mnemon_core::{Kind, MemoryId, NewMemory, Scope, Timestamp};
use mnemon_store::{Existing, ListFilter, Scrubbed, Selection, Store, StoreError, StoreOptions, WriteTx};

const DISK: &str = "MNEMON_TEST_SMALL_DISK";

type Result<T = ()> = std::result::Result<T, StoreError>;

/// Runs a test of this file again in a child, which has a disk of its own. Making it takes user namespaces, or root.
fn on_a_small_disk(test: &str, body: impl FnOnce(&Path)) {
    if let Some(disk) = std::env::var_os(DISK) {
        return body(Path::new(&disk));
    }
    let folder = tempfile::tempdir().unwrap();
    let sized = "mount -t tmpfs -o size=12m none \"$1\" || exit 77; exec \"$0\" --exact \"$2\" --nocapture";
    let ran = Command::new("unshare")
        .args(["--map-root-user", "--mount", "sh", "-c", sized])
        .arg(std::env::current_exe().unwrap())
        .arg(folder.path())
        .arg(test)
        .env(DISK, folder.path())
        .output();
    match ran {
        Ok(ran) if ran.status.success() => {
            let said = String::from_utf8_lossy(&ran.stdout).into_owned();
            assert!(said.contains("1 passed"), "{said}");
        }
        Ok(ran) => panic!(
            "a file system of 12 MiB is needed, which takes `unshare` and user namespaces or root (77: it cannot be mounted); {}: {}{}",
            ran.status,
            String::from_utf8_lossy(&ran.stdout),
            String::from_utf8_lossy(&ran.stderr)
        ),
        Err(error) => panic!("expected the program `unshare` of util-linux, got {error}"),
    }
}

fn open(path: &Path) -> Result<Store> {
    let mut options = StoreOptions::default();
    options.ballast = 256 << 10;
    Store::open(path, options)
}

fn add(store: &Store, text: &str) -> Result<MemoryId> {
    let new = NewMemory::new(Kind::Note, text);
    store.write(|tx| tx.add_memory(&Scope::default(), &new, Timestamp::UNIX_EPOCH)).map(|added| added.id)
}

fn count(store: &Store) -> u64 {
    store
        .read(|snapshot| match snapshot.scope_id(&Scope::default())? {
            Some(scope) => snapshot.count(scope, &ListFilter::default()),
            None => Ok(0),
        })
        .map_err(|error: StoreError| error)
        .unwrap()
}

/// Takes all room that is left.
fn fill(path: &Path) {
    use std::io::Write;
    let mut file = std::fs::File::create(path).unwrap();
    while file.write_all(&[7; 512]).is_ok() {}
}

#[test]
fn on_a_full_disk_reads_go_on_and_something_can_be_deleted() {
    on_a_small_disk("on_a_full_disk_reads_go_on_and_something_can_be_deleted", |disk| {
        let path: PathBuf = disk.join("m.db");
        let (ballast, filler) = (disk.join("m.db-ballast"), disk.join("filler"));
        let text = "long ".repeat(600);
        let store = open(&path).unwrap();
        assert!(!ballast.exists(), "a file of a few pages needs none");
        let ids: Vec<MemoryId> = (0..200).map(|n| add(&store, &format!("{n} {text}")).unwrap()).collect();
        drop(store);
        let store = open(&path).unwrap();
        assert_eq!(std::fs::metadata(&ballast).unwrap().len(), 256 << 10);
        let conn = rusqlite::Connection::open(&path).unwrap();
        conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, i64>(0)).unwrap();
        drop(conn);
        fill(&filler);

        let full = add(&store, &text).unwrap_err();
        assert!(matches!(full, StoreError::Full), "{full:?}");
        let full = store.backup(disk.join("b.db"), Existing::Refuse, &mut |_| {}).unwrap_err();
        assert!(matches!(full, StoreError::Full), "{full:?}");
        assert_eq!(count(&store), 200);
        let delete = |id: MemoryId| {
            move |tx: &WriteTx<'_>| {
                let scope = tx.scope_id(&Scope::default())?.unwrap();
                tx.delete(scope, id)
            }
        };
        assert!(matches!(store.write(delete(ids[0])), Err(StoreError::Full)));
        assert_eq!(count(&store), 200);
        store.write_making_room(delete(ids[0])).unwrap();
        assert!(!ballast.exists() && count(&store) == 199);
        // It was given up, so there is no room to be kept, and that is no error.
        fill(&disk.join("more"));
        assert!(!store.keep_room() && !ballast.exists());
        drop(store);
        let store = open(&path).unwrap();
        assert_eq!((count(&store), store.check().unwrap()), (199, vec![]));
        drop(store);

        std::fs::remove_file(&filler).unwrap();
        let store = open(&path).unwrap();
        assert!(ballast.exists() && store.keep_room());
        add(&store, "there is room again").unwrap();
        assert_eq!(count(&store), 200);
    });
}

/// Who erases waits for no room: the memory is gone at once, and its bytes go when there is room to write the file anew.
#[test]
fn on_a_full_disk_something_can_be_erased() {
    on_a_small_disk("on_a_full_disk_something_can_be_erased", |disk| {
        let path: PathBuf = disk.join("m.db");
        let filler = disk.join("filler");
        let text = "long ".repeat(600);
        let store = open(&path).unwrap();
        let ids: Vec<MemoryId> = (0..200).map(|n| add(&store, &format!("{n} {text}")).unwrap()).collect();
        drop(store);
        let store = open(&path).unwrap();
        fill(&filler);
        let erase =
            |tx: &WriteTx<'_>| tx.erase(&Scope::default(), &Selection::Ids(vec![ids[0]]), Timestamp::UNIX_EPOCH);
        assert!(matches!(store.write(erase), Err(StoreError::Full)));
        let erased = store.write_making_room(erase).unwrap();
        assert_eq!((erased.ids.as_slice(), count(&store)), (&ids[..1], 199));
        // The file does not fit on the disk a second time.
        fill(&disk.join("more"));
        assert!(store.scrub().is_err() && store.scrub_pending().unwrap().is_some());
        std::fs::remove_file(&filler).unwrap();
        std::fs::remove_file(disk.join("more")).unwrap();
        assert_eq!(store.scrub().unwrap(), Scrubbed::Done);
        assert!(store.verify(erased.receipt.id, &erased.ids).unwrap().unwrap().holds());
    });
}
