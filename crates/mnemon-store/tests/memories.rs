//! Memories through the public interface of the store.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use mnemon_core::{
    Kind, Memory, MemoryId, ModelId, NewMemory, NewTurn, Placement, Role, Scope, SessionId, State, Timestamp, Trust,
};
use mnemon_store::{
    ChangeOp, Head, ListFilter, MemoryUpdate, NewPassage, NewSession, Store, StoreError, StoreOptions, TextQuery,
    WriteTx,
};

type Result<T = ()> = std::result::Result<T, StoreError>;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_750_000_000 + second).unwrap()
}

fn ann() -> Scope {
    Scope::user_scope("ann").unwrap()
}

fn model() -> ModelId {
    ModelId { name: "m".into(), revision: "1".into(), dtype: "f32".into() }
}

fn found(store: &Store, scope: &Scope, text: &str) -> Vec<String> {
    let search = |snapshot: &mnemon_store::Snapshot<'_>| -> Result<Vec<(i64, Memory)>> {
        let Some(scope) = snapshot.scope_id(scope)? else { return Ok(Vec::new()) };
        let hits = snapshot.text_search(&TextQuery { text, scope, limit: 10 })?;
        snapshot.memories(&hits.iter().map(|hit| hit.row).collect::<Vec<_>>())
    };
    store.read(search).unwrap().into_iter().map(|(_, memory)| memory.text).collect()
}

fn note(store: &Store, scope: &Scope, text: &str) -> MemoryId {
    let add = |tx: &WriteTx<'_>| -> Result<MemoryId> {
        let added = tx.add_memory(scope, &NewMemory::new(Kind::Note, text), at(0))?;
        tx.put_first_passages(&added, 1, &[ALL])?;
        Ok(added.id)
    };
    store.write(add).unwrap()
}

/// A passage of which the terms say little.
const ALL: NewPassage<'static> =
    NewPassage { start: 0, end: 1, words: 1, cues: 0, terms: &[7], is_longer: true, content: 7 };

/// The passage of a memory that has no other, made now.
fn passage(tx: &WriteTx<'_>, memory: i64) -> Result<i64> {
    Ok(tx.put_passages(memory, 1, &[ALL])?[0])
}

fn session(store: &Store, scope: &Scope, texts: &[&str], placement: Placement) -> (SessionId, Vec<i64>) {
    store
        .write(|tx| -> Result<_> {
            let scope = tx.ensure_scope(scope)?;
            let session = tx.start_session(scope, &NewSession::unnamed(at(0)), at(0))?;
            let mut rows = Vec::new();
            for text in texts {
                let turn = tx.add_turn(scope, session, &NewTurn::new(Role::User, *text), placement, at(1))?;
                tx.put_first_passages(&turn, 1, &[ALL])?;
                rows.push(turn.row);
            }
            Ok((session, rows))
        })
        .unwrap()
}

#[test]
fn what_was_written_is_there_after_reopening() -> Result {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("deep/er/m.db");
    let mut new = NewMemory::new(Kind::Fact, "Ann moved to Lyon").pinned(true).at(at(-5)).from_origin("notes", "7");
    new.caption = Some("a photo of a river".into());
    new.metadata.insert("sure".into(), true.into());
    let id = {
        let store = Store::open(&path, StoreOptions::default())?;
        store.write(|tx| tx.add_memory(&ann(), &new, at(0)))?.id
    };
    let store = Store::open(&path, StoreOptions::default())?;
    let memory = store.read(|snapshot| {
        let scope = snapshot.scope_id(&ann())?.unwrap();
        snapshot.memory(scope, id)
    })?;
    let memory = memory.unwrap();
    assert_eq!(
        memory,
        Memory {
            id,
            scope: ann(),
            kind: Kind::Fact,
            text: new.text,
            caption: new.caption,
            turn: None,
            pinned: true,
            priority: 1.0,
            metadata: new.metadata,
            origin: new.origin,
            occurred_at: Some(at(-5)),
            stored_at: at(0),
            updated_at: at(0),
            trust: Trust::External,
            state: State::default(),
        }
    );
    assert_eq!(store.check()?, []);
    Ok(())
}

#[test]
fn a_scope_sees_its_own_memories_only() -> Result {
    let store = Store::open_in_memory()?;
    let bob = Scope::user_scope("bob").unwrap();
    let id = note(&store, &ann(), "the secret garden");
    note(&store, &bob, "the public garden");
    note(&store, &Scope::default(), "a garden of nobody");
    assert_eq!(found(&store, &ann(), "garden"), ["the secret garden"]);
    assert_eq!(found(&store, &bob, "secret"), Vec::<String>::new());
    store.write(|tx| -> Result {
        let bob = tx.ensure_scope(&bob)?;
        assert_eq!(tx.memory(bob, id)?, None);
        assert!(matches!(tx.delete(bob, id), Err(StoreError::NoMemory { .. })));
        assert!(matches!(tx.update(bob, id, &MemoryUpdate::default(), at(1)), Err(StoreError::NoMemory { .. })));
        assert_eq!(tx.count(bob, &ListFilter::default())?, 1);
        assert_eq!(tx.clear(bob)?, 1);
        Ok(())
    })?;
    assert_eq!(found(&store, &ann(), "garden"), ["the secret garden"]);
    assert_eq!(found(&store, &bob, "garden"), Vec::<String>::new());
    Ok(())
}

