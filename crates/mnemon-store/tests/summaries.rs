//! Summaries go with what they tell of, whichever way that goes, and their other turns wait again.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;

use mnemon_core::{
    EndReason, Ended, Kind, MemoryId, NewMemory, NewTurn, Placement, Role, Scope, SessionId, Timestamp, Trust,
};
use mnemon_store::{
    Existing, ListFilter, MADE_KEY, MemoryUpdate, NewSession, RowId, ScopeRow, Selection, Store, StoreError,
    StoreOptions, WriteTx,
};
use proptest::prelude::*;

const NOW: Timestamp = Timestamp::UNIX_EPOCH;

/// A session of which all turns left the window.
struct World {
    store: Store,
    scope: ScopeRow,
    session: SessionId,
    turns: Vec<(RowId, MemoryId)>,
}

fn ann() -> Scope {
    Scope::user_scope("ann").unwrap()
}

fn every() -> ListFilter {
    ListFilter { summaries: true, limit: usize::MAX, ..ListFilter::default() }
}

impl World {
    fn new(store: Store, turns: usize) -> Self {
        let said: Vec<NewTurn> = (0..turns).map(|n| NewTurn::new(Role::User, format!("turn {n}"))).collect();
        let (scope, session, added) = store
            .write(|tx| -> Result<_, StoreError> {
                let scope = tx.ensure_scope(&ann())?;
                let session = tx.start_session(scope, &NewSession::unnamed(NOW), NOW)?;
                let added = tx.append_turns(scope, session, &said, Placement::LongTerm, NOW)?;
                let rows: Vec<RowId> = added.iter().map(|added| added.row).collect();
                tx.await_summary(scope, session, &rows)?;
                Ok((scope, session, added))
            })
            .unwrap();
        let turns = added.into_iter().map(|added| (added.row, added.id)).collect();
        Self { store, scope, session, turns }
    }

    /// Summaries of `size` turns each, and one of each four of a depth.
    fn summarise(&self, size: usize) {
        self.store
            .write(|tx| -> Result<(), StoreError> {
                let due = tx.due_for_summary(self.scope, self.session, usize::MAX)?;
                let due: Vec<RowId> = due.into_iter().map(|(row, _)| row).collect();
                for chunk in due.chunks(size) {
                    self.enter(tx, 1, chunk)?;
                }
                loop {
                    let parts = tx.summaries_to_join(self.scope, self.session, 4)?;
                    let Some(depth) = parts.first().map(|part| part.depth + 1) else { return Ok(()) };
                    self.enter(tx, depth, &parts.iter().map(|part| part.row).collect::<Vec<_>>())?;
                }
            })
            .unwrap();
    }

    fn enter(&self, tx: &WriteTx<'_>, depth: u32, parts: &[RowId]) -> Result<(), StoreError> {
        let place = (self.scope, self.session);
        assert!(tx.may_be_summarised(place, depth, parts)?);
        let texts: Vec<String> = tx.memories(parts)?.into_iter().map(|(_, memory)| memory.text).collect();
        let mut summary = NewMemory::new(Kind::Summary, texts.join(", "));
        summary.metadata.insert(MADE_KEY.into(), serde_json::json!({ "depth": depth }));
        let added = tx.add_memory(&ann(), &summary, NOW)?;
        tx.enter_summary(place, added.row, depth, parts)?;
        assert!(!tx.may_be_summarised(place, depth, parts)?, "they were summarised");
        Ok(())
    }

