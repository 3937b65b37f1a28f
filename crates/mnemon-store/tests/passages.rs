//! Passages through the public interface of the store.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, HashMap};

use mnemon_core::{Kind, ModelId, NewMemory, NewTurn, Placement, Role, Scope, Timestamp};
use mnemon_store::{
    ChangeOp, Counted, Head, MemoryUpdate, NewPassage, NewSession, ScopeRow, Snapshot, Store, StoreError, StoreOptions,
    WriteTx,
};
use proptest::prelude::*;

type Result<T = ()> = std::result::Result<T, StoreError>;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_750_000_000 + second).unwrap()
}

fn scope(user: &str) -> Scope {
    Scope::user_scope(user).unwrap()
}

fn model() -> ModelId {
    ModelId { name: "m".into(), revision: "1".into(), dtype: "f32".into() }
}

fn whole(terms: &[u32]) -> NewPassage<'_> {
    NewPassage { start: 0, end: 1, words: 1, cues: 0, terms, is_longer: false, content: 0 }
}

/// A note of one passage with these terms.
fn note(tx: &WriteTx<'_>, user: &str, terms: &[u32]) -> Result<(i64, i64)> {
    let row = tx.add_memory(&scope(user), &NewMemory::new(Kind::Note, "x"), at(0))?.row;
    Ok((row, tx.put_passages(row, 1, &[whole(terms)])?[0]))
}

/// The passages of a scope with their terms.
fn passages(snapshot: &Snapshot<'_>, user: &str) -> Result<Vec<(i64, Vec<u32>)>> {
    let Some(scope) = snapshot.scope_id(&scope(user))? else { return Ok(Vec::new()) };
    let mut passages = Vec::new();
    snapshot.each_passage(scope, |passage| passages.push((passage.id, passage.terms)))?;
    Ok(passages)
}

fn found(snapshot: &Snapshot<'_>, user: &str, terms: &[u32]) -> Result<Vec<i64>> {
    let of_user = passages(snapshot, user)?.into_iter();
    Ok(of_user.filter(|(_, known)| known.iter().any(|term| terms.contains(term))).map(|(id, _)| id).collect())
}