#[test]
fn text_is_found_by_stems_accents_and_pairs_of_characters() {
    let store = Store::open_in_memory().unwrap();
    for text in [
        "She was running in the café",
        "我下周去北京出差",
        "彼女は東京タワーへ行きました",
        "서울에서 친구를 만났다",
        "ฉันชอบกินข้าวผัด",
        "Русские книги",
        "nul\0inside",
    ] {
        note(&store, &ann(), text);
    }
    let check = |query: &str, expected: &str| assert_eq!(found(&store, &ann(), query), [expected], "{query}");
    check("runs cafe", "She was running in the café");
    check("北京", "我下周去北京出差");
    check("差", "我下周去北京出差");
    check("東京", "彼女は東京タワーへ行きました");
    check("서울", "서울에서 친구를 만났다");
    check("ข้าว", "ฉันชอบกินข้าวผัด");
    check("книги", "Русские книги");
    check("inside", "nul\0inside");
    for nothing in ["", "  ", "\"", "* AND (", "zebra", "\0", "🦓"] {
        assert_eq!(found(&store, &ann(), nothing), Vec::<String>::new(), "{nothing:?}");
    }
    assert_eq!(store.check().unwrap(), []);
}

#[test]
fn very_long_texts_are_stored_whole_and_too_long_ones_refused() {
    let store = Store::open_in_memory().unwrap();
    let long = format!("{} needle", "hay ".repeat(2_600_000));
    note(&store, &ann(), &long);
    assert_eq!(found(&store, &ann(), "needle"), [long]);
    note(&store, &ann(), &"x".repeat(1_000_000));
    let huge = NewMemory::new(Kind::Note, "x".repeat((64 << 20) + 1));
    let error = store.write(|tx| tx.add_memory(&ann(), &huge, at(0))).unwrap_err();
    assert_eq!(error.to_string(), "expected a text of at most 67108864 bytes, got 67108865 bytes");
}

#[test]
fn what_has_an_origin_is_stored_once() -> Result {
    let store = Store::open_in_memory()?;
    let new = NewMemory::new(Kind::Note, "one").from_origin("file:a", "line 1");
    let first = store.write(|tx| tx.add_memory(&ann(), &new, at(0)))?;
    let again = store.write(|tx| tx.add_memory(&ann(), &new, at(9)))?;
    assert!(first.is_new && !again.is_new);
    assert_eq!(first.id, again.id);
    let elsewhere = store.write(|tx| tx.add_memory(&Scope::default(), &new, at(9)))?;
    assert!(elsewhere.is_new);
    // Another file of the same name loses nothing, and what was corrected here is not brought back.
    let other = NewMemory { text: "two".into(), ..new.clone() };
    assert!(store.write(|tx| tx.add_memory(&ann(), &other, at(9)))?.is_new);
    let corrected = MemoryUpdate { text: Some("uno".into()), ..Default::default() };
    store.write(|tx| tx.update(tx.ensure_scope(&ann())?, first.id, &corrected, at(9)))?;
    let again = store.write(|tx| tx.add_memory(&ann(), &new, at(9)))?;
    assert_eq!((again.id, again.is_new), (first.id, false));
    Ok(())
}

#[test]
fn an_update_replaces_the_text_everywhere() -> Result {
    let store = Store::open_in_memory()?;
    let id = note(&store, &ann(), "Ann drinks coffee 咖啡");
    store.write(|tx| -> Result {
        let scope = tx.ensure_scope(&ann())?;
        let row = tx.memory_row(scope, id)?.unwrap();
        let model = tx.ensure_model(&model(), 2)?;
        let first = passage(tx, row)?;
        tx.put_vector(model, first, &[1.0, 0.0])?;
        let same =
            MemoryUpdate { pinned: Some(true), text: Some("Ann drinks coffee 咖啡".into()), ..Default::default() };
        assert_eq!(tx.update(scope, id, &same, at(1))?, (row, false));
        assert_eq!(tx.passages_of(&[row])?, [first]);
        assert!(tx.without_vector(Some(model), 0, 9)?.is_empty());
        let other = MemoryUpdate { text: Some("Ann drinks tea 绿茶".into()), ..Default::default() };
        assert_eq!(tx.update(scope, id, &other, at(2))?, (row, true));
        assert!(tx.passages_of(&[row])?.is_empty());
        assert_eq!(tx.without_passages(1, 0, 9)?, [row]);
        let second = passage(tx, row)?;
        assert!(second > first, "a number is never used again");
        assert_eq!(tx.without_vector(Some(model), 0, 9)?, [second]);
        let memory = tx.memory(scope, id)?.unwrap();
        assert_eq!((memory.pinned, memory.stored_at, memory.updated_at), (true, at(0), at(2)));
        Ok(())
    })?;
    assert_eq!(found(&store, &ann(), "coffee"), Vec::<String>::new());
    assert_eq!(found(&store, &ann(), "咖啡"), Vec::<String>::new());
    assert_eq!(found(&store, &ann(), "绿茶 tea"), ["Ann drinks tea 绿茶"]);
    assert_eq!(store.check()?, []);
    Ok(())
}

