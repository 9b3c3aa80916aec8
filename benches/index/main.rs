//! The graph index compared with hnswlib, faiss and usearch: same points, links and ef_construction, one thread,
//! interleaved.
//!
//! ```text
//! cargo bench --bench index                                        30 000 points, 128 and 384 dimensions
//! cargo bench --bench index -- --points 30000,100000 --dims 128,384,1024
//! cargo bench --bench index -- --collection data                   also the captions of a trained collection
//! cargo bench --bench index -- --plot benches/index.svg            file of the plot; by default below target/
//! ```
//!
//! Prints tables in Markdown. All times of one thread are CPU times. It needs Linux (for CPU time), `python3` with
//! `venv`, and, on the first run, a C++ compiler and a package index. `--no-hnsw-rs` omits the search of `hnsw_rs`,
//! whose build takes longest.

mod contenders;
mod data;
mod diptych_only;
mod measure;
#[path = "../peers/mod.rs"]
mod peers;
mod plot;

use std::{
    fs,
    path::{Path, PathBuf},
};

use diptych::index::{SearchParams, Traversal, VectorIndex};

use contenders::{Contender, DatasetFiles, DiptychGraph, HnswRs, PythonPeers};
use data::Data;
use measure::{BenchResult, Curve, CurvePoint, Dataset, PASSES};

const ROUNDS: usize = 5;

/// Numbers of candidates that are measured.
const EFS: [usize; 11] = [10, 16, 24, 32, 48, 64, 96, 128, 200, 400, 800];

const PEERS: [&str; 3] = ["hnswlib", "faiss", "usearch"];

/// The recall at which engines are compared.
const TARGET_RECALL: f64 = 0.99;

/// Once all engines reach this recall, more candidates are not measured.
const SATURATED_RECALL: f64 = 0.9995;

fn main() -> BenchResult<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let option = |name: &str| arguments.iter().position(|a| a == name).and_then(|at| arguments.get(at + 1));
    let numbers = |name: &str, default: &str| -> BenchResult<Vec<usize>> {
        let text = option(name).map_or(default, String::as_str);
        Ok(text.split(',').map(str::parse).collect::<Result<_, _>>()?)
    };
    let scratch = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let with_hnsw_rs = !arguments.iter().any(|argument| argument == "--no-hnsw-rs");
    let mut datasets = Vec::new();
    for &points in &numbers("--points", "30000")? {
        for &dims in &numbers("--dims", "128,384")? {
            datasets.push(measure(&Data::synthetic(points, dims), with_hnsw_rs, scratch)?);
        }
    }
    if let Some(folder) = option("--collection") {
        datasets.push(measure(&Data::collection(Path::new(folder))?, with_hnsw_rs, scratch)?);
    }
    let plot = option("--plot").map_or_else(|| scratch.join("index.svg"), PathBuf::from);
    fs::write(&plot, plot::svg(&datasets))?;
    println!("\nThe curves are in {}.", plot.display());
    Ok(())
}

fn measure(data: &Data, with_hnsw_rs: bool, scratch: &Path) -> BenchResult<Dataset> {
    let dims = data.dims;
    let files = DatasetFiles { base: scratch.join("index-base.f32"), queries: scratch.join("index-queries.f32") };
    data.write(&files.base, &files.queries)?;
    println!("\n### {}\n", data.title);

    let byte = DiptychGraph::build(data, Traversal::Byte, 1)?;
    let truth = contenders::keys(byte.graph.search_batch(&data.queries, &SearchParams::exact(10))?);
    let (mut byte, byte_bytes) = diptych_only::file_bytes(byte, dims, scratch)?;
    let mut float = DiptychGraph::build(data, Traversal::Float, 1)?;
    let mut hnsw_rs = if with_hnsw_rs { Some(HnswRs::build(data)?) } else { None };
    let mut peers = PythonPeers::start(scratch)?;
    let mut curves = vec![Curve::new(byte.name(), byte.build_seconds(), byte_bytes)];
    let float_bytes = byte_bytes - byte.graph.memory().codes as u64;
    curves.push(Curve::new(float.name(), float.build_seconds(), float_bytes));
    for name in PEERS {
        let (seconds, bytes) = peers.build(name, &files.base, dims)?;
        curves.push(Curve::new(name, seconds, bytes));
    }
    if let Some(hnsw_rs) = &hnsw_rs {
        curves.push(Curve::new(hnsw_rs.name(), hnsw_rs.build_seconds(), 0));
    }

    for ef in EFS {
        let saturated = |curve: &Curve| curve.points.last().is_some_and(|point| point.recall >= SATURATED_RECALL);
        if curves.iter().all(saturated) {
            break;
        }
        for round in 0..ROUNDS {
            let mut results = vec![byte.search(data, ef)?, float.search(data, ef)?];
            for name in PEERS {
                results.push(peers.search(name, &files.queries, ef)?);
            }
            if let Some(hnsw_rs) = &mut hnsw_rs {
                results.push(hnsw_rs.search(data, ef)?);
            }
            for (curve, (keys, seconds)) in curves.iter_mut().zip(results) {
                if round == 0 {
                    curve.points.push(CurvePoint { recall: data.recall(&truth, &keys), seconds: Vec::new() });
                }
                let point = curve.points.last_mut().ok_or("a round has started")?;
                point.seconds.push(seconds / (PASSES * data.queries.len()) as f64);
            }
        }
    }
    let dataset = Dataset { title: data.title.clone(), curves };
    print(&dataset);
    diptych_only::print(data, &byte, hnsw_rs.as_ref(), &mut peers, &files, scratch)?;
    Ok(dataset)
}

fn print(dataset: &Dataset) {
    let hnswlib = dataset.curves.iter().find(|curve| curve.name == "hnswlib");
    let reference = hnswlib.and_then(|curve| curve.qps_at(TARGET_RECALL));
    println!("| engine | build, CPU s | file, MB | queries/s at recall@10 {TARGET_RECALL} | × hnswlib |");
    println!("|---|---|---|---|---|");
    for curve in &dataset.curves {
        let qps = curve.qps_at(TARGET_RECALL);
        let ratio = qps.zip(reference).map_or("–".to_owned(), |(qps, reference)| format!("{:.2}", qps / reference));
        let qps = qps.map_or("not reached".to_owned(), |qps| format!("{qps:.0}"));
        let bytes = if curve.bytes == 0 { "–".to_owned() } else { format!("{:.1}", curve.bytes as f64 / 1e6) };
        println!("| {} | {:.1} | {bytes} | {qps} | {ratio} |", curve.name, curve.build_seconds);
    }
    println!("\n| ef |{}", dataset.curves.iter().map(|curve| format!(" {} |", curve.name)).collect::<String>());
    println!("|---|{}", "---|".repeat(dataset.curves.len()));
    let measured = dataset.curves.iter().map(|curve| curve.points.len()).min().unwrap_or(0);
    for (n, ef) in EFS.iter().enumerate().take(measured) {
        let cell = |curve: &Curve| format!(" {:.4} · {:.0} |", curve.points[n].recall, curve.points[n].qps());
        println!("| {ef} |{}", dataset.curves.iter().map(cell).collect::<String>());
    }
}
