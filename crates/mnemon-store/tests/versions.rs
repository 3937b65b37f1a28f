//! Files of every schema version, as they come: each is opened, and is whole.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use mnemon_core::{Memory, ModelId, Placement, Scope, Trust};
use mnemon_store::{ListFilter, SCHEMA_VERSION, Snapshot, Store, StoreError, StoreOptions, TextQuery};

type Result<T = ()> = std::result::Result<T, StoreError>;

const FILE: &str = "MNEMON_TEST_OPEN";

fn copy(version: i64, folder: &Path) -> PathBuf {
    let path = folder.join("m.db");
    let fixture = format!("{}/tests/fixtures/schema{version}.sqlite", env!("CARGO_MANIFEST_DIR"));
    std::fs::copy(fixture, &path).unwrap();
    path
}

fn list(snapshot: &Snapshot<'_>, scope: &Scope) -> Result<Vec<Memory>> {
    let scope = snapshot.scope_id(scope)?.unwrap();
    snapshot.list(scope, &ListFilter::default())
}

/// What a file of a version holds when this version has opened it.
#[track_caller]
fn check(store: &Store, version: i64) {
    assert_eq!(store.check().unwrap(), [], "{version}");
    let (ann, bob) =
        (Scope::user_scope("ann").unwrap(), Scope::user_scope("bob").unwrap().with_agent("coder").unwrap());
    let look = |snapshot: &Snapshot<'_>| -> Result {
        let of_bob: Vec<String> = list(snapshot, &bob)?.into_iter().map(|memory| memory.text).collect();
        assert_eq!(of_bob, ["a fact of bob"]);
        let memories = list(snapshot, &ann)?;
        let note = &memories[0];
        assert_eq!(
            (note.text.as_str(), note.pinned, &note.metadata["sure"]),
            ("a pinned note on tomatoes", true, &true.into())
        );
        assert_eq!(note.origin.as_ref().map(|origin| (&*origin.source, &*origin.id)), Some(("notes", "n1")));
        let turns: Vec<_> =
            memories[1..].iter().map(|memory| (memory.text.clone(), memory.turn.clone().unwrap())).collect();
        assert_eq!(turns.len() as i64, version);
        let left = if version >= 7 { 2 } else { 0 };
        for ((text, turn), number) in turns.iter().zip(1..) {
            let placement = if number <= left { Placement::LongTerm } else { Placement::Window };
            assert_eq!((text, turn.placement), (&format!("version {number} says 我喜欢北京"), placement));
            assert_eq!((turn.position + 1, turn.speaker.as_deref()), (number, Some("Ann")));
        }
        let row = snapshot.scope_id(&ann)?.unwrap();
        let session = snapshot.session_by_name(row, "talk")?.unwrap();
        assert_eq!(snapshot.window(row, session)?.len() as i64, version - i64::from(left));
        for summary in snapshot.top_summaries(row, session)? {
            assert_eq!((summary.depth, &*summary.memory.text), (1, "Ann: version 1 says"));
            let parts: Vec<String> =
                snapshot.summary_parts(summary.row)?.into_iter().map(|(_, memory)| memory.text).collect();
            assert_eq!(parts, ["version 1 says 我喜欢北京"]);
        }
        let hits = snapshot.text_search(&TextQuery { text: "喜欢", scope: row, limit: 9 })?;
        assert_eq!(hits.len() as i64, version);
        // What the first version had stood for other texts than a passage's.
        let model = ModelId { name: "m".into(), revision: "1".into(), dtype: "f32".into() };
        let (model, mut vectors) = (snapshot.model(&model, 4)?.unwrap(), 0);
        snapshot.each_vector_of(row, model, |_, vector| -> Result {
            assert_eq!(vector, [1.0; 4]);
            vectors += 1;
            Ok(())
        })?;
        assert_eq!(vectors, version - 1);
        // The only model that has all vectors serves; what a change had come to is kept.
        let serving = snapshot.serving_model()?.map(|model| model.id.name);
        assert_eq!(serving.as_deref(), (version > 1).then_some("m"), "{version}");
        if version >= 5 {
            let state = &memories[5];
            assert_eq!((state.trust, state.state.importance), (Trust::from_code(2).unwrap(), 0.75));
        }
        Ok(())
    };
    store.read(look).unwrap();
}

