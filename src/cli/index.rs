//! `diptych index`, `diptych index check` and `diptych index tune`

use std::{process::ExitCode, time::Instant};

use super::{
    context::Shared,
    output::{seconds, stopped},
};
use crate::{
    config::IndexVerb,
    engine::{IndexMode, ServingSnapshot, tune_index},
    index::{SelfTest, Trial},
};

/// Below this recall@10 a graph is not what it should be, and `check` ends with a failure.
const ENOUGH_RECALL: f64 = 0.95;

pub(super) async fn run(shared: &Shared, verb: Option<IndexVerb>, reproducible: bool) -> anyhow::Result<ExitCode> {
    match verb {
        None => build(shared, reproducible).await,
        Some(IndexVerb::Check) => check(shared).await,
        Some(IndexVerb::Tune) => tune(shared).await,
    }
}

/// Builds the next generation and writes it to disk.
async fn build(shared: &Shared, reproducible: bool) -> anyhow::Result<ExitCode> {
    let collection = shared.collection().await?;
    let encoders = shared.encoders(&collection).await?;
    let began = Instant::now();
    let mut parameters = collection.index_parameters().await?;
    if reproducible {
        parameters.graph.threads = 1;
    }
    let kind = IndexMode::Persisted(parameters);
    let built = ServingSnapshot::build(&collection, &encoders, kind, shared.progress(), shared.stop.flag()).await;
    let Some(generation) = shared.finished(built)? else {
        return Ok(stopped("the index on disk is the one that was there"));
    };
    let (number, took) = (generation.number, seconds(began.elapsed().as_secs_f64()));
    println!("generation {number} of model {}, built in {took}", generation.record.version);
    table(generation).await?;
    collection.catalog.close().await;
    Ok(ExitCode::SUCCESS)
}

/// Opens the generation on disk as the service would, and compares it with scans.
async fn check(shared: &Shared) -> anyhow::Result<ExitCode> {
    let collection = shared.collection().await?;
    let encoders = shared.encoders(&collection).await?;
    let began = Instant::now();
    let Some(generation) = ServingSnapshot::open(&collection, &encoders).await? else {
        println!("there is no index on disk; `diptych index` builds one, and so does `diptych serve`");
        return Ok(ExitCode::FAILURE);
    };
    let (number, took) = (generation.number, seconds(began.elapsed().as_secs_f64()));
    println!("generation {number} of model {}, opened and verified in {took}", generation.record.version);
    let good = table(generation).await?;
    collection.catalog.close().await;
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Measures, prints what was measured and keeps what follows from it.
async fn tune(shared: &Shared) -> anyhow::Result<ExitCode> {
    let collection = shared.collection().await?;
    let encoders = shared.encoders(&collection).await?;
    let tuned = tune_index(&collection, &encoders, shared.progress(), shared.stop.flag()).await;
    let Some((parameters, tunings)) = shared.finished(tuned)? else {
        return Ok(stopped("the parameters are what they were"));
    };
    println!("| index | points | candidates | recall@10 | walk, µs | scan, µs |\n|---|---|---|---|---|---|");
    let micros = |time: std::time::Duration| time.as_secs_f64() * 1e6;
    for (name, tuning) in &tunings {
        let Some(tuning) = tuning else {
            println!("| {name} | too few to walk through | – | – | – | – |");
            continue;
        };
        for Trial { ef, recall_at_10, graph_time } in &tuning.trials {
            let (points, walk, scan) = (tuning.points, micros(*graph_time), micros(tuning.scan_time));
            println!("| {name} | {points} | {ef} | {recall_at_10:.4} | {walk:.0} | {scan:.0} |");
        }
    }
    println!(
        "kept for the next index (`diptych index`, or a reindex): up to {} points a scan, beyond it a graph that is walked \
         with {} candidates",
        parameters.exact_up_to, parameters.graph.ef_search
    );
    collection.catalog.close().await;
    Ok(ExitCode::SUCCESS)
}

/// Prints the self-test. Says whether every index finds enough.
async fn table(generation: ServingSnapshot) -> anyhow::Result<bool> {
    let tests = tokio::task::spawn_blocking(move || generation.self_test()).await??;
    println!("| index | points | of them new | tombstones | orphans | strategy | recall@10 (95 %) | memory |");
    println!("|---|---|---|---|---|---|---|---|");
    for (name, SelfTest { points, delta, tombstones, orphans, strategy, recall_at_10, interval, memory, .. }) in &tests
    {
        let strategy = serde_json::to_value(strategy)?;
        println!(
            "| {name} | {points} | {delta} | {tombstones} | {orphans} | {} | {recall_at_10:.4} ({:.3} to {:.3}) | {:.1} MB |",
            strategy.as_str().unwrap_or("?"),
            interval[0],
            interval[1],
            memory.total() as f64 / 1e6,
        );
    }
    Ok(tests.iter().all(|(_, test)| test.recall_at_10 >= ENOUGH_RECALL))
}
