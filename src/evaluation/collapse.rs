//! Detection of collapsed embeddings.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::core::UnitVector;

/// Distribution of embeddings in their space.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// Mean cosine of two different embeddings. Near 1 if the space has collapsed and all entries look alike.
    pub mean_cosine: f64,
    /// Effective number of dimensions: (Σλ)² / Σλ² of the eigenvalues of the Gram matrix. This is its effective rank by
    /// Rényi's entropy of order 2, and equals n² / Σ cos², so no eigenvalues are needed. It is never greater than the
    /// effective rank by Shannon's entropy (Roy and Vetterli 2007).
    pub effective_rank: f64,
}

impl Spread {
    /// Measures embeddings in time O(n²). Fewer than two have a mean cosine of 1.
    pub fn measure(points: &[UnitVector]) -> Self {
        let row = |(at, point): (usize, &UnitVector)| {
            let cosines = points[at + 1..].iter().map(|other| f64::from(point.cosine(other)));
            cosines.fold((0.0, 0.0), |(sum, squares), cosine| (sum + cosine, squares + cosine * cosine))
        };
        // Summed in order afterwards, so that the result does not depend on the threads.
        let rows: Vec<(f64, f64)> = points.par_iter().enumerate().map(row).collect();
        let (sum, squares) = rows.into_iter().fold((0.0, 0.0), |all, row| (all.0 + row.0, all.1 + row.1));
        let n = points.len() as f64;
        if points.len() < 2 {
            return Self { mean_cosine: 1.0, effective_rank: n };
        }
        Self { mean_cosine: 2.0 * sum / (n * (n - 1.0)), effective_rank: n * n / (n + 2.0 * squares) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points(values: &[[f32; 3]]) -> Vec<UnitVector> {
        values.iter().map(|v| UnitVector::new(v.to_vec(), 3).expect("a point")).collect()
    }

    #[test]
    fn effective_rank_counts_directions() {
        let apart = points(&[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]);
        assert_eq!(Spread::measure(&apart), Spread { mean_cosine: 0.0, effective_rank: 3.0 });
        let same = points(&[[1.0, 1.0, 0.0]; 5]);
        let Spread { mean_cosine, effective_rank } = Spread::measure(&same);
        assert!((mean_cosine - 1.0).abs() < 1e-6 && (effective_rank - 1.0).abs() < 1e-6);
        let opposite = points(&[[1.0, 0.0, 0.0], [-1.0, 0.0, 0.0]]);
        assert_eq!(Spread::measure(&opposite), Spread { mean_cosine: -1.0, effective_rank: 1.0 });
        assert_eq!(Spread::measure(&apart[..1]), Spread { mean_cosine: 1.0, effective_rank: 1.0 });
    }
}
