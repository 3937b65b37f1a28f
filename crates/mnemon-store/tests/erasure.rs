//! Erasure through the public interface: after it no file of the database holds a byte of what was erased.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{HashMap, HashSet};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use mnemon_core::{
    EndReason, Ended, Kind, MemoryId, ModelId, NewMemory, NewTurn, Placement, Role, Scope, SessionId, Slot, Timestamp,
};
use mnemon_store::{
    Added, ErasureRow, Head, ListFilter, NewPassage, NewSession, Scrubbed, Selection, Store, StoreError, StoreOptions,
    TextQuery, WriteTx,
};
use rusqlite::Connection;

type Result<T = ()> = std::result::Result<T, StoreError>;

const DIMENSION: usize = 32;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_750_000_000 + second).unwrap()
}

fn open(path: &Path) -> Store {
    let mut options = StoreOptions::default();
    options.busy_timeout = Duration::from_millis(300);
    Store::open(path, options).unwrap()
}

/// SplitMix64.
struct Rng(u64);

impl Rng {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    /// Sixteen letters that no stemmer shortens.
    fn word(&mut self) -> String {
        (0..16).map(|_| char::from(b"bcdfgkmnpqtvwxz"[self.below(15)])).collect()
    }

    /// Eight characters of a script without spaces, out of two thousand from `first` on.
    fn han(&mut self, first: u32) -> String {
        (0..8).map(|_| char::from_u32(first + self.below(2_000) as u32).unwrap()).collect()
    }
}

/// Eight bytes out of the middle of each thing that is to go. Text indexes store a term without what it shares with the
/// one before, so the beginning of a word says nothing.
#[derive(Debug, Default, Clone)]
struct Needles {
    all: HashMap<[u8; 8], String>,
}

impl Needles {
    fn add(&mut self, bytes: &[u8], what: &str) {
        let piece = if bytes.len() >= 12 { &bytes[4..12] } else { &bytes[..8] };
        self.all.insert(piece.try_into().unwrap(), what.to_owned());
    }

    fn word(&mut self, rng: &mut Rng, what: &str) -> String {
        let word = rng.word();
        self.add(word.as_bytes(), what);
        word
    }

    fn found(&self, path: &Path) -> HashSet<[u8; 8]> {
        let place = |piece: &[u8]| usize::from(piece[0]) << 16 | usize::from(piece[1]) << 8 | usize::from(piece[2]);
        let mut begins = vec![false; 1 << 24];
        self.all.keys().for_each(|needle| begins[place(needle)] = true);
        let mut found = HashSet::new();
        for file in files(path) {
            let Ok(mut bytes) = std::fs::read(&file) else { continue };
            // As it stands there, and as a text index folds it.
            for _ in 0..2 {
                let windows = bytes.windows(8).filter(|window| begins[place(window)]);
                found.extend(windows.filter_map(|window| {
                    let window: [u8; 8] = window.try_into().unwrap();
                    self.all.contains_key(&window).then_some(window)
                }));
                bytes.make_ascii_lowercase();
            }
        }
        found
    }

    /// But for what lies across two pages.
    #[track_caller]
    fn assert_there(&self, path: &Path) {
        let found = self.found(path);
        let missing: Vec<_> = self.all.iter().filter(|(needle, _)| !found.contains(*needle)).collect();
        assert!(missing.len() * 500 <= self.all.len(), "{} of {}: {missing:?}", missing.len(), self.all.len());
    }

    #[track_caller]
    fn assert_gone(&self, path: &Path) {
        let mut left: HashMap<&str, usize> = HashMap::new();
        for needle in self.found(path) {
            *left.entry(&self.all[&needle]).or_default() += 1;
        }
        assert!(left.is_empty(), "of {} these are left: {left:?}", self.all.len());
    }
}

/// Every file of the database.
fn files(path: &Path) -> Vec<PathBuf> {
    let name = path.file_name().unwrap().to_str().unwrap();
    std::fs::read_dir(path.parent().unwrap())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|file| file.file_name().unwrap().to_str().unwrap().starts_with(name))
        .collect()
}

