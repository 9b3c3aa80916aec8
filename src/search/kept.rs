//! Answers of the text side to what was asked before: a few megabytes that spare milliseconds, for people ask the same things.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hashlink::LruCache;
use metrics::counter;

use crate::dscmr::Asked;

/// What an entry takes beside its numbers: links, hash, reference counts, roughly.
const ENTRY: usize = 200;

/// What one model made of texts, under what these are cut into. Bounded by number and by bytes; whatever was not asked for longest
/// goes first.
#[derive(Debug)]
pub(super) struct Kept {
    most: usize,
    most_bytes: usize,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    model: String,
    entries: LruCache<Box<[u32]>, Arc<Asked>>,
    bytes: usize,
}

impl Kept {
    /// Keeps nothing if `most` is 0.
    pub(super) fn new(most: usize, most_bytes: usize) -> Self {
        let state = State { model: String::new(), entries: LruCache::new_unbounded(), bytes: 0 };
        Self { most, most_bytes, state: Mutex::new(state) }
    }

    /// Forgets what another model made, and keeps from now on what this one makes.
    pub(super) fn begin(&self, model: &str) {
        let mut state = self.lock();
        if state.model != model {
            *state = State { model: model.to_owned(), entries: LruCache::new_unbounded(), bytes: 0 };
        }
    }

    /// What this model made of the text with these ids.
    pub(super) fn find(&self, model: &str, ids: &[u32]) -> Option<Arc<Asked>> {
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
    pub(super) fn keep(&self, model: &str, ids: Box<[u32]>, asked: &Arc<Asked>) {
        let mut state = self.lock();
        if state.model != model {
            return;
        }
        let bytes = bytes(&ids, asked);
        // Two may have asked the same at once.
        if state.entries.insert(ids, Arc::clone(asked)).is_none() {
            state.bytes += bytes;
        }
        while state.entries.len() > self.most || state.bytes > self.most_bytes {
            let Some((ids, asked)) = state.entries.remove_lru() else { break };
            state.bytes -= self::bytes(&ids, &asked);
        }
    }

    /// Entries, and their bytes.
    pub(super) fn size(&self) -> (usize, usize) {
        let state = self.lock();
        (state.entries.len(), state.bytes)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What an entry takes.
fn bytes(ids: &[u32], asked: &Asked) -> usize {
    4 * (ids.len() + asked.point.dims() + asked.probabilities.len()) + ENTRY
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vector::UnitVector;

    fn asked(x: f32) -> Arc<Asked> {
        let point = UnitVector::new(vec![x, 1.0], 2).expect("a point");
        Arc::new(Asked { point, probabilities: vec![1.0], unknown: None })
    }

    fn ids(id: u32) -> Box<[u32]> {
        Box::new([id])
    }

    #[test]
    fn what_was_not_asked_for_longest_goes_first() {
        let kept = Kept::new(3, usize::MAX);
        kept.begin("m");
        (1..=3).for_each(|id| kept.keep("m", ids(id), &asked(id as f32)));
        assert_eq!(kept.find("m", &ids(1)), Some(asked(1.0)));
        kept.keep("m", ids(4), &asked(4.0));
        assert_eq!(kept.find("m", &ids(2)), None);
        for id in [1, 3, 4] {
            assert_eq!(kept.find("m", &ids(id)), Some(asked(id as f32)), "{id}");
        }
    }

    #[test]
    fn bytes_are_bounded_and_none_is_counted_twice() {
        let one = bytes(&ids(0), &asked(0.0));
        let kept = Kept::new(usize::MAX, 10 * one);
        kept.begin("m");
        for round in 0..100 {
            kept.keep("m", ids(round % 20), &asked(round as f32));
            let (entries, bytes) = kept.size();
            assert_eq!(bytes, entries * one);
            assert!(entries <= 10);
        }
        // What is larger than all that may be kept is not kept, and drives out what was.
        kept.keep("m", (0..10_000).collect(), &asked(0.0));
        assert_eq!(kept.size(), (0, 0));
        let none = Kept::new(0, usize::MAX);
        none.begin("m");
        none.keep("m", ids(1), &asked(1.0));
        assert_eq!(none.find("m", &ids(1)), None);
    }

    #[test]
    fn it_dies_with_its_model() {
        let kept = Kept::new(8, usize::MAX);
        kept.begin("old");
        kept.keep("old", ids(1), &asked(1.0));
        kept.begin("old");
        assert_eq!(kept.size().0, 1, "the same model under another index");
        kept.begin("new");
        assert_eq!(kept.size(), (0, 0));
        // A query that began before the swap ends after it.
        kept.keep("old", ids(1), &asked(1.0));
        assert_eq!((kept.find("new", &ids(1)), kept.find("old", &ids(1))), (None, None));
    }
}