    /// Every turn either waits or is in exactly one of the summaries at the top, which say what their turns say.
    fn check(&self) {
        self.store
            .read(|snapshot| -> Result<(), StoreError> {
                let mut seen = BTreeSet::new();
                for (row, _) in snapshot.due_for_summary(self.scope, self.session, usize::MAX)? {
                    assert!(seen.insert(row));
                }
                for top in snapshot.top_summaries(self.scope, self.session)? {
                    let mut below = vec![top.row];
                    let mut said = Vec::new();
                    while let Some(summary) = below.pop() {
                        for (row, memory) in snapshot.summary_parts(summary)? {
                            if memory.kind == Kind::Summary {
                                below.push(row);
                            } else {
                                assert!(seen.insert(row), "{row} is told twice");
                                assert!(memory.state.ended.is_none());
                                said.push((row, memory.text));
                            }
                        }
                    }
                    said.sort();
                    let mut told: Vec<&str> = top.memory.text.split(", ").collect();
                    let mut said: Vec<&str> = said.iter().map(|(_, text)| text.as_str()).collect();
                    told.sort_unstable();
                    said.sort_unstable();
                    assert_eq!(told, said);
                }
                let all = snapshot.list(self.scope, &every())?;
                let holding = all.iter().filter(|memory| memory.turn.is_some() && memory.state.ended.is_none());
                let missing = holding
                    .filter(|memory| !seen.contains(&snapshot.memory_row(self.scope, memory.id).unwrap().unwrap()));
                assert_eq!(missing.count(), 0);
                Ok(())
            })
            .unwrap();
        assert_eq!(self.store.check().unwrap(), []);
    }

    fn depths(&self) -> Vec<u32> {
        let top = self.store.read(|snapshot| snapshot.top_summaries(self.scope, self.session)).unwrap();
        top.into_iter().map(|summary| summary.depth).collect()
    }

    fn texts(&self) -> Vec<String> {
        let list = self.store.read(|snapshot| snapshot.list(self.scope, &every())).unwrap();
        list.into_iter().map(|memory| memory.text).collect()
    }
}