#[test]
fn the_window_is_a_part_of_the_session_and_turns_leave_it_whole() -> Result {
    let store = Store::open_in_memory()?;
    let (other, _) = session(&store, &ann(), &["elsewhere"], Placement::Window);
    let (session, rows) = session(&store, &ann(), &["one", "two", "three"], Placement::Window);
    let window = || {
        store.read(|snapshot| {
            let scope = snapshot.scope_id(&ann())?.unwrap();
            Ok::<_, StoreError>(
                snapshot.window(scope, session)?.into_iter().map(|row| row.memory.text).collect::<Vec<_>>(),
            )
        })
    };
    assert_eq!(window()?, ["one", "two", "three"]);
    store.read(|snapshot| -> Result {
        let scope = snapshot.scope_id(&ann())?.unwrap();
        let newest = |session, limit| -> Result<Vec<i64>> {
            Ok(snapshot.newest_in_window(scope, session, limit)?.into_iter().map(|row| row.row).collect())
        };
        assert_eq!([newest(session, 2)?, newest(session, 0)?, newest(session, 9)?], [&rows[1..], &[], &rows[..]]);
        assert_eq!(newest(other, 9)?.len(), 1);
        for (position, row) in (0..).zip(&rows) {
            assert_eq!(snapshot.turn_at(scope, session, position)?, Some(*row));
        }
        assert_eq!(snapshot.turn_at(scope, session, 3)?, None);
        assert_eq!(snapshot.turn_at(scope, other, 1)?, None);
        Ok(())
    })?;
    assert_eq!(store.write(|tx| tx.move_to_long_term(&rows[..2]))?, 2);
    assert_eq!(store.write(|tx| tx.move_to_long_term(&rows[..2]))?, 0);
    assert_eq!(window()?, ["three"]);
    assert_eq!(found(&store, &ann(), "one"), ["one"]);
    store.write(|tx| -> Result {
        let scope = tx.ensure_scope(&ann())?;
        let turns = tx.list(scope, &ListFilter { session: Some(session), ..Default::default() })?;
        let places: Vec<_> = turns.iter().flat_map(|memory| &memory.turn).map(|t| (t.position, t.placement)).collect();
        assert_eq!(places, [(0, Placement::LongTerm), (1, Placement::LongTerm), (2, Placement::Window)]);
        Ok(())
    })
}

#[test]
fn the_change_log_tells_what_happened_since() -> Result {
    let store = Store::open_in_memory()?;
    let scope = store.write(|tx| tx.ensure_scope(&ann()))?;
    let ops = |since: Head| {
        store.read(|snapshot| {
            let changes = snapshot.changes_since(scope, since)?.unwrap();
            Ok::<_, StoreError>((changes.into_iter().map(|change| change.op).collect::<Vec<_>>(), snapshot.head()?))
        })
    };
    let (none, start) = ops(Head::default())?;
    assert_eq!((none, start), (vec![], Head::default()));
    let id = note(&store, &ann(), "one");
    let (added, head) = ops(start)?;
    assert_eq!(added, [ChangeOp::PassageStored]);
    note(&store, &Scope::user_scope("bob").unwrap(), "of another scope");
    store.write(|tx| -> Result {
        let model = tx.ensure_model(&model(), 2)?;
        tx.put_vector(model, passage(tx, tx.memory_row(scope, id)?.unwrap())?, &[1.0, 0.0])?;
        tx.update(scope, id, &MemoryUpdate { text: Some("two".into()), ..Default::default() }, at(1))?;
        tx.delete(scope, id)
    })?;
    let (changes, head) = ops(head)?;
    let stored = [ChangeOp::PassageStored, ChangeOp::VectorStored];
    assert_eq!(changes, [&[ChangeOp::PassageDropped], &stored[..], &[ChangeOp::PassageDropped]].concat());
    // A log that went another way than the reader remembers is noticed.
    let other = Head { nonce: head.nonce ^ 1, ..head };
    assert_eq!(store.read(|snapshot| snapshot.changes_since(scope, other))?, None);
    assert_eq!(store.read(|snapshot| snapshot.changes_since(scope, Head { seq: 999, nonce: 1 }))?, None);
    Ok(())
}