/// Runs `work` in one transaction of a new store, which has to be sound afterwards.
fn check(work: impl FnOnce(&WriteTx<'_>) -> Result) -> Store {
    let store = Store::open_in_memory().unwrap();
    store.write(work).unwrap();
    assert_eq!(store.check().unwrap(), []);
    store
}

#[test]
fn passages_are_read_as_they_were_written() {
    check(|tx| {
        let ann = tx.ensure_scope(&scope("ann"))?;
        let session = tx.start_session(ann, &NewSession::unnamed(at(0)), at(0))?;
        let turns = [
            NewTurn::new(Role::User, "Where is the cat?").by("Ann").at(at(-9)),
            NewTurn::new(Role::Assistant, "In the garden."),
        ];
        let mut rows = Vec::new();
        for turn in &turns {
            rows.push(tx.add_turn(ann, session, turn, Placement::Window, at(1))?.row);
        }
        let document = tx.add_memory(&scope("ann"), &NewMemory::new(Kind::Document, "One. Two. Three."), at(2))?.row;
        let question = NewPassage { end: 17, words: 4, cues: u32::MAX, ..whole(&[u32::MAX, 0, 5, 5]) };
        let mut ids = tx.put_passages(rows[0], 3, &[question])?;
        ids.extend(tx.put_passages(rows[1], 3, &[NewPassage { end: 14, words: 3, ..whole(&[]) }])?);
        let part = |start, end| NewPassage { start, end, cues: 2, ..whole(&[9]) };
        ids.extend(tx.put_passages(document, 3, &[part(0, 4), part(5, 9), part(10, 16)])?);

        assert_eq!(tx.passages_of(&[document, rows[0]])?, [ids[2], ids[3], ids[4], ids[0]]);
        let back: Vec<_> = tx.passages(&[ids[4], 999, ids[0], ids[0]])?;
        assert_eq!(back.iter().map(|passage| passage.id).collect::<Vec<_>>(), [ids[4], ids[0], ids[0]]);
        let (third, first) = (&back[0], &back[1]);
        assert_eq!((third.memory, third.ordinal, third.start, third.end), (document, 2, 10, 16));
        assert_eq!((third.kind, third.role, &third.speaker, third.time), (Kind::Document, None, &None, at(2)));
        assert_eq!((first.words, first.cues, &first.terms[..]), (4, u32::MAX, &[u32::MAX, 0, 5, 5][..]));
        assert_eq!((first.kind, first.role, first.time), (Kind::Turn, Some(Role::User), at(-9)));
        assert_eq!(first.speaker.as_deref(), Some("Ann"));

        // The turns of the session are one run, the parts of the document another.
        let places = |run, from, to| -> Result<Vec<i64>> {
            Ok(tx.passages_of_run(run, from, to)?.into_iter().map(|passage| passage.id).collect())
        };
        assert_eq!(places(first.run, -2, 3)?, ids[..2]);
        assert_eq!(places(first.run, 1, 1)?, [ids[1]]);
        assert_eq!(places(third.run, 0, 1)?, ids[2..4]);
        assert_eq!(places(third.run, 2, 1)?, [0; 0]);
        Ok(())
    });
}

#[test]
fn other_passages_replace_those_that_are_there() {
    check(|tx| {
        let (row, old) = note(tx, "ann", &[1, 2])?;
        let model = tx.ensure_model(&model(), 1)?;
        tx.put_vector(model, old, &[1.0])?;
        tx.put_token_vectors(model, old, b"abc")?;
        let new = tx.put_passages(row, 2, &[whole(&[2, 3])])?;
        assert!(new[0] > old);
        assert_eq!(found(tx, "ann", &[1])?, [0; 0]);
        assert_eq!(found(tx, "ann", &[2])?, new);
        assert_eq!(passages(tx, "ann")?, [(new[0], vec![2, 3])]);
        let (mut vector, mut bytes) = (Vec::new(), Vec::new());
        assert!(!tx.read_vector(model, old, &mut vector)? && !tx.read_token_vectors(model, old, &mut bytes)?);
        assert_eq!((tx.without_passages(1, 0, 9)?, tx.without_passages(2, 0, 9)?), (vec![row], vec![]));
        assert_eq!(tx.put_passages(row, 2, &[])?, [0; 0]);
        assert_eq!((passages(tx, "ann")?, tx.count_without_passages(2)?), (vec![], 1));
        assert_eq!(tx.put_passages(row + 1, 2, &[whole(&[2])])?, [0; 0], "of a memory that is gone");
        Ok(())
    });
}

#[test]
fn a_vector_stays_with_what_it_was_made_of() {
    check(|tx| {
        let row = tx.add_memory(&scope("ann"), &NewMemory::new(Kind::Document, "xyz"), at(0))?.row;
        let of = |content| NewPassage { content, ..whole(&[1]) };
        let old = tx.put_passages(row, 1, &[of(7), of(8), of(9)])?;
        let (m, n) = (tx.ensure_model(&model(), 1)?, tx.ensure_model(&model(), 2)?);
        for (number, passage) in old.iter().enumerate() {
            tx.put_vector(m, *passage, &[1.0 + number as f32])?;
            tx.put_token_vectors(m, *passage, b"abc")?;
        }
        tx.put_vector(n, old[1], &[0.0, 1.0])?;
        let head = tx.head()?;
        let new = tx.put_passages(row, 2, &[of(8), of(6), of(7)])?;
        let read = |model, passage: i64| -> Result<Option<Vec<f32>>> {
            let mut vector = Vec::new();
            Ok(tx.read_vector(model, passage, &mut vector)?.then_some(vector))
        };
        assert_eq!((read(m, new[0])?, read(n, new[0])?), (Some(vec![2.0]), Some(vec![0.0, 1.0])));
        assert_eq!((read(m, new[1])?, read(m, new[2])?, read(n, new[2])?), (None, Some(vec![1.0]), None));
        // Pieces are read among their neighbours, and these may be others now.
        assert_eq!(tx.without_token_vectors(Some(m), 0, 9)?, new);
        // Who follows the log learns of all of it that is about the serving model.
        let changes = tx.changes_since(tx.ensure_scope(&scope("ann"))?, head)?.unwrap();
        let of = |op| changes.iter().filter(|change| change.op == op).count();
        assert_eq!((of(ChangeOp::PassageDropped), of(ChangeOp::PassageStored), of(ChangeOp::VectorStored)), (3, 3, 2));
        Ok(())
    });
}

#[test]
fn an_equal_content_is_found_in_its_scope_only() {
    check(|tx| {
        let with = |user: &str, content| -> Result<i64> {
            let row = tx.add_memory(&scope(user), &NewMemory::new(Kind::Note, "x"), at(0))?.row;
            Ok(tx.put_passages(row, 1, &[NewPassage { content, ..whole(&[]) }])?[0])
        };
        let (first, _, second) = (with("ann", 5)?, with("ann", 6)?, with("ann", 5)?);
        let other = with("bob", 5)?;
        let found = |user: &str, content, limit| -> Result<Vec<i64>> {
            tx.passages_of_content(tx.ensure_scope(&scope(user))?, content, limit)
        };
        assert_eq!((found("ann", 5, 9)?, found("ann", 5, 1)?), (vec![first, second], vec![first]));
        assert_eq!((found("bob", 5, 9)?, found("bob", 6, 9)?), (vec![other], vec![]));
        tx.delete(tx.ensure_scope(&scope("ann"))?, tx.memories(&[tx.passages(&[first])?[0].memory])?[0].1.id)?;
        assert_eq!(found("ann", 5, 9)?, [second]);
        Ok(())
    });
}

#[test]
fn passages_go_with_their_memory() {
    let store = check(|tx| {
        let ann = tx.ensure_scope(&scope("ann"))?;
        let (_, kept) = note(tx, "bob", &[1])?;
        let mut gone = Vec::new();
        for n in 0..3 {
            gone.push(note(tx, "ann", &[1, n])?);
        }
        let model = tx.ensure_model(&model(), 1)?;
        for (_, passage) in &gone {
            tx.put_vector(model, *passage, &[1.0])?;
            tx.put_token_vectors(model, *passage, b"abc")?;
        }
        tx.delete(ann, tx.memories(&[gone[0].0])?[0].1.id)?;
        let text = MemoryUpdate { text: Some("y".into()), ..MemoryUpdate::default() };
        tx.update(ann, tx.memories(&[gone[1].0])?[0].1.id, &text, at(1))?;
        assert_eq!(tx.passages_of(&gone.iter().map(|(row, _)| *row).collect::<Vec<_>>())?, [gone[2].1]);
        assert_eq!(found(tx, "ann", &[1])?, [gone[2].1]);
        assert_eq!(passages(tx, "ann")?.len(), 1);
        assert_eq!(tx.clear(ann)?, 2);
        assert_eq!(passages(tx, "ann")?, []);
        assert_eq!(found(tx, "bob", &[1])?, [kept]);
        Ok(())
    });
    let stats = store.read(|snapshot| snapshot.stats(&store, Counted::File)).unwrap();
    assert_eq!((stats.memories, stats.passages), (1, 1));
    assert_eq!((stats.vectors, stats.token_vectors), (vec![(model(), 0)], vec![(model(), 0)]));
}

#[test]
fn vectors_belong_to_passages() {
    let store = check(|tx| {
        let (_, one) = note(tx, "ann", &[1])?;
        let (_, two) = note(tx, "bob", &[1])?;
        assert_eq!((tx.without_vector(None, 0, 9)?, tx.count_without_vector(None)?), (vec![one, two], 2));
        let model = tx.ensure_model(&model(), 2)?;
        for values in [[3.0, 4.0], [0.5, -0.5]] {
            assert!(tx.put_vector(model, two, &values)?);
        }
        assert_eq!(tx.without_vector(Some(model), 0, 9)?, [one]);
        assert_eq!(tx.without_vector(Some(model), one, 9)?, [0; 0]);
        let seen = |user| -> Result<Vec<(i64, Vec<f32>)>> {
            let mut seen = Vec::new();
            tx.each_vector_of(tx.ensure_scope(&scope(user))?, model, |passage, vector| -> Result {
                seen.push((passage, vector.to_vec()));
                Ok(())
            })?;
            Ok(seen)
        };
        assert_eq!((seen("ann")?, seen("bob")?), (vec![], vec![(two, vec![0.5, -0.5])]));

        let head = tx.head()?;
        for bytes in [&b"first"[..], b"", b"\x00\xff"] {
            assert!(tx.put_token_vectors(model, one, bytes)?);
        }
        assert!(!tx.put_token_vectors(model, 999, b"of a passage that is gone")?);
        assert_eq!(tx.head()?, head, "nobody caches them");
        let mut bytes = b"rest".to_vec();
        assert!(tx.read_token_vectors(model, one, &mut bytes)?);
        assert_eq!(bytes, b"\x00\xff");
        assert_eq!(
            (tx.without_token_vectors(Some(model), 0, 9)?, tx.count_without_token_vectors(Some(model))?),
            (vec![two], 1)
        );
        Ok(())
    });
    let stats = |user: &str| {
        let stats = store.read(|snapshot| {
            let row = snapshot.scope_id(&scope(user))?;
            snapshot.stats(&store, Counted::Scope(row))
        });
        let stats = stats.unwrap();
        (stats.passages, stats.vectors[0].1, stats.token_vectors[0].1)
    };
    assert_eq!((stats("ann"), stats("bob"), stats("cy")), ((1, 0, 1), (1, 1, 0), (0, 0, 0)));
}

#[test]
fn a_memory_has_its_vectors_when_every_passage_has_one() {
    let store = check(|tx| {
        note(tx, "ann", &[1])?;
        let row = tx.add_memory(&scope("ann"), &NewMemory::new(Kind::Document, "x y"), at(0))?.row;
        let model = tx.ensure_model(&model(), 1)?;
        for (n, passage) in tx.put_passages(row, 1, &[whole(&[]); 2])?.into_iter().enumerate() {
            tx.put_vector(model, passage, &[1.0])?;
            let stats = |of: &WriteTx<'_>| {
                let store = Store::open_in_memory()?;
                of.stats(&store, Counted::File).map(|stats| (stats.passages, stats.vectors[0].1))
            };
            assert_eq!(stats(tx)?, (3, n as u64));
        }
        Ok(())
    });
    let stats = store.read(|snapshot| snapshot.stats(&store, Counted::File)).unwrap();
    assert_eq!((stats.memories, stats.passages, stats.vectors[0].1), (2, 3, 1));
}

