//! The walk: from the top of the graph greedily down to its lowest layer, and there with a pool of the nearest points
//! seen so far, until none of them has neighbours that were not looked at (Malkov & Yashunin 2016, algorithms 2 and 5).
//!
//! A step is one u64, so that the pool is a sorted row of integers: how far the point is, in bits that sort as the
//! distance does, then its position, whether it may be in the answer, whether its neighbours were looked at. The pool
//! holds everything nearer than the `ef`-th point that may be in the answer; without a filter that is `ef` points and the
//! walk is the paper's. With one, points that may not be in the answer are walked through all the same, for they may be
//! the only bridge, and neither count nor change the rule by which the walk stops.

use super::{
    super::kernels::{Rows, code_dots, dots, prefetch},
    links::{Links, NONE},
};

use crate::core::Isa;

const ADMITTED: u64 = 2;
const EXPANDED: u64 = 1;

/// How far points are from the query: a smaller gap is nearer.
pub(super) trait Metric {
    /// Gaps of the points at `at`, in that order.
    fn gaps(&mut self, at: &[u32], out: &mut Vec<u32>);
    /// Asks memory for a point that will be looked at soon.
    fn prefetch(&self, at: u32);
}

/// Gaps by vectors of f32.
pub(super) struct Floats<'a> {
    pub(super) isa: Isa,
    /// `[stride]`
    pub(super) query: &'a [f32],
    pub(super) rows: Rows<'a, f32>,
    pub(super) products: Vec<f32>,
}

/// Gaps by vectors of bytes.
pub(super) struct Bytes<'a> {
    pub(super) isa: Isa,
    /// `[stride]`
    pub(super) query: &'a [i8],
    pub(super) rows: Rows<'a, u8>,
    pub(super) products: Vec<i32>,
}

impl Metric for Floats<'_> {
    #[inline(always)]
    fn gaps(&mut self, at: &[u32], out: &mut Vec<u32>) {
        dots(self.isa, self.query, self.rows, at, &mut self.products);
        out.clear();
        out.extend(self.products.iter().map(|product| gap_of(*product)));
    }

    #[inline(always)]
    fn prefetch(&self, at: u32) {
        self.rows.prefetch(at as usize, FLOAT_LINES);
    }
}

impl Metric for Bytes<'_> {
    #[inline(always)]
    fn gaps(&mut self, at: &[u32], out: &mut Vec<u32>) {
        code_dots(self.isa, self.query, self.rows, at, &mut self.products);
        out.clear();
        out.extend(self.products.iter().map(|product| !(product.cast_unsigned() ^ SIGN)));
    }

    #[inline(always)]
    fn prefetch(&self, at: u32) {
        self.rows.prefetch(at as usize, BYTE_LINES);
    }
}

/// Cache lines of a vector that are asked for; the processor itself goes on from there.
const FLOAT_LINES: usize = 8;
const BYTE_LINES: usize = 8;

const SIGN: u32 = 1 << 31;

/// An inner product as bits that sort the other way round.
#[inline(always)]
fn gap_of(product: f32) -> u32 {
    let bits = product.to_bits();
    // Negative floats sort backwards as integers, positive ones forwards.
    !(if bits & SIGN != 0 { !bits } else { bits | SIGN })
}

/// The inner product that [`gap_of`] was given.
#[inline(always)]
pub(super) fn product_of(gap: u32) -> f32 {
    let sorted = !gap;
    f32::from_bits(if sorted & SIGN != 0 { sorted ^ SIGN } else { !sorted })
}

/// Which points a walk has seen: one byte each, valid if it is this walk's number.
#[derive(Debug, Default)]
struct Visited {
    walk: u8,
    seen: Vec<u8>,
}

impl Visited {
    fn begin(&mut self, len: usize) {
        if self.seen.len() != len || self.walk == u8::MAX {
            self.seen.clear();
            self.seen.resize(len, 0);
            self.walk = 0;
        }
        self.walk += 1;
    }

    /// Marks a point, and says whether it is new.
    #[inline(always)]
    fn first(&mut self, at: u32) -> bool {
        std::mem::replace(&mut self.seen[at as usize], self.walk) != self.walk
    }
}

/// What a walk writes to; kept from walk to walk.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    visited: Visited,
    pool: Vec<u64>,
    fresh: Vec<u32>,
    gaps: Vec<u32>,
}

impl Scratch {
    /// Bytes in memory.
    pub(super) fn bytes(&self) -> usize {
        self.visited.seen.capacity() + 8 * self.pool.capacity()
    }

