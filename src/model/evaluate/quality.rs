//! Retrieval quality of a model on a split, in three numbers.

use serde::{Deserialize, Serialize};

/// Retrieval quality on a split.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Quality {
    /// Class mAP with images as queries for captions.
    pub map_image_to_text: f64,
    /// Class mAP with captions as queries for images.
    pub map_text_to_image: f64,
    /// mR, the mean of the six recalls, in percent.
    pub mean_recall: f64,
}

impl Quality {
    /// Mean of the class mAP of both directions.
    pub fn mean_map(&self) -> f64 {
        f64::midpoint(self.map_image_to_text, self.map_text_to_image)
    }
}