#[test]
fn what_is_no_passage_is_refused() {
    let store = Store::open_in_memory().unwrap();
    let refuse = |passages: &[NewPassage<'_>], turn: bool, message: &str| {
        let error = store
            .write(|tx| -> Result {
                let ann = tx.ensure_scope(&scope("ann"))?;
                let session = tx.start_session(ann, &NewSession::unnamed(at(0)), at(0))?;
                let row = if turn {
                    tx.add_turn(ann, session, &NewTurn::new(Role::User, "äb"), Placement::LongTerm, at(0))?.row
                } else {
                    tx.add_memory(&scope("ann"), &NewMemory::new(Kind::Note, "äb"), at(0))?.row
                };
                tx.put_passages(row, 1, passages).map(|_| ())
            })
            .unwrap_err();
        assert_eq!(error.to_string(), message);
    };
    refuse(&[whole(&[]); 2], true, "expected one passage for a turn as passages, got 2 passages");
    let outside = "expected a range inside of the text of the memory as passage, got ";
    refuse(&[NewPassage { end: 4, ..whole(&[]) }], false, &format!("{outside}0..4 of 3 bytes"));
    refuse(&[whole(&[]), NewPassage { start: 2, ..whole(&[]) }], false, &format!("{outside}2..1 of 3 bytes"));
}

