//! Conformance tests: every implementation of [`VectorIndex`] keeps its promises, checked against a plain sort.

use std::{
    collections::{HashMap, HashSet},
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
};

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{
    test_points::{DIMS, EF, count_as_near, graph, near, points},
    *,
};
use crate::core::UnitVector;

/// An index with `points` after some were added, some replaced and others removed.
fn live(points: &[(u64, UnitVector)], base: impl Fn(&[(u64, UnitVector)]) -> StaticIndex) -> LiveIndex {
    let wrong = UnitVector::new(vec![-1.0; DIMS], DIMS).expect("valid");
    let mut early: Vec<(u64, UnitVector)> = points[points.len() / 10..].to_vec();
    early.iter_mut().step_by(9).for_each(|(_, point)| *point = wrong.clone());
    early.extend((0..points.len() as u64 / 8).map(|n| (3_000_000 + n, wrong.clone())));
    let live = LiveIndex::new(base(&early), RebuildThresholds::default());
    for (n, (key, point)) in points.iter().enumerate() {
        // Adds new points, and replaces wrong ones.
        if n < points.len() / 10 || (n - points.len() / 10).is_multiple_of(9) {
            live.apply(vec![Change::Put(*key, point.clone())]).expect("of one space");
        }
    }
    for n in 0..points.len() as u64 / 8 {
        live.apply(vec![Change::Remove(3_000_000 + n)]).expect("of one space");
    }
    live
}

/// Every kind of index of `points`.
fn all_of(points: &[(u64, UnitVector)]) -> Vec<(&'static str, Box<dyn VectorIndex>)> {
    let exact = |points: &[(u64, UnitVector)]| ExactIndex::new(DIMS, points.to_vec()).expect("valid points");
    vec![
        ("exact", Box::new(exact(points))),
        ("graph by floats", Box::new(graph(points, Traversal::Float, 2))),
        ("graph by bytes", Box::new(graph(points, Traversal::Byte, 1))),
        ("live over exact", Box::new(live(points, |early| StaticIndex::Exact(exact(early))))),
        ("live over graph", Box::new(live(points, |early| StaticIndex::Graph(graph(early, Traversal::Byte, 2))))),
    ]
}

fn truth(points: &[(u64, UnitVector)], query: &UnitVector) -> Vec<(u64, f32)> {
    let mut all: Vec<(u64, f32)> = points.iter().map(|(key, p)| (*key, query.cosine(p))).collect();
    all.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    all
}

/// How many of the best ten scores the hits reach rank by rank: all of them, if nothing is missing. Scores are compared
/// and not keys, because any of several equal points is a right answer.
fn found(truth: &[(u64, f32)], hits: &[Hit]) -> (usize, usize) {
    let best = &truth[..truth.len().min(10)];
    let enough = |(hit, (_, score)): &(&Hit, &(u64, f32))| hit.score >= score - 1e-5;
    (hits.iter().zip(best).filter(enough).count(), best.len())
}

/// recall@10: how many hits are as near as the tenth true neighbor. Rank by rank, one miss would count for all later
/// ranks.
fn recalled(truth: &[(u64, f32)], hits: &[Hit]) -> (usize, usize) {
    let best = &truth[..truth.len().min(10)];
    let farthest = best.last().map_or(f32::INFINITY, |(_, score)| *score);
    (count_as_near(&hits[..best.len().min(hits.len())], farthest), best.len())
}

fn ranked(hits: &[Hit]) -> bool {
    hits.is_sorted_by(|a, b| a.score > b.score || (a.score == b.score && a.key < b.key))
}

