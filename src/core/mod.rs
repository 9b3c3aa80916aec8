//! What is a picture, and what is a point of the common space?
//!
//! The values that all other folders share, and the vector instructions that their kernels choose from. Inside the crate
//! root this folder hides the language's own `core`, which is written `::core` where it is meant.

mod picture;
mod simd_level;
mod vector;

pub use picture::Picture;
pub use simd_level::Isa;
pub use vector::{UnitVector, VectorError, dot};