#[test]
fn the_newest_time_is_that_of_what_happened() {
    check(|tx| {
        let ann = tx.ensure_scope(&scope("ann"))?;
        assert_eq!((tx.newest_time(ann)?, tx.speakers(ann, 9)?), (None, vec![]));
        for second in [30, 10, 20] {
            tx.add_memory(&scope("ann"), &NewMemory::new(Kind::Note, "x").at(at(second)), at(99))?;
        }
        tx.add_memory(&scope("bob"), &NewMemory::new(Kind::Note, "x"), at(40))?;
        assert_eq!(tx.newest_time(ann)?, Some(at(30)));
        Ok(())
    });
}

#[test]
fn speakers_are_named_once_each() {
    check(|tx| {
        for (user, names) in [("ann", &["Cy", "Ann", "", "Cy", "Bo"][..]), ("bob", &["Zed"])] {
            let row = tx.ensure_scope(&scope(user))?;
            let session = tx.start_session(row, &NewSession::unnamed(at(0)), at(0))?;
            tx.add_turn(row, session, &NewTurn::new(Role::User, "hi"), Placement::LongTerm, at(0))?;
            for name in names {
                tx.add_turn(row, session, &NewTurn::new(Role::User, "hi").by(*name), Placement::LongTerm, at(0))?;
            }
        }
        let ann = tx.ensure_scope(&scope("ann"))?;
        assert_eq!(tx.speakers(ann, 9)?, ["", "Ann", "Bo", "Cy"]);
        assert_eq!(tx.speakers(ann, 2)?, ["", "Ann"]);
        assert_eq!(tx.speakers(ann, 0)?, Vec::<String>::new());
        Ok(())
    });
}

