//! `diptych index`, `diptych index check` and `diptych index tune`

use std::{process::ExitCode, time::Instant};

use super::{
    context::Context,
    output::{seconds, stopped},
};
use crate::{
    config::IndexCommand,
    engine::{IndexMode, ServingSnapshot, tune_index},
    index::{SelfTest, Trial},
};

/// Minimum recall@10 of an intact index; below it, `check` fails.
const MIN_RECALL: f64 = 0.95;

pub(super) async fn run(
    context: &Context,
    command: Option<IndexCommand>,
    reproducible: bool,
) -> anyhow::Result<ExitCode> {
    match command {
        None => build(context, reproducible).await,
        Some(IndexCommand::Check) => check(context).await,
        Some(IndexCommand::Tune) => tune(context).await,
    }
}

/// Builds the index and writes it to disk as a new generation.
async fn build(context: &Context, reproducible: bool) -> anyhow::Result<ExitCode> {
    let collection = context.collection().await?;
    let encoders = context.encoders(&collection).await?;
    let started = Instant::now();
    let mut parameters = collection.index_parameters().await?;
    if reproducible {
        parameters.graph.threads = 1;
    }
    let kind = IndexMode::Persisted(parameters);
    let built = ServingSnapshot::build(&collection, &encoders, kind, &context.job()).await;
    let Some(generation) = context.finished(built)? else {
        return Ok(stopped("the index on disk is unchanged"));
    };
    let (number, took) = (generation.number, seconds(started.elapsed().as_secs_f64()));
    println!("generation {number} of model {}, built in {took}", generation.record.version);
    print_self_test(generation).await?;
    collection.catalog.close().await;
    Ok(ExitCode::SUCCESS)
}

/// Opens the index on disk as the service does, and compares it with exact search.
async fn check(context: &Context) -> anyhow::Result<ExitCode> {
    let collection = context.collection().await?;
    let encoders = context.encoders(&collection).await?;
    let started = Instant::now();
    let Some(generation) = ServingSnapshot::open(&collection, &encoders).await? else {
        println!("there is no index on disk; `diptych index` and `diptych serve` build one");
        return Ok(ExitCode::FAILURE);
    };
    let (number, took) = (generation.number, seconds(started.elapsed().as_secs_f64()));
    println!("generation {number} of model {}, opened and verified in {took}", generation.record.version);
    let good = print_self_test(generation).await?;
    collection.catalog.close().await;
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Measures exact and graph search, prints the measurements and stores the best parameters.
async fn tune(context: &Context) -> anyhow::Result<ExitCode> {
    let collection = context.collection().await?;
    let encoders = context.encoders(&collection).await?;
    let tuned = tune_index(&collection, &encoders, &context.job()).await;
    let Some((parameters, tunings)) = context.finished(tuned)? else {
        return Ok(stopped("the parameters are unchanged"));
    };
    println!("| index | points | candidates | recall@10 | graph, µs | exact, µs |\n|---|---|---|---|---|---|");
    let micros = |time: std::time::Duration| time.as_secs_f64() * 1e6;
    for (name, tuning) in &tunings {
        let Some(tuning) = tuning else {
            println!("| {name} | too few for a graph | – | – | – | – |");
            continue;
        };
        for Trial { ef, recall_at_10, graph_time } in &tuning.trials {
            let (points, walk, scan) = (tuning.points, micros(*graph_time), micros(tuning.scan_time));
            println!("| {name} | {points} | {ef} | {recall_at_10:.4} | {walk:.0} | {scan:.0} |");
        }
    }
    println!(
        "stored for the next index (`diptych index` or a reindex): exact search up to {} points, beyond that a graph \
         searched with {} candidates",
        parameters.exact_up_to, parameters.graph.ef_search
    );
    collection.catalog.close().await;
    Ok(ExitCode::SUCCESS)
}

/// Prints the results of the self-test. Returns whether every index has sufficient recall.
async fn print_self_test(generation: ServingSnapshot) -> anyhow::Result<bool> {
    let tests = tokio::task::spawn_blocking(move || generation.self_test()).await??;
    println!("| index | points | of them new | tombstones | orphans | strategy | recall@10 (95 %) | memory |");
    println!("|---|---|---|---|---|---|---|---|");
    for (name, SelfTest { points, delta, tombstones, orphans, strategy, recall_at_10, interval, memory, .. }) in &tests
    {
        let strategy = serde_json::to_value(strategy)?;
        println!(
            "| {name} | {points} | {delta} | {tombstones} | {orphans} | {} | {recall_at_10:.4} ({:.3} to {:.3}) \
             | {:.1} MB |",
            strategy.as_str().unwrap_or("?"),
            interval[0],
            interval[1],
            memory.total() as f64 / 1e6,
        );
    }
    Ok(tests.iter().all(|(_, test)| test.recall_at_10 >= MIN_RECALL))
}
