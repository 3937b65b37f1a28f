//! Indexes that are saved and read again, as they are and damaged.

use proptest::prelude::*;

use super::*;
use crate::{GraphParams, IndexError, Method, Search, VectorIndex};

const DIMENSION: usize = 70;

fn vector(seed: u64) -> Vec<f32> {
    (0..DIMENSION as u64).map(|i| ((seed * 131 + i * 17 + seed * i % 7) as f32).sin()).collect()
}

/// `rows` rows of which `covered` are in a graph, with copies, rows that are gone in the graph and behind it, and ids that
/// do not ascend.
fn index_of(rows: u64, covered: u64) -> VectorIndex {
    let mut index = VectorIndex::new(DIMENSION).unwrap();
    let id = |i: u64| if i.is_multiple_of(5) { -(i as i64) } else { i as i64 * 3 };
    let insert = |index: &mut VectorIndex, i: u64| {
        index.insert(id(i), (i % 3) as u32, &vector(if i % 11 == 3 { 3 } else { i })).unwrap();
    };
    (0..covered).for_each(|i| insert(&mut index, i));
    if covered > 0 {
        let params = GraphParams { m: 6, ef_construction: 30, ef_search: 20, parallel: false };
        let graph = index.graph_job(params).unwrap().build();
        index.install(graph).unwrap();
    }
    (covered..rows).for_each(|i| insert(&mut index, i));
    (0..rows).step_by(7).for_each(|i| assert!(index.remove(id(i))));
    index
}

fn parts(index: &VectorIndex) -> Vec<Vec<u8>> {
    let parts = index.to_parts();
    let count = parts.len();
    let parts: Vec<Vec<u8>> = parts.collect();
    assert_eq!(parts.len(), count);
    parts
}

fn read(parts: &[Vec<u8>], mut reader: PartsReader) -> Result<VectorIndex, IndexError> {
    parts.iter().try_for_each(|part| reader.push(part))?;
    reader.finish()
}

/// Everything that can be asked of an index.
fn answers(index: &VectorIndex) -> Vec<(i64, f32)> {
    let mut answers = Vec::new();
    for i in 0..12 {
        let query = vector(i * 5);
        for method in [Method::Exact, Method::Graph, Method::Auto] {
            for partitions in [None, Some(&[1][..])] {
                let search = Search { method, partitions, ..Search::new(&query, 9) };
                answers.extend(index.search(&search).unwrap().iter().map(|c| (c.id, c.similarity)));
            }
        }
        let similarities = index.similarities(&query, -50..50).unwrap();
        answers.extend((-50..50).zip(similarities).filter_map(|(id, s)| Some((id, s?))));
    }
    answers
}

fn check(index: &VectorIndex) {
    let saved = parts(index);
    let mut read = VectorIndex::from_parts(&saved).unwrap();
    let (own, other) = (index.stats(), read.stats());
    assert_eq!((own.rows, own.dead, own.in_graph), (other.rows, other.dead, other.in_graph));
    assert_eq!(read.dimension(), index.dimension());
    assert_eq!(answers(&read), answers(index));
    assert!(parts(&read) == saved, "saved again it is the same");
    // And it can go on.
    read.insert(-9_999, 1, &vector(4)).unwrap();
    assert!(read.search(&Search::new(&vector(4), 9)).unwrap().iter().any(|c| c.id == -9_999));
    assert!(read.contains(-9_999) && read.remove(-9_999) && !read.contains(-9_999));
}

#[test]
fn what_is_saved_is_read() {
    for (rows, covered) in [(0, 0), (1, 0), (1, 1), (64, 0), (200, 0), (3, 2), (150, 150), (200, 130), (2_000, 300)] {
        check(&index_of(rows, covered));
    }
}

#[test]
fn a_saved_index_of_many_parts_is_read() {
    let mut index = VectorIndex::new(384).unwrap();
    for i in 0..25_000u64 {
        let vector: Vec<f32> = (0..384).map(|d| ((i * 31 + d * 7) % 1000) as f32 - 499.5).collect();
        index.insert(i as i64, 0, &vector).unwrap();
    }
    let mut saved = parts(&index);
    assert!(saved.len() > 3 && saved.iter().all(|part| part.len() <= FRAME + PAYLOAD));
    assert!(parts(&VectorIndex::from_parts(&saved).unwrap()) == saved);
    saved.swap(1, 2);
    assert!(VectorIndex::from_parts(&saved).is_err());
    saved.swap(1, 2);
    saved.pop();
    assert!(VectorIndex::from_parts(&saved).is_err());
}

