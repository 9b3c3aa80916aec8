//! The curves behind the numbers of an examination, for whoever draws them.

use serde::Serialize;

use super::{Examination, ReliabilityBin};

/// What plots show beside the numbers.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Curves {
    /// Class names.
    pub classes: Vec<String>,
    /// Pictures by true class and the class that the label layer names, both as places in `classes`: (true, named, count), those
    /// that occur.
    pub confusion: Vec<(usize, usize, usize)>,
    /// Precision at recalls 0, 1/20, … 1, mean over queries.
    pub precision_at_recall: PrecisionAtRecall,
    /// Promised relevance against what was found, by what is compared with what.
    pub reliability: Vec<Reliability>,
}

/// Precision at recalls 0, 1/20, … 1 of both directions.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PrecisionAtRecall {
    /// Pictures ask for captions.
    pub image_to_text: Vec<f64>,
    /// Words ask for pictures.
    pub text_to_image: Vec<f64>,
}

/// Promises of one kind of pairs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Reliability {
    /// What is compared with what.
    pub pairs: &'static str,
    /// Ten bins of equal width from 0 to 1.
    pub bins: Vec<ReliabilityBin>,
}

impl From<&Examination> for Curves {
    fn from(examination: &Examination) -> Self {
        let Examination { classes, confusion, precision_at_recall: [there, back], reliability, .. } = examination;
        let counts = confusion.iter().enumerate().flat_map(|(truth, row)| {
            (0..).zip(row).filter(|(_, count)| **count > 0).map(move |(named, &count)| (truth, named, count))
        });
        let bins = |(pairs, bins): &(&'static str, [ReliabilityBin; 10])| Reliability { pairs, bins: bins.to_vec() };
        Self {
            classes: classes.clone(),
            confusion: counts.collect(),
            precision_at_recall: PrecisionAtRecall { image_to_text: there.to_vec(), text_to_image: back.to_vec() },
            reliability: reliability.iter().map(bins).collect(),
        }
    }
}
