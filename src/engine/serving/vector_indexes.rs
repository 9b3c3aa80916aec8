//! The two vector indexes of a snapshot: one of all pictures, by the keys of their items, and one of all captions.
//!
//! The rest of the service only reads and changes vectors through this type, and the worker threads of
//! `engine/query/vector_search.rs` search it. An index in another process would replace [`LiveIndex`] here.

use std::{collections::BTreeSet, sync::Arc};

use super::embed::Keyed;
use crate::{
    core::UnitVector,
    engine::query::Kind,
    index::{
        Change, IndexError, LiveIndex, RebuildThresholds, SearchParams, SearchResult, SelfTest, Snapshot, StaticIndex,
        Strategy, VectorIndex,
    },
};

/// Number of query vectors, of the other modality, in a self-test.
const SELF_TEST_QUERIES: usize = 500;

/// Size of one index.
pub(crate) struct VectorIndexStats {
    pub(crate) points: usize,
    /// Points added since the static index was built.
    pub(crate) delta_points: usize,
    /// Points of the static index that have been deleted.
    pub(crate) tombstones: usize,
    pub(crate) memory_bytes: usize,
}

#[derive(Debug, Clone)]
pub(crate) struct VectorIndexes {
    images: Arc<LiveIndex>,
    texts: Arc<LiveIndex>,
}

impl VectorIndexes {
    pub(super) fn new(images: StaticIndex, texts: StaticIndex) -> Self {
        let live = |base| Arc::new(LiveIndex::new(base, RebuildThresholds::default()));
        Self { images: live(images), texts: live(texts) }
    }

    fn get(&self, kind: Kind) -> &LiveIndex {
        match kind {
            Kind::Image => &self.images,
            Kind::Text => &self.texts,
        }
    }

    /// The current state of an index, which later changes do not affect.
    pub(super) fn snapshot(&self, kind: Kind) -> Arc<Snapshot> {
        self.get(kind).snapshot()
    }

    pub(crate) fn points(&self, kind: Kind) -> usize {
        self.get(kind).len()
    }

    pub(crate) fn stats(&self, kind: Kind) -> VectorIndexStats {
        let snapshot = self.snapshot(kind);
        VectorIndexStats {
            points: snapshot.len(),
            delta_points: snapshot.delta_len(),
            tombstones: snapshot.deleted_in_base(),
            memory_bytes: snapshot.memory().total(),
        }
    }

    /// The vector of an item's picture or of a caption, by its key in the catalog.
    pub(in crate::engine) fn vector(&self, kind: Kind, key: i64) -> Option<UnitVector> {
        self.get(kind).get(key.cast_unsigned())
    }

    pub(in crate::engine) fn strategy(&self, kind: Kind) -> Strategy {
        self.get(kind).strategy()
    }

    pub(in crate::engine) fn search(
        &self,
        kind: Kind,
        query: &UnitVector,
        params: &SearchParams<'_>,
    ) -> Result<SearchResult, IndexError> {
        self.get(kind).search(query, params)
    }

    pub(in crate::engine) fn search_batch(
        &self,
        kind: Kind,
        queries: &[UnitVector],
        params: &SearchParams<'_>,
    ) -> Result<Vec<SearchResult>, IndexError> {
        self.get(kind).search_batch(queries, params)
    }

    /// Removes the changed keys, then inserts those that have a vector.
    pub(super) fn apply(&self, kind: Kind, changed: BTreeSet<i64>, vectors: Keyed) -> Result<(), IndexError> {
        if changed.is_empty() {
            return Ok(());
        }
        let removals = changed.into_iter().map(|key| Change::Remove(key.cast_unsigned()));
        let additions = vectors.into_iter().map(|(key, vector)| Change::Put(key, vector));
        self.get(kind).apply(removals.chain(additions).collect())
    }

    /// Whether enough has changed since the static indexes were built to justify a rebuild.
    pub(super) fn needs_rebuild(&self) -> bool {
        self.images.needs_rebuild() || self.texts.needs_rebuild()
    }

    /// Compares an index with scans. Query vectors are of the other modality, like most queries of clients.
    pub(super) fn self_test(&self, kind: Kind) -> Result<SelfTest, IndexError> {
        let other = match kind {
            Kind::Image => Kind::Text,
            Kind::Text => Kind::Image,
        };
        self.snapshot(kind).self_test(&self.snapshot(other).sample(SELF_TEST_QUERIES))
    }
}
