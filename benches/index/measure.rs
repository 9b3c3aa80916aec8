//! Measurements: what is recorded of each engine, and how time is taken.

use std::error::Error;

use cpu_time::ThreadTime;

use crate::peers::median;

/// Timed passes over all queries in a round, after one that warms the caches.
pub(crate) const PASSES: usize = 3;

pub(crate) type BenchResult<T> = Result<T, Box<dyn Error>>;

/// Measurements of all engines on one set of points.
pub(crate) struct Dataset {
    pub(crate) title: String,
    pub(crate) curves: Vec<Curve>,
}

/// Recall and speed of one engine for increasing numbers of candidates.
pub(crate) struct Curve {
    pub(crate) name: String,
    pub(crate) build_seconds: f64,
    pub(crate) bytes: u64,
    pub(crate) points: Vec<CurvePoint>,
}

/// Measurement of one number of candidates.
pub(crate) struct CurvePoint {
    pub(crate) recall: f64,
    /// CPU seconds for a query, of each round.
    pub(crate) seconds: Vec<f64>,
}

impl CurvePoint {
    /// Queries per second, median over the rounds.
    pub(crate) fn qps(&self) -> f64 {
        1.0 / median(self.seconds.clone())
    }
}

impl Curve {
    pub(crate) fn new(name: &str, build_seconds: f64, bytes: u64) -> Self {
        Self { name: name.to_owned(), build_seconds, bytes, points: Vec::new() }
    }

    /// Queries per second at a recall, interpolated between the two nearest measurements.
    pub(crate) fn qps_at(&self, recall: f64) -> Option<f64> {
        let after = self.points.iter().position(|point| point.recall >= recall)?;
        let high = &self.points[after];
        let Some(low) = after.checked_sub(1).map(|before| &self.points[before]) else { return Some(high.qps()) };
        let part = (recall - low.recall) / (high.recall - low.recall);
        Some((low.qps().ln() * (1.0 - part) + high.qps().ln() * part).exp())
    }
}

/// Result of `work`, and the CPU seconds that it took on this thread, which runs all of it. Wall time would include the
/// other load of the machine.
pub(crate) fn timed<T>(work: impl FnOnce() -> T) -> (T, f64) {
    let before = ThreadTime::now();
    let result = work();
    (result, before.elapsed().as_secs_f64())
}
