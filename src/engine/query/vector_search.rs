//! Searches the vector indexes on dedicated threads.
//!
//! On an async thread, the search of a large index would stall other connections. Searches are therefore queued for a
//! worker. Concurrent scans of an index are batched, because a scan reads all vectors from memory, which costs little
//! more for many queries than for one. Results are bit-identical whether a query is searched alone or
//! in a batch.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use crate::{
    compute::{self, BatchLimits, Batcher},
    core::UnitVector,
    engine::{EngineError, Kind, ServingSnapshot},
    index::{IndexError, KeySet, SearchParams, SearchResult, Strategy},
};

/// The number of neighbours that are requested from an index.
pub(super) const CANDIDATES: usize = 200;

/// The maximum number of searches in a batch.
const BATCH: usize = 32;

/// One search of one index.
pub(super) struct VectorQuery {
    pub(super) snapshot: Arc<ServingSnapshot>,
    /// The index to search.
    pub(super) kind: Kind,
    pub(super) vector: UnitVector,
    /// Scan all vectors instead of using the graph.
    pub(super) exact: bool,
    /// Number of candidates of the graph search (ef).
    pub(super) ef: Option<usize>,
    /// The allowed keys; `None` for all.
    pub(super) filter: Option<KeySet>,
}

impl VectorQuery {
    /// Whether it is an unfiltered scan with default parameters, which is cheaper in a batch.
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
            // Admission control limits the number of queries, so none is rejected here.
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
        // A search that cannot share its work gets its own batch, so that it does not delay others.
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
