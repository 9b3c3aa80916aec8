//! Deep Supervised Cross-modal Retrieval: Liangli Zhen, Peng Hu, Xu Wang, Dezhong Peng, CVPR 2019.

mod data;

pub use data::{FeatureMatrix, TrainingData};
