//! The parts of a common space, and how one is weighed against the other.
//!
//! A point is the unit vectors of its parts side by side, each scaled by the root of the part's weight; so it is a unit
//! vector, and a cosine of two points is the weighted mean of the parts' cosines.

use serde::{Deserialize, Serialize};

use super::{
    DscmrError, Model, TrainingData,
    evaluate::Points,
    network::{Shape, Weights},
};
use crate::dataset::Split;

/// Weights of the class part that are tried beside the pair part, from the most class to the most pair.
const TRIED: [f64; 17] = [0.9, 0.85, 0.8, 0.75, 0.7, 0.65, 0.6, 0.55, 0.5, 0.45, 0.4, 0.35, 0.3, 0.25, 0.2, 0.15, 0.1];

/// A part of the common space.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// Classes lie together: the paper's space.
    Class,
    /// A picture lies with its very own captions.
    Pair,
}

impl Part {
    /// Its name, as files and reports have it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Class => "class",
            Self::Pair => "pair",
        }
    }
}

/// A part that was learned.
#[derive(Debug, Clone)]
pub(super) struct Learned {
    pub(super) part: Part,
    pub(super) shape: Shape,
    /// Its weight in a cosine; those of all parts sum to 1.
    pub(super) weight: f64,
    pub(super) weights: Weights,
    /// The epoch whose weights these are.
    pub(super) best_epoch: usize,
    pub(super) epochs: Vec<super::Epoch>,
}

/// Class mAP, mean of both directions, and mR, in [0, 1], of a space on a split.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Quality {
    map: f64,
    mean_recall: f64,
}

fn quality(model: &Model, data: &TrainingData) -> Result<Quality, DscmrError> {
    let points = Points::of(model, data, Split::Validation)?;
    let (a, b) = (points.image_to_text(), points.text_to_image());
    Ok(Quality {
        map: f64::midpoint(a.mean_average_precision(), b.mean_average_precision()),
        mean_recall: f64::midpoint(a.mean_recall(), b.mean_recall()),
    })
}

/// The weight of the class part: among those under which the whole keeps the part `keep` of the class part's own mAP, the
/// one with the best mR, on validation. 1 where the pair part gives nothing that may be taken.
pub(super) fn weigh(data: &TrainingData, keep: f64, model: impl Fn(f64) -> Model) -> Result<f64, DscmrError> {
    let alone = quality(&model(1.0), data)?;
    let mut best = (1.0, alone.mean_recall);
    for weight in TRIED {
        let whole = quality(&model(weight), data)?;
        if whole.map >= keep * alone.map && whole.mean_recall > best.1 {
            best = (weight, whole.mean_recall);
        }
    }
    Ok(best.0)
}
