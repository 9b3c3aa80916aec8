//! The graph against hnswlib, faiss and usearch: the same points, links and ef_construction, one thread, interleaved.
//!
//! ```text
//! cargo bench --bench index                                        30 000 points, 128 and 384 dimensions
//! cargo bench --bench index -- --points 30000,100000 --dims 128,384,1024
//! cargo bench --bench index -- --collection data                   also the captions of a collection that was trained
//! cargo bench --bench index -- --picture benches/index.svg         where the curves are drawn; else below target/
//! ```
//!
//! Prints tables in Markdown. All times of one thread are CPU times. It needs Linux (for CPU time), `python3` with `venv`, a
//! C++ compiler and a package index at the first run. `--no-hnsw-rs` leaves out `hnsw_rs` as it is, whose build takes longest.

mod contenders;
mod data;
mod diptych_only;
#[path = "../peers/mod.rs"]
mod peers;
mod plot;

use std::{
    error::Error,
    fs,
    path::{Path, PathBuf},
};

use cpu_time::ThreadTime;
use diptych::index::{SearchParams, Traversal, VectorIndex};

use contenders::{Engine, Files, Ours, Peers, Raw};
use data::Data;
use peers::median;

const ROUNDS: usize = 5;

/// Passes over all queries of a turn, after one that only warms the caches.
const PASSES: usize = 3;
const EFS: [usize; 11] = [10, 16, 24, 32, 48, 64, 96, 128, 200, 400, 800];
const PEERS: [&str; 3] = ["hnswlib", "faiss", "usearch"];

/// The recall at which engines are compared.
const AT: f64 = 0.99;

/// Once all engines have this recall, more candidates would show nothing.
const ENOUGH: f64 = 0.9995;

type Outcome<T> = Result<T, Box<dyn Error>>;

/// What was measured on one set of points.
struct Dataset {
    title: String,
    curves: Vec<Curve>,
}

/// What one engine reaches with more and more candidates.
struct Curve {
    name: String,
    build_seconds: f64,
    bytes: u64,
    points: Vec<Reached>,
}

struct Reached {
    recall: f64,
    /// Seconds of CPU a query, of each round.
    seconds: Vec<f64>,
}

impl Reached {
    fn qps(&self) -> f64 {
        1.0 / median(self.seconds.clone())
    }
}

impl Curve {
    /// Queries a second at a recall, between the two measured points around it.
    fn qps_at(&self, recall: f64) -> Option<f64> {
        let after = self.points.iter().position(|point| point.recall >= recall)?;
        let high = &self.points[after];
        let Some(low) = after.checked_sub(1).map(|before| &self.points[before]) else { return Some(high.qps()) };
        let part = (recall - low.recall) / (high.recall - low.recall);
        Some((low.qps().ln() * (1.0 - part) + high.qps().ln() * part).exp())
    }
}

fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let option = |name: &str| arguments.iter().position(|a| a == name).and_then(|at| arguments.get(at + 1));
    let numbers = |name: &str, default: &str| -> Outcome<Vec<usize>> {
        let text = option(name).map_or(default, String::as_str);
        Ok(text.split(',').map(str::parse).collect::<Result<_, _>>()?)
    };
    let scratch = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let raw = !arguments.iter().any(|argument| argument == "--no-hnsw-rs");
    let mut datasets = Vec::new();
    for &points in &numbers("--points", "30000")? {
        for &dims in &numbers("--dims", "128,384")? {
            datasets.push(measure(&Data::synthetic(points, dims), raw, scratch)?);
        }
    }
    if let Some(folder) = option("--collection") {
        datasets.push(measure(&Data::collection(Path::new(folder))?, raw, scratch)?);
    }
    let picture = option("--picture").map_or_else(|| scratch.join("index.svg"), PathBuf::from);
    fs::write(&picture, plot::svg(&datasets))?;
    println!("\nThe curves are in {}.", picture.display());
    Ok(())
}

fn measure(data: &Data, raw: bool, scratch: &Path) -> Outcome<Dataset> {
    let dims = data.dims;
    let files = Files { base: scratch.join("index-base.f32"), queries: scratch.join("index-queries.f32") };
    data.write(&files.base, &files.queries)?;
    println!("\n### {}\n", data.title);

    let byte = Ours::build(data, Traversal::Byte, 1)?;
    let truth = contenders::keys(byte.graph.search_batch(&data.queries, &SearchParams::exact(10))?);
    let (mut byte, byte_bytes) = diptych_only::file_bytes(byte, dims, scratch)?;
    let mut float = Ours::build(data, Traversal::Float, 1)?;
    let mut own = if raw { Some(Raw::build(data)?) } else { None };
    let mut peers = Peers::start(scratch)?;
    let mut curves = vec![curve(byte.name(), byte.build_seconds(), byte_bytes)];
    curves.push(curve(float.name(), float.build_seconds(), byte_bytes - byte.graph.memory().codes as u64));
    for name in PEERS {
        let (seconds, bytes) = peers.build(name, &files.base, dims)?;
        curves.push(curve(name, seconds, bytes));
    }
    if let Some(own) = &own {
        curves.push(curve(own.name(), own.build_seconds(), 0));
    }

    for ef in EFS {
        if curves.iter().all(|curve| curve.points.last().is_some_and(|reached| reached.recall >= ENOUGH)) {
            break;
        }
        for round in 0..ROUNDS {
            let mut answers = vec![byte.search(data, ef)?, float.search(data, ef)?];
            for name in PEERS {
                answers.push(peers.search(name, &files.queries, ef)?);
            }
            if let Some(own) = &mut own {
                answers.push(own.search(data, ef)?);
            }
            for (curve, (keys, seconds)) in curves.iter_mut().zip(answers) {
                if round == 0 {
                    curve.points.push(Reached { recall: data.recall(&truth, &keys), seconds: Vec::new() });
                }
                let reached = curve.points.last_mut().ok_or("a round began")?;
                reached.seconds.push(seconds / (PASSES * data.queries.len()) as f64);
            }
        }
    }
    let dataset = Dataset { title: data.title.clone(), curves };
    print(&dataset);
    diptych_only::print(data, &byte, own.as_ref(), &mut peers, &files, scratch)?;
    Ok(dataset)
}

fn curve(name: &str, build_seconds: f64, bytes: u64) -> Curve {
    Curve { name: name.to_owned(), build_seconds, bytes, points: Vec::new() }
}

fn print(dataset: &Dataset) {
    let peer = dataset.curves.iter().find(|curve| curve.name == "hnswlib").and_then(|curve| curve.qps_at(AT));
    println!("| engine | build, s of CPU | file, MB | queries/s at recall@10 {AT} | × hnswlib |");
    println!("|---|---|---|---|---|");
    for curve in &dataset.curves {
        let qps = curve.qps_at(AT);
        let ratio = qps.zip(peer).map_or("–".to_owned(), |(qps, peer)| format!("{:.2}", qps / peer));
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

/// Seconds of CPU that `work` takes on this thread, on which all of it runs. On a machine that others use too, wall time
/// would measure them.
fn timed<T>(work: impl FnOnce() -> T) -> (T, f64) {
    let before = ThreadTime::now();
    let result = work();
    (result, before.elapsed().as_secs_f64())
}
