//! An index as files, and back.

use std::{collections::BTreeMap, path::Path};

use bytemuck::Pod;

use super::{
    super::{
        ExactIndex, GraphIndex, StaticIndex,
        aligned::Table,
        hnsw::{
            links::{Layer, Links},
            scalar_quantization::{Codes, code_stride},
        },
        params::Traversal,
        vectors::{Points, stride},
    },
    GenerationError,
    manifest::{FileEntry, GraphEntry, IndexEntry},
    table_io::{damaged, on_all_cores, read, write},
};

/// Rows whose norms are checked together.
const ROWS: usize = 4096;

/// Writes the files of an index, `name.<ending>` each, into `folder`.
pub(super) fn save(folder: &Path, name: &str, index: &StaticIndex) -> Result<IndexEntry, GenerationError> {
    let mut files = BTreeMap::new();
    let mut put = |ending: &str, bytes: &[u8]| {
        files.insert(ending.to_owned(), write(&folder.join(format!("{name}.{ending}")), bytes)?);
        Ok::<_, GenerationError>(())
    };
    let points = index.points();
    put("keys", points.keys().bytes())?;
    put("vectors", points.values().bytes())?;
    let graph = match index {
        StaticIndex::Exact(_) => None,
        StaticIndex::Graph(graph) => {
            let (links, parameters) = (graph.links(), graph.parameters());
            put("links", links.lowest().bytes())?;
            let layers = links.upper().iter();
            let upper: Vec<u8> =
                layers.flat_map(|l| [l.points.bytes(), l.below.bytes(), l.links.bytes()]).flatten().copied().collect();
            put("upper", &upper)?;
            if let Some(codes) = graph.codes() {
                put("codes", codes.codes().bytes())?;
                put("steps", codes.step().bytes())?;
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

/// Reads the files of an index, and checks that what they say makes one.
pub(super) fn load(folder: &Path, name: &str, dims: usize, entry: &IndexEntry) -> Result<StaticIndex, GenerationError> {
    let files = Files { folder, name, files: &entry.files };
    let len = entry.points;
    let values = files.read("vectors", len.checked_mul(stride(dims)))?;
    check_norms(&files, dims, &values)?;
    let points = Points::from_tables(dims, files.read("keys", Some(len))?, values);
    let points = points.map_err(|reason| files.damaged("keys", reason))?;
    let Some(graph) = &entry.graph else { return Ok(StaticIndex::Exact(ExactIndex::from_points(points))) };

    let lowest = files.read("links", len.checked_mul(graph.width))?;
    let upper = files.upper(graph)?;
    let links = Links::new(graph.width, lowest, upper).map_err(|reason| files.damaged("links", reason))?;
    let codes = match graph.parameters.traversal {
        Traversal::Float => None,
        Traversal::Byte => {
            let codes = files.read("codes", len.checked_mul(code_stride(dims)))?;
            let codes = Codes::from_tables(codes, files.read("steps", Some(dims))?, len);
            Some(codes.ok_or_else(|| files.damaged("steps", "a step is none"))?)
        }
    };
    let index = GraphIndex::from_parts(points, links, codes, graph.parameters);
    Ok(StaticIndex::Graph(index.ok_or_else(|| files.damaged("links", "there are not as many as points"))?))
}

/// The files of one index.
struct Files<'a> {
    folder: &'a Path,
    name: &'a str,
    files: &'a BTreeMap<String, FileEntry>,
}

impl Files<'_> {
    /// Reads a file of `len` numbers; none means more than can be counted.
    fn read<T: Pod>(&self, ending: &str, len: Option<usize>) -> Result<Table<T>, GenerationError> {
        let path = self.folder.join(format!("{}.{ending}", self.name));
        let entry = self.files.get(ending).ok_or_else(|| damaged(&path, "the manifest does not have it"))?;
        let len = len.ok_or_else(|| damaged(&path, "the manifest counts more than there can be"))?;
        read(&path, entry, len)
    }

    fn damaged(&self, ending: &str, reason: impl Into<String>) -> GenerationError {
        damaged(Path::new(&format!("{}.{ending}", self.name)), reason)
    }

    /// The layers above the lowest, which are one file.
    fn upper(&self, graph: &GraphEntry) -> Result<Vec<Layer>, GenerationError> {
        let room = graph.upper_width.checked_add(2);
        let len = graph.upper.iter().try_fold(0usize, |sum, rows| sum.checked_add(rows.checked_mul(room?)?));
        let table: Table<u32> = self.read("upper", len)?;
        let mut rest: &[u32] = &table;
        let mut take = |len: usize| {
            let (first, others) = rest.split_at(len);
            rest = others;
            Table::of(first)
        };
        let layer = |rows: &usize| {
            let (points, below) = (take(*rows)?, take(*rows)?);
            Ok(Layer { points, below, links: take(rows * graph.upper_width)?, width: graph.upper_width })
        };
        graph.upper.iter().map(layer).collect()
    }
}

/// A file that fits its checksum may still have been written by a program that was wrong. A row that is no unit vector
/// would be near everything or nothing.
fn check_norms(files: &Files<'_>, dims: usize, values: &Table<f32>) -> Result<(), GenerationError> {
    on_all_cores(values.chunks(ROWS * stride(dims)), |rows| {
        let unit = |row: &[f32]| {
            let (row, padding) = row.split_at(dims);
            let norm: f32 = row.as_chunks::<16>().0.iter().fold([0f32; 16], square).iter().sum();
            let rest: f32 = row.as_chunks::<16>().1.iter().map(|x| x * x).sum();
            // A NaN is in no range.
            (0.998..1.002).contains(&(norm + rest)) && padding.iter().all(|x| x.to_bits() == 0)
        };
        if rows.chunks_exact(stride(dims)).all(unit) {
            Ok(())
        } else {
            Err(files.damaged("vectors", "a row is no unit vector"))
        }
    })
}

fn square(mut sums: [f32; 16], line: &[f32; 16]) -> [f32; 16] {
    for (sum, x) in sums.iter_mut().zip(line) {
        *sum += x * x;
    }
    sums
}
