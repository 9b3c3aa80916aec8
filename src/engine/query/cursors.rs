//! Cursors: positions in stored rankings.
//!
//! The complete ranking is stored for ten minutes, so that no page repeats or skips a result if items are added or
//! deleted or the index is rebuilt in between.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use hashlink::LinkedHashMap;
use parking_lot::Mutex;

use super::{ranking::Ranking, validate::bad_query};
use crate::engine::error::EngineError;

/// How long a ranking is stored.
const STORED_FOR: Duration = Duration::from_secs(600);

/// The maximum number of stored rankings, of some kilobytes each; the oldest is evicted.
const MAX_RANKINGS: usize = 2000;

/// Rankings by name, oldest first.
#[derive(Debug, Default)]
pub(super) struct CursorStore(Mutex<LinkedHashMap<u128, StoredRanking>>);

#[derive(Debug)]
struct StoredRanking {
    since: Instant,
    ranking: Arc<Ranking>,
}

impl CursorStore {
    /// Stores a ranking and returns its name.
    pub(super) fn store(&self, ranking: Arc<Ranking>) -> u128 {
        let name = rand::random();
        let mut stored = self.0.lock();
        let now = Instant::now();
        let is_old = |ranking: &StoredRanking| now.duration_since(ranking.since) >= STORED_FOR;
        // This runs for every query, so it only visits the rankings that it removes.
        while stored.len() >= MAX_RANKINGS || stored.front().is_some_and(|(_, oldest)| is_old(oldest)) {
            stored.pop_front();
        }
        stored.insert(name, StoredRanking { since: now, ranking });
        name
    }

    /// The ranking of a cursor, its name, and the position in it.
    pub(super) fn find(&self, cursor: &str) -> Result<(Arc<Ranking>, u128, usize), EngineError> {
        let parsed = cursor.split_once('.').and_then(|(name, position)| {
            let plain = name.len() == 32 && position.len() <= 9 && position.bytes().all(|b| b.is_ascii_digit());
            plain.then_some((u128::from_str_radix(name, 16).ok()?, position.parse().ok()?))
        });
        let (name, position) = parsed.ok_or_else(|| {
            bad_query("cursor", "not a valid cursor; pass a `next_cursor` from a previous response".into())
        })?;
        let stored = self.0.lock();
        let found = stored.get(&name).filter(|stored| stored.since.elapsed() < STORED_FOR);
        let found = found.ok_or(EngineError::CursorExpired)?;
        Ok((Arc::clone(&found.ranking), name, position))
    }
}

/// The cursor for a position in a stored ranking.
pub(super) fn cursor(name: u128, position: usize) -> String {
    format!("{name:032x}.{position}")
}