#[test]
fn damage_of_the_passages_is_found() {
    let check = |sql: &str, expected: &str| {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.db");
        let store = Store::open(&path, StoreOptions::default()).unwrap();
        store.write(|tx| note(tx, "ann", &[1, 2])).unwrap();
        assert_eq!(store.check().unwrap(), []);
        rusqlite::Connection::open(&path).unwrap().execute_batch(sql).unwrap();
        let damage: Vec<_> = store.check().unwrap().into_iter().map(|d| format!("{}: {}", d.part, d.detail)).collect();
        assert_eq!(damage, [expected]);
    };
    check("UPDATE passage SET place = 3", "passages: passages have the scope and the place of their memory: 1 do not");
}

/// The passages of a scope: the terms of each, and whether it has a vector.
type Cache = BTreeMap<i64, (Vec<u32>, bool)>;

/// What a cache of a scope comes to that reads the log from `since` on.
fn follow(snapshot: &Snapshot<'_>, scope: ScopeRow, since: Head, cache: &mut Cache) -> Result<Head> {
    let model = snapshot.model(&model(), 1)?;
    for change in snapshot.changes_since(scope, since)?.unwrap() {
        match change.op {
            ChangeOp::PassageStored => {
                if let Some(passage) = snapshot.passages(&[change.passage])?.pop() {
                    cache.insert(change.passage, (passage.terms, false));
                }
            }
            ChangeOp::PassageDropped => {
                cache.remove(&change.passage);
            }
            ChangeOp::PassageChanged | ChangeOp::Erased | ChangeOp::ModelSwitched => {}
            ChangeOp::VectorStored | ChangeOp::VectorDropped => {
                let there = match model {
                    Some(model) => snapshot.read_vector(model, change.passage, &mut Vec::new())?,
                    None => false,
                };
                if let Some((_, vector)) = cache.get_mut(&change.passage) {
                    *vector = there;
                }
            }
        }
    }
    snapshot.head()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Whatever is written, replaced and deleted where, and in one transaction or in many: who reads a scope at once and
    /// who follows the log see what a plain list holds.
    #[test]
    fn scopes_are_read_and_followed_alike(
        ops in proptest::collection::vec((0..6usize, 0..3usize, proptest::collection::vec(0..12u32, 0..9)), 1..40),
        together in any::<bool>(),
        read_often in any::<bool>(),
    ) {
        const USERS: [&str; 3] = ["ann", "bob", "cy"];
        let store = Store::open_in_memory().unwrap();
        let scopes = store.write(|tx| -> Result<_> {
            USERS.iter().map(|user| tx.ensure_scope(&scope(user))).collect::<Result<Vec<_>>>()
        }).unwrap();
        let mut list: Vec<(i64, usize, (Vec<u32>, bool))> = Vec::new();
        let mut rows: HashMap<i64, i64> = HashMap::new();
        let mut step = |tx: &WriteTx<'_>, (op, user, terms): (usize, usize, Vec<u32>)| -> Result {
            let chosen = (terms.len() * 7 + user) % list.len().max(1);
            match op {
                0..=2 => {
                    let (row, id) = note(tx, USERS[user], &terms)?;
                    rows.insert(id, row);
                    list.push((id, user, (terms, false)));
                }
                3 if !list.is_empty() => {
                    let row = rows[&list[chosen].0];
                    let id = tx.put_passages(row, 1, &[whole(&terms)])?[0];
                    rows.insert(id, row);
                    // Of the same content: the vector stays.
                    list[chosen] = (id, list[chosen].1, (terms, list[chosen].2.1));
                }
                4 if !list.is_empty() => {
                    let (id, owner, _) = list.remove(chosen);
                    let memory = tx.memories(&[rows[&id]])?[0].1.id;
                    tx.delete(tx.ensure_scope(&scope(USERS[owner]))?, memory)?;
                }
                5 if !list.is_empty() => {
                    let model = tx.ensure_model(&model(), 1)?;
                    list[chosen].2.1 = tx.put_vector(model, list[chosen].0, &[1.0])?;
                }
                _ => {}
            }
            Ok(())
        };
        let mut caches: Vec<(Head, Cache)> = vec![Default::default(); 3];
        let mut read = || store.read(|snapshot| -> Result {
            for (scope, (head, cache)) in scopes.iter().zip(&mut caches) {
                *head = follow(snapshot, *scope, *head, cache)?;
            }
            Ok(())
        });
        if together {
            store.write(|tx| ops.into_iter().try_for_each(|op| step(tx, op))).unwrap();
        } else {
            for op in ops {
                store.write(|tx| step(tx, op)).unwrap();
                if read_often {
                    read().unwrap();
                }
            }
        }
        read().unwrap();
        for (user, (scope, (_, cache))) in scopes.iter().zip(caches).enumerate() {
            let mut there = BTreeMap::new();
            store.read(|snapshot| -> Result {
                snapshot.each_passage(*scope, |passage| {
                    there.insert(passage.id, (passage.terms, false));
                })?;
                let Some(model) = snapshot.model(&model(), 1)? else { return Ok(()) };
                snapshot.each_vector_of(*scope, model, |id, _| -> Result {
                    there.get_mut(&id).unwrap().1 = true;
                    Ok(())
                })
            }).unwrap();
            let expected: Cache = list
                .iter()
                .filter(|(_, owner, _)| *owner == user)
                .map(|(id, _, passage)| (*id, passage.clone()))
                .collect();
            prop_assert_eq!(&there, &expected);
            prop_assert_eq!(&cache, &expected);
        }
        prop_assert_eq!(store.check().unwrap(), []);
    }
}
