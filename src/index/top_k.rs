//! The best of many hits, without sorting all of them.

use super::hit::{Hit, by_rank};

/// Keeps the best `k` of the hits that are pushed.
#[derive(Debug, Clone)]
pub(super) struct TopK {
    k: usize,
    hits: Vec<Hit>,
    /// The k-th best hit when the buffer was last truncated. Later hits must rank before it.
    floor: Option<Hit>,
}

impl TopK {
    pub(super) fn new(k: usize) -> Self {
        Self { k, hits: Vec::new(), floor: None }
    }

    /// Whether a hit of this score may be among the best. A hit that is not accepted need not be built and pushed.
    #[inline(always)]
    pub(super) fn accepts(&self, score: f32) -> bool {
        self.floor.is_none_or(|floor| score >= floor.score)
    }

    #[inline]
    pub(super) fn push(&mut self, hit: Hit) {
        if self.k == 0 || self.floor.is_some_and(|floor| by_rank(&hit, &floor).is_gt()) {
            return;
        }
        self.hits.push(hit);
        // A buffer of 2 k hits makes the amortized cost of a truncation constant for each hit.
        if self.hits.len() >= (2 * self.k).max(32) {
            self.hits.select_nth_unstable_by(self.k - 1, by_rank);
            self.hits.truncate(self.k);
            self.floor = self.hits.last().copied();
        }
    }

    /// The best `k` hits, best first.
    pub(super) fn into_sorted(mut self) -> Vec<Hit> {
        self.hits.sort_unstable_by(by_rank);
        self.hits.truncate(self.k);
        self.hits
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn top_k_equals_a_full_sort(scores in prop::collection::vec(-3i8..3, 0..300), k in 0usize..80) {
            let hit = |(n, score): (usize, &i8)| Hit { key: (n as u64 * 7919) % 1009, score: f32::from(*score) };
            let mut hits: Vec<Hit> = scores.iter().enumerate().map(hit).collect();
            let mut best = TopK::new(k);
            for hit in &hits {
                if best.accepts(hit.score) {
                    best.push(*hit);
                }
            }
            hits.sort_by(by_rank);
            hits.truncate(k);
            prop_assert_eq!(best.into_sorted(), hits);
        }
    }
}
