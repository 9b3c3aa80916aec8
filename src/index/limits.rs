//! Limits that more than one index obeys.

/// Default of the largest number of points that are scanned rather than linked into a graph. Measured with vectors of
/// some hundred dimensions and searches that keep 200 candidates, where scan and graph cross between 2 000 and 8 000
/// points.
pub const EXACT_UP_TO: usize = 4_000;

/// The largest `k` that a search accepts.
pub const MAX_K: usize = 1_000;

/// The largest number of points of one index: a candidate of a graph search packs a position into 30 bits.
pub(super) const MAX_POINTS: usize = (1 << 30) - 1;
