//! Points that no link leads to would never be found by a walk. Here each gets a link from a point near it, in place of one
//! that is not needed to reach another; and then equal points are hung to the first of them.

use super::{
    super::vectors::Points,
    duplicates::Twins,
    links::{Links, NONE},
    search::{Floats, Reach, Scratch, walk},
};

use crate::core::Isa;

/// Candidates for the one link that leads to an orphan.
const EF: usize = 64;

/// Makes every point reachable from where walks begin.
pub(super) fn connect(points: &Points, twins: &Twins, mut links: Links) -> Links {
    let mut tree = Tree::of(&links);
    let mut scratch = Scratch::default();
    let mut last = links.entry();
    for orphan in (0..points.len() as u32).filter(|&at| twins.is_first(at)) {
        if tree.reached(orphan) {
            continue;
        }
        let rows = points.rows();
        let query = rows.row(orphan as usize);
        let mut metric = Floats { isa: Isa::best(), query, rows, products: Vec::new() };
        walk(&links, &mut metric, Reach { ef: EF, budget: usize::MAX }, |_| true, &mut scratch);
        // The walk came down from an upper layer, perhaps to where nothing else leads. The orphan that was linked last has
        // links to spare, whatever the others have.
        let near: Vec<u32> = scratch.found().map(|(_, at)| at).filter(|&at| tree.reached(at)).chain([last]).collect();
        let room = |at| twins.room(at, links.width());
        let free = near.into_iter().find_map(|from| Some((from, tree.spare(&links.of(from)[..room(from)], from)?)));
        let Some((from, slot)) = free else { continue };
        links.of_mut(from)[slot] = orphan;
        tree.hang(&links, orphan, from);
        last = orphan;
    }
    twins.hang(&mut links);
    links
}

/// How many points no walk on the lowest layer can reach.
pub(super) fn orphans(links: &Links) -> usize {
    let tree = Tree::of(links);
    (0..links.len() as u32).filter(|&at| !tree.reached(at)).count()
}

/// Which link leads to each point that can be reached: the point it comes from.
struct Tree(Vec<u32>);

impl Tree {
    fn of(links: &Links) -> Self {
        let mut tree = Self(vec![NONE; links.len()]);
        if links.len() > 0 {
            tree.hang(links, links.entry(), links.entry());
        }
        tree
    }

    fn reached(&self, at: u32) -> bool {
        self.0[at as usize] != NONE
    }

    /// Hangs a point below `from`, and all that is reached through it for the first time.
    fn hang(&mut self, links: &Links, at: u32, from: u32) {
        self.0[at as usize] = from;
        let mut queue = vec![at];
        while let Some(at) = queue.pop() {
            for &to in links.of(at).iter().take_while(|&&to| to != NONE) {
                if !self.reached(to) {
                    self.0[to as usize] = at;
                    queue.push(to);
                }
            }
        }
    }

    /// The last of a point's slots by which nothing hangs.
    fn spare(&self, slots: &[u32], from: u32) -> Option<usize> {
        // Links come before NONE, so a free slot is the first of those.
        if let Some(free) = slots.iter().position(|&to| to == NONE) {
            return Some(free);
        }
        slots.iter().rposition(|&to| self.0[to as usize] != from)
    }
}
