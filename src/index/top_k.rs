//! The best of many hits, without sorting all of them.

use std::cmp::Ordering;

use super::Hit;

/// Score from high to low; equal scores by key from low to high.
pub(super) fn by_rank(a: &Hit, b: &Hit) -> Ordering {
    b.score.total_cmp(&a.score).then(a.key.cmp(&b.key))
}

/// Keeps the best `k` of the hits that it is offered.
#[derive(Debug, Clone)]
pub(super) struct Best {
    k: usize,
    hits: Vec<Hit>,
    /// A hit must rank before this one; it is the k-th of those that were looked at when the room was last cleared.
    floor: Option<Hit>,
}

impl Best {
    pub(super) fn new(k: usize) -> Self {
        Self { k, hits: Vec::new(), floor: None }
    }

    /// Whether a hit of this score may be among the best; one that may not need not be made.
    #[inline(always)]
    pub(super) fn wants(&self, score: f32) -> bool {
        self.floor.is_none_or(|floor| score >= floor.score)
    }

    pub(super) fn offer(&mut self, hit: Hit) {
        if self.k == 0 || self.floor.is_some_and(|floor| by_rank(&hit, &floor).is_gt()) {
            return;
        }
        self.hits.push(hit);
        // Twice the room makes the clearing cost a constant for each hit.
        if self.hits.len() >= (2 * self.k).max(32) {
            self.hits.select_nth_unstable_by(self.k - 1, by_rank);
            self.hits.truncate(self.k);
            self.floor = self.hits.last().copied();
        }
    }

    /// The best, in rank.
    pub(super) fn take(mut self) -> Vec<Hit> {
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
        fn the_best_are_those_of_a_sort(scores in prop::collection::vec(-3i8..3, 0..300), k in 0usize..80) {
            let mut hits: Vec<Hit> =
                scores.iter().enumerate().map(|(n, s)| Hit { key: (n as u64 * 7919) % 1009, score: f32::from(*s) }).collect();
            let mut best = Best::new(k);
            for hit in &hits {
                if best.wants(hit.score) {
                    best.offer(*hit);
                }
            }
            hits.sort_by(by_rank);
            hits.truncate(k);
            prop_assert_eq!(best.take(), hits);
        }
    }
}
