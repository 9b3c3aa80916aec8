use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
};

use proptest::prelude::{
    Just, ProptestConfig, Strategy as Any, prop, prop_assert, prop_assert_eq, prop_oneof, proptest,
};
use tempfile::TempDir;

use super::*;
use crate::index::{GenerationStore, GraphParameters, IndexParameters, KeySet, Space};

const SPACE: Space<'static> = Space { model: "one", dims: 8 };

/// Scans up to 40 points, so that a few hundred make a graph.
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
    Insert(u64, u32),
    Replace(u64, u32),
    Remove(u64),
    Apply(Vec<(u64, Option<u32>)>),
    BeginFold,
    FinishFold,
    Reopen,
    Search(u32, usize, Option<Vec<u64>>),
}

fn steps() -> impl Any<Value = Vec<Step>> {
    let (key, seed) = (0u64..160, 0u32..5u32.pow(8));
    let change = (key.clone(), prop::option::weighted(0.7, seed.clone()));
    let filter = prop::option::of(prop::collection::vec(0u64..200, 0..80));
    let step = prop_oneof![
        6 => (key.clone(), seed.clone()).prop_map(|(key, seed)| Step::Insert(key, seed)),
        3 => (key.clone(), seed.clone()).prop_map(|(key, seed)| Step::Replace(key, seed)),
        3 => key.prop_map(Step::Remove),
        2 => prop::collection::vec(change, 0..90).prop_map(Step::Apply),
        1 => Just(Step::BeginFold),
        2 => Just(Step::FinishFold),
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
    fn any_sequence_equals_a_plain_model(steps in steps()) {
        let folder = TempDir::new().expect("a folder");
        let store = GenerationStore::new(folder.path());
        let mut live = LiveIndex::new(base(Vec::new()), FoldLimits::default());
        let mut model: BTreeMap<u64, UnitVector> = BTreeMap::new();
        let mut fold = None;
        let (mut right, mut wanted) = (0, 0);
        for step in steps {
            match step {
                Step::Insert(key, seed) => {
                    let expected = if model.contains_key(&key) { Err(IndexError::DuplicateKey(key)) } else { Ok(()) };
                    prop_assert_eq!(live.insert(key, point(seed)), expected);
                    model.entry(key).or_insert_with(|| point(seed));
                }
                Step::Replace(key, seed) => {
                    let had = model.insert(key, point(seed)).is_some();
                    prop_assert_eq!(live.replace(key, point(seed)), Ok(had));
                }
                Step::Remove(key) => prop_assert_eq!(live.remove(key), Ok(model.remove(&key).is_some())),
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
                Step::BeginFold => fold = Some(live.begin_fold()),
                Step::FinishFold => if let Some(fold) = fold.take() {
                    live.finish_fold(&fold, base(fold.snapshot.points())).expect("the newest fold");
                    prop_assert!(matches!(live.finish_fold(&fold, base(Vec::new())), Err(IndexError::FoldGivenUp)));
                },
                Step::Reopen => {
                    // As a service starts: the last generation, and then what the catalog has beyond it.
                    store.write(SPACE, "", &[("pictures", &base(live.snapshot().points()))], 1).expect("written");
                    let mut opened = store.open_current(SPACE).expect("whole");
                    live = LiveIndex::new(opened.indexes.remove("pictures").expect("there"), FoldLimits::default());
                    fold = None;
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
                        let near = |(hit, score): &(&crate::index::Hit, &f32)| hit.score >= **score - 1e-5;
                        let found = answer.hits.iter().zip(&expected).filter(near).count();
                        if answer.strategy == Strategy::Exact {
                            prop_assert_eq!(found, expected.len());
                        } else {
                            right += found;
                            wanted += expected.len();
                        }
                    }
                }
            }
            prop_assert_eq!(live.len(), model.len());
        }
        prop_assert!(right as f64 >= 0.95 * f64::from(wanted as u32), "{right} of {wanted}");
        let points: BTreeMap<u64, UnitVector> = live.snapshot().points().into_iter().collect();
        prop_assert_eq!(points, model);
    }
}

