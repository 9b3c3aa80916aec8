//! Contents of `model.json`.
//!
//! The keys are those of format version 3, so that models are exchanged between releases in both directions; fields
//! with another name here say so.

use serde::{Deserialize, Serialize};

use super::{Epoch, Head, TrainSettings, dscmr::network::Shape, text_cnn::Vocabulary};
use crate::evaluation::{Direction, Logistic};

/// Version of the file format of a model.
pub(crate) const FORMAT: u32 = 3;

/// Maps a cosine to the probability of relevance, for each direction.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    pub(crate) image_to_text: Option<Logistic>,
    pub(crate) text_to_image: Option<Logistic>,
    pub(crate) image_to_image: Option<Logistic>,
    pub(crate) text_to_text: Option<Logistic>,
}

impl Calibration {
    /// Probability that a result with this cosine shares a class with the query, in [0, 1]. It holds for queries and
    /// collections like the validation split. Where the fit was not possible, this is the cosine clamped to [0, 1].
    pub fn relevance(&self, direction: Direction, cosine: f32) -> f32 {
        let fitted = match direction {
            Direction::ImageToText => self.image_to_text,
            Direction::TextToImage => self.text_to_image,
            Direction::ImageToImage => self.image_to_image,
            Direction::TextToText => self.text_to_text,
        };
        fitted.map_or(cosine.clamp(0.0, 1.0), |logistic| logistic.probability(f64::from(cosine)) as f32)
    }
}

/// A model without its weights.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Description {
    pub(crate) format: u32,
    /// The class head comes first.
    #[serde(rename = "parts")]
    pub(crate) heads: Vec<HeadDescription>,
    pub(crate) classes: Vec<String>,
    pub(crate) image_encoder: String,
    pub(crate) text_encoder: String,
    pub(crate) settings: TrainSettings,
    pub(crate) calibration: Calibration,
    /// Factor of the label layer's outputs before the softmax (an inverse temperature), fitted on the validation split.
    #[serde(rename = "sharpness")]
    pub(crate) softmax_scale: f64,
    /// Tokens known to the text CNN, if the model has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) vocabulary: Option<Vocabulary>,
    /// blake3 of the file with the weights.
    pub(crate) weights_hash: String,
}

/// One head without its weights.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct HeadDescription {
    #[serde(rename = "part")]
    pub(crate) head: Head,
    pub(crate) shape: Shape,
    /// Weight in a cosine; the weights of all heads sum to 1.
    pub(crate) weight: f64,
    /// Epoch with the best validation score, from which the weights are.
    pub(crate) best_epoch: usize,
    pub(crate) epochs: Vec<Epoch>,
}
