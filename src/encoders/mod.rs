//! Frozen networks that turn a picture or a sentence into features, which the subnetworks of [`crate::dscmr`] learn from.
//!
//! [`Registry`](crate::encoders::Registry) is the door: it knows the encoders from their manifests (`models/*.toml`, also inside the binary), pulls
//! their weights once, and loads them.

mod efficientnet;
mod error;
mod kernels;
mod manifest;
mod minilm;
mod pickle;
mod preprocess;
mod pull;
mod registry;
mod torch_legacy;
mod weights;

use crate::picture::Picture;

pub use error::EncoderError;
pub use manifest::{Architecture, Defaults, File, Format, Manifest, Modality, PictureInput, Resize, Source};
pub use pull::{Progress as PullProgress, Stage as PullStage};
pub use registry::Registry;

/// Turns pictures into features.
///
/// The same picture gives the same features whatever else is in the batch (to f32 rounding).
pub trait ImageEncoder: Send + Sync {
    /// Names architecture, weights and preprocessing; features of different ids are never mixed.
    fn id(&self) -> &str;
    /// Length of a feature vector.
    fn dims(&self) -> usize;
    /// One feature vector of [`Self::dims`] finite numbers for each picture, in order.
    ///
    /// # Errors
    /// [`EncoderError::Network`] if the network fails.
    fn encode(&self, pictures: &[Picture]) -> Result<Vec<Vec<f32>>, EncoderError>;
}

/// Turns sentences into features.
///
/// The same sentence gives the same features whatever else is in the batch (to f32 rounding).
pub trait TextEncoder: Send + Sync {
    /// Names architecture, weights and preprocessing; features of different ids are never mixed.
    fn id(&self) -> &str;
    /// Length of a feature vector.
    fn dims(&self) -> usize;
    /// One feature vector of [`Self::dims`] finite numbers for each sentence, in order.
    ///
    /// # Errors
    /// [`EncoderError::Network`] if the network fails.
    fn encode(&self, sentences: &[&str]) -> Result<Vec<Vec<f32>>, EncoderError>;
    /// The part of the sentence's tokens that the encoder does not know, in [0, 1].
    fn unknown_token_ratio(&self, sentence: &str) -> f32;
}

#[cfg(test)]
mod tests;
