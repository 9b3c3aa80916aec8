//! Measures which parameters fit these points on this machine.

use std::{
    sync::atomic::AtomicBool,
    time::{Duration, Instant},
};

use serde::Serialize;

use super::{
    ExactIndex, GraphIndex, GraphParameters, Hit, IndexError, IndexParameters, SearchParams, VectorIndex,
    self_test::{K, count_as_near},
};
use crate::core::UnitVector;

/// Numbers of candidates that are tried.
const EFS: [usize; 5] = [50, 100, 200, 400, 800];

/// The recall@10 that a graph search is tuned to.
const RECALL: f64 = 0.99;

/// A scan that takes less than this is preferred to a graph, which may miss points: encoding the query takes several
/// times as long.
const NEGLIGIBLE: Duration = Duration::from_millis(1);

/// Passes over all queries. Scans and graph searches alternate, so that other load on the machine affects all of them.
const ROUNDS: usize = 3;

/// Measurement of one number of candidates.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Trial {
    /// Number of candidates that the search kept.
    pub ef: usize,
    /// Fraction of the ten nearest by scan that it found.
    pub recall_at_10: f64,
    /// Time of a query, median over the rounds.
    pub graph_time: Duration,
}

/// Result of tuning an index.
#[derive(Debug, Clone, Serialize)]
pub struct Tuning {
    /// All trials, fewest candidates first.
    pub trials: Vec<Trial>,
    /// Time of a query by scan, median over the rounds.
    pub scan_time: Duration,
    /// Number of points that were scanned.
    pub points: usize,
    /// The smallest number of candidates with enough recall; the largest that was tried if none had.
    pub ef_search: usize,
    /// Up to this many points a scan is as fast as a graph search with these candidates, or takes less than a
    /// millisecond. A graph search of fewer points than were measured is a little faster, so this favors the scan,
    /// which misses nothing.
    pub exact_up_to: usize,
}

impl Tuning {
    /// Builds a graph of the points and searches it for `queries`. `None` if there are too few points for a graph, or
    /// no queries.
    ///
    /// # Errors
    /// Same as [`GraphIndex::build`] and [`VectorIndex::search`].
    pub fn measure(
        dims: usize,
        points: Vec<(u64, UnitVector)>,
        queries: &[UnitVector],
        parameters: &GraphParameters,
        progress: &(dyn Fn(usize) + Sync),
        stop: &AtomicBool,
    ) -> Result<Option<Self>, IndexError> {
        let count = points.len();
        // A search that keeps half of the points becomes a scan.
        let efs: Vec<usize> = EFS.into_iter().filter(|ef| 2 * ef < count).collect();
        if efs.is_empty() || queries.is_empty() {
            return Ok(None);
        }
        let graph = GraphIndex::build(ExactIndex::new(dims, points)?, parameters, progress, stop)?;
        let mut scan_times = Vec::new();
        let mut graph_times = vec![Vec::new(); efs.len()];
        let mut found = vec![(0, 0); efs.len()];
        for round in 0..ROUNDS {
            if stop.load(std::sync::atomic::Ordering::Relaxed) {
                return Err(IndexError::Stopped);
            }
            let (truth, took) = search_all(&graph, queries, SearchParams::exact(K))?;
            scan_times.push(took);
            for (n, &ef) in efs.iter().enumerate() {
                let params = SearchParams { ef: Some(ef), ..SearchParams::top(K) };
                let (results, took) = search_all(&graph, queries, params)?;
                graph_times[n].push(took);
                if round == 0 {
                    for (hits, truth) in results.iter().zip(&truth) {
                        found[n].0 += count_as_near(hits, truth);
                        found[n].1 += truth.len();
                    }
                }
            }
        }
        let scan_time = median(scan_times);
        let trials: Vec<Trial> = efs
            .iter()
            .zip(graph_times)
            .zip(found)
            .map(|((&ef, times), (found, wanted))| Trial {
                ef,
                recall_at_10: found as f64 / f64::from(wanted.max(1) as u32),
                graph_time: median(times),
            })
            .collect();
        let chosen = trials.iter().find(|trial| trial.recall_at_10 >= RECALL).or(trials.last()).copied();
        Ok(chosen.map(|Trial { ef, graph_time, .. }| {
            let crossing = count as f64 * graph_time.max(NEGLIGIBLE).as_secs_f64() / scan_time.as_secs_f64().max(1e-9);
            Self { trials, scan_time, points: count, ef_search: ef, exact_up_to: crossing as usize }
        }))
    }

    /// Combines tunings into parameters that fit all of them: the largest `ef_search` and the smallest `exact_up_to`.
    /// Without any tuning, these are the parameters `before`.
    pub fn combine<'t>(tunings: impl Iterator<Item = &'t Self>, before: IndexParameters) -> IndexParameters {
        let both = |a: (usize, usize), b: (usize, usize)| (a.0.max(b.0), a.1.min(b.1));
        match tunings.map(|tuning| (tuning.ef_search, tuning.exact_up_to)).reduce(both) {
            Some((ef_search, exact_up_to)) => {
                IndexParameters { exact_up_to, graph: GraphParameters { ef_search, ..before.graph } }
            }
            None => before,
        }
    }
}

/// Searches for all queries in sequence. Returns their hits, and the mean time of a query.
fn search_all(
    graph: &GraphIndex,
    queries: &[UnitVector],
    params: SearchParams<'_>,
) -> Result<(Vec<Vec<Hit>>, Duration), IndexError> {
    let started = Instant::now();
    let hits = queries.iter().map(|query| Ok(graph.search(query, &params)?.hits)).collect::<Result<_, _>>()?;
    Ok((hits, started.elapsed() / queries.len() as u32))
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::{super::test_points::points, *};

    #[test]
    fn tuning_selects_the_smallest_ef_with_enough_recall() {
        let points = points(3_000, &mut ChaCha8Rng::seed_from_u64(3));
        let queries: Vec<UnitVector> = points.iter().step_by(40).map(|(_, point)| point.clone()).collect();
        let dims = queries[0].dims();
        let measure = |points: &[(u64, UnitVector)], queries: &[UnitVector]| {
            let stop = AtomicBool::new(false);
            Tuning::measure(dims, points.to_vec(), queries, &GraphParameters::default(), &|_| (), &stop)
        };
        let tuning = measure(&points, &queries).expect("it is not stopped").expect("enough points");
        assert_eq!(tuning.trials.iter().map(|trial| trial.ef).collect::<Vec<_>>(), EFS);
        let chosen = tuning.trials.iter().position(|trial| trial.ef == tuning.ef_search).expect("one of them");
        assert!(tuning.trials[..chosen].iter().all(|trial| trial.recall_at_10 < RECALL), "{tuning:?}");
        assert!(tuning.trials[chosen].recall_at_10 >= RECALL, "{tuning:?}");

        let before = IndexParameters::default();
        let both = Tuning::combine(
            [&tuning, &Tuning { ef_search: 800, exact_up_to: 7, ..tuning.clone() }].into_iter(),
            before,
        );
        assert_eq!((both.graph.ef_search, both.exact_up_to), (800, 7));
        assert_eq!(both.graph.links, before.graph.links);

        assert!(measure(&points[..100], &queries).expect("nothing to do").is_none());
        assert!(measure(&points, &[]).expect("nothing to do").is_none());
        assert_eq!(Tuning::combine(std::iter::empty(), before), before);
    }
}