#[test]
fn every_index_keeps_its_promises() {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    for count in [0, 1, 2, 10, 150, 900] {
        let points = points(count, &mut rng);
        let by_key: HashMap<u64, &UnitVector> = points.iter().map(|(key, point)| (*key, point)).collect();
        let queries: Vec<UnitVector> = (0..30).map(|_| near(&[0.0; DIMS], &mut rng)).collect();
        let truths: Vec<Vec<(u64, f32)>> = queries.iter().map(|query| truth(&points, query)).collect();
        for (name, index) in all_of(&points) {
            let name = format!("{name}, {count} points");
            assert_eq!((index.len(), index.is_empty(), index.dims()), (count, count == 0, DIMS), "{name}");
            for wanted in [0, 1, 7, 5_000] {
                let sample = index.sample(wanted);
                assert!(sample.len() <= wanted && (sample.is_empty() == (count.min(wanted) == 0)), "{name}");
                assert!(sample.iter().all(|s| points.iter().any(|(_, p)| p == s)), "{name}");
            }
            assert!(points.iter().all(|(key, point)| index.get(*key).as_ref() == Some(point)), "{name}");
            assert_eq!(index.get(3), None, "{name}");
            assert!(count == 0 || index.memory().total() > count * DIMS * 4, "{name}: {:?}", index.memory());
            let (mut right, mut wanted) = (0, 0);
            for (query, truth) in queries.iter().zip(&truths) {
                let wide = index.search(query, &SearchParams::top(EF)).expect("a valid query");
                for k in [0, 1, 10, EF, MAX_K] {
                    let params = SearchParams::top(k);
                    let result = index.search(query, &params).expect("a valid query");
                    let hits = &result.hits;
                    assert_eq!(hits.len(), k.min(count), "{name}, k {k}");
                    assert_eq!(hits.iter().map(|h| h.key).collect::<HashSet<_>>().len(), hits.len(), "distinct keys");
                    assert!(ranked(hits), "{name}: {hits:?}");
                    assert!(hits.iter().all(|h| (h.score - query.cosine(by_key[&h.key])).abs() < 1e-5), "{name}");
                    if k <= EF {
                        assert_eq!(hits[..], wide.hits[..hits.len()], "{name}: a smaller k is a prefix");
                    }
                    assert_eq!(result, index.search(query, &params).expect("a valid query"), "{name}: the same again");
                }
                let exact = index.search(query, &SearchParams::exact(10)).expect("a valid query");
                assert_eq!(exact.strategy, Strategy::Exact);
                assert_eq!(found(truth, &exact.hits), (truth.len().min(10), truth.len().min(10)), "{name}");
                let (in_rank, all) = found(truth, &wide.hits);
                assert!(wide.strategy != Strategy::Exact || in_rank == all, "{name}: exact means exact");
                let (of_query, of_truth) = recalled(truth, &wide.hits);
                right += of_query;
                wanted += of_truth;
            }
            assert!(right as f64 >= 0.99 * wanted as f64, "{name}: {right} of {wanted}");
            for params in [SearchParams::top(12), SearchParams::exact(12)] {
                let alone: Vec<SearchResult> =
                    queries.iter().map(|query| index.search(query, &params).expect("a valid query")).collect();
                assert_eq!(index.search_batch(&queries, &params), Ok(alone), "{name}");
            }
        }
    }
}

#[test]
fn filtered_results_are_complete_and_never_contain_other_keys() {
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let points = points(1_500, &mut rng);
    for (name, index) in all_of(&points) {
        let mut strategies = HashSet::new();
        for part in [0.0, 0.003, 0.05, 0.3, 0.9, 1.0] {
            let mut allowed: KeySet = points.iter().map(|(key, _)| *key).filter(|_| rng.random_bool(part)).collect();
            // Keys that do not exist, among them those of deleted points, change nothing.
            allowed.extend([0, 7, 3_000_000, 3_000_001, u64::MAX]);
            let kept: Vec<(u64, UnitVector)> =
                points.iter().filter(|(key, _)| allowed.contains(*key)).cloned().collect();
            let (mut right, mut wanted) = (0, 0);
            for _ in 0..25 {
                let query = near(points[rng.random_range(0..points.len())].1.as_slice(), &mut rng);
                let truth = truth(&kept, &query);
                for k in [1, 10, 40, MAX_K] {
                    let params = SearchParams { filter: Some(&allowed), ..SearchParams::top(k) };
                    let result = index.search(&query, &params).expect("a valid query");
                    strategies.insert(result.strategy);
                    assert_eq!(result.hits.len(), k.min(kept.len()), "{name}, {part} allowed, k {k}");
                    assert!(ranked(&result.hits) && result.hits.iter().all(|hit| allowed.contains(hit.key)), "{name}");
                    let exact = SearchParams { exact: true, ..params };
                    let exact = index.search(&query, &exact).expect("a valid query").hits;
                    let all = truth.len().min(10).min(k);
                    assert_eq!(found(&truth[..all], &exact), (all, all), "{name}, {part} allowed");
                    if k == 40 {
                        let (of_query, of_truth) = recalled(&truth, &result.hits);
                        right += of_query;
                        wanted += of_truth;
                    }
                }
            }
            // These searches keep few candidates. The benchmark requires 0.99 with realistic numbers.
            assert!(right as f64 >= 0.98 * wanted as f64, "{name}, {part} allowed: {right} of {wanted}");
        }
        let used_graph = strategies.iter().any(|strategy| *strategy != Strategy::Exact);
        assert_eq!(used_graph, index.strategy() != Strategy::Exact, "{name}: both strategies are used: {strategies:?}");
    }
}

#[test]
fn filter_far_from_the_query_has_complete_results() {
    let mut rng = ChaCha8Rng::seed_from_u64(6);
    let (here, there) = (vec![1.0; DIMS], vec![-1.0; DIMS]);
    let points: Vec<(u64, UnitVector)> =
        (0..2_000).map(|n| (n, near(if n % 2 == 0 { &here } else { &there }, &mut rng))).collect();
    let far: KeySet = (0..2_000).filter(|n| n % 2 == 1).collect();
    for traversal in [Traversal::Byte, Traversal::Float] {
        let graph = graph(&points, traversal, 2);
        let params = SearchParams { ef: Some(20), filter: Some(&far), ..SearchParams::top(10) };
        for _ in 0..20 {
            let query = near(&here, &mut rng);
            let hits = graph.search(&query, &params).expect("a valid query").hits;
            let kept: Vec<(u64, UnitVector)> = points.iter().filter(|(key, _)| far.contains(*key)).cloned().collect();
            assert_eq!(found(&truth(&kept, &query), &hits), (10, 10));
        }
    }
}

