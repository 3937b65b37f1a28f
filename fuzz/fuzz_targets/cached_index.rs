//! What was saved of an index and of a scope, as its bytes may be: it is refused, or it is used, and then nothing in it
//! ends the process. What fits its own checksums unchanged gives what rows give.
#![no_main]

use std::sync::Arc;

use arbitrary::{Arbitrary, Unstructured};
use libfuzzer_sys::fuzz_target;
use mnemon_core::{Role, Scope};
use mnemon_fuzz::{DIMENSION, HashEmbedder, fill, long_term, scope};
use mnemon_index::{GraphParams, Method, Search, VectorIndex};
use mnemon_long_term::{Diversity, RecallQuery};
use mnemon_store::{ModelRow, PassageRow, ScopeRow, Store, StoreError};
use twox_hash::XxHash3_64;

#[derive(Debug, Arbitrary)]
struct Case<'a> {
    /// Which of the saved indexes is changed.
    which: u8,
    edits: Vec<Edit<'a>>,
    /// Whether checksums are made to fit afterwards.
    sealed: bool,
    /// Whether a whole scope is loaded with it, instead of the index alone.
    scope: bool,
}

#[derive(Debug, Arbitrary)]
enum Edit<'a> {
    Set {
        part: u8,
        at: u32,
        byte: u8,
    },
    /// One of the first numbers behind the frame, which decide what is allocated.
    Count {
        part: u8,
        field: u8,
        value: u32,
    },
    /// The same near its old value.
    Near {
        part: u8,
        field: u8,
        by: i8,
    },
    Cut {
        part: u8,
        length: u16,
    },
    Append {
        part: u8,
        bytes: &'a [u8],
    },
    Replace {
        part: u8,
        bytes: &'a [u8],
    },
    Drop {
        part: u8,
    },
    Repeat {
        part: u8,
    },
    Swap {
        part: u8,
    },
}

const FRAME: usize = 32;
const QUESTION: &str = "Who stands in the estuary at low tide?";

/// Parts are sealed one after the other, each with the seal of the one before.
fn seal(parts: &mut [Vec<u8>]) {
    let (mut seed, count) = (0, parts.len() as u32);
    for (number, part) in (0_u32..).zip(parts) {
        if part.len() >= FRAME {
            part[8..16].copy_from_slice(b"mnemonix");
            part[16..20].copy_from_slice(&1_u32.to_le_bytes());
            part[20..24].copy_from_slice(&number.to_le_bytes());
            part[24..28].copy_from_slice(&count.to_le_bytes());
            seed = XxHash3_64::oneshot_with_seed(seed, &part[8..]);
            part[..8].copy_from_slice(&seed.to_le_bytes());
        }
    }
}

fn seal_passages(part: &mut [u8]) {
    if part.len() >= 16 {
        let sum = XxHash3_64::oneshot(&part[16..]);
        part[..8].copy_from_slice(b"mnpassg2");
        part[8..16].copy_from_slice(&sum.to_le_bytes());
    }
}

/// The passages of a scope as they are saved.
fn passages(rows: &[PassageRow]) -> Vec<u8> {
    fn write(out: &mut Vec<u8>, value: i64) {
        let mut rest = ((value << 1) ^ (value >> 63)).cast_unsigned();
        while rest >= 0x80 {
            out.push(rest as u8 | 0x80);
            rest >>= 7;
        }
        out.push(rest as u8);
    }
    let mut out = vec![0; 40];
    let mut speakers: Vec<&String> = Vec::new();
    for speaker in rows.iter().filter_map(|row| row.speaker.as_ref()) {
        if !speakers.contains(&speaker) {
            speakers.push(speaker);
        }
    }
    for speaker in &speakers {
        write(&mut out, speaker.len() as i64);
        out.extend(speaker.as_bytes());
    }
    let mut last = [0_i64; 15];
    for row in rows {
        let speaker = row.speaker.as_ref().and_then(|name| speakers.iter().position(|known| *known == name));
        let fields = [
            row.id,
            row.memory,
            row.run,
            row.place,
            row.time.as_millisecond(),
            row.ordinal.into(),
            row.start.into(),
            row.end.into(),
            row.words.into(),
            row.cues.into(),
            row.trust.code(),
            row.until.map_or(0, |until| until.as_millisecond() + (1 << 50)),
            row.role.map_or(0, |role: Role| role.code() + 1),
            speaker.map_or(0, |place| place as i64 + 1),
            row.terms.len() as i64,
        ];
        fields.iter().zip(&last).for_each(|(field, last)| write(&mut out, field.wrapping_sub(*last)));
        last = fields;
    }
    out.extend(rows.iter().flat_map(|row| &row.terms).flat_map(|term| term.to_le_bytes()));
    let terms: usize = rows.iter().map(|row| row.terms.len()).sum();
    let counts = [speakers.len() as u64, rows.len() as u64, terms as u64].map(u64::to_le_bytes);
    out[16..40].copy_from_slice(&counts.concat());
    seal_passages(&mut out);
    out
}

