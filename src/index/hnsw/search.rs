//! Search of the graph: greedily from the entry point down to the lowest layer, and there with a pool of the nearest
//! points found so far, until the neighbors of all of them have been compared with the query (Malkov & Yashunin 2016,
//! algorithms 2 and 5).
//!
//! A candidate is one u64, so that the pool is a sorted array of integers: the distance to the query, in bits that sort
//! as the distance does, then the position, whether it may be in the result, and whether its neighbors have been
//! compared. The pool keeps every point nearer than the `ef`-th one that may be in the result. Without a filter that is
//! `ef` points and the search is the paper's. With a filter, the search also traverses points that may not be in the
//! result, because they may be the only bridge to others. They neither count towards `ef` nor change the stop
//! condition.

use super::links::{Links, NONE};
use crate::{
    core::SimdLevel,
    index::kernels::{Rows, code_dots, dots, prefetch},
};

/// Flag of a candidate that may be in the result.
const ADMITTED: u64 = 2;

/// Flag of a candidate whose neighbors have been compared with the query.
const EXPANDED: u64 = 1;

/// Distances of points to the query, as u32 that sort as the distances do.
pub(super) trait Metric {
    /// Writes the distances of the points at `at` to `out`, in that order.
    fn distances(&mut self, at: &[u32], out: &mut Vec<u32>);
    /// Prefetches a point that will be compared soon.
    fn prefetch(&self, at: u32);
}

/// Distances of f32 vectors.
pub(super) struct FloatMetric<'a> {
    pub(super) simd: SimdLevel,
    /// `[stride]`
    pub(super) query: &'a [f32],
    pub(super) rows: Rows<'a, f32>,
    pub(super) products: Vec<f32>,
}

/// Distances of quantized vectors.
pub(super) struct ByteMetric<'a> {
    pub(super) simd: SimdLevel,
    /// `[stride]`
    pub(super) query: &'a [i8],
    pub(super) rows: Rows<'a, u8>,
    pub(super) products: Vec<i32>,
}

impl Metric for FloatMetric<'_> {
    #[inline(always)]
    fn distances(&mut self, at: &[u32], out: &mut Vec<u32>) {
        dots(self.simd, self.query, self.rows, at, &mut self.products);
        out.clear();
        out.extend(self.products.iter().map(|product| distance_bits(*product)));
    }

    #[inline(always)]
    fn prefetch(&self, at: u32) {
        self.rows.prefetch(at as usize, FLOAT_LINES);
    }
}

impl Metric for ByteMetric<'_> {
    #[inline(always)]
    fn distances(&mut self, at: &[u32], out: &mut Vec<u32>) {
        code_dots(self.simd, self.query, self.rows, at, &mut self.products);
        out.clear();
        out.extend(self.products.iter().map(|product| !(product.cast_unsigned() ^ SIGN)));
    }

    #[inline(always)]
    fn prefetch(&self, at: u32) {
        self.rows.prefetch(at as usize, BYTE_LINES);
    }
}

/// Cache lines of a vector that are prefetched; the processor's own prefetcher continues from there.
const FLOAT_LINES: usize = 8;
const BYTE_LINES: usize = 8;

const SIGN: u32 = 1 << 31;

/// Maps an inner product to bits that sort in reverse: the larger the product, the smaller the distance.
#[inline(always)]
fn distance_bits(product: f32) -> u32 {
    let bits = product.to_bits();
    // As integers, negative floats sort in reverse and positive ones in order.
    !(if bits & SIGN != 0 { !bits } else { bits | SIGN })
}

/// Inverse of [`distance_bits`].
#[inline(always)]
pub(super) fn product_from_bits(distance: u32) -> f32 {
    let sorted = !distance;
    f32::from_bits(if sorted & SIGN != 0 { sorted ^ SIGN } else { !sorted })
}

/// Points that a search has visited: one byte each, which is the number of the search that visited it last.
#[derive(Debug, Default)]
struct Visited {
    search: u8,
    last: Vec<u8>,
}

impl Visited {
    /// Starts a search of `len` points.
    fn start(&mut self, len: usize) {
        if self.last.len() != len || self.search == u8::MAX {
            self.last.clear();
            self.last.resize(len, 0);
            self.search = 0;
        }
        self.search += 1;
    }

    /// Marks a point as visited. Returns whether it was not before.
    #[inline(always)]
    fn insert(&mut self, at: u32) -> bool {
        std::mem::replace(&mut self.last[at as usize], self.search) != self.search
    }
}

/// Buffers of a search, reused by later searches.
#[derive(Debug, Default)]
pub(super) struct SearchBuffers {
    visited: Visited,
    pool: Vec<u64>,
    fresh: Vec<u32>,
    distances: Vec<u32>,
}

