//! Which vectors are nearest to a query?
//!
//! Two implementations answer this: [`ExactIndex`] scans every point and is exact; [`GraphIndex`] searches a
//! navigable graph and compares few points. [`StaticIndex`] is whichever fits the number of points, because up to
//! [`EXACT_UP_TO`] points a scan is not only exact but as fast as the graph. [`LiveIndex`] adds a delta of new points
//! and tombstones to a static index, so that every change is visible to the next search. [`GenerationStore`] keeps
//! static indexes on disk.
//!
//! The index is embedded: it lives in the memory of this process, and its calls are synchronous and bound by the
//! processor. [`VectorIndex`] is the contract that these embedded implementations share, not an extension point. An
//! index in another process has network errors and asynchronous calls, so it would take the place of a whole serving
//! snapshot and its live indexes, not implement this trait.

mod aligned;
mod error;
mod exact;
mod hit;
mod hnsw;
mod kernels;
mod limits;
mod live;
mod memory;
mod params;
mod self_test;
mod static_index;
mod store;
mod strategy;
mod tombstones;
mod top_k;
mod tuning;
mod vector_index;
mod vectors;

use aligned::AlignedVec;
use tombstones::Tombstones;
use vectors::VectorTable;

pub use error::IndexError;
pub use exact::ExactIndex;
pub use hit::{Hit, SearchResult};
pub use hnsw::GraphIndex;
pub use limits::{EXACT_UP_TO, MAX_K};
pub use live::{Change, LiveIndex, RebuildThresholds, Snapshot};
pub use memory::MemoryUsage;
pub use params::{GraphParameters, IndexParameters, KeySet, SearchParams, Traversal};
pub use self_test::SelfTest;
pub use static_index::StaticIndex;
pub use store::{
    FileEntry, GarbageStats, GenerationError, GenerationStore, GraphEntry, IndexEntry, LoadedGeneration, Manifest,
    PinnedGeneration, Space,
};
pub use strategy::Strategy;
pub use tuning::{Trial, Tuning};
pub use vector_index::VectorIndex;

#[cfg(test)]
mod conformance_tests;
#[cfg(test)]
mod test_points;
