//! How sure a mean is.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use super::retrieval_metrics::mean;

/// Means that are drawn.
const RESAMPLES: u64 = 1000;

/// Where the mean of `values` lies with 95 % probability, by the percentile bootstrap (Efron 1979): the middle of the means
/// of a thousand samples drawn with replacement, always the same ones. Both ends are the mean where there are fewer than two
/// values.
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
    let at = |part: f64| means[((means.len() - 1) as f64 * part).round() as usize];
    [at(0.025), at(0.975)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_is_that_of_the_normal_distribution_where_it_holds() {
        // A fair coin, 400 throws: the mean's deviation is 0.025, and 1.96 of it lie on either side.
        let coin: Vec<f64> = (0..400).map(|n| f64::from(n % 2)).collect();
        let [low, high] = bootstrap_interval(&coin);
        assert!((low - 0.451).abs() < 0.01 && (high - 0.549).abs() < 0.01, "{low} {high}");
        assert_eq!(bootstrap_interval(&coin), [low, high]);
        assert_eq!(bootstrap_interval(&[0.25]), [0.25, 0.25]);
        assert_eq!(bootstrap_interval(&[]), [0.0, 0.0]);
    }
}
