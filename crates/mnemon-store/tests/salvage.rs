//! What is damaged, what is found of it, and what is saved.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use mnemon_core::{
    EndReason, Ended, Kind, Memory, MemoryId, ModelId, NewMemory, NewTurn, Placement, Role, Scope, Slot, Timestamp,
};
use mnemon_store::{
    ListFilter, ModelRow, NewPassage, NewSession, Salvaged, Snapshot, Store, StoreError, StoreOptions, TextQuery,
};
use proptest::prelude::*;
use rusqlite::Connection;

type Result<T = ()> = std::result::Result<T, StoreError>;

const PAGE: usize = 4096;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_750_000_000 + second).unwrap()
}

fn scopes() -> [Scope; 3] {
    ["ann", "bob", "carla"].map(|user| Scope::user_scope(user).unwrap())
}

fn model() -> ModelId {
    ModelId { name: "m".into(), revision: "1".into(), dtype: "f32".into() }
}

fn open(path: &Path) -> Store {
    Store::open(path, StoreOptions::default()).unwrap()
}

fn vector(memory: i64) -> Vec<f32> {
    (0..384_i64).map(|place| ((memory * 7 + place) % 64) as f32 / 64.0).collect()
}

/// Turns of two sessions and notes of each of three scopes, with all that a file can hold of them.
fn fill(path: &Path, memories: i64) {
    let store = open(path);
    store
        .write(|tx| -> Result {
            let model = tx.ensure_model(&model(), 384)?;
            for (number, scope) in scopes().iter().enumerate() {
                let row = tx.ensure_scope(scope)?;
                let name = format!("talk {number}");
                let named = NewSession { name: Some(&name), started_at: at(0), imported: false };
                let sessions = [tx.start_session(row, &named, at(0))?, {
                    tx.start_session(row, &NewSession::unnamed(at(1)), at(1))?
                }];
                for n in 0..memories {
                    let text = format!("{scope} says {n}: {}", "the garden is wet ".repeat((n % 40) as usize));
                    let added = match n % 4 {
                        0 => {
                            let mut new = NewMemory::new(Kind::Note, text.clone()).at(at(n)).pinned(n % 3 == 0);
                            new.metadata.insert("n".into(), n.into());
                            if n % 8 == 0 {
                                new = new.from_origin("notes", n.to_string());
                            }
                            if n % 12 == 0 {
                                let (subject, slot) = (format!("s{n}"), "is".to_owned());
                                new.state.about = Some(Slot { subject, slot });
                                new.state.importance = 0.75;
                            }
                            tx.add_memory(scope, &new, at(n))?
                        }
                        other => {
                            let mut turn = NewTurn::new(Role::User, text.clone());
                            turn.speaker = Some("Ann".into());
                            let session = sessions[usize::from(other == 1)];
                            let placement = if n % 8 > 4 { Placement::Window } else { Placement::LongTerm };
                            tx.add_turn(row, session, &turn, placement, at(n))?
                        }
                    };
                    let terms: Vec<u32> = (0..20 + n as u32 % 60).collect();
                    let passage = NewPassage {
                        start: 0,
                        end: text.len(),
                        words: 4,
                        cues: 0,
                        terms: &terms,
                        is_longer: n % 5 == 0,
                        content: added.row as u64,
                    };
                    let ids = tx.put_first_passages(&added, 3, &[passage])?;
                    tx.put_first_vector(model, ids[0], &vector(added.row))?;
                    if n % 10 == 0 {
                        tx.put_first_token_vectors(model, ids[0], &vec![n as u8; 900])?;
                    }
                    if n % 16 == 4 {
                        tx.end(row, added.id, Ended { at: at(n + 9), why: EndReason::Forgotten, by: None })?;
                    }
                }
            }
            Ok(())
        })
        .unwrap();
}

fn all(store: &Store) -> BTreeMap<MemoryId, Memory> {
    let filter = ListFilter { limit: usize::MAX, ..ListFilter::default() };
    let read = |snapshot: &Snapshot<'_>| -> Result<_> {
        let mut all = BTreeMap::new();
        for (scope, _) in snapshot.scopes()? {
            let row = snapshot.scope_id(&scope)?.unwrap();
            all.extend(snapshot.list(row, &filter)?.into_iter().map(|memory| (memory.id, memory)));
        }
        Ok(all)
    };
    store.read(read).unwrap()
}

