//! What is measured, as tables.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use cpu_time::ProcessTime;
use diptych::encoders::{Registry, TextEncoder};
use serde_json::json;

use crate::{
    Outcome, Wishes,
    client::{Connection, get, post, request},
    cross_check, ingest,
    load_generator::{Seen, Until, drive, quantile},
    query_texts::{Material, ask},
    server::Server,
};

/// Clients at once.
const CLIENTS: [usize; 3] = [1, 8, 64];

/// Texts that are asked again and again.
const KNOWN: usize = 100;

/// Texts that the encoder takes at once where it is measured by itself: as many as eight clients can ask, and many.
const BATCHES: [usize; 2] = [8, 64];

pub(crate) fn all(wishes: &Wishes) -> Outcome<()> {
    let server = wishes.serve()?;
    let material = Material::of(&mut server.connect()?, 50)?;
    if wishes.wants("text") {
        text(wishes, &server, &material)?;
    }
    if wishes.wants("picture") {
        pictures(wishes, &server, &material)?;
    }
    if wishes.wants("check") {
        cross_check::check(wishes, &server)?;
    }
    if wishes.wants("busy") {
        busy(wishes, &server, &material)?;
    }
    if wishes.wants("ingest") {
        ingest::ingest(wishes, &server, &material)?;
    }
    Ok(())
}

pub(crate) fn median(values: impl Iterator<Item = f64>) -> f64 {
    quantile(values.collect(), 0.5)
}

/// How many requests were refused, with which statuses.
pub(crate) fn refused(rounds: &[Seen]) -> String {
    let mut refused = BTreeMap::<u16, usize>::new();
    for (status, count) in rounds.iter().flat_map(|seen| &seen.refused) {
        *refused.entry(*status).or_default() += count;
    }
    let words: Vec<String> = refused.iter().map(|(status, count)| format!("{count} × {status}")).collect();
    if words.is_empty() { "0".to_owned() } else { words.join(", ") }
}

/// A row of answers a second and times, medians over the rounds.
fn row(name: &str, rounds: &[Seen]) -> String {
    let of = |what: &dyn Fn(&Seen) -> f64| median(rounds.iter().map(what));
    let refused = refused(rounds);
    format!(
        "| {name} | {:.0} | {:.1} | {:.1} | {:.2} | {refused} |",
        of(&Seen::rate),
        of(&|seen| seen.quantile_ms(0.5)),
        of(&|seen| seen.quantile_ms(0.99)),
        of(&Seen::cpu_ms)
    )
}

fn heading(what: &str) {
    println!("\n| {what} | answers/s | p50, ms | p99, ms | CPU of the service, ms an answer | refused |");
    println!("|---|---|---|---|---|---|");
}

fn text(wishes: &Wishes, server: &Server, material: &Material) -> Outcome<()> {
    let registry = Registry::open(&wishes.models)?;
    let encoder = registry.open_text(&registry.defaults().text)?;
    let known: Vec<String> = (0..KNOWN).map(|_| material.sentence()).collect();
    let number = AtomicUsize::new(0);
    let new = || ask(&material.sentence());
    let again = || ask(&known[number.fetch_add(1, Ordering::Relaxed) % KNOWN]);
    let mut uncached: Vec<Vec<Seen>> = vec![Vec::new(); CLIENTS.len()];
    let mut cached = uncached.clone();
    let mut alone = Vec::new();
    for _ in 0..wishes.rounds {
        for batch in BATCHES {
            alone.push(encoder_alone(encoder.as_ref(), material, batch, wishes.seconds)?);
        }
        for (at, &clients) in CLIENTS.iter().enumerate() {
            uncached[at].push(drive(server, clients, Until::For(wishes.seconds), &new)?);
            cached[at].push(drive(server, clients, Until::For(wishes.seconds), &again)?);
        }
    }
    heading("texts");
    for (name, rounds) in [("new", &uncached), ("asked before", &cached)] {
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
            "The encoder by itself, {batch} such texts at once on all cores: {rate:.0} texts/s and {cpu:.2} ms of CPU each, \
             {tokens:.1} tokens each."
        );
        rate
    };
    let [of_eight, of_many] = BATCHES.map(rate);
    let at = |clients: usize| {
        median(uncached[CLIENTS.iter().position(|c| *c == clients).unwrap_or(0)].iter().map(Seen::rate))
    };
    println!(
        "Eight clients reach {:.2} times one client's rate, {:.0} % of the encoder's with eight texts at once and {:.0} % of \
         that with many; 64 clients {:.0} % of the last.",
        at(8) / at(1),
        at(8) / of_eight * 100.0,
        at(8) / of_many * 100.0,
        at(64) / of_many * 100.0
    );
    for (clients, rounds) in CLIENTS.iter().zip(&uncached) {
        let busy = |seen: &Seen| (seen.own_cpu + seen.service_cpu) / seen.took;
        let share = |seen: &Seen| 100.0 * seen.own_cpu / (seen.own_cpu + seen.service_cpu);
        println!(
            "With {clients} clients {:.1} cores are busy, and the clients take {:.0} % of that.",
            median(rounds.iter().map(busy)),
            median(rounds.iter().map(share))
        );
    }
    println!(
        "\n| one client, p50, ms | all | queue | encode | search | hydrate | HTTP and JSON | all but encode and search |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    for (name, rounds) in [("new", &uncached[0]), ("asked before", &cached[0])] {
        let stage = |at: usize| median(rounds.iter().flat_map(|seen| &seen.stages).map(|stages| stages[at]));
        let each = || rounds.iter().flat_map(|seen| seen.seconds.iter().zip(&seen.stages));
        let http = median(each().map(|(seconds, stages)| seconds * 1e3 - stages.iter().sum::<f64>()));
        let rest = median(each().map(|(seconds, stages)| seconds * 1e3 - stages[1] - stages[2]));
        let all = median(rounds.iter().flat_map(|seen| &seen.seconds).map(|seconds| seconds * 1e3));
        let [queue, encode, search, hydrate] = [0, 1, 2, 3].map(stage);
        println!(
            "| {name} | {all:.2} | {queue:.2} | {encode:.2} | {search:.2} | {hydrate:.2} | {http:.2} | {rest:.2} |"
        );
    }
    Ok(())
}

