//! What a search can ask for, and how a graph is built.

use roaring::RoaringTreemap;
use serde::{Deserialize, Serialize};

use super::{EXACT_UP_TO, IndexError, MAX_K};
use crate::core::UnitVector;

/// A compressed set of keys, built once for many searches.
pub type KeySet = RoaringTreemap;

/// Parameters of a search.
#[derive(Debug, Clone, Copy)]
pub struct SearchParams<'f> {
    /// Number of neighbors, at most [`MAX_K`].
    pub k: usize,
    /// Number of candidates that a graph search keeps; more of them find more of the true neighbors and take longer.
    /// The minimum is `k`, the default that of the index. A scan ignores it.
    pub ef: Option<usize>,
    /// Compare the query with every point.
    pub exact: bool,
    /// Only these keys may be in the result.
    pub filter: Option<&'f KeySet>,
}

impl SearchParams<'static> {
    /// The nearest `k` of all points.
    pub fn top(k: usize) -> Self {
        Self { k, ef: None, exact: false, filter: None }
    }

    /// The nearest `k` of all points, by a scan.
    pub fn exact(k: usize) -> Self {
        Self { exact: true, ..Self::top(k) }
    }
}

impl SearchParams<'_> {
    /// Checks the parameters and the query of a search in a space of `dims` dimensions.
    pub(super) fn check(&self, dims: usize, query: &UnitVector) -> Result<(), IndexError> {
        if query.dims() != dims {
            return Err(IndexError::WrongDims { expected: dims, found: query.dims() });
        }
        if self.k > MAX_K { Err(IndexError::KTooLarge(self.k)) } else { Ok(()) }
    }
}

/// Which vectors a graph search compares while it traverses. Scores are always those of the full vectors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Traversal {
    /// The full vectors.
    Float,
    /// Vectors of one byte a dimension; the candidates are then ranked by the full vectors.
    Byte,
}

/// How a graph is built and searched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct GraphParameters {
    /// Links of a point on each layer above the lowest, M in the paper; the lowest has twice as many. Clamped to
    /// 2..=256.
    pub links: usize,
    /// Number of candidates among which the links of a point are chosen.
    pub ef_construction: usize,
    /// Number of candidates that a search keeps unless it has its own.
    pub ef_search: usize,
    /// Which vectors a search compares.
    pub traversal: Traversal,
    /// Threads of the build. With one, the build is reproducible to the byte.
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

/// When an index is a graph rather than a scan, and the parameters of the graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct IndexParameters {
    /// Up to this many points are scanned.
    pub exact_up_to: usize,
    /// Graph of larger collections.
    pub graph: GraphParameters,
}

impl Default for IndexParameters {
    fn default() -> Self {
        Self { exact_up_to: EXACT_UP_TO, graph: GraphParameters::default() }
    }
}
