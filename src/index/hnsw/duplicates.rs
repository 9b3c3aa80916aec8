//! Duplicate points. Captions repeat, and so do their points: a fifth of a collection's captions may be the same point.
//! In a graph, duplicates would fill each other's links until no link leads out. So only the first of a group is linked
//! like any other point; it has a link to the second, which is the root of a tree of the rest. A search that reaches
//! the first finds all of them.

use std::collections::HashMap;

use super::links::{Links, NONE};
use crate::index::vectors::VectorTable;

/// Groups of points that are equal bit for bit.
pub(super) struct DuplicateGroups {
    /// First position of each position's group, `[len]`.
    first: Vec<u32>,
    /// The other positions of each group of at least two, by their first position, ascending.
    others: HashMap<u32, Vec<u32>>,
}

impl DuplicateGroups {
    pub(super) fn find(points: &VectorTable) -> Self {
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

    /// Whether a point is the first of its group, and so is linked by similarity.
    pub(super) fn is_first(&self, at: u32) -> bool {
        self.first[at as usize] == at
    }

    /// How many of a point's `width` link slots are for points outside its group.
    pub(super) fn free_slots(&self, at: u32, width: usize) -> usize {
        width - usize::from(self.others.contains_key(&at))
    }

    /// Links each first point to its duplicates.
    pub(super) fn attach(&self, links: &mut Links) {
        let width = links.width();
        for (&first, others) in &self.others {
            let slots = links.slots_mut(first);
            // Links precede empty slots. If all are taken, the last one was reserved for this link.
            let free = slots.iter().position(|&to| to == NONE).unwrap_or(width - 1);
            slots[free] = others[0];
            // The tree is laid out as a heap with `width` children for each node.
            for (n, &at) in others.iter().enumerate() {
                let children = others.iter().skip(n * width + 1).take(width);
                links.slots_mut(at).iter_mut().zip(children).for_each(|(slot, &child)| *slot = child);
            }
        }
    }
}
