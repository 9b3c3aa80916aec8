//! Subsampling of collections that are too large to be measured completely.

/// At most `max` of the elements, evenly spaced.
pub fn evenly_spaced<T>(all: &[T], max: usize) -> impl Iterator<Item = &T> {
    all.iter().step_by(all.len().div_ceil(max.max(1)).max(1))
}
