//! Memory that an index holds.

use serde::Serialize;

/// Bytes that an index holds in memory.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct MemoryUsage {
    /// Vectors and keys.
    pub points: usize,
    /// Quantized vectors.
    pub codes: usize,
    /// Links of a graph.
    pub links: usize,
    /// The delta and the tombstones.
    pub delta: usize,
    /// Buffers that searches reuse.
    pub scratch: usize,
}

impl MemoryUsage {
    /// Sum of all parts.
    pub fn total(&self) -> usize {
        self.points + self.codes + self.links + self.delta + self.scratch
    }
}