/// Where made memories go, and what tells of them.
struct Maker {
    rng: Rng,
    needles: Needles,
    /// Characters of the script without spaces begin here.
    han: u32,
}

impl Maker {
    fn new(seed: u64, han: u32) -> Self {
        Self { rng: Rng(seed), needles: Needles::default(), han }
    }

    fn text(&mut self, words: usize) -> String {
        let mut text = String::new();
        for n in 0..words {
            let word = self.needles.word(&mut self.rng, "a word of a text");
            text.push_str(&if n % 3 == 1 { word.to_uppercase() } else { word });
            text.push_str(" and then we went on ");
        }
        let han = self.rng.han(self.han);
        self.needles.add(han.as_bytes(), "a text without spaces");
        text + &han
    }

    fn memory(&mut self, n: usize) -> NewMemory {
        let long = n.is_multiple_of(10);
        let text = self.text(if long { 300 } else { 2 });
        let mut new = NewMemory::new(if long { Kind::Document } else { Kind::Note }, text);
        new.caption = Some(self.needles.word(&mut self.rng, "a caption"));
        new.metadata.insert("sure".into(), self.needles.word(&mut self.rng, "metadata").into());
        new.state.about = Some(Slot {
            subject: self.needles.word(&mut self.rng, "a subject"),
            slot: self.needles.word(&mut self.rng, "a slot"),
        });
        new
    }

    fn turn(&mut self) -> NewTurn {
        let mut turn = NewTurn::new(Role::User, self.text(2));
        turn.caption = Some(self.needles.word(&mut self.rng, "a caption"));
        turn.speaker = Some(self.needles.word(&mut self.rng, "a speaker"));
        turn
    }

    /// Passages, vectors, vectors of pieces.
    fn rest(&mut self, tx: &WriteTx<'_>, added: &Added, text: &str, is_turn: bool) -> Result {
        let size = if is_turn { text.len() } else { 700 };
        let terms: Vec<u32> = (0..8).map(|_| self.rng.next() as u32).collect();
        terms.chunks(4).for_each(|two| {
            let bytes: Vec<u8> = two.iter().flat_map(|term| term.to_le_bytes()).collect();
            self.needles.add(&bytes, "terms");
        });
        let passages: Vec<NewPassage<'_>> = (0..text.len())
            .step_by(size.max(1))
            .map(|start| NewPassage {
                start,
                end: text.len().min(start + size),
                words: 5,
                cues: 0,
                terms: &terms,
                is_longer: true,
                content: self.rng.next(),
            })
            .collect();
        let model = tx.ensure_model(&model(), DIMENSION)?;
        for passage in tx.put_first_passages(added, 1, &passages)? {
            let vector: Vec<f32> = (0..DIMENSION).map(|_| (self.rng.below(2_000) as f32 - 1_000.0) / 5_000.0).collect();
            let bytes: Vec<u8> = vector.iter().flat_map(|v| half::f16::from_f32(*v).to_le_bytes()).collect();
            self.needles.add(&bytes, "a vector");
            tx.put_first_vector(model, passage, &vector)?;
            let pieces: Vec<u8> = (0..3_000).map(|_| self.rng.next() as u8).collect();
            self.needles.add(&pieces, "vectors of pieces");
            tx.put_first_token_vectors(model, passage, &pieces)?;
        }
        self.needles.add(&added.id.as_bytes()[4..], "an id");
        Ok(())
    }

    fn add(&mut self, tx: &WriteTx<'_>, scope: &Scope, new: &NewMemory, now: Timestamp) -> Result<MemoryId> {
        let added = tx.add_memory(scope, new, now)?;
        self.rest(tx, &added, &new.text, false)?;
        Ok(added.id)
    }

    fn append(&mut self, tx: &WriteTx<'_>, scope: &Scope, session: SessionId, now: Timestamp) -> Result<MemoryId> {
        let row = tx.ensure_scope(scope)?;
        let turn = self.turn();
        let placement = if self.rng.below(2) == 0 { Placement::Window } else { Placement::LongTerm };
        let added = tx.add_turn(row, session, &turn, placement, now)?;
        self.rest(tx, &added, &turn.text, true)?;
        Ok(added.id)
    }

