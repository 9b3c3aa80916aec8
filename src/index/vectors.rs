//! The points of an index: keys and vectors, each in one contiguous block.

use super::{
    AlignedVec, Hit, IndexError, KeySet, Tombstones,
    kernels::{LINE, Rows, dots, products},
    limits::MAX_POINTS,
    top_k::TopK,
};
use crate::core::{SimdLevel, UnitVector};

/// f32 values of a cache line.
const STEP: usize = LINE / size_of::<f32>();

/// Points of a scan whose inner products are computed before any of them is ranked.
const BLOCK: usize = 128;

/// Points of one space with distinct keys. Positions from 0 are in the order of keys.
///
/// This order lets a key set be resolved in one pass through the positions. Storing graph neighbors next to each other
/// was measured as well and did not make searches faster.
#[derive(Debug)]
pub(super) struct VectorTable {
    dims: usize,
    /// `[len]`, ascending.
    keys: AlignedVec<u64>,
    /// `[len, stride]`, each vector padded with zeros to whole cache lines.
    values: AlignedVec<f32>,
}

/// Queries, padded in the same way as points.
#[derive(Debug)]
pub(super) struct Queries {
    values: AlignedVec<f32>,
    stride: usize,
}

impl Queries {
    /// Queries of a space of `dims` dimensions.
    ///
    /// # Errors
    /// [`IndexError::WrongDims`], [`IndexError::Memory`].
    pub(super) fn new<'q>(
        dims: usize,
        queries: impl ExactSizeIterator<Item = &'q UnitVector>,
    ) -> Result<Self, IndexError> {
        let stride = stride(dims);
        let mut values = AlignedVec::zeros(stride * queries.len())?;
        for (row, query) in values.chunks_exact_mut(stride).zip(queries) {
            check_dims(dims, query)?;
            row[..dims].copy_from_slice(query.as_slice());
        }
        Ok(Self { values, stride })
    }

    /// A single query.
    pub(super) fn one(dims: usize, query: &UnitVector) -> Result<Self, IndexError> {
        Self::new(dims, std::iter::once(query))
    }

    #[inline]
    pub(super) fn rows(&self) -> Rows<'_, f32> {
        Rows::new(&self.values, self.stride)
    }
}

/// f32 values of a padded row.
pub(super) fn stride(dims: usize) -> usize {
    dims.next_multiple_of(STEP).max(STEP)
}

fn check_dims(dims: usize, vector: &UnitVector) -> Result<(), IndexError> {
    if vector.dims() == dims { Ok(()) } else { Err(IndexError::WrongDims { expected: dims, found: vector.dims() }) }
}

