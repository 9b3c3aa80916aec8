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
//! rest (`sentence.rs`); each part has its own.
//!
//! `loss.rs` has the three terms of J = J1 + λJ2 + ηJ3 and `contrast.rs` the loss of the pair part, `network.rs` a step of
//! either, `course.rs` the way through the epochs, [`train()`] the whole; [`Model`] is what comes out.

mod adam;
mod asked;
mod checkpoint;
mod contrast;
mod course;
mod data;
mod device;
mod error;
mod evaluate;
mod examine;
mod loss;
mod model;
mod network;
mod parts;
mod points;
mod regularise;
mod sentence;
mod settings;
mod standardise;
mod stored;
mod train;

pub use crate::evaluation::Direction;
pub use asked::{Asked, TextNetwork};
pub use data::{FeatureMatrix, TrainingData};
pub use device::Device;
pub use error::DscmrError;
pub use evaluate::{Validation, evaluate, validate};
pub use examine::{examine, mislabelled};
pub use loss::Terms;
pub use model::{Calibration, Model};
pub use parts::Part;
pub use points::Quality;
pub use settings::{ClassPart, Course, Discrimination, Norm, Objective, PairPart, Schedule, TrainSettings};
pub use train::{Epoch, Event, train};

#[cfg(test)]
mod tests;
