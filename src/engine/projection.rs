//! Projection of the common space to two dimensions, with pictures and captions.
//!
//! t-SNE of every vector of a large collection would take hours. It is applied to a sample, the landmarks; every other
//! vector is interpolated between its nearest landmarks.

use std::sync::{Arc, Weak};

use rayon::prelude::*;

use super::{EngineError, Kind, Serving, ServingSnapshot};
use crate::{
    catalog::{Catalog, Sample},
    collection::blocking,
    core::UnitVector,
    evaluation::tsne,
};

/// The number of landmarks, for which t-SNE takes a few seconds.
const LANDMARKS: usize = 1500;

/// The number of landmarks between which a vector is interpolated.
const INTERPOLATION_NEIGHBORS: usize = 5;

/// Weights of the landmarks are `exp(INTERPOLATION_SHARPNESS × cosine)`.
const INTERPOLATION_SHARPNESS: f32 = 20.0;

/// A picture or a caption in the projection.
#[derive(Debug, Clone, PartialEq)]
pub struct ProjectedPoint {
    /// The modality.
    pub kind: Kind,
    /// Its row in the catalog.
    pub sampled: Sample,
    /// From -1 to 1.
    pub x: f32,
    /// From -1 to 1.
    pub y: f32,
}

/// A projection of the common space.
#[derive(Debug)]
pub struct Projection {
    /// The version of the model.
    pub model: String,
    /// The generation of the index.
    pub generation: u64,
    /// The number of vectors in the space; a projection shows a sample of them.
    pub total: usize,
    /// The sample.
    pub points: Vec<ProjectedPoint>,
}

/// Projects the live snapshot, and caches the last projection.
#[derive(Debug, Clone)]
pub struct ProjectionService {
    catalog: Catalog,
    serving: Arc<Serving>,
    last: Arc<tokio::sync::Mutex<Option<CachedProjection>>>,
}

/// A projection, its snapshot, and the number of points that were requested.
type CachedProjection = (Weak<ServingSnapshot>, u32, Arc<Projection>);

impl ProjectionService {
    pub(super) fn new(catalog: Catalog, serving: Arc<Serving>) -> Self {
        Self { catalog, serving, last: Arc::default() }
    }

    /// A projection of the live snapshot with at most `limit` points. Computed on the first request; concurrent callers
    /// wait for the same computation. Items that are newer than the snapshot's index may be missing.
    ///
    /// # Errors
    /// [`EngineError::Starting`]; or without a model, or if the catalog fails.
    pub async fn project(&self, limit: u32) -> Result<Arc<Projection>, EngineError> {
        let snapshot = self.serving.ready().await?;
        let service = self.clone();
        // Spawned, so that the computation continues if the client disconnects.
        let made = tokio::spawn(async move {
            let mut last = service.last.lock().await;
            if let Some((of, asked, projection)) = last.as_ref()
                && (*asked, Weak::as_ptr(of)) == (limit, Arc::as_ptr(&snapshot))
            {
                return Ok(Arc::clone(projection));
            }
            let projection = Arc::new(service.compute(&snapshot, limit).await?);
            *last = Some((Arc::downgrade(&snapshot), limit, Arc::clone(&projection)));
            Ok(projection)
        });
        made.await.map_err(|e| EngineError::internal(e.to_string()))?
    }

    async fn compute(&self, snapshot: &Arc<ServingSnapshot>, limit: u32) -> Result<Projection, EngineError> {
        let half = limit.div_ceil(2);
        let mut pictures = self.catalog.sample_images(limit).await?;
        let captions = self.catalog.sample_captions(limit - half.min(pictures.len() as u32)).await?;
        pictures.truncate(limit as usize - captions.len());
        let snapshot = Arc::clone(snapshot);
        let projection = blocking(move || {
            let with_vectors = |kind: Kind, rows: Vec<Sample>| {
                let with_vector = |row: Sample| Some((snapshot.indexes.vector(kind, row.key)?, kind, row));
                rows.into_iter().filter_map(with_vector).collect::<Vec<_>>()
            };
            let all = [with_vectors(Kind::Image, pictures), with_vectors(Kind::Text, captions)].concat();
            let vectors: Vec<&UnitVector> = all.iter().map(|(vector, ..)| vector).collect();
            let placed = all.iter().zip(places(&vectors)).map(|((_, kind, row), [x, y])| ProjectedPoint {
                kind: *kind,
                sampled: row.clone(),
                x,
                y,
            });
            Projection {
                model: snapshot.record.version.clone(),
                generation: snapshot.number,
                total: snapshot.indexes.points(Kind::Image) + snapshot.indexes.points(Kind::Text),
                points: placed.collect(),
            }
        });
        Ok(projection.await?)
    }
}

/// A position in [-1, 1]² for each vector.
fn places(points: &[&UnitVector]) -> Vec<[f32; 2]> {
    // The sample is in random order, so every nth element of it is a sample too.
    let every = points.len().div_ceil(LANDMARKS).max(1);
    let landmarks: Vec<UnitVector> = points.iter().step_by(every).map(|point| (*point).clone()).collect();
    let laid = tsne(&landmarks);
    let place = |(at, point): (usize, &&UnitVector)| {
        if at % every == 0 {
            return laid[at / every];
        }
        let mut near: Vec<(f32, usize)> = landmarks.iter().map(|l| point.cosine(l)).zip(0..).collect();
        let among = INTERPOLATION_NEIGHBORS.min(near.len());
        near.select_nth_unstable_by(among - 1, |a, b| b.0.total_cmp(&a.0));
        let nearest = near[..among].iter().map(|(cosine, _)| *cosine).fold(f32::MIN, f32::max);
        let (mut sum, mut weight) = ([0.0; 2], 0.0);
        for &(cosine, landmark) in &near[..among] {
            let counts = (INTERPOLATION_SHARPNESS * (cosine - nearest)).exp();
            let [x, y] = laid[landmark];
            sum = [sum[0] + counts * x, sum[1] + counts * y];
            weight += counts;
        }
        sum.map(|part| part / weight)
    };
    points.par_iter().enumerate().map(place).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_are_interpolated_into_their_class() {
        let count = 2 * LANDMARKS + 100;
        let class = |n: usize| n % 7;
        let points: Vec<UnitVector> = (0..count)
            .map(|n| {
                let mut values: Vec<f32> = (0..16).map(|d| ((n * 31 + d * 17) % 97) as f32 / 400.0).collect();
                values[class(n)] += 1.0;
                UnitVector::new(values, 16).expect("a point")
            })
            .collect();
        let places = places(&points.iter().collect::<Vec<_>>());
        assert!(places.iter().flatten().all(|x| x.abs() <= 1.0));
        let middle = |c: usize| {
            let of: Vec<[f32; 2]> = (0..count).filter(|&n| class(n) == c).map(|n| places[n]).collect();
            [0, 1].map(|axis| of.iter().map(|place| place[axis]).sum::<f32>() / of.len() as f32)
        };
        let middles: Vec<[f32; 2]> = (0..7).map(middle).collect();
        let apart = |[x, y]: [f32; 2], [v, w]: [f32; 2]| (x - v).hypot(y - w);
        let nearest =
            |n: usize| (0..7).min_by(|&a, &b| apart(places[n], middles[a]).total_cmp(&apart(places[n], middles[b])));
        let well = (0..count).filter(|&n| nearest(n) == Some(class(n))).count();
        assert!(well * 100 > count * 95, "{well} of {count} are nearest to the middle of their class");
    }
}
