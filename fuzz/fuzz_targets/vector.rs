//! Vectors and vectors of pieces as their rows may be: with a seal that fits and anything behind it, or as bytes that
//! somebody else wrote. They are read, left out or made anew; no question fails for them.
#![no_main]

use std::cell::RefCell;
use std::sync::Arc;

use arbitrary::{Arbitrary, Unstructured};
use libfuzzer_sys::fuzz_target;
use mnemon_core::{MemoryId, Scope};
use mnemon_fuzz::{DIMENSION, HashEmbedder, TEXTS, fill, long_term, scope};
use mnemon_index::{Search, VectorIndex};
use mnemon_long_term::{Diversity, RecallQuery};
use mnemon_recall::{QuestionTokens, Rotation, TokenCodes, encode};
use mnemon_store::{Durability, PassageId, Store, StoreError, StoreOptions};
use rusqlite::{Connection, params};

#[derive(Debug, Arbitrary)]
struct Case<'a> {
    /// Rows that are written in place of those of a passage.
    rows: Vec<Row<'a>>,
    question: u8,
    /// Values of a vector as a model may give them.
    values: [f32; DIMENSION],
    codes: &'a [u8],
    pieces: Vec<(u32, [i8; 8], f32)>,
}

#[derive(Debug, Arbitrary)]
struct Row<'a> {
    of_pieces: bool,
    passage: u8,
    /// Whether a seal is written that fits.
    sealed: bool,
    /// How the bytes are made.
    data: Data<'a>,
    /// In how many parts they come, and how far their numbers are apart.
    parts: (u8, u8),
}

#[derive(Debug, Arbitrary)]
enum Data<'a> {
    Bytes(&'a [u8]),
    /// Numbers of 16 bits, as many as a vector has.
    Halves([u16; DIMENSION]),
    /// What codes begin with, and as many bytes as they say or not.
    Codes {
        dimension: u16,
        rows: u8,
        fill: u8,
        more: i8,
    },
}

impl Data<'_> {
    fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Bytes(bytes) => bytes.to_vec(),
            Self::Halves(values) => values.iter().flat_map(|value| value.to_le_bytes()).collect(),
            Self::Codes { dimension, rows, fill, more } => {
                let dimension = if dimension % 4 == 0 { *dimension } else { 128 << (dimension % 2) };
                let count = u32::from(*rows);
                let [low, high] = dimension.to_le_bytes();
                let [c0, c1, c2, c3] = count.to_le_bytes();
                let mut bytes = vec![1, 0, low, high, c0, c1, c2, c3];
                let length = (count as usize * (usize::from(dimension) / 4 + 2)).saturating_add_signed((*more).into());
                bytes.resize(8 + length, *fill);
                bytes
            }
        }
    }
}

struct World {
    store: Arc<Store>,
    conn: Connection,
    scope: Scope,
    ids: Vec<MemoryId>,
    passages: Vec<PassageId>,
    // Removed with its file at the end.
    _folder: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("m.db");
        let mut options = StoreOptions::default();
        options.durability = Durability::Normal;
        let store = Arc::new(Store::open(&path, options).expect("a store"));
        let scope = scope("ann");
        let ids = fill(&long_term(&store), &scope, "azurite");
        let mut passages = Vec::new();
        let read = store.read(|snapshot| match snapshot.scope_id(&scope)? {
            Some(row) => snapshot.each_passage(row, |passage| passages.push(passage.id)),
            None => Ok(()),
        });
        let _: () = read.map_err(|error: StoreError| error).expect("passages");
        let conn = Connection::open(&path).expect("the same file");
        conn.execute_batch(
            "PRAGMA synchronous = OFF; CREATE TEMP TABLE kept_vector AS SELECT * FROM vector;
             CREATE TEMP TABLE kept_token_vector AS SELECT * FROM token_vector;",
        )
        .expect("a copy");
        Self { store, conn, scope, ids, passages, _folder: folder }
    }

    fn write(&self, row: &Row<'_>) {
        let table = if row.of_pieces { "token_vector" } else { "vector" };
        let passage = self.passages[usize::from(row.passage) % self.passages.len()];
        // The one model is the first.
        let first = 1_i64 << 51 | passage << 8;
        let mut bytes = row.data.bytes();
        if row.sealed {
            let mut hasher = crc32fast::Hasher::new();
            hasher.update(&first.to_le_bytes());
            hasher.update(&bytes);
            bytes.extend(hasher.finalize().to_le_bytes());
        }
        let delete = format!("DELETE FROM {table} WHERE id BETWEEN ?1 AND ?1 + 255");
        self.conn.prepare_cached(&delete).expect("SQL").execute([first]).expect("a write");
        let (count, apart) = (usize::from(row.parts.0).clamp(1, 16), i64::from(row.parts.1).clamp(1, 15));
        let size = bytes.len().div_ceil(count).max(1);
        let insert = format!("INSERT INTO {table} (id, data) VALUES (?1, ?2)");
        let mut insert = self.conn.prepare_cached(&insert).expect("SQL");
        let mut parts = bytes.chunks(size).take(16);
        let mut id = first;
        // No bytes are one empty part.
        let mut part = Some(parts.next().unwrap_or_default());
        while let Some(data) = part {
            insert.execute(params![id, data]).expect("a write");
            id += apart;
            part = parts.next();
        }
    }

    fn ask(&self, question: u8) {
        // Nothing of it is in memory yet, so it reads the rows.
        let memory = long_term(&self.store);
        let text = TEXTS[usize::from(question) % TEXTS.len()];
        let query = RecallQuery {
            relevance_floor: 0.0,
            diversity: if question & 0x80 == 0 { Diversity::None } else { Diversity::Redundancy },
            ..RecallQuery::new(text, &self.scope, 50)
        };
        let recall = memory.recall(&query).unwrap_or_else(|error| panic!("{error:?}"));
        assert!(!recall.hits.is_empty(), "words are found whatever became of vectors");
        for hit in &recall.hits {
            assert!(self.ids.contains(&hit.memory.id));
            assert!(hit.score.is_finite(), "a score of {}", hit.score);
        }
    }

    /// Damaged ones are told and dropped, and then none is left.
    fn repair(&self) {
        let dropped = self.store.drop_damaged().expect("they are dropped");
        let left = self.store.drop_damaged().expect("they are dropped");
        assert_eq!((left.vectors, left.token_vectors), (0, 0), "after {dropped:?}");
        let damage = self.store.check().expect("it is read");
        assert!(damage.is_empty(), "after {dropped:?}: {damage:?}");
    }

    fn restore(&self) {
        for table in ["vector", "token_vector"] {
            let sql = format!("DELETE FROM {table}; INSERT INTO {table} SELECT * FROM kept_{table};");
            self.conn.execute_batch(&sql).expect("a write");
        }
        self.conn.execute_batch("DELETE FROM change WHERE seq < (SELECT max(seq) FROM change)").expect("a write");
    }
}

