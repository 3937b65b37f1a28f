//! Erasing where an index is kept in memory and saved: what was erased comes back from neither.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use mnemon_core::{EmbedError, Embedder, Embeddings, Kind, MemoryId, ModelId, NewMemory, Purpose, Scope, Timestamp};
use mnemon_long_term::{Embed, Level, LongTerm, RecallQuery};
use mnemon_store::{Scrubbed, Selection, Store, StoreOptions};

const DIMENSION: usize = 32;

/// The values of a vector, in tenths of the largest one. Without five: the code of that lies between two numbers.
const LEVELS: [i8; 18] = [-10, -9, -8, -7, -6, -4, -3, -2, -1, 1, 2, 3, 4, 6, 7, 8, 9, 10];

/// Another vector for each text, out of its bytes.
struct Hashed(ModelId);

impl Embedder for Hashed {
    fn model(&self) -> &ModelId {
        &self.0
    }

    fn dimension(&self) -> usize {
        DIMENSION
    }

    fn embed(&self, texts: &[&str], _: Purpose) -> Result<Embeddings, EmbedError> {
        let values = texts.iter().flat_map(|text| levels(text)).map(|level| f32::from(level) / 10.0).collect();
        Ok(Embeddings::new(DIMENSION, values))
    }
}

fn levels(text: &str) -> Vec<i8> {
    let mut hash = text
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    let mut next = || {
        hash = hash.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        LEVELS[(hash >> 33) as usize % LEVELS.len()]
    };
    std::iter::once(10).chain(std::iter::repeat_with(&mut next).take(DIMENSION - 1)).collect()
}

/// Eight codes out of the middle of the vector of a text, as an index saves them.
fn codes(text: &str) -> [u8; 8] {
    let code = |level: &i8| ((f32::from(*level) * 12.7).round() as i8).cast_unsigned();
    levels(text)[8..16].iter().map(code).collect::<Vec<_>>().try_into().unwrap()
}

/// How many of the pieces stand in the files of the database.
fn found(folder: &Path, pieces: &HashSet<[u8; 8]>) -> usize {
    let mut found = HashSet::new();
    for file in std::fs::read_dir(folder).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        let windows = bytes.windows(8).map(|window| <[u8; 8]>::try_from(window).unwrap());
        found.extend(windows.filter(|window| pieces.contains(window)));
    }
    found.len()
}

fn open(path: &Path) -> LongTerm {
    let model = ModelId { name: "hashed".into(), revision: "1".into(), dtype: "f32".into() };
    LongTerm::new(
        Arc::new(Store::open(path, StoreOptions::default()).unwrap()),
        Some(Arc::new(Hashed(model))),
        Level::Fast,
    )
}

fn text(number: usize) -> String {
    let word = |n: usize| -> String {
        let mut rest = (number * 7 + n).wrapping_mul(2_654_435_761) % 1_000_000_007;
        std::iter::repeat_with(|| {
            let letter = b'a' + (rest % 20) as u8;
            rest /= 20;
            char::from(letter)
        })
        .take(7)
        .collect()
    };
    format!("{} met {} at the {}", word(1), word(2), word(3))
}

fn finds(memory: &LongTerm, scope: &Scope, text: &str) -> bool {
    let recall = memory.recall(&RecallQuery::new(text, scope, 5)).unwrap();
    recall.hits.iter().any(|hit| hit.memory.text == text)
}

#[test]
fn no_code_of_what_was_erased_is_saved_again_by_whoever_had_it_in_memory() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.db");
    let (one, two) = (open(&path), open(&path));
    let scope = Scope::user_scope("ann").unwrap();
    let now = Timestamp::from_second(1_750_000_000).unwrap();
    let texts: Vec<String> = (0..3_000).map(text).collect();
    let new: Vec<NewMemory> = texts.iter().map(|text| NewMemory::new(Kind::Fact, text)).collect();
    let ids: Vec<MemoryId> =
        one.add(&scope, &new, Embed::Now, now).unwrap().added.iter().map(|added| added.id).collect();
    let gone = |number: &usize| number.is_multiple_of(5);
    let pieces: HashSet<[u8; 8]> = (0..3_000).filter(gone).map(|number| codes(&texts[number])).collect();
    assert!(pieces.len() > 590);
    for memory in [&one, &two] {
        assert!(finds(memory, &scope, &texts[10]) && finds(memory, &scope, &texts[11]));
    }
    assert!(one.maintain(&mut |_| true).unwrap().index_saved);
    assert!(found(folder.path(), &pieces) >= pieces.len() - 5, "what is looked for is not what is saved");

    let selection = Selection::Ids((0..3_000).filter(gone).map(|number| ids[number]).collect());
    let erasure = one.erase(&scope, &selection, now).unwrap();
    assert_eq!((erasure.pending, erasure.ids.len(), erasure.receipt.memories), (None, 600, 600));
    assert!(erasure.receipt.finished_at.is_some());
    assert_eq!(found(folder.path(), &pieces), 0);

    // The other one has all of it in memory still, and saves what it has.
    let bytes = two.index_bytes();
    for memory in [&two, &one] {
        let maintained = memory.maintain(&mut |_| true).unwrap();
        assert_eq!(maintained.scrubbed, Scrubbed::Nothing);
        assert_eq!(found(folder.path(), &pieces), 0);
        assert!(!finds(memory, &scope, &texts[10]) && finds(memory, &scope, &texts[11]));
    }
    assert!(two.index_bytes() < bytes);
    let kept: HashSet<[u8; 8]> =
        (0..3_000).filter(|number| !gone(number)).map(|number| codes(&texts[number])).collect();
    assert!(found(folder.path(), &kept) >= kept.len() - 5, "nothing was saved, so the test says nothing");
    let fresh = open(&path);
    assert!(!finds(&fresh, &scope, &texts[10]) && finds(&fresh, &scope, &texts[11]));
    assert_eq!(fresh.store().check().unwrap(), []);
}

#[test]
fn what_a_reader_holds_up_is_finished_by_maintain() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.db");
    let mut options = StoreOptions::default();
    options.busy_timeout = std::time::Duration::from_millis(100);
    let memory = LongTerm::new(Arc::new(Store::open(&path, options).unwrap()), None, Level::Fast);
    let scope = Scope::user_scope("ann").unwrap();
    let new = NewMemory::new(Kind::Fact, "the canary sings in the cellar");
    let id = memory.add(&scope, &[new], Embed::Now, Timestamp::UNIX_EPOCH).unwrap().added[0].id;
    let other = Store::open(&path, StoreOptions::default()).unwrap();
    let erasure = other
        .read(|snapshot| {
            snapshot.head()?;
            let erasure = memory.erase(&scope, &Selection::Ids(vec![id]), Timestamp::UNIX_EPOCH).unwrap();
            assert_eq!(memory.maintain(&mut |_| true).unwrap().scrubbed, Scrubbed::Blocked);
            Ok::<_, mnemon_store::StoreError>(erasure)
        })
        .unwrap();
    assert!(erasure.pending.unwrap().contains("older state"));
    assert!(!memory.store().verify(erasure.receipt.id, &erasure.ids).unwrap().unwrap().holds());
    assert_eq!(memory.maintain(&mut |_| true).unwrap().scrubbed, Scrubbed::Done);
    assert!(memory.store().verify(erasure.receipt.id, &erasure.ids).unwrap().unwrap().holds());
}
