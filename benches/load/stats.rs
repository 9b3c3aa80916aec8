//! Summaries of measurements.

use std::collections::BTreeMap;

/// Measurements of some clients over one round.
#[derive(Debug, Default, Clone)]
pub(crate) struct LoadStats {
    /// Seconds of each successful request.
    pub(crate) seconds: Vec<f64>,
    /// Milliseconds of each successful request as the service reports them: queue, encode, search, hydrate. Empty where
    /// the responses have no times.
    pub(crate) stages: Vec<[f64; 4]>,
    /// Number of other responses, by status.
    pub(crate) rejected: BTreeMap<u16, usize>,
    /// Length of the round, in seconds.
    pub(crate) took: f64,
    /// CPU seconds of the service during the round.
    pub(crate) service_cpu: f64,
    /// CPU seconds of this process during the round.
    pub(crate) own_cpu: f64,
}

impl LoadStats {
    /// Successful responses per second.
    pub(crate) fn rate(&self) -> f64 {
        self.seconds.len() as f64 / self.took
    }

    /// CPU milliseconds of the service for a successful response.
    pub(crate) fn cpu_ms(&self) -> f64 {
        self.service_cpu * 1e3 / self.seconds.len() as f64
    }

    /// Milliseconds within which a fraction of the requests succeeded.
    pub(crate) fn quantile_ms(&self, fraction: f64) -> f64 {
        quantile(self.seconds.clone(), fraction) * 1e3
    }
}

pub(crate) fn median(values: impl Iterator<Item = f64>) -> f64 {
    quantile(values.collect(), 0.5)
}

/// The value below which a fraction of all values is. NaN without values.
fn quantile(mut values: Vec<f64>, fraction: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let at = ((values.len() as f64 * fraction) as usize).min(values.len().saturating_sub(1));
    values.get(at).copied().unwrap_or(f64::NAN)
}

/// Numbers of rejected requests, by status.
pub(crate) fn rejections(rounds: &[LoadStats]) -> String {
    let mut rejected = BTreeMap::<u16, usize>::new();
    for (status, count) in rounds.iter().flat_map(|stats| &stats.rejected) {
        *rejected.entry(*status).or_default() += count;
    }
    let counts: Vec<String> = rejected.iter().map(|(status, count)| format!("{count} × {status}")).collect();
    if counts.is_empty() { "0".to_owned() } else { counts.join(", ") }
}