impl VectorTable {
    /// Creates a table of points in any order.
    ///
    /// # Errors
    /// [`IndexError::WrongDims`], [`IndexError::DuplicateKey`], [`IndexError::TooMany`], [`IndexError::Memory`].
    pub(super) fn new(dims: usize, mut points: Vec<(u64, UnitVector)>) -> Result<Self, IndexError> {
        points.sort_unstable_by_key(|(key, _)| *key);
        if let Some(duplicate) = points.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            return Err(IndexError::DuplicateKey(duplicate[0].0));
        }
        if points.len() > MAX_POINTS {
            return Err(IndexError::TooMany(points.len()));
        }
        let values = Queries::new(dims, points.iter().map(|(_, point)| point))?.values;
        let keys: Vec<u64> = points.iter().map(|(key, _)| *key).collect();
        Ok(Self { dims, keys: AlignedVec::from_slice(&keys)?, values })
    }

    /// Creates a table from columns that were read from disk.
    ///
    /// # Errors
    /// A description of the first inconsistency.
    pub(super) fn from_columns(dims: usize, keys: AlignedVec<u64>, values: AlignedVec<f32>) -> Result<Self, String> {
        if keys.len() > MAX_POINTS || values.len() != keys.len() * stride(dims) {
            return Err(format!("{} values are not vectors for {} keys", values.len(), keys.len()));
        }
        if !keys.is_sorted_by(|a, b| a < b) {
            return Err("the keys are not in order".to_owned());
        }
        Ok(Self { dims, keys, values })
    }

    /// Merges two tables that have no key in common, without their deleted points.
    ///
    /// # Errors
    /// [`IndexError::Memory`].
    pub(super) fn merged(parts: [(&Self, &Tombstones); 2]) -> Result<Self, IndexError> {
        // Key, table and position of each point that is left.
        let mut sources: Vec<(u64, usize, usize)> = Vec::new();
        for (n, (points, deleted)) in parts.iter().enumerate() {
            let alive = (0..points.len()).filter(|&position| !deleted.contains(position));
            sources.extend(alive.map(|position| (points.keys[position], n, position)));
        }
        sources.sort_unstable();
        let dims = parts[0].0.dims;
        let mut keys = AlignedVec::zeros(sources.len())?;
        let mut values = AlignedVec::zeros(sources.len() * stride(dims))?;
        let rows = values.chunks_exact_mut(stride(dims));
        for ((key, row), (source_key, n, position)) in keys.iter_mut().zip(rows).zip(sources) {
            *key = source_key;
            row.copy_from_slice(parts[n].0.rows().row(position));
        }
        Ok(Self { dims, keys, values })
    }

    pub(super) fn dims(&self) -> usize {
        self.dims
    }

    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }

    /// Keys by position, ascending.
    pub(super) fn keys(&self) -> &AlignedVec<u64> {
        &self.keys
    }

    /// Vectors by position, padded.
    pub(super) fn values(&self) -> &AlignedVec<f32> {
        &self.values
    }

    #[inline]
    pub(super) fn rows(&self) -> Rows<'_, f32> {
        Rows::new(&self.values, stride(self.dims))
    }

    /// The point at `position`.
    pub(super) fn point(&self, position: usize) -> UnitVector {
        let values = self.rows().row(position)[..self.dims].to_vec();
        UnitVector::from_normalized(values, self.dims).expect("a table holds unit vectors only")
    }

    /// The position of a key.
    pub(super) fn position(&self, key: u64) -> Option<usize> {
        self.keys.binary_search(&key).ok()
    }

    /// The point of a key.
    pub(super) fn get(&self, key: u64) -> Option<UnitVector> {
        Some(self.point(self.position(key)?))
    }

    /// At most `count` of the points, evenly spaced.
    pub(super) fn sample(&self, count: usize) -> Vec<UnitVector> {
        let step = self.len().div_ceil(count.max(1)).max(1);
        (0..self.len()).step_by(step).take(count).map(|position| self.point(position)).collect()
    }

    /// Positions of the keys of `wanted` that exist, ascending.
    pub(super) fn positions(&self, wanted: &KeySet) -> Vec<u32> {
        let keys: &[u64] = &self.keys;
        if wanted.len() > keys.len() as u64 {
            return (0..keys.len() as u32).filter(|&at| wanted.contains(keys[at as usize])).collect();
        }
        let mut found = Vec::with_capacity(wanted.len() as usize);
        let mut from = 0;
        for key in wanted {
            // Both are sorted, so the next key is near: an exponential search, then a binary search within the last
            // step.
            let mut step = 1;
            while keys.get(from + step).is_some_and(|&next| next < key) {
                step *= 2;
            }
            let (low, end) = (from + step / 2, (from + step + 1).min(keys.len()));
            from = low + keys[low..end].partition_point(|&next| next < key);
            match keys.get(from) {
                Some(&next) if next == key => found.push(from as u32),
                Some(_) => (),
                None => break,
            }
        }
        found
    }

    /// Pushes every admitted point to the [`TopK`] of every query.
    pub(super) fn scan(&self, queries: Rows<'_, f32>, admit: impl Fn(usize) -> bool, best: &mut [TopK]) {
        let (simd, rows, wide) = (SimdLevel::best(), self.rows(), queries.len());
        let mut out = vec![0.0; wide * BLOCK.min(self.len())];
        for from in (0..self.len()).step_by(BLOCK) {
            let to = (from + BLOCK).min(self.len());
            let out = &mut out[..wide * (to - from)];
            products(simd, queries, rows.range(from, to), out);
            for position in from..to {
                let products = &out[(position - from) * wide..][..wide];
                for (query, best) in best.iter_mut().enumerate() {
                    let hit = self.hit(position, products[query]);
                    if best.accepts(hit.score) && admit(position) {
                        best.push(hit);
                    }
                }
            }
        }
    }

    /// Pushes the points at `positions` to the [`TopK`] of one query.
    pub(super) fn scan_at(&self, query: &[f32], positions: &[u32], best: &mut TopK) {
        let (simd, rows) = (SimdLevel::best(), self.rows());
        let mut out = Vec::with_capacity(BLOCK);
        for block in positions.chunks(BLOCK) {
            dots(simd, query, rows, block, &mut out);
            for (&position, &product) in block.iter().zip(&out) {
                let hit = self.hit(position as usize, product);
                if best.accepts(hit.score) {
                    best.push(hit);
                }
            }
        }
    }

    /// The hit of the point at `position`, given its inner product with the query.
    #[inline(always)]
    pub(super) fn hit(&self, position: usize, product: f32) -> Hit {
        Hit { key: self.keys[position], score: product.clamp(-1.0, 1.0) }
    }

    /// Bytes in memory.
    pub(super) fn bytes(&self) -> usize {
        self.keys.as_bytes().len() + self.values.as_bytes().len()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn key_set_resolves_to_the_positions_of_its_keys(
            keys in prop::collection::btree_set(0u64..300, 0..120),
            wanted in prop::collection::btree_set(0u64..320, 0..200),
            offset in prop::sample::select(vec![0u64, 1 << 40]),
        ) {
            let along = |n: u64| UnitVector::new(vec![1.0, n as f32], 2).expect("valid");
            let given: Vec<(u64, UnitVector)> = keys.iter().rev().map(|k| (k + offset, along(*k))).collect();
            let points = VectorTable::new(2, given).expect("distinct keys");
            let wanted: KeySet = wanted.iter().map(|k| k + offset).collect();
            let found: Vec<u64> = points.positions(&wanted).iter().map(|p| points.keys()[*p as usize]).collect();
            let expected: Vec<u64> = keys.iter().map(|k| k + offset).filter(|k| wanted.contains(*k)).collect();
            prop_assert_eq!(&found, &expected);
            for key in expected {
                let position = points.position(key).expect("it is there");
                prop_assert_eq!(points.point(position), along(key - offset));
            }
        }
    }
}
