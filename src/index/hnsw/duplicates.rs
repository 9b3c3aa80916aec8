//! Equal points. Captions repeat, and so do their points: a fifth of all words of a collection may be one point. In a graph
//! they would fill each other's links until no link leads out, so only the first of them is linked like any other point;
//! it leads to the second, and that one, as the root of a tree, to the rest. A walk that comes near finds all of them.

use std::collections::HashMap;

use super::{super::vectors::Points, links::Links};

/// Which points equal which, bit by bit.
pub(super) struct Twins {
    /// For each position the first one with an equal point, `[len]`.
    first: Vec<u32>,
    /// For each first one that has twins, the others, ascending.
    others: HashMap<u32, Vec<u32>>,
}

impl Twins {
    pub(super) fn of(points: &Points) -> Self {
        let rows = points.rows();
        let mut known: HashMap<&[u8], u32> = HashMap::with_capacity(points.len());
        let mut others: HashMap<u32, Vec<u32>> = HashMap::new();
        let first = (0..points.len() as u32)
            .map(|at| {
                let first = *known.entry(bytemuck::cast_slice(rows.row(at as usize))).or_insert(at);
                if first != at {
                    others.entry(first).or_default().push(at);
                }
                first
            })
            .collect();
        Self { first, others }
    }

    /// Whether the graph links this point like any other.
    pub(super) fn is_first(&self, at: u32) -> bool {
        self.first[at as usize] == at
    }

    /// How many of its `width` links lead to other than equal points.
    pub(super) fn room(&self, at: u32, width: usize) -> usize {
        width - usize::from(self.others.contains_key(&at))
    }

    /// Links each first point to its twins.
    pub(super) fn hang(&self, links: &mut Links) {
        let width = links.width();
        for (&first, others) in &self.others {
            let slots = links.of_mut(first);
            // A slot may only be filled if those before it are; the last one was kept free.
            let free = slots.iter().position(|&to| to == super::links::NONE).unwrap_or(width - 1);
            slots[free] = others[0];
            // As in a heap with `width` children.
            for (n, &at) in others.iter().enumerate() {
                let children = others.iter().skip(n * width + 1).take(width);
                links.of_mut(at).iter_mut().zip(children).for_each(|(slot, &child)| *slot = child);
            }
        }
    }
}
