//! An index that does not change: a scan for few points, a graph for many.

use std::sync::atomic::AtomicBool;

use super::{
    ExactIndex, GraphIndex, IndexError, IndexParameters, MemoryUsage, SearchParams, SearchResult, Strategy, Tombstones,
    VectorIndex, VectorTable, exact::scan_one, vectors::Queries,
};
use crate::core::UnitVector;

/// A scan or a graph, depending on the number of points.
#[derive(Debug)]
pub enum StaticIndex {
    /// Every search is a scan.
    Exact(ExactIndex),
    /// Searches use a graph.
    Graph(GraphIndex),
}

impl StaticIndex {
    /// Builds the index that fits the number of points. `progress` receives the number of finished points; `stop` ends
    /// the build within a second.
    ///
    /// # Errors
    /// [`IndexError::WrongDims`], [`IndexError::DuplicateKey`], [`IndexError::TooMany`], [`IndexError::Stopped`],
    /// [`IndexError::Threads`], [`IndexError::Memory`].
    pub fn build(
        dims: usize,
        points: Vec<(u64, UnitVector)>,
        parameters: &IndexParameters,
        progress: &(dyn Fn(usize) + Sync),
        stop: &AtomicBool,
    ) -> Result<Self, IndexError> {
        let count = points.len();
        let exact = ExactIndex::new(dims, points)?;
        if count <= parameters.exact_up_to {
            progress(count);
            return Ok(Self::Exact(exact));
        }
        Ok(Self::Graph(GraphIndex::build(exact, &parameters.graph, progress, stop)?))
    }

    pub(super) fn points(&self) -> &VectorTable {
        match self {
            Self::Exact(exact) => exact.points(),
            Self::Graph(graph) => graph.points(),
        }
    }

    fn index(&self) -> &dyn VectorIndex {
        match self {
            Self::Exact(exact) => exact,
            Self::Graph(graph) => graph,
        }
    }

    /// Searches among the points that are not deleted.
    pub(super) fn search_alive(
        &self,
        query: &UnitVector,
        params: &SearchParams<'_>,
        deleted: &Tombstones,
    ) -> Result<SearchResult, IndexError> {
        match self {
            Self::Graph(graph) => graph.search_alive(query, params, deleted),
            Self::Exact(exact) => {
                params.check(self.dims(), query)?;
                Ok(scan_one(exact.points(), &Queries::one(self.dims(), query)?, params, deleted))
            }
        }
    }

    /// Number of points that a search of the graph cannot reach; a scan finds them.
    pub fn orphans(&self) -> usize {
        match self {
            Self::Exact(_) => 0,
            Self::Graph(graph) => graph.orphans(),
        }
    }
}

impl VectorIndex for StaticIndex {
    fn dims(&self) -> usize {
        self.index().dims()
    }

    fn len(&self) -> usize {
        self.index().len()
    }

    fn search(&self, query: &UnitVector, params: &SearchParams<'_>) -> Result<SearchResult, IndexError> {
        self.index().search(query, params)
    }

    fn search_batch(&self, queries: &[UnitVector], params: &SearchParams<'_>) -> Result<Vec<SearchResult>, IndexError> {
        self.index().search_batch(queries, params)
    }

    fn get(&self, key: u64) -> Option<UnitVector> {
        self.index().get(key)
    }

    fn sample(&self, count: usize) -> Vec<UnitVector> {
        self.index().sample(count)
    }

    fn strategy(&self) -> Strategy {
        self.index().strategy()
    }

    fn memory(&self) -> MemoryUsage {
        self.index().memory()
    }
}
