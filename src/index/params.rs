//! What a search may ask for, and how a graph is made.

use roaring::RoaringTreemap;
use serde::{Deserialize, Serialize};

use super::{IndexError, MAX_K};
use crate::core::UnitVector;

/// A set of keys, compressed. One is made once and serves many searches.
pub type KeySet = RoaringTreemap;

/// What a search asks for.
#[derive(Debug, Clone, Copy)]
pub struct SearchParams<'f> {
    /// How many neighbours, at most [`MAX_K`].
    pub k: usize,
    /// Candidates that a walk through a graph keeps; more find more of the true neighbours and take longer. Below `k` it
    /// counts as `k`; without it the index takes its own. A scan does not look at it.
    pub ef: Option<usize>,
    /// Look at every point.
    pub exact: bool,
    /// Answer with these keys alone.
    pub filter: Option<&'f KeySet>,
}

impl SearchParams<'static> {
    /// The nearest `k` of all points.
    pub fn top(k: usize) -> Self {
        Self { k, ef: None, exact: false, filter: None }
    }

    /// The nearest `k` of all points, by looking at every one.
    pub fn exact(k: usize) -> Self {
        Self { exact: true, ..Self::top(k) }
    }
}

impl SearchParams<'_> {
    /// Checks what every search promises to check.
    pub(super) fn check(&self, dims: usize, query: &UnitVector) -> Result<(), IndexError> {
        if query.dims() != dims {
            return Err(IndexError::WrongDims { expected: dims, found: query.dims() });
        }
        if self.k > MAX_K { Err(IndexError::KTooLarge(self.k)) } else { Ok(()) }
    }
}

/// By which vectors a walk goes from point to point. Scores are always those of the full vectors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Traversal {
    /// The vectors themselves.
    Float,
    /// One byte a dimension; what the walk finds is ranked by the vectors themselves.
    Byte,
}

/// How a graph is built and walked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct GraphParameters {
    /// Links of a point on each layer above the lowest, M of the paper; twice as many on the lowest. Fewer than 2 count as 2,
    /// more than 256 as 256.
    pub links: usize,
    /// Candidates among which the links of a point are chosen.
    pub ef_construction: usize,
    /// Candidates kept while a query walks the graph, unless the query says how many.
    pub ef_search: usize,
    /// By which vectors a query walks.
    pub traversal: Traversal,
    /// Threads of the build. One makes the build repeatable to the byte.
    pub threads: usize,
}

impl Default for GraphParameters {
    fn default() -> Self {
        Self {
            links: 16,
            ef_construction: 200,
            ef_search: 200,
            traversal: Traversal::Byte,
            threads: crate::compute::cores(),
        }
    }
}

/// Scan or graph, and which graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct IndexParameters {
    /// Collections up to this many points are scanned.
    pub exact_up_to: usize,
    /// The graph of larger ones.
    pub graph: GraphParameters,
}

impl Default for IndexParameters {
    fn default() -> Self {
        Self { exact_up_to: super::EXACT_UP_TO, graph: GraphParameters::default() }
    }
}
