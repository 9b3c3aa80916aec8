//! Measurements of diptych alone: files, memory, opening, scans, filters, changes.

use std::{fs, path::Path, sync::atomic::AtomicBool, time::Instant};

use diptych::{
    core::UnitVector,
    index::{
        Change, GenerationStore, IndexParameters, KeySet, LiveIndex, RebuildThresholds, SearchParams, Space,
        StaticIndex, Strategy, VectorIndex,
    },
};
use hnsw_rs::prelude::FilterT;

use crate::{
    contenders::{DatasetFiles, DiptychGraph, HnswRs, PythonPeers, keys},
    data::Data,
    measure::{BenchResult, timed},
    peers::median,
};

/// Writes a graph to disk as a generation, and returns it with the bytes of its files.
pub(crate) fn file_bytes(graph: DiptychGraph, dims: usize, scratch: &Path) -> BenchResult<(DiptychGraph, u64)> {
    let store = GenerationStore::new(scratch.join("index-generations"));
    let DiptychGraph { name, seconds, graph } = graph;
    let index = StaticIndex::Graph(graph);
    let number = store.write(Space { model: "bench", dims }, "", &[("points", &index)], 0)?;
    let mut bytes = 0;
    for entry in fs::read_dir(scratch.join(format!("index-generations/{number}")))? {
        bytes += entry?.metadata()?.len();
    }
    let StaticIndex::Graph(graph) = index else { return Err("the index is a graph".into()) };
    Ok((DiptychGraph { name, seconds, graph }, bytes))
}

struct Allowed<'a>(&'a [bool]);

impl FilterT for Allowed<'_> {
    fn hnsw_filter(&self, id: &usize) -> bool {
        self.0[*id]
    }
}

/// Measures and prints the second table.
pub(crate) fn print(
    data: &Data,
    byte: &DiptychGraph,
    hnsw_rs: Option<&HnswRs>,
    peers: &mut PythonPeers,
    files: &DatasetFiles,
    scratch: &Path,
) -> BenchResult<()> {
    let (len, dims, graph) = (data.base.len(), data.dims, &byte.graph);
    println!("\n| diptych, bytes and re-rank | |\n|---|---|");
    let memory = graph.memory();
    let vectors = (len * dims * 4) as f64;
    println!(
        "| memory, MB: vectors and keys + bytes + links; total relative to f32 vectors and links | \
         {:.1} + {:.1} + {:.1}; {:.2} |",
        memory.points as f64 / 1e6,
        memory.codes as f64 / 1e6,
        memory.links as f64 / 1e6,
        memory.total() as f64 / (vectors + memory.links as f64)
    );

    let store = GenerationStore::new(scratch.join("index-generations"));
    let mut opening = Vec::new();
    for _ in 0..5 {
        let began = Instant::now();
        let opened = store.open_newest(Space { model: "bench", dims })?;
        let index = opened.indexes.get("points").ok_or("the index was written")?;
        index.search(&data.queries[0], &SearchParams::top(10))?;
        opening.push(began.elapsed().as_secs_f64() * 1e3);
    }
    println!("| open from the page cache, verify, answer the first query, on all cores, ms | {:.0} |", median(opening));

    scans(data, byte, peers, files)?;
    filters(data, byte, hnsw_rs)?;
    changes(data)
}

fn scans(data: &Data, byte: &DiptychGraph, peers: &mut PythonPeers, files: &DatasetFiles) -> BenchResult<()> {
    let (mut one, mut batch, mut product) = (Vec::new(), Vec::new(), Vec::new());
    let per_query = 1e6 / data.queries.len() as f64;
    for _ in 0..5 {
        let exact = SearchParams::exact(10);
        let alone = || data.queries[..100].iter().try_for_each(|query| byte.graph.search(query, &exact).map(drop));
        let (done, seconds) = timed(alone);
        done?;
        one.push(seconds * 1e6 / 100.0);
        let (done, seconds) = timed(|| byte.graph.search_batch(&data.queries, &exact));
        done?;
        batch.push(seconds * per_query);
        product.push(peers.product(&files.base, &files.queries, data.dims)? * per_query);
    }
    println!(
        "| scan, µs per query: alone; in a batch of {}; numpy's matrix product of the same size, without top k | \
         {:.0}; {:.0}; {:.0} |",
        data.queries.len(),
        median(one),
        median(batch),
        median(product)
    );
    Ok(())
}