    fn session(&mut self, tx: &WriteTx<'_>, scope: &Scope) -> Result<SessionId> {
        let name = self.needles.word(&mut self.rng, "the name of a session");
        let row = tx.ensure_scope(scope)?;
        tx.start_session(row, &NewSession { name: Some(&name), started_at: at(0), imported: true }, at(0))
    }
}

fn model() -> ModelId {
    ModelId { name: "m".into(), revision: "1".into(), dtype: "f32".into() }
}

/// Something saved of a scope in which every needle stands, as codes and terms stand in what `maintain` saves.
fn save(store: &Store, scope: &Scope, needles: &Needles) -> bool {
    let parts: Vec<u8> = needles.all.keys().flatten().copied().collect();
    store
        .write(|tx| {
            let row = tx.ensure_scope(scope)?;
            tx.save(row, None, tx.head()?, parts.chunks(100_000))
        })
        .unwrap()
}

fn erase(store: &Store, scope: &Scope, selection: &Selection) -> (ErasureRow, Vec<MemoryId>) {
    let erased = store.write(|tx| tx.erase(scope, selection, at(100))).unwrap();
    assert!(erased.ids.is_sorted() && erased.rows.len() == erased.ids.len());
    assert_eq!(erased.receipt.memories, erased.ids.len() as u64);
    (erased.receipt, erased.ids)
}

/// The text indexes have no pair of characters of the range that begins at `first`.
fn assert_no_grams(path: &Path, first: u32) {
    let conn = Connection::open(path).unwrap();
    let mut statement = conn.prepare("SELECT block FROM memory_grams_data").unwrap();
    let blocks: Vec<Vec<u8>> = statement.query_map([], |row| row.get(0)).unwrap().map(|row| row.unwrap()).collect();
    let chars: HashSet<[u8; 3]> = (first..first + 2_000)
        .map(|c| {
            let mut bytes = [0; 3];
            char::from_u32(c).unwrap().encode_utf8(&mut bytes);
            bytes
        })
        .collect();
    for block in blocks {
        let left = block.windows(3).filter(|window| chars.contains(<&[u8; 3]>::try_from(*window).unwrap())).count();
        assert_eq!(left, 0, "characters are left in the index of pairs");
    }
}

fn finds(store: &Store, scope: &Scope, text: &str) -> usize {
    let search = |snapshot: &mnemon_store::Snapshot<'_>| -> Result<usize> {
        let Some(scope) = snapshot.scope_id(scope)? else { return Ok(0) };
        Ok(snapshot.text_search(&TextQuery { text, scope, limit: 10 })?.len())
    };
    store.read(search).unwrap()
}

const KEPT: u32 = 0x7000;
const GONE: u32 = 0x4e00;

/// What was made of one kind of selection.
struct Planted {
    scope: Scope,
    selection: Selection,
    maker: Maker,
    ids: Vec<MemoryId>,
}

