//! Answers of the text side to what was asked before: a few megabytes that spare milliseconds, for people ask the same things.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use metrics::counter;

use crate::{model::Asked, util::lru::WeightedLru};

/// What an entry takes beside its numbers: links, hash, reference counts, roughly.
const ENTRY: usize = 200;

/// What one model made of texts, under what these are cut into.
#[derive(Debug)]
pub(in crate::engine) struct QueryCache(Mutex<State>);

#[derive(Debug)]
struct State {
    model: String,
    entries: WeightedLru<Box<[u32]>, Arc<Asked>>,
}

impl QueryCache {
    /// Keeps nothing if `most` is 0.
    pub(in crate::engine) fn new(most: usize, most_bytes: usize) -> Self {
        let entries = WeightedLru::new(most, most_bytes);
        Self(Mutex::new(State { model: String::new(), entries }))
    }

    /// Forgets what another model made, and keeps from now on what this one makes.
    pub(in crate::engine) fn begin(&self, model: &str) {
        let mut state = self.lock();
        if state.model != model {
            model.clone_into(&mut state.model);
            state.entries.clear();
        }
    }

    /// What this model made of the text with these ids.
    pub(in crate::engine) fn find(&self, model: &str, ids: &[u32]) -> Option<Arc<Asked>> {
        let mut state = self.lock();
        let found = if state.model == model { state.entries.get(ids).cloned() } else { None };
        drop(state);
        match found {
            Some(_) => counter!("diptych_query_cache_hits_total").increment(1),
            None => counter!("diptych_query_cache_misses_total").increment(1),
        }
        found
    }

    /// Keeps what a model made of a text. What a model made that answers no longer is not kept.
    pub(in crate::engine) fn keep(&self, model: &str, ids: Box<[u32]>, asked: &Arc<Asked>) {
        let mut state = self.lock();
        if state.model != model {
            return;
        }
        let bytes = bytes(&ids, asked);
        state.entries.insert(ids, Arc::clone(asked), bytes);
    }

    /// Entries, and their bytes.
    pub(in crate::engine) fn size(&self) -> (usize, usize) {
        let state = self.lock();
        (state.entries.len(), state.entries.bytes())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What an entry takes.
fn bytes(ids: &[u32], asked: &Asked) -> usize {
    4 * (ids.len() + asked.point.dims() + asked.probabilities.len()) + ENTRY
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::UnitVector;

    fn asked(x: f32) -> Arc<Asked> {
        let point = UnitVector::new(vec![x, 1.0], 2).expect("a point");
        Arc::new(Asked { point, probabilities: vec![1.0], unknown: None })
    }

    fn ids(id: u32) -> Box<[u32]> {
        Box::new([id])
    }

    #[test]
    fn it_dies_with_its_model() {
        let kept = QueryCache::new(8, usize::MAX);
        kept.begin("old");
        kept.keep("old", ids(1), &asked(1.0));
        assert_eq!(kept.find("old", &ids(1)), Some(asked(1.0)));
        assert_eq!(kept.size(), (1, bytes(&ids(1), &asked(1.0))));
        kept.begin("old");
        assert_eq!(kept.size().0, 1, "the same model under another index");
        kept.begin("new");
        assert_eq!(kept.size(), (0, 0));
        // A query that began before the swap ends after it.
        kept.keep("old", ids(1), &asked(1.0));
        assert_eq!((kept.find("new", &ids(1)), kept.find("old", &ids(1))), (None, None));
    }
}
