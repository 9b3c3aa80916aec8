//! The manifest of a generation.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::index::params::GraphParameters;

/// Version of the file format. No other version is read.
pub(super) const FORMAT: u32 = 1;

/// Bytes of a block that has a hash of its own.
pub(super) const BLOCK: usize = 1 << 20;

/// Content of a generation's `manifest.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Version of the file format.
    pub format: u32,
    /// Model of the space that the points are in.
    pub model: String,
    /// State of the catalog from which the points were read, in the format of the owner.
    pub watermark: String,
    /// Dimensions of the space.
    pub dims: usize,
    /// Indexes by name.
    pub indexes: BTreeMap<String, IndexEntry>,
}

/// An index of a generation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IndexEntry {
    /// Number of points.
    pub points: usize,
    /// The graph, unless the points are scanned.
    pub graph: Option<GraphEntry>,
    /// Files by file extension.
    pub files: BTreeMap<String, FileEntry>,
}

/// Shape of a graph.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GraphEntry {
    /// How it was built and is searched.
    pub parameters: GraphParameters,
    /// Link slots of a point on the lowest layer.
    pub width: usize,
    /// Link slots of a point on each layer above.
    pub upper_width: usize,
    /// Number of points of each layer above the lowest, upwards.
    pub upper: Vec<usize>,
}

/// Length and hashes of a file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileEntry {
    /// Length in bytes.
    pub bytes: usize,
    /// BLAKE3 of each MiB, in hexadecimal.
    pub blake3: Vec<String>,
}