fn salvage(from: &Path, to: &Path) -> Result<Salvaged> {
    let (mut last, was_there) = (None, to.exists());
    let salvaged = Store::salvage(from, to, &mut |steps| {
        assert!(steps.done <= steps.total && last.is_none_or(|last| last < steps.done));
        last = Some(steps.done);
    });
    if salvaged.is_err() {
        assert_eq!(to.exists(), was_there);
    }
    salvaged
}

/// The pages of a table or an index, in the order of the file, with their kind.
fn pages(path: &Path, table: &str) -> Vec<usize> {
    let bytes = std::fs::read(path).unwrap();
    let conn = Connection::open(path).unwrap();
    let root: usize =
        conn.query_row("SELECT rootpage FROM sqlite_schema WHERE name = ?1", [table], |row| row.get(0)).unwrap();
    let (mut open, mut found) = (vec![root], Vec::new());
    let number = |at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
    while let Some(page) = open.pop() {
        found.push(page);
        let start = (page - 1) * PAGE;
        if matches!(bytes[start], 2 | 5) {
            let cells = usize::from(u16::from_be_bytes(bytes[start + 3..start + 5].try_into().unwrap()));
            open.push(number(start + 8));
            for cell in 0..cells {
                let pointer = start + 12 + 2 * cell;
                let at = usize::from(u16::from_be_bytes(bytes[pointer..pointer + 2].try_into().unwrap()));
                open.push(number(start + at));
            }
        }
    }
    found.sort_unstable();
    found
}

fn destroy(path: &Path, page: usize) {
    let mut bytes = std::fs::read(path).unwrap();
    bytes[(page - 1) * PAGE..page * PAGE].fill(0xa5);
    std::fs::write(path, bytes).unwrap();
}

fn kept(salvaged: &Salvaged, table: &str) -> (u64, u64, bool) {
    salvaged
        .tables
        .iter()
        .find(|found| found.table == table)
        .map(|found| (found.kept, found.refused, found.is_whole))
        .unwrap()
}

#[test]
fn of_a_sound_file_everything_is_saved() -> Result {
    let folder = tempfile::tempdir().unwrap();
    let (path, to) = (folder.path().join("m.db"), folder.path().join("s.db"));
    fill(&path, 200);
    let before = std::fs::read(&path).unwrap();
    let salvaged = salvage(&path, &to)?;
    assert!(std::fs::read(&path).unwrap() == before);
    assert_eq!((salvaged.lost.len(), salvaged.unproven, salvaged.renamed_scopes.len()), (0, 0, 0));
    for table in &salvaged.tables {
        assert!(table.is_whole && table.refused == 0, "{table:?}");
    }
    assert_eq!(
        (kept(&salvaged, "memory").0, kept(&salvaged, "passage").0, kept(&salvaged, "vector").0),
        (600, 600, 600)
    );
    let (old, new) = (open(&path), open(&to));
    assert_eq!(all(&old), all(&new));
    assert_eq!(new.check()?, []);
    let uuid = |store: &Store| store.read(|snapshot| snapshot.uuid());
    assert_eq!(uuid(&new)?, salvaged.uuid);
    assert_ne!(uuid(&old)?, uuid(&new)?);
    new.write(|tx| -> Result {
        let model: ModelRow = tx.model(&model(), 384)?.unwrap();
        let (scope, mut read) = (tx.scope_id(&scopes()[1])?.unwrap(), Vec::new());
        for row in 1..=600 {
            let passage = tx.passages_of(&[row])?[0];
            assert!(tx.read_vector(model, passage, &mut read)? && read == vector(row));
        }
        // Every passage waits to be made anew, and its vector stays with what is the same.
        assert_eq!((tx.count_without_passages(3)?, tx.analysis()?), (600, 0));
        let passage = NewPassage { start: 0, end: 4, words: 1, cues: 0, terms: &[1], is_longer: true, content: 250 };
        let ids = tx.put_passages(250, 3, &[passage])?;
        assert!(tx.read_vector(model, ids[0], &mut read)? && read == vector(250) && ids[0] > 600);
        let hits = tx.text_search(&TextQuery { text: "garden", scope, limit: 9 })?;
        assert_eq!(hits.iter().map(|hit| hit.row).collect::<Vec<_>>(), [250]);
        let added = tx.add_memory(&scopes()[1], &NewMemory::new(Kind::Note, "new"), at(0))?;
        assert!(added.row > 600);
        Ok(())
    })?;
    Ok(())
}

