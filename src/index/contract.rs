//! One contract for every index: the promises of [`VectorIndex`], checked against a plain model.

use std::{collections::HashSet, sync::atomic::AtomicBool};

use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::*;

const DIMS: usize = 24;

/// Points around a few centres, as trained spaces have them; some of them equal.
fn points(count: usize, rng: &mut impl Rng) -> Vec<(u64, UnitVector)> {
    let centres: Vec<Vec<f32>> = (0..8).map(|_| (0..DIMS).map(|_| rng.random_range(-1.0..1.0)).collect()).collect();
    let mut points: Vec<(u64, UnitVector)> = Vec::with_capacity(count);
    for n in 0..count {
        let point = match points.last() {
            Some((_, last)) if n % 17 == 0 => last.clone(),
            _ => near(&centres[n % centres.len()], rng),
        };
        points.push((1_000_000 - 7 * n as u64, point));
    }
    points
}

fn near(centre: &[f32], rng: &mut impl Rng) -> UnitVector {
    let values = centre.iter().map(|c| c + rng.random_range(-0.6..0.6)).collect();
    UnitVector::new(values, DIMS).expect("a random vector has a direction")
}

/// Every index that this crate can make of `points`.
fn all_of(points: &[(u64, UnitVector)]) -> Vec<Box<dyn VectorIndex>> {
    let exact = || ExactIndex::new(DIMS, points.to_vec()).expect("valid points");
    let go_on = AtomicBool::new(false);
    let graph = |threads| {
        let parameters = GraphParameters { threads, ..GraphParameters::default() };
        GraphIndex::build(exact(), &parameters, &|_| (), &go_on).expect("nobody stops the build")
    };
    vec![Box::new(exact()), Box::new(graph(1)), Box::new(graph(2))]
}

fn truth(points: &[(u64, UnitVector)], query: &UnitVector) -> Vec<(u64, f32)> {
    let mut all: Vec<(u64, f32)> = points.iter().map(|(key, p)| (*key, query.cosine(p))).collect();
    all.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    all
}

#[test]
fn every_index_keeps_the_contract() {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    for count in [0, 1, 2, 10, 150, 900] {
        let points = points(count, &mut rng);
        for index in all_of(&points) {
            assert_eq!((index.len(), index.is_empty(), index.dims()), (count, count == 0, DIMS));
            for wanted in [1, 7, 5_000] {
                let sample = index.sample(wanted);
                assert!(sample.len() <= wanted && sample.is_empty() == (count == 0), "{} of {wanted}", sample.len());
                assert!(sample.iter().all(|s| points.iter().any(|(_, p)| (p.cosine(s) - 1.0).abs() < 1e-5)));
            }
            let mut found = 0usize;
            let mut wanted = 0usize;
            for _ in 0..30 {
                let query = near(&[0.0; DIMS], &mut rng);
                let expected = truth(&points, &query);
                let wide = index.search(&query, 100).expect("a valid query");
                for k in [0, 1, 10, 100, MAX_K] {
                    let hits = index.search(&query, k).expect("a valid query");
                    assert_eq!(hits.len(), k.min(count), "{:?}, {count} points, k {k}", index.strategy());
                    assert_eq!(hits.iter().map(|h| h.key).collect::<HashSet<_>>().len(), hits.len(), "distinct keys");
                    for pair in hits.windows(2) {
                        let sorted = pair[0].score > pair[1].score
                            || (pair[0].score == pair[1].score && pair[0].key < pair[1].key);
                        assert!(sorted, "{pair:?}");
                    }
                    for hit in &hits {
                        let (_, point) = points.iter().find(|(key, _)| *key == hit.key).expect("a key that was given");
                        assert!((hit.score - query.cosine(point)).abs() < 1e-5);
                    }
                    if k <= 100 {
                        assert_eq!(hits[..], wide[..hits.len()], "a smaller k is a prefix");
                    }
                    assert_eq!(
                        hits,
                        index.search(&query, k).expect("a valid query"),
                        "the same query, the same answer"
                    );
                }
                let exact = index.search_exact(&query, 10).expect("a valid query");
                let expected: Vec<u64> = expected.iter().take(10).map(|(key, _)| *key).collect();
                assert_eq!(exact.iter().map(|h| h.key).collect::<Vec<_>>(), expected);
                let top: HashSet<u64> = wide.iter().take(10).map(|h| h.key).collect();
                found += expected.iter().filter(|key| top.contains(key)).count();
                wanted += expected.len();
            }
            let recall = if wanted == 0 { 1.0 } else { found as f64 / wanted as f64 };
            let floor = if index.strategy() == Strategy::Exact { 1.0 } else { 0.95 };
            assert!(recall >= floor, "{:?}, {count} points: recall@10 {recall}", index.strategy());
        }
    }
}

#[test]
fn other_dims_a_giant_k_and_a_key_given_twice_are_errors() {
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    let points = points(20, &mut rng);
    let foreign = UnitVector::new(vec![1.0; DIMS + 1], DIMS + 1).expect("valid");
    for index in all_of(&points) {
        assert_eq!(index.search(&foreign, 3), Err(IndexError::WrongDims { expected: DIMS, found: DIMS + 1 }));
        assert_eq!(index.search(&points[0].1, MAX_K + 1), Err(IndexError::KTooLarge(MAX_K + 1)));
    }
    let twice = vec![points[0].clone(), points[1].clone(), points[0].clone()];
    assert_eq!(ExactIndex::new(DIMS, twice).err(), Some(IndexError::DuplicateKey(points[0].0)));
    assert!(matches!(ExactIndex::new(DIMS, vec![(1, foreign)]), Err(IndexError::WrongDims { .. })));
}

#[test]
fn a_build_can_be_stopped_and_says_how_far_it_is() {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let points = points(1_500, &mut rng);
    let stop = AtomicBool::new(true);
    let exact = || ExactIndex::new(DIMS, points.clone()).expect("valid");
    let stopped = GraphIndex::build(exact(), &GraphParameters::default(), &|_| (), &stop);
    assert_eq!(stopped.err(), Some(IndexError::Stopped));
    let last = std::sync::atomic::AtomicUsize::new(0);
    let progress = |done| last.store(done, std::sync::atomic::Ordering::Relaxed);
    GraphIndex::build(exact(), &GraphParameters::default(), &progress, &AtomicBool::new(false)).expect("builds");
    assert_eq!(last.into_inner(), points.len());
}

#[test]
fn size_decides_between_scan_and_graph() {
    let mut rng = ChaCha8Rng::seed_from_u64(4);
    let go_on = AtomicBool::new(false);
    let small = build(DIMS, points(50, &mut rng), &|_| (), &go_on).expect("builds");
    let large = build(DIMS, points(EXACT_UP_TO + 1, &mut rng), &|_| (), &go_on).expect("builds");
    assert_eq!((small.strategy(), large.strategy()), (Strategy::Exact, Strategy::Graph));
}
