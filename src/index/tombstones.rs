//! Which positions of an index are deleted: a bit set in shared pieces, so that a copy with one more deleted point
//! costs one piece and not the whole set.

use std::sync::Arc;

/// Bits of a piece.
const PIECE: usize = 1 << 15;

/// Deleted positions. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(super) struct Tombstones {
    pieces: Vec<Option<Arc<[u64; PIECE / 64]>>>,
    count: usize,
}

impl Tombstones {
    /// Whether the point at `position` is deleted.
    #[inline(always)]
    pub(super) fn contains(&self, position: usize) -> bool {
        match self.pieces.get(position / PIECE) {
            Some(Some(piece)) => piece[position % PIECE / 64] >> (position % 64) & 1 == 1,
            _ => false,
        }
    }

    /// Marks the point at `position` as deleted.
    pub(super) fn insert(&mut self, position: usize) {
        if self.contains(position) {
            return;
        }
        let piece = position / PIECE;
        if self.pieces.len() <= piece {
            self.pieces.resize(piece + 1, None);
        }
        let piece = self.pieces[piece].get_or_insert_with(|| Arc::new([0; PIECE / 64]));
        Arc::make_mut(piece)[position % PIECE / 64] |= 1 << (position % 64);
        self.count += 1;
    }

    /// Number of deleted positions.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// Bytes in memory.
    pub(super) fn bytes(&self) -> usize {
        self.pieces.iter().flatten().count() * PIECE / 8
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn clone_does_not_see_later_deletions() {
        let mut deleted = Tombstones::default();
        let mut model = BTreeSet::new();
        for position in [0, 63, 64, PIECE - 1, PIECE, 5 * PIECE + 7, 64, 0] {
            let before = deleted.clone();
            deleted.insert(position);
            assert_eq!(before.contains(position), model.contains(&position));
            model.insert(position);
            assert_eq!(deleted.count(), model.len());
            assert!((0..6 * PIECE).all(|p| deleted.contains(p) == model.contains(&p)));
        }
    }
}
