//! The two traits that every encoder implements.

use rayon::prelude::*;

use super::{EncoderError, TokenEmbeddings, Tokenized};
use crate::core::Picture;

/// Turns pictures into feature vectors.
///
/// A picture has the same features whatever else is in the batch (to f32 rounding).
pub trait ImageEncoder: Send + Sync {
    /// Identifies architecture, weights and preprocessing. Features of different ids must never be mixed.
    fn id(&self) -> &str;
    /// Length of a feature vector.
    fn dims(&self) -> usize;
    /// One feature vector of [`Self::dims`] finite numbers for each picture, in order.
    ///
    /// # Errors
    /// [`EncoderError::Network`] if the network fails, [`EncoderError::Resize`] if a picture cannot be resized.
    fn encode(&self, pictures: &[Picture]) -> Result<Vec<Vec<f32>>, EncoderError>;
}

/// Turns texts into feature vectors.
///
/// A text has bit-identical features whatever else is in the batch, so the results of a search do not depend on
/// concurrent searches, and a cached vector equals the one that would be computed.
pub trait TextEncoder: Send + Sync {
    /// Identifies architecture, weights and preprocessing. Features of different ids must never be mixed.
    fn id(&self) -> &str;
    /// Length of a feature vector.
    fn dims(&self) -> usize;
    /// Splits a text into tokens, which takes microseconds where encoding takes milliseconds. Texts with equal token
    /// ids have equal features.
    ///
    /// # Errors
    /// [`EncoderError::Tokenizer`] if the tokenizer fails.
    fn tokenize(&self, text: &str) -> Result<Tokenized, EncoderError>;
    /// One feature vector of [`Self::dims`] finite numbers for each text, in order, from the ids that
    /// [`Self::tokenize`] returned for it.
    fn encode_tokens(&self, texts: &[&[u32]]) -> Vec<Vec<f32>>;
    /// One feature vector of [`Self::dims`] finite numbers for each text, in order.
    ///
    /// # Errors
    /// Same as [`Self::tokenize`].
    fn encode(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>, EncoderError> {
        let tokenized: Vec<Tokenized> = texts.par_iter().map(|text| self.tokenize(text)).collect::<Result<_, _>>()?;
        Ok(self.encode_tokens(&tokenized.iter().map(|text| &*text.ids).collect::<Vec<_>>()))
    }
    /// Pretrained embeddings of the tokens, if the features are token ids (see [`token_ids`](super::token_ids)) and the
    /// model has to learn the meaning of texts from them.
    ///
    /// # Errors
    /// [`EncoderError::Missing`], [`EncoderError::Damaged`] and [`EncoderError::Io`].
    fn token_embeddings(&self) -> Result<Option<TokenEmbeddings>, EncoderError> {
        Ok(None)
    }
}
