//! The points of an index: keys and vectors, in one contiguous block each.

use super::{
    Hit, IndexError, KeySet,
    aligned::Table,
    kernels::{LINE, Rows, dots, products},
    tombstones::Tombstones,
    top_k::Best,
};
use crate::core::{Isa, UnitVector};

/// Numbers of a cache line.
const STEP: usize = LINE / size_of::<f32>();

/// Points of a scan whose products are made before they are looked at.
const BLOCK: usize = 128;

/// The most points that one index holds: a step of a walk packs a position into 30 bits.
pub(super) const MAX_POINTS: usize = (1 << 30) - 1;

/// Points of one space under distinct keys, each at a position from 0, in the order of keys.
///
/// The order makes a key set a run through the positions. An order in which neighbours in the graph lie side by side was
/// measured as well, and walks were no faster for it.
#[derive(Debug)]
pub(super) struct Points {
    dims: usize,
    /// `[len]`, ascending.
    keys: Table<u64>,
    /// `[len, stride]`: each vector is followed by zeros up to a whole cache line.
    values: Table<f32>,
}

/// Queries, padded as points are.
#[derive(Debug)]
pub(super) struct Queries {
    values: Table<f32>,
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
        let mut values = Table::zeros(stride * queries.len())?;
        for (row, query) in values.chunks_exact_mut(stride).zip(queries) {
            check_dims(dims, query)?;
            row[..dims].copy_from_slice(query.as_slice());
        }
        Ok(Self { values, stride })
    }

    /// As [`Self::new`], for one.
    pub(super) fn one(dims: usize, query: &UnitVector) -> Result<Self, IndexError> {
        Self::new(dims, std::iter::once(query))
    }

    pub(super) fn rows(&self) -> Rows<'_, f32> {
        Rows::new(&self.values, self.stride)
    }
}

/// Numbers of a padded row.
pub(super) fn stride(dims: usize) -> usize {
    dims.next_multiple_of(STEP).max(STEP)
}

fn check_dims(dims: usize, vector: &UnitVector) -> Result<(), IndexError> {
    if vector.dims() == dims { Ok(()) } else { Err(IndexError::WrongDims { expected: dims, found: vector.dims() }) }
}

