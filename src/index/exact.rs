//! The scan: every point is looked at, so it is always right, and for small collections nothing is faster.

use std::collections::HashSet;

use super::{Hit, IndexError, MAX_K, Strategy, VectorIndex, rank};
use crate::vector::{UnitVector, dot};

/// Points in one contiguous block, `[len, dims]`, scanned for each query.
#[derive(Debug)]
pub struct ExactIndex {
    dims: usize,
    keys: Vec<u64>,
    values: Vec<f32>,
}

impl ExactIndex {
    /// Takes points of a space of `dims` dimensions under distinct keys.
    ///
    /// # Errors
    /// [`IndexError::WrongDims`], [`IndexError::DuplicateKey`].
    pub fn new(dims: usize, points: Vec<(u64, UnitVector)>) -> Result<Self, IndexError> {
        let mut keys = Vec::with_capacity(points.len());
        let mut values = Vec::with_capacity(points.len() * dims);
        let mut seen = HashSet::with_capacity(points.len());
        for (key, point) in points {
            check_dims(dims, &point)?;
            if !seen.insert(key) {
                return Err(IndexError::DuplicateKey(key));
            }
            keys.push(key);
            values.extend_from_slice(point.as_slice());
        }
        Ok(Self { dims, keys, values })
    }

    /// Key of the point at `position`.
    pub(super) fn key(&self, position: usize) -> u64 {
        self.keys[position]
    }

    /// The point at `position`, `[dims]`.
    pub(super) fn point(&self, position: usize) -> &[f32] {
        &self.values[position * self.dims..(position + 1) * self.dims]
    }

    /// The hit that the point at `position` makes for `query`.
    pub(super) fn hit(&self, query: &UnitVector, position: usize) -> Hit {
        Hit { key: self.key(position), score: dot(query.as_slice(), self.point(position)).clamp(-1.0, 1.0) }
    }
}

/// Checks what every search promises to check.
pub(super) fn check_query(dims: usize, query: &UnitVector, k: usize) -> Result<(), IndexError> {
    check_dims(dims, query)?;
    if k > MAX_K { Err(IndexError::KTooLarge(k)) } else { Ok(()) }
}

fn check_dims(dims: usize, vector: &UnitVector) -> Result<(), IndexError> {
    if vector.dims() == dims { Ok(()) } else { Err(IndexError::WrongDims { expected: dims, found: vector.dims() }) }
}

impl VectorIndex for ExactIndex {
    fn dims(&self) -> usize {
        self.dims
    }

    fn len(&self) -> usize {
        self.keys.len()
    }

    fn search(&self, query: &UnitVector, k: usize) -> Result<Vec<Hit>, IndexError> {
        check_query(self.dims, query, k)?;
        let hits = (0..self.len()).map(|position| self.hit(query, position)).collect();
        Ok(rank(hits, k))
    }

    fn search_exact(&self, query: &UnitVector, k: usize) -> Result<Vec<Hit>, IndexError> {
        self.search(query, k)
    }

    fn sample(&self, count: usize) -> Vec<UnitVector> {
        let step = self.len().div_ceil(count.max(1)).max(1);
        let points = (0..self.len()).step_by(step).map(|position| self.point(position).to_vec());
        points.filter_map(|point| UnitVector::new(point, self.dims).ok()).collect()
    }

    fn strategy(&self) -> Strategy {
        Strategy::Exact
    }
}