fn filters(data: &Data, byte: &DiptychGraph, hnsw_rs: Option<&HnswRs>) -> BenchResult<()> {
    let (queries, ef) = (&data.queries[..200], byte.graph.parameters().ef_search);
    for percent in [50.0, 5.0, 0.5] {
        // A multiplicative hash selects pseudo-random keys, the same in every run.
        let inside =
            |key: u64| (key.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40) as f64 / (1u64 << 24) as f64 * 100.0 < percent;
        let filter: KeySet = (0..data.base.len() as u64).filter(|key| inside(*key)).collect();
        let params = SearchParams { filter: Some(&filter), ..SearchParams::top(10) };
        let exact = SearchParams { exact: true, ..params };
        let truth = keys(byte.graph.search_batch(queries, &exact)?);
        let search = || queries.iter().map(|query| byte.graph.search(query, &params)).collect::<Result<Vec<_>, _>>();
        let (results, seconds) = timed(search);
        let (results, micros) = (results?, seconds * 1e6 / queries.len() as f64);
        let how = if results[0].strategy == Strategy::Exact { "scan" } else { "graph" };
        let mut line = format!("{micros:.0} µs by {how}, recall {:.4}", data.recall(&truth, &keys(results)));
        if let Some(hnsw_rs) = hnsw_rs {
            let few = &queries[..20];
            let allowed: Vec<bool> = (0..data.base.len() as u64).map(inside).collect();
            let search =
                |query: &UnitVector| hnsw_rs.graph.search_filter(query.as_slice(), 10, ef, Some(&Allowed(&allowed)));
            let ((), seconds) = timed(|| few.iter().map(search).for_each(|result| drop(std::hint::black_box(result))));
            let theirs = seconds * 1e6 / few.len() as f64;
            line += &format!("; hnsw_rs {theirs:.0} µs, {:.0} ×", theirs / micros);
        }
        println!("| filter that {percent} % of the points pass | {line} |");
    }
    Ok(())
}

fn changes(data: &Data) -> BenchResult<()> {
    let point = |n: usize| -> (u64, UnitVector) { (n as u64, data.base[n].clone()) };
    let few = (0..data.base.len().min(20_000)).map(point).collect();
    let base = StaticIndex::build(data.dims, few, &IndexParameters::default(), &|_| (), &AtomicBool::new(false))?;
    let live = LiveIndex::new(base, RebuildThresholds::default());
    let count = 4_000u64;
    let new: Vec<UnitVector> = data.base.iter().take(count as usize).cloned().collect();
    let insert = |(n, point): (usize, UnitVector)| live.apply(vec![Change::Put(1_000_000 + n as u64, point)]);
    let (done, seconds) = timed(|| new.into_iter().enumerate().try_for_each(insert));
    done?;
    let inserts = count as f64 / seconds;
    let (done, seconds) = timed(|| (0..count).try_for_each(|n| live.apply(vec![Change::Remove(n)])));
    done?;
    let removes = count as f64 / seconds;
    println!(
        "| inserts per second; removals per second, each visible to the next search | {inserts:.0}; {removes:.0} |"
    );
    let queries = &data.queries[..200];
    let params = SearchParams { ef: Some(64), ..SearchParams::top(10) };
    let (done, seconds) = timed(|| queries.iter().try_for_each(|query| live.search(query, &params).map(drop)));
    done?;
    let micros = seconds * 1e6 / queries.len() as f64;
    println!("| search with {count} points in the delta and {count} tombstones, ef 64, µs | {micros:.0} |");
    Ok(())
}