#[test]
fn a_file_of_every_version_is_opened_and_is_whole() {
    for version in 1..=SCHEMA_VERSION {
        let folder = tempfile::tempdir().unwrap();
        let path = copy(version, folder.path());
        let mut read_only = StoreOptions::default();
        read_only.read_only = true;
        match Store::open(&path, read_only) {
            Ok(store) if version == SCHEMA_VERSION => check(&store, version),
            Err(StoreError::Older { found, .. }) => assert_eq!(found, version),
            other => panic!("{version}: {other:?}"),
        }
        check(&Store::open(&path, StoreOptions::default()).unwrap(), version);
        check(&Store::open(&path, StoreOptions::default()).unwrap(), version);
    }
}

/// A backup may be older than the program, and so may a file that is damaged.
#[test]
fn a_file_of_every_version_is_restored_and_salvaged() {
    for version in 1..=SCHEMA_VERSION {
        let folder = tempfile::tempdir().unwrap();
        let (path, to) = (copy(version, folder.path()), folder.path().join("r.db"));
        let before = std::fs::read(&path).unwrap();
        Store::restore(&path, &to, mnemon_store::Existing::Refuse, &mut |_| {}).unwrap();
        check(&Store::open(&to, StoreOptions::default()).unwrap(), version);
        let saved = folder.path().join("s.db");
        let salvaged = Store::salvage(&path, &saved, &mut |_| {}).unwrap();
        assert!(std::fs::read(&path).unwrap() == before);
        assert_eq!((salvaged.lost.len(), salvaged.unproven as i64), (0, if version < 5 { version + 2 } else { 0 }));
        let (saved, whole) =
            (Store::open(&saved, StoreOptions::default()).unwrap(), Store::open(&to, StoreOptions::default()).unwrap());
        assert_eq!(saved.check().unwrap(), []);
        let all = |store: &Store| store.read(|snapshot| list(snapshot, &Scope::user_scope("ann").unwrap())).unwrap();
        assert_eq!(all(&saved), all(&whole));
    }
}

#[test]
fn a_newer_file_is_refused_and_not_touched() {
    let folder = tempfile::tempdir().unwrap();
    let path = copy(SCHEMA_VERSION, folder.path());
    rusqlite::Connection::open(&path).unwrap().pragma_update(None, "user_version", SCHEMA_VERSION + 1).unwrap();
    let before = std::fs::read(&path).unwrap();
    for read_only in [false, true] {
        let mut options = StoreOptions::default();
        options.read_only = read_only;
        let refused = Store::open(&path, options);
        assert!(matches!(refused, Err(StoreError::Newer { found, .. }) if found == SCHEMA_VERSION + 1), "{refused:?}");
    }
    let refused = Store::restore(&path, folder.path().join("r.db"), mnemon_store::Existing::Refuse, &mut |_| {});
    assert!(matches!(refused, Err(StoreError::Newer { .. })), "{refused:?}");
    let refused = Store::salvage(&path, folder.path().join("s.db"), &mut |_| {});
    assert!(matches!(refused, Err(StoreError::Newer { .. })), "{refused:?}");
    assert!(std::fs::read(&path).unwrap() == before);
}

/// The child of the test below.
#[test]
fn open_the_file_that_is_named() {
    if let Some(path) = std::env::var_os(FILE) {
        drop(Store::open(path, StoreOptions::default()).unwrap());
    }
}

/// A process that is killed while it migrates leaves a file that the next one opens, old or new.
#[test]
fn a_migration_that_is_killed_is_made_up_for() {
    let (mut old, mut new) = (0, 0);
    for round in 0..60_u32 {
        let version = 1 + i64::from(round) % (SCHEMA_VERSION - 1);
        let folder = tempfile::tempdir().unwrap();
        let path = copy(version, folder.path());
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "open_the_file_that_is_named"])
            .env(FILE, &path)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_micros(500 + 700 * u64::from(round)));
        child.kill().unwrap();
        child.wait().unwrap();
        let conn = rusqlite::Connection::open(&path).unwrap();
        let found: i64 = conn.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
        drop(conn);
        assert!(found == version || found == SCHEMA_VERSION, "{version} became {found}");
        if found == version {
            old += 1
        } else {
            new += 1
        }
        check(&Store::open(&path, StoreOptions::default()).unwrap(), version);
    }
    eprintln!("killed before the end: {old}, after it: {new}");
}
