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
//! `loss.rs` has the three terms of J = J1 + λJ2 + ηJ3, [`train()`] minimises them, [`Model`] is what comes out.

mod adam;
mod checkpoint;
mod data;
mod error;
mod evaluate;
mod loss;
mod model;
mod network;
mod settings;
mod train;

pub use crate::evaluation::Direction;
pub use data::{FeatureMatrix, TrainingData};
pub use error::DscmrError;
pub use evaluate::evaluate;
pub use loss::Terms;
pub use model::{Calibration, Model};
pub use settings::TrainSettings;
pub use train::{Epoch, train};