impl SearchBuffers {
    /// Bytes in memory.
    pub(super) fn bytes(&self) -> usize {
        self.visited.last.capacity() + 8 * self.pool.capacity()
    }

    /// Admitted points of the last search: distance bits and positions, nearest first.
    pub(super) fn found(&self) -> impl Iterator<Item = (u32, u32)> {
        let admitted = self.pool.iter().filter(|candidate| **candidate & ADMITTED != 0);
        admitted.map(|candidate| ((candidate >> 32) as u32, (*candidate as u32) >> 2))
    }
}

/// How far a search goes.
#[derive(Debug, Clone, Copy)]
pub(super) struct SearchLimits {
    /// Number of admitted points that are kept.
    pub(super) ef: usize,
    /// Number of points that are compared before the search gives up.
    pub(super) budget: usize,
}

/// Searches the graph for the `ef` nearest points that `admit` accepts, and leaves them in the pool of `buffers`.
/// Returns `false` if the budget was exhausted.
pub(super) fn search_layers(
    links: &Links,
    metric: &mut impl Metric,
    limits: SearchLimits,
    admit: impl Fn(u32) -> bool,
    buffers: &mut SearchBuffers,
) -> bool {
    let SearchBuffers { visited, pool, fresh, distances } = buffers;
    pool.clear();
    if links.len() == 0 || limits.ef == 0 {
        return true;
    }
    visited.start(links.len());
    let entry = greedy_descent(links, metric, fresh, distances);
    visited.insert(entry);
    metric.distances(&[entry], distances);
    let mut admitted = 0;
    let candidate = |distance: u32, at: u32, admitted: &mut usize| {
        let inside = admit(at);
        *admitted += usize::from(inside);
        u64::from(distance) << 32 | u64::from(at) << 2 | if inside { ADMITTED } else { 0 }
    };
    pool.push(candidate(distances[0], entry, &mut admitted));
    let mut compared = 0;
    // Index of the first candidate that may not be expanded yet.
    let mut next = 0;
    while let Some(nearest) = pool.get_mut(next) {
        if *nearest & EXPANDED != 0 {
            next += 1;
            continue;
        }
        *nearest |= EXPANDED;
        let here = (*nearest as u32) >> 2;
        next += 1;
        fresh.clear();
        for &link in links.slots(here) {
            if link == NONE {
                break;
            }
            if visited.insert(link) {
                metric.prefetch(link);
                fresh.push(link);
            }
        }
        metric.distances(fresh, distances);
        compared += fresh.len();
        if compared > limits.budget {
            return false;
        }
        for (&at, &distance) in fresh.iter().zip(distances.iter()) {
            let full = admitted >= limits.ef;
            // A full pool ends with an admitted candidate.
            if full && pool.last().is_some_and(|last| u64::from(distance) << 32 | u64::from(at) << 2 >= *last) {
                continue;
            }
            let new = candidate(distance, at, &mut admitted);
            let place = pool.partition_point(|candidate| *candidate < new);
            if full
                && new & ADMITTED != 0
                && pool[pool.len().saturating_sub(2)..].iter().all(|candidate| candidate & ADMITTED != 0)
            {
                // The common case needs one move: the new candidate replaces the last one.
                let end = pool.len() - 1;
                pool.copy_within(place..end, place + 1);
                pool[place] = new;
                admitted -= 1;
            } else {
                pool.insert(place, new);
                if admitted > limits.ef {
                    pool.pop();
                    admitted -= 1;
                    while pool.last().is_some_and(|last| last & ADMITTED == 0) {
                        pool.pop();
                    }
                }
            }
            next = next.min(place);
        }
        if let Some(soon) = pool[next.min(pool.len())..].iter().find(|candidate| **candidate & EXPANDED == 0) {
            prefetch(links.slots((*soon as u32) >> 2));
        }
    }
    true
}

/// Descends greedily through the upper layers and returns the position at which it arrives on layer 0.
fn greedy_descent(links: &Links, metric: &mut impl Metric, fresh: &mut Vec<u32>, distances: &mut Vec<u32>) -> u32 {
    let mut row = 0;
    for layer in links.upper().iter().rev() {
        metric.distances(&[layer.points[row as usize]], distances);
        let mut distance = distances[0];
        loop {
            let near = layer.slots(row);
            let near = &near[..near.iter().position(|&link| link == NONE).unwrap_or(near.len())];
            fresh.clear();
            fresh.extend(near.iter().map(|&link| layer.points[link as usize]));
            fresh.iter().for_each(|&at| metric.prefetch(at));
            metric.distances(fresh, distances);
            match distances.iter().zip(near).min() {
                Some((&nearer, &link)) if nearer < distance => (distance, row) = (nearer, link),
                _ => break,
            }
        }
        row = layer.below[row as usize];
    }
    row
}
