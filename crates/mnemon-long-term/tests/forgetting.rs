//! Forgetting: expiry, decay, capacity, merging, and facts that newer ones replace.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod words;

use std::sync::Arc;
use std::time::Duration;

use mnemon_core::{EndReason, Kind, MemoryId, NewMemory, Scope, Slot, Timestamp, Trust};
use mnemon_long_term::{Embed, ForgetPolicy, Forgetting, Level, LongTerm, Period, RecallQuery};
use mnemon_store::{MemoryUpdate, Store};
use words::Words;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_750_000_000 + second).unwrap()
}

fn ann() -> Scope {
    Scope::user_scope("ann").unwrap()
}

fn memory() -> LongTerm {
    LongTerm::new(Arc::new(Store::open_in_memory().unwrap()), Some(Words::new("words")), Level::Fast)
}

fn add(memory: &LongTerm, new: NewMemory, now: i64) -> MemoryId {
    memory.add(&ann(), &[new], Embed::Now, at(now)).unwrap().added[0].id
}

fn fact(text: &str) -> NewMemory {
    NewMemory::new(Kind::Fact, text)
}

/// The texts that a question finds when it is asked at a time.
fn found(memory: &LongTerm, text: &str, now: i64) -> Vec<String> {
    let scope = ann();
    let query = RecallQuery { now: Some(at(now)), relevance_floor: 0.0, ..RecallQuery::new(text, &scope, 9) };
    let mut texts: Vec<String> = memory.recall(&query).unwrap().hits.into_iter().map(|hit| hit.memory.text).collect();
    texts.sort();
    texts
}

#[test]
fn a_newer_fact_about_a_slot_supersedes_the_one_before() {
    let memory = memory();
    let address = |city: &str| fact(&format!("Ann lives in {city}")).about("Ann", "address");
    let lyon = add(&memory, address("Lyon"), 0);
    add(&memory, fact("Ann lives with two cats").about("Ann", "pets"), 1);
    let nice = add(&memory, address("Nice"), 100);
    assert_eq!(found(&memory, "Where does Ann live?", 150), ["Ann lives in Nice", "Ann lives with two cats"]);
    // As of a time before, the old one holds.
    assert_eq!(found(&memory, "Where does Ann live?", 99).len(), 3);
    let scope = ann();
    let then = Period { from: None, to: Some(at(99)) };
    let query = RecallQuery { now: Some(at(99)), period: then, ..RecallQuery::new("Where does Ann live?", &scope, 9) };
    assert!(memory.recall(&query).unwrap().hits.iter().any(|hit| hit.memory.id == lyon));

    // The same again is merged, and what is older than what holds is history at once.
    let again = add(&memory, address("nice!"), 200);
    let older = add(&memory, address("Paris").at(at(-500)), 300);
    let history = memory.history(&ann(), &Slot::new("Ann", "address")).unwrap();
    let ends: Vec<_> = history.iter().map(|m| (m.id, m.state.ended.map(|e| (e.why, e.by.unwrap(), e.at)))).collect();
    assert_eq!(
        ends,
        [
            (lyon, Some((EndReason::Superseded, nice, at(100)))),
            (nice, None),
            (again, Some((EndReason::Merged, nice, at(200)))),
            (older, Some((EndReason::Superseded, nice, at(100)))),
        ]
    );
    // Of another scope nothing is known.
    assert!(memory.history(&Scope::default(), &Slot::new("Ann", "address")).unwrap().is_empty());
    assert_eq!(memory.store().check().unwrap(), []);
}

#[test]
fn one_memory_takes_the_place_of_another_when_told_so() {
    let memory = memory();
    let (old, new) =
        (add(&memory, fact("The ferry leaves at noon"), 0), add(&memory, fact("The ferry leaves at one"), 1));
    assert!(memory.supersede(&ann(), old, new, at(10)).unwrap());
    assert!(!memory.supersede(&ann(), old, new, at(20)).unwrap(), "it has ended already");
    assert_eq!(found(&memory, "When does the ferry leave?", 10), ["The ferry leaves at one"]);
    assert!(memory.supersede(&ann(), new, new, at(10)).is_err());
    assert!(memory.supersede(&Scope::default(), old, new, at(10)).is_err());
    let ended = memory.get(&ann(), old).unwrap().unwrap().state.ended.unwrap();
    assert_eq!((ended.at, ended.why, ended.by), (at(10), EndReason::Superseded, Some(new)));
    // When the new one is deleted, the old one stays ended; nothing points to what is gone.
    memory.delete(&ann(), new).unwrap();
    assert_eq!(memory.get(&ann(), old).unwrap().unwrap().state.ended.unwrap().by, None);
}

