//! From a draft of the lowest layer, where nearly all of a walk happens, to its final links.
//!
//! `hnsw_rs` is slow for each candidate that it keeps while it links a point in, and when a point has more links than
//! there is room for it drops the farthest, and with it the long links by which walks cross the space. So it drafts the
//! graph with few candidates, and each point looks once more for its neighbours, in the finished draft and with all the
//! candidates that were asked for. Its links are chosen by the paper's heuristic (Malkov & Yashunin 2016, algorithm 4,
//! keeping pruned connections) among what it finds, the links it had and the points that link to it; then each link is
//! offered the other way round, under the same heuristic. Each step reads only what the one before it wrote, so the
//! result does not depend on the number of threads.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use rayon::prelude::*;

use super::{
    super::{
        IndexError,
        aligned::Table,
        kernels::{Rows, dot, dots},
        vectors::Points,
    },
    build::BATCH,
    duplicates::Twins,
    links::{Links, NONE},
    search::{Floats, Reach, Scratch, product_of, walk},
};

use crate::core::Isa;

/// A point that another may be linked to.
#[derive(Debug, Clone, Copy)]
struct Candidate {
    product: f32,
    at: u32,
}

/// Links all points anew that the draft has linked, on the current pool, each among at least `ef` candidates.
pub(super) fn refine(
    points: &Points,
    twins: &Twins,
    draft: Links,
    ef: usize,
    progress: &(dyn Fn(usize) + Sync),
    stop: &AtomicBool,
) -> Result<Links, IndexError> {
    let (rows, width) = (points.rows(), draft.width());
    let done = AtomicUsize::new(0);
    let reverse = reversed(draft.lowest(), width);
    let chosen: Vec<Vec<u32>> = (0..points.len() as u32)
        .into_par_iter()
        .map_init(Scratch::default, |scratch, at| {
            if stop.load(Ordering::Relaxed) {
                return Vec::new();
            }
            let done = done.fetch_add(1, Ordering::Relaxed) + 1;
            if done.is_multiple_of(BATCH) {
                progress((points.len() + done) / 2);
            }
            if !twins.is_first(at) {
                return Vec::new();
            }
            let query = rows.row(at as usize);
            let mut metric = Floats { isa: Isa::best(), query, rows, products: Vec::new() };
            walk(&draft, &mut metric, Reach { ef, budget: usize::MAX }, |_| true, scratch);
            let mut near = Near { of: at, rows, candidates: Vec::with_capacity(2 * ef) };
            near.candidates.extend(scratch.found().map(|(gap, at)| Candidate { product: product_of(gap), at }));
            near.add(draft.of(at).iter().copied().take_while(|&link| link != NONE));
            near.add(reverse[at as usize].iter().copied());
            near.choose(twins.room(at, width))
        })
        .collect();
    if stop.load(Ordering::Relaxed) {
        return Err(IndexError::Stopped);
    }
    let mut lowest = Table::zeros(points.len() * width)?;
    for (slots, chosen) in lowest.chunks_exact_mut(width).zip(&chosen) {
        slots.fill(NONE);
        slots[..chosen.len()].copy_from_slice(chosen);
    }
    let reverse = reversed(&lowest, width);
    lowest.par_chunks_exact_mut(width).zip(&chosen).zip(&reverse).zip(0..points.len() as u32).for_each(
        |(((slots, chosen), reverse), at)| {
            let mut near = Near { of: at, rows, candidates: Vec::new() };
            near.add(chosen.iter().copied());
            near.add(reverse.iter().copied());
            slots.fill(NONE);
            slots.iter_mut().zip(near.choose(twins.room(at, width))).for_each(|(slot, at)| *slot = at);
        },
    );
    draft.with_lowest(lowest).map_err(IndexError::BadGraph)
}

/// What a point may be linked to.
struct Near<'a> {
    of: u32,
    rows: Rows<'a, f32>,
    candidates: Vec<Candidate>,
}

impl Near<'_> {
    fn add(&mut self, at: impl Iterator<Item = u32>) {
        let at: Vec<u32> = at.collect();
        let mut products = Vec::new();
        dots(Isa::best(), self.rows.row(self.of as usize), self.rows, &at, &mut products);
        self.candidates.extend(at.into_iter().zip(products).map(|(at, product)| Candidate { product, at }));
    }

    /// At most `room` links: first those nearer to the point than to any that was chosen before, so that they lead in
    /// all directions; then the nearest of the others.
    fn choose(mut self, room: usize) -> Vec<u32> {
        let isa = Isa::best();
        self.candidates.sort_unstable_by(|a, b| b.product.total_cmp(&a.product).then(a.at.cmp(&b.at)));
        self.candidates.dedup_by_key(|candidate| candidate.at);
        self.candidates.retain(|candidate| candidate.at != self.of);
        if self.candidates.len() <= room {
            return self.candidates.iter().map(|candidate| candidate.at).collect();
        }
        let mut chosen: Vec<u32> = Vec::with_capacity(room);
        let mut pruned = Vec::new();
        for candidate in &self.candidates {
            if chosen.len() == room {
                break;
            }
            let row = self.rows.row(candidate.at as usize);
            let shadowed = |other: &u32| dot(isa, row, self.rows.row(*other as usize)) >= candidate.product;
            if chosen.iter().any(shadowed) { pruned.push(candidate.at) } else { chosen.push(candidate.at) }
        }
        let left = room - chosen.len();
        chosen.extend(pruned.into_iter().take(left));
        chosen
    }
}

/// Who links to each point, on the lowest layer.
fn reversed(lowest: &[u32], width: usize) -> Vec<Vec<u32>> {
    let mut reverse = vec![Vec::new(); lowest.len() / width];
    for (from, links) in lowest.chunks_exact(width).enumerate() {
        for &to in links.iter().take_while(|&&to| to != NONE) {
            reverse[to as usize].push(from as u32);
        }
    }
    reverse
}
