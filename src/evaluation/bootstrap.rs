//! Confidence interval of a mean.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use super::retrieval_metrics::mean;

/// Number of bootstrap samples.
const RESAMPLES: u64 = 1000;

/// 95 % confidence interval of the mean of `values` by the percentile bootstrap (Efron 1979) with a thousand samples.
/// The samples are seeded, so the result is reproducible. With fewer than two values, both ends are the mean.
pub fn bootstrap_interval(values: &[f64]) -> [f64; 2] {
    let count = values.len();
    if count < 2 {
        return [mean(values.iter().copied()); 2];
    }
    let resampled = |seed: u64| {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        mean((0..count).map(|_| values[rng.random_range(0..count)]))
    };
    let mut means: Vec<f64> = (0..RESAMPLES).into_par_iter().map(resampled).collect();
    means.sort_by(f64::total_cmp);
    let percentile = |p: f64| means[((means.len() - 1) as f64 * p).round() as usize];
    [percentile(0.025), percentile(0.975)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interval_agrees_with_the_normal_approximation() {
        // A fair coin, 400 throws: the mean has a standard deviation of 0.025, of which the interval covers ±1.96.
        let coin: Vec<f64> = (0..400).map(|n| f64::from(n % 2)).collect();
        let [low, high] = bootstrap_interval(&coin);
        assert!((low - 0.451).abs() < 0.01 && (high - 0.549).abs() < 0.01, "{low} {high}");
        assert_eq!(bootstrap_interval(&coin), [low, high]);
        assert_eq!(bootstrap_interval(&[0.25]), [0.25, 0.25]);
        assert_eq!(bootstrap_interval(&[]), [0.0, 0.0]);
    }
}
