//! What is refused, and what is answered at the edges.

#![expect(clippy::unwrap_used, reason = "a helper of tests may fail as a test does")]

use mnemon_index::{GraphParams, IndexError, Method, Search, VectorIndex};

fn check(result: Result<impl std::fmt::Debug, IndexError>, message: &str) {
    assert_eq!(result.unwrap_err().to_string(), message);
}

#[test]
fn bad_vectors_are_refused_and_change_nothing() {
    let mut index = VectorIndex::new(3).unwrap();
    index.insert(1, 0, &[1.0, 0.0, 0.0]).unwrap();
    let cases: [(&[f32], &str); 6] = [
        (&[1.0, 2.0], "expected a vector of 3 values, got 2"),
        (&[], "expected a vector of 3 values, got 0"),
        (&[0.0, f32::NAN, 0.0], "expected finite values, got NaN at position 1"),
        (&[0.0, 0.0, f32::INFINITY], "expected finite values, got inf at position 2"),
        (&[f32::NEG_INFINITY, 0.0, 0.0], "expected finite values, got -inf at position 0"),
        (&[0.0, -0.0, 0.0], "expected a vector with a direction, got 3 zeros"),
    ];
    for (vector, message) in cases {
        check(index.insert(1, 0, vector), message);
        check(index.insert(2, 0, vector), message);
        for method in [Method::Auto, Method::Exact, Method::Graph] {
            check(index.search(&Search { method, ..Search::new(vector, 1) }), message);
        }
    }
    assert_eq!(index.len(), 1);
    assert_eq!(index.search(&Search::new(&[2.0, 0.0, 0.0], 5)).unwrap()[0].similarity, 1.0);
}

#[test]
fn vectors_of_any_finite_length_are_taken() {
    let mut index = VectorIndex::new(2).unwrap();
    for (id, scale) in [(1, f32::MAX), (2, f32::MIN_POSITIVE), (3, f32::from_bits(1)), (4, 1.0)] {
        index.insert(id, 0, &[scale, 0.0]).unwrap();
        index.insert(-id, 0, &[-scale, 0.0]).unwrap();
    }
    let found = index.search(&Search::new(&[f32::MAX, 0.0], 8)).unwrap();
    assert_eq!(found.iter().map(|c| c.id).collect::<Vec<_>>(), [1, 2, 3, 4, -4, -3, -2, -1]);
    assert!(found.iter().all(|c| c.similarity.abs() == 1.0));
}

#[test]
fn parameters_out_of_range_are_refused() {
    check(VectorIndex::new(0), "expected dimension from 1 to 32768, got 0");
    check(VectorIndex::new(32_769), "expected dimension from 1 to 32768, got 32769");
    let mut index = VectorIndex::new(1).unwrap();
    index.insert(1, 1, &[1.0]).unwrap();
    for (ef, message) in [(0, "expected ef from 1 to 4096, got 0"), (4097, "expected ef from 1 to 4096, got 4097")] {
        check(index.search(&Search { ef: Some(ef), ..Search::new(&[1.0], 1) }), message);
    }
    let params = GraphParams::default();
    // hnsw_rs calls exit(1) for m above 256 and finds little with m below 2.
    check(index.graph_job(GraphParams { m: 300, ..params }), "expected m from 2 to 64, got 300");
    check(index.graph_job(GraphParams { m: 1, ..params }), "expected m from 2 to 64, got 1");
    let few = GraphParams { ef_construction: 3, ..params };
    check(index.graph_job(few), &format!("expected ef_construction from {} to 2000, got 3", params.m));
    check(index.graph_job(GraphParams { ef_search: 0, ..params }), "expected ef_search from 1 to 4096, got 0");
}

#[test]
fn k_may_be_anything() {
    let mut index = VectorIndex::new(2).unwrap();
    let search = |index: &VectorIndex, k, method| {
        let found = index.search(&Search { method, ..Search::new(&[1.0, 0.0], k) }).unwrap();
        found.iter().map(|c| c.id).collect::<Vec<_>>()
    };
    for method in [Method::Auto, Method::Exact, Method::Graph] {
        assert_eq!(search(&index, 10, method), []);
    }
    // A graph of nothing, of one and of two nodes.
    for id in 1..4 {
        let graph = index.graph_job(GraphParams::default()).unwrap().build();
        index.install(graph).unwrap();
        index.insert(id, 0, &[1.0, id as f32]).unwrap();
        for method in [Method::Auto, Method::Exact, Method::Graph] {
            let all: Vec<i64> = (1..=id).collect();
            assert_eq!(search(&index, 0, method), []);
            assert_eq!(search(&index, 1, method), [1]);
            assert_eq!(search(&index, all.len(), method), all);
            assert_eq!(search(&index, usize::MAX, method), all);
        }
    }
}

#[test]
fn partitions_decide_before_the_ranking() {
    let mut index = VectorIndex::new(2).unwrap();
    for id in 0..100 {
        index.insert(id, if id == 99 { u32::MAX } else { (id % 2) as u32 }, &[1.0, id as f32]).unwrap();
    }
    let search = |partitions: &[u32], k| {
        let found = index.search(&Search { partitions: Some(partitions), ..Search::new(&[1.0, 0.0], k) }).unwrap();
        found.iter().map(|c| c.id).collect::<Vec<_>>()
    };
    // The farthest of all is found when it is the only one of its partition.
    assert_eq!(search(&[u32::MAX], 5), [99]);
    assert_eq!(search(&[1], 3), [1, 3, 5]);
    assert_eq!(search(&[u32::MAX, 1, 1, 7], 200).len(), 50);
    assert_eq!(search(&[0, 1], 3), [0, 1, 2]);
    assert_eq!(search(&[], 3), []);
    assert_eq!(search(&[12], 3), []);
}

#[test]
fn moving_a_row_to_another_partition_moves_it() {
    let mut index = VectorIndex::new(1).unwrap();
    index.insert(1, 5, &[1.0]).unwrap();
    index.insert(1, 6, &[1.0]).unwrap();
    let found = |p| index.search(&Search { partitions: Some(&[p]), ..Search::new(&[1.0], 9) }).unwrap().len();
    assert_eq!((found(5), found(6), index.len()), (0, 1, 1));
}

#[test]
fn a_graph_of_another_dimension_is_refused_and_one_of_another_index_does_no_harm() {
    let mut index = VectorIndex::new(2).unwrap();
    let mut other = VectorIndex::new(2).unwrap();
    for id in 0..300 {
        index.insert(id, 0, &[(id as f32).cos(), (id as f32).sin()]).unwrap();
        other.insert(id + 150, 0, &[(id as f32).sin(), (id as f32).cos()]).unwrap();
    }
    let wrong = VectorIndex::new(3).unwrap().graph_job(GraphParams::default()).unwrap().build();
    check(index.install(wrong), "expected a vector of 2 values, got 3");
    let exact = index.search(&Search::new(&[1.0, 0.2], 300)).unwrap();
    index.install(other.graph_job(GraphParams::default()).unwrap().build()).unwrap();
    assert!(index.stats().in_graph < 10);
    let found = index.search(&Search { method: Method::Graph, ..Search::new(&[1.0, 0.2], 300) }).unwrap();
    assert_eq!(found, exact);
}

#[test]
fn an_index_can_be_searched_by_many_threads() {
    fn shareable<T: Send + Sync>(_: &T) {}
    let index = VectorIndex::new(2).unwrap();
    shareable(&index);
}