/// Salvages a file of which a page was destroyed. What is in the new file is what was in the old one, and what is not is
/// named.
#[track_caller]
fn check(path: &Path, before: &BTreeMap<MemoryId, Memory>, page: usize) -> Salvaged {
    let folder = tempfile::tempdir().unwrap();
    let (broken, to) = (folder.path().join("m.db"), folder.path().join("s.db"));
    std::fs::copy(path, &broken).unwrap();
    destroy(&broken, page);
    let salvaged = salvage(&broken, &to).unwrap();
    let new = open(&to);
    assert_eq!(new.check().unwrap(), []);
    let after = all(&new);
    for (id, memory) in &after {
        let mut expected = before[id].clone();
        if salvaged.renamed_scopes.contains(&memory.scope.user().to_owned()) {
            expected.scope = memory.scope.clone();
        }
        if let (Some(turn), Some(expected)) = (&memory.turn, &mut expected.turn) {
            // With a page of windows, turns leave them; with one of sessions, a session gets another id.
            expected.placement = turn.placement.min(expected.placement);
            if kept(&salvaged, "session").2 {
                assert_eq!(turn.session, expected.session)
            }
            expected.session = turn.session;
        }
        if !kept(&salvaged, "source").2 {
            assert_eq!(memory.origin.is_some(), expected.origin.is_some());
            expected.origin = memory.origin.clone();
        }
        if !kept(&salvaged, "memory_state").2 {
            expected.state = memory.state.clone();
            expected.trust = memory.trust;
        }
        assert_eq!(*memory, expected);
    }
    let lost: BTreeSet<MemoryId> = salvaged.lost.iter().filter_map(|lost| lost.id).collect();
    let gone: BTreeSet<MemoryId> = before.keys().filter(|id| !after.contains_key(id)).copied().collect();
    assert_eq!(lost, gone);
    salvaged
}

#[test]
fn whichever_page_is_destroyed_what_the_others_hold_is_saved() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.db");
    fill(&path, 120);
    let before = all(&open(&path));
    for page in pages(&path, "memory") {
        let salvaged = check(&path, &before, page);
        assert!(!kept(&salvaged, "memory").2 && !salvaged.lost.is_empty());
    }
    for index in ["sqlite_autoindex_memory_1", "memory_scope", "memory_position", "memory_origin", "passage_content"] {
        for page in pages(&path, index) {
            // Without the index of ids, what is not lost needs no name.
            assert_eq!(check(&path, &before, page).lost, []);
        }
    }
    for table in ["passage", "vector", "token_vector", "window", "memory_state", "source", "session", "scope", "model"]
    {
        for page in pages(&path, table).into_iter().step_by(3) {
            let salvaged = check(&path, &before, page);
            assert_eq!(salvaged.lost, [], "{table} {page}");
            let memories = kept(&salvaged, "memory").0;
            assert_eq!(memories, before.len() as u64);
        }
    }
    for table in ["memory_words_data", "memory_grams_data", "change", "sqlite_sequence", "saved"] {
        for page in pages(&path, table).into_iter().take(3) {
            assert_eq!(check(&path, &before, page).lost, [], "{table} {page}");
        }
    }
}

#[test]
fn a_scope_that_lost_its_name_is_nobody_elses() -> Result {
    let folder = tempfile::tempdir().unwrap();
    let (path, to) = (folder.path().join("m.db"), folder.path().join("s.db"));
    fill(&path, 40);
    // A byte of a name: the table says otherwise than its index.
    let mut bytes = std::fs::read(&path).unwrap();
    let page = pages(&path, "scope")[0];
    let page = &mut bytes[(page - 1) * PAGE..page * PAGE];
    let place = page.windows(3).position(|window| window == b"ann").unwrap();
    page[place..place + 3].copy_from_slice(b"eve");
    std::fs::write(&path, bytes).unwrap();
    let salvaged = salvage(&path, &to)?;
    assert_eq!((salvaged.lost.len(), salvaged.renamed_scopes.len()), (0, 1));
    let counts = open(&to).read(|snapshot| snapshot.scopes())?;
    let names: Vec<_> = counts.iter().map(|(scope, count)| (scope.user().to_owned(), *count)).collect();
    assert_eq!(names.iter().map(|(_, count)| count).collect::<Vec<_>>(), [&40, &40, &40]);
    assert_eq!(names.iter().filter(|(name, _)| name == "ann" || name == "eve").count(), 0);
    Ok(())
}

