//! Frozen networks that turn a picture or a sentence into features, which the subnetworks of [`crate::model`] learn from.
//!
//! [`Registry`] is the door: it knows the encoders from their manifests (`models/*.toml`, also inside the binary), pulls
//! their weights once, and loads them.
//!
//! Both networks run on `kernels` of our own: 1×1 convolutions and linear layers are one packed matrix product with bias,
//! residual and ReLU6 in registers, everything for AVX-512, AVX2 and portably, chosen at run time. Parallelism is over pictures,
//! their views, and batches of sentences on rayon's current pool; one view or batch is one thread.
//!
//! Measured by `cargo bench --bench encoders` on one thread of an Intel Xeon with AVX-512 (README has an AMD EPYC), against
//! onnxruntime 1.32 with the same weights, medians of 15 interleaved rounds, milliseconds of CPU:
//!
//! | what | here | onnxruntime | ratio |
//! |---|---|---|---|
//! | EfficientNet-Lite0, one view, 224×224, batch 1 | 6.1 | 5.7 | 1.06 |
//! | MiniLM, sentence of 16 tokens, batch 32 | 2.4 | 2.3 | 1.03 |
//! | MiniLM, sentence of 16 tokens, batch 1 | 3.6 | 3.5 | 1.05 |
//!
//! The picture encoder needs at most 36 MB, loading included. (candle-transformers' BERT took 9.4 ms a sentence at batch 32 and
//! 24 ms at batch 1; it is the test oracle of ours.)

mod download;
mod error;
mod image;
mod kernels;
mod manifest;
mod registry;
mod tensor_file;
mod text;

use rayon::prelude::*;

use crate::core::Picture;

pub use download::{PullProgress, PullStage};
pub use error::EncoderError;
pub use kernels::Linear;
pub use manifest::{Architecture, Defaults, File, Format, Manifest, Modality, PictureInput, Resize, Source, Views};
pub use registry::Registry;
pub use text::{TokenEmbeddings, token_ids};

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
    /// [`EncoderError::Network`] if the network fails, [`EncoderError::Resize`] if a picture cannot be brought to its size.
    fn encode(&self, pictures: &[Picture]) -> Result<Vec<Vec<f32>>, EncoderError>;
}

/// What an encoder reads of a sentence. Sentences that are cut into the same ids are one sentence to their encoder.
#[derive(Debug, Clone, PartialEq)]
pub struct Cut {
    /// The ids of its tokens, one at least unless the encoder has no special ones.
    pub ids: Box<[u32]>,
    /// The part of them that the encoder does not know, in [0, 1]; special ones aside.
    pub unknown: f32,
}

/// Turns sentences into features.
///
/// The same sentence gives the same features, bit by bit, whatever else is in the batch: what is searched for does not depend on
/// what others search for at the same moment, and a vector that is kept is the vector that would be computed.
pub trait TextEncoder: Send + Sync {
    /// Names architecture, weights and preprocessing; features of different ids are never mixed.
    fn id(&self) -> &str;
    /// Length of a feature vector.
    fn dims(&self) -> usize;
    /// Cuts a sentence into tokens: microseconds, where encoding takes milliseconds.
    ///
    /// # Errors
    /// [`EncoderError::Tokenizer`] if it cannot be cut.
    fn cut(&self, sentence: &str) -> Result<Cut, EncoderError>;
    /// One feature vector of [`Self::dims`] finite numbers for each sentence, in order; given are the ids that [`Self::cut`] made of
    /// them.
    fn encode_cut(&self, sentences: &[&[u32]]) -> Vec<Vec<f32>>;
    /// One feature vector of [`Self::dims`] finite numbers for each sentence, in order.
    ///
    /// # Errors
    /// As [`Self::cut`].
    fn encode(&self, sentences: &[&str]) -> Result<Vec<Vec<f32>>, EncoderError> {
        let cut: Vec<Cut> = sentences.par_iter().map(|sentence| self.cut(sentence)).collect::<Result<_, _>>()?;
        Ok(self.encode_cut(&cut.iter().map(|cut| &*cut.ids).collect::<Vec<_>>()))
    }
    /// What tokens mean before anything is learned, if the features are tokens ([`token_ids`]): then what learns from them
    /// has to learn what sentences mean.
    ///
    /// # Errors
    /// [`EncoderError::Missing`], [`EncoderError::Damaged`] and [`EncoderError::Io`].
    fn token_embeddings(&self) -> Result<Option<TokenEmbeddings>, EncoderError> {
        Ok(None)
    }
}

#[cfg(test)]
mod tests;
