//! The graph against the exact scan: recall, the delta, tombstones, filters and duplicates.

#![expect(clippy::unwrap_used, reason = "a helper of tests may fail as a test does")]

mod realistic;

use std::collections::BTreeSet;

use mnemon_index::{GraphParams, Method, Search, VectorIndex, oversample, rerank};
use realistic::{dot, realistic};

const DIMENSION: usize = 384;

/// Not parallel, so that the graph is the same every time.
const PARAMS: GraphParams = GraphParams { m: 20, ef_construction: 128, ef_search: 96, parallel: false };

fn index_of(vectors: &[Vec<f32>]) -> VectorIndex {
    let mut index = VectorIndex::new(DIMENSION).unwrap();
    for (id, vector) in (0..).zip(vectors) {
        index.insert(id, (id % 4) as u32, vector).unwrap();
    }
    index
}

fn build(index: &mut VectorIndex, params: GraphParams) {
    let graph = index.graph_job(params).unwrap().build();
    index.install(graph).unwrap();
}

fn ids(index: &VectorIndex, search: &Search<'_>) -> Vec<i64> {
    index.search(search).unwrap().iter().map(|c| c.id).collect()
}

/// Share of what the exact scan returns that the graph returns too.
fn recall(index: &VectorIndex, queries: &[Vec<f32>], search: impl Fn(&[f32]) -> Search<'_>) -> f64 {
    let (mut hits, mut of) = (0, 0);
    for query in queries {
        let exact: BTreeSet<i64> = ids(index, &Search { method: Method::Exact, ..search(query) }).into_iter().collect();
        let found = ids(index, &Search { method: Method::Graph, ..search(query) });
        hits += found.iter().filter(|id| exact.contains(id)).count();
        of += exact.len();
    }
    hits as f64 / of as f64
}

/// The floor that the project promises: recall@10 of at least 0.99 against exact search in f32, on 20,000 vectors.
#[test]
fn recall_at_10_of_20_000_is_at_least_99_percent() {
    let vectors = realistic(7, 20_200, DIMENSION);
    let (base, queries) = vectors.split_at(20_000);
    let mut index = index_of(base);
    build(&mut index, PARAMS);
    assert!(index.stats().in_graph > 19_900, "{:?}", index.stats());
    let (mut hits, mut scanned) = (0, 0);
    for query in queries {
        let mut exact: Vec<(f32, i64)> = (0..).zip(base).map(|(id, v)| (dot(query, v), id)).collect();
        exact.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        let best = |method| {
            let found = ids(&index, &Search { method, ..Search::new(query, oversample(10)) });
            let ranked = rerank(query, 10, found.into_iter().map(|id| (id, &base[id as usize]))).unwrap();
            exact[..10].iter().filter(|(_, id)| ranked.iter().any(|c| c.id == *id)).count()
        };
        hits += best(Method::Graph);
        scanned += best(Method::Exact);
    }
    let of = (queries.len() * 10) as f64;
    assert!(scanned as f64 / of >= 0.999, "int8 scan and re-rank: {}", scanned as f64 / of);
    assert!(hits as f64 / of >= 0.99, "graph: {}", hits as f64 / of);
}

#[test]
fn filters_deletions_and_later_rows_are_seen_through_the_graph() {
    let vectors = realistic(11, 4_100, DIMENSION);
    let (base, queries) = vectors.split_at(4_000);
    let mut index = index_of(&base[..3_000]);
    build(&mut index, GraphParams { ef_construction: 100, ..PARAMS });
    for id in (0..3_000).step_by(3) {
        assert!(index.remove(id));
    }
    for id in (1..3_000).step_by(300) {
        // A row that the graph knows gets another vector.
        index.insert(id, 9, &base[id as usize + 1]).unwrap();
    }
    for (id, vector) in (3_000..).zip(&base[3_000..]) {
        index.insert(id, (id % 4) as u32, vector).unwrap();
    }
    assert_eq!(index.len(), 3_000);
    assert_eq!(index.stats().in_graph, 2_000 - 10);

    assert!(recall(&index, queries, |q| Search::new(q, 10)) > 0.99);
    assert!(recall(&index, queries, |q| Search { partitions: Some(&[1, 2]), ..Search::new(q, 10) }) > 0.99);
    assert!(recall(&index, queries, |q| Search { partitions: Some(&[9]), ..Search::new(q, 20) }) == 1.0);
    let allowed: &(dyn Fn(i64) -> bool + Sync) = &|id| id % 7 == 1;
    assert!(recall(&index, queries, |q| Search { allowed: Some(allowed), ..Search::new(q, 10) }) > 0.99);

    // What is only in the delta is found for certain.
    for (id, vector) in (3_000..4_000).zip(&base[3_000..]).step_by(50) {
        assert_eq!(ids(&index, &Search { method: Method::Graph, ..Search::new(vector, 1) }), [id]);
    }
    // A replaced row is found by its new vector and not by its old one.
    let found = index.search(&Search { method: Method::Graph, ..Search::new(&base[1], 3_000) }).unwrap();
    let replaced = found.iter().find(|c| c.id == 1).unwrap();
    assert!((replaced.similarity - dot(&base[1], &base[2])).abs() < 0.01);
}

