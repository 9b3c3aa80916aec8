//! An index that does not change: a scan for few points, a graph for many.

use std::sync::atomic::AtomicBool;

use super::{
    ExactIndex, GraphIndex, IndexError, IndexParameters, Memory, Neighbours, SearchParams, Strategy, VectorIndex,
    exact::scan_one,
    tombstones::Tombstones,
    vectors::{Points, Queries},
};
use crate::core::UnitVector;

/// A scan or a graph, as the number of points asks for.
#[derive(Debug)]
pub enum StaticIndex {
    /// Every point is looked at.
    Exact(ExactIndex),
    /// A graph is walked.
    Graph(GraphIndex),
}

impl StaticIndex {
    /// Builds the index that fits the number of points. `progress` is told how much is done, in points; `stop` ends the
    /// build within a second.
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

    pub(super) fn points(&self) -> &Points {
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

    /// The search of one query, with some positions dead.
    pub(super) fn search_alive(
        &self,
        query: &UnitVector,
        params: &SearchParams<'_>,
        dead: &Tombstones,
    ) -> Result<Neighbours, IndexError> {
        match self {
            Self::Graph(graph) => graph.search_alive(query, params, dead),
            Self::Exact(exact) => {
                params.check(self.dims(), query)?;
                Ok(scan_one(exact.points(), &Queries::one(self.dims(), query)?, params, dead))
            }
        }
    }

    /// Points that no walk can reach; a scan finds them.
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

    fn search(&self, query: &UnitVector, params: &SearchParams<'_>) -> Result<Neighbours, IndexError> {
        self.index().search(query, params)
    }

    fn search_batch(&self, queries: &[UnitVector], params: &SearchParams<'_>) -> Result<Vec<Neighbours>, IndexError> {
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

    fn memory(&self) -> Memory {
        self.index().memory()
    }
}
