//! A linear layer on the encoders' kernels, for networks that process a few rows at a time.

use super::{Epilogue, Pointwise};
use crate::core::SimdLevel;

/// x Wᵀ + b, with W packed for this processor. The result for a row is bit-identical whatever other rows are in the
/// batch. General matrix products do not guarantee that, because they choose the order of summation by shape.
#[derive(Clone)]
pub struct Linear(Pointwise);

impl Linear {
    /// Packs W, `[outputs, inputs]` row-major, and b, `[outputs]`.
    ///
    /// # Panics
    /// If the lengths do not fit.
    pub fn new(inputs: usize, weights: &[f32], bias: &[f32]) -> Self {
        Self(Pointwise::new(SimdLevel::best(), inputs, weights, bias))
    }

    /// `[rows, inputs]` to `[rows, outputs]`, on the caller's thread.
    ///
    /// # Panics
    /// If `rows` does not consist of whole rows.
    pub fn run(&self, rows: &[f32]) -> Vec<f32> {
        let mut outputs = vec![0.0; rows.len() / self.0.inputs() * self.0.outputs()];
        self.0.run(rows, &mut outputs, Epilogue::Linear);
        outputs
    }

    /// Length of an output row.
    pub fn outputs(&self) -> usize {
        self.0.outputs()
    }
}

impl std::fmt::Debug for Linear {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Linear").field(&(self.0.inputs(), self.0.outputs())).finish()
    }
}
