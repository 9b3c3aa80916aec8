//! Cache of the embeddings of query texts, by their token ids.

use std::sync::Arc;

use metrics::counter;
use parking_lot::Mutex;

use crate::{model::QueryEmbedding, util::lru::WeightedLru};

/// Approximate size of an entry in addition to its numbers: links, hash, reference counts.
const ENTRY_OVERHEAD: usize = 200;

/// The most recently used embeddings of one model.
#[derive(Debug)]
pub(in crate::engine) struct QueryCache(Mutex<State>);

#[derive(Debug)]
struct State {
    model: String,
    entries: WeightedLru<Box<[u32]>, Arc<QueryEmbedding>>,
}

impl QueryCache {
    /// With 0 entries it caches nothing.
    pub(in crate::engine) fn new(max_entries: usize, max_bytes: usize) -> Self {
        let entries = WeightedLru::new(max_entries, max_bytes);
        Self(Mutex::new(State { model: String::new(), entries }))
    }

    /// Drops the embeddings of another model and caches those of this one from now on.
    pub(in crate::engine) fn switch_model(&self, model: &str) {
        let mut state = self.0.lock();
        if state.model != model {
            model.clone_into(&mut state.model);
            state.entries.clear();
        }
    }

    /// The embedding by this model of the text with these token ids.
    pub(super) fn get(&self, model: &str, ids: &[u32]) -> Option<Arc<QueryEmbedding>> {
        let mut state = self.0.lock();
        let found = if state.model == model { state.entries.get(ids).cloned() } else { None };
        drop(state);
        match found {
            Some(_) => counter!("diptych_query_cache_hits_total").increment(1),
            None => counter!("diptych_query_cache_misses_total").increment(1),
        }
        found
    }

    /// Caches an embedding, unless its model is not the current one.
    pub(super) fn insert(&self, model: &str, ids: Box<[u32]>, embedding: &Arc<QueryEmbedding>) {
        let mut state = self.0.lock();
        if state.model != model {
            return;
        }
        let bytes = bytes(&ids, embedding);
        state.entries.insert(ids, Arc::clone(embedding), bytes);
    }

    /// The number of entries, and their size in bytes.
    pub(in crate::engine) fn size(&self) -> (usize, usize) {
        let state = self.0.lock();
        (state.entries.len(), state.entries.bytes())
    }
}

/// Size of an entry in bytes.
fn bytes(ids: &[u32], embedding: &QueryEmbedding) -> usize {
    4 * (ids.len() + embedding.point.dims() + embedding.probabilities.len()) + ENTRY_OVERHEAD
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::UnitVector;

    fn asked(x: f32) -> Arc<QueryEmbedding> {
        let point = UnitVector::new(vec![x, 1.0], 2).expect("a point");
        Arc::new(QueryEmbedding { point, probabilities: vec![1.0], unknown_token_ratio: None })
    }

    fn ids(id: u32) -> Box<[u32]> {
        Box::new([id])
    }

    #[test]
    fn it_dies_with_its_model() {
        let cache = QueryCache::new(8, usize::MAX);
        cache.switch_model("old");
        cache.insert("old", ids(1), &asked(1.0));
        assert_eq!(cache.get("old", &ids(1)), Some(asked(1.0)));
        assert_eq!(cache.size(), (1, bytes(&ids(1), &asked(1.0))));
        cache.switch_model("old");
        assert_eq!(cache.size().0, 1, "the same model under another index");
        cache.switch_model("new");
        assert_eq!(cache.size(), (0, 0));
        // A query that began before the swap ends after it.
        cache.insert("old", ids(1), &asked(1.0));
        assert_eq!((cache.get("new", &ids(1)), cache.get("old", &ids(1))), (None, None));
    }
}
