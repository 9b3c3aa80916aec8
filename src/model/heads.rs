//! The heads of a common space, and how their embeddings are combined.
//!
//! An embedding concatenates the unit vectors of all heads, each scaled by the square root of its head's weight. It is
//! a unit vector itself, and the cosine of two embeddings is the weighted mean of the heads' cosines.

use serde::{Deserialize, Serialize};

use crate::core::UnitVector;

/// A sub-space of the common space with a network of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Head {
    /// The paper's space: items that share a class are close to each other.
    Class,
    /// An image is close to its own captions.
    Pair,
}

impl Head {
    /// Name in files and reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Class => "class",
            Self::Pair => "pair",
        }
    }
}

/// Concatenates the embeddings of several heads row by row, each scaled by the square root of its head's weight. The
/// weights sum to 1, and all heads have the same number of rows.
pub(crate) fn concat_weighted(heads: &[(f64, &[UnitVector])]) -> Vec<UnitVector> {
    let (count, dims) = (
        heads.first().map_or(0, |(_, units)| units.len()),
        heads.iter().map(|(_, units)| units.first().map_or(0, UnitVector::dims)).sum(),
    );
    let concatenated = |row: usize| {
        let scaled = |(weight, units): &(f64, &[UnitVector])| {
            let scale = weight.sqrt() as f32;
            units[row].as_slice().iter().map(move |x| scale * x).collect::<Vec<f32>>()
        };
        UnitVector::new(heads.iter().flat_map(scaled).collect(), dims)
            .expect("weights sum to 1, so at least one of them is not 0")
    };
    (0..count).map(concatenated).collect()
}
