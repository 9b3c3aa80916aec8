//! Embedding of a query together with its predicted classes.

use crate::core::UnitVector;

/// Embedding of an image or a text that is used as a query.
#[derive(Debug, Clone, PartialEq)]
pub struct QueryEmbedding {
    /// Point in the common space.
    pub point: UnitVector,
    /// Probability of each class, in the model's order; the sum is 1.
    pub probabilities: Vec<f32>,
    /// Fraction of a text's tokens that did not occur in training, in [0, 1]. `None` for an image, and if the encoder
    /// and not the model knows the ratio.
    pub unknown_token_ratio: Option<f32>,
}

/// exp(scale · x), normalized to sum 1.
pub(crate) fn softmax(outputs: &[f32], scale: f64) -> Vec<f32> {
    let max = outputs.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let powers: Vec<f64> = outputs.iter().map(|&x| (scale * f64::from(x - max)).exp()).collect();
    let sum: f64 = powers.iter().sum();
    powers.into_iter().map(|p| (p / sum) as f32).collect()
}
