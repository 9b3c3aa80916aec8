//! Main metrics of an evaluation. The JSON keys are those of reports stored in catalogs.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Modality of the query and of the results.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// Image query, captions as results.
    ImageToText,
    /// Text query, images as results.
    TextToImage,
    /// Image query, images as results.
    ImageToImage,
    /// Text query, captions as results.
    TextToText,
}

/// Instance recall: fraction of queries with a counterpart among the first K.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Recall {
    /// K = 1, in [0, 1].
    pub at_1: f64,
    /// K = 5, in [0, 1].
    pub at_5: f64,
    /// K = 10, in [0, 1].
    pub at_10: f64,
}

impl Recall {
    fn mean(self) -> f64 {
        (self.at_1 + self.at_5 + self.at_10) / 3.0
    }
}

/// Mean average precision of the queries of one class.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClassPrecision {
    /// Name of the class.
    pub label: String,
    /// Images of the class in the split.
    #[serde(rename = "pictures")]
    pub images: usize,
    /// Images as queries for captions.
    pub image_to_text: f64,
    /// Captions as queries for images.
    pub text_to_image: f64,
    /// 95 % confidence interval of `image_to_text`.
    #[serde(default)]
    pub interval_image_to_text: [f64; 2],
    /// 95 % confidence interval of `text_to_image`.
    #[serde(default)]
    pub interval_text_to_image: [f64; 2],
}

/// Metrics of a model on one split.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Images of the split.
    #[serde(rename = "pictures")]
    pub images: usize,
    /// Captions of the split.
    pub captions: usize,
    /// Classes of the collection.
    pub classes: usize,
    /// Class mAP with images as queries for captions.
    pub map_image_to_text: f64,
    /// Class mAP with captions as queries for images.
    pub map_text_to_image: f64,
    /// 95 % confidence interval of `map_image_to_text`, over queries of the same kind.
    #[serde(default)]
    pub interval_image_to_text: [f64; 2],
    /// 95 % confidence interval of `map_text_to_image`.
    #[serde(default)]
    pub interval_text_to_image: [f64; 2],
    /// Class mAP of a random ranking with images as queries for captions.
    pub chance_image_to_text: f64,
    /// Class mAP of a random ranking with captions as queries for images.
    pub chance_text_to_image: f64,
    /// Instance recall with images as queries for captions.
    pub recall_image_to_text: Recall,
    /// Instance recall with captions as queries for images.
    pub recall_text_to_image: Recall,
    /// Instance recall with images as queries, counting captions with the same text as a counterpart.
    pub duplicate_aware_image_to_text: Recall,
    /// The same with captions as queries for images.
    pub duplicate_aware_text_to_image: Recall,
    /// Fraction of images for which the label layer predicts one of their classes.
    pub label_accuracy_image: f64,
    /// Fraction of captions for which the label layer predicts one of their item's classes.
    pub label_accuracy_text: f64,
    /// Expected calibration error of the relevance with images as queries for captions.
    pub calibration_error_image_to_text: f64,
    /// Expected calibration error of the relevance with captions as queries for images.
    pub calibration_error_text_to_image: f64,
    /// Mean average precision of each class.
    pub per_class: Vec<ClassPrecision>,
}

impl Report {
    /// Mean of the class mAP of both directions.
    pub fn mean_map(&self) -> f64 {
        f64::midpoint(self.map_image_to_text, self.map_text_to_image)
    }

    /// mR, the mean of the six recalls, in percent.
    pub fn mean_recall(&self) -> f64 {
        f64::midpoint(self.recall_image_to_text.mean(), self.recall_text_to_image.mean()) * 100.0
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { images, captions, classes, .. } = self;
        writeln!(f, "{images} images, {captions} captions, {classes} classes\n")?;
        writeln!(f, "| | mAP | chance | R@1 | R@5 | R@10 | label accuracy | calibration error |")?;
        writeln!(f, "|---|---|---|---|---|---|---|---|")?;
        let row = |f: &mut fmt::Formatter<'_>, name, map, chance, recall: Recall, accuracy, error| {
            let Recall { at_1, at_5, at_10 } = recall;
            let [at_1, at_5, at_10] = [at_1, at_5, at_10].map(|r| 100.0 * r);
            writeln!(
                f,
                "| {name} | {map:.3} | {chance:.3} | {at_1:.2} | {at_5:.2} | {at_10:.2} | {accuracy:.3} | {error:.3} |"
            )
        };
        row(
            f,
            "image → text",
            self.map_image_to_text,
            self.chance_image_to_text,
            self.recall_image_to_text,
            self.label_accuracy_image,
            self.calibration_error_image_to_text,
        )?;
        row(
            f,
            "text → image",
            self.map_text_to_image,
            self.chance_text_to_image,
            self.recall_text_to_image,
            self.label_accuracy_text,
            self.calibration_error_text_to_image,
        )?;
        write!(f, "\nmean mAP {:.3}, mR {:.2}", self.mean_map(), self.mean_recall())
    }
}
