//! Which points of the common space are near this one?
//!
//! Two answers to one question: [`ExactIndex`] looks at every point and is always right; [`GraphIndex`] walks a
//! navigable graph and looks at few. [`build`] chooses between them by size, because below [`EXACT_UP_TO`] points a scan
//! is not only exact but as fast as the graph.

mod exact;
mod graph;

use std::sync::atomic::AtomicBool;

use serde::Serialize;

use crate::vector::UnitVector;

pub use exact::ExactIndex;
pub use graph::{GraphIndex, GraphParameters};

/// Collections up to this many points are scanned. Measured against `hnsw_rs` on vectors of some hundred dimensions,
/// where the two cross between 4 000 and 10 000 points.
pub const EXACT_UP_TO: usize = 4_000;

/// The largest `k` that a search accepts.
pub const MAX_K: usize = 1_000;

/// Why an index could not be built or searched.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IndexError {
    /// The vector belongs to another space.
    #[error("the vector has {found} dimensions, but the index has {expected}")]
    WrongDims {
        /// Dimensions of the index.
        expected: usize,
        /// Dimensions of the vector.
        found: usize,
    },
    /// Two points with one key.
    #[error("key {0} was given twice")]
    DuplicateKey(u64),
    /// `k` is above [`MAX_K`].
    #[error("k is {0}; at most {MAX_K} neighbours can be asked for")]
    KTooLarge(usize),
    /// Somebody asked the build to stop.
    #[error("the build was stopped")]
    Stopped,
    /// The threads of the build could not be started.
    #[error("threads for the build could not be started: {0}")]
    Threads(String),
}

/// A point near the query.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Hit {
    /// The key that the point was given.
    pub key: u64,
    /// Cosine with the query, in [-1, 1].
    pub score: f32,
}

/// How an answer was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Strategy {
    /// Every point was looked at.
    Exact,
    /// A graph was walked; a near point may be missed.
    Graph,
}

/// A set of points of one space under distinct keys, immutable once built.
///
/// What an implementor promises, and a contract test holds all of them to:
/// - `search` gives `min(k, len)` distinct keys, by score from high to low, equal scores by key from low to high;
/// - a score is the cosine between the query and the point under that key, within 1e-5;
/// - the same query gives the same answer, whatever else is searched at the same time, and a smaller `k` gives a prefix;
/// - `k` = 0 and an empty index give no hits; a query of other dimensions and a `k` above [`MAX_K`] are errors.
///
/// A caller must not rely on hits being the true nearest neighbours unless [`Self::strategy`] is [`Strategy::Exact`].
pub trait VectorIndex: Send + Sync {
    /// Dimensions of the space.
    fn dims(&self) -> usize;
    /// Number of points.
    fn len(&self) -> usize;
    /// Whether there are no points.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// The points nearest to `query`, at most `k`.
    ///
    /// # Errors
    /// [`IndexError::WrongDims`], [`IndexError::KTooLarge`].
    fn search(&self, query: &UnitVector, k: usize) -> Result<Vec<Hit>, IndexError>;
    /// The points nearest to `query` by looking at every one of them, at most `k`.
    ///
    /// # Errors
    /// As [`Self::search`].
    fn search_exact(&self, query: &UnitVector, k: usize) -> Result<Vec<Hit>, IndexError>;
    /// At most `count` of the points, evenly spaced in the order in which they were given; for self-tests.
    fn sample(&self, count: usize) -> Vec<UnitVector>;
    /// How [`Self::search`] finds its answers.
    fn strategy(&self) -> Strategy;
}

/// Builds the index that fits the number of points. `progress` is told how many of them are in; `stop` ends the build
/// within a second.
///
/// # Errors
/// [`IndexError::WrongDims`], [`IndexError::DuplicateKey`], [`IndexError::Stopped`], [`IndexError::Threads`].
pub fn build(
    dims: usize,
    points: Vec<(u64, UnitVector)>,
    progress: &(dyn Fn(usize) + Sync),
    stop: &AtomicBool,
) -> Result<Box<dyn VectorIndex>, IndexError> {
    let count = points.len();
    let exact = ExactIndex::new(dims, points)?;
    if count <= EXACT_UP_TO {
        progress(count);
        return Ok(Box::new(exact));
    }
    Ok(Box::new(GraphIndex::build(exact, &GraphParameters::default(), progress, stop)?))
}

/// Sorts hits as the trait promises and keeps the first `k`.
fn rank(mut hits: Vec<Hit>, k: usize) -> Vec<Hit> {
    let by_rank = |a: &Hit, b: &Hit| b.score.total_cmp(&a.score).then(a.key.cmp(&b.key));
    if k > 0 && k < hits.len() {
        hits.select_nth_unstable_by(k - 1, by_rank);
    }
    hits.truncate(k);
    hits.sort_unstable_by(by_rank);
    hits
}

#[cfg(test)]
mod contract;
