//! Whether points use the space or lie in one corner of it.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::core::UnitVector;

/// How points lie in their space.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// Mean cosine of two different points. Near 1 where a space has collapsed: everything looks like everything.
    pub mean_cosine: f64,
    /// How many directions the points use: (Σλ)² / Σλ² of the eigenvalues of their Gram matrix, its effective rank by
    /// Rényi's entropy of order 2, which needs no eigenvalues: n² / Σ cos². Never above that by Shannon's (Roy and Vetterli
    /// 2007).
    pub effective_rank: f64,
}

impl Spread {
    /// Measures points; fewer than two are one direction. Takes time with the square of their number.
    pub fn of(points: &[UnitVector]) -> Self {
        let row = |(at, point): (usize, &UnitVector)| {
            let cosines = points[at + 1..].iter().map(|other| f64::from(point.cosine(other)));
            cosines.fold((0.0, 0.0), |(sum, squares), cosine| (sum + cosine, squares + cosine * cosine))
        };
        // Collected before they are added, so that the order of threads does not change the sum.
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
    fn directions_are_counted() {
        let apart = points(&[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]);
        assert_eq!(Spread::of(&apart), Spread { mean_cosine: 0.0, effective_rank: 3.0 });
        let same = points(&[[1.0, 1.0, 0.0]; 5]);
        let Spread { mean_cosine, effective_rank } = Spread::of(&same);
        assert!((mean_cosine - 1.0).abs() < 1e-6 && (effective_rank - 1.0).abs() < 1e-6);
        let opposite = points(&[[1.0, 0.0, 0.0], [-1.0, 0.0, 0.0]]);
        assert_eq!(Spread::of(&opposite), Spread { mean_cosine: -1.0, effective_rank: 1.0 });
        assert_eq!(Spread::of(&apart[..1]), Spread { mean_cosine: 1.0, effective_rank: 1.0 });
    }
}
