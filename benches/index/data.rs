//! Synthetic points as trained spaces have them: clusters that are wide in a few directions and thin in the others.

use std::{fs, path::Path};

use diptych::vector::UnitVector;
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::Outcome;

/// Directions in which clusters are wide.
const WIDE: usize = 32;

/// Points of a cluster, on average.
const TOGETHER: usize = 100;

const QUERIES: usize = 1000;

/// Points, and queries from the same distribution.
pub(crate) struct Data {
    pub(crate) dims: usize,
    pub(crate) base: Vec<UnitVector>,
    pub(crate) queries: Vec<UnitVector>,
}

impl Data {
    pub(crate) fn new(points: usize, dims: usize) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let rows = |count: usize, scale: f32, rng: &mut ChaCha8Rng| -> Vec<Vec<f32>> {
            (0..count).map(|_| (0..dims).map(|_| scale * normal(rng)).collect()).collect()
        };
        let centres = rows(points.div_ceil(TOGETHER), 0.8, &mut rng);
        let wide = rows(WIDE, 0.8 / (WIDE as f32).sqrt(), &mut rng);
        let mut draw = |count: usize| {
            let one = |_| {
                let mut point = centres[rng.random_range(0..centres.len())].clone();
                for direction in &wide {
                    let along = normal(&mut rng);
                    point.iter_mut().zip(direction).for_each(|(x, d)| *x += along * d);
                }
                point.iter_mut().for_each(|x| *x += 0.3 * normal(&mut rng));
                UnitVector::new(point, dims).expect("a random vector has a direction")
            };
            (0..count).map(one).collect()
        };
        Self { dims, base: draw(points), queries: draw(QUERIES) }
    }

    /// Writes points and queries as rows of little-endian f32, for the peers.
    pub(crate) fn write(&self, base: &Path, queries: &Path) -> Outcome<()> {
        for (path, rows) in [(base, &self.base), (queries, &self.queries)] {
            let bytes: Vec<u8> = rows.iter().flat_map(|row| row.as_slice()).flat_map(|x| x.to_le_bytes()).collect();
            fs::write(path, bytes)?;
        }
        Ok(())
    }
}

/// Roughly normal: twelve uniform numbers less their mean.
fn normal(rng: &mut impl Rng) -> f32 {
    (0..12).map(|_| rng.random_range(-0.5f32..0.5)).sum()
}
