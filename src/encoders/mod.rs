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
