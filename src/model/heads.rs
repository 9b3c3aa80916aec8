//! The parts of a common space, and how one is weighed against the other.
//!
//! A point is the unit vectors of its parts side by side, each scaled by the root of the part's weight; so it is a unit
//! vector, and a cosine of two points is the weighted mean of the parts' cosines.

use serde::{Deserialize, Serialize};

use super::{
    Epoch,
    dscmr::network::{Shape, Weights},
    evaluate::split_embeddings::Points,
};
use crate::core::UnitVector;

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
pub(crate) struct Learned {
    pub(crate) part: Part,
    pub(crate) shape: Shape,
    /// Its weight in a cosine; those of all parts sum to 1.
    pub(crate) weight: f64,
    pub(crate) weights: Weights,
    /// The epoch whose weights these are.
    pub(crate) best_epoch: usize,
    pub(crate) epochs: Vec<Epoch>,
}

/// Points of which each is unit vectors, one of each part, in one: scaled by the root of its part's weight. All parts have as
/// many.
pub(crate) fn side_by_side(parts: &[(f64, &[UnitVector])]) -> Vec<UnitVector> {
    let (count, dims) = (
        parts.first().map_or(0, |(_, units)| units.len()),
        parts.iter().map(|(_, units)| units.first().map_or(0, UnitVector::dims)).sum(),
    );
    let whole = |row: usize| {
        let scaled = |(weight, units): &(f64, &[UnitVector])| {
            let scale = weight.sqrt() as f32;
            units[row].as_slice().iter().map(move |x| scale * x).collect::<Vec<f32>>()
        };
        UnitVector::new(parts.iter().flat_map(scaled).collect(), dims)
            .expect("weights sum to 1, so one of them is not 0")
    };
    (0..count).map(whole).collect()
}

/// The weight of the class part: among those under which the whole keeps the part `keep` of the class part's own mAP, the
/// one with the best mR. 1 where the pair part gives nothing that may be taken. Both are points of the validation split.
pub(crate) fn weigh(class: &Points<'_>, pair: &Points<'_>, keep: f64) -> f64 {
    let alone = class.quality();
    let mut best = (1.0, alone.mean_recall);
    for weight in TRIED {
        let whole = class.beside(pair, weight).quality();
        if whole.map() >= keep * alone.map() && whole.mean_recall > best.1 {
            best = (weight, whole.mean_recall);
        }
    }
    best.0
}
