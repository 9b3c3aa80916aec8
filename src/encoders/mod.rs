//! Frozen networks that turn a picture or a sentence into features, which the subnetworks of [`crate::dscmr`] learn from.

use crate::picture::Picture;

/// Why an encoder is not there or could not encode.
#[derive(Debug, thiserror::Error)]
pub enum EncoderError {
    /// The network itself failed on a valid input.
    #[error("the encoder failed: {0}")]
    Network(#[from] candle_core::Error),
}

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