#[test]
fn parts_of_two_indexes_cannot_be_mixed() {
    let (a, b) = (parts(&index_of(100, 50)), parts(&index_of(101, 50)));
    assert_eq!((a.len(), b.len()), (2, 2));
    for mixed in [[&a[0], &b[1]], [&b[0], &a[1]], [&a[1], &a[0]], [&a[0], &a[0]], [&a[1], &a[1]]] {
        assert!(VectorIndex::from_parts(mixed).is_err());
    }
    let message = |parts: &[&[u8]]| VectorIndex::from_parts(parts).unwrap_err().to_string();
    assert_eq!(message(&[]), "expected a saved index with all of its parts");
    assert_eq!(message(&[&a[0]]), "expected a saved index with all of its parts");
    assert_eq!(message(&[&a[0], &a[1], &a[1]]), "expected a saved index with matching checksums");
    assert_eq!(message(&[b""]), "expected a saved index with whole parts");
    assert_eq!(message(&[&[0; 100]]), "expected a saved index with the mark of one in each part");
    let mut newer = a[0].clone();
    newer[16] = 2;
    assert_eq!(message(&[&newer]), "expected a saved index of format 1, got format 2");
}

/// One way to damage a file.
#[derive(Debug, Clone)]
enum Damage {
    Flip {
        part: usize,
        at: usize,
        bit: u32,
    },
    /// Sets one of the first numbers of the header: those which decide what is allocated.
    Count {
        field: usize,
        value: u32,
    },
    Cut {
        part: usize,
        length: usize,
    },
    Drop {
        part: usize,
    },
    Repeat {
        part: usize,
    },
}

fn damages() -> impl Strategy<Value = Vec<Damage>> {
    let value = prop_oneof![0u32..300, any::<u32>(), Just(u32::MAX)];
    let damage = prop_oneof![
        8 => (0usize..2, any::<prop::sample::Index>(), 0u32..8).prop_map(|(part, at, bit)| Damage::Flip { part, at: at.index(1 << 30), bit }),
        4 => (0usize..14, value).prop_map(|(field, value)| Damage::Count { field, value }),
        1 => (0usize..2, 0usize..60_000).prop_map(|(part, length)| Damage::Cut { part, length }),
        1 => (0usize..2).prop_map(|part| Damage::Drop { part }),
        1 => (0usize..2).prop_map(|part| Damage::Repeat { part }),
    ];
    proptest::collection::vec(damage, 1..4)
}

fn apply(parts: &mut Vec<Vec<u8>>, damage: &Damage) {
    match damage {
        Damage::Flip { part, at, bit } => {
            if let Some(part) = parts.get_mut(*part)
                && let Some(at) = at.checked_rem(part.len())
            {
                part[at] ^= 1 << bit;
            }
        }
        Damage::Count { field, value } => {
            if let Some(place) =
                parts.get_mut(0).and_then(|part| part.get_mut(FRAME + field * 4..FRAME + field * 4 + 4))
            {
                place.copy_from_slice(&value.to_le_bytes());
            }
        }
        Damage::Cut { part, length } => parts.get_mut(*part).into_iter().for_each(|part| part.truncate(*length)),
        Damage::Drop { part } if *part < parts.len() => drop(parts.remove(*part)),
        Damage::Repeat { part } if *part < parts.len() => parts.insert(*part, parts[*part].clone()),
        Damage::Drop { .. } | Damage::Repeat { .. } => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn a_damaged_file_is_refused_and_never_searched_out_of_bounds(graph in any::<bool>(), damages in damages()) {
        static INDEXES: std::sync::LazyLock<[(VectorIndex, Vec<Vec<u8>>); 2]> = std::sync::LazyLock::new(|| {
            [index_of(150, 0), index_of(150, 110)].map(|index| {
                let saved = parts(&index);
                (index, saved)
            })
        });
        let (index, saved) = &INDEXES[usize::from(graph)];
        let mut damaged = saved.clone();
        damages.iter().for_each(|damage| apply(&mut damaged, damage));
        match read(&damaged, PartsReader::new()) {
            Ok(read) => prop_assert!(damaged == *saved || answers(&read) == answers(index)),
            Err(_) => prop_assert!(damaged != *saved),
        }
        // Behind a checksum that happens to hold: some answer, and no panic.
        if let Ok(mut read) = super::tests::read(&damaged, PartsReader::unverified())
            && read.dimension() == DIMENSION
        {
            answers(&read);
            read.insert(7, 1, &vector(1)).unwrap();
            for id in -200..500 {
                read.remove(id);
            }
            let graph = read.graph_job(GraphParams { m: 4, ef_construction: 8, ef_search: 8, parallel: false });
            read.install(graph.unwrap().build()).unwrap();
            answers(&read);
        }
    }
}
