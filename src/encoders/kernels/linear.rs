//! A linear layer on the encoders' kernels, for whoever asks networks of a few rows at a time.

use super::{Epilogue, Pointwise};
use crate::core::SimdLevel;

/// x Wᵀ + b, with W laid out for this processor. A row gets the same numbers, bit by bit, whatever rows are beside it; general matrix
/// products do not promise that, for they choose the order of their sums by the shape.
#[derive(Clone)]
pub struct Linear(Pointwise);

impl Linear {
    /// Takes W, `[outputs, inputs]` row-major, and b, `[outputs]`.
    ///
    /// # Panics
    /// If the lengths are not these.
    pub fn new(inputs: usize, weights: &[f32], bias: &[f32]) -> Self {
        Self(Pointwise::new(SimdLevel::best(), inputs, weights, bias))
    }

    /// `[rows, inputs]` to `[rows, outputs]`, on the caller's thread.
    ///
    /// # Panics
    /// If `rows` are not whole rows.
    pub fn run(&self, rows: &[f32]) -> Vec<f32> {
        let mut outputs = vec![0.0; rows.len() / self.0.inputs() * self.0.outputs()];
        self.0.run(rows, &mut outputs, Epilogue::Linear);
        outputs
    }

    /// Length of a row that comes out.
    pub fn outputs(&self) -> usize {
        self.0.outputs()
    }
}

impl std::fmt::Debug for Linear {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Linear").field(&(self.0.inputs(), self.0.outputs())).finish()
    }
}
