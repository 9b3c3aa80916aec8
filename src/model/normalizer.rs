//! Normalization of the features before they enter a subnetwork.

use super::FeatureMatrix;

/// Power normalization, then standardization of each feature by its mean and standard deviation over the training
/// split.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Normalizer {
    pub(crate) power: f64,
    pub(crate) mean: Vec<f32>,
    pub(crate) deviation: Vec<f32>,
}

impl Normalizer {
    /// SplitEvaluation over the given rows.
    pub(crate) fn fit(features: &FeatureMatrix, rows: &[usize], power: f64) -> Self {
        let (cols, count) = (features.cols(), rows.len().max(1) as f64);
        let mut sums = vec![(0f64, 0f64); cols];
        for &row in rows {
            for (sum, &x) in sums.iter_mut().zip(features.row(row)) {
                let x = f64::from(raised(x, power));
                sum.0 += x;
                sum.1 += x * x;
            }
        }
        let deviation = |&(sum, squares): &(f64, f64)| (squares / count - (sum / count).powi(2)).max(0.0).sqrt();
        let typical = sums.iter().map(deviation).sum::<f64>() / cols as f64;
        // Without a floor, a nearly constant feature would become huge for the first image that differs.
        let floor = (0.05 * typical).max(1e-6);
        Self {
            power,
            mean: sums.iter().map(|(sum, _)| (sum / count) as f32).collect(),
            deviation: sums.iter().map(|s| deviation(s).max(floor) as f32).collect(),
        }
    }

    /// A normalizer that changes nothing.
    pub(crate) fn identity(cols: usize) -> Self {
        Self { power: 1.0, mean: vec![0.0; cols], deviation: vec![1.0; cols] }
    }

    /// (x^power - mean) / deviation for the given rows, `[rows, cols]`.
    pub(crate) fn apply(&self, features: &FeatureMatrix, rows: impl Iterator<Item = usize>) -> Vec<f32> {
        let normalized = |row| {
            let values: &[f32] = features.row(row);
            let raised = values.iter().map(|&x| raised(x, self.power));
            raised.zip(&self.mean).zip(&self.deviation).map(|((x, mean), deviation)| (x - mean) / deviation)
        };
        rows.flat_map(normalized).collect()
    }
}

/// sign(x)·|x|^power
fn raised(x: f32, power: f64) -> f32 {
    match power {
        1.0 => x,
        // The default, and much faster than `powf`.
        0.5 => x.signum() * x.abs().sqrt(),
        _ => x.signum() * x.abs().powf(power as f32),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn features_are_raised_to_the_power_and_then_standardized() {
        let features = FeatureMatrix::new(2, vec![4.0, -9.0, 16.0, -1.0, 0.0, 100.0]).expect("two columns");
        let normalizer = Normalizer::fit(&features, &[0, 1], 0.5);
        // The roots are 2, 4 and -3, -1: means 3 and -2, deviations 1.
        assert_eq!(normalizer.apply(&features, 0..3), [-1.0, -1.0, 1.0, 1.0, -3.0, 12.0]);
        let plain = Normalizer::fit(&features, &[0, 1], 1.0);
        assert_eq!(plain.apply(&features, 0..2), [-1.0, -1.0, 1.0, 1.0]);
    }
}
