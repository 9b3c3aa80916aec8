//! What only we are measured on: files, memory, opening, scans, filters, changes.

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
    Outcome,
    contenders::{Files, Ours, Peers, Raw, keys},
    data::Data,
    median, timed,
};

/// Writes a graph as a generation, and gives it back with the bytes of its files.
pub(crate) fn file_bytes(ours: Ours, dims: usize, scratch: &Path) -> Outcome<(Ours, u64)> {
    let store = GenerationStore::new(scratch.join("index-generations"));
    let Ours { name, seconds, graph } = ours;
    let index = StaticIndex::Graph(graph);
    let number = store.write(Space { model: "bench", dims }, "", &[("points", &index)], 0)?;
    let mut bytes = 0;
    for entry in fs::read_dir(scratch.join(format!("index-generations/{number}")))? {
        bytes += entry?.metadata()?.len();
    }
    let StaticIndex::Graph(graph) = index else { return Err("it was a graph".into()) };
    Ok((Ours { name, seconds, graph }, bytes))
}

struct Allowed<'a>(&'a [bool]);

impl FilterT for Allowed<'_> {
    fn hnsw_filter(&self, id: &usize) -> bool {
        self.0[*id]
    }
}

/// Prints the second table.
pub(crate) fn print(
    data: &Data,
    ours: &Ours,
    raw: Option<&Raw>,
    peers: &mut Peers,
    files: &Files,
    scratch: &Path,
) -> Outcome<()> {
    let (len, dims, graph) = (data.base.len(), data.dims, &ours.graph);
    println!("\n| diptych, bytes and re-rank | |\n|---|---|");
    let memory = graph.memory();
    let vectors = (len * dims * 4) as f64;
    println!(
        "| memory, MB: vectors and keys + bytes + links; all of it as a part of f32 vectors and links | {:.1} + {:.1} + {:.1}; {:.2} |",
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
        let index = opened.indexes.get("points").ok_or("it was written")?;
        index.search(&data.queries[0], &SearchParams::top(10))?;
        opening.push(began.elapsed().as_secs_f64() * 1e3);
    }
    println!("| open from the page cache, verify, answer the first query, on all cores, ms | {:.0} |", median(opening));

    scans(data, ours, peers, files)?;
    filters(data, ours, raw)?;
    changes(data)
}

fn scans(data: &Data, ours: &Ours, peers: &mut Peers, files: &Files) -> Outcome<()> {
    let (mut one, mut batch, mut product) = (Vec::new(), Vec::new(), Vec::new());
    let per_query = 1e6 / data.queries.len() as f64;
    for _ in 0..5 {
        let exact = SearchParams::exact(10);
        let alone = || data.queries[..100].iter().try_for_each(|query| ours.graph.search(query, &exact).map(drop));
        let (done, seconds) = timed(alone);
        done?;
        one.push(seconds * 1e6 / 100.0);
        let (done, seconds) = timed(|| ours.graph.search_batch(&data.queries, &exact));
        done?;
        batch.push(seconds * per_query);
        product.push(peers.product(&files.base, &files.queries, data.dims)? * per_query);
    }
    println!(
        "| scan, µs a query: alone; of {}; numpy's matrix product of the same size, without choosing | {:.0}; {:.0}; {:.0} |",
        data.queries.len(),
        median(one),
        median(batch),
        median(product)
    );
    Ok(())
}

fn filters(data: &Data, ours: &Ours, raw: Option<&Raw>) -> Outcome<()> {
    let (queries, ef) = (&data.queries[..200], ours.graph.parameters().ef_search);
    for percent in [50.0, 5.0, 0.5] {
        // A multiplicative hash picks keys at random and the same ones in every run.
        let inside =
            |key: u64| (key.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40) as f64 / (1u64 << 24) as f64 * 100.0 < percent;
        let filter: KeySet = (0..data.base.len() as u64).filter(|key| inside(*key)).collect();
        let params = SearchParams { filter: Some(&filter), ..SearchParams::top(10) };
        let exact = SearchParams { exact: true, ..params };
        let truth = keys(ours.graph.search_batch(queries, &exact)?);
        let search = || queries.iter().map(|query| ours.graph.search(query, &params)).collect::<Result<Vec<_>, _>>();
        let (answers, seconds) = timed(search);
        let (answers, micros) = (answers?, seconds * 1e6 / queries.len() as f64);
        let how = if answers[0].strategy == Strategy::Exact { "scan" } else { "graph" };
        let mut line = format!("{micros:.0} µs by {how}, recall {:.4}", data.recall(&truth, &keys(answers)));
        if let Some(raw) = raw {
            let few = &queries[..20];
            let allowed: Vec<bool> = (0..data.base.len() as u64).map(inside).collect();
            let search =
                |query: &UnitVector| raw.graph.search_filter(query.as_slice(), 10, ef, Some(&Allowed(&allowed)));
            let ((), seconds) = timed(|| few.iter().map(search).for_each(|answer| drop(std::hint::black_box(answer))));
            let theirs = seconds * 1e6 / few.len() as f64;
            line += &format!("; hnsw_rs's own {theirs:.0} µs, {:.0} ×", theirs / micros);
        }
        println!("| filter that lets {percent} % through | {line} |");
    }
    Ok(())
}

fn changes(data: &Data) -> Outcome<()> {
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
    println!("| inserts a second; removals a second, each found by the next search | {inserts:.0}; {removes:.0} |");
    let queries = &data.queries[..200];
    let params = SearchParams { ef: Some(64), ..SearchParams::top(10) };
    let (done, seconds) = timed(|| queries.iter().try_for_each(|query| live.search(query, &params).map(drop)));
    done?;
    let micros = seconds * 1e6 / queries.len() as f64;
    println!("| search with {count} points in the delta and {count} tombstones, ef 64, µs | {micros:.0} |");
    Ok(())
}
