//! The scan: it compares the query with every point, so it is always right, and for small collections nothing is
//! faster.

use super::{
    IndexError, KeySet, MemoryUsage, SearchParams, SearchResult, Strategy, Tombstones, VectorIndex, VectorTable,
    top_k::TopK, vectors::Queries,
};
use crate::core::UnitVector;

/// Points in one contiguous block, scanned for each query.
#[derive(Debug)]
pub struct ExactIndex {
    points: VectorTable,
}

impl ExactIndex {
    /// Creates an index of points with distinct keys, all of a space of `dims` dimensions.
    ///
    /// # Errors
    /// [`IndexError::WrongDims`], [`IndexError::DuplicateKey`], [`IndexError::TooMany`], [`IndexError::Memory`].
    pub fn new(dims: usize, points: Vec<(u64, UnitVector)>) -> Result<Self, IndexError> {
        Ok(Self { points: VectorTable::new(dims, points)? })
    }

    pub(super) fn from_points(points: VectorTable) -> Self {
        Self { points }
    }

    pub(super) fn points(&self) -> &VectorTable {
        &self.points
    }

    pub(super) fn into_points(self) -> VectorTable {
        self.points
    }
}

/// Compares each of `queries` with every point that is not deleted and passes the filter. Queries and points are of the
/// same space. All queries of a batch are compared with a block of points while it is in the cache.
pub(super) fn scan(
    points: &VectorTable,
    queries: &Queries,
    params: &SearchParams<'_>,
    deleted: &Tombstones,
    best: &mut [TopK],
) {
    match params.filter {
        None if deleted.count() == 0 => points.scan(queries.rows(), |_| true, best),
        None => points.scan(queries.rows(), |position| !deleted.contains(position), best),
        Some(filter) => {
            let positions = alive_positions(points, deleted, filter);
            for (n, best) in best.iter_mut().enumerate() {
                points.scan_at(queries.rows().row(n), &positions, best);
            }
        }
    }
}

/// Result of [`scan`] for one query.
pub(super) fn scan_one(
    points: &VectorTable,
    query: &Queries,
    params: &SearchParams<'_>,
    deleted: &Tombstones,
) -> SearchResult {
    let mut best = [TopK::new(params.k)];
    scan(points, query, params, deleted, &mut best);
    let [best] = best;
    SearchResult { hits: best.into_sorted(), strategy: Strategy::Exact }
}

/// Checks `queries` and returns the results of [`scan`] for them, without tombstones.
pub(super) fn scan_batch(
    points: &VectorTable,
    queries: &[UnitVector],
    params: &SearchParams<'_>,
) -> Result<Vec<SearchResult>, IndexError> {
    queries.iter().try_for_each(|query| params.check(points.dims(), query))?;
    let mut best = vec![TopK::new(params.k); queries.len()];
    scan(points, &Queries::new(points.dims(), queries.iter())?, params, &Tombstones::default(), &mut best);
    Ok(best.into_iter().map(|best| SearchResult { hits: best.into_sorted(), strategy: Strategy::Exact }).collect())
}

/// Positions of the keys of `filter` that exist and are not deleted.
fn alive_positions(points: &VectorTable, deleted: &Tombstones, filter: &KeySet) -> Vec<u32> {
    let mut positions = points.positions(filter);
    if deleted.count() > 0 {
        positions.retain(|&position| !deleted.contains(position as usize));
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

    fn search(&self, query: &UnitVector, params: &SearchParams<'_>) -> Result<SearchResult, IndexError> {
        let mut results = self.search_batch(std::slice::from_ref(query), params)?;
        Ok(results.pop().expect("one result for one query"))
    }

    fn search_batch(&self, queries: &[UnitVector], params: &SearchParams<'_>) -> Result<Vec<SearchResult>, IndexError> {
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

    fn memory(&self) -> MemoryUsage {
        MemoryUsage { points: self.points.bytes(), ..MemoryUsage::default() }
    }
}
