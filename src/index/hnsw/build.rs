//! `hnsw_rs` links the points; what it finds is taken out into [`Links`].
//!
//! Its distance is our own. The crate's `DistDot` panics on honest unit vectors whose product rounds above 1, and its
//! `DistCosine` calls a NaN identical; [`UnitVector`](crate::core::UnitVector) makes NaN impossible and [`AngularGap`]
//! clamps the rounding. Everything runs in the caller's pool, the crate's clean-up too: it uses whatever pool it is in.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use hnsw_rs::prelude::{Distance, Hnsw};
use rayon::prelude::*;

use super::{
    super::{IndexError, aligned::Table, kernels::dot, vectors::Points},
    GraphParameters,
    duplicates::Twins,
    links::{Layer, Links, NONE, padded},
};

use crate::core::Isa;

/// Layers that `hnsw_rs` insists on.
const MAX_LAYER: usize = 16;

/// More links a point end the process inside `hnsw_rs`.
pub(super) const MAX_LINKS: usize = 256;

/// Points between two reports of progress.
pub(super) const BATCH: usize = 1024;

/// `1 - cosine` of unit vectors, never below 0.
#[derive(Debug, Clone, Copy)]
struct AngularGap(Isa);

impl Distance<f32> for AngularGap {
    fn eval(&self, a: &[f32], b: &[f32]) -> f32 {
        (1.0 - dot(self.0, a, b)).max(0.0)
    }
}

/// Links the points on the current pool, the first of equal ones alone, with fewer candidates than were asked for: [`refine`](super::refine) has the rest.
pub(super) fn draft(
    points: &Points,
    twins: &Twins,
    parameters: &GraphParameters,
    progress: &(dyn Fn(usize) + Sync),
    stop: &AtomicBool,
) -> Result<Links, IndexError> {
    let links = parameters.links.clamp(2, MAX_LINKS);
    let ef = (parameters.ef_construction / 4).max(3 * links);
    let graph = Hnsw::new(links, points.len().max(1), MAX_LAYER, ef, AngularGap(Isa::best()));
    let rows = points.rows();
    let done = AtomicUsize::new(0);
    let insert = |at: usize| {
        if stop.load(Ordering::Relaxed) {
            return;
        }
        if twins.is_first(at as u32) {
            graph.insert_slice((rows.row(at), at));
        }
        let done = done.fetch_add(1, Ordering::Relaxed) + 1;
        if done.is_multiple_of(BATCH) {
            // The other half is to choose the links anew.
            progress(done / 2);
        }
    };
    if parameters.threads == 1 {
        (0..points.len()).for_each(insert);
    } else {
        // One after another at first: a parallel start would link points that do not see each other yet.
        let first = BATCH.min(points.len());
        (0..first).for_each(insert);
        (first..points.len()).into_par_iter().for_each(insert);
    }
    if stop.load(Ordering::Relaxed) {
        return Err(IndexError::Stopped);
    }
    take_out(&graph, points.len(), links)
}

/// From the crate's points, which hold locks and counted pointers, to flat rows.
fn take_out(graph: &Hnsw<'_, f32, AngularGap>, len: usize, room: usize) -> Result<Links, IndexError> {
    let indexation = graph.get_point_indexation();
    let top = if len == 0 { 0 } else { usize::from(graph.get_max_level_observed()) };
    // On each layer above the lowest, the row of each position.
    let mut rows: Vec<Vec<u32>> = vec![vec![NONE; len]; top];
    let mut members: Vec<Vec<u32>> = vec![Vec::new(); top];
    // Walks begin at row 0 of the top layer; any of its points will do.
    for level in (1..=top).rev() {
        for point in indexation.get_layer_iterator(level) {
            for below in 0..level {
                rows[below][point.get_origin_id()] = members[below].len() as u32;
                members[below].push(point.get_origin_id() as u32);
            }
        }
    }
    let (width, upper_width) = (padded(2 * room), padded(room));
    let mut lowest = Table::zeros(len * width)?;
    lowest.fill(NONE);
    let mut upper = Vec::with_capacity(top);
    for (number, members) in members.iter().enumerate() {
        let below: Vec<u32> = match number {
            0 => members.clone(),
            _ => members.iter().map(|&at| rows[number - 1][at as usize]).collect(),
        };
        let mut links = Table::zeros(members.len() * upper_width)?;
        links.fill(NONE);
        upper.push(Layer { points: Table::of(members)?, below: Table::of(&below)?, links, width: upper_width });
    }
    for level in 0..=top {
        for point in indexation.get_layer_iterator(level) {
            let at = point.get_origin_id();
            let neighbours = point.get_neighborhood_id();
            for (layer, neighbours) in neighbours.iter().enumerate().take(level + 1) {
                let row = |at: usize| if layer == 0 { at as u32 } else { rows[layer - 1][at] };
                let (links, width) = match layer {
                    0 => (&mut lowest, width),
                    _ => (&mut upper[layer - 1].links, upper_width),
                };
                let slots = &mut links[row(at) as usize * width..][..width];
                // The crate also keeps links to where its own walks came from, which may be on no such layer.
                let linked = neighbours.iter().map(|n| row(n.d_id)).filter(|&to| to != NONE && to != row(at));
                slots.iter_mut().zip(linked).for_each(|(slot, to)| *slot = to);
            }
        }
    }
    Links::new(width, lowest, upper).map_err(IndexError::BadGraph)
}