#[test]
fn a_snapshot_stands_still_and_the_delta_stays_a_few_segments() {
    let live = LiveIndex::new(base(Vec::new()), FoldLimits::default());
    let before = live.snapshot();
    for key in 0..1_000 {
        live.insert(key, point(key as u32)).expect("new");
        if key % 3 == 0 {
            assert_eq!(live.remove(key / 2), Ok(true));
            assert_eq!(live.replace(key / 2, point(7)), Ok(false));
        }
    }
    assert_eq!((before.len(), live.len()), (0, 1_000));
    assert!(live.snapshot().segments() <= 10, "{} segments", live.snapshot().segments());
}

#[test]
fn limits_say_when_to_fold() {
    let points: Vec<(u64, UnitVector)> = (0..100).map(|key| (key, point(key as u32))).collect();
    let live = LiveIndex::new(base(points), FoldLimits { dead: 0.2, delta: 50 });
    assert!(!live.needs_fold());
    for key in 0..19 {
        live.remove(key).expect("of one space");
    }
    assert!(!live.needs_fold());
    live.remove(19).expect("of one space");
    assert!(live.needs_fold(), "a fifth is dead");
    let fold = live.begin_fold();
    live.finish_fold(&fold, base(fold.snapshot.points())).expect("the newest fold");
    assert!(!live.needs_fold());
    let fifty = (100..150).map(|key| Change::Put(key, point(key as u32)));
    live.apply(fifty.collect()).expect("of one space");
    assert!(live.needs_fold(), "the delta is full");
}

#[test]
fn a_fold_that_was_given_up_changes_nothing() {
    let live = LiveIndex::new(base(Vec::new()), FoldLimits::default());
    live.insert(1, point(1)).expect("new");
    let (old, new) = (live.begin_fold(), live.begin_fold());
    assert_eq!(live.finish_fold(&old, base(Vec::new())), Err(IndexError::FoldGivenUp));
    let foreign = UnitVector::new(vec![1.0; 9], 9).expect("valid");
    let other = StaticIndex::build(9, vec![(1, foreign)], &parameters(), &|_| (), &AtomicBool::new(false));
    let wrong = IndexError::WrongDims { expected: 8, found: 9 };
    assert_eq!(live.finish_fold(&new, other.expect("builds")), Err(wrong.clone()));
    live.give_up_fold();
    assert_eq!(live.finish_fold(&new, base(Vec::new())), Err(IndexError::FoldGivenUp));
    let foreign = UnitVector::new(vec![1.0; 9], 9).expect("valid");
    assert_eq!(live.apply(vec![Change::Remove(1), Change::Put(2, foreign)]), Err(wrong));
    assert_eq!((live.len(), live.get(1)), (1, Some(point(1))), "nothing was changed");
}

/// Writers insert and remove, readers search and a fold comes and goes, all at once. A key that was acknowledged is found
/// by the next search of whoever was told so.
#[test]
fn what_was_acknowledged_is_found_while_everything_happens_at_once() {
    let points: Vec<(u64, UnitVector)> = (0..300).map(|key| (key, point(key as u32 * 17))).collect();
    let live = LiveIndex::new(base(points), FoldLimits::default());
    let (done, folds) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        let writers: Vec<_> = (0..2u64)
            .map(|writer| {
                let live = &live;
                scope.spawn(move || {
                    for n in 0..400u64 {
                        let key = 1_000 * (writer + 1) + n;
                        let here = point(key as u32 * 31);
                        live.insert(key, here.clone()).expect("new");
                        let only = KeySet::from_iter([key]);
                        let params = SearchParams { filter: Some(&only), ..SearchParams::top(5) };
                        assert_eq!(live.search(&here, &params).expect("valid").hits.len(), 1, "key {key}");
                        if n % 2 == 0 {
                            assert_eq!(live.remove(key), Ok(true));
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
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                let fold = live.begin_fold();
                live.finish_fold(&fold, base(fold.snapshot.points())).expect("the only fold");
                folds.fetch_add(1, Ordering::Relaxed);
            }
        });
        for writer in writers {
            writer.join().expect("it does not panic");
        }
        done.store(true, Ordering::Relaxed);
    });
    assert_eq!(live.len(), 300 + 400);
    assert!(folds.into_inner() > 0);
}