#[test]
fn what_does_not_prove_itself_is_found_and_is_left_out() -> Result {
    let folder = tempfile::tempdir().unwrap();
    let (path, to) = (folder.path().join("m.db"), folder.path().join("s.db"));
    fill(&path, 40);
    let before = all(&open(&path));
    let conn = Connection::open(&path).unwrap();
    let change = |sql: &str| assert_eq!(conn.execute(sql, []).unwrap(), 1, "{sql}");
    change("UPDATE memory SET speaker = 'Eve' WHERE id = 7");
    change("UPDATE memory SET scope_id = 2 WHERE id = 5");
    change("UPDATE vector SET data = zeroblob(length(data)) WHERE id = (1 << 51) | (9 << 8)");
    change("UPDATE token_vector SET data = zeroblob(length(data)) WHERE id = (1 << 51) | (11 << 8)");
    conn.execute_batch("INSERT INTO vector (id, data) VALUES ((1 << 51) | (4000 << 8), x'00000000')").unwrap();
    drop(conn);
    let store = open(&path);
    let damage = store.check()?;
    let parts: Vec<_> = damage.iter().map(|damage| damage.part).collect();
    assert_eq!(parts, ["passages", "passages", "memories", "vectors", "vectors"], "{damage:?}");
    let named =
        before.values().find(|memory| memory.text.starts_with("user=ann says 6:")).map(|memory| memory.id).unwrap();
    assert!(damage[2].detail.contains(&named.to_string()), "{damage:?}");

    let salvaged = salvage(&path, &to)?;
    let lost: Vec<_> = salvaged.lost.iter().map(|lost| (lost.row, lost.id)).collect();
    assert_eq!(lost, [(7, Some(named))]);
    // Of the scope of the fifth the row and its index say one thing, and its passage another.
    assert_eq!((kept(&salvaged, "passage").1, kept(&salvaged, "vector").1), (1, 2));
    assert_eq!(open(&to).check()?, []);
    drop(store);

    let store = open(&path);
    let dropped = store.drop_damaged()?;
    assert_eq!((dropped.vectors, dropped.token_vectors), (2, 1));
    assert_eq!(store.drop_damaged()?, mnemon_store::Dropped::default());
    store.read(|snapshot| -> Result {
        let model = snapshot.model(&model(), 384)?;
        assert_eq!(snapshot.without_vector(model, 0, 9)?, [9]);
        Ok(())
    })?;
    assert!(store.check()?.iter().all(|damage| damage.part != "vectors"));
    Ok(())
}

#[test]
fn what_is_no_memory_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    std::fs::write(path("text"), "no database at all").unwrap();
    assert!(matches!(salvage(&path("text"), &path("s.db")), Err(StoreError::NotADatabase { .. })));
    assert!(matches!(salvage(&path("none"), &path("s.db")), Err(StoreError::CannotOpen { .. })));
    fill(&path("m.db"), 4);
    assert!(matches!(salvage(&path("m.db"), &path("m.db")), Err(StoreError::Exists { .. })));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// Bytes that are another anywhere behind the first page: whatever comes into the new file was in the old one.
    #[test]
    fn nothing_wrong_is_saved(hits in prop::collection::vec((1.0_f64 / 64.0..1.0, 1..64_usize, any::<u8>()), 1..12)) {
        let folder = tempfile::tempdir().unwrap();
        let (path, to) = (folder.path().join("m.db"), folder.path().join("s.db"));
        fill(&path, 60);
        let before = all(&open(&path));
        let mut bytes = std::fs::read(&path).unwrap();
        let end = bytes.len();
        for (place, length, byte) in hits {
            let start = ((place * end as f64) as usize).max(PAGE).min(end - 1);
            bytes[start..(start + length).min(end)].iter_mut().for_each(|found| *found ^= byte | 1);
        }
        std::fs::write(&path, bytes).unwrap();
        match Store::salvage(&path, &to, &mut |_| {}) {
            Ok(salvaged) => {
                let new = open(&to);
                prop_assert_eq!(new.check().unwrap(), []);
                for (id, memory) in all(&new) {
                    let expected = &before[&id];
                    prop_assert_eq!(
                        (&memory.text, &memory.caption, memory.kind, &memory.metadata, memory.occurred_at),
                        (&expected.text, &expected.caption, expected.kind, &expected.metadata, expected.occurred_at)
                    );
                    prop_assert!(
                        memory.scope == expected.scope
                            || salvaged.renamed_scopes.contains(&memory.scope.user().to_owned())
                    );
                    let turn = |memory: &Memory| memory.turn.as_ref().map(|t| (t.position, t.role, t.speaker.clone()));
                    prop_assert_eq!(turn(&memory), turn(expected));
                }
            }
            Err(StoreError::Corrupt(_)) => {}
            Err(error) => prop_assert!(false, "{error:?}"),
        }
    }
}
