//! CursorStore of one answer. The whole ranking is kept for ten minutes, and a cursor is a place in it: whatever comes, goes or is
//! indexed anew in between, no page repeats or skips a result.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use hashlink::LinkedHashMap;

use crate::engine::{error::EngineError, query::rank::Ranking};

/// How long a ranking is kept.
const KEPT: Duration = Duration::from_secs(600);

/// Rankings that are kept at most; beyond, the oldest goes. A ranking has some kilobytes.
const MOST: usize = 2000;

/// The rankings that cursors point into, the oldest first.
#[derive(Debug, Default)]
pub(in crate::engine) struct CursorStore(Mutex<LinkedHashMap<u128, StoredRanking>>);

#[derive(Debug)]
struct StoredRanking {
    since: Instant,
    ranking: Arc<Ranking>,
}

impl CursorStore {
    /// Keeps a ranking. Gives the name under which it is found.
    pub(in crate::engine) fn keep(&self, ranking: Arc<Ranking>) -> u128 {
        let name = rand::random();
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        // Every query passes here, so only what goes is looked at.
        while held.len() >= MOST || held.front().is_some_and(|(_, kept)| now.duration_since(kept.since) >= KEPT) {
            held.pop_front();
        }
        held.insert(name, StoredRanking { since: now, ranking });
        name
    }

    /// The ranking of a cursor, its name and the place in it.
    pub(in crate::engine) fn find(&self, cursor: &str) -> Result<(Arc<Ranking>, u128, usize), EngineError> {
        let parsed = cursor.split_once('.').and_then(|(name, place)| {
            let plain = name.len() == 32 && place.len() <= 9 && place.bytes().all(|b| b.is_ascii_digit());
            plain.then_some((u128::from_str_radix(name, 16).ok()?, place.parse().ok()?))
        });
        let (name, place) = parsed.ok_or_else(|| EngineError::BadQuery {
            field: "cursor".into(),
            reason: "it is none that an answer gave as next_cursor".into(),
        })?;
        let held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = held.get(&name).filter(|kept| kept.since.elapsed() < KEPT).ok_or(EngineError::CursorExpired)?;
        Ok((Arc::clone(&kept.ranking), name, place))
    }
}

/// The cursor for a place in a ranking.
pub(in crate::engine) fn cursor(name: u128, place: usize) -> String {
    format!("{name:032x}.{place}")
}
