//! How well a graph does what a scan would do.

use serde::Serialize;

use super::{Hit, IndexError, Memory, SearchParams, Snapshot, Strategy, VectorIndex};
use crate::core::UnitVector;

/// Neighbours of a query that are looked for.
pub(super) const K: usize = 10;

/// Queries that are scanned for together.
const BATCH: usize = 64;

/// What a self-test found.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct SelfTest {
    /// Living points.
    pub points: usize,
    /// Those of them that came after the base was built.
    pub delta: usize,
    /// Points of the base that are dead.
    pub tombstones: usize,
    /// Points of the base that no walk reaches.
    pub orphans: usize,
    /// How searches are answered.
    pub strategy: Strategy,
    /// Queries that were compared.
    pub queries: usize,
    /// Of the ten nearest by scan, the part that a search finds too, or finds others that are as near; 1 without any.
    pub recall_at_10: f64,
    /// The 95 % interval of that, by Wilson's score (Wilson 1927) as if each query were one trial: wider than the truth,
    /// because a query's ten neighbours are more than one trial and less than ten.
    pub interval: [f64; 2],
    /// Bytes in memory.
    pub memory: Memory,
}

impl Snapshot {
    /// Compares searches for `queries` with scans.
    ///
    /// # Errors
    /// As [`VectorIndex::search`].
    pub fn self_test(&self, queries: &[UnitVector]) -> Result<SelfTest, IndexError> {
        let (mut found, mut wanted) = (0usize, 0usize);
        for batch in queries.chunks(BATCH) {
            for (query, truth) in batch.iter().zip(self.search_batch(batch, &SearchParams::exact(K))?) {
                wanted += truth.hits.len();
                found += self::found(&self.search(query, &SearchParams::top(K))?.hits, &truth.hits);
            }
        }
        let recall_at_10 = if wanted == 0 { 1.0 } else { found as f64 / wanted as f64 };
        Ok(SelfTest {
            points: self.len(),
            delta: self.delta_len(),
            tombstones: self.dead_in_base(),
            orphans: self.base().orphans(),
            strategy: self.strategy(),
            queries: queries.len(),
            recall_at_10,
            interval: wilson(recall_at_10, queries.len()),
            memory: self.memory(),
        })
    }
}

/// How many of the hits are as near as the farthest that a scan found. Of equal points any is right, so what counts is the
/// score and not the key.
pub(super) fn found(hits: &[Hit], truth: &[Hit]) -> usize {
    truth.last().map_or(0, |farthest| hits.iter().filter(|hit| hit.score >= farthest.score).count())
}

/// Wilson's 95 % interval of a proportion that was seen in `trials`.
fn wilson(proportion: f64, trials: usize) -> [f64; 2] {
    if trials == 0 {
        return [0.0, 1.0];
    }
    const Z: f64 = 1.959_963_984_540_054;
    let n = trials as f64;
    let (centre, scale) = (proportion + Z * Z / (2.0 * n), 1.0 / (1.0 + Z * Z / n));
    let half = Z * (proportion * (1.0 - proportion) / n + Z * Z / (4.0 * n * n)).sqrt();
    [((centre - half) * scale).max(0.0), ((centre + half) * scale).min(1.0)]
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::{
        super::{
            Change, ExactIndex, FoldLimits, LiveIndex, StaticIndex, Traversal,
            conformance_tests::{graph, near, points},
        },
        *,
    };

    #[test]
    fn intervals_are_those_of_the_textbook() {
        // statsmodels: proportion_confint(81, 263, method="wilson") and (10, 10, …)
        for (proportion, trials, expected) in [(81.0 / 263.0, 263, [0.2553, 0.3662]), (1.0, 10, [0.7225, 1.0])] {
            let found = wilson(proportion, trials);
            assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-4), "{found:?}");
        }
        assert_eq!(wilson(1.0, 0), [0.0, 1.0]);
    }

    #[test]
    fn a_self_test_counts_what_is_there() {
        let mut rng = ChaCha8Rng::seed_from_u64(8);
        let points = points(1_000, &mut rng);
        let live = LiveIndex::new(StaticIndex::Graph(graph(&points, Traversal::Byte, 2)), FoldLimits::default());
        let new = near(points[0].1.as_slice(), &mut rng);
        live.apply(vec![Change::Remove(points[3].0), Change::Put(7, new)]).expect("of one space");
        let snapshot = live.snapshot();
        let test = snapshot.self_test(&snapshot.sample(80)).expect("valid queries");
        assert_eq!((test.points, test.delta, test.tombstones, test.orphans), (1_000, 1, 1, 0));
        assert_eq!((test.queries, test.strategy), (77, Strategy::GraphAndDelta));
        assert!(test.recall_at_10 > 0.98 && test.interval[0] < test.recall_at_10 && test.memory.total() > 96_000);

        let empty = StaticIndex::Exact(ExactIndex::new(24, Vec::new()).expect("valid"));
        let test = LiveIndex::new(empty, FoldLimits::default()).snapshot().self_test(&[]).expect("nothing to do");
        assert_eq!((test.recall_at_10, test.interval), (1.0, [0.0, 1.0]));
    }

    #[test]
    fn a_graph_that_misses_is_found_out() {
        let mut rng = ChaCha8Rng::seed_from_u64(9);
        let points = points(3_000, &mut rng);
        let exact = ExactIndex::new(24, points).expect("valid");
        let parameters = super::super::GraphParameters { ef_search: 10, links: 2, ..Default::default() };
        let stop = std::sync::atomic::AtomicBool::new(false);
        let graph = super::super::GraphIndex::build(exact, &parameters, &|_| (), &stop).expect("builds");
        let snapshot = LiveIndex::new(StaticIndex::Graph(graph), FoldLimits::default()).snapshot();
        let far: Vec<UnitVector> = (0..100).map(|_| near(&[0.0; 24], &mut rng)).collect();
        let test = snapshot.self_test(&far).expect("valid queries");
        assert!(test.recall_at_10 < 0.9 && test.interval[1] < 1.0, "{test:?}");
    }
}
