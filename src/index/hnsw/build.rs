//! First draft of a graph: `hnsw_rs` links the points, and its links are extracted into [`Links`].
//!
//! The distance is our own. The crate's `DistDot` panics on valid unit vectors whose product rounds above 1, and its
//! `DistCosine` treats NaN as identical; [`UnitVector`](crate::core::UnitVector) excludes NaN and [`CosineDistance`]
//! clamps the rounding. Everything runs in the caller's rayon pool, including the crate's clean-up, which uses the
//! current pool.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use hnsw_rs::prelude::{Distance, Hnsw};
use rayon::prelude::*;

use super::{
    duplicates::DuplicateGroups,
    links::{Layer, Links, NONE, padded},
};
use crate::{
    core::SimdLevel,
    index::{aligned::AlignedVec, error::IndexError, kernels::dot, params::GraphParameters, vectors::VectorTable},
};

/// Number of layers that `hnsw_rs` requires.
const MAX_LAYER: usize = 16;

/// Maximum number of links of a point; with more, `hnsw_rs` aborts the process.
const MAX_LINKS: usize = 256;

/// Points between two reports of progress.
pub(super) const BATCH: usize = 1024;

/// `1 - cosine` of unit vectors, never below 0.
#[derive(Debug, Clone, Copy)]
struct CosineDistance(SimdLevel);

impl Distance<f32> for CosineDistance {
    fn eval(&self, a: &[f32], b: &[f32]) -> f32 {
        (1.0 - dot(self.0, a, b)).max(0.0)
    }
}

/// Links the points in the current rayon pool, of each group of duplicates only the first, with fewer candidates than
/// `parameters` has: [`refine`](super::refine) searches with all of them.
pub(super) fn build_draft(
    points: &VectorTable,
    duplicates: &DuplicateGroups,
    parameters: &GraphParameters,
    progress: &(dyn Fn(usize) + Sync),
    stop: &AtomicBool,
) -> Result<Links, IndexError> {
    let links = parameters.links.clamp(2, MAX_LINKS);
    let ef = (parameters.ef_construction / 4).max(3 * links);
    let graph = Hnsw::new(links, points.len().max(1), MAX_LAYER, ef, CosineDistance(SimdLevel::best()));
    let rows = points.rows();
    let done = AtomicUsize::new(0);
    let insert = |at: usize| {
        if stop.load(Ordering::Relaxed) {
            return;
        }
        if duplicates.is_first(at as u32) {
            graph.insert_slice((rows.row(at), at));
        }
        let done = done.fetch_add(1, Ordering::Relaxed) + 1;
        if done.is_multiple_of(BATCH) {
            // Refining is the other half of the work.
            progress(done / 2);
        }
    };
    if parameters.threads == 1 {
        (0..points.len()).for_each(insert);
    } else {
        // Sequential at first: the first points of a parallel start would not be linked to each other.
        let first = BATCH.min(points.len());
        (0..first).for_each(insert);
        (first..points.len()).into_par_iter().for_each(insert);
    }
    if stop.load(Ordering::Relaxed) {
        return Err(IndexError::Stopped);
    }
    extract_links(&graph, points.len(), links)
}

/// Copies the links of the crate's points, which have locks and reference counts, to flat arrays.
fn extract_links(graph: &Hnsw<'_, f32, CosineDistance>, len: usize, room: usize) -> Result<Links, IndexError> {
    let indexation = graph.get_point_indexation();
    let top = if len == 0 { 0 } else { usize::from(graph.get_max_level_observed()) };
    // Row of each position on each layer above the lowest.
    let mut rows: Vec<Vec<u32>> = vec![vec![NONE; len]; top];
    let mut members: Vec<Vec<u32>> = vec![Vec::new(); top];
    // Searches start at row 0 of the top layer; any of its points is as good.
    for level in (1..=top).rev() {
        for point in indexation.get_layer_iterator(level) {
            for below in 0..level {
                rows[below][point.get_origin_id()] = members[below].len() as u32;
                members[below].push(point.get_origin_id() as u32);
            }
        }
    }
    let (width, upper_width) = (padded(2 * room), padded(room));
    let mut lowest = AlignedVec::zeros(len * width)?;
    lowest.fill(NONE);
    let mut upper = Vec::with_capacity(top);
    for (number, members) in members.iter().enumerate() {
        let below: Vec<u32> = match number {
            0 => members.clone(),
            _ => members.iter().map(|&at| rows[number - 1][at as usize]).collect(),
        };
        let mut links = AlignedVec::zeros(members.len() * upper_width)?;
        links.fill(NONE);
        upper.push(Layer {
            points: AlignedVec::from_slice(members)?,
            below: AlignedVec::from_slice(&below)?,
            links,
            width: upper_width,
        });
    }
    for level in 0..=top {
        for point in indexation.get_layer_iterator(level) {
            let at = point.get_origin_id();
            let neighbors = point.get_neighborhood_id();
            for (layer, neighbors) in neighbors.iter().enumerate().take(level + 1) {
                let row = |at: usize| if layer == 0 { at as u32 } else { rows[layer - 1][at] };
                let (links, width) = match layer {
                    0 => (&mut lowest, width),
                    _ => (&mut upper[layer - 1].links, upper_width),
                };
                let slots = &mut links[row(at) as usize * width..][..width];
                // The crate also keeps links to the points from which its searches came, which may not be on this
                // layer.
                let linked = neighbors.iter().map(|n| row(n.d_id)).filter(|&to| to != NONE && to != row(at));
                slots.iter_mut().zip(linked).for_each(|(slot, to)| *slot = to);
            }
        }
    }
    Links::new(width, lowest, upper).map_err(IndexError::BadGraph)
}
