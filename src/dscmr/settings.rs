//! How to train; all of it is kept with the model.

use serde::{Deserialize, Serialize};

/// Settings of a training. The defaults are the authors' where the paper or their code names one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TrainSettings {
    /// Units of each subnetwork's own layer.
    pub hidden: usize,
    /// Dimensions of the common space.
    pub dims: usize,
    /// λ: weight of J2.
    pub lambda: f64,
    /// η: weight of J3.
    pub eta: f64,
    /// Adam's step size.
    pub learning_rate: f64,
    /// Adam's decay of the first moment.
    pub beta1: f64,
    /// Adam's decay of the second moment.
    pub beta2: f64,
    /// Part of each subnetwork's own units that a step leaves out at random, in [0, 1). The paper names none; on the
    /// validation split of UCM-Captions, one seed, 0.3 was ahead of 0 after 11 epochs and of 0.5 after 22, where those
    /// trials were broken off.
    pub dropout: f64,
    /// p, in (0, 1]: picture features enter as sign(x)·|x|^p, before they are standardised. Pooled activations are mostly
    /// near 0 with a few giants, which ½ tames (power normalisation: Perronnin, Sánchez and Mensink, ECCV 2010); 1 leaves
    /// them as they are. On the validation split of UCM-Captions with eight views, seeds 0 and 1, ½ gave a mean mAP of .979
    /// and .977, 1 gave .967 and .968, and 0.3, seed 0, gave .977.
    pub image_power: f64,
    /// Pairs of a batch.
    pub batch: usize,
    /// Passes over the training split, at most. A pass takes every picture with each of its captions once.
    pub max_epochs: usize,
    /// Passes without a better validation mAP after which the training ends.
    pub patience: usize,
    /// Seed of the initial weights and of the order.
    pub seed: u64,
}

impl Default for TrainSettings {
    fn default() -> Self {
        Self {
            hidden: 2048,
            dims: 1024,
            lambda: 1e-3,
            eta: 1e-1,
            learning_rate: 1e-4,
            beta1: 0.5,
            beta2: 0.999,
            dropout: 0.3,
            image_power: 0.5,
            batch: 100,
            max_epochs: 100,
            patience: 12,
            seed: 0,
        }
    }
}