struct World {
    /// Saved indexes without a graph, with one, and with nothing in it.
    indexes: Vec<Vec<Vec<u8>>>,
    store: Arc<Store>,
    scope: Scope,
    row: ScopeRow,
    model: ModelRow,
    /// What a scope saves: its passages, then its index.
    saved: Vec<Vec<u8>>,
    /// What the rows answer.
    answer: Vec<(i64, u32)>,
}

impl World {
    fn new() -> Self {
        let store = Arc::new(Store::open_in_memory().expect("a store"));
        let scope = scope("ann");
        let memory = long_term(&store);
        fill(&memory, &scope, "azurite");
        let mut rows = Vec::new();
        let mut index = VectorIndex::new(DIMENSION).expect("a dimension");
        let model = HashEmbedder::default();
        let read = store.read(|snapshot| -> Result<_, StoreError> {
            let row = snapshot.scope_id(&scope)?.expect("it was written to");
            let model = snapshot.model(mnemon_core::Embedder::model(&model), DIMENSION)?.expect("it was written to");
            snapshot.each_passage(row, |passage| rows.push(passage))?;
            snapshot.each_vector_of(row, model, |passage, vector| -> Result<(), StoreError> {
                index.insert(passage, 0, vector).expect("a vector");
                Ok(())
            })?;
            Ok((row, model))
        });
        let (row, model) = read.expect("rows");
        let saved = std::iter::once(passages(&rows)).chain(index.to_parts()).collect();
        let empty = VectorIndex::new(DIMENSION).expect("a dimension");
        let indexes = [&large(400, false), &large(400, true), &empty].map(|index| index.to_parts().collect()).into();
        let mut world = Self { indexes, store, scope, row, model, saved, answer: Vec::new() };
        world.answer = world.ask().expect("it answers");
        // What is written here is what the engine reads, and it does read it: other terms give another answer.
        assert_eq!(world.ask_with(&world.saved), Ok(world.answer.clone()));
        let terms: usize = rows.iter().map(|row| row.terms.len()).sum();
        let mut other = world.saved.clone();
        let end = other[0].len();
        other[0][end - 4 * terms..].fill(7);
        seal_passages(&mut other[0]);
        assert_ne!(world.ask_with(&other), Ok(world.answer.clone()), "what was saved is not read");
        world
    }

    fn ask_with(&self, parts: &[Vec<u8>]) -> Result<Vec<(i64, u32)>, String> {
        let saved = self.store.write(|tx| -> Result<bool, StoreError> {
            let head = tx.head()?;
            tx.save(self.row, Some(self.model), head, parts)
        });
        assert!(saved.expect("a write"));
        self.ask()
    }

    /// Asks with nothing in memory.
    fn ask(&self) -> Result<Vec<(i64, u32)>, String> {
        let query = RecallQuery {
            relevance_floor: 0.0,
            diversity: Diversity::None,
            ..RecallQuery::new(QUESTION, &self.scope, 30)
        };
        let recall = long_term(&self.store).recall(&query).map_err(|error| format!("{error:?}"))?;
        Ok(recall.hits.iter().map(|hit| (hit.row, hit.score.to_bits())).collect())
    }
}

fn large(count: i64, graph: bool) -> VectorIndex {
    let mut index = VectorIndex::new(DIMENSION).expect("a dimension");
    for id in 0..count {
        let value =
            |n: usize| (id as u64 + 1).wrapping_mul(n as u64 * 2 + 0x9e37_79b9_7f4a_7c15).rotate_left(n as u32) as i32;
        // Some are equal: a graph has one node for them.
        let vector: Vec<f32> = (0..DIMENSION).map(|n| if id % 10 == 9 { n as f32 } else { value(n) as f32 }).collect();
        index.insert(id, (id % 3) as u32, &vector).expect("a vector");
    }
    if graph {
        let params = GraphParams { m: 6, ef_construction: 32, ef_search: 16, parallel: false };
        let built = index.graph_job(params).expect("parameters").build();
        index.install(built).expect("its own graph");
    }
    (0..count).filter(|id| id % 7 == 3).for_each(|id| assert!(index.remove(id)));
    index
}

