//! What a generation says of itself, and which generations there are.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::super::params::GraphParameters;

/// The version of the files' layout. Another one is not read.
pub(super) const FORMAT: u32 = 1;

/// Bytes that are hashed together.
pub(super) const BLOCK: usize = 1 << 20;

/// What a generation says of itself: `manifest.json` in its folder.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The version of the files' layout.
    pub format: u32,
    /// The model whose space the points are in.
    pub model: String,
    /// How far the catalog had come when the points were read from it; whatever its owner makes of that.
    pub watermark: String,
    /// Dimensions of the space.
    pub dims: usize,
    /// The indexes, by name.
    pub indexes: BTreeMap<String, IndexEntry>,
}

/// One index of a generation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IndexEntry {
    /// Number of points.
    pub points: usize,
    /// The graph, unless the points are scanned.
    pub graph: Option<GraphEntry>,
    /// What lies in the files, by the files' endings.
    pub files: BTreeMap<String, FileEntry>,
}

/// The shape of a graph.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GraphEntry {
    /// How it was built, and how it is walked.
    pub parameters: GraphParameters,
    /// Room for links of a point on the lowest layer.
    pub width: usize,
    /// Room for links of a point on each layer above.
    pub upper_width: usize,
    /// Points of each layer above the lowest, upwards.
    pub upper: Vec<usize>,
}

/// The length and the content of a file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileEntry {
    /// Its length.
    pub bytes: usize,
    /// BLAKE3 of each MiB of it, in hex.
    pub blake3: Vec<String>,
}

/// The generations that there are: the file `CURRENT`. Each line names one, the newest first, and the BLAKE3 of its
/// manifest; so each byte of a generation is covered by a hash that this file leads to, and a flipped digit in it leads to
/// a manifest that does not fit and not to an older generation.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Current(pub(super) Vec<(u64, String)>);

impl Current {
    /// Reads what [`Self::text`] wrote, and nothing else.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let line = |line: &str| {
            let (number, hash) = line.split_once(' ')?;
            Some((number.parse().ok()?, hash.to_owned()))
        };
        let read = Self(text.lines().map(line).collect::<Option<_>>()?);
        (!read.0.is_empty() && read.text() == text).then_some(read)
    }

    pub(super) fn text(&self) -> String {
        self.0.iter().map(|(number, hash)| format!("{number} {hash}\n")).collect()
    }
}
