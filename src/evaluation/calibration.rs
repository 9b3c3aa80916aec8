//! Calibration: from a cosine to the probability that a result is relevant.
//!
//! A logistic function `p = 1 / (1 + exp(-(slope · cosine + intercept)))` (Platt 1999) is fitted by Newton's method to
//! pairs of known relevance. It is valid for pairs drawn from the same distribution; where relevant pairs are rarer or
//! more frequent, it is biased accordingly.

use serde::{Deserialize, Serialize};

/// Logistic function from cosine to probability.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Logistic {
    /// Slope; never negative.
    pub slope: f64,
    /// Log-odds at a cosine of 0.
    pub intercept: f64,
}

/// Maximum number of Newton steps; the fit of two parameters usually converges within five.
const STEPS: usize = 50;

/// L2 penalty of the slope. It keeps the fit finite if a threshold separates the pairs perfectly.
const RIDGE: f64 = 1e-5;

impl Logistic {
    /// Fits the function to (cosine, relevant) pairs. `None` if there are no relevant or no irrelevant pairs, or if
    /// relevance does not increase with the cosine.
    pub fn fit(pairs: &[(f32, bool)]) -> Option<Self> {
        let relevant = pairs.iter().filter(|(_, r)| *r).count();
        if relevant == 0 || relevant == pairs.len() {
            return None;
        }
        let mut fit = Self { slope: 0.0, intercept: (relevant as f64 / (pairs.len() - relevant) as f64).ln() };
        for _ in 0..STEPS {
            // Gradient and Hessian of the mean negative log-likelihood.
            let (mut gs, mut gi, mut hss, mut hsi, mut hii) = (RIDGE * fit.slope, 0.0, RIDGE, 0.0, 1e-9);
            let weight = 1.0 / pairs.len() as f64;
            for &(cosine, relevant) in pairs {
                let (x, p) = (f64::from(cosine), fit.probability(f64::from(cosine)));
                let (error, curve) = ((p - f64::from(u8::from(relevant))) * weight, p * (1.0 - p) * weight);
                gs += error * x;
                gi += error;
                hss += curve * x * x;
                hsi += curve * x;
                hii += curve;
            }
            let det = hss * hii - hsi * hsi;
            let (ds, di) = ((hii * gs - hsi * gi) / det, (hss * gi - hsi * gs) / det);
            // A step from a flat start may overshoot, so its length is limited.
            let scale = (20.0 / ds.abs().max(di.abs()).max(20.0)).min(1.0);
            fit.slope -= scale * ds;
            fit.intercept -= scale * di;
            if ds.abs() < 1e-9 && di.abs() < 1e-9 {
                break;
            }
        }
        (fit.slope > 0.0 && fit.slope.is_finite() && fit.intercept.is_finite()).then_some(fit)
    }

    /// Probability at a cosine.
    pub fn probability(&self, cosine: f64) -> f64 {
        1.0 / (1.0 + (-(self.slope * cosine + self.intercept)).exp())
    }
}

/// Bin of a reliability diagram: results with similar predicted probabilities.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct ReliabilityBin {
    /// Number of results.
    pub count: usize,
    /// Mean predicted probability; 0 without results.
    #[serde(rename = "promised")]
    pub predicted: f64,
    /// Fraction of relevant results; 0 without results.
    pub observed: f64,
}

/// Reliability diagram of (predicted probability, relevant) pairs with ten bins of equal width from 0 to 1.
pub fn reliability_bins(pairs: impl Iterator<Item = (f64, bool)>) -> [ReliabilityBin; 10] {
    let mut sums = [(0usize, 0.0f64, 0usize); 10];
    for (probability, relevant) in pairs {
        let bin = &mut sums[((probability * 10.0) as usize).min(9)];
        bin.0 += 1;
        bin.1 += probability;
        bin.2 += usize::from(relevant);
    }
    sums.map(|(count, predicted, relevant)| {
        let divisor = count.max(1) as f64;
        ReliabilityBin { count, predicted: predicted / divisor, observed: relevant as f64 / divisor }
    })
}

/// Expected calibration error: mean distance between predicted probability and observed frequency, weighted by the
/// number of results in a bin (Naeini et al. 2015). 0 without results.
pub fn expected_calibration_error(bins: &[ReliabilityBin]) -> f64 {
    let total: usize = bins.iter().map(|bin| bin.count).sum();
    let errors = bins.iter().map(|bin| bin.count as f64 * (bin.predicted - bin.observed).abs());
    errors.sum::<f64>() / total.max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fit_recovers_the_function_that_generated_the_pairs() {
        let truth = Logistic { slope: 9.0, intercept: -4.0 };
        // A low-discrepancy sequence instead of random numbers, so that the test is deterministic.
        let pairs: Vec<(f32, bool)> = (0..40_000u32)
            .map(|n| {
                let cosine = (f64::from(n) * 0.754_877_666).fract() * 2.0 - 1.0;
                let chance = (f64::from(n) * 0.569_840_291).fract();
                (cosine as f32, chance < truth.probability(cosine))
            })
            .collect();
        let fitted = Logistic::fit(&pairs).expect("both kinds are there");
        assert!((fitted.slope - 9.0).abs() < 0.5 && (fitted.intercept + 4.0).abs() < 0.3, "{fitted:?}");
        let predicted = pairs.iter().map(|&(c, r)| (fitted.probability(f64::from(c)), r));
        assert!(expected_calibration_error(&reliability_bins(predicted)) < 0.01);
    }

    #[test]
    fn fit_of_perfectly_separated_pairs_is_finite() {
        let pairs = [(0.9, true), (0.8, true), (0.1, false), (0.0, false)];
        let map = Logistic::fit(&pairs).expect("both kinds are there");
        assert!(map.probability(0.85) > 0.7 && map.probability(0.05) < 0.3, "{map:?}");
    }

    #[test]
    fn fit_fails_without_both_kinds_of_pairs_or_with_reversed_ones() {
        assert_eq!(Logistic::fit(&[]), None);
        assert_eq!(Logistic::fit(&[(0.5, true)]), None);
        assert_eq!(Logistic::fit(&[(0.1, true), (0.9, false)]), None);
    }

    #[test]
    fn calibration_error_is_one_for_confident_mistakes_and_zero_for_confident_hits() {
        assert!((expected_calibration_error(&reliability_bins([(1.0, false)].into_iter())) - 1.0).abs() < 1e-12);
        assert!(expected_calibration_error(&reliability_bins([(1.0, true), (0.0, false)].into_iter())) < 1e-12);
    }
}
