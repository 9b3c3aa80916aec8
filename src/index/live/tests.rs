use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicBool, Ordering},
};

use proptest::prelude::{
    Just, ProptestConfig, Strategy as Any, prop, prop_assert, prop_assert_eq, prop_oneof, proptest,
};
use tempfile::TempDir;

use super::*;
use crate::{
    core::UnitVector,
    index::{
        GenerationStore, GraphParameters, Hit, IndexError, IndexParameters, KeySet, SearchParams, Space, StaticIndex,
        Strategy, VectorIndex, test_points::count_as_near,
    },
};

const SPACE: Space<'static> = Space { model: "one", dims: 8 };

/// Scans up to 40 points, so that a few hundred points form a graph.
fn parameters() -> IndexParameters {
    let graph =
        GraphParameters { links: 8, ef_construction: 64, ef_search: 60, threads: 1, ..GraphParameters::default() };
    IndexParameters { exact_up_to: 40, graph }
}

fn base(points: Vec<(u64, UnitVector)>) -> StaticIndex {
    StaticIndex::build(SPACE.dims, points, &parameters(), &|_| (), &AtomicBool::new(false)).expect("builds")
}

/// One of 5^8 points.
fn point(seed: u32) -> UnitVector {
    let values = (0..8).map(|n| (seed / 5u32.pow(n) % 5) as f32 - 2.1).collect();
    UnitVector::new(values, SPACE.dims).expect("it has a direction")
}

#[derive(Debug, Clone)]
enum Step {
    Apply(Vec<(u64, Option<u32>)>),
    Rebuild,
    Reopen,
    Search(u32, usize, Option<Vec<u64>>),
}

fn steps() -> impl Any<Value = Vec<Step>> {
    let seed = 0u32..5u32.pow(8);
    let change = (0u64..160, prop::option::weighted(0.7, seed.clone()));
    let filter = prop::option::of(prop::collection::vec(0u64..200, 0..80));
    let step = prop_oneof![
        12 => change.clone().prop_map(|change| Step::Apply(vec![change])),
        2 => prop::collection::vec(change, 0..90).prop_map(Step::Apply),
        2 => Just(Step::Rebuild),
        1 => Just(Step::Reopen),
        4 => (seed, 0usize..30, filter).prop_map(|(seed, k, filter)| Step::Search(seed, k, filter)),
    ];
    prop::collection::vec(step, 1..60)
}

fn truth(model: &BTreeMap<u64, UnitVector>, query: &UnitVector, k: usize, filter: Option<&KeySet>) -> Vec<f32> {
    let allowed = model.iter().filter(|(key, _)| filter.is_none_or(|filter| filter.contains(**key)));
    let mut scores: Vec<f32> = allowed.map(|(_, point)| query.cosine(point)).collect();
    scores.sort_by(|a, b| b.total_cmp(a));
    scores.truncate(k);
    scores
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]
    #[test]
    fn any_sequence_of_changes_equals_a_map(steps in steps()) {
        let folder = TempDir::new().expect("a folder");
        let store = GenerationStore::new(folder.path());
        let mut live = LiveIndex::new(base(Vec::new()), RebuildThresholds::default());
        let mut model: BTreeMap<u64, UnitVector> = BTreeMap::new();
        let (mut right, mut wanted) = (0, 0);
        for step in steps {
            match step {
                Step::Apply(changes) => {
                    for (key, seed) in &changes {
                        match seed {
                            Some(seed) => model.insert(*key, point(*seed)),
                            None => model.remove(key),
                        };
                    }
                    let change = |(key, seed): (u64, Option<u32>)| {
                        seed.map_or(Change::Remove(key), |seed| Change::Put(key, point(seed)))
                    };
                    live.apply(changes.into_iter().map(change).collect()).expect("of one space");
                }
                // A rebuilt index has all its points in the base.
                Step::Rebuild => live = LiveIndex::new(base(live.snapshot().points()), RebuildThresholds::default()),
                Step::Reopen => {
                    // As a service starts: with the newest generation.
                    store.write(SPACE, "", &[("pictures", &base(live.snapshot().points()))], 1).expect("written");
                    let mut opened = store.open_newest(SPACE).expect("intact");
                    let reopened = opened.indexes.remove("pictures").expect("there");
                    live = LiveIndex::new(reopened, RebuildThresholds::default());
                }
                Step::Search(seed, k, filter) => {
                    let query = point(seed);
                    let filter: Option<KeySet> = filter.map(|keys| keys.into_iter().collect());
                    let params = SearchParams { filter: filter.as_ref(), ..SearchParams::top(k) };
                    let expected = truth(&model, &query, k, filter.as_ref());
                    for exact in [true, false] {
                        let answer = live.search(&query, &SearchParams { exact, ..params }).expect("a valid query");
                        prop_assert_eq!(answer.hits.len(), expected.len());
                        for hit in &answer.hits {
                            prop_assert!((query.cosine(&model[&hit.key]) - hit.score).abs() < 1e-5);
                            prop_assert!(filter.as_ref().is_none_or(|filter| filter.contains(hit.key)));
                        }
                        if answer.strategy == Strategy::Exact {
                            let in_rank = |(hit, score): (&Hit, &f32)| hit.score >= *score - 1e-5;
                            prop_assert!(answer.hits.iter().zip(&expected).all(in_rank));
                        } else {
                            let farthest = expected.last().copied().unwrap_or(f32::INFINITY);
                            right += count_as_near(&answer.hits, farthest);
                            wanted += expected.len();
                        }
                    }
                }
            }
            prop_assert_eq!(live.len(), model.len());
        }
        prop_assert!(right as f64 >= 0.97 * f64::from(wanted as u32), "{right} of {wanted}");
        let points: BTreeMap<u64, UnitVector> = live.snapshot().points().into_iter().collect();
        prop_assert_eq!(points, model);
    }
}

