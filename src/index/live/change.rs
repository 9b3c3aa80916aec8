//! Changes of a live index.

use crate::core::UnitVector;

/// A change of an index.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// Adds a point, or replaces the point of the key.
    Put(u64, UnitVector),
    /// Removes the point of the key, if there is one.
    Remove(u64),
}