/// Memories of every kind, and between them those that are to stay.
fn plant(store: &Store, kept: &mut Maker, seed: u64) -> Vec<Planted> {
    let ann = Scope::user_scope("ann").unwrap();
    let mut kinds = Vec::new();
    for (n, name) in ["ids", "source", "session", "happened", "stored", "all"].into_iter().enumerate() {
        let mut maker = Maker::new(seed * 100 + n as u64, GONE);
        let scope = match name {
            "all" => Scope::user_scope(maker.needles.word(&mut maker.rng, "a user").as_str()).unwrap(),
            _ => ann.clone(),
        };
        let (mut ids, mut source) = (Vec::new(), String::new());
        if name == "source" {
            source = maker.needles.word(&mut maker.rng, "the name of a source");
        }
        let mut session = None;
        for n in 0..40 {
            store
                .write(|tx| -> Result {
                    let now = if name == "stored" { at(-5_000) } else { at(n as i64) };
                    let in_session = matches!(name, "session" | "all" | "happened") && n % 4 != 0 || name == "session";
                    if in_session {
                        let id = match session {
                            Some(id) => id,
                            None => *session.insert(maker.session(tx, &scope)?),
                        };
                        if name == "happened" {
                            let turn = maker.turn().at(at(-1_000 - n as i64));
                            let row = tx.ensure_scope(&scope)?;
                            let added = tx.add_turn(row, id, &turn, Placement::Window, now)?;
                            maker.rest(tx, &added, &turn.text, true)?;
                            ids.push(added.id);
                        } else {
                            ids.push(maker.append(tx, &scope, id, now)?);
                        }
                    } else {
                        let mut new = maker.memory(n);
                        if name == "source" {
                            let word = maker.needles.word(&mut maker.rng, "an external id");
                            new = new.from_origin(&source, &word);
                        }
                        if name == "happened" {
                            new = new.at(at(-1_000));
                        }
                        if name == "stored" {
                            new = new.at(at(0));
                        }
                        ids.push(maker.add(tx, &scope, &new, now)?);
                    }
                    // What stays lies between what goes.
                    for m in 0..3 {
                        let new = kept.memory(n * 3 + m + 1);
                        kept.add(tx, &ann, &new.from_origin("kept", format!("{name} {n} {m}")), at(n as i64))?;
                    }
                    Ok(())
                })
                .unwrap();
        }
        let selection = match name {
            "ids" => Selection::Ids(ids.iter().rev().copied().collect()),
            "source" => Selection::Source(source),
            "session" => Selection::Session(session.unwrap()),
            "happened" => Selection::HappenedBefore(at(-900)),
            "stored" => Selection::StoredBefore(at(-4_000)),
            _ => Selection::All,
        };
        kinds.push(Planted { scope, selection, maker, ids });
    }
    kinds
}

#[test]
fn what_is_erased_leaves_no_byte_and_the_rest_stays() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.db");
    let store = open(&path);
    let ann = Scope::user_scope("ann").unwrap();
    let mut kept = Maker::new(1, KEPT);
    let planted = plant(&store, &mut kept, 2);
    assert!(planted.iter().map(|one| one.maker.needles.all.len()).sum::<usize>() > 1_000);
    let reading = Store::open(&path, StoreOptions::default()).unwrap();
    let mut planted = std::collections::VecDeque::from(planted);
    while let Some(Planted { scope, selection, maker, mut ids }) = planted.pop_front() {
        let needles = &maker.needles;
        // The saved words of those that are erased later stay for as long.
        let mut saved = needles.clone();
        planted.iter().filter(|one| one.scope == scope).for_each(|one| saved.all.extend(one.maker.needles.all.clone()));
        assert!(save(&store, &scope, &saved));
        needles.assert_there(&path);
        ids.sort_unstable();

        let reader = Connection::open(&path).unwrap();
        reader.execute_batch("BEGIN; SELECT * FROM meta;").unwrap();
        let (receipt, erased) = erase(&store, &scope, &selection);
        assert_eq!(erased, ids, "{selection:?}");
        assert_eq!(store.scrub().unwrap(), Scrubbed::Blocked);
        assert!(store.scrub_pending().unwrap().is_some());
        let verified = store.verify(receipt.id, &ids).unwrap().unwrap();
        assert!(verified.fits && verified.still_there == 0 && !verified.is_finished && !verified.holds());
        // The reader in another connection still has all of it.
        needles.assert_there(&path);
        drop(reader);

        assert_eq!(reading.scrub().unwrap(), Scrubbed::Done);
        needles.assert_gone(&path);
        assert_no_grams_of(&path, planted.is_empty());
        assert_eq!(store.scrub_pending().unwrap(), None);
        assert_eq!(store.scrub().unwrap(), Scrubbed::Nothing);
        let receipt = store.receipts().unwrap().pop().unwrap();
        assert!(receipt.requested_at == at(100) && receipt.finished_at.is_some());
        assert!(store.verify(receipt.id, &ids).unwrap().unwrap().holds());
        assert!(!store.verify(receipt.id, &ids[1..]).unwrap().unwrap().fits);
        kept.needles.assert_there(&path);
        planted.iter().for_each(|one| one.maker.needles.assert_there(&path));
        assert_eq!(store.check().unwrap(), []);
        assert_eq!(reading.check().unwrap(), []);
    }
    let scopes = store.read(|snapshot| snapshot.scopes()).unwrap();
    assert_eq!(scopes, [(ann.clone(), 6 * 40 * 3)]);
    // What is left is found as before.
    let list = ListFilter { limit: 1_000, ..ListFilter::default() };
    let rest = store.read(|snapshot| snapshot.list(snapshot.scope_id(&ann)?.unwrap(), &list)).unwrap();
    for memory in rest {
        let word = memory.text.split(' ').next().unwrap();
        assert_eq!(finds(&store, &ann, word), 1, "{word}");
        let han: String = memory.text.chars().skip_while(|c| c.is_ascii()).collect();
        assert!(finds(&store, &ann, &han) >= 1);
    }
}