thread_local! {
    static WORLD: RefCell<World> = RefCell::new(World::new());
    static QUESTION: (Rotation, QuestionTokens) = question();
}

fn question() -> (Rotation, QuestionTokens) {
    use mnemon_core::TokenEmbedder;
    let model = HashEmbedder::default();
    let (_, pieces) = model.embed_question("the heron stands in the estuary").expect("it never fails");
    let rotation = Rotation::new(TokenEmbedder::dimension(&model));
    let question = QuestionTokens::new(&rotation, pieces.iter());
    (rotation, question)
}

/// Codes as they come, and codes of vectors that are none.
fn compare(codes: &[u8], pieces: &[(u32, [i8; 8], f32)]) {
    QUESTION.with(|(rotation, question)| {
        let sane = |codes: &TokenCodes<'_>| {
            assert_eq!(codes.pieces().len(), codes.len());
            if let Some(matches) = question.compare(codes) {
                assert_eq!(matches.best.len(), question.len());
                assert!(matches.best.iter().all(|best| (0.0..=1.01).contains(best)), "{matches:?}");
                assert!(matches.mean.abs() <= 1.01, "{matches:?}");
            }
        };
        if let Ok(codes) = TokenCodes::parse(codes) {
            sane(&codes);
        }
        let rows: Vec<(u32, Vec<f32>)> = pieces
            .iter()
            .map(|(piece, values, scale)| {
                let row = values.iter().cycle().take(rotation.dimension()).map(|value| f32::from(*value) * scale);
                (*piece, row.collect())
            })
            .collect();
        let encoded = encode(rotation, rows.iter().map(|(piece, row)| (*piece, row.as_slice())));
        sane(&TokenCodes::parse(&encoded).expect("what was encoded is read"));
    });
}

/// An index takes a vector or refuses it, and is sound afterwards.
fn index(values: &[f32; DIMENSION]) {
    let mut index = VectorIndex::new(DIMENSION).expect("a dimension");
    let plain: Vec<f32> = (0..DIMENSION).map(|n| n as f32 - 7.0).collect();
    index.insert(1, 0, &plain).expect("a vector");
    let taken = index.insert(2, 0, values).is_ok();
    assert_eq!(index.contains(2), taken);
    for query in [&plain[..], &values[..]] {
        if let Ok(found) = index.search(&Search::new(query, 5)) {
            assert_eq!(found.len(), index.len());
            assert!(found.iter().all(|found| found.similarity.is_finite()), "{found:?}");
        }
    }
    assert!(index.search(&Search::new(&plain, 5)).is_ok());
}

fuzz_target!(|data: &[u8]| {
    let Ok(case) = Case::arbitrary(&mut Unstructured::new(data)) else { return };
    compare(case.codes, &case.pieces);
    index(&case.values);
    if case.rows.is_empty() {
        return;
    }
    WORLD.with_borrow(|world| {
        world.conn.execute_batch("BEGIN IMMEDIATE").expect("nobody else writes");
        case.rows.iter().take(4).for_each(|row| world.write(row));
        world.conn.execute_batch("COMMIT").expect("a write");
        world.ask(case.question);
        if case.question % 8 == 0 {
            world.repair();
            world.ask(case.question);
        }
        world.conn.execute_batch("BEGIN IMMEDIATE").expect("nobody else writes");
        world.restore();
        world.conn.execute_batch("COMMIT").expect("a write");
    });
});
