//! What an evaluation found, for the catalog and for the terminal.

use std::fmt;

use serde::{Deserialize, Serialize};

/// From which modality to which.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// A picture asks for captions.
    ImageToText,
    /// Words ask for pictures.
    TextToImage,
    /// A picture asks for pictures.
    ImageToImage,
    /// Words ask for captions.
    TextToText,
}

/// Instance recall: how often one's own counterpart is among the first K.
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
    /// The class.
    pub label: String,
    /// Pictures of it in the split.
    pub pictures: usize,
    /// Pictures ask for captions.
    pub image_to_text: f64,
    /// Words ask for pictures.
    pub text_to_image: f64,
    /// Where the former lies with 95 % probability.
    #[serde(default)]
    pub interval_image_to_text: [f64; 2],
    /// Where the latter does.
    #[serde(default)]
    pub interval_text_to_image: [f64; 2],
}

/// How good a common space is on one split.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Pictures of the split.
    pub pictures: usize,
    /// Captions of the split.
    pub captions: usize,
    /// Classes of the collection.
    pub classes: usize,
    /// Class mAP, pictures ask for captions.
    pub map_image_to_text: f64,
    /// Class mAP, words ask for pictures.
    pub map_text_to_image: f64,
    /// Where the former lies with 95 % probability, over other queries of the same kind.
    #[serde(default)]
    pub interval_image_to_text: [f64; 2],
    /// Where the latter does.
    #[serde(default)]
    pub interval_text_to_image: [f64; 2],
    /// Class mAP of a random order, pictures ask for captions.
    pub chance_image_to_text: f64,
    /// Class mAP of a random order, words ask for pictures.
    pub chance_text_to_image: f64,
    /// Instance recall, pictures ask for captions.
    pub recall_image_to_text: Recall,
    /// Instance recall, words ask for pictures.
    pub recall_text_to_image: Recall,
    /// Instance recall where a caption that reads the same as one's own is one's own, pictures ask for captions.
    pub duplicate_aware_image_to_text: Recall,
    /// The same, words ask for pictures.
    pub duplicate_aware_text_to_image: Recall,
    /// How often the label layer names a class that a picture bears.
    pub label_accuracy_image: f64,
    /// How often the label layer names a class that a caption's item bears.
    pub label_accuracy_text: f64,
    /// Expected calibration error of the relevance, pictures ask for captions.
    pub calibration_error_image_to_text: f64,
    /// Expected calibration error of the relevance, words ask for pictures.
    pub calibration_error_text_to_image: f64,
    /// Mean average precision of each class.
    pub per_class: Vec<ClassPrecision>,
}

impl Report {
    /// Mean of both directions' class mAP.
    pub fn map(&self) -> f64 {
        f64::midpoint(self.map_image_to_text, self.map_text_to_image)
    }

    /// mR: mean of the six recalls, in percent.
    pub fn mean_recall(&self) -> f64 {
        f64::midpoint(self.recall_image_to_text.mean(), self.recall_text_to_image.mean()) * 100.0
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { pictures, captions, classes, .. } = self;
        writeln!(f, "{pictures} pictures, {captions} captions, {classes} classes\n")?;
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
            "picture → text",
            self.map_image_to_text,
            self.chance_image_to_text,
            self.recall_image_to_text,
            self.label_accuracy_image,
            self.calibration_error_image_to_text,
        )?;
        row(
            f,
            "text → picture",
            self.map_text_to_image,
            self.chance_text_to_image,
            self.recall_text_to_image,
            self.label_accuracy_text,
            self.calibration_error_text_to_image,
        )?;
        write!(f, "\nmean mAP {:.3}, mR {:.2}", self.map(), self.mean_recall())
    }
}