#[test]
fn what_a_turn_said_is_in_no_summary_when_it_goes_changes_or_ends() {
    type Way = fn(&WriteTx<'_>, ScopeRow, MemoryId) -> Result<(), StoreError>;
    let ways: [(&str, Way); 6] = [
        ("delete", |tx, scope, id| tx.delete(scope, id)),
        ("erase", |tx, _, id| tx.erase(&ann(), &Selection::Ids(vec![id]), NOW).map(|_| ())),
        ("change", |tx, scope, id| {
            let update = MemoryUpdate { text: Some("another text".into()), ..MemoryUpdate::default() };
            tx.update(scope, id, &update, NOW).map(|_| ())
        }),
        ("distrust", |tx, scope, id| {
            let update = MemoryUpdate { trust: Some(Trust::Untrusted), ..MemoryUpdate::default() };
            tx.update(scope, id, &update, NOW).map(|_| ())
        }),
        ("expire", |tx, scope, id| {
            let update = MemoryUpdate { expires_at: Some(Some(NOW)), ..MemoryUpdate::default() };
            tx.update(scope, id, &update, NOW).map(|_| ())
        }),
        ("end", |tx, scope, id| tx.end(scope, id, Ended { at: NOW, why: EndReason::Forgotten, by: None }).map(|_| ())),
    ];
    for (name, way) in ways {
        let world = World::new(Store::open_in_memory().unwrap(), 64);
        world.summarise(2);
        assert_eq!(world.depths(), [3, 3]);
        let (row, id) = world.turns[5];
        world.store.write(|tx| way(tx, world.scope, id)).unwrap();
        assert!(!world.texts().iter().any(|text| text.contains("turn 4, turn 5")), "{name}");
        // Its neighbour waits, and itself where it is still there.
        let due = world.store.read(|snapshot| snapshot.due_for_summary(world.scope, world.session, 9)).unwrap();
        let due: Vec<RowId> = due.into_iter().map(|(row, _)| row).collect();
        assert!(due.contains(&world.turns[4].0) && due.len() <= 2, "{name}: {due:?}");
        assert_eq!(due.contains(&row), !matches!(name, "delete" | "erase"), "{name}");
        // Its three neighbours of each depth are at the top.
        assert_eq!(world.depths(), [1, 1, 1, 2, 2, 2, 3], "{name}");
        assert_eq!(world.store.check().unwrap(), []);
    }
}

#[test]
fn erasing_a_turn_erases_what_tells_of_it_and_says_so() {
    let world = World::new(Store::open_in_memory().unwrap(), 64);
    world.summarise(2);
    let ids = vec![world.turns[5].1];
    let erased = world.store.write(|tx| tx.erase(&ann(), &Selection::Ids(ids), NOW)).unwrap();
    assert_eq!(erased.ids.len(), 4, "a turn, and summaries of three depths");
    let all = world.store.write(|tx| tx.erase(&ann(), &Selection::Session(world.session), NOW)).unwrap();
    // 63 turns, 31 + 7 + 1 summaries.
    assert_eq!(all.ids.len(), 63 + 39);
    assert_eq!(world.texts(), Vec::<String>::new());
}

#[test]
fn a_summary_that_is_deleted_by_hand_is_not_made_again_of_its_turns() {
    let world = World::new(Store::open_in_memory().unwrap(), 16);
    world.summarise(2);
    let top = world.store.read(|snapshot| snapshot.top_summaries(world.scope, world.session)).unwrap();
    let parts = world.store.read(|snapshot| snapshot.summary_parts(top[0].row)).unwrap();
    world.store.write(|tx| tx.delete(world.scope, parts[0].1.id)).unwrap();
    assert_eq!(world.depths(), [1, 1, 1, 2]);
    let due = world.store.read(|snapshot| snapshot.due_for_summary(world.scope, world.session, 9)).unwrap();
    assert_eq!(due.len(), 0);
}

#[test]
fn salvage_makes_them_anew() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("old.db");
    let world = World::new(Store::open(&path, StoreOptions::default()).unwrap(), 16);
    world.summarise(2);
    world.store.write(|tx| tx.add_memory(&ann(), &NewMemory::new(Kind::Summary, "given by hand"), NOW)).unwrap();
    drop(world);
    let to = folder.path().join("new.db");
    let report = Store::salvage(&path, &to, &mut |_| {}).unwrap();
    assert!(report.lost.is_empty(), "{:?}", report.lost);
    let store = Store::open(&to, StoreOptions::default()).unwrap();
    store
        .read(|snapshot| -> Result<(), StoreError> {
            let scope = snapshot.scope_id(&ann())?.unwrap();
            let session = snapshot.latest_session(scope)?.unwrap();
            let all = snapshot.list(scope, &every())?;
            assert_eq!(all.iter().filter(|memory| memory.kind == Kind::Summary).count(), 1);
            assert_eq!(snapshot.due_for_summary(scope, session, 99)?.len(), 16);
            Ok(())
        })
        .unwrap();
    let copy = folder.path().join("copy.db");
    store.backup(&copy, Existing::Refuse, &mut |_| {}).unwrap();
    assert_eq!(Store::open(&copy, StoreOptions::default()).unwrap().check().unwrap(), []);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn every_turn_is_told_once_or_waits(
        turns in 1usize..80,
        size in 1usize..5,
        steps in prop::collection::vec((0usize..80, 0u8..5), 0..12),
    ) {
        let world = World::new(Store::open_in_memory().unwrap(), turns);
        world.summarise(size);
        world.check();
        for (at, way) in steps {
            let id = world.turns[at % turns].1;
            let done = world.store.write(|tx| match way {
                0 => tx.delete(world.scope, id),
                1 => tx.erase(&ann(), &Selection::Ids(vec![id]), NOW).map(|_| ()),
                2 => {
                    let update = MemoryUpdate { text: Some(format!("said anew {at}")), ..MemoryUpdate::default() };
                    tx.update(world.scope, id, &update, NOW).map(|_| ())
                }
                3 => {
                    let row = tx.memory_row(world.scope, id)?.ok_or(StoreError::NoMemory { id })?;
                    tx.end(world.scope, id, Ended { at: NOW, why: EndReason::Forgotten, by: None })?;
                    // The engine does so when it meets one that does not hold.
                    tx.await_no_summary(world.scope, world.session, &[row])
                }
                _ => Ok(()),
            });
            prop_assert!(matches!(done, Ok(()) | Err(StoreError::NoMemory { .. })), "{done:?}");
            if way == 4 {
                world.summarise(size);
            }
            world.check();
        }
    }
}