#[test]
fn compaction_keeps_the_graph_and_half_a_small_graph_is_dropped() {
    let vectors = realistic(13, 6_050, DIMENSION);
    let (base, queries) = vectors.split_at(6_000);
    let mut index = index_of(&base[..3_000]);
    build(&mut index, GraphParams { ef_construction: 60, ..PARAMS });
    let in_graph = index.stats().in_graph;
    assert!(in_graph > 2_990);
    for (id, vector) in (3_000..).zip(&base[3_000..]) {
        index.insert(id, (id % 4) as u32, vector).unwrap();
    }
    (3_000..5_500).for_each(|id| assert!(index.remove(id)));
    let stats = index.stats();
    assert!(stats.dead < 1_100 && stats.in_graph == in_graph, "{stats:?}");
    assert!(recall(&index, queries, |q| Search::new(q, 10)) > 0.99);

    (0..1_400).for_each(|id| assert!(index.remove(id)));
    let stats = index.stats();
    assert!(stats.in_graph > 1_590 && stats.dead > 1_390, "{stats:?}");
    assert!(recall(&index, queries, |q| Search::new(q, 10)) > 0.99);

    (1_400..1_600).for_each(|id| assert!(index.remove(id)));
    let stats = index.stats();
    assert!(stats.in_graph == 0 && stats.dead <= 100 && stats.rows == 1_900, "{stats:?}");
    assert_eq!(recall(&index, queries, |q| Search::new(q, 10)), 1.0);
    index.clear();
    assert_eq!(index.stats().in_graph + index.stats().dead + index.len(), 0);
    assert!(index.stats().memory_bytes < 1_000);
}

/// Groups of vectors that are all but equal, far from each other: the worst case for a graph, which has to keep ways
/// between groups although every list of neighbours is full of the own group.
#[test]
fn tight_groups_are_all_found() {
    let mut random = realistic::Random::new(29);
    let centres = realistic(31, 60, DIMENSION);
    let mut near = |centre: &[f32]| -> Vec<f32> { centre.iter().map(|x| x + 0.0005 * random.normal()).collect() };
    let base: Vec<Vec<f32>> = (0..6_000).map(|i| near(&centres[i % 60])).collect();
    let queries: Vec<Vec<f32>> = (0..60).map(|i| near(&centres[i])).collect();
    let mut index = index_of(&base);
    build(&mut index, PARAMS);
    assert!(recall(&index, &queries, |q| Search::new(q, 10)) > 0.98);
    // Whether another group is found at all.
    for (group, query) in (0..).zip(&queries) {
        let found = ids(&index, &Search { method: Method::Graph, ..Search::new(query, 100) });
        assert!(found.iter().filter(|id| *id % 60 == group).count() >= 95, "{group}");
    }
}

#[test]
fn duplicates_neither_hide_others_nor_get_lost() {
    let vectors = realistic(17, 3_000, DIMENSION);
    let mut index = index_of(&vectors);
    // Half of all rows are second copies, and one vector has 3,000 more.
    for (id, vector) in (0..).zip(&vectors) {
        index.insert(3_000 + id, 0, vector).unwrap();
        index.insert(6_000 + id, 1, &vectors[5]).unwrap();
    }
    let job = index.graph_job(GraphParams { ef_construction: 100, ..PARAMS }).unwrap();
    assert_eq!(job.len(), 9_000);
    let graph = job.build();
    assert_eq!(graph.nodes(), 3_000);
    index.install(graph).unwrap();
    assert_eq!(index.stats().in_graph, 9_000);

    let mut missed = 0;
    for (id, vector) in (0..).zip(&vectors) {
        let found = ids(&index, &Search { method: Method::Graph, ..Search::new(vector, 2) });
        missed += usize::from(found != if id == 5 { [5, 3_005] } else { [id, 3_000 + id] });
    }
    assert!(missed <= 3, "{missed} of 3,000 vectors are not found by themselves");
    let copies = ids(&index, &Search { method: Method::Graph, ..Search::new(&vectors[5], 3_002) });
    assert_eq!(copies, [5, 3_005].into_iter().chain(6_000..9_000).collect::<Vec<i64>>());
}

#[test]
fn all_equal_vectors_are_one_node() {
    let vector = &realistic(19, 1, DIMENSION)[0];
    let mut index = VectorIndex::new(DIMENSION).unwrap();
    (0..2_000).for_each(|id| index.insert(id, 0, vector).unwrap());
    build(&mut index, PARAMS);
    let found = ids(&index, &Search { method: Method::Graph, ..Search::new(vector, 5_000) });
    assert_eq!(found, (0..2_000).collect::<Vec<i64>>());
}

#[test]
fn a_sequential_build_is_the_same_every_time_and_a_parallel_one_finds_as_much() {
    let vectors = realistic(23, 2_550, DIMENSION);
    let (base, queries) = vectors.split_at(2_500);
    let params = GraphParams { ef_construction: 80, ef_search: 24, ..PARAMS };
    let answers = |params| {
        let mut index = index_of(base);
        build(&mut index, params);
        assert!(index.stats().in_graph > 2_490);
        assert!(recall(&index, queries, |q| Search { ef: Some(96), ..Search::new(q, 10) }) > 0.99);
        queries.iter().map(|q| ids(&index, &Search { method: Method::Graph, ..Search::new(q, 10) })).collect::<Vec<_>>()
    };
    assert_eq!(answers(params), answers(params));
    answers(GraphParams { parallel: true, ..params });
}