#[test]
fn a_vector_of_a_deleted_memory_is_not_kept() -> Result {
    let store = Store::open_in_memory()?;
    let id = note(&store, &ann(), "gone");
    store.write(|tx| -> Result {
        let scope = tx.ensure_scope(&ann())?;
        let row = tx.memory_row(scope, id)?.unwrap();
        let model = tx.ensure_model(&model(), 2)?;
        let passage = passage(tx, row)?;
        tx.delete(scope, id)?;
        assert!(!tx.put_vector(model, passage, &[1.0, 0.0])?);
        let mut seen = 0;
        tx.each_vector_of(scope, model, |_, _| -> Result {
            seen += 1;
            Ok(())
        })?;
        assert_eq!(seen, 0);
        let error = tx.put_vector(model, passage, &[1.0]).unwrap_err().to_string();
        assert_eq!(
            error,
            "expected as many values as the dimension of its model as vector, got 1 values where the model has 2"
        );
        Ok(())
    })
}

#[test]
fn what_cannot_be_stored_is_refused_and_nothing_is_half_done() {
    let store = Store::open_in_memory().unwrap();
    let refuse = |new: NewMemory, message: &str| {
        let error = store.write(|tx| tx.add_memory(&ann(), &new, at(0))).unwrap_err();
        assert_eq!(error.to_string(), message);
    };
    refuse(
        NewMemory { priority: f32::NAN, ..NewMemory::new(Kind::Note, "x") },
        "expected a number as priority, got NaN",
    );
    refuse(NewMemory::new(Kind::Turn, "x"), "expected any kind but turn, which needs a session as kind, got turn");
    assert_eq!(store.read(|snapshot| snapshot.scope_id(&ann())).unwrap(), None);
}

#[test]
fn a_file_that_is_not_ours_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let open = |name: &str| Store::open(folder.path().join(name), StoreOptions::default());

    let text = folder.path().join("text.db");
    std::fs::write(&text, "This is a shopping list, and no database at all. ".repeat(200)).unwrap();
    assert!(matches!(open("text.db"), Err(StoreError::NotADatabase { .. })));
    assert!(std::fs::read_to_string(&text).unwrap().starts_with("This is a shopping list"));

    let other = rusqlite::Connection::open(folder.path().join("other.db")).unwrap();
    other.execute_batch("CREATE TABLE bird (name); INSERT INTO bird VALUES ('wren')").unwrap();
    assert!(matches!(open("other.db"), Err(StoreError::NotMnemon { .. })));
    assert_eq!(other.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get::<_, i64>(0)).unwrap(), 1);

    open("newer.db").unwrap();
    let newer = rusqlite::Connection::open(folder.path().join("newer.db")).unwrap();
    newer.pragma_update(None, "user_version", 99).unwrap();
    assert!(matches!(open("newer.db"), Err(StoreError::Newer { found: 99, .. })));

    assert!(matches!(open("."), Err(StoreError::CannotOpen { .. })));
}

#[test]
fn a_store_for_reading_reads_and_refuses_to_write() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.db");
    let reading = || {
        let mut options = StoreOptions::default();
        options.read_only = true;
        Store::open(&path, options)
    };
    assert!(matches!(reading(), Err(StoreError::CannotOpen { .. })));
    let store = Store::open(&path, StoreOptions::default()).unwrap();
    note(&store, &ann(), "readable");
    let reader = reading().unwrap();
    assert_eq!(found(&reader, &ann(), "readable"), ["readable"]);
    let refused = reader.write(|tx| tx.add_memory(&ann(), &NewMemory::new(Kind::Note, "x"), at(0)));
    assert!(matches!(refused, Err(StoreError::ReadOnly)));
    assert_eq!(reader.check().unwrap(), []);
}

#[test]
fn many_threads_and_stores_share_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.db");
    std::thread::scope(|threads| {
        for thread in 0..4 {
            let path = &path;
            threads.spawn(move || {
                let store = Store::open(path, StoreOptions::default()).unwrap();
                for n in 0..25 {
                    note(&store, &ann(), &format!("note {n} of thread {thread}"));
                    assert!(!found(&store, &ann(), "note").is_empty());
                }
            });
        }
    });
    let store = Store::open(&path, StoreOptions::default()).unwrap();
    let count = store.read(|snapshot| {
        let scope = snapshot.scope_id(&ann())?.unwrap();
        snapshot.count(scope, &ListFilter::default())
    });
    assert_eq!(count.unwrap(), 100);
}