    /// What the last walk found: gaps and positions of points that may be in the answer, nearest first.
    pub(super) fn found(&self) -> impl Iterator<Item = (u32, u32)> {
        let admitted = self.pool.iter().filter(|step| **step & ADMITTED != 0);
        admitted.map(|step| ((step >> 32) as u32, (*step as u32) >> 2))
    }
}

/// How wide a walk goes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reach {
    /// Points that may be in the answer and are kept.
    pub(super) ef: usize,
    /// Points that are looked at before the walk gives up.
    pub(super) budget: usize,
}

/// Fills the pool of `scratch` with the `ef` points nearest to the query that the graph leads to and that `admit` lets
/// through. False if the walk gave up before.
pub(super) fn walk(
    links: &Links,
    metric: &mut impl Metric,
    reach: Reach,
    admit: impl Fn(u32) -> bool,
    scratch: &mut Scratch,
) -> bool {
    let Scratch { visited, pool, fresh, gaps } = scratch;
    pool.clear();
    if links.len() == 0 || reach.ef == 0 {
        return true;
    }
    visited.begin(links.len());
    let entry = descend(links, metric, fresh, gaps);
    visited.first(entry);
    metric.gaps(&[entry], gaps);
    let mut admitted = 0;
    let step = |gap: u32, at: u32, admitted: &mut usize| {
        let inside = admit(at);
        *admitted += usize::from(inside);
        u64::from(gap) << 32 | u64::from(at) << 2 | if inside { ADMITTED } else { 0 }
    };
    pool.push(step(gaps[0], entry, &mut admitted));
    let mut looked_at = 0;
    // The first step of the pool whose neighbours were not looked at.
    let mut next = 0;
    while let Some(at) = pool.get_mut(next) {
        if *at & EXPANDED != 0 {
            next += 1;
            continue;
        }
        *at |= EXPANDED;
        let here = (*at as u32) >> 2;
        next += 1;
        fresh.clear();
        for &link in links.of(here) {
            if link == NONE {
                break;
            }
            if visited.first(link) {
                metric.prefetch(link);
                fresh.push(link);
            }
        }
        metric.gaps(fresh, gaps);
        looked_at += fresh.len();
        if looked_at > reach.budget {
            return false;
        }
        for (&at, &gap) in fresh.iter().zip(gaps.iter()) {
            let full = admitted >= reach.ef;
            // The pool ends with a step that counts when it is full.
            if full && pool.last().is_some_and(|last| u64::from(gap) << 32 | u64::from(at) << 2 >= *last) {
                continue;
            }
            let new = step(gap, at, &mut admitted);
            let place = pool.partition_point(|step| *step < new);
            if full
                && new & ADMITTED != 0
                && pool[pool.len().saturating_sub(2)..].iter().all(|step| step & ADMITTED != 0)
            {
                // The common case in one move: the last goes as this one comes.
                let end = pool.len() - 1;
                pool.copy_within(place..end, place + 1);
                pool[place] = new;
                admitted -= 1;
            } else {
                pool.insert(place, new);
                if admitted > reach.ef {
                    pool.pop();
                    admitted -= 1;
                    while pool.last().is_some_and(|last| last & ADMITTED == 0) {
                        pool.pop();
                    }
                }
            }
            next = next.min(place);
        }
        if let Some(soon) = pool[next.min(pool.len())..].iter().find(|step| **step & EXPANDED == 0) {
            prefetch(links.of((*soon as u32) >> 2));
        }
    }
    true
}

/// The position on layer 0 at which a greedy descent arrives.
fn descend(links: &Links, metric: &mut impl Metric, fresh: &mut Vec<u32>, gaps: &mut Vec<u32>) -> u32 {
    let mut row = 0;
    for layer in links.upper().iter().rev() {
        metric.gaps(&[layer.points[row as usize]], gaps);
        let mut gap = gaps[0];
        loop {
            let near = layer.of(row);
            let near = &near[..near.iter().position(|&link| link == NONE).unwrap_or(near.len())];
            fresh.clear();
            fresh.extend(near.iter().map(|&link| layer.points[link as usize]));
            fresh.iter().for_each(|&at| metric.prefetch(at));
            metric.gaps(fresh, gaps);
            match gaps.iter().zip(near).min() {
                Some((&nearer, &link)) if nearer < gap => (gap, row) = (nearer, link),
                _ => break,
            }
        }
        row = layer.below[row as usize];
    }
    row
}
