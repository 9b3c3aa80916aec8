//! The result of a search.

use std::cmp::Ordering;

use super::strategy::Strategy;

/// A point near the query.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Hit {
    /// The point's key.
    pub key: u64,
    /// Cosine with the query, in [-1, 1].
    pub score: f32,
}

/// The result of a search.
#[derive(Debug, Clone, PartialEq)]
pub struct SearchResult {
    /// The nearest points, nearest first.
    pub hits: Vec<Hit>,
    /// How they were found.
    pub strategy: Strategy,
}

/// Order of hits: score from high to low, equal scores by key from low to high.
pub(super) fn by_rank(a: &Hit, b: &Hit) -> Ordering {
    b.score.total_cmp(&a.score).then(a.key.cmp(&b.key))
}