struct Alone {
    batch: usize,
    rate: f64,
    cpu_ms: f64,
    tokens: f64,
}

/// The encoder in this process, on all cores, while the service has nothing to do.
fn encoder_alone(encoder: &dyn TextEncoder, material: &Material, batch: usize, time: Duration) -> Outcome<Alone> {
    let (mut count, mut tokens, mut took, mut cpu) = (0, 0, Duration::ZERO, Duration::ZERO);
    while took < time {
        let texts: Vec<String> = (0..batch).map(|_| material.sentence()).collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let (began, before) = (Instant::now(), ProcessTime::now());
        encoder.encode(&texts)?;
        (took, cpu) = (took + began.elapsed(), cpu + before.elapsed());
        count += batch;
        for text in texts {
            tokens += encoder.tokenize(text)?.ids.len();
        }
    }
    let count = count as f64;
    Ok(Alone {
        batch,
        rate: count / took.as_secs_f64(),
        cpu_ms: cpu.as_secs_f64() * 1e3 / count,
        tokens: tokens as f64 / count,
    })
}

fn pictures(wishes: &Wishes, server: &Server, material: &Material) -> Outcome<()> {
    let next = || request("POST", "/v1/search/image", "image/png", material.picture());
    let mut rounds: Vec<Vec<Seen>> = vec![Vec::new(); 2];
    for _ in 0..wishes.rounds {
        for (rounds, clients) in rounds.iter_mut().zip([1, 8]) {
            rounds.push(drive(server, clients, Until::For(wishes.seconds), &next)?);
        }
    }
    heading("pictures");
    for (rounds, clients) in rounds.iter().zip([1, 8]) {
        println!("{}", row(&format!("{clients} clients"), rounds));
    }
    Ok(())
}

/// New texts while the service is at long work.
fn busy(wishes: &Wishes, server: &Server, material: &Material) -> Outcome<()> {
    let new = || ask(&material.sentence());
    let mut connection = server.connect()?;
    heading("new texts, 8 clients");
    for (name, path) in [("beside a reindex", "/v1/admin/reindex"), ("beside a training", "/v1/admin/train")] {
        let mut rounds = Vec::new();
        for _ in 0..wishes.rounds {
            // A small collection is indexed in less than the time of a round, so it is indexed again and again.
            let over = AtomicBool::new(false);
            let seen = std::thread::scope(|scope| -> Outcome<Seen> {
                let connection = &mut connection;
                let work = scope.spawn(|| work(connection, path, &over).map_err(|error| error.to_string()));
                let seen = drive(server, 8, Until::For(wishes.seconds), &new);
                over.store(true, Ordering::Relaxed);
                work.join().map_err(|_| "the work panicked")??;
                seen
            })?;
            rounds.push(seen);
        }
        println!("{}", row(name, &rounds));
    }
    Ok(())
}

/// Keeps the service at a kind of work until it is over; then cancels it.
fn work(connection: &mut Connection, path: &str, over: &AtomicBool) -> Outcome<()> {
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
                // One that ended at this moment cannot be cancelled, and need not.
                connection.send(&post(&format!("/v1/tasks/{task}/cancel"), &json!({})))?;
            }
        }
    }
    Ok(())
}
