//! How are pictures and texts encoded as features?
//!
//! Frozen, pretrained networks turn a picture or a text into features, from which [`crate::model`] learns. [`Registry`]
//! is the entry point: it reads the manifests (`models/*.toml`, also embedded in the binary), downloads the weights
//! once and loads the encoders.
//!
//! Both networks run on `kernels` of our own: 1×1 convolutions and linear layers are one packed matrix product with
//! bias, residual and ReLU6 in registers, compiled for AVX-512, AVX2 and portably, and chosen at run time. Pictures,
//! their views and batches of texts run in parallel on rayon's current pool, with one thread for each view or batch.
//!
//! `cargo bench --bench encoders` on one thread of an Intel Xeon with AVX-512 (README has an AMD EPYC), compared with
//! onnxruntime 1.32 with the same weights, medians of 15 interleaved rounds, milliseconds of CPU:
//!
//! | network | diptych | onnxruntime | ratio |
//! |---|---|---|---|
//! | EfficientNet-Lite0, one view, 224×224, batch 1 | 6.1 | 5.7 | 1.06 |
//! | MiniLM, text of 16 tokens, batch 32 | 2.4 | 2.3 | 1.03 |
//! | MiniLM, text of 16 tokens, batch 1 | 3.6 | 3.5 | 1.05 |
//!
//! The image encoder needs at most 36 MB of memory, including loading. The BERT of candle-transformers, the oracle of
//! our tests, takes 9.4 ms for a text at batch 32 and 24 ms at batch 1.

mod download;
mod encoder;
mod error;
mod image;
mod kernels;
mod manifest;
mod registry;
mod tensor_file;
mod text;

pub use download::{PullProgress, PullStage};
pub use encoder::{ImageEncoder, TextEncoder};
pub use error::EncoderError;
pub use kernels::Linear;
pub use manifest::{Architecture, Defaults, File, Format, Manifest, Modality, PictureInput, Resize, Source, Views};
pub use registry::Registry;
pub use text::{TokenEmbeddings, Tokenized, token_ids};

#[cfg(test)]
mod tests;
