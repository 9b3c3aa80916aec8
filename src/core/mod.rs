//! How are pictures and embeddings represented?
//!
//! Values that most other folders share, and the instruction sets that kernels are written for. In the crate root,
//! where this module hides it, the language's own `core` is written `::core`.

mod picture;
mod simd_level;
mod vector;

pub use picture::Picture;
pub use simd_level::SimdLevel;
pub use vector::{UnitVector, VectorError, dot};
