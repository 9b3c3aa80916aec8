//! Why an index could not be built or searched.

use super::MAX_K;

/// Why an index could not be built or searched.
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
    /// Two points with one key.
    #[error("key {0} was given twice")]
    DuplicateKey(u64),
    /// `k` is above [`MAX_K`].
    #[error("k is {0}; at most {MAX_K} neighbours can be asked for")]
    KTooLarge(usize),
    /// More points than one index holds.
    #[error("{0} points are more than one index holds")]
    TooMany(usize),
    /// Somebody asked the build to stop.
    #[error("the build was stopped")]
    Stopped,
    /// The threads of the build could not be started.
    #[error("threads for the build could not be started: {0}")]
    Threads(String),
    /// The system gives no memory.
    #[error("there is no memory for {0} bytes")]
    Memory(usize),
    /// Links do not make a graph of the points.
    #[error("the links do not fit the points: {0}")]
    BadGraph(String),
}
