//! Errors of building and searching an index.

use super::limits::MAX_K;

/// Error of building or searching an index.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IndexError {
    /// The vector belongs to another space.
    #[error("the vector has {found} dimensions, but the index has {expected}")]
    WrongDims {
        /// Dimensions of the index.
        expected: usize,
        /// Dimensions of the vector.
        found: usize,
    },
    /// Two points have the same key.
    #[error("two points have the key {0}")]
    DuplicateKey(u64),
    /// `k` is above [`MAX_K`].
    #[error("k is {0}; the maximum is {MAX_K}")]
    KTooLarge(usize),
    /// There are more points than an index can hold.
    #[error("an index cannot hold {0} points")]
    TooMany(usize),
    /// The build was cancelled.
    #[error("the build was stopped")]
    Stopped,
    /// The threads of the build could not be started.
    #[error("threads for the build could not be started: {0}")]
    Threads(String),
    /// An allocation failed.
    #[error("out of memory: cannot allocate {0} bytes")]
    Memory(usize),
    /// The links are not a graph of the points.
    #[error("the links do not match the points: {0}")]
    BadGraph(String),
}
