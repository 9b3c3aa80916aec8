//! The contract of every embedded index.

use super::{error::IndexError, hit::SearchResult, memory::MemoryUsage, params::SearchParams, strategy::Strategy};
use crate::core::UnitVector;

/// A set of points of one space with distinct keys.
///
/// The conformance tests hold every implementation to these promises:
/// - `search` returns `min(k, number of points that pass the filter)` distinct keys, scores from high to low, equal
///   scores by key from low to high, and no key that is not in the filter;
/// - a score is the cosine of the query and the key's point, within 1e-5;
/// - the same query with the same parameters has the same result, whatever is searched at the same time, alone or in a
///   batch; of two searches that differ only in `k`, both up to `ef`, the smaller returns a prefix of the larger;
/// - with `exact`, the hits are the true nearest neighbors; without, at least where the strategy of the result is
///   [`Strategy::Exact`];
/// - `k` = 0, an empty index and an empty filter give no hits; a query of other dimensions and a `k` above
///   [`MAX_K`](super::MAX_K) are errors; a filter may contain keys that the index does not have.
///
/// [`UnitVector`] excludes NaN, infinities and vectors of norm 0, so no implementation handles them. A duplicate key is
/// an error when an index is built; in a change of an index, the later point replaces the earlier one.
pub trait VectorIndex: Send + Sync {
    /// Dimensions of the space.
    fn dims(&self) -> usize;
    /// Number of points.
    fn len(&self) -> usize;
    /// Whether there are no points.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// The points nearest to `query`.
    ///
    /// # Errors
    /// [`IndexError::WrongDims`], [`IndexError::KTooLarge`], [`IndexError::Memory`].
    fn search(&self, query: &UnitVector, params: &SearchParams<'_>) -> Result<SearchResult, IndexError>;
    /// Results of [`Self::search`] for each of `queries`. For a scan, a query of a batch costs much less than one
    /// alone.
    ///
    /// # Errors
    /// Those of [`Self::search`].
    fn search_batch(&self, queries: &[UnitVector], params: &SearchParams<'_>) -> Result<Vec<SearchResult>, IndexError> {
        queries.iter().map(|query| self.search(query, params)).collect()
    }
    /// The point of a key, exactly as it was added.
    fn get(&self, key: u64) -> Option<UnitVector>;
    /// At most `count` of the points, evenly spaced in the index's internal order; for self-tests.
    fn sample(&self, count: usize) -> Vec<UnitVector>;
    /// How [`Self::search`] finds its hits with [`SearchParams::top`].
    fn strategy(&self) -> Strategy;
    /// Bytes held in memory.
    fn memory(&self) -> MemoryUsage;
}
