//! An index that changes while it is searched.
//!
//! It is a [`Snapshot`] behind a pointer: an immutable base, the positions of it that are dead, and a delta of recent
//! points that are scanned. A change makes the next snapshot and swaps the pointer, so a search never waits and sees all
//! of a change or nothing of it; whoever holds a snapshot keeps an index that stands still.
//!
//! The delta is a few segments of points, each immutable. A change adds one, and those that have become as small as the
//! next are merged, as in the logarithmic method (Bentley & Saxe 1980): a point is copied as often as the delta doubles,
//! and a snapshot has a dozen segments, not thousands.
//!
//! When much has changed ([`LiveIndex::needs_fold`]) its owner builds a new index, delta and tombstones folded in, and puts
//! that in the place of this one.

mod snapshot;

use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;

use super::{IndexError, Memory, Neighbours, SearchParams, StaticIndex, Strategy, VectorIndex};
use crate::core::UnitVector;

pub use snapshot::Snapshot;

/// When an index is worth a new base.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FoldLimits {
    /// Points of the base that are dead, as a part of all of them.
    pub dead: f64,
    /// Points of the delta.
    pub delta: usize,
}

impl Default for FoldLimits {
    fn default() -> Self {
        Self { dead: 0.2, delta: 4096 }
    }
}

/// A change of an index.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// The key has this point from now on, whatever it had.
    Put(u64, UnitVector),
    /// The key has no point from now on.
    Remove(u64),
}

/// An index of which points come and go.
#[derive(Debug)]
pub struct LiveIndex {
    current: ArcSwap<Snapshot>,
    limits: FoldLimits,
    /// Held by whoever makes the next snapshot.
    writing: Mutex<()>,
}

impl LiveIndex {
    /// An index that begins with the points of `base`.
    pub fn new(base: StaticIndex, limits: FoldLimits) -> Self {
        Self { current: ArcSwap::from_pointee(Snapshot::of(base)), limits, writing: Mutex::default() }
    }

    /// The index as it is now; it does not change any more.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.current.load_full()
    }

    /// Makes changes in their order; a search sees all of them or none.
    ///
    /// # Errors
    /// [`IndexError::WrongDims`], [`IndexError::Memory`]; then none is made.
    pub fn apply(&self, changes: Vec<Change>) -> Result<(), IndexError> {
        // A writer that panicked has not stored its snapshot, so the one that is there is whole.
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let next = self.current.load().with(changes)?;
        self.current.store(Arc::new(next));
        Ok(())
    }

    /// Whether so much has changed that a new base pays.
    pub fn needs_fold(&self) -> bool {
        let now = self.current.load();
        let dead = now.dead_in_base() as f64;
        now.delta_len() >= self.limits.delta || (dead > 0.0 && dead >= self.limits.dead * now.base().len() as f64)
    }
}

impl VectorIndex for LiveIndex {
    fn dims(&self) -> usize {
        self.current.load().dims()
    }

    fn len(&self) -> usize {
        self.current.load().len()
    }

    fn search(&self, query: &UnitVector, params: &SearchParams<'_>) -> Result<Neighbours, IndexError> {
        self.snapshot().search(query, params)
    }

    fn search_batch(&self, queries: &[UnitVector], params: &SearchParams<'_>) -> Result<Vec<Neighbours>, IndexError> {
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

    fn memory(&self) -> Memory {
        self.current.load().memory()
    }
}

#[cfg(test)]
mod tests;
