//! Which points of the common space are near this one?
//!
//! Two answers to one question: [`ExactIndex`] looks at every point and is always right; [`GraphIndex`] walks a
//! navigable graph and looks at few. [`StaticIndex`] is the one of them that fits the number of points, because below
//! [`EXACT_UP_TO`] points a scan is not only exact but as fast as the graph. [`LiveIndex`] puts a delta and tombstones
//! over one, so that what comes and goes shows in the next search.

mod aligned;
mod error;
mod exact;
mod hnsw;
mod kernels;
mod live;
mod params;
mod self_test;
mod static_index;
mod store;
mod tombstones;
mod top_k;
mod tuning;
mod vectors;

use serde::Serialize;

use crate::core::UnitVector;

pub use error::IndexError;
pub use exact::ExactIndex;
pub use hnsw::GraphIndex;
pub use live::{Change, FoldLimits, LiveIndex, Snapshot};
pub use params::{GraphParameters, IndexParameters, KeySet, SearchParams, Traversal};
pub use self_test::SelfTest;
pub use static_index::StaticIndex;
pub use store::{
    FileEntry, Garbage, GenerationError, GenerationStore, GraphEntry, HeldGeneration, IndexEntry, Manifest, Opened,
    Space,
};
pub use tuning::{Trial, Tuning};

/// Collections up to this many points are scanned, unless the owner says otherwise. Measured with vectors of some hundred
/// dimensions and walks that keep 200 candidates, where scan and graph cross between 2 000 and 8 000 points.
pub const EXACT_UP_TO: usize = 4_000;

/// The largest `k` that a search accepts.
pub const MAX_K: usize = 1_000;

/// A point near the query.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Hit {
    /// The key that the point was given.
    pub key: u64,
    /// Cosine with the query, in [-1, 1].
    pub score: f32,
}

/// How an answer was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, utoipa::ToSchema)]
pub enum Strategy {
    /// Every point that could be in the answer was looked at.
    #[serde(rename = "exact")]
    Exact,
    /// A graph was walked; a near point may be missed.
    #[serde(rename = "graph")]
    Graph,
    /// A graph was walked, and every point that came after it was built was looked at.
    #[serde(rename = "graph+delta")]
    GraphAndDelta,
}

/// The answer to a search.
#[derive(Debug, Clone, PartialEq)]
pub struct Neighbours {
    /// The nearest points, nearest first.
    pub hits: Vec<Hit>,
    /// How they were found.
    pub strategy: Strategy,
}

/// Bytes that an index holds in memory.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Memory {
    /// Vectors and keys.
    pub points: usize,
    /// Vectors as bytes.
    pub codes: usize,
    /// Links of a graph.
    pub links: usize,
    /// Points that came later, and tombstones.
    pub delta: usize,
    /// What searches write to.
    pub scratch: usize,
}

impl Memory {
    /// All of it.
    pub fn total(&self) -> usize {
        self.points + self.codes + self.links + self.delta + self.scratch
    }
}

/// A set of points of one space under distinct keys.
///
/// What an implementor promises, and a contract test holds all of them to:
/// - `search` gives `min(k, points that the filter lets through)` distinct keys, by score from high to low, equal scores by
///   key from low to high; never a key that the filter does not hold;
/// - a score is the cosine between the query and the point under that key, within 1e-5;
/// - the same query with the same parameters gives the same answer, whatever else is searched at the same time, alone or
///   in a batch; of two searches that differ in `k` alone, both up to `ef`, the smaller gives a prefix of the larger;
/// - with `exact`, the hits are the true nearest neighbours; without, at least where the answer's strategy is
///   [`Strategy::Exact`];
/// - `k` = 0, an empty index and an empty filter give no hits; a query of other dimensions and a `k` above [`MAX_K`] are
///   errors; a filter may name keys that are not there.
///
/// NaN, infinities and vectors without a direction cannot be asked for or put in: [`UnitVector`] refuses them. A key given
/// twice is an error where an index is built, and the later point where one changes.
pub trait VectorIndex: Send + Sync {
    /// Dimensions of the space.
    fn dims(&self) -> usize;
    /// Number of points.
    fn len(&self) -> usize;
    /// Whether there are no points.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// The points nearest to `query`, as `params` asks.
    ///
    /// # Errors
    /// [`IndexError::WrongDims`], [`IndexError::KTooLarge`], [`IndexError::Memory`].
    fn search(&self, query: &UnitVector, params: &SearchParams<'_>) -> Result<Neighbours, IndexError>;
    /// As [`Self::search`], for each of `queries`. A scan costs much less for each of many queries than for one alone.
    ///
    /// # Errors
    /// As [`Self::search`].
    fn search_batch(&self, queries: &[UnitVector], params: &SearchParams<'_>) -> Result<Vec<Neighbours>, IndexError> {
        queries.iter().map(|query| self.search(query, params)).collect()
    }
    /// The point under a key, as it was given.
    fn get(&self, key: u64) -> Option<UnitVector>;
    /// At most `count` of the points, evenly spaced in an order of the index's own; for self-tests.
    fn sample(&self, count: usize) -> Vec<UnitVector>;
    /// How [`Self::search`] finds its answers when nothing but `k` is asked for.
    fn strategy(&self) -> Strategy;
    /// What it holds in memory.
    fn memory(&self) -> Memory;
}

#[cfg(test)]
mod conformance_tests;
