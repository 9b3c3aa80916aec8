//! Which parameters fit these points on this machine: measured, not guessed.

use std::{
    sync::atomic::AtomicBool,
    time::{Duration, Instant},
};

use serde::Serialize;

use super::{
    ExactIndex, GraphIndex, GraphParameters, IndexError, IndexParameters, SearchParams, VectorIndex, self_test,
};
use crate::core::UnitVector;

/// Candidates that are tried.
const EFS: [usize; 5] = [50, 100, 200, 400, 800];

/// The recall@10 that a walk is tuned to.
const RECALL: f64 = 0.99;

/// A scan that takes less is not worth missing anything for: the encoder takes several times as long.
const UNNOTICED: Duration = Duration::from_millis(1);

/// Passes over all queries, scan and walks in turns, so that what else the machine does meets all of them.
const ROUNDS: usize = 3;

/// A number of candidates, tried.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Trial {
    /// Candidates that the walk kept.
    pub ef: usize,
    /// Of the ten nearest by scan, the part that it found.
    pub recall_at_10: f64,
    /// Time of a query, the median over the rounds.
    pub walk: Duration,
}

/// What the trials say.
#[derive(Debug, Clone, Serialize)]
pub struct Tuning {
    /// All of them, the fewest candidates first.
    pub trials: Vec<Trial>,
    /// Time of a query by scan, the median over the rounds.
    pub scan: Duration,
    /// Points that were scanned.
    pub points: usize,
    /// The fewest candidates that found enough; the most that were tried if none did.
    pub ef_search: usize,
    /// Up to this many points a scan is as fast as a walk with these candidates, or takes less than a millisecond. A walk in
    /// fewer points than those that were measured is a little faster, so this leans to the scan, which misses nothing.
    pub exact_up_to: usize,
}

impl Tuning {
    /// Builds a graph of the points and walks it for `queries`. `None` if there are too few points to walk through, or
    /// nothing to ask.
    ///
    /// # Errors
    /// As [`GraphIndex::build`] and [`VectorIndex::search`].
    pub fn measure(
        dims: usize,
        points: Vec<(u64, UnitVector)>,
        queries: &[UnitVector],
        parameters: &GraphParameters,
        progress: &(dyn Fn(usize) + Sync),
        stop: &AtomicBool,
    ) -> Result<Option<Self>, IndexError> {
        let count = points.len();
        // A walk that keeps half of the points is a scan.
        let efs: Vec<usize> = EFS.into_iter().filter(|ef| 2 * ef < count).collect();
        if efs.is_empty() || queries.is_empty() {
            return Ok(None);
        }
        let graph = GraphIndex::build(ExactIndex::new(dims, points)?, parameters, progress, stop)?;
        let mut scans = Vec::new();
        let mut walks = vec![Vec::new(); efs.len()];
        let mut found = vec![(0, 0); efs.len()];
        for round in 0..ROUNDS {
            if stop.load(std::sync::atomic::Ordering::Relaxed) {
                return Err(IndexError::Stopped);
            }
            let (truth, took) = ask(&graph, queries, SearchParams::exact(self_test::K))?;
            scans.push(took);
            for (n, &ef) in efs.iter().enumerate() {
                let (answers, took) =
                    ask(&graph, queries, SearchParams { ef: Some(ef), ..SearchParams::top(self_test::K) })?;
                walks[n].push(took);
                if round == 0 {
                    for (answer, truth) in answers.iter().zip(&truth) {
                        found[n].0 += self_test::found(answer, truth);
                        found[n].1 += truth.len();
                    }
                }
            }
        }
        let scan = median(scans);
        let trials: Vec<Trial> = efs
            .iter()
            .zip(walks)
            .zip(found)
            .map(|((&ef, walks), (found, wanted))| Trial {
                ef,
                recall_at_10: found as f64 / f64::from(wanted.max(1) as u32),
                walk: median(walks),
            })
            .collect();
        let chosen = trials.iter().find(|trial| trial.recall_at_10 >= RECALL).or(trials.last()).copied();
        Ok(chosen.map(|Trial { ef, walk, .. }| {
            let crossing = count as f64 * walk.max(UNNOTICED).as_secs_f64() / scan.as_secs_f64().max(1e-9);
            Self { trials, scan, points: count, ef_search: ef, exact_up_to: crossing as usize }
        }))
    }

    /// Parameters that are right for all of some tunings: as many candidates as one of them needs, and the graph from where
    /// one of them gains by it. Those of `before` where nothing could be measured.
    pub fn together<'t>(tunings: impl Iterator<Item = &'t Self>, before: IndexParameters) -> IndexParameters {
        let both = |a: (usize, usize), b: (usize, usize)| (a.0.max(b.0), a.1.min(b.1));
        match tunings.map(|tuning| (tuning.ef_search, tuning.exact_up_to)).reduce(both) {
            Some((ef_search, exact_up_to)) => {
                IndexParameters { exact_up_to, graph: GraphParameters { ef_search, ..before.graph } }
            }
            None => before,
        }
    }
}

/// The answers to all queries, one after another, and the time of one.
fn ask(
    graph: &GraphIndex,
    queries: &[UnitVector],
    params: SearchParams<'_>,
) -> Result<(Vec<Vec<super::Hit>>, Duration), IndexError> {
    let began = Instant::now();
    let answers = queries.iter().map(|query| Ok(graph.search(query, &params)?.hits)).collect::<Result<_, _>>()?;
    Ok((answers, began.elapsed() / queries.len() as u32))
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::{super::conformance_tests::points, *};

    #[test]
    fn candidates_are_as_few_as_find_enough() {
        let points = points(3_000, &mut ChaCha8Rng::seed_from_u64(3));
        let queries: Vec<UnitVector> = points.iter().step_by(40).map(|(_, point)| point.clone()).collect();
        let dims = queries[0].dims();
        let measure = |points: &[(u64, UnitVector)], queries: &[UnitVector]| {
            let stop = AtomicBool::new(false);
            Tuning::measure(dims, points.to_vec(), queries, &GraphParameters::default(), &|_| (), &stop)
        };
        let tuning = measure(&points, &queries).expect("nobody stops it").expect("enough points");
        assert_eq!(tuning.trials.iter().map(|trial| trial.ef).collect::<Vec<_>>(), EFS);
        let chosen = tuning.trials.iter().position(|trial| trial.ef == tuning.ef_search).expect("one of them");
        assert!(tuning.trials[..chosen].iter().all(|trial| trial.recall_at_10 < RECALL), "{tuning:?}");
        assert!(tuning.trials[chosen].recall_at_10 >= RECALL, "{tuning:?}");

        let before = IndexParameters::default();
        let both = Tuning::together(
            [&tuning, &Tuning { ef_search: 800, exact_up_to: 7, ..tuning.clone() }].into_iter(),
            before,
        );
        assert_eq!((both.graph.ef_search, both.exact_up_to), (800, 7));
        assert_eq!(both.graph.links, before.graph.links);

        assert!(measure(&points[..100], &queries).expect("nothing to do").is_none());
        assert!(measure(&points, &[]).expect("nothing to do").is_none());
        assert_eq!(Tuning::together(std::iter::empty(), before), before);
    }
}
