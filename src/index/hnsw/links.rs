//! Who is linked to whom, flat: u32 in a few arrays, with one stride a layer.

use super::super::{aligned::Table, kernels::LINE};

/// Stands where a point has fewer links than its layer has room for.
pub(in crate::index) const NONE: u32 = u32::MAX;

/// The links of a graph. Layer 0 holds every point; each layer above holds a few of the one below.
#[derive(Debug)]
pub(in crate::index) struct Links {
    /// Room for links of a point on layer 0.
    width: usize,
    /// `[len, width]`: positions of neighbours, then [`NONE`].
    lowest: Table<u32>,
    /// From layer 1 upwards.
    upper: Vec<Layer>,
}

/// A layer above the lowest. Its points are numbered by row.
#[derive(Debug)]
pub(in crate::index) struct Layer {
    /// The position of each row's point, `[rows]`.
    pub(in crate::index) points: Table<u32>,
    /// The row of each point on the layer below; on layer 1 its position. `[rows]`.
    pub(in crate::index) below: Table<u32>,
    /// `[rows, width]`: rows of neighbours, then [`NONE`].
    pub(in crate::index) links: Table<u32>,
    /// Room for links of a point.
    pub(in crate::index) width: usize,
}

impl Layer {
    /// The links of a row.
    #[inline(always)]
    pub(super) fn of(&self, row: u32) -> &[u32] {
        links_of(&self.links, self.width, row)
    }
}

#[inline(always)]
fn links_of(links: &[u32], width: usize, at: u32) -> &[u32] {
    &links[at as usize * width..][..width]
}

/// Room for `links` that fills whole cache lines.
pub(in crate::index) fn padded(links: usize) -> usize {
    links.next_multiple_of(LINE / size_of::<u32>()).max(LINE / size_of::<u32>())
}

impl Links {
    /// Puts a graph together and checks that every link leads to a point of its layer, so that a walk stays inside.
    ///
    /// # Errors
    /// What does not fit, in words.
    pub(in crate::index) fn new(width: usize, lowest: Table<u32>, upper: Vec<Layer>) -> Result<Self, String> {
        if width == 0 || !lowest.len().is_multiple_of(width) {
            return Err(format!("{} links are no rows of {width}", lowest.len()));
        }
        let len = lowest.len() / width;
        within(&lowest, len, true, 0)?;
        let mut rows_below = len;
        for (layer, number) in upper.iter().zip(1..) {
            let rows = layer.points.len();
            if rows == 0 || rows > rows_below || layer.below.len() != rows || layer.links.len() != rows * layer.width {
                return Err(format!("layer {number} has {rows} points on {rows_below}, and other tables do not fit"));
            }
            within(&layer.points, len, false, number)?;
            within(&layer.below, rows_below, false, number)?;
            within(&layer.links, rows, true, number)?;
            rows_below = rows;
        }
        Ok(Self { width, lowest, upper })
    }

    /// The same layers above another lowest one.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub(super) fn with_lowest(self, lowest: Table<u32>) -> Result<Self, String> {
        Self::new(self.width, lowest, self.upper)
    }

    pub(in crate::index) fn len(&self) -> usize {
        self.lowest.len() / self.width
    }

    pub(in crate::index) fn width(&self) -> usize {
        self.width
    }

    pub(in crate::index) fn lowest(&self) -> &Table<u32> {
        &self.lowest
    }

    pub(in crate::index) fn upper(&self) -> &[Layer] {
        &self.upper
    }

    /// Links of the point at a position on layer 0; [`NONE`] ends them early.
    #[inline(always)]
    pub(super) fn of(&self, position: u32) -> &[u32] {
        links_of(&self.lowest, self.width, position)
    }

    /// As [`Self::of`], to be written.
    pub(super) fn of_mut(&mut self, position: u32) -> &mut [u32] {
        &mut self.lowest[position as usize * self.width..][..self.width]
    }

    /// The position at which every walk begins.
    pub(super) fn entry(&self) -> u32 {
        self.upper.last().map_or(0, |layer| layer.points[0])
    }

    /// Bytes in memory.
    pub(in crate::index) fn bytes(&self) -> usize {
        let upper = self.upper.iter().flat_map(|layer| [&layer.points, &layer.below, &layer.links]);
        self.lowest.bytes().len() + upper.map(|table| table.bytes().len()).sum::<usize>()
    }
}

fn within(links: &[u32], len: usize, or_none: bool, layer: usize) -> Result<(), String> {
    match links.iter().find(|&&link| link as usize >= len && !(or_none && link == NONE)) {
        Some(link) => Err(format!("layer {layer} has a link to {link}, but only {len} points")),
        None => Ok(()),
    }
}
