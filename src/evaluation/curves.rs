//! Curves of the diagnostics as JSON, for plots in the admin page.

use serde::Serialize;

use super::{Diagnostics, ReliabilityBin};

/// Data of the plots.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Curves {
    /// Class names.
    pub classes: Vec<String>,
    /// Non-zero cells of the confusion matrix: (true class, predicted class, images), with positions in `classes`.
    pub confusion: Vec<(usize, usize, usize)>,
    /// Precision at recalls 0, 1/20, … 1, mean over queries.
    pub precision_at_recall: PrecisionAtRecall,
    /// Predicted relevance and observed frequency, by kind of pairs.
    pub reliability: Vec<Reliability>,
}

/// Precision at recalls 0, 1/20, … 1 of both directions.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PrecisionAtRecall {
    /// Images as queries for captions.
    pub image_to_text: Vec<f64>,
    /// Captions as queries for images.
    pub text_to_image: Vec<f64>,
}

/// Reliability of one kind of pairs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Reliability {
    /// Name of the compared modalities, such as `picture and text`; a key for translations.
    pub pairs: &'static str,
    /// Ten bins of equal width from 0 to 1.
    pub bins: Vec<ReliabilityBin>,
}

impl From<&Diagnostics> for Curves {
    fn from(diagnostics: &Diagnostics) -> Self {
        let Diagnostics { classes, confusion, precision_at_recall, reliability, .. } = diagnostics;
        let [image_to_text, text_to_image] = precision_at_recall;
        let counts = confusion.iter().enumerate().flat_map(|(truth, row)| {
            (0..).zip(row).filter(|(_, count)| **count > 0).map(move |(predicted, &count)| (truth, predicted, count))
        });
        let bins = |(pairs, bins): &(&'static str, [ReliabilityBin; 10])| Reliability { pairs, bins: bins.to_vec() };
        Self {
            classes: classes.clone(),
            confusion: counts.collect(),
            precision_at_recall: PrecisionAtRecall {
                image_to_text: image_to_text.to_vec(),
                text_to_image: text_to_image.to_vec(),
            },
            reliability: reliability.iter().map(bins).collect(),
        }
    }
}
