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
//! A fold builds the next base from a snapshot, beside everything else. Keys that change meanwhile are written down, and
//! when the new base is put in they are tombstones there and points of the new delta: nothing is lost, and nobody waits.

mod snapshot;

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
};

use arc_swap::ArcSwap;

use super::{IndexError, Memory, Neighbours, SearchParams, StaticIndex, Strategy, VectorIndex};
use crate::vector::UnitVector;

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

impl Change {
    fn key(&self) -> u64 {
        match self {
            Self::Put(key, _) | Self::Remove(key) => *key,
        }
    }
}

/// What the next base is built from.
#[derive(Debug)]
pub struct Fold {
    number: u64,
    /// The index as it was when the fold began.
    pub snapshot: Arc<Snapshot>,
}

/// An index of which points come and go.
#[derive(Debug)]
pub struct LiveIndex {
    current: ArcSwap<Snapshot>,
    limits: FoldLimits,
    writer: Mutex<Writer>,
}

/// What only writers look at.
#[derive(Debug, Default)]
struct Writer {
    folds: u64,
    /// While a fold is at work, the keys that have changed since it began.
    changed: Option<BTreeSet<u64>>,
}

impl LiveIndex {
    /// An index that begins with the points of `base`.
    pub fn new(base: StaticIndex, limits: FoldLimits) -> Self {
        Self { current: ArcSwap::from_pointee(Snapshot::of(base)), limits, writer: Mutex::default() }
    }

    /// The index as it is now; it does not change any more.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.current.load_full()
    }

    /// Adds a point under a key that has none.
    ///
    /// # Errors
    /// [`IndexError::DuplicateKey`] if it has one; else as [`Self::apply`].
    pub fn insert(&self, key: u64, point: UnitVector) -> Result<(), IndexError> {
        let mut writer = self.writer();
        if self.current.load().contains(key) {
            return Err(IndexError::DuplicateKey(key));
        }
        self.change(&mut writer, vec![Change::Put(key, point)])
    }

    /// Gives a key a point, whatever it had. Says whether it had one.
    ///
    /// # Errors
    /// As [`Self::apply`].
    pub fn replace(&self, key: u64, point: UnitVector) -> Result<bool, IndexError> {
        let mut writer = self.writer();
        let had = self.current.load().contains(key);
        self.change(&mut writer, vec![Change::Put(key, point)])?;
        Ok(had)
    }

    /// Takes a key's point away. Says whether it had one.
    ///
    /// # Errors
    /// As [`Self::apply`].
    pub fn remove(&self, key: u64) -> Result<bool, IndexError> {
        let mut writer = self.writer();
        let had = self.current.load().contains(key);
        if had {
            self.change(&mut writer, vec![Change::Remove(key)])?;
        }
        Ok(had)
    }

    /// Makes many changes at once, in their order; a search sees all of them or none.
    ///
    /// # Errors
    /// [`IndexError::WrongDims`], [`IndexError::Memory`]; then none is made.
    pub fn apply(&self, changes: Vec<Change>) -> Result<(), IndexError> {
        self.change(&mut self.writer(), changes)
    }

    fn change(&self, writer: &mut Writer, changes: Vec<Change>) -> Result<(), IndexError> {
        let keys: Vec<u64> = changes.iter().map(Change::key).collect();
        let next = self.current.load().with(changes)?;
        self.current.store(Arc::new(next));
        if let Some(changed) = &mut writer.changed {
            changed.extend(keys);
        }
        Ok(())
    }

    /// Whether so much has changed that a new base pays.
    pub fn needs_fold(&self) -> bool {
        let now = self.current.load();
        let dead = now.dead_in_base() as f64;
        now.delta_len() >= self.limits.delta || (dead > 0.0 && dead >= self.limits.dead * now.base().len() as f64)
    }

    /// Begins a fold: build a base from the points of its snapshot, and give it to [`Self::finish_fold`]. A fold that was
    /// begun before and is not finished is given up.
    pub fn begin_fold(&self) -> Fold {
        let mut writer = self.writer();
        writer.folds += 1;
        writer.changed = Some(BTreeSet::new());
        Fold { number: writer.folds, snapshot: self.snapshot() }
    }

    /// Puts in the base that was built from the fold's snapshot. What has changed since is carried over.
    ///
    /// # Errors
    /// [`IndexError::FoldGivenUp`] if another fold has begun since; [`IndexError::WrongDims`], [`IndexError::Memory`]. Then
    /// the index stays as it is.
    pub fn finish_fold(&self, fold: &Fold, base: StaticIndex) -> Result<(), IndexError> {
        if base.dims() != self.dims() {
            return Err(IndexError::WrongDims { expected: self.dims(), found: base.dims() });
        }
        let mut writer = self.writer();
        if writer.folds != fold.number {
            return Err(IndexError::FoldGivenUp);
        }
        let Some(changed) = &writer.changed else { return Err(IndexError::FoldGivenUp) };
        let now = self.current.load();
        let change = |&key| now.get(key).map_or(Change::Remove(key), |point| Change::Put(key, point));
        let next = Snapshot::of(base).with(changed.iter().map(change).collect())?;
        self.current.store(Arc::new(next));
        writer.changed = None;
        Ok(())
    }

    /// Gives up the fold that is at work, if one is.
    pub fn give_up_fold(&self) {
        self.writer().changed = None;
    }

    fn writer(&self) -> std::sync::MutexGuard<'_, Writer> {
        // A writer that panicked has not stored its snapshot, so the one that is there is whole.
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
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