#[test]
fn other_dims_large_k_and_duplicate_keys_are_errors() {
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    let points = points(20, &mut rng);
    let foreign = UnitVector::new(vec![1.0; DIMS + 1], DIMS + 1).expect("valid");
    let wrong = IndexError::WrongDims { expected: DIMS, found: DIMS + 1 };
    for (name, index) in all_of(&points) {
        for exact in [false, true] {
            let search = |query: &UnitVector, k| index.search(query, &SearchParams { exact, ..SearchParams::top(k) });
            assert_eq!(search(&foreign, 3), Err(wrong.clone()), "{name}");
            assert_eq!(search(&points[0].1, MAX_K + 1), Err(IndexError::KTooLarge(MAX_K + 1)), "{name}");
        }
        let batch = [points[0].1.clone(), foreign.clone()];
        assert_eq!(index.search_batch(&batch, &SearchParams::exact(3)), Err(wrong.clone()), "{name}");
    }
    let duplicate = vec![points[0].clone(), points[1].clone(), points[0].clone()];
    assert_eq!(ExactIndex::new(DIMS, duplicate).err(), Some(IndexError::DuplicateKey(points[0].0)));
    assert_eq!(ExactIndex::new(DIMS, vec![(1, foreign)]).err(), Some(wrong));
}

#[test]
fn build_can_be_stopped_and_reports_progress() {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let points = points(1_500, &mut rng);
    let exact = || ExactIndex::new(DIMS, points.clone()).expect("valid");
    for threads in [1, 2] {
        let parameters = GraphParameters { threads, ..GraphParameters::default() };
        let stop = AtomicBool::new(true);
        let stopped = GraphIndex::build(exact(), &parameters, &|_| (), &stop);
        assert_eq!(stopped.err(), Some(IndexError::Stopped));
        let last = AtomicUsize::new(0);
        let progress = |done| last.store(done, Ordering::Relaxed);
        GraphIndex::build(exact(), &parameters, &progress, &AtomicBool::new(false)).expect("builds");
        assert_eq!(last.into_inner(), points.len());
    }
}

#[test]
fn thousand_duplicates_are_all_reachable() {
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    let mut points = points(500, &mut rng);
    let same = near(&[0.5; DIMS], &mut rng);
    points.extend((0..1_000).map(|n| (5_000_000 + n, same.clone())));
    for traversal in [Traversal::Byte, Traversal::Float] {
        let graph = graph(&points, traversal, 2);
        assert_eq!(graph.orphans(), 0);
        let hits = graph.search(&same, &SearchParams::top(EF)).expect("a valid query").hits;
        assert!(hits.iter().all(|hit| hit.score > 0.999_99), "{hits:?}");
    }
}

/// Captions are like this: few distinct sentences, each many times.
#[test]
fn duplicates_do_not_disconnect_the_graph() {
    let mut rng = ChaCha8Rng::seed_from_u64(12);
    let different = points(600, &mut rng);
    let mut points = Vec::new();
    for (n, (_, point)) in different.iter().enumerate() {
        points.extend((0..1 + n % 60).map(|copy| ((copy * 1_000 + n) as u64, point.clone())));
    }
    for traversal in [Traversal::Byte, Traversal::Float] {
        let graph = graph(&points, traversal, 2);
        assert_eq!(graph.orphans(), 0);
        let (mut right, mut wanted) = (0, 0);
        for (_, query) in different.iter().step_by(7) {
            let result = graph.search(query, &SearchParams::top(10)).expect("a valid query");
            assert_eq!(result.strategy, Strategy::Graph);
            let (of_query, of_truth) = recalled(&truth(&points, query), &result.hits);
            right += of_query;
            wanted += of_truth;
        }
        assert!(right as f64 >= 0.98 * wanted as f64, "{right} of {wanted}");
    }
}

#[test]
fn number_of_points_decides_between_scan_and_graph() {
    let mut rng = ChaCha8Rng::seed_from_u64(4);
    let parameters = IndexParameters { exact_up_to: 300, ..IndexParameters::default() };
    for (count, strategy) in [(300, Strategy::Exact), (301, Strategy::Graph)] {
        let points = points(count, &mut rng);
        let built = StaticIndex::build(DIMS, points, &parameters, &|_| (), &AtomicBool::new(false)).expect("builds");
        assert_eq!(built.strategy(), strategy);
    }
}
