//! How is the common space learned?
//!
//! Deep Supervised Cross-modal Retrieval: Liangli Zhen, Peng Hu, Xu Wang, Dezhong Peng, CVPR 2019. Features of pictures and
//! of sentences each pass a subnetwork; the last layer is shared, and so is the label layer behind it:
//!
//! ```text
//! picture features ─ standardise ─ FC 2048 ─ ReLU ─┐                 ┌─ u ─┐
//!                                                  ├─ shared FC 1024 ┤     ├─ label layer P ─ classes
//! sentence features ─ standardise ─ FC 2048 ─ ReLU ┘                 └─ v ─┘
//! ```
//!
//! That is the class part: what shares a class lies together, and a picture's very own captions lie anywhere among those of
//! its class. Beside it stands the pair part, another such network without labels that learns by contrast to tell the own
//! captions from all others. A point is both parts' unit vectors in one, each scaled by its weight, so that one cosine
//! answers for class and pair; [`Objective::Dscmr`] leaves the pair part out and is the paper to the letter.
//!
//! Where sentences come as tokens (`--text-encoder sentence-cnn`), the paper's sentence CNN reads them and is learned with the
//! rest (`text_cnn.rs`); each part has its own.
//!
//! `dscmr/loss.rs` has the three terms of J = J1 + λJ2 + ηJ3 and `pair/info_nce.rs` the loss of the pair part, `dscmr/network.rs` a step of
//! either, `train/epoch_loop.rs` the way through the epochs, [`train()`] the whole; [`Model`] is what comes out.

mod dscmr;
mod error;
mod evaluate;
mod heads;
mod io;
mod normalizer;
mod pair;
mod query_encoder;
mod text_cnn;
mod train;
mod trained_model;
mod training_data;

pub use crate::evaluation::Direction;
pub use dscmr::loss::Terms;
pub use error::DscmrError;
pub use evaluate::{
    diagnostics::{examine, mislabelled},
    split_embeddings::Quality,
    split_evaluation::{Validation, evaluate, validate},
};
pub use heads::Part;
pub use query_encoder::{Asked, TextNetwork};
pub use train::{
    device::Device,
    settings::{ClassPart, Course, Discrimination, Norm, Objective, PairPart, Schedule, TrainSettings},
    trainer::{Epoch, Event, train},
};
pub use trained_model::{Calibration, Model};
pub use training_data::{FeatureMatrix, TrainingData};

#[cfg(test)]
mod tests;