fn assert_no_grams_of(path: &Path, all_are_erased: bool) {
    if all_are_erased {
        assert_no_grams(path, GONE);
    }
}

/// Rows that were moved from page to page leave copies in the unused part of pages: writing the file anew takes them away.
#[test]
fn copies_in_unused_parts_of_pages_go_too() {
    // Where a row lands depends on ids that nobody chose, so a file may have no such copy.
    let with_copies = (0..12).filter(|seed| copies_go(*seed)).count();
    assert!(with_copies > 3, "{with_copies} of 12 files had copies, so the test says little");
}

/// False when nothing was left before the file was written anew.
fn copies_go(seed: u64) -> bool {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.db");
    let store = open(&path);
    let ann = Scope::user_scope("ann").unwrap();
    let mut rng = Rng(seed);
    let mut live: Vec<(MemoryId, Needles)> = Vec::new();
    let mut gone = Needles::default();
    for _ in 0..30 {
        store
            .write(|tx| -> Result {
                for _ in 0..100 {
                    let mut needles = Needles::default();
                    let mut new = NewMemory::new(Kind::Fact, needles.word(&mut rng, "a text"));
                    new.text.push_str(&" filling".repeat(rng.below(100)));
                    new.state.about = Some(Slot {
                        subject: needles.word(&mut rng, "a subject"),
                        slot: needles.word(&mut rng, "a slot"),
                    });
                    let id =
                        tx.add_memory(&ann, &new.from_origin(rng.word(), needles.word(&mut rng, "an id")), at(0))?.id;
                    live.push((id, needles));
                }
                Ok(())
            })
            .unwrap();
        let chosen: Vec<_> = (0..70).map(|_| live.swap_remove(rng.below(live.len()))).collect();
        let ids = chosen.iter().map(|(id, _)| *id).collect();
        chosen.into_iter().for_each(|(_, needles)| gone.all.extend(needles.all));
        erase(&store, &ann, &Selection::Ids(ids));
    }
    // Before: `secure_delete` alone, and the log is in the file.
    Connection::open(&path).unwrap().query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    let had_copies = !gone.found(&path).is_empty();
    assert_eq!(store.scrub().unwrap(), Scrubbed::Done);
    gone.assert_gone(&path);
    let mut kept = Needles::default();
    live.into_iter().for_each(|(_, needles)| kept.all.extend(needles.all));
    kept.assert_there(&path);
    assert_eq!(store.check().unwrap(), []);
    had_copies
}

#[test]
fn what_is_not_in_the_scope_is_an_error_and_nothing_is_erased() {
    let store = Store::open_in_memory().unwrap();
    let (ann, bob) = (Scope::user_scope("ann").unwrap(), Scope::user_scope("bob").unwrap());
    let note =
        |scope: &Scope| store.write(|tx| tx.add_memory(scope, &NewMemory::new(Kind::Note, "x"), at(0))).unwrap().id;
    let (of_ann, of_bob) = (note(&ann), note(&bob));
    let refused = |selection: Selection| store.write(|tx| tx.erase(&ann, &selection, at(1)).map(|_| ())).unwrap_err();
    assert!(matches!(refused(Selection::Ids(vec![of_ann, of_bob])), StoreError::NoMemory { id } if id == of_bob));
    assert!(matches!(refused(Selection::Session(SessionId::new(at(0)))), StoreError::NoSession { .. }));
    assert!(store.receipts().unwrap().is_empty() && store.scrub_pending().unwrap().is_none());
    let nobody = Scope::user_scope("nobody").unwrap();
    let (receipt, ids) = erase(&store, &nobody, &Selection::All);
    assert!(ids.is_empty() && receipt.memories == 0);
    erase(&store, &ann, &Selection::All);
    let (_, twice) = erase(&store, &bob, &Selection::Ids(vec![of_bob, of_bob]));
    assert_eq!(twice, [of_bob]);
    assert_eq!(store.scrub().unwrap(), Scrubbed::Done);
    assert!(store.receipts().unwrap().iter().all(|receipt| receipt.finished_at.is_some()));
    assert_eq!(store.check().unwrap(), []);
}

