//! How are layers computed on each processor?
//!
//! In f32 with channels last (`[height, width, channels]`, `[tokens, channels]`), on one thread. Each kernel is written
//! once over [`simd::Simd`] and instantiated for AVX-512, for AVX2 with FMA, and portably;
//! [`SimdLevel`](crate::core::SimdLevel) selects the instance when a network is loaded.

mod activation;
mod depthwise;
mod linear;
mod pointwise;
mod simd;

pub(super) use depthwise::{Depthwise, Rows, pad_before};
pub use linear::Linear;
pub(super) use pointwise::{Epilogue, Pointwise};
pub(super) use simd::AlignedVec;
