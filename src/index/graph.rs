//! The graph: Hierarchical Navigable Small World (Malkov & Yashunin 2016), built and walked by `hnsw_rs`.
//!
//! Its distance is our own. The crate's `DistDot` panics on honest unit vectors whose product rounds above 1, and its
//! `DistCosine` calls a NaN identical; [`UnitVector`] makes NaN impossible and [`AngularGap`] clamps the rounding.
//! A walk of the graph gives candidates; their scores are then taken from the vectors themselves, so that a graph and a
//! scan never disagree about a score. How many candidates are looked at does not depend on `k`: otherwise the first ten
//! of twenty could differ from the ten.

use std::{
    fmt,
    sync::atomic::{AtomicBool, Ordering},
};

use hnsw_rs::prelude::{Distance, Hnsw};

use super::{ExactIndex, Hit, IndexError, MAX_K, Strategy, VectorIndex, exact::check_query, rank};
use crate::vector::{UnitVector, dot};

/// How the graph is built and walked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GraphParameters {
    /// Links of a point on each layer above the lowest, M of the paper; at most 256.
    pub links: usize,
    /// Candidates kept while a point is linked in.
    pub ef_construction: usize,
    /// Candidates kept while a query walks the graph; a search for more neighbours than this is a scan.
    pub ef_search: usize,
    /// Threads of the build. One makes the build repeatable.
    pub threads: usize,
}

impl Default for GraphParameters {
    fn default() -> Self {
        Self { links: 16, ef_construction: 200, ef_search: 200, threads: crate::compute::cores() }
    }
}

/// Layers that `hnsw_rs` insists on.
const MAX_LAYER: usize = 16;

/// Points that are inserted between two looks at the stop flag.
const BATCH: usize = 256;

/// `1 - cosine` of unit vectors, never below 0.
#[derive(Debug, Clone, Copy)]
struct AngularGap;

impl Distance<f32> for AngularGap {
    fn eval(&self, a: &[f32], b: &[f32]) -> f32 {
        (1.0 - dot(a, b)).max(0.0)
    }
}

/// A navigable graph over the points of an [`ExactIndex`].
pub struct GraphIndex {
    points: ExactIndex,
    graph: Hnsw<'static, f32, AngularGap>,
    ef_search: usize,
}

impl fmt::Debug for GraphIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GraphIndex").field("len", &self.points.len()).field("ef_search", &self.ef_search).finish()
    }
}

impl GraphIndex {
    /// Links the points into a graph on threads of its own. `progress` is told how many are in; `stop` ends the build.
    ///
    /// # Errors
    /// [`IndexError::Stopped`], [`IndexError::Threads`].
    pub fn build(
        points: ExactIndex,
        parameters: &GraphParameters,
        progress: &(dyn Fn(usize) + Sync),
        stop: &AtomicBool,
    ) -> Result<Self, IndexError> {
        let graph = Hnsw::new(parameters.links, points.len().max(1), MAX_LAYER, parameters.ef_construction, AngularGap);
        // Threads of its own, so that a build neither starves nor is starved by whoever encodes at the same time.
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(parameters.threads.max(1))
            .thread_name(|n| format!("index-build-{n}"))
            .build()
            .map_err(|e| IndexError::Threads(e.to_string()))?;
        let positions: Vec<usize> = (0..points.len()).collect();
        for batch in positions.chunks(BATCH) {
            if stop.load(Ordering::Relaxed) {
                return Err(IndexError::Stopped);
            }
            if parameters.threads == 1 {
                batch.iter().for_each(|&p| graph.insert_slice((points.point(p), p)));
            } else {
                let rows: Vec<(&[f32], usize)> = batch.iter().map(|&p| (points.point(p), p)).collect();
                pool.install(|| graph.parallel_insert_slice(&rows));
            }
            progress(batch.last().map_or(0, |last| last + 1));
        }
        Ok(Self { points, graph, ef_search: parameters.ef_search })
    }
}

impl VectorIndex for GraphIndex {
    fn dims(&self) -> usize {
        self.points.dims()
    }

    fn len(&self) -> usize {
        self.points.len()
    }

    fn search(&self, query: &UnitVector, k: usize) -> Result<Vec<Hit>, IndexError> {
        check_query(self.dims(), query, k)?;
        if k > self.ef_search {
            return self.points.search(query, k);
        }
        let candidates = self.graph.search(query.as_slice(), self.ef_search, self.ef_search);
        let hits: Vec<Hit> = candidates.iter().map(|c| self.points.hit(query, c.d_id)).collect();
        // A walk that ends in a badly connected corner must not make an answer short.
        if hits.len() < self.ef_search.min(self.len()).min(MAX_K) {
            return self.points.search(query, k);
        }
        Ok(rank(hits, k))
    }

    fn search_exact(&self, query: &UnitVector, k: usize) -> Result<Vec<Hit>, IndexError> {
        self.points.search(query, k)
    }

    fn sample(&self, count: usize) -> Vec<UnitVector> {
        self.points.sample(count)
    }

    fn strategy(&self) -> Strategy {
        Strategy::Graph
    }
}