#[test]
fn who_took_the_place_of_another_stays_without_a_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.db");
    let store = open(&path);
    let ann = Scope::user_scope("ann").unwrap();
    let (old, new) = store
        .write(|tx| -> Result<_> {
            let add = |text: &str| tx.add_memory(&ann, &NewMemory::new(Kind::Fact, text), at(0));
            let (old, new) = (add("Ann lives in Lyon")?.id, add("Ann lives in Rome")?.id);
            let ended = Ended { at: at(1), why: EndReason::Superseded, by: Some(new) };
            tx.end(tx.ensure_scope(&ann)?, old, ended)?;
            Ok((old, new))
        })
        .unwrap();
    erase(&store, &ann, &Selection::Ids(vec![new]));
    let kept = store.read(|snapshot| snapshot.memory(snapshot.scope_id(&ann)?.unwrap(), old)).unwrap().unwrap();
    assert_eq!(kept.state.ended, Some(Ended { at: at(1), why: EndReason::Superseded, by: None }));
    let number = "SELECT ended_by FROM memory_state WHERE ended_at IS NOT NULL";
    let number: Option<i64> = Connection::open(&path).unwrap().query_row(number, [], |row| row.get(0)).unwrap();
    assert_eq!(number, None, "the number of a row that is gone");
    assert_eq!(store.check().unwrap(), []);
}

#[test]
fn an_older_cache_is_not_saved_after_an_erasure() {
    let store = Store::open_in_memory().unwrap();
    let ann = Scope::user_scope("ann").unwrap();
    let add = || store.write(|tx| tx.add_memory(&ann, &NewMemory::new(Kind::Note, "x"), at(0))).unwrap().id;
    let save = |head: Head| store.write(|tx| tx.save(tx.ensure_scope(&ann)?, None, head, [b"codes"])).unwrap();
    let head = || store.read(|snapshot| snapshot.head()).unwrap();
    let (id, _) = (add(), add());
    let before = head();
    assert!(save(before));
    erase(&store, &ann, &Selection::Ids(vec![id]));
    assert!(!save(before));
    assert!(save(head()));
}

/// A scrub that cannot finish does not write a copy of the file into the log each time.
#[test]
fn a_scrub_that_is_held_up_does_not_let_the_log_grow() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.db");
    let store = open(&path);
    let ann = Scope::user_scope("ann").unwrap();
    let mut maker = Maker::new(3, KEPT);
    let ids: Vec<MemoryId> = (1..200)
        .map(|n| {
            let new = maker.memory(n);
            store.write(|tx| maker.add(tx, &ann, &new, at(0))).unwrap()
        })
        .collect();
    let reader = Connection::open(&path).unwrap();
    reader.execute_batch("BEGIN; SELECT * FROM meta;").unwrap();
    erase(&store, &ann, &Selection::Ids(ids[..3].to_vec()));
    let log = path.with_extension("db-wal");
    let before = std::fs::metadata(&log).unwrap().len();
    for _ in 0..4 {
        assert_eq!(store.scrub().unwrap(), Scrubbed::Blocked);
    }
    assert_eq!(std::fs::metadata(&log).unwrap().len(), before);
    drop(reader);
    assert_eq!(store.scrub().unwrap(), Scrubbed::Done);
    assert_eq!(std::fs::metadata(&log).unwrap().len(), 0);
}

