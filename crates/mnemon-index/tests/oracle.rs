//! Random sequences of operations, compared with a plain list of vectors that is searched in f32.

mod realistic;

use std::collections::BTreeMap;

use mnemon_index::{Candidate, GraphParams, Method, Search, VectorIndex, oversample, rerank};
use proptest::prelude::*;
use realistic::{dot, realistic};

const DIMENSION: usize = 40;
const IDS: i64 = 60;

#[derive(Debug, Clone)]
enum Step {
    Insert {
        id: i64,
        partition: u32,
        vector: usize,
    },
    Remove {
        id: i64,
    },
    Graph,
    /// Begins a graph, which is installed at the next `Graph` or at the end.
    Snapshot,
    Clear,
    /// Saves the index and goes on with what is read again.
    Save,
    Search {
        vector: usize,
        k: usize,
        partitions: Option<Vec<u32>>,
        divisor: i64,
        method: Method,
    },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let method = prop_oneof![Just(Method::Auto), Just(Method::Exact), Just(Method::Graph)];
    let partitions = proptest::option::of(proptest::collection::vec(0u32..5, 0..4));
    // Few different vectors and ids, so that replacements and duplicates are frequent.
    let step = prop_oneof![
        30 => (0..IDS, 0u32..4, 0usize..50).prop_map(|(id, partition, vector)| Step::Insert { id, partition, vector }),
        10 => (0..IDS).prop_map(|id| Step::Remove { id }),
        2 => Just(Step::Graph),
        2 => Just(Step::Snapshot),
        1 => Just(Step::Clear),
        2 => Just(Step::Save),
        20 => (0usize..80, 0usize..20, partitions, 1i64..4, method).prop_map(|(vector, k, partitions, divisor, method)| {
            Step::Search { vector, k, partitions, divisor, method }
        }),
    ];
    proptest::collection::vec(step, 1..150)
}

/// The first `k` in true order, and nothing else, up to vectors whose similarities are closer than rounding can tell.
fn check(found: &[Candidate], mut expected: Vec<Candidate>, k: usize) {
    expected.sort_by(Candidate::rank);
    expected.truncate(k);
    assert_eq!(found.len(), expected.len(), "{found:?} {expected:?}");
    for (found, expected) in found.iter().zip(&expected) {
        assert!((found.similarity - expected.similarity).abs() < 1e-5, "{found:?} {expected:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn every_sequence_finds_what_a_plain_list_finds(steps in steps()) {
        let vectors = realistic(3, 80, DIMENSION);
        let params = GraphParams { m: 8, ef_construction: 64, ef_search: 64, parallel: false };
        let mut index = VectorIndex::new(DIMENSION).unwrap();
        let mut model: BTreeMap<i64, (u32, usize)> = BTreeMap::new();
        let mut job = None;
        for step in steps {
            match step {
                Step::Insert { id, partition, vector } => {
                    // The length of a vector must not matter.
                    let scaled: Vec<f32> = vectors[vector].iter().map(|x| x * (1.0 + id as f32)).collect();
                    index.insert(id, partition, &scaled).unwrap();
                    model.insert(id, (partition, vector));
                }
                Step::Remove { id } => assert_eq!(index.remove(id), model.remove(&id).is_some()),
                Step::Snapshot => job = Some(index.graph_job(params).unwrap()),
                Step::Graph => {
                    let job = job.take().unwrap_or_else(|| index.graph_job(params).unwrap());
                    index.install(job.build()).unwrap();
                }
                Step::Clear => {
                    index.clear();
                    model.clear();
                }
                Step::Save => {
                    let before = index.stats();
                    index = VectorIndex::from_parts(index.to_parts()).unwrap();
                    let after = index.stats();
                    // An empty graph is not saved.
                    prop_assert_eq!((before.rows, before.dead, before.in_graph), (after.rows, after.dead, after.in_graph));
                }
                Step::Search { vector, k, partitions, divisor, method } => {
                    let allowed = |id: i64| id % divisor == 0;
                    let search = Search {
                        partitions: partitions.as_deref(),
                        allowed: Some(&allowed),
                        method,
                        ..Search::new(&vectors[vector], oversample(k))
                    };
                    let found = index.search(&search).unwrap();
                    prop_assert!(found.is_sorted_by(|a, b| a.rank(b).is_lt()));
                    let alone = index.similarities(&vectors[vector], found.iter().map(|c| c.id)).unwrap();
                    prop_assert!(found.iter().map(|c| Some(c.similarity)).eq(alone));
                    for candidate in &found {
                        let (partition, stored) = model[&candidate.id];
                        prop_assert!(allowed(candidate.id));
                        prop_assert!(partitions.as_ref().is_none_or(|p| p.contains(&partition)));
                        prop_assert!((candidate.similarity - dot(&vectors[vector], &vectors[stored])).abs() < 0.02);
                    }
                    let fetched = found.iter().map(|c| (c.id, &vectors[model[&c.id].1]));
                    let ranked = rerank(&vectors[vector], k, fetched).unwrap();
                    let qualified = model.iter().filter(|(id, (partition, _))| {
                        allowed(**id) && partitions.as_ref().is_none_or(|p| p.contains(partition))
                    });
                    let all = qualified.map(|(id, (_, stored))| {
                        Candidate { id: *id, similarity: dot(&vectors[vector], &vectors[*stored]) }
                    });
                    check(&ranked, all.collect(), k);
                }
            }
            prop_assert_eq!(index.len(), model.len());
            prop_assert_eq!(index.is_empty(), model.is_empty());
            prop_assert!((0..IDS).all(|id| index.contains(id) == model.contains_key(&id)));
            let between = model.get(&3).zip(model.get(&4)).map(|(a, b)| dot(&vectors[a.1], &vectors[b.1]));
            prop_assert_eq!(index.between(3, 4).is_some(), between.is_some());
            prop_assert!(index.between(3, 4).zip(between).is_none_or(|(found, expected)| (found - expected).abs() < 0.02));
            prop_assert!(index.stats().in_graph <= index.len());
        }
    }
}
