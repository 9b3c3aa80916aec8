//! How many of the true nearest neighbors an index finds.

use serde::Serialize;

use super::{Hit, IndexError, MemoryUsage, SearchParams, Snapshot, Strategy, VectorIndex};
use crate::core::UnitVector;

/// Number of neighbors of a query that are compared.
pub(super) const K: usize = 10;

/// Queries of a batch of scans.
const BATCH: usize = 64;

/// Result of a self-test.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct SelfTest {
    /// Number of points, without deleted ones.
    pub points: usize,
    /// Number of points that were added after the base was built.
    pub delta: usize,
    /// Number of deleted points of the base.
    pub tombstones: usize,
    /// Number of points of the base that a search of the graph cannot reach.
    pub orphans: usize,
    /// How searches find their hits.
    pub strategy: Strategy,
    /// Number of queries.
    pub queries: usize,
    /// Fraction of the ten nearest by scan for which a search finds a hit that is as near; 1 without queries or points.
    pub recall_at_10: f64,
    /// 95 % interval of the recall, by Wilson's score (Wilson 1927) with each query as one trial. It is conservative:
    /// the ten neighbors of a query are more than one independent trial and fewer than ten.
    pub interval: [f64; 2],
    /// Bytes in memory.
    pub memory: MemoryUsage,
}

impl Snapshot {
    /// Compares searches of `queries` with scans.
    ///
    /// # Errors
    /// Same as [`VectorIndex::search`].
    pub fn self_test(&self, queries: &[UnitVector]) -> Result<SelfTest, IndexError> {
        let (mut found, mut wanted) = (0usize, 0usize);
        for batch in queries.chunks(BATCH) {
            for (query, truth) in batch.iter().zip(self.search_batch(batch, &SearchParams::exact(K))?) {
                wanted += truth.hits.len();
                found += count_as_near(&self.search(query, &SearchParams::top(K))?.hits, &truth.hits);
            }
        }
        let recall_at_10 = if wanted == 0 { 1.0 } else { found as f64 / wanted as f64 };
        Ok(SelfTest {
            points: self.len(),
            delta: self.delta_len(),
            tombstones: self.deleted_in_base(),
            orphans: self.base().orphans(),
            strategy: self.strategy(),
            queries: queries.len(),
            recall_at_10,
            interval: wilson_interval(recall_at_10, queries.len()),
            memory: self.memory(),
        })
    }
}

/// Number of hits that are as near as the farthest of the true neighbors. Scores are compared and not keys, because any
/// of several equally near points is a right answer.
pub(super) fn count_as_near(hits: &[Hit], truth: &[Hit]) -> usize {
    truth.last().map_or(0, |farthest| hits.iter().filter(|hit| hit.score >= farthest.score).count())
}

/// Wilson's 95 % interval of a proportion that was observed in `trials`.
fn wilson_interval(proportion: f64, trials: usize) -> [f64; 2] {
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
            Change, ExactIndex, GraphIndex, GraphParameters, LiveIndex, RebuildThresholds, StaticIndex, Traversal,
            test_points::{graph, near, points},
        },
        *,
    };

    #[test]
    fn wilson_interval_matches_statsmodels() {
        // statsmodels: proportion_confint(81, 263, method="wilson") and (10, 10, …)
        for (proportion, trials, expected) in [(81.0 / 263.0, 263, [0.2553, 0.3662]), (1.0, 10, [0.7225, 1.0])] {
            let found = wilson_interval(proportion, trials);
            assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-4), "{found:?}");
        }
        assert_eq!(wilson_interval(1.0, 0), [0.0, 1.0]);
    }

    #[test]
    fn self_test_counts_points_delta_and_tombstones() {
        let mut rng = ChaCha8Rng::seed_from_u64(8);
        let points = points(1_000, &mut rng);
        let live = LiveIndex::new(StaticIndex::Graph(graph(&points, Traversal::Byte, 2)), RebuildThresholds::default());
        let new = near(points[0].1.as_slice(), &mut rng);
        live.apply(vec![Change::Remove(points[3].0), Change::Put(7, new)]).expect("of one space");
        let snapshot = live.snapshot();
        let test = snapshot.self_test(&snapshot.sample(80)).expect("valid queries");
        assert_eq!((test.points, test.delta, test.tombstones, test.orphans), (1_000, 1, 1, 0));
        assert_eq!((test.queries, test.strategy), (77, Strategy::GraphAndDelta));
        assert!(test.recall_at_10 > 0.98 && test.interval[0] < test.recall_at_10 && test.memory.total() > 96_000);

        let empty = StaticIndex::Exact(ExactIndex::new(24, Vec::new()).expect("valid"));
        let test =
            LiveIndex::new(empty, RebuildThresholds::default()).snapshot().self_test(&[]).expect("nothing to do");
        assert_eq!((test.recall_at_10, test.interval), (1.0, [0.0, 1.0]));
    }

    #[test]
    fn self_test_detects_a_graph_with_low_recall() {
        let mut rng = ChaCha8Rng::seed_from_u64(9);
        let points = points(3_000, &mut rng);
        let exact = ExactIndex::new(24, points).expect("valid");
        let parameters = GraphParameters { ef_search: 10, links: 2, ..Default::default() };
        let stop = std::sync::atomic::AtomicBool::new(false);
        let graph = GraphIndex::build(exact, &parameters, &|_| (), &stop).expect("builds");
        let snapshot = LiveIndex::new(StaticIndex::Graph(graph), RebuildThresholds::default()).snapshot();
        let far: Vec<UnitVector> = (0..100).map(|_| near(&[0.0; 24], &mut rng)).collect();
        let test = snapshot.self_test(&far).expect("valid queries");
        assert!(test.recall_at_10 < 0.9 && test.interval[1] < 1.0, "{test:?}");
    }
}
