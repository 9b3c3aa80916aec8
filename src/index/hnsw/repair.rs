//! Repair of unreachable points. A search could never find a point to which no path leads. Each of them gets a link
//! from a point near it, in place of a link that is not needed to reach another point. Then duplicates are attached to
//! the first of their group.

use super::{
    duplicates::DuplicateGroups,
    links::{Links, NONE},
    search::{FloatMetric, SearchBuffers, SearchLimits, search_layers},
};
use crate::{core::SimdLevel, index::vectors::VectorTable};

/// Candidates for the source of an orphan's link.
const EF: usize = 64;

/// Makes every point reachable from the entry point.
pub(super) fn connect_orphans(points: &VectorTable, duplicates: &DuplicateGroups, mut links: Links) -> Links {
    let mut tree = SpanningTree::new(&links);
    let mut buffers = SearchBuffers::default();
    let mut last = links.entry_point();
    for orphan in (0..points.len() as u32).filter(|&at| duplicates.is_first(at)) {
        if tree.reaches(orphan) {
            continue;
        }
        let rows = points.rows();
        let query = rows.row(orphan as usize);
        let mut metric = FloatMetric { simd: SimdLevel::best(), query, rows, products: Vec::new() };
        search_layers(&links, &mut metric, SearchLimits { ef: EF, budget: usize::MAX }, |_| true, &mut buffers);
        // The search descended from an upper layer, possibly to a part that layer 0 does not reach. The orphan that was
        // connected last always has a slot to spare.
        let near: Vec<u32> = buffers.found().map(|(_, at)| at).filter(|&at| tree.reaches(at)).chain([last]).collect();
        let source = near.into_iter().find_map(|from| {
            let slots = &links.slots(from)[..duplicates.free_slots(from, links.width())];
            Some((from, tree.spare_slot(slots, from)?))
        });
        let Some((from, slot)) = source else { continue };
        links.slots_mut(from)[slot] = orphan;
        tree.attach(&links, orphan, from);
        last = orphan;
    }
    duplicates.attach(&mut links);
    links
}

/// Number of points that no path on the lowest layer reaches.
pub(super) fn count_orphans(links: &Links) -> usize {
    let tree = SpanningTree::new(links);
    (0..links.len() as u32).filter(|&at| !tree.reaches(at)).count()
}

/// A spanning tree of the points that the entry point reaches on layer 0: the parent of each point, or [`NONE`].
struct SpanningTree(Vec<u32>);

impl SpanningTree {
    fn new(links: &Links) -> Self {
        let mut tree = Self(vec![NONE; links.len()]);
        if links.len() > 0 {
            tree.attach(links, links.entry_point(), links.entry_point());
        }
        tree
    }

    fn reaches(&self, at: u32) -> bool {
        self.0[at as usize] != NONE
    }

    /// Adds a point as a child of `parent`, and every point that becomes reachable through it.
    fn attach(&mut self, links: &Links, at: u32, parent: u32) {
        self.0[at as usize] = parent;
        let mut queue = vec![at];
        while let Some(at) = queue.pop() {
            for &to in links.slots(at).iter().take_while(|&&to| to != NONE) {
                if !self.reaches(to) {
                    self.0[to as usize] = at;
                    queue.push(to);
                }
            }
        }
    }

    /// A slot of `from` that is empty or, failing that, the last whose link is not an edge of the tree.
    fn spare_slot(&self, slots: &[u32], from: u32) -> Option<usize> {
        // Links precede empty slots.
        if let Some(empty) = slots.iter().position(|&to| to == NONE) {
            return Some(empty);
        }
        slots.iter().rposition(|&to| self.0[to as usize] != from)
    }
}
