//! The links of a graph: flat arrays of u32, with one stride for each layer.

use crate::index::{aligned::AlignedVec, kernels::LINE};

/// Fills the unused link slots of a point.
pub(in crate::index) const NONE: u32 = u32::MAX;

/// The links of a graph. Layer 0 has every point; each layer above has a few points of the one below.
#[derive(Debug)]
pub(in crate::index) struct Links {
    /// Link slots of a point on layer 0.
    width: usize,
    /// `[len, width]`: positions of neighbors, then [`NONE`].
    lowest: AlignedVec<u32>,
    /// Layers from 1 upwards.
    upper: Vec<Layer>,
}

/// A layer above the lowest. Its points are addressed by row.
#[derive(Debug)]
pub(in crate::index) struct Layer {
    /// Position of each row's point, `[rows]`.
    pub(in crate::index) points: AlignedVec<u32>,
    /// Row of each point on the layer below, `[rows]`; on layer 1 its position.
    pub(in crate::index) below: AlignedVec<u32>,
    /// `[rows, width]`: rows of neighbors, then [`NONE`].
    pub(in crate::index) links: AlignedVec<u32>,
    /// Link slots of a point.
    pub(in crate::index) width: usize,
}

impl Layer {
    /// Link slots of a row.
    #[inline(always)]
    pub(super) fn slots(&self, row: u32) -> &[u32] {
        slots_of(&self.links, self.width, row)
    }
}

#[inline(always)]
fn slots_of(links: &[u32], width: usize, at: u32) -> &[u32] {
    &links[at as usize * width..][..width]
}

/// Number of slots for `links` links that fills whole cache lines.
pub(in crate::index) fn padded(links: usize) -> usize {
    links.next_multiple_of(LINE / size_of::<u32>()).max(LINE / size_of::<u32>())
}

impl Links {
    /// Creates a graph and checks that every link leads to a point of its layer, so that a search cannot leave it.
    ///
    /// # Errors
    /// A description of the first inconsistency.
    pub(in crate::index) fn new(width: usize, lowest: AlignedVec<u32>, upper: Vec<Layer>) -> Result<Self, String> {
        if width == 0 || !lowest.len().is_multiple_of(width) {
            return Err(format!("{} links are not rows of {width}", lowest.len()));
        }
        let len = lowest.len() / width;
        check_targets(&lowest, len, true, 0)?;
        let mut rows_below = len;
        for (layer, number) in upper.iter().zip(1..) {
            let rows = layer.points.len();
            if rows == 0 || rows > rows_below || layer.below.len() != rows || layer.links.len() != rows * layer.width {
                return Err(format!(
                    "the arrays of layer {number} do not fit its {rows} points and the {rows_below} below"
                ));
            }
            check_targets(&layer.points, len, false, number)?;
            check_targets(&layer.below, rows_below, false, number)?;
            check_targets(&layer.links, rows, true, number)?;
            rows_below = rows;
        }
        Ok(Self { width, lowest, upper })
    }

    /// Replaces the lowest layer.
    ///
    /// # Errors
    /// Same as [`Self::new`].
    pub(super) fn with_lowest(self, lowest: AlignedVec<u32>) -> Result<Self, String> {
        Self::new(self.width, lowest, self.upper)
    }

    #[inline]
    pub(in crate::index) fn len(&self) -> usize {
        self.lowest.len() / self.width
    }

    #[inline]
    pub(in crate::index) fn width(&self) -> usize {
        self.width
    }

    #[inline]
    pub(in crate::index) fn lowest(&self) -> &AlignedVec<u32> {
        &self.lowest
    }

    #[inline]
    pub(in crate::index) fn upper(&self) -> &[Layer] {
        &self.upper
    }

    /// Link slots of the point at `position` on layer 0; the first [`NONE`] ends the links.
    #[inline(always)]
    pub(super) fn slots(&self, position: u32) -> &[u32] {
        slots_of(&self.lowest, self.width, position)
    }

    /// Mutable [`Self::slots`].
    pub(super) fn slots_mut(&mut self, position: u32) -> &mut [u32] {
        &mut self.lowest[position as usize * self.width..][..self.width]
    }

    /// The position at which every search starts.
    #[inline]
    pub(super) fn entry_point(&self) -> u32 {
        self.upper.last().map_or(0, |layer| layer.points[0])
    }

    /// Bytes in memory.
    pub(in crate::index) fn bytes(&self) -> usize {
        let upper = self.upper.iter().flat_map(|layer| [&layer.points, &layer.below, &layer.links]);
        self.lowest.as_bytes().len() + upper.map(|array| array.as_bytes().len()).sum::<usize>()
    }
}

fn check_targets(links: &[u32], len: usize, or_none: bool, layer: usize) -> Result<(), String> {
    match links.iter().find(|&&link| link as usize >= len && !(or_none && link == NONE)) {
        Some(link) => Err(format!("layer {layer} has {len} points and a link to {link}")),
        None => Ok(()),
    }
}