impl Points {
    /// Takes points in any order.
    ///
    /// # Errors
    /// [`IndexError::WrongDims`], [`IndexError::DuplicateKey`], [`IndexError::TooMany`], [`IndexError::Memory`].
    pub(super) fn new(dims: usize, mut points: Vec<(u64, UnitVector)>) -> Result<Self, IndexError> {
        points.sort_unstable_by_key(|(key, _)| *key);
        if let Some(twice) = points.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            return Err(IndexError::DuplicateKey(twice[0].0));
        }
        if points.len() > MAX_POINTS {
            return Err(IndexError::TooMany(points.len()));
        }
        let values = Queries::new(dims, points.iter().map(|(_, point)| point))?.values;
        let keys: Vec<u64> = points.iter().map(|(key, _)| *key).collect();
        Ok(Self { dims, keys: Table::of(&keys)?, values })
    }

    /// Points as they lie on disk. Says in words what is wrong with them.
    pub(super) fn from_tables(dims: usize, keys: Table<u64>, values: Table<f32>) -> Result<Self, String> {
        if keys.len() > MAX_POINTS || values.len() != keys.len() * stride(dims) {
            return Err(format!("{} numbers are no vectors for {} keys", values.len(), keys.len()));
        }
        if !keys.is_sorted_by(|a, b| a < b) {
            return Err("the keys are not in order".to_owned());
        }
        Ok(Self { dims, keys, values })
    }

    /// The points of two sets that have no key in common, without those that are dead.
    ///
    /// # Errors
    /// [`IndexError::Memory`].
    pub(super) fn merged(parts: [(&Self, &Tombstones); 2]) -> Result<Self, IndexError> {
        let mut from: Vec<(u64, usize, usize)> = Vec::new();
        for (n, (points, dead)) in parts.iter().enumerate() {
            let alive = (0..points.len()).filter(|&position| !dead.contains(position));
            from.extend(alive.map(|position| (points.keys[position], n, position)));
        }
        from.sort_unstable();
        let dims = parts[0].0.dims;
        let mut keys = Table::zeros(from.len())?;
        let mut values = Table::zeros(from.len() * stride(dims))?;
        for ((key, row), (from, n, position)) in keys.iter_mut().zip(values.chunks_exact_mut(stride(dims))).zip(from) {
            *key = from;
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
    pub(super) fn keys(&self) -> &Table<u64> {
        &self.keys
    }

    /// Vectors by position, padded.
    pub(super) fn values(&self) -> &Table<f32> {
        &self.values
    }

    pub(super) fn rows(&self) -> Rows<'_, f32> {
        Rows::new(&self.values, stride(self.dims))
    }

    /// The point at `position`.
    pub(super) fn point(&self, position: usize) -> UnitVector {
        let values = self.rows().row(position)[..self.dims].to_vec();
        UnitVector::restored(values, self.dims).expect("only unit vectors come in")
    }

    /// Where a key's point lies.
    pub(super) fn position(&self, key: u64) -> Option<usize> {
        self.keys.binary_search(&key).ok()
    }

    /// The point under a key.
    pub(super) fn get(&self, key: u64) -> Option<UnitVector> {
        Some(self.point(self.position(key)?))
    }

    /// At most `count` of the points, evenly spaced.
    pub(super) fn sample(&self, count: usize) -> Vec<UnitVector> {
        let step = self.len().div_ceil(count.max(1)).max(1);
        (0..self.len()).step_by(step).take(count).map(|position| self.point(position)).collect()
    }

    /// Where the points of `wanted` lie, those that are here, ascending.
    pub(super) fn positions(&self, wanted: &KeySet) -> Vec<u32> {
        let keys: &[u64] = &self.keys;
        if wanted.len() > keys.len() as u64 {
            return (0..keys.len() as u32).filter(|&at| wanted.contains(keys[at as usize])).collect();
        }
        let mut found = Vec::with_capacity(wanted.len() as usize);
        let mut from = 0;
        for key in wanted {
            // Both are in order, so the next key is not far: leaps that double, then a search within the last one.
            let mut leap = 1;
            while keys.get(from + leap).is_some_and(|&next| next < key) {
                leap *= 2;
            }
            let (low, end) = (from + leap / 2, (from + leap + 1).min(keys.len()));
            from = low + keys[low..end].partition_point(|&next| next < key);
            match keys.get(from) {
                Some(&next) if next == key => found.push(from as u32),
                Some(_) => (),
                None => break,
            }
        }
        found
    }

    /// Looks at every point that is admitted, for every query, and offers it to that query's best.
    pub(super) fn scan(&self, queries: Rows<'_, f32>, admit: impl Fn(usize) -> bool, best: &mut [Best]) {
        let (isa, rows, wide) = (Isa::best(), self.rows(), queries.len());
        let mut out = vec![0.0; wide * BLOCK.min(self.len())];
        for from in (0..self.len()).step_by(BLOCK) {
            let to = (from + BLOCK).min(self.len());
            let out = &mut out[..wide * (to - from)];
            products(isa, queries, rows.range(from, to), out);
            for (position, products) in (from..to).zip(out.chunks_exact(wide.max(1))) {
                for (product, best) in products.iter().zip(&mut *best) {
                    let hit = self.hit(position, *product);
                    if best.wants(hit.score) && admit(position) {
                        best.offer(hit);
                    }
                }
            }
        }
    }

    /// As [`Self::scan`], of the points at `positions` alone and for one query.
    pub(super) fn scan_at(&self, query: &[f32], positions: &[u32], best: &mut Best) {
        let (isa, rows) = (Isa::best(), self.rows());
        let mut out = Vec::with_capacity(BLOCK);
        for block in positions.chunks(BLOCK) {
            dots(isa, query, rows, block, &mut out);
            for (&position, &product) in block.iter().zip(&out) {
                let hit = self.hit(position as usize, product);
                if best.wants(hit.score) {
                    best.offer(hit);
                }
            }
        }
    }

    /// The hit that the point at `position` makes, given its inner product with the query.
    #[inline(always)]
    pub(super) fn hit(&self, position: usize, product: f32) -> Hit {
        Hit { key: self.keys[position], score: product.clamp(-1.0, 1.0) }
    }

    /// Bytes in memory.
    pub(super) fn bytes(&self) -> usize {
        self.keys.bytes().len() + self.values.bytes().len()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_key_set_finds_its_positions(
            keys in prop::collection::btree_set(0u64..300, 0..120), wanted in prop::collection::btree_set(0u64..320, 0..200),
            offset in prop::sample::select(vec![0u64, 1 << 40]),
        ) {
            let along = |n: u64| UnitVector::new(vec![1.0, n as f32], 2).expect("valid");
            let given: Vec<(u64, UnitVector)> = keys.iter().rev().map(|k| (k + offset, along(*k))).collect();
            let points = Points::new(2, given).expect("distinct keys");
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
