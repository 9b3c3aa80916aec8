//! The index that changes.

use std::sync::Arc;

use arc_swap::ArcSwap;
use parking_lot::Mutex;

use crate::{
    core::UnitVector,
    index::{
        Change, IndexError, MemoryUsage, RebuildThresholds, SearchParams, SearchResult, Snapshot, StaticIndex,
        Strategy, VectorIndex,
    },
};

/// An index whose points can be added, replaced and removed.
#[derive(Debug)]
pub struct LiveIndex {
    current: ArcSwap<Snapshot>,
    thresholds: RebuildThresholds,
    /// Held while the next snapshot is built.
    writing: Mutex<()>,
}

impl LiveIndex {
    /// Creates an index with the points of `base`.
    pub fn new(base: StaticIndex, thresholds: RebuildThresholds) -> Self {
        Self { current: ArcSwap::from_pointee(Snapshot::new(base)), thresholds, writing: Mutex::default() }
    }

    /// The current state, which later changes do not affect.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.current.load_full()
    }

    /// Applies changes in order. A search sees all of them or none.
    ///
    /// # Errors
    /// [`IndexError::WrongDims`], [`IndexError::Memory`]; then no change is applied.
    pub fn apply(&self, changes: Vec<Change>) -> Result<(), IndexError> {
        let _writing = self.writing.lock();
        let next = self.current.load().with_changes(changes)?;
        self.current.store(Arc::new(next));
        Ok(())
    }

    /// Whether the index has changed so much that a new base pays off.
    pub fn needs_rebuild(&self) -> bool {
        let now = self.current.load();
        let deleted = now.deleted_in_base() as f64;
        now.delta_len() >= self.thresholds.delta
            || (deleted > 0.0 && deleted >= self.thresholds.deleted * now.base().len() as f64)
    }
}

impl VectorIndex for LiveIndex {
    fn dims(&self) -> usize {
        self.current.load().dims()
    }

    fn len(&self) -> usize {
        self.current.load().len()
    }

    fn search(&self, query: &UnitVector, params: &SearchParams<'_>) -> Result<SearchResult, IndexError> {
        self.snapshot().search(query, params)
    }

    fn search_batch(&self, queries: &[UnitVector], params: &SearchParams<'_>) -> Result<Vec<SearchResult>, IndexError> {
        self.snapshot().search_batch(queries, params)
    }

    fn get(&self, key: u64) -> Option<UnitVector> {
        self.snapshot().get(key)
    }

    fn sample(&self, count: usize) -> Vec<UnitVector> {
        self.snapshot().sample(count)
    }

    fn strategy(&self) -> Strategy {
        self.current.load().strategy()
    }

    fn memory(&self) -> MemoryUsage {
        self.current.load().memory()
    }
}