/// Whoever reads comes and goes while the file is written anew: done is what is gone, and nothing else.
#[test]
fn a_scrub_among_readers_is_done_when_it_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.db");
    let store = open(&path);
    let ann = Scope::user_scope("ann").unwrap();
    let stop = AtomicBool::new(false);
    let mut left = Vec::new();
    std::thread::scope(|threads| {
        threads.spawn(|| {
            let reader = Connection::open(&path).unwrap();
            while !stop.load(Ordering::Relaxed) {
                reader.execute_batch("BEGIN; SELECT * FROM meta;").unwrap();
                std::thread::sleep(Duration::from_millis(60));
                reader.execute_batch("COMMIT").unwrap();
                std::thread::sleep(Duration::from_millis(10));
            }
        });
        for round in 0..12 {
            let mut maker = Maker::new(40 + round, KEPT);
            let new = maker.memory(0);
            let id = store.write(|tx| maker.add(tx, &ann, &new, at(0))).unwrap();
            erase(&store, &ann, &Selection::Ids(vec![id]));
            let done = (0..200).any(|_| store.scrub().unwrap() == Scrubbed::Done);
            left.push((done, maker.needles.found(&path).len()));
        }
        stop.store(true, Ordering::Relaxed);
    });
    assert_eq!(left, [(true, 0); 12]);
}

/// A plain delete zeroes the row itself, though not what `erase` and a scrub go after.
#[test]
fn a_deleted_row_is_zeroed_where_it_stood() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.db");
    let store = open(&path);
    let ann = Scope::user_scope("ann").unwrap();
    let mut needles = Needles::default();
    let mut rng = Rng(9);
    let text: Vec<String> = (0..3_000).map(|_| needles.word(&mut rng, "a text")).collect();
    let add = |text: &str| store.write(|tx| tx.add_memory(&ann, &NewMemory::new(Kind::Note, text), at(0))).unwrap().id;
    let id = add(&text.join(" "));
    add("something else");
    let checkpoint = || {
        let conn = Connection::open(&path).unwrap();
        conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    };
    checkpoint();
    needles.assert_there(&path);
    store.write(|tx| tx.delete(tx.ensure_scope(&ann)?, id)).unwrap();
    checkpoint();
    needles.assert_gone(&path);
}

/// What a child process does, until it is killed: it erases what was planted, and scrubs.
#[test]
fn child() {
    let Ok(path) = std::env::var("ERASE_CHILD") else { return };
    let store = open(Path::new(&path));
    let ann = Scope::user_scope("ann").unwrap();
    erase(&store, &ann, &Selection::HappenedBefore(at(-900)));
    println!("\nerased");
    store.scrub().unwrap();
    std::thread::sleep(Duration::from_secs(60));
}

#[test]
fn a_scrub_whose_process_was_killed_is_finished_at_the_next_opening() {
    for round in 0..12 {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.db");
        let (mut kept, mut maker) = (Maker::new(round, KEPT), Maker::new(round + 1_000, GONE));
        let ann = Scope::user_scope("ann").unwrap();
        let mut ids = Vec::new();
        {
            let store = open(&path);
            for n in 0..30 {
                store
                    .write(|tx| -> Result {
                        let (goes, stays) = (maker.memory(n).at(at(-1_000)), kept.memory(n));
                        ids.push(maker.add(tx, &ann, &goes, at(0))?);
                        kept.add(tx, &ann, &stays, at(0)).map(|_| ())
                    })
                    .unwrap();
            }
        }
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child", "--nocapture", "--test-threads=1"])
            .env("ERASE_CHILD", &path)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert!(lines.map_while(std::result::Result::ok).any(|line| line == "erased"), "the child did not erase");
        std::thread::sleep(Duration::from_millis(round * 3));
        child.kill().unwrap();
        child.wait().unwrap();

        let store = open(&path);
        assert_eq!(store.scrub_pending().unwrap(), None, "round {round}");
        maker.needles.assert_gone(&path);
        kept.needles.assert_there(&path);
        assert_eq!(store.check().unwrap(), []);
        let receipt = store.receipts().unwrap().pop().unwrap();
        assert!(store.verify(receipt.id, &ids).unwrap().unwrap().holds());
    }
}
