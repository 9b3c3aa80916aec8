//! The one place where the service searches its vector indexes, on threads of its own.
//!
//! A search of a large index would stall every connection of an async thread. Searches queue for a worker instead;
//! scans of one index that are waiting at the same time are made together, because a scan reads all vectors from memory
//! and costs little more for many queries than for one. Results are bit-identical whether a query is searched alone or
//! in a batch.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::request::Kind;
use crate::{
    compute::{self, BatchLimits, Batcher},
    core::UnitVector,
    engine::{error::EngineError, serving::ServingSnapshot},
    index::{IndexError, KeySet, SearchParams, SearchResult, Strategy},
};

/// The number of neighbours that an index is asked for.
pub(super) const CANDIDATES: usize = 200;

/// The maximum number of searches that a worker takes together.
const BATCH: usize = 32;

/// One search of one index.
pub(super) struct VectorQuery {
    pub(super) snapshot: Arc<ServingSnapshot>,
    /// Which of the two indexes.
    pub(super) kind: Kind,
    pub(super) vector: UnitVector,
    /// Compare with every vector.
    pub(super) exact: bool,
    /// Candidates that a walk through the graph keeps.
    pub(super) ef: Option<usize>,
    /// The keys that may be found; `None` for all.
    pub(super) filter: Option<KeySet>,
}

impl VectorQuery {
    /// Whether it is a scan of a whole index with default parameters, which is cheaper together with others.
    fn is_plain_scan(&self) -> bool {
        !self.exact
            && self.ef.is_none()
            && self.filter.is_none()
            && self.snapshot.indexes.strategy(self.kind) == Strategy::Exact
    }

    fn search(&self) -> Result<SearchResult, IndexError> {
        let params = SearchParams {
            exact: self.exact,
            ef: self.ef,
            filter: self.filter.as_ref(),
            ..SearchParams::top(CANDIDATES)
        };
        self.snapshot.indexes.search(self.kind, &self.vector, &params)
    }
}

/// The queue of searches and its workers.
#[derive(Debug)]
pub(super) struct VectorSearch(Batcher<VectorQuery, Result<SearchResult, IndexError>>);

impl VectorSearch {
    pub(super) fn start() -> std::io::Result<Self> {
        let limits = BatchLimits {
            // Admission control bounds the number of queries; none is refused here.
            max_waiting: usize::MAX,
            max_jobs: BATCH,
            max_weight: BATCH,
            window: Duration::ZERO,
            dedicated_pool: false,
        };
        Ok(Self(Batcher::start("search", compute::cores(), limits, |queries| run_batch(&queries))?))
    }

    /// The nearest [`CANDIDATES`] vectors, best first.
    pub(super) async fn search(
        &self,
        query: VectorQuery,
        deadline: Option<Instant>,
    ) -> Result<SearchResult, EngineError> {
        // A search that cannot share its work has a batch of its own, so that it holds up no other.
        let weight = if query.is_plain_scan() { 1 } else { BATCH };
        Ok(self.0.run(query, weight, deadline).await?.output?)
    }
}

fn run_batch(queries: &[VectorQuery]) -> Vec<Result<SearchResult, IndexError>> {
    let mut results = Vec::with_capacity(queries.len());
    while let Some(first) = queries.get(results.len()) {
        let rest = &queries[results.len()..];
        let together = |query: &&VectorQuery| {
            query.kind == first.kind && Arc::ptr_eq(&query.snapshot, &first.snapshot) && query.is_plain_scan()
        };
        match rest.iter().take_while(together).count() {
            0 | 1 => results.push(first.search()),
            count => {
                let vectors: Vec<UnitVector> = rest[..count].iter().map(|query| query.vector.clone()).collect();
                let params = SearchParams::top(CANDIDATES);
                match first.snapshot.indexes.search_batch(first.kind, &vectors, &params) {
                    Ok(found) => results.extend(found.into_iter().map(Ok)),
                    Err(error) => results.extend((0..count).map(|_| Err(error.clone()))),
                }
            }
        }
    }
    results
}
