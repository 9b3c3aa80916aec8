//! Points and indexes for tests.

use std::sync::atomic::AtomicBool;

use rand::{Rng, RngExt};

use super::{ExactIndex, GraphIndex, GraphParameters, Hit, Traversal};
use crate::core::UnitVector;

pub(super) const DIMS: usize = 24;

/// Number of candidates of a graph search, small so that the graphs of these tests have more points than a search
/// compares.
pub(super) const EF: usize = 100;

/// Points around a few centers, as in trained spaces; some of them equal.
pub(super) fn points(count: usize, rng: &mut impl Rng) -> Vec<(u64, UnitVector)> {
    let centers: Vec<Vec<f32>> = (0..8).map(|_| (0..DIMS).map(|_| rng.random_range(-1.0..1.0)).collect()).collect();
    let mut points: Vec<(u64, UnitVector)> = Vec::with_capacity(count);
    for n in 0..count {
        let point = match points.last() {
            Some((_, last)) if n % 17 == 0 => last.clone(),
            _ => near(&centers[n % centers.len()], rng),
        };
        points.push((1_000_000 - 7 * n as u64, point));
    }
    points
}

/// A random point near `center`.
pub(super) fn near(center: &[f32], rng: &mut impl Rng) -> UnitVector {
    let values = center.iter().map(|c| c + rng.random_range(-0.6..0.6)).collect();
    UnitVector::new(values, center.len()).expect("a random vector has a direction")
}

pub(super) fn graph(points: &[(u64, UnitVector)], traversal: Traversal, threads: usize) -> GraphIndex {
    let parameters = GraphParameters { threads, traversal, ef_search: EF, ..GraphParameters::default() };
    let exact = ExactIndex::new(DIMS, points.to_vec()).expect("valid points");
    GraphIndex::build(exact, &parameters, &|_| (), &AtomicBool::new(false)).expect("the build is not stopped")
}

/// Number of hits that are at least as near as the farthest true neighbor.
pub(super) fn count_as_near(hits: &[Hit], farthest: f32) -> usize {
    hits.iter().filter(|hit| hit.score >= farthest - 1e-5).count()
}
