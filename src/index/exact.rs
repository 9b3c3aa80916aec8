//! The scan: every point is looked at, so it is always right, and for small collections nothing is faster.

use super::{
    IndexError, Memory, Neighbours, SearchParams, Strategy, VectorIndex,
    tombstones::Tombstones,
    top_k::Best,
    vectors::{Points, Queries},
};
use crate::core::UnitVector;

/// Points in one contiguous block, scanned for each query.
#[derive(Debug)]
pub struct ExactIndex {
    points: Points,
}

impl ExactIndex {
    /// Takes points of a space of `dims` dimensions under distinct keys.
    ///
    /// # Errors
    /// [`IndexError::WrongDims`], [`IndexError::DuplicateKey`], [`IndexError::TooMany`], [`IndexError::Memory`].
    pub fn new(dims: usize, points: Vec<(u64, UnitVector)>) -> Result<Self, IndexError> {
        Ok(Self { points: Points::new(dims, points)? })
    }

    pub(super) fn from_points(points: Points) -> Self {
        Self { points }
    }

    pub(super) fn points(&self) -> &Points {
        &self.points
    }

    pub(super) fn into_points(self) -> Points {
        self.points
    }
}

/// Looks at every point that is not dead and that the filter lets through, for each of `queries`, which are of the
/// points' space. All queries of a batch pass while a block of points is near.
pub(super) fn scan(
    points: &Points,
    queries: &Queries,
    params: &SearchParams<'_>,
    dead: &Tombstones,
    best: &mut [Best],
) {
    match params.filter {
        None if dead.count() == 0 => points.scan(queries.rows(), |_| true, best),
        None => points.scan(queries.rows(), |position| !dead.contains(position), best),
        Some(filter) => {
            let positions = alive_at(points, dead, filter);
            for (n, best) in best.iter_mut().enumerate() {
                points.scan_at(queries.rows().row(n), &positions, best);
            }
        }
    }
}

/// As [`scan`], for one query, and with what it finds.
pub(super) fn scan_one(points: &Points, query: &Queries, params: &SearchParams<'_>, dead: &Tombstones) -> Neighbours {
    let mut best = [Best::new(params.k)];
    scan(points, query, params, dead, &mut best);
    let [best] = best;
    Neighbours { hits: best.take(), strategy: Strategy::Exact }
}

/// As [`scan`], with the checks that every search makes, and with no dead points.
pub(super) fn scan_batch(
    points: &Points,
    queries: &[UnitVector],
    params: &SearchParams<'_>,
) -> Result<Vec<Neighbours>, IndexError> {
    queries.iter().try_for_each(|query| params.check(points.dims(), query))?;
    let mut best = vec![Best::new(params.k); queries.len()];
    scan(points, &Queries::new(points.dims(), queries.iter())?, params, &Tombstones::default(), &mut best);
    Ok(best.into_iter().map(|best| Neighbours { hits: best.take(), strategy: Strategy::Exact }).collect())
}

/// Positions of the keys of `filter` that are here and not dead.
pub(super) fn alive_at(points: &Points, dead: &Tombstones, filter: &super::KeySet) -> Vec<u32> {
    let mut positions = points.positions(filter);
    if dead.count() > 0 {
        positions.retain(|&position| !dead.contains(position as usize));
    }
    positions
}

impl VectorIndex for ExactIndex {
    fn dims(&self) -> usize {
        self.points.dims()
    }

    fn len(&self) -> usize {
        self.points.len()
    }

    fn search(&self, query: &UnitVector, params: &SearchParams<'_>) -> Result<Neighbours, IndexError> {
        let mut answers = self.search_batch(std::slice::from_ref(query), params)?;
        Ok(answers.pop().expect("one answer for one query"))
    }

    fn search_batch(&self, queries: &[UnitVector], params: &SearchParams<'_>) -> Result<Vec<Neighbours>, IndexError> {
        scan_batch(&self.points, queries, params)
    }

    fn get(&self, key: u64) -> Option<UnitVector> {
        self.points.get(key)
    }

    fn sample(&self, count: usize) -> Vec<UnitVector> {
        self.points.sample(count)
    }

    fn strategy(&self) -> Strategy {
        Strategy::Exact
    }

    fn memory(&self) -> Memory {
        Memory { points: self.points.bytes(), ..Memory::default() }
    }
}
