//! Runs the measurements and prints their tables.

use std::{
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use cpu_time::ProcessTime;
use diptych::encoders::{Registry, TextEncoder};
use serde_json::json;

use crate::{
    client::{Connection, get, post, request},
    cross_check, ingest,
    load_generator::{Until, run_clients},
    options::{BenchResult, Options},
    query_texts::{QueryTexts, text_search},
    server::Server,
    stats::{LoadStats, median, rejections},
};

/// Numbers of concurrent clients.
const CLIENTS: [usize; 3] = [1, 8, 64];

/// Number of texts that are sent repeatedly, so that they are cached.
const CACHED: usize = 100;

/// Batch sizes of the encoder alone: as many texts as eight clients can send, and many.
const BATCHES: [usize; 2] = [8, 64];

pub(crate) fn run(options: &Options) -> BenchResult<()> {
    let server = Server::start(options)?;
    let texts = QueryTexts::load(&mut server.connect()?, 50)?;
    if options.includes("text") {
        text(options, &server, &texts)?;
    }
    if options.includes("picture") {
        pictures(options, &server, &texts)?;
    }
    if options.includes("check") {
        cross_check::run(options, &server)?;
    }
    if options.includes("busy") {
        busy(options, &server, &texts)?;
    }
    if options.includes("ingest") {
        ingest::run(options, &server, &texts)?;
    }
    Ok(())
}

/// A row with rate and times, medians over the rounds.
fn row(name: &str, rounds: &[LoadStats]) -> String {
    let of = |what: &dyn Fn(&LoadStats) -> f64| median(rounds.iter().map(what));
    let rejected = rejections(rounds);
    format!(
        "| {name} | {:.0} | {:.1} | {:.1} | {:.2} | {rejected} |",
        of(&LoadStats::rate),
        of(&|stats| stats.quantile_ms(0.5)),
        of(&|stats| stats.quantile_ms(0.99)),
        of(&LoadStats::cpu_ms)
    )
}

fn heading(title: &str) {
    println!("\n| {title} | responses/s | p50, ms | p99, ms | CPU of the service, ms per response | rejected |");
    println!("|---|---|---|---|---|---|");
}

fn text(options: &Options, server: &Server, texts: &QueryTexts) -> BenchResult<()> {
    let registry = Registry::open(&options.models)?;
    let encoder = registry.open_text(&registry.defaults().text)?;
    let known: Vec<String> = (0..CACHED).map(|_| texts.new_text()).collect();
    let number = AtomicUsize::new(0);
    let new = || text_search(&texts.new_text());
    let again = || text_search(&known[number.fetch_add(1, Ordering::Relaxed) % CACHED]);
    let mut uncached: Vec<Vec<LoadStats>> = vec![Vec::new(); CLIENTS.len()];
    let mut cached = uncached.clone();
    let mut alone = Vec::new();
    for _ in 0..options.rounds {
        for batch in BATCHES {
            alone.push(encoder_alone(encoder.as_ref(), texts, batch, options.seconds)?);
        }
        for (at, &clients) in CLIENTS.iter().enumerate() {
            uncached[at].push(run_clients(server, clients, Until::For(options.seconds), &new)?);
            cached[at].push(run_clients(server, clients, Until::For(options.seconds), &again)?);
        }
    }
    heading("texts");
    for (name, rounds) in [("new", &uncached), ("cached", &cached)] {
        for (clients, rounds) in CLIENTS.iter().zip(rounds) {
            println!("{}", row(&format!("{name}, {clients} clients"), rounds));
        }
    }
    println!();
    let rate = |batch: usize| {
        let rounds = || alone.iter().filter(|alone| alone.batch == batch);
        let (rate, cpu) = (median(rounds().map(|alone| alone.rate)), median(rounds().map(|alone| alone.cpu_ms)));
        let tokens = median(rounds().map(|alone| alone.tokens));
        println!(
            "The encoder alone, {batch} new texts in a batch on all cores: {rate:.0} texts/s, with {cpu:.2} ms of CPU \
             and {tokens:.1} tokens each."
        );
        rate
    };
    let [of_eight, of_many] = BATCHES.map(rate);
    let at = |clients: usize| {
        median(uncached[CLIENTS.iter().position(|c| *c == clients).unwrap_or(0)].iter().map(LoadStats::rate))
    };
    println!(
        "Eight clients reach {:.2} times the rate of one client, {:.0} % of the encoder's with batches of eight and \
         {:.0} % of that with large batches; 64 clients {:.0} % of the latter.",
        at(8) / at(1),
        at(8) / of_eight * 100.0,
        at(8) / of_many * 100.0,
        at(64) / of_many * 100.0
    );
    for (clients, rounds) in CLIENTS.iter().zip(&uncached) {
        let busy = |stats: &LoadStats| (stats.own_cpu + stats.service_cpu) / stats.took;
        let share = |stats: &LoadStats| 100.0 * stats.own_cpu / (stats.own_cpu + stats.service_cpu);
        println!(
            "With {clients} clients, {:.1} cores are busy; the clients use {:.0} % of that.",
            median(rounds.iter().map(busy)),
            median(rounds.iter().map(share))
        );
    }
    println!(
        "\n| one client, p50, ms | total | queue | encode | search | hydrate | HTTP and JSON | \
         without encode and search |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    for (name, rounds) in [("new", &uncached[0]), ("cached", &cached[0])] {
        let stage = |at: usize| median(rounds.iter().flat_map(|stats| &stats.stages).map(|stages| stages[at]));
        let each = || rounds.iter().flat_map(|stats| stats.seconds.iter().zip(&stats.stages));
        let http = median(each().map(|(seconds, stages)| seconds * 1e3 - stages.iter().sum::<f64>()));
        let rest = median(each().map(|(seconds, stages)| seconds * 1e3 - stages[1] - stages[2]));
        let all = median(rounds.iter().flat_map(|stats| &stats.seconds).map(|seconds| seconds * 1e3));
        let [queue, encode, search, hydrate] = [0, 1, 2, 3].map(stage);
        println!(
            "| {name} | {all:.2} | {queue:.2} | {encode:.2} | {search:.2} | {hydrate:.2} | {http:.2} | {rest:.2} |"
        );
    }
    Ok(())
}

/// Throughput of the encoder alone.
struct EncoderRate {
    batch: usize,
    rate: f64,
    cpu_ms: f64,
    tokens: f64,
}

/// Measures the encoder in this process, on all cores, while the service is idle.
fn encoder_alone(
    encoder: &dyn TextEncoder,
    texts: &QueryTexts,
    batch: usize,
    time: Duration,
) -> BenchResult<EncoderRate> {
    let (mut count, mut tokens, mut took, mut cpu) = (0, 0, Duration::ZERO, Duration::ZERO);
    while took < time {
        let batch_texts: Vec<String> = (0..batch).map(|_| texts.new_text()).collect();
        let batch_texts: Vec<&str> = batch_texts.iter().map(String::as_str).collect();
        let (began, before) = (Instant::now(), ProcessTime::now());
        encoder.encode(&batch_texts)?;
        (took, cpu) = (took + began.elapsed(), cpu + before.elapsed());
        count += batch;
        for text in batch_texts {
            tokens += encoder.tokenize(text)?.ids.len();
        }
    }
    let count = count as f64;
    Ok(EncoderRate {
        batch,
        rate: count / took.as_secs_f64(),
        cpu_ms: cpu.as_secs_f64() * 1e3 / count,
        tokens: tokens as f64 / count,
    })
}

fn pictures(options: &Options, server: &Server, texts: &QueryTexts) -> BenchResult<()> {
    let next = || request("POST", "/v1/search/image", "image/png", texts.picture());
    let mut rounds: Vec<Vec<LoadStats>> = vec![Vec::new(); 2];
    for _ in 0..options.rounds {
        for (rounds, clients) in rounds.iter_mut().zip([1, 8]) {
            rounds.push(run_clients(server, clients, Until::For(options.seconds), &next)?);
        }
    }
    heading("pictures");
    for (rounds, clients) in rounds.iter().zip([1, 8]) {
        println!("{}", row(&format!("{clients} clients"), rounds));
    }
    Ok(())
}

/// New texts while the service runs a long task.
fn busy(options: &Options, server: &Server, texts: &QueryTexts) -> BenchResult<()> {
    let new = || text_search(&texts.new_text());
    let mut connection = server.connect()?;
    heading("new texts, 8 clients");
    for (name, path) in [("during a reindex", "/v1/admin/reindex"), ("during a training", "/v1/admin/train")] {
        let mut rounds = Vec::new();
        for _ in 0..options.rounds {
            // A reindex of a small collection is shorter than a round, so it is repeated.
            let over = AtomicBool::new(false);
            let stats = std::thread::scope(|scope| -> BenchResult<LoadStats> {
                let connection = &mut connection;
                let task = scope.spawn(|| repeat_task(connection, path, &over).map_err(|error| error.to_string()));
                let stats = run_clients(server, 8, Until::For(options.seconds), &new);
                over.store(true, Ordering::Relaxed);
                task.join().map_err(|_| "the task thread panicked")??;
                stats
            })?;
            rounds.push(stats);
        }
        println!("{}", row(name, &rounds));
    }
    Ok(())
}

/// Starts a task again and again until `over` is set, then cancels it.
fn repeat_task(connection: &mut Connection, path: &str, over: &AtomicBool) -> BenchResult<()> {
    let force = json!({ "force": true });
    let body = if path.ends_with("train") { force } else { json!({}) };
    while !over.load(Ordering::Relaxed) {
        let task = connection.json(&post(path, &body))?["id"].as_i64().ok_or("no task")?;
        loop {
            std::thread::sleep(Duration::from_millis(50));
            let status = connection.json(&get(&format!("/v1/tasks/{task}")))?;
            if !["enqueued", "running"].contains(&status["status"].as_str().unwrap_or_default()) {
                break;
            }
            if over.load(Ordering::Relaxed) {
                // Fails if the task has ended in the meantime, which is fine.
                connection.send(&post(&format!("/v1/tasks/{task}/cancel"), &json!({})))?;
            }
        }
    }
    Ok(())
}
