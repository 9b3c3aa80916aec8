//! From a cosine to the probability that a result is relevant.
//!
//! A logistic map `p = 1 / (1 + exp(-(slope · cosine + intercept)))` (Platt 1999), fitted by Newton's method to pairs whose
//! relevance is known. It answers for pairs that are drawn as the fitted ones were; where relevant pairs are rarer or more
//! frequent than there, it is biased by as much.

use serde::{Deserialize, Serialize};

/// A monotone map from cosine to probability.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Logistic {
    /// How fast the probability rises; never negative.
    pub slope: f64,
    /// Log-odds at cosine 0.
    pub intercept: f64,
}

/// Newton steps; the fit of two parameters converges within a handful.
const STEPS: usize = 50;

/// Keeps the fit finite where a threshold separates the pairs without a fault.
const RIDGE: f64 = 1e-5;

impl Logistic {
    /// Fits the map to (cosine, relevant) pairs. `None` if there are no relevant or no irrelevant ones, or if more
    /// relevant ones lie at lower cosines: then there is nothing to promise.
    pub fn fit(pairs: &[(f32, bool)]) -> Option<Self> {
        let relevant = pairs.iter().filter(|(_, r)| *r).count();
        if relevant == 0 || relevant == pairs.len() {
            return None;
        }
        let mut map = Self { slope: 0.0, intercept: (relevant as f64 / (pairs.len() - relevant) as f64).ln() };
        for _ in 0..STEPS {
            // Gradient and Hessian of the mean negative log-likelihood.
            let (mut gs, mut gi, mut hss, mut hsi, mut hii) = (RIDGE * map.slope, 0.0, RIDGE, 0.0, 1e-9);
            let weight = 1.0 / pairs.len() as f64;
            for &(cosine, relevant) in pairs {
                let (x, p) = (f64::from(cosine), map.probability(f64::from(cosine)));
                let (error, curve) = ((p - f64::from(u8::from(relevant))) * weight, p * (1.0 - p) * weight);
                gs += error * x;
                gi += error;
                hss += curve * x * x;
                hsi += curve * x;
                hii += curve;
            }
            let det = hss * hii - hsi * hsi;
            let (ds, di) = ((hii * gs - hsi * gi) / det, (hss * gi - hsi * gs) / det);
            // A long step from a flat start may overshoot; halving the longest keeps it on its way.
            let scale = (20.0 / ds.abs().max(di.abs()).max(20.0)).min(1.0);
            map.slope -= scale * ds;
            map.intercept -= scale * di;
            if ds.abs() < 1e-9 && di.abs() < 1e-9 {
                break;
            }
        }
        (map.slope > 0.0 && map.slope.is_finite() && map.intercept.is_finite()).then_some(map)
    }

    /// The probability at a cosine.
    pub fn probability(&self, cosine: f64) -> f64 {
        1.0 / (1.0 + (-(self.slope * cosine + self.intercept)).exp())
    }
}

/// Results to which about the same probability was promised.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct ReliabilityBin {
    /// Results.
    pub count: usize,
    /// Mean of the probabilities that were promised; 0 without results.
    pub promised: f64,
    /// The part of the results that was relevant; 0 without results.
    pub observed: f64,
}

/// Promised probabilities against what was found, in ten bins of equal width from 0 to 1.
pub fn reliability(pairs: impl Iterator<Item = (f64, bool)>) -> [ReliabilityBin; 10] {
    let mut sums = [(0usize, 0.0f64, 0usize); 10];
    for (probability, relevant) in pairs {
        let bin = &mut sums[((probability * 10.0) as usize).min(9)];
        bin.0 += 1;
        bin.1 += probability;
        bin.2 += usize::from(relevant);
    }
    sums.map(|(count, promised, relevant)| {
        let most = count.max(1) as f64;
        ReliabilityBin { count, promised: promised / most, observed: relevant as f64 / most }
    })
}

/// Expected calibration error: the mean distance between the promised probability and the observed frequency, weighted by how
/// many results fall in a bin (Naeini et al. 2015). 0 without results.
pub fn expected_calibration_error(bins: &[ReliabilityBin]) -> f64 {
    let total: usize = bins.iter().map(|bin| bin.count).sum();
    let apart = bins.iter().map(|bin| bin.count as f64 * (bin.promised - bin.observed).abs());
    apart.sum::<f64>() / total.max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_map_that_made_the_pairs() {
        let truth = Logistic { slope: 9.0, intercept: -4.0 };
        // A low-discrepancy sequence in place of chance, so that the test cannot be unlucky.
        let pairs: Vec<(f32, bool)> = (0..40_000u32)
            .map(|n| {
                let cosine = (f64::from(n) * 0.754_877_666).fract() * 2.0 - 1.0;
                let chance = (f64::from(n) * 0.569_840_291).fract();
                (cosine as f32, chance < truth.probability(cosine))
            })
            .collect();
        let fitted = Logistic::fit(&pairs).expect("both kinds are there");
        assert!((fitted.slope - 9.0).abs() < 0.5 && (fitted.intercept + 4.0).abs() < 0.3, "{fitted:?}");
        let promised = pairs.iter().map(|&(c, r)| (fitted.probability(f64::from(c)), r));
        assert!(expected_calibration_error(&reliability(promised)) < 0.01);
    }

    #[test]
    fn perfectly_separated_pairs_give_a_finite_map() {
        let pairs = [(0.9, true), (0.8, true), (0.1, false), (0.0, false)];
        let map = Logistic::fit(&pairs).expect("both kinds are there");
        assert!(map.probability(0.85) > 0.7 && map.probability(0.05) < 0.3, "{map:?}");
    }

    #[test]
    fn nothing_is_promised_where_nothing_can_be() {
        assert_eq!(Logistic::fit(&[]), None);
        assert_eq!(Logistic::fit(&[(0.5, true)]), None);
        assert_eq!(Logistic::fit(&[(0.1, true), (0.9, false)]), None);
    }

    #[test]
    fn a_sure_fault_costs_all_and_a_sure_hit_nothing() {
        assert!((expected_calibration_error(&reliability([(1.0, false)].into_iter())) - 1.0).abs() < 1e-12);
        assert!(expected_calibration_error(&reliability([(1.0, true), (0.0, false)].into_iter())) < 1e-12);
    }
}
