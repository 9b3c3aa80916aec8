//! How is the common space trained, and how are features embedded in it?
//!
//! The method is Deep Supervised Cross-modal Retrieval (DSCMR): Liangli Zhen, Peng Hu, Xu Wang, Dezhong Peng, CVPR
//! 2019. Image features and text features each pass through a subnetwork; its last layer is shared by both modalities,
//! and so is the label layer on top of it:
//!
//! ```text
//! image features ─ normalize ─ FC 2048 ─ ReLU ─┐                 ┌─ u ─┐
//!                                              ├─ shared FC 1024 ┤     ├─ label layer P ─ classes
//! text features  ─ normalize ─ FC 2048 ─ ReLU ─┘                 └─ v ─┘
//! ```
//!
//! This is the class head: items of one class are close to each other, and an image's own captions are anywhere among
//! the captions of its class. The pair head is a second network of the same shape without the label layer, trained with
//! a contrastive loss to tell an image's own captions from all others. An embedding concatenates the unit vectors of
//! both heads, each scaled by the square root of its weight, so that one cosine covers class and pair.
//! [`Objective::Dscmr`] trains the class head alone, which is the paper's method.
//!
//! With token features (`--text-encoder sentence-cnn`) the paper's text CNN replaces the text encoder. It is trained
//! together with the head, and each head has its own.
//!
//! | To change | open |
//! |---|---|
//! | the loss J = J1 + λJ2 + ηJ3 | `dscmr/loss.rs` |
//! | the loss of the pair head | `pair/info_nce.rs` |
//! | layers, initial values | `dscmr/network.rs` |
//! | forward and backward pass of a training step | `train/step.rs` |
//! | epochs, early stopping, checkpoints | `train/epoch_loop.rs`, `train/checkpoint.rs` |
//! | a hyperparameter or its default | `train/settings.rs` |
//! | the complete training, in 30 lines | `train/trainer.rs` |

mod description;
mod dscmr;
mod error;
mod evaluate;
mod heads;
mod io;
mod normalizer;
mod pair;
mod query_embedding;
mod query_encoder;
mod tensors;
mod text_cnn;
mod train;
mod trained_model;
mod training_data;

use description::HeadDescription;
use normalizer::Normalizer;
use tensors::{Weights, tensor};
use text_cnn::{TokenBatch, Vocabulary};
use trained_model::TrainedHead;

pub use description::Calibration;
pub use dscmr::loss::LossTerms;
pub use error::ModelError;
pub use evaluate::{
    diagnostics::{diagnose, label_issues},
    quality::Quality,
    split_evaluation::{Validation, evaluate, validate},
};
pub use heads::Head;
pub use query_embedding::QueryEmbedding;
pub use query_encoder::QueryEncoder;
pub use train::{
    device::Device,
    events::{Epoch, Event},
    settings::{
        ClassSettings, Discrimination, Hyperparameters, Norm, Objective, PairSettings, Schedule, TrainSettings,
    },
    trainer::train,
};
pub use trained_model::Model;
pub use training_data::{FeatureMatrix, TrainingData};

#[cfg(test)]
mod tests;
