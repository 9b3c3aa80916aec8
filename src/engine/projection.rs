//! The common space on a sheet of paper, pictures and captions mixed.
//!
//! A sheet of every point of a large collection would take hours. Some points are laid out by t-SNE; every other one lies among
//! those of them that are nearest to it.

use std::sync::{Arc, Weak};

use rayon::prelude::*;

use crate::{
    catalog::Sample,
    collection::blocking,
    core::UnitVector,
    engine::{engine::Engine, error::EngineError, query::request::Kind, serving::snapshot::Generation},
    evaluation::layout,
    index::VectorIndex,
};

/// Points that t-SNE lays out: a few seconds.
const LANDMARKS: usize = 1500;

/// Landmarks among which a point lies.
const AMONG: usize = 5;

/// How much nearer landmarks count more: weights are `exp(SHARPNESS × cosine)`.
const SHARPNESS: f32 = 20.0;

/// A picture or a caption on the sheet.
#[derive(Debug, Clone, PartialEq)]
pub struct ProjectedPoint {
    /// What it is.
    pub kind: Kind,
    /// What the catalog says of it.
    pub sampled: Sample,
    /// From -1 to 1.
    pub x: f32,
    /// From -1 to 1.
    pub y: f32,
}

/// A sheet.
#[derive(Debug)]
pub struct Projection {
    /// The model whose space it shows.
    pub model: String,
    /// The generation whose points it shows.
    pub generation: u64,
    /// Points that there are; a sheet shows some of them.
    pub total: usize,
    /// Those that are shown.
    pub points: Vec<ProjectedPoint>,
}

/// The last sheet that was made, and of what.
#[derive(Debug, Default)]
pub(in crate::engine) struct LastMap(tokio::sync::Mutex<Option<Made>>);

/// A sheet, the generation whose points it shows, and how many were asked for.
type Made = (Weak<Generation>, u32, Arc<Projection>);

impl Engine {
    /// The common space of the generation that answers, with at most `limit` points. Made when it is first asked for; whoever
    /// asks meanwhile waits for the same one. What has come since the generation was built may not be on it.
    ///
    /// # Errors
    /// [`CollectionError::NoModel`], [`EngineError::Starting`]; or if the catalog fails.
    pub async fn map(self: &Arc<Self>, limit: u32) -> Result<Arc<Projection>, EngineError> {
        let generation = self.ready().await?;
        let engine = Arc::clone(self);
        // In a task of its own: a client that goes away must not make the next one begin anew.
        let made = tokio::spawn(async move {
            let mut last = engine.map.0.lock().await;
            if let Some((of, most, map)) = last.as_ref()
                && (*most, Weak::as_ptr(of)) == (limit, Arc::as_ptr(&generation))
            {
                return Ok(Arc::clone(map));
            }
            let map = Arc::new(engine.lay_out(&generation, limit).await?);
            *last = Some((Arc::downgrade(&generation), limit, Arc::clone(&map)));
            Ok(map)
        });
        made.await.map_err(|e| EngineError::internal(e.to_string()))?
    }

    async fn lay_out(&self, generation: &Arc<Generation>, limit: u32) -> Result<Projection, EngineError> {
        let catalog = &self.collection.catalog;
        let half = limit.div_ceil(2);
        let mut pictures = catalog.sample_images(limit).await?;
        let captions = catalog.sample_captions(limit - half.min(pictures.len() as u32)).await?;
        pictures.truncate(limit as usize - captions.len());
        let generation = Arc::clone(generation);
        let projected = blocking(move || {
            let of = |kind: Kind, rows: Vec<Sample>| {
                let index = if kind == Kind::Image { &generation.images } else { &generation.texts };
                let known = |row: Sample| Some((index.get(row.key.cast_unsigned())?, kind, row));
                rows.into_iter().filter_map(known).collect::<Vec<_>>()
            };
            let all = [of(Kind::Image, pictures), of(Kind::Text, captions)].concat();
            let vectors: Vec<&UnitVector> = all.iter().map(|(point, ..)| point).collect();
            let places = places(&vectors);
            let placed = all.iter().zip(places).map(|((_, kind, row), [x, y])| ProjectedPoint {
                kind: *kind,
                sampled: row.clone(),
                x,
                y,
            });
            Projection {
                model: generation.record.version.clone(),
                generation: generation.number,
                total: generation.images.len() + generation.texts.len(),
                points: placed.collect(),
            }
        });
        Ok(projected.await?)
    }
}

/// A place in [-1, 1]² for each point.
fn places(points: &[&UnitVector]) -> Vec<[f32; 2]> {
    // Evenly among all: of a sample that is sorted by nothing, every nth is a sample as well.
    let every = points.len().div_ceil(LANDMARKS).max(1);
    let landmarks: Vec<UnitVector> = points.iter().step_by(every).map(|point| (*point).clone()).collect();
    let laid = layout(&landmarks);
    let place = |(at, point): (usize, &&UnitVector)| {
        if at % every == 0 {
            return laid[at / every];
        }
        let mut near: Vec<(f32, usize)> = landmarks.iter().map(|l| point.cosine(l)).zip(0..).collect();
        let among = AMONG.min(near.len());
        near.select_nth_unstable_by(among - 1, |a, b| b.0.total_cmp(&a.0));
        let nearest = near[..among].iter().map(|(cosine, _)| *cosine).fold(f32::MIN, f32::max);
        let (mut sum, mut weight) = ([0.0; 2], 0.0);
        for &(cosine, landmark) in &near[..among] {
            let counts = (SHARPNESS * (cosine - nearest)).exp();
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
    fn a_point_that_is_no_landmark_lies_among_its_class() {
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
