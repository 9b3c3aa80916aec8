//! Points and queries: synthetic ones in clusters that are wide in a few directions and thin in the others, as in
//! trained spaces, or those of a collection.

use std::{fs, path::Path};

use diptych::{
    core::{UnitVector, dot},
    index::{GenerationStore, Manifest, Space, StaticIndex, VectorIndex},
};
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::measure::BenchResult;

/// Directions in which clusters are wide.
const WIDE: usize = 32;

/// Points of a cluster, on average.
const CLUSTER_SIZE: usize = 100;

const QUERIES: usize = 1000;

/// Points and queries.
pub(crate) struct Data {
    pub(crate) title: String,
    pub(crate) dims: usize,
    pub(crate) base: Vec<UnitVector>,
    pub(crate) queries: Vec<UnitVector>,
}

impl Data {
    /// Synthetic points, and queries from the same distribution.
    pub(crate) fn synthetic(points: usize, dims: usize) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let rows = |count: usize, scale: f32, rng: &mut ChaCha8Rng| -> Vec<Vec<f32>> {
            (0..count).map(|_| (0..dims).map(|_| scale * normal(rng)).collect()).collect()
        };
        let centers = rows(points.div_ceil(CLUSTER_SIZE), 0.8, &mut rng);
        let wide = rows(WIDE, 0.8 / (WIDE as f32).sqrt(), &mut rng);
        let mut draw = |count: usize| {
            let one = |_| {
                let mut point = centers[rng.random_range(0..centers.len())].clone();
                for direction in &wide {
                    let along = normal(&mut rng);
                    point.iter_mut().zip(direction).for_each(|(x, d)| *x += along * d);
                }
                point.iter_mut().for_each(|x| *x += 0.3 * normal(&mut rng));
                UnitVector::new(point, dims).expect("a random vector has a direction")
            };
            (0..count).map(one).collect()
        };
        let title = format!("{points} synthetic points, {dims} dimensions");
        Self { title, dims, base: draw(points), queries: draw(QUERIES) }
    }

    /// The captions of the collection in a data folder, with its pictures as queries, as in production.
    pub(crate) fn collection(folder: &Path) -> BenchResult<Self> {
        let index = folder.join("index");
        let store = GenerationStore::new(&index);
        let number = *store.numbers()?.first().ok_or("the collection has no index")?;
        let manifest = fs::read(index.join(number.to_string()).join("manifest.json"))?;
        let Manifest { model, dims, .. } = serde_json::from_slice(&manifest)?;
        let mut opened = store.open(number, Space { model: &model, dims })?;
        let mut take =
            |name: &str| -> BenchResult<StaticIndex> { Ok(opened.indexes.remove(name).ok_or("an index is missing")?) };
        let (captions, pictures) = (take("captions")?, take("pictures")?);
        let (base, queries) = (captions.sample(captions.len()), pictures.sample(QUERIES));
        let title = format!("{} captions of a collection, {dims} dimensions", base.len());
        Ok(Self { title, dims, base, queries })
    }

    /// Fraction of the true neighbors that were found. Captions repeat, and any of several equal points is a right
    /// answer, so a point counts if it is as near as the farthest of `truth`.
    pub(crate) fn recall(&self, truth: &[Vec<u64>], found: &[Vec<u64>]) -> f64 {
        let (mut hits, mut wanted) = (0, 0);
        for ((query, truth), found) in self.queries.iter().zip(truth).zip(found) {
            let score = |key: &u64| dot(query.as_slice(), self.base[*key as usize].as_slice());
            let farthest = truth.iter().map(score).fold(f32::INFINITY, f32::min);
            hits += found.iter().filter(|key| score(key) >= farthest).count();
            wanted += truth.len();
        }
        hits as f64 / wanted as f64
    }

    /// Writes points and queries as rows of little-endian f32, for the Python process.
    pub(crate) fn write(&self, base: &Path, queries: &Path) -> BenchResult<()> {
        for (path, rows) in [(base, &self.base), (queries, &self.queries)] {
            let bytes: Vec<u8> = rows.iter().flat_map(|row| row.as_slice()).flat_map(|x| x.to_le_bytes()).collect();
            fs::write(path, bytes)?;
        }
        Ok(())
    }
}

/// An approximately normal number: the sum of twelve uniform numbers around 0.
fn normal(rng: &mut impl Rng) -> f32 {
    (0..12).map(|_| rng.random_range(-0.5f32..0.5)).sum()
}
