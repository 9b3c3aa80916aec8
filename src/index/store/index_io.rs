//! The files of an index.

use std::{collections::BTreeMap, path::Path};

use bytemuck::Pod;

use super::table_io::{on_all_cores, read_array, write_file};
use crate::index::{
    ExactIndex, FileEntry, GenerationError, GraphEntry, GraphIndex, IndexEntry, StaticIndex, Traversal,
    aligned::AlignedVec,
    hnsw::{
        links::{Layer, Links},
        scalar_quantization::{Codes, code_stride},
    },
    vectors::{VectorTable, stride},
};

/// Rows of a block whose norms one thread checks.
const ROWS: usize = 4096;

/// Writes the files of an index to `folder`, each with the name `name.<extension>`.
pub(super) fn write_index(folder: &Path, name: &str, index: &StaticIndex) -> Result<IndexEntry, GenerationError> {
    let mut files = BTreeMap::new();
    let mut put = |extension: &str, bytes: &[u8]| {
        files.insert(extension.to_owned(), write_file(&folder.join(format!("{name}.{extension}")), bytes)?);
        Ok::<_, GenerationError>(())
    };
    let points = index.points();
    put("keys", points.keys().as_bytes())?;
    put("vectors", points.values().as_bytes())?;
    let graph = match index {
        StaticIndex::Exact(_) => None,
        StaticIndex::Graph(graph) => {
            let (links, parameters) = (graph.links(), graph.parameters());
            put("links", links.lowest().as_bytes())?;
            let layers = links.upper().iter();
            let upper: Vec<u8> = layers
                .flat_map(|l| [l.points.as_bytes(), l.below.as_bytes(), l.links.as_bytes()])
                .flatten()
                .copied()
                .collect();
            put("upper", &upper)?;
            if let Some(codes) = graph.codes() {
                put("codes", codes.codes().as_bytes())?;
                put("steps", codes.step().as_bytes())?;
            }
            Some(GraphEntry {
                parameters: *parameters,
                width: links.width(),
                upper_width: links.upper().first().map_or(0, |layer| layer.width),
                upper: links.upper().iter().map(|layer| layer.points.len()).collect(),
            })
        }
    };
    Ok(IndexEntry { points: points.len(), graph, files })
}

/// Reads the files of an index and checks that their content is one.
pub(super) fn read_index(
    folder: &Path,
    name: &str,
    dims: usize,
    entry: &IndexEntry,
) -> Result<StaticIndex, GenerationError> {
    let files = Files { folder, name, files: &entry.files };
    let len = entry.points;
    let values = files.read("vectors", len.checked_mul(stride(dims)))?;
    check_norms(&files, dims, &values)?;
    let points = VectorTable::from_columns(dims, files.read("keys", Some(len))?, values);
    let points = points.map_err(|reason| files.damaged("keys", reason))?;
    let Some(graph) = &entry.graph else { return Ok(StaticIndex::Exact(ExactIndex::from_points(points))) };

    let lowest = files.read("links", len.checked_mul(graph.width))?;
    let upper = files.upper(graph)?;
    let links = Links::new(graph.width, lowest, upper).map_err(|reason| files.damaged("links", reason))?;
    let codes = match graph.parameters.traversal {
        Traversal::Float => None,
        Traversal::Byte => {
            let codes = files.read("codes", len.checked_mul(code_stride(dims)))?;
            let codes = Codes::from_columns(codes, files.read("steps", Some(dims))?, len);
            Some(codes.ok_or_else(|| files.damaged("steps", "a step is out of range"))?)
        }
    };
    let index = GraphIndex::from_parts(points, links, codes, graph.parameters);
    Ok(StaticIndex::Graph(index.ok_or_else(|| files.damaged("links", "their number differs from that of the points"))?))
}

/// The files of one index.
struct Files<'a> {
    folder: &'a Path,
    name: &'a str,
    files: &'a BTreeMap<String, FileEntry>,
}

impl Files<'_> {
    /// Reads a file of `len` values; `None` is a length that overflows.
    fn read<T: Pod>(&self, extension: &str, len: Option<usize>) -> Result<AlignedVec<T>, GenerationError> {
        let path = self.folder.join(format!("{}.{extension}", self.name));
        let entry =
            self.files.get(extension).ok_or_else(|| GenerationError::damaged(&path, "it is not in the manifest"))?;
        let len = len.ok_or_else(|| GenerationError::damaged(&path, "its length in the manifest overflows"))?;
        read_array(&path, entry, len)
    }

    fn damaged(&self, extension: &str, reason: impl Into<String>) -> GenerationError {
        GenerationError::damaged(Path::new(&format!("{}.{extension}", self.name)), reason)
    }

    /// Reads the layers above the lowest, which share one file.
    fn upper(&self, graph: &GraphEntry) -> Result<Vec<Layer>, GenerationError> {
        let row_len = graph.upper_width.checked_add(2);
        let len = graph.upper.iter().try_fold(0usize, |sum, rows| sum.checked_add(rows.checked_mul(row_len?)?));
        let values: AlignedVec<u32> = self.read("upper", len)?;
        let mut rest: &[u32] = &values;
        let mut take = |len: usize| {
            let (first, others) = rest.split_at(len);
            rest = others;
            AlignedVec::from_slice(first)
        };
        let layer = |rows: &usize| {
            let (points, below) = (take(*rows)?, take(*rows)?);
            Ok(Layer { points, below, links: take(rows * graph.upper_width)?, width: graph.upper_width })
        };
        graph.upper.iter().map(layer).collect()
    }
}

/// Checks that all rows are unit vectors. A file with matching checksums may still come from a program with a bug, and
/// a row of another norm would be near everything or nothing.
fn check_norms(files: &Files<'_>, dims: usize, values: &AlignedVec<f32>) -> Result<(), GenerationError> {
    on_all_cores(values.chunks(ROWS * stride(dims)), |rows| {
        let unit = |row: &[f32]| {
            let (row, padding) = row.split_at(dims);
            let norm: f32 = row.as_chunks::<16>().0.iter().fold([0f32; 16], square).iter().sum();
            let rest: f32 = row.as_chunks::<16>().1.iter().map(|x| x * x).sum();
            // No range contains NaN.
            (0.998..1.002).contains(&(norm + rest)) && padding.iter().all(|x| x.to_bits() == 0)
        };
        if rows.chunks_exact(stride(dims)).all(unit) {
            Ok(())
        } else {
            Err(files.damaged("vectors", "a row is not a unit vector"))
        }
    })
}

fn square(mut sums: [f32; 16], line: &[f32; 16]) -> [f32; 16] {
    for (sum, x) in sums.iter_mut().zip(line) {
        *sum += x * x;
    }
    sums
}