fn edit(parts: &mut Vec<Vec<u8>>, edits: &[Edit<'_>]) {
    for edit in edits.iter().take(16) {
        if parts.is_empty() {
            return;
        }
        let count = parts.len();
        let place = |part: &u8| usize::from(*part) % count;
        match edit {
            Edit::Set { part, at, byte } => {
                let part = &mut parts[place(part)];
                let length = part.len().max(1);
                if let Some(old) = part.get_mut(*at as usize % length) {
                    *old = *byte;
                }
            }
            Edit::Count { part, field, value } => {
                let at = 8 + usize::from(*field % 24) * 4;
                if let Some(old) = parts[place(part)].get_mut(at..at + 4) {
                    old.copy_from_slice(&value.to_le_bytes());
                }
            }
            Edit::Near { part, field, by } => {
                let at = 8 + usize::from(*field % 24) * 4;
                if let Some(old) = parts[place(part)].get_mut(at..).and_then(|rest| rest.first_chunk_mut::<4>()) {
                    *old = u32::from_le_bytes(*old).wrapping_add_signed((*by).into()).to_le_bytes();
                }
            }
            Edit::Cut { part, length } => parts[place(part)].truncate((*length).into()),
            Edit::Append { part, bytes } => parts[place(part)].extend_from_slice(bytes),
            Edit::Replace { part, bytes } => parts[place(part)] = bytes.to_vec(),
            Edit::Drop { part } => drop(parts.remove(place(part))),
            Edit::Repeat { part } => parts.insert(place(part), parts[place(part)].clone()),
            Edit::Swap { part } => parts.swap(place(part), count - 1),
        }
    }
}

/// An index that was read does everything that an index does.
fn use_it(mut index: VectorIndex) {
    let dimension = index.dimension();
    let query: Vec<f32> = (0..dimension).map(|n| n as f32 - 3.0).collect();
    for method in [Method::Auto, Method::Exact, Method::Graph] {
        for partitions in [None, Some(&[1_u32][..])] {
            let found = index.search(&Search { method, partitions, ..Search::new(&query, 20) }).expect("a search");
            assert!(found.len() <= 20 && found.iter().all(|found| index.contains(found.id)), "{found:?}");
            let mut ids: Vec<i64> = found.iter().map(|found| found.id).collect();
            ids.sort_unstable();
            ids.dedup();
            assert_eq!(ids.len(), found.len(), "a row twice");
        }
    }
    let stats = index.stats();
    assert!(stats.memory_bytes < 64 << 20, "{stats:?}");
    let parts: Vec<Vec<u8>> = index.to_parts().collect();
    let again = VectorIndex::from_parts(&parts).expect("what it wrote itself");
    assert_eq!(again.to_parts().collect::<Vec<_>>(), parts);
    let len = index.len();
    index.insert(i64::MAX - 1, 0, &query).expect("a vector");
    assert!(index.len() <= len + 1 && index.contains(i64::MAX - 1));
    assert!(index.remove(i64::MAX - 1));
    index.forget_graph();
    assert!(index.search(&Search::new(&query, 3)).is_ok());
    index.clear();
    assert!(index.is_empty());
}

thread_local! {
    static WORLD: World = World::new();
}

fuzz_target!(|data: &[u8]| {
    let Ok(case) = Case::arbitrary_take_rest(Unstructured::new(data)) else { return };
    WORLD.with(|world| {
        if case.scope {
            let mut parts = world.saved.clone();
            edit(&mut parts, &case.edits);
            if case.sealed {
                if let Some((first, index)) = parts.split_first_mut() {
                    seal_passages(first);
                    seal(index);
                }
            }
            let answer = world.ask_with(&parts).unwrap_or_else(|error| panic!("{error}"));
            // With seals that fit, other passages are other passages. Else it is what rows say.
            if !case.sealed || parts == world.saved {
                assert_eq!(answer, world.answer);
            }
            return;
        }
        let whole = &world.indexes[usize::from(case.which) % world.indexes.len()];
        let mut parts = whole.clone();
        edit(&mut parts, &case.edits);
        if case.sealed {
            seal(&mut parts);
        }
        let read = VectorIndex::from_parts(&parts);
        if !case.sealed {
            assert_eq!(read.is_ok(), parts == *whole, "{read:?}");
        }
        if let Ok(index) = read {
            use_it(index);
        }
    });
});