#[test]
fn what_expires_is_not_found_and_then_deleted() {
    let memory = memory();
    let code = add(&memory, fact("The door code is blue").expires_at(at(100)), 0);
    let pinned = add(&memory, fact("The gate code is red").expires_at(at(100)).pinned(true), 0);
    assert_eq!(found(&memory, "code", 99).len(), 2);
    assert!(found(&memory, "code", 100).is_empty());
    let update = |expires_at| MemoryUpdate { expires_at: Some(expires_at), ..MemoryUpdate::default() };
    memory.update(&ann(), code, &update(Some(at(200))), at(1)).unwrap();
    assert_eq!(found(&memory, "code", 150), ["The door code is blue"]);
    let forgotten = memory.forget(&ann(), &ForgetPolicy::default(), at(200)).unwrap();
    assert_eq!((forgotten.expired, forgotten.weak), (1, 0));
    assert!(memory.get(&ann(), code).unwrap().is_none() && memory.get(&ann(), pinned).unwrap().is_some());
    memory.update(&ann(), pinned, &update(None), at(1)).unwrap();
    assert_eq!(found(&memory, "code", 900), ["The gate code is red"]);
}

#[test]
fn what_is_weak_or_too_much_is_forgotten_and_stays_as_history() {
    let memory = memory();
    let dull = add(&memory, fact("A dull remark about socks").important(0.0), 0);
    let dear = add(&memory, fact("A dear remark about socks").important(1.0), 0);
    let used = add(&memory, fact("A useful remark about socks"), 0);
    memory
        .store()
        .write(|tx| {
            let row = tx.memory_row(tx.scope_id(&ann())?.unwrap(), used)?.unwrap();
            tx.note_uses(&[(row, 3, at(50)), (row, 4, at(40)), (9_999, 1, at(1))])
        })
        .unwrap();
    let state = memory.get(&ann(), used).unwrap().unwrap().state;
    assert_eq!((state.uses, state.last_used), (7, Some(at(50))));
    let policy = ForgetPolicy { half_life: Some(Duration::from_secs(20)), ..ForgetPolicy::default() };
    let forgotten = memory.forget(&ann(), &policy, at(100)).unwrap();
    assert_eq!((forgotten.weak, forgotten.expired, forgotten.over_capacity), (1, 0, 0));
    assert_eq!(memory.get(&ann(), dull).unwrap().unwrap().state.ended.unwrap().why, EndReason::Forgotten);
    assert_eq!(found(&memory, "socks", 100).len(), 2);
    assert_eq!(found(&memory, "socks", 99).len(), 3);
    let policy = ForgetPolicy { capacity: Some(1), how: Forgetting::Delete, ..policy };
    assert_eq!(memory.forget(&ann(), &policy, at(100)).unwrap().over_capacity, 1);
    assert!(memory.get(&ann(), used).unwrap().is_none() && memory.get(&ann(), dear).unwrap().is_some());
    assert_eq!(memory.store().check().unwrap(), []);
}

#[test]
fn what_says_the_same_is_merged_and_keeps_its_origin() {
    let memory = memory();
    let first = add(&memory, fact("Ann is allergic to peanuts"), 0);
    let second = add(&memory, fact("ann is ALLERGIC to peanuts!").from_origin("file:notes.md", "7").pinned(true), 10);
    let third = add(&memory, fact("Ann, is allergic to peanuts").pinned(true), 20);
    let other = add(&memory, fact("Ann is not allergic to peanuts"), 30);
    let number = add(&memory, fact("Ann paid 20 for peanuts"), 40);
    add(&memory, fact("Ann paid 30 for peanuts"), 50);
    let merged = memory.merge_duplicates(&ann(), at(100)).unwrap();
    assert_eq!(merged.len(), 1);
    assert_eq!((merged[0].kept, merged[0].merged.clone()), (second, vec![first]), "what is pinned does not end");
    let ended = memory.get(&ann(), first).unwrap().unwrap().state.ended.unwrap();
    assert_eq!((ended.why, ended.by), (EndReason::Merged, Some(second)));
    for id in [second, third, other, number] {
        assert!(memory.get(&ann(), id).unwrap().unwrap().state.ended.is_none());
    }
    let kept = memory.get(&ann(), second).unwrap().unwrap();
    assert_eq!((kept.origin.unwrap().source, kept.trust), ("file:notes.md".to_owned(), Trust::External));
    assert!(memory.merge_duplicates(&ann(), at(101)).unwrap().is_empty());
}

#[test]
fn what_is_not_believed_enough_is_not_found() {
    let memory = memory();
    add(&memory, fact("The boiler is in the cellar"), 0);
    add(&memory, fact("The boiler is on the roof").from_origin("file:x", "1"), 0);
    let wrong = add(&memory, fact("The boiler is in the garden").trusted(Trust::Untrusted), 0);
    let scope = ann();
    let believed = |least| {
        let query = RecallQuery { least_trust: least, relevance_floor: 0.0, ..RecallQuery::new("boiler", &scope, 9) };
        memory.recall(&query).unwrap().hits.len()
    };
    assert_eq!([None, Some(Trust::External), Some(Trust::User)].map(believed), [3, 2, 1]);
    let update = MemoryUpdate { trust: Some(Trust::User), ..MemoryUpdate::default() };
    memory.update(&ann(), wrong, &update, at(1)).unwrap();
    assert_eq!(believed(Some(Trust::User)), 2, "the change log tells those who have it in memory");
}
