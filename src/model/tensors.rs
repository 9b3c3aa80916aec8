//! Helpers on candle tensors, and seeded random generators.

use std::collections::BTreeMap;

use candle_core::{Device, Result, Tensor};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// Variables of a network by name, `f32`.
pub(crate) type Weights = BTreeMap<&'static str, Tensor>;

/// A `[rows, cols]` tensor on the CPU.
pub(crate) fn tensor(values: Vec<f32>, (rows, cols): (usize, usize)) -> Result<Tensor> {
    Tensor::from_vec(values, (rows, cols), &Device::Cpu)
}

/// x Wᵀ + b, `[n, out]`, of rows `[n, in]`, a weight `[out, in]` and a bias `[1, out]`.
pub(crate) fn linear(rows: &Tensor, weight: &Tensor, bias: &Tensor) -> Result<Tensor> {
    rows.matmul(&weight.t()?)?.broadcast_add(bias)
}

/// Value of a scalar tensor.
pub(crate) fn scalar(value: &Tensor) -> Result<f64> {
    Ok(f64::from(value.to_scalar::<f32>()?))
}

/// Generator for one purpose of one training. Its seed depends on nothing else, so a resumed training draws what an
/// uninterrupted one would have drawn.
pub(crate) fn generator(seed: u64, purpose: &str) -> ChaCha8Rng {
    let key = blake3::hash(format!("{seed} {purpose}").as_bytes());
    ChaCha8Rng::from_seed(*key.as_bytes())
}