#[test]
fn snapshots_do_not_change_and_the_delta_keeps_few_segments() {
    let live = LiveIndex::new(base(Vec::new()), RebuildThresholds::default());
    let before = live.snapshot();
    for key in 0..1_000 {
        live.apply(vec![Change::Put(key, point(key as u32))]).expect("of one space");
        if key % 3 == 0 {
            live.apply(vec![Change::Remove(key / 2)]).expect("of one space");
            assert_eq!(live.get(key / 2), None);
            live.apply(vec![Change::Put(key / 2, point(7))]).expect("of one space");
        }
    }
    assert_eq!((before.len(), live.len()), (0, 1_000));
    assert!(live.snapshot().segments() <= 10, "{} segments", live.snapshot().segments());
}

#[test]
fn rebuild_is_needed_at_the_thresholds() {
    let points: Vec<(u64, UnitVector)> = (0..100).map(|key| (key, point(key as u32))).collect();
    let live = LiveIndex::new(base(points.clone()), RebuildThresholds { deleted: 0.2, delta: 50 });
    live.apply((0..19).map(Change::Remove).collect()).expect("of one space");
    assert!(!live.needs_rebuild());
    live.apply(vec![Change::Remove(19)]).expect("of one space");
    assert!(live.needs_rebuild(), "a fifth is deleted");
    let live = LiveIndex::new(base(points), RebuildThresholds { deleted: 0.2, delta: 50 });
    let new = |keys: std::ops::Range<u64>| keys.map(|key| Change::Put(key, point(key as u32))).collect();
    live.apply(new(100..149)).expect("of one space");
    assert!(!live.needs_rebuild());
    live.apply(new(149..150)).expect("of one space");
    assert!(live.needs_rebuild(), "the delta is full");
}

#[test]
fn failed_changes_leave_the_index_as_it_was() {
    let live = LiveIndex::new(base(Vec::new()), RebuildThresholds::default());
    live.apply(vec![Change::Put(1, point(0)), Change::Put(1, point(1))]).expect("the later point wins");
    let foreign = UnitVector::new(vec![1.0; 9], 9).expect("valid");
    let wrong = IndexError::WrongDims { expected: 8, found: 9 };
    assert_eq!(live.apply(vec![Change::Remove(1), Change::Put(2, foreign)]), Err(wrong));
    assert_eq!((live.len(), live.get(1)), (1, Some(point(1))), "nothing was changed");
}

/// Concurrent writers and readers. The next search after a change has returned sees it.
#[test]
fn acknowledged_changes_are_visible_under_concurrent_load() {
    let points: Vec<(u64, UnitVector)> = (0..300).map(|key| (key, point(key as u32 * 17))).collect();
    let live = LiveIndex::new(base(points), RebuildThresholds::default());
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let writers: Vec<_> = (0..2u64)
            .map(|writer| {
                let live = &live;
                scope.spawn(move || {
                    for n in 0..400u64 {
                        let key = 1_000 * (writer + 1) + n;
                        let here = point(key as u32 * 31);
                        live.apply(vec![Change::Put(key, here.clone())]).expect("of one space");
                        let only = KeySet::from_iter([key]);
                        let params = SearchParams { filter: Some(&only), ..SearchParams::top(5) };
                        assert_eq!(live.search(&here, &params).expect("valid").hits.len(), 1, "key {key}");
                        if n % 2 == 0 {
                            live.apply(vec![Change::Remove(key)]).expect("of one space");
                            assert!(live.search(&here, &params).expect("valid").hits.is_empty(), "key {key}");
                        }
                    }
                })
            })
            .collect();
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                let hits = live.search(&point(5), &SearchParams::top(50)).expect("valid").hits;
                assert_eq!(hits.len(), 50);
            }
        });
        for writer in writers {
            writer.join().expect("it does not panic");
        }
        done.store(true, Ordering::Relaxed);
    });
    assert_eq!(live.len(), 300 + 400);
}
