//! Final links of the lowest layer, where a search spends nearly all of its time, from those of the draft.
//!
//! The time that `hnsw_rs` needs to insert a point grows fast with the number of candidates, and when a point has too
//! many links it drops the farthest ones, which are the long links by which searches cross the space. So it builds the
//! draft with few candidates. Then each point searches for its neighbors again, in the finished draft and with
//! `ef_construction` candidates. Its links are selected by the paper's heuristic (Malkov & Yashunin 2016, algorithm 4,
//! keeping pruned connections) from the points found, its links in the draft and the points that link to it; then each
//! link is considered in the other direction, with the same heuristic. Each step reads only what the previous one
//! wrote, so the result does not depend on the number of threads.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use rayon::prelude::*;

use super::{
    build::BATCH,
    duplicates::DuplicateGroups,
    links::{Links, NONE},
    search::{FloatMetric, SearchBuffers, SearchLimits, product_from_bits, search_layers},
};
use crate::{
    core::SimdLevel,
    index::{
        AlignedVec, IndexError, VectorTable,
        kernels::{Rows, dot, dots},
    },
};

/// A possible target of a link.
#[derive(Debug, Clone, Copy)]
struct Candidate {
    product: f32,
    at: u32,
}

/// Selects new links for every point that the draft links, from at least `ef` candidates, in the current rayon pool.
pub(super) fn refine(
    points: &VectorTable,
    duplicates: &DuplicateGroups,
    draft: Links,
    ef: usize,
    progress: &(dyn Fn(usize) + Sync),
    stop: &AtomicBool,
) -> Result<Links, IndexError> {
    let (rows, width) = (points.rows(), draft.width());
    let done = AtomicUsize::new(0);
    let reverse = reverse_links(draft.lowest(), width);
    let chosen: Vec<Vec<u32>> = (0..points.len() as u32)
        .into_par_iter()
        .map_init(SearchBuffers::default, |buffers, at| {
            if stop.load(Ordering::Relaxed) {
                return Vec::new();
            }
            let done = done.fetch_add(1, Ordering::Relaxed) + 1;
            if done.is_multiple_of(BATCH) {
                progress((points.len() + done) / 2);
            }
            if !duplicates.is_first(at) {
                return Vec::new();
            }
            let query = rows.row(at as usize);
            let mut metric = FloatMetric { simd: SimdLevel::best(), query, rows, products: Vec::new() };
            search_layers(&draft, &mut metric, SearchLimits { ef, budget: usize::MAX }, |_| true, buffers);
            let mut selection = LinkSelection { of: at, rows, candidates: Vec::with_capacity(2 * ef) };
            let found = buffers.found().map(|(bits, at)| Candidate { product: product_from_bits(bits), at });
            selection.candidates.extend(found);
            selection.add(draft.slots(at).iter().copied().take_while(|&link| link != NONE));
            selection.add(reverse[at as usize].iter().copied());
            selection.select(duplicates.free_slots(at, width))
        })
        .collect();
    if stop.load(Ordering::Relaxed) {
        return Err(IndexError::Stopped);
    }
    let mut lowest = AlignedVec::zeros(points.len() * width)?;
    for (slots, chosen) in lowest.chunks_exact_mut(width).zip(&chosen) {
        slots.fill(NONE);
        slots[..chosen.len()].copy_from_slice(chosen);
    }
    let reverse = reverse_links(&lowest, width);
    lowest.par_chunks_exact_mut(width).zip(&chosen).zip(&reverse).zip(0..points.len() as u32).for_each(
        |(((slots, chosen), reverse), at)| {
            let mut selection = LinkSelection { of: at, rows, candidates: Vec::new() };
            selection.add(chosen.iter().copied());
            selection.add(reverse.iter().copied());
            slots.fill(NONE);
            let selected = selection.select(duplicates.free_slots(at, width));
            slots.iter_mut().zip(selected).for_each(|(slot, at)| *slot = at);
        },
    );
    draft.with_lowest(lowest).map_err(IndexError::BadGraph)
}

/// Selection of the links of one point.
struct LinkSelection<'a> {
    of: u32,
    rows: Rows<'a, f32>,
    candidates: Vec<Candidate>,
}

impl LinkSelection<'_> {
    fn add(&mut self, at: impl Iterator<Item = u32>) {
        let at: Vec<u32> = at.collect();
        let mut products = Vec::new();
        dots(SimdLevel::best(), self.rows.row(self.of as usize), self.rows, &at, &mut products);
        self.candidates.extend(at.into_iter().zip(products).map(|(at, product)| Candidate { product, at }));
    }

    /// Selects at most `room` links: first candidates that are nearer to the point than to any selected one, so that
    /// links lead in all directions; then the nearest of the others.
    fn select(mut self, room: usize) -> Vec<u32> {
        let simd = SimdLevel::best();
        self.candidates.sort_unstable_by(|a, b| b.product.total_cmp(&a.product).then(a.at.cmp(&b.at)));
        self.candidates.dedup_by_key(|candidate| candidate.at);
        self.candidates.retain(|candidate| candidate.at != self.of);
        if self.candidates.len() <= room {
            return self.candidates.iter().map(|candidate| candidate.at).collect();
        }
        let mut selected: Vec<u32> = Vec::with_capacity(room);
        let mut pruned = Vec::new();
        for candidate in &self.candidates {
            if selected.len() == room {
                break;
            }
            let row = self.rows.row(candidate.at as usize);
            let shadowed = |other: &u32| dot(simd, row, self.rows.row(*other as usize)) >= candidate.product;
            if selected.iter().any(shadowed) { pruned.push(candidate.at) } else { selected.push(candidate.at) }
        }
        let left = room - selected.len();
        selected.extend(pruned.into_iter().take(left));
        selected
    }
}

/// Positions that link to each point on the lowest layer.
fn reverse_links(lowest: &[u32], width: usize) -> Vec<Vec<u32>> {
    let mut reverse = vec![Vec::new(); lowest.len() / width];
    for (from, links) in lowest.chunks_exact(width).enumerate() {
        for &to in links.iter().take_while(|&&to| to != NONE) {
            reverse[to as usize].push(from as u32);
        }
    }
    reverse
}
