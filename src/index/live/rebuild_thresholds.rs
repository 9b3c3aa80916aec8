//! When an index needs a new base.

/// How much may change before an index needs a new base.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RebuildThresholds {
    /// Deleted points of the base, as a fraction of all its points.
    pub deleted: f64,
    /// Points of the delta.
    pub delta: usize,
}

impl Default for RebuildThresholds {
    fn default() -> Self {
        Self { deleted: 0.2, delta: 4096 }
    }
}
